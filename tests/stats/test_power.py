"""The table of docs/methods.md 4.7, and the correlation that shrinks a sample."""

import numpy as np
import pytest
from scipy.stats import binom

from vestige.registry.entries import InputError
from vestige.stats.permutation import set_test
from vestige.stats.power import (
    auc_sd,
    effective_size,
    images_needed,
    intraclass_correlation,
    minimum_detectable_auc,
    null_sd,
)


@pytest.mark.parametrize(
    ("n", "sd", "power_80", "power_90", "alpha_005"),
    [
        (20, 0.092, 0.720, 0.752, 0.798),
        (50, 0.058, 0.642, 0.665, 0.694),
        (100, 0.041, 0.601, 0.618, 0.638),
        (250, 0.026, 0.564, 0.575, 0.588),
        (500, 0.018, 0.545, 0.553, 0.562),
        (1000, 0.013, 0.532, 0.538, 0.544),
        (5000, 0.006, 0.514, 0.517, 0.520),
    ],
)
def test_golden_table(
    n: int, sd: float, power_80: float, power_90: float, alpha_005: float
) -> None:
    assert round(null_sd(n, n), 3) == sd
    assert round(minimum_detectable_auc(n, n), 3) == power_80
    assert round(minimum_detectable_auc(n, n, power=0.9), 3) == power_90
    assert round(minimum_detectable_auc(n, n, alpha=0.005), 3) == alpha_005


@pytest.mark.parametrize(
    ("n1", "n0", "auc"), [(10, 1000, 0.728), (50, 500, 0.608), (100, 1000, 0.576)]
)
def test_golden_unequal(n1: int, n0: int, auc: float) -> None:
    assert round(minimum_detectable_auc(n1, n0), 3) == auc


@pytest.mark.parametrize(
    ("auc", "n"),
    [(0.51, 10304), (0.52, 2575), (0.55, 411), (0.6, 102), (0.65, 45), (0.7, 25), (0.8, 11)],
)
def test_golden_images_needed(auc: float, n: int) -> None:
    assert images_needed(auc) == n
    assert minimum_detectable_auc(n, n) <= auc < minimum_detectable_auc(n - 1, n - 1)


def test_the_promised_power_is_there() -> None:
    rng = np.random.default_rng(0)
    auc = minimum_detectable_auc(40, 40)
    # Exponential scores, as the formula assumes: P(u > v) = rate ratio r / (1 + r).
    used_scale = auc / (1 - auc)
    labels = np.arange(80) < 40
    found = 0
    for seed in range(200):
        scores = np.concatenate([rng.exponential(used_scale, 40), rng.exponential(1.0, 40)])
        found += set_test(scores, labels, None, 199, seed).p_value <= 0.05
    # .8 is a normal approximation: .72..88 with 1e-5 on each side is what this can tell.
    assert binom.ppf(1e-5, 200, 0.76) <= found <= binom.ppf(1 - 1e-5, 200, 0.86)


def test_tiny_audits_can_see_nothing() -> None:
    assert minimum_detectable_auc(1, 1) == 1.0
    assert minimum_detectable_auc(2, 2) == 1.0
    assert 0.9 < minimum_detectable_auc(5, 5) < 1.0
    assert minimum_detectable_auc(50, 50, alpha=0.5, power=0.5) == pytest.approx(0.5)
    assert images_needed(1.0) == 3  # the first size with one relabelling in twenty as extreme


def test_null_sd_is_the_spread_of_the_auc_at_one_half() -> None:
    assert auc_sd(0.5, 100, 100) == pytest.approx(null_sd(100, 100), rel=0.01)
    assert auc_sd(1.0, 100, 100) == 0.0


def test_intraclass_correlation_of_known_worlds() -> None:
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(2000), 4)
    scores = np.repeat(rng.normal(size=2000), 4) + rng.normal(size=8000)
    # standard error .012: five of them, false failure 6e-7
    assert intraclass_correlation(scores, groups) == pytest.approx(0.5, abs=0.06)
    assert intraclass_correlation(rng.normal(size=8000), groups) < 0.06
    assert intraclass_correlation(np.repeat(rng.normal(size=2000), 4), groups) == pytest.approx(1)


def test_intraclass_correlation_by_hand() -> None:
    # means 2 and 6, overall 4: between 16, within 2, two images a group: (16-2)/(16+2)
    scores = np.array([1.0, 3.0, 5.0, 7.0])
    assert intraclass_correlation(scores, ["a", "a", "b", "b"]) == pytest.approx(14 / 18)
    assert intraclass_correlation(scores, ["a", "b", "b", "a"]) == 0.0
    assert intraclass_correlation(scores, ["a", "b", "c", "d"]) == 0.0
    assert intraclass_correlation(scores, ["a"] * 4) == 1.0
    assert intraclass_correlation(np.ones(4), ["a", "a", "b", "b"]) == 1.0


def test_effective_size() -> None:
    assert 100 / effective_size(100, 10, 0.5) == pytest.approx(5.5)
    assert effective_size(100, 1, 1.0) == 100
    assert effective_size(100, 10, 0.0) == 100


def test_impossible_questions_are_refused() -> None:
    for call in (
        lambda: null_sd(0, 5),
        lambda: minimum_detectable_auc(5, 0),
        lambda: minimum_detectable_auc(5, 5, alpha=0),
        lambda: minimum_detectable_auc(5, 5, power=1),
        lambda: images_needed(0.5),
        lambda: images_needed(0.5 + 1e-9),
        lambda: effective_size(10, 0.5, 0.1),
        lambda: effective_size(10, 2, float("nan")),
    ):
        with pytest.raises(InputError):
            call()
