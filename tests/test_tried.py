"""Earlier runs on the same images are remembered, paid for, and never talk a leak away."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

import vestige
from decision.evidence import evidence, set_test
from reference_worlds import reference_world
from vestige.decision import decide
from vestige.records import Tried
from vestige.tried import Run, contents, corrected, digest, record_run

RUN = Run(digest("question"), digest("options"), 0, ("a", "b"), 0.03)
OTHERS = (
    replace(RUN, options=digest("more"), columns=("b", "c"), p_value=0.2),
    replace(RUN, seed=1, p_value=0.01),
    replace(RUN, options=digest("vetoed"), p_value=None),
)


def note(run: Run, cache: Path, p_value: float = 0.03) -> Tried:
    tried, problems = record_run(run, p_value, cache)
    assert problems == []
    return tried


# --- the record
def test_distinct_runs_count_and_identical_ones_do_not(tmp_path: Path) -> None:
    assert note(RUN, tmp_path) == Tried(0, 1, 2, pytest.approx(0.03), None)
    assert note(RUN, tmp_path) == Tried(0, 1, 2, pytest.approx(0.03), None)
    for other in OTHERS:
        note(other, tmp_path)
    note(replace(RUN, question=digest("another")), tmp_path)  # of other images
    # three others: two further sets of options, since one differs in its seed alone
    expected = Tried(3, 3, 3, pytest.approx(1 - 0.97**4), 0.01)
    assert note(RUN, tmp_path) == expected
    assert len(list(tmp_path.iterdir())) == 5


def test_p_is_corrected_as_published() -> None:
    assert corrected(0.001348, 15) == pytest.approx(0.0200, abs=5e-5)  # METHODS 4.5
    assert corrected(0.04, 1) == pytest.approx(0.04)
    assert corrected(1.0, 3) == 1.0 and corrected(0.0, 3) == 0.0
    assert corrected(1e-18, 4) == pytest.approx(4e-18, rel=1e-9)  # 1 - (1 - p)^4 would be 0


def test_without_a_cache_earlier_runs_are_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tried, problems = record_run(RUN, 0.03, None)
    assert tried == Tried(None, 1, 2, None, None) and problems == []
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_a_test_asks_nothing(tmp_path: Path) -> None:
    note(RUN, tmp_path)
    tried, _ = record_run(replace(OTHERS[0], p_value=None), None, tmp_path)
    assert tried.runs_before == 1 and tried.p_adjusted is None
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("damage", [
    b"", b"{", b"\x80\x04K\x01.", b"[1]", b"\xff", b"[" * 5000, "half", "p = 2", "NaN", "another"
], ids=range(10))  # fmt: skip
def test_a_damaged_record_counts_and_is_said(tmp_path: Path, damage: Any) -> None:
    """A pickle among them: it is text to us, and not even that."""
    note(OTHERS[0], tmp_path)
    (file,) = tmp_path.iterdir()
    raw = json.loads(file.read_text())
    wrong = {
        "half": file.read_bytes()[:40],
        "p = 2": json.dumps(raw | {"p_value": 2}).encode(),
        "NaN": json.dumps(raw | {"p_value": float("nan")}).encode(),
        "another": json.dumps(raw | {"seed": 5}).encode(),  # not what its name says
    }
    file.write_bytes(wrong.get(damage, damage) if isinstance(damage, str) else damage)
    tried, problems = record_run(RUN, 0.03, tmp_path)
    assert tried == Tried(1, 2, 2, pytest.approx(1 - 0.97**2), None)
    assert [(p.path, p.severity) for p in problems] == [(f"cache/{file.name}", "warning")]
    assert "damaged" in problems[0].what
    note(OTHERS[0], tmp_path)  # the same run again mends its record
    note(RUN, tmp_path)


def test_runs_at_once_lose_nothing(tmp_path: Path) -> None:
    runs = [replace(RUN, seed=k % 8) for k in range(64)]  # each of eight runs eight times
    with ThreadPoolExecutor(16) as executor:
        told = list(executor.map(lambda run: record_run(run, 0.5, tmp_path), runs))
    assert all(problems == [] for _, problems in told)  # nobody ever reads half a file
    assert max(tried.runs_before or 0 for tried, _ in told) == 7
    assert len(list(tmp_path.iterdir())) == 8


def test_the_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(vestige.InputError, match="cannot write to the cache"):
        record_run(RUN, 0.5, tmp_path / "file")


def test_contents_know_no_order() -> None:
    assert contents({"used": ["a", "b"]}) == contents({"used": ["b", "a"]})
    assert contents({"used": ["a", "a"]}) != contents({"used": ["a"]})


# --- what it costs (tests/decision/test_decide.py has the rows)
def test_the_best_of_five_runs_is_called_found_as_often_as_asked() -> None:
    """2,000 audits of nothing, five independent runs each, the best one shown: 5 % after the
    correction (bands of 1e-5 a side), 23 % without.
    """
    best = np.random.default_rng(2).random((2000, 5)).min(axis=1)
    found = sum(corrected(p, 5) <= 0.05 for p in best)
    low, high = binom.ppf([1e-5, 1 - 1e-5], 2000, 0.05)
    assert low <= found <= high
    assert (best <= 0.05).mean() > 0.18


@pytest.mark.parametrize("runs", [1, 5, 40])
def test_the_decision_goes_by_all_runs(runs: int) -> None:
    for p in (0.001, 0.01, 0.04):
        tried = Tried(runs, runs + 1, 2, corrected(p, runs + 1), 0.5)
        made = decide(evidence(test=set_test(p), tried=tried))
        found = corrected(p, runs + 1) <= 0.05
        assert made.codes == (("set_test",) if found else ("repeated_runs",))
        assert f"after correction for {runs + 1} runs" in made.text


# --- in an audit
def audit(cache: Path | None, **asked: Any) -> vestige.AuditResult:
    world = reference_world("null", 0)
    roles = {"generated": world.generated[:100], "used": world.used[:40]}
    roles["unused"] = world.unused[:40]
    asked = {"detectors": ["nearest_distance"], "cache": cache} | roles | asked
    return vestige.audit(**asked)


def test_an_audit_knows_what_was_tried_before(tmp_path: Path) -> None:
    first = audit(tmp_path)
    p = first.set_test.p_value if first.set_test else 0.0
    assert first.tried == Tried(0, 1, 1, pytest.approx(p), None)
    world = reference_world("null", 0)
    order = np.random.default_rng(0).permutation(40)
    # none of these can move the p-value: the same run
    for same in (
        {},
        {"false_alarm_rate": 0.1},
        {"engine": "local:1"},
        {"used": world.used[:40][order]},
        {"release_curve": True},
    ):
        again = audit(tmp_path, **same)
        assert again.tried == first.tried, same
    # each of these can
    for k, other in enumerate(
        (
            {"seed": 1},
            {"detectors": ["nearest_distance_contrast"]},
            {"options": {"nearest_distance": {"space": "gradients"}}},
            {"unused": world.unused[40:80]},
        ),
        1,
    ):
        told = audit(tmp_path, **other).tried
        assert told is not None and told.runs_before == k, other
    last = audit(tmp_path).tried
    assert last is not None
    assert (last.runs_before, last.option_sets, last.columns) == (4, 4, 2)
    assert last.p_adjusted == pytest.approx(1 - (1 - p) ** 5)
    # other images: another question
    fresh = audit(tmp_path, used=world.used[40:80]).tried
    assert fresh is not None and fresh.runs_before == 0
    assert audit(None).tried == Tried(None, 1, 1, None, None)


def test_the_record_names_nobody(tmp_path: Path) -> None:
    audit(tmp_path)
    (file,) = tmp_path.glob("run-*.json")
    raw = json.loads(file.read_text())
    assert set(raw) == {"question", "options", "seed", "columns", "p_value"}
    assert raw["columns"] == ["nearest_distance"]
    assert all(len(raw[key]) == 64 and int(raw[key], 16) for key in ("question", "options"))


def test_a_damaged_record_is_a_row_of_the_audit(tmp_path: Path) -> None:
    audit(tmp_path, seed=1)
    (file,) = tmp_path.glob("run-*.json")
    file.write_text("{")
    result = audit(tmp_path)
    assert [p.path for p in result.problems] == [f"cache/{file.name}"]
    assert result.tried is not None and result.tried.runs_before == 1
