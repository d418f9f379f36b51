"""Who may be named: false discovery rate per patient, and the number that must stand out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vestige.registry.entries import InputError
from vestige.stats.calibration import benjamini_hochberg
from vestige.stats.naming import (
    conformal_q_values,
    fewest_named,
    share_of_nulls,
    storey_q_values,
)
from vestige.stats.patients import patient_scores


def test_storey_takes_off_what_was_used() -> None:
    p = np.array([0.01] * 50 + list(np.linspace(0.02, 1, 50)))
    assert share_of_nulls(p) == pytest.approx((1 + (p > 0.5).sum()) / 50)
    wanted = np.maximum(benjamini_hochberg(p) * share_of_nulls(p), p)
    np.testing.assert_allclose(storey_q_values(p), wanted)
    assert share_of_nulls(np.ones(3)) == 1
    assert storey_q_values(np.empty(0)).shape == (0,)


def named_wrongly(used: int, patients: int, seed: int) -> tuple[float, float]:
    """False and found share of those named at .1, with 1 to 10 images a patient, 60 unused."""
    rng = np.random.default_rng([31, used, seed])
    n = patients + 60
    groups = np.repeat(np.arange(n), rng.integers(1, 11, n))
    score = rng.normal(size=n)[groups] + rng.normal(size=len(groups))
    first = np.unique(groups, return_index=True)[1]
    score[first[:used]] += 8
    all_scores = patient_scores(score, groups)
    q = conformal_q_values(all_scores[:patients], all_scores[patients:])
    named = q <= 0.1
    wrong = named[used:].sum() / max(named.sum(), 1)
    return float(wrong), float(named[:used].mean()) if used else 0.0


@pytest.mark.parametrize(("used", "patients"), [(0, 30), (10, 40)])
def test_few_of_the_names_are_false(used: int, patients: int) -> None:
    # mean of 600 shares in 0..1 with expectation below .1: sd at most .3 (none used: a Bernoulli
    # variable) or .11; limit 4 standard errors
    told = np.array([named_wrongly(used, patients, seed) for seed in range(600)])
    spread = 0.3 if not used else 0.11
    assert told[:, 0].mean() <= 0.1 + 4 * spread / np.sqrt(600)
    if used:
        assert told[:, 1].mean() >= 0.9


@pytest.mark.parametrize(
    ("calibration", "targets", "k"),
    [(99, 100, 10), (1000, 100, 1), (5000, 500, 1), (9, 5, 4), (9, 20, 12), (8, 5, 6), (1, 3, 4)],
)
def test_fewest_named(calibration: int, targets: int, k: int) -> None:
    assert fewest_named(calibration, targets) == k


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(1, 200), st.integers(1, 60), st.sampled_from([0.05, 0.1, 0.2]))
def test_so_many_must_stand_out(calibration: int, targets: int, level: float) -> None:
    k = fewest_named(calibration, targets, level)
    smallest = 1 / (calibration + 1)
    if k <= targets:
        others = np.arange(1, targets - k + 1) / max(targets - k, 1)  # spread evenly
        assert storey_q_values(np.r_[np.full(k, smallest), others])[0] <= level + 1e-9
    if k > 1 and smallest <= level:
        fewer = k - 1
        nulls = min(1.0, (1 + np.ceil((targets - fewer) / 2)) / (targets / 2))
        assert smallest * targets / fewer * nulls > level


def test_numbers_that_cannot_be() -> None:
    for wrong in ((0, 5, 0.1), (5, 0, 0.1), (5, 5, 1.0)):
        with pytest.raises(InputError, match="naming patients needs"):
            fewest_named(*wrong)
