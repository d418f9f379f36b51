"""What is said of single images: facts, names and small p-values are three things."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vestige.decision.records import Copy
from vestige.judging.cohort import Cohort
from vestige.judging.findings import make_findings
from vestige.judging.judge import Judgement, judge
from vestige.judging.patients import judge_patients
from vestige.schema.records import Evidence, Finding
from vestige.scoring.plan import Column

PLAN = (Column("d", "d", {}, 1.0, pool=False),)
NEAR = (Evidence("g1", 0.4), Evidence("g2", 0.3), Evidence("g3", 0.2))


def bag_of(targets: int, calibration: int, images: int = 1) -> Cohort:
    n = (targets + calibration) * images
    is_judged = np.arange(n) < targets * images
    return Cohort(
        images=np.empty((n, 0, 0), np.float32),
        ids=tuple(f"{k}.png" for k in range(n)),
        index=np.arange(n),
        roles=np.where(is_judged, "query", "unused"),
        groups=np.array([f"p{k // images}" for k in range(n)]),
        targets=is_judged,
        calibration=~is_judged,
        known_used=np.zeros(n, np.bool_),
        resolved={},
    )


def say(
    cohort: Cohort, judgement: Judgement, vetoed: bool = False, **more: Any
) -> tuple[Finding, ...]:
    columns = np.zeros((len(cohort.ids), 1))
    near = [NEAR] * len(cohort.ids)
    return make_findings(columns, PLAN, cohort, judgement, near, 0.05, vetoed, **more)


def judged_by_hand(p: list[float], q: list[float]) -> Judgement:
    n = len(p)
    return Judgement(
        np.zeros(n), np.zeros(30), np.array(p), np.array(q), np.zeros((n, 1)), np.ones(1), None, ""
    )


def copy(name: str, generated: str, value: float) -> Copy:
    return Copy(generated, name, "query", "p", value, 4.0, "identity", False, "near copy")


def test_a_small_p_is_no_name_and_a_name_needs_no_small_p() -> None:
    cohort = bag_of(4, 30)
    judgement = judged_by_hand([0.05, 0.06, 0.04, 0.5], [0.11, 0.1, 0.05, 0.9])
    found = say(cohort, judgement)
    assert [f.word for f in found] == ["stands out", "named", "named", "no evidence"]
    assert [f.verdict for f in found] == ["no evidence", "used", "used", "no evidence"]
    assert [f.stands_out for f in found] == [True, False, True, False]
    resolved = say(replace(cohort, resolved={0: "used", 1: "unused"}), judgement)
    assert [f.word for f in resolved] == ["known used", "no evidence", "named", "no evidence"]
    assert [(f.p_value, f.q_value, f.stands_out) for f in resolved[:2]] == [(None, None, False)] * 2


def test_a_failed_check_takes_back_all_but_copies() -> None:
    cohort = bag_of(3, 30)
    judgement = judged_by_hand([0.03, 0.03, 0.9], [0.05, 0.05, 0.9])
    found = say(cohort, judgement, vetoed=True, copies=[copy("0.png", "g9", 0.8)])
    assert [f.word for f in found] == ["copy", "uncalibrated", "uncalibrated"]
    assert [f.verdict for f in found] == ["used", "uncalibrated", "uncalibrated"]
    assert not any(f.stands_out for f in found)
    rows = judge_patients(bag_of(3, 30, 2), judgement, found, 0.05, True, {found[0].group})
    assert [(p.word, p.stands_out) for p in rows] == [
        ("copy", False), ("uncalibrated", False), ("uncalibrated", False)
    ]  # fmt: skip


def test_a_copy_is_the_nearest_generated_image() -> None:
    copies = [copy("0.png", "g2", 0.7), copy("0.png", "g9", 0.8)]
    first, second = say(bag_of(2, 30), judged_by_hand([0.9, 0.9], [1, 1]), copies=copies)
    assert first.evidence == (Evidence("g9", 0.8), Evidence("g2", 0.7), Evidence("g1", 0.4))
    assert (first.similarity, first.copied, first.stands_out) == (0.8, True, False)
    assert second.evidence == NEAR
    assert (second.similarity, second.copied) == (0.4, False)


def test_a_patient_whose_images_are_answered_is_not_tested() -> None:
    resolved = {0: "used", 1: "used", 2: "unused"}
    cohort = replace(bag_of(4, 39, 2), resolved=resolved)
    scores = np.random.default_rng(50).standard_normal((len(cohort.ids), 1))
    scores[2] += 20  # answered: the other image of the patient speaks alone
    scores[4:6] += 9
    judgement = judge(scores, PLAN, cohort, cohort.targets & ~cohort.answered)
    rows = {
        vetoed: judge_patients(cohort, judgement, say(cohort, judgement, vetoed), 0.05, vetoed)
        for vetoed in (False, True)
    }
    by_name = {row.patient: row for row in rows[False]}
    assert by_name["p0"].p_value is None
    assert not by_name["p1"].stands_out
    assert [by_name[name].verdict for name in ("p0", "p1")] == ["used", "no evidence"]
    assert by_name["p2"].stands_out
    assert not any(row.stands_out for row in rows[True])


@pytest.mark.parametrize("images", [1, 3])
def test_where_nothing_was_used_almost_nobody_is_called_used(images: int) -> None:
    """250 null worlds. At most one in ten names anybody (the FDR of an empty set of true names):
    more than 47 have P < 1e-5. Of the images .05 stand out: 250 x 15 of them, worlds of equal
    spread; the mean lies above .075 with P < 1e-5 (the share of a world has a deviation of .07).
    "used" said of every small p named somebody in most worlds.
    """
    cohort, worlds, out = bag_of(15, 39, images), 0, 0.0
    for seed in range(250):
        scores = np.random.default_rng(seed).standard_normal((len(cohort.ids), 1))
        judgement = judge(scores, PLAN, cohort, cohort.targets)
        found = say(cohort, judgement)
        worlds += any(f.verdict == "used" for f in found)
        out += float(np.mean([f.stands_out for f in found]))
        if images > 1:
            rows = judge_patients(cohort, judgement, found, 0.05, False)
            assert all((p.verdict == "used") == (p.called_used > 0) for p in rows)
    assert worlds <= 47
    assert out / 250 <= 0.075
