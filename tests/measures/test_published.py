"""Published measures in an audit: shown beside the verdict, never in it."""

import re
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import vestige
import vestige.measures
from reference_worlds import reference_world
from vestige.measures import SET_MEASURES, SetComparison, measure_sets
from vestige.registry.entries import InputError, RegistryEntry
from vestige.result import AuditResult
from vestige.schema.records import SetMeasure
from vestige.types import Images

AUDIT = import_module("vestige.auditing.checks")


def comparison(name: str = "copy", n: int = 40, m: int = 150, **changes: Any) -> SetComparison:
    world = reference_world(name, 0)
    images = np.concatenate([world.used[:n], world.unused[:n]])
    rows = np.arange(2 * n)
    return replace(SetComparison(world.generated[:m], images, rows < n, rows, 0), **changes)


def run(name: str = "copy", generated: Images | None = None, **options: Any) -> AuditResult:
    world = reference_world(name, 0)
    return vestige.audit(
        world.generated[:200] if generated is None else generated,
        detectors=["nearest_distance"],
        **({"used": world.used[:60], "unused": world.unused[:60]} | options),
    )


def test_a_copier_shows_in_every_measure_and_nothing_does_not() -> None:
    z, authentic, share = run("copy").set_measures
    assert [z.name, authentic.name, share.name] == list(SET_MEASURES)
    assert z.value is not None and z.value < -2
    assert authentic.value is not None and authentic.value < 40
    assert share.value is not None and share.value > 0.65  # 60 of the 100 images that were copied
    for measure in (z, authentic, share):
        assert measure.p_value is not None and measure.p_value < 0.01
        assert "more than chance explains" in measure.says
    whole = run(
        "copy", used=reference_world("copy", 0).used, unused=reference_world("copy", 0).unused
    )
    assert whole.set_measures[2].value is not None and whole.set_measures[2].value > 0.95
    for measure in run("null").set_measures:  # a fixed world, p .2 to .9
        assert measure.p_value is not None and measure.p_value > 0.05
        assert "within chance" in measure.says


def test_what_they_do_not_say_is_said() -> None:
    z, _, share = measure_sets(comparison())
    assert "a few blatant copies among many may go unseen (arXiv:2302.13181)" in z.says
    assert "a share of .5 is no statement about privacy" in share.says
    assert "nothing against membership inference (arXiv:2505.01524)" in share.says
    assert len(re.findall(r"[.] [A-Z]", share.says)) == 0  # one sentence


@pytest.mark.slow
def test_the_decision_does_not_know_them(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = run("null")
    loud = {"loud": RegistryEntry("always", lambda c: SetMeasure("loud", 1e9, 0.0, "leak!"))}
    monkeypatch.setattr(vestige.measures, "SET_MEASURES", loud)
    other = run("null")
    assert other.set_measures == (SetMeasure("loud", 1e9, 0.0, "leak!"),)
    assert other.decision == plain.decision
    assert other.findings == plain.findings
    assert other.set_test == plain.set_test


@pytest.mark.slow
def test_the_order_of_the_generated_images_changes_nothing() -> None:
    generated = reference_world("copy", 0).generated[:120]
    first, second = run(generated=generated), run(generated=generated[::-1].copy())
    assert first.set_measures == second.set_measures


def test_a_part_of_a_large_set_is_compared_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AUDIT, "MAX_GENERATED", 50)
    generated = reference_world("copy", 0).generated[:120]
    first, second = run(generated=generated), run(generated=generated[::-1].copy())
    assert first.set_measures == second.set_measures
    assert all(m.says.endswith("From 50 of 120 generated images.") for m in first.set_measures)


@pytest.mark.slow
def test_forensic_mode_measures_the_queries() -> None:
    world = reference_world("copy", 0)
    known = {"used": world.used[60:], "unused": world.unused[:60]}
    query = np.concatenate([world.used[:30], world.unused[60:90]])
    found = run(query=query, **known).set_measures
    asked = run(query=np.concatenate([query, world.used[60:70]]), **known)
    resolved = [f for f in asked.findings if f.p_value is None]
    assert len(resolved) == 10  # copies of known images: nothing to ask
    assert asked.set_measures == found
    everyone_known = run(query=world.used[60:70], **known)
    assert everyone_known.set_test is None and everyone_known.set_measures == ()


def test_without_controls_there_is_nothing_to_compare_with() -> None:
    world = reference_world("copy", 0)
    assert run(query=world.used[:20], used=None, unused=None).set_measures == ()


def test_what_cannot_be_measured_says_why() -> None:
    z, authentic, share = measure_sets(comparison(m=12))
    assert (z.value, z.p_value) == (None, None)
    assert z.says.startswith("Not possible: data_copying compares cells of 20 or more generated")
    assert authentic.value is not None and share.value is not None
    rows = np.arange(80)
    one = np.where(rows < 40, 0, rows)
    z, authentic, share = measure_sets(comparison(groups=one))
    assert authentic.value is None and "Give candidates of two or more" in authentic.says
    assert z.value is not None and share.value is not None


def test_groups_of_unlike_size_are_said() -> None:
    rows = np.arange(80)
    even, uneven = rows // 2, np.where(rows < 40, rows // 4, rows)
    assert not [m for m in measure_sets(comparison(groups=even)) if "per group" in m.says]
    for measure in measure_sets(comparison(groups=uneven)):
        assert (
            "4.0 images per group and calibration images 1.0: that alone moves value and p"
            in measure.says
        )


def test_verbatim_copies_and_constant_images() -> None:
    base = comparison("null")
    z, authentic, share = measure_sets(replace(base, generated=base.images[:40]))
    assert (authentic.value, share.value) == (0, 1)
    assert z.value is not None and z.value < -2
    grey = replace(base, generated=np.full_like(base.generated, 0.3),
                   images=np.full_like(base.images, 0.3))  # fmt: skip
    z, authentic, share = measure_sets(grey)
    assert (z.value, authentic.value, share.value) == (0, 0, 0.5)
    assert z.p_value == authentic.p_value == share.p_value == 1


def test_small_sets_and_small_images() -> None:
    small = comparison(m=1)
    assert measure_sets(small)[2].value in (0, 0.5, 1)
    shrunk = replace(comparison(), generated=comparison().generated[:, ::4, ::4],
                     images=comparison().images[:, ::4, ::4])  # fmt: skip
    assert all(m.value is not None for m in measure_sets(shrunk))
    with pytest.raises(InputError, match="needs candidates and calibration images"):
        _ = replace(small, is_candidate=np.ones(80, bool)).features


def test_same_seed_same_rows_and_each_is_reported() -> None:
    done: list[str] = []
    assert measure_sets(comparison(), done.append) == measure_sets(comparison())
    assert done == list(SET_MEASURES)
    other = measure_sets(comparison("null", seed=1))
    assert other != measure_sets(comparison("null"))
    assert [m.value for m in other][1:] == [m.value for m in measure_sets(comparison("null"))][1:]
