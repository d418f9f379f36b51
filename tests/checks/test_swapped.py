"""A set that cannot know the candidates must not give the same signal."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from small_audits import claimed, small_audit, small_world, strangers
from vestige.checks.swapped import _strangers, gaussian_set, like, swapped_check
from vestige.registry.entries import InputError


@pytest.mark.parametrize("reference", [True, False])
def test_copies_are_specific_to_their_generator(reference: bool) -> None:
    row = swapped_check(small_world("copy", reference=reference))
    assert row.state == "passed"
    given = row.details["the given set, by the same columns"]
    assert row.auc is not None
    assert given.low > row.auc.value
    assert row.auc.n == (120 if reference else 90)  # half of the unused were learned from


def test_what_any_bright_set_shows_is_not_specific() -> None:
    # used images and the generated set are brighter; nothing was copied
    used, unused, generated = strangers(60, 3), strangers(60, 4), strangers(150, 5)
    comparison = small_audit(
        np.minimum(used + 0.1 * (used > 0.2), 1).astype(np.float32),
        unused,
        np.minimum(generated + 0.1 * (generated > 0.2), 1).astype(np.float32),
        strangers(60, 6),
        detectors=["nearest_distance"],
    )
    assert comparison.audited.positive
    row = swapped_check(comparison)
    assert row.state == "failed"
    assert row.p_value is not None
    assert row.p_value < 0.05
    assert "not specific to this generator" in row.vetoes


@pytest.mark.parametrize("worlds", [8, pytest.param(20, marks=pytest.mark.slow)])
def test_where_nothing_is_there_it_seldom_shows_anything(worlds: int) -> None:
    # independent null audits at .05: more than binom.isf(1e-4), 4 of 8 or 6 of 20, has P < 1e-4
    rows = [swapped_check(claimed(small_world("null", s, reference=True))) for s in range(worlds)]
    p = np.array([row.p_value for row in rows], dtype=float)
    assert (p < 0.05).sum() <= binom.isf(1e-4, worlds, 0.05)
    assert len(np.unique(p)) > worlds / 2


def test_the_swapped_set_knows_neither_suspects_nor_compared_controls() -> None:
    groups = np.r_[np.repeat(np.arange(30), 2), 100 + np.repeat(np.arange(30), 2)]
    rerun = small_world("null", groups=groups).audited
    ways = _strangers(rerun, np.random.default_rng(0))
    assert len(ways) == 2
    for learned, kept in ways:
        assert kept[rerun.candidates].all()
        assert not set(groups[~kept]) & set(groups[kept])
        np.testing.assert_array_equal(learned, rerun.cohort.images[~kept])
    assert (ways[0][1] | ways[1][1]).all()
    given = small_world("null", reference=True).audited
    ((learned, kept),) = _strangers(given, np.random.default_rng(0))
    assert learned is given.reference
    assert kept.all()


def test_few_controls_and_no_reference() -> None:
    rerun = small_world("null").audited
    cohort = replace(rerun.cohort, calibration=rerun.cohort.calibration & (np.arange(120) >= 105))
    with pytest.raises(
        InputError, match="reference of 10 images or 20 groups of calibration images"
    ):
        _strangers(replace(rerun, cohort=cohort), np.random.default_rng(0))


def test_without_a_finding_there_is_nothing_to_qualify() -> None:
    null = small_world("null")
    row = swapped_check(replace(null, rerun=replace(null.audited, positive=False)))
    assert row.state == "not needed"


def test_spectrum_and_mean_are_those_of_the_generated_set() -> None:
    rerun = small_world("null").audited
    made = like(gaussian_set(strangers(40, 9), 150, np.random.default_rng(0)), rerun)
    assert made.min() >= 0 and made.max() <= 1 and made.dtype == np.float32
    assert made.mean() == pytest.approx(rerun.generated.mean(), abs=0.03)
    # up to clipping at black; before, the sets' spectra differ tenfold at high frequencies

    def high(images: np.ndarray) -> float:
        power = (np.abs(np.fft.rfft2(images)) ** 2).mean(axis=0)
        return float(power[4:-4, 4:].sum())

    assert high(made) == pytest.approx(high(rerun.generated), rel=0.5)
