"""Calibration images that were used hide a leak; beside a reference that shows."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

import vestige
from reference_worlds import reference_world
from small_audits import small, small_audit, small_world, strangers
from vestige.checks.clean_calibration import MIN_GROUPS, clean_calibration_check
from vestige.registry.entries import InputError


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["copy", "blend"])
def test_a_hold_out_that_was_used_is_noticed(name: str, seed: int) -> None:
    world = reference_world(name, seed)
    parts = world.used[:50], world.used[50:], world.generated[:300], world.reference[:100]
    row = clean_calibration_check(small_audit(*map(small, parts)))
    assert row.state == "failed"
    assert row.auc is not None and row.auc.low > 0.7
    assert row.p_value is not None and row.p_value < 0.01
    assert row.vetoes.startswith("that nothing was found: ")


@pytest.mark.parametrize("worlds", [16, pytest.param(60, marks=pytest.mark.slow)])
def test_an_honest_hold_out_fails_in_one_of_a_hundred(worlds: int) -> None:
    # three limits, each exceeded with P < 3e-5
    rows = []
    for s in range(worlds):
        used, unused, generated, reference = (
            strangers(n, 1000 + 4 * s + k) for k, n in enumerate((20, 40, 100, 60))
        )
        generated[:20] = used  # a leak does not matter here
        rows.append(clean_calibration_check(small_audit(used, unused, generated, reference)))
    p = np.array([row.p_value for row in rows], dtype=float)
    for level in (0.05, 0.25):
        assert (p <= level).sum() <= binom.isf(3e-5, worlds, level)
    assert sum(row.state == "failed" for row in rows) <= binom.isf(3e-5, worlds, 0.01)


def test_it_takes_a_reference_of_groups_of_its_own() -> None:
    with pytest.raises(InputError, match="a reference is needed"):
        clean_calibration_check(small_world("null"))
    given = small_world("null", reference=True)
    rerun = given.audited
    theirs = rerun.reference_groups
    for few in (np.minimum(theirs, theirs[MIN_GROUPS - 2]), np.where(theirs % 4, 3, theirs)):
        # patients who are in the cohort as well do not count
        asked = replace(given, rerun=replace(rerun, reference_groups=few))
        with pytest.raises(InputError, match=f"{MIN_GROUPS} groups is needed, found 1[59]"):
            clean_calibration_check(asked)


def test_the_order_of_the_reference_names_moves_nothing() -> None:
    given = small_world("copy", reference=True)
    rerun = given.audited
    names = np.random.default_rng(0).permutation(rerun.reference_groups)
    renamed = replace(given, rerun=replace(rerun, reference_groups=names))
    assert clean_calibration_check(given) == clean_calibration_check(renamed)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_the_gate_stays_shut_beside_a_hold_out_that_was_used(seed: int) -> None:
    """A null world (A5): used and unused were both trained on, so they look alike.

    No generated image is a copy: each is the mean of two.
    """
    world, rng = reference_world("null", seed), np.random.default_rng(seed)
    generated = world.used[rng.integers(100, size=(2, 500))].mean(axis=0)
    generated = np.clip(generated + rng.normal(0, 4 / 255, generated.shape), 0, 1)
    asked: dict[str, Any] = {
        "generated": generated.astype(np.float32), "used": world.used[:50], "max_auc": 0.75,
        "unused": world.used[50:], "detectors": ["nearest_distance_contrast"],
    }  # fmt: skip
    result = vestige.audit(reference=world.reference[:100], **asked)
    assert result.set_test is not None and result.set_test.p_value > 0.05
    assert (result.decision.gate, result.decision.codes) == ("undecided", ("calibration_used",))
    # without a reference nobody sees it, and the decision says what it rests on
    blind = vestige.audit(**asked).decision
    assert (blind.gate, blind.remedy[0]) == ("open", "clean_assumed")
