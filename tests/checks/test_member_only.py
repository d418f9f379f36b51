"""Two parts of the candidates must differ less than candidates and calibration images do."""

from dataclasses import replace

import numpy as np
import pytest

from small_audits import claimed, small_audit, small_world, strangers
from vestige.checks import Comparison
from vestige.checks.member_only import SPLITS, _random_halves, member_only_check
from vestige.checks.swapped import swapped_check
from vestige.registry.entries import InputError


def test_copies_are_no_split_of_the_suspects() -> None:
    row = member_only_check(small_world("copy"))
    assert row.state == "passed"
    assert row.auc is not None
    assert row.auc.low < 0.5 < row.auc.high
    assert row.p_value == pytest.approx(1 / (1 + 2 * SPLITS))
    assert set(row.details) == {
        f"{side}, halves by {what}"
        for side in ("candidates", "calibration images")
        for what in ("order of the files", "image statistics")
    }


def test_a_finding_no_larger_than_that_of_random_parts_is_vetoed() -> None:
    null = small_world("null")
    # 40 splits: P(none of three above .5) < 1e-6; P(three of them above .95) is nil
    for auc, passed in ((0.5, False), (0.95, True)):
        row = member_only_check(claimed(null, auc))
        assert row.passed == passed
        assert row.vetoes.startswith("none: " if passed else "a finding: ")


def few_copied(seed: int) -> Comparison:
    """100 used against 100 unused images, 10 of the used ones copied."""
    images = strangers(200, 3 + 10 * seed)
    generated = strangers(150, 4 + 10 * seed)
    rng = np.random.default_rng(seed)
    copied = rng.permutation(100)[:10]
    generated[:10] = np.clip(images[copied] + rng.normal(0, 0.02, images[:10].shape), 0, 1)
    return small_audit(images[:100], images[100:], generated)


@pytest.mark.parametrize("seed", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 2))])
def test_a_few_copies_are_no_split_of_the_suspects_though_the_auc_is_small(seed: int) -> None:
    comparison = few_copied(seed)
    rerun = comparison.audited
    assert rerun.carried_by == "tail"
    assert rerun.positive
    row = member_only_check(comparison)
    assert row.state == swapped_check(comparison).state == "passed"
    # by the AUC alone it would be vetoed: random halves reach as much
    as_mean = replace(comparison, rerun=replace(rerun, carried_by="mean"))
    assert rerun.auc < 0.65
    assert "p = " in row.vetoes
    assert "an AUC of" in member_only_check(as_mean).vetoes


def drifting(used: np.ndarray) -> Comparison:
    """160 files, each brighter than the one before; those first are like the generated set."""
    images = strangers(160, 1) + np.linspace(0, 0.25, 160, dtype=np.float32)[:, None, None]
    found = small_audit(
        images[used], images[~used], strangers(150, 2), detectors=["nearest_distance"]
    )
    ids = tuple(f"{i:04d}.png" for i in np.r_[np.flatnonzero(used), np.flatnonzero(~used)])
    rerun = replace(found.audited, cohort=replace(found.audited.cohort, ids=ids))
    return claimed(replace(found, rerun=rerun), 0.85)


def test_a_drift_along_the_files_is_vetoed_by_their_order() -> None:
    row = member_only_check(drifting(np.arange(160) < 80))
    assert row.state == "failed"
    assert "halves of the" in row.vetoes
    assert max(figure.value for figure in row.details.values()) > 0.85
    # used and unused alternate: the drift does not tell them apart, so it is shown but no rival
    row = member_only_check(drifting(np.arange(160) % 2 == 0))
    assert row.state == "passed"
    assert max(figure.value for figure in row.details.values()) > 0.85


def test_parts_are_whole_groups() -> None:
    groups = np.r_[np.repeat(np.arange(30), 2), 100 + np.repeat(np.arange(30), 2)]
    rerun = small_world("null", groups=groups).audited
    halves = list(_random_halves(rerun, rerun.candidates, np.random.default_rng(0)))
    assert len(halves) == SPLITS
    for half in halves:
        mine = set(groups[half])
        assert len(mine) == 15
        assert not mine & set(groups[rerun.candidates & ~half])


def test_few_groups() -> None:
    null = small_world("null")
    rerun = null.audited
    cohort = rerun.cohort
    few = replace(rerun, candidates=rerun.candidates & (np.arange(120) < 10))
    row = member_only_check(claimed(replace(null, rerun=few)))
    assert all(
        name.startswith("calibration images") for name in row.details
    )  # ten candidates are not split
    none = replace(
        few, cohort=replace(cohort, calibration=cohort.calibration & (np.arange(120) >= 110))
    )
    with pytest.raises(InputError, match="20 groups or more"):
        member_only_check(claimed(replace(null, rerun=none)))


def test_without_a_finding_there_is_nothing_to_qualify() -> None:
    null = small_world("null")
    row = member_only_check(replace(null, rerun=replace(null.audited, positive=False)))
    assert (row.state, row.passed) == ("not needed", False)


def test_repeats_with_the_seed() -> None:
    copy = small_world("copy", 1)
    assert member_only_check(copy) == member_only_check(copy)
