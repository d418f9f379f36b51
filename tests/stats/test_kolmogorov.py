"""Kolmogorov-Smirnov by group permutation: against SciPy, by enumeration, and under the null."""

import itertools
from time import process_time
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, ks_2samp

from vestige.registry.entries import InputError
from vestige.stats.kolmogorov import kolmogorov_distances, kolmogorov_tests

N = 60


def columns(seed: int, n: int = N, d: int = 5) -> np.ndarray[Any, Any]:
    """Continuous, coarse and constant columns."""
    x = np.random.default_rng(seed).normal(size=(n, d))
    x[:, 1] = np.round(x[:, 1])
    x[:, 2] = 3
    return x


def test_one_image_per_group_is_the_two_sample_statistic() -> None:
    x, first = columns(0), np.arange(N) < 25
    wanted = [ks_2samp(column[first], column[~first]).statistic for column in x.T]
    np.testing.assert_allclose(kolmogorov_distances(x, first), wanted, atol=1e-12)


def test_each_group_counts_once() -> None:
    rng = np.random.default_rng(1)
    x, groups = columns(1), rng.integers(0, 14, N)
    first = groups < 6
    wanted = []
    for column in x.T:
        steps = {
            side: np.mean(
                [
                    [(column[groups == g] <= t).mean() for t in np.sort(column)]
                    for g in np.unique(groups[first == side])
                ],
                axis=0,
            )
            for side in (True, False)
        }
        wanted.append(np.abs(steps[True] - steps[False]).max())
    np.testing.assert_allclose(kolmogorov_distances(x, first, groups), wanted, atol=1e-12)


def test_p_values_are_those_of_every_relabelling() -> None:
    x, first = columns(2, n=9), np.arange(9) < 4
    x[first, 0] += 1.5
    every = []
    for chosen in itertools.combinations(range(9), 4):
        flags = np.isin(np.arange(9), chosen)
        every.append([ks_2samp(c[flags], c[~flags]).statistic for c in x.T])
    drawn = np.array(every)
    scale = drawn.std(axis=0)
    t = np.where(scale > 0, (drawn - drawn.mean(axis=0)) / np.where(scale > 0, scale, 1), 0)
    found = kolmogorov_tests(x, first)
    own = next(k for k, c in enumerate(itertools.combinations(range(9), 4)) if c == (0, 1, 2, 3))
    assert found.tried == len(drawn) == 126
    left, least = list(np.argsort(-t[own], kind="stable")), 0.0
    while left:  # step-down max-T, column by column
        least = max(least, (t[:, left].max(axis=1) >= t[own, left[0]] - 1e-9).mean())
        wanted = 1.0 if scale[left[0]] == 0 else least
        assert found.p_adjusted[left.pop(0)] == pytest.approx(wanted)


def test_stopping_early_changes_no_decision() -> None:
    """p < limit with and without the stop, over shifts from nothing to plain."""
    decisions = []
    for shift in np.linspace(0, 1.3, 14):
        x, first = columns(3), np.arange(N) < 30
        x[first, 0] += shift
        early = kolmogorov_tests(x, first, seed=5, n_permutations=1999)
        full = kolmogorov_tests(x, first, seed=5, n_permutations=1999, limit=1)
        assert full.tried == 1999
        assert (early.p_value < 0.01) == (full.p_value < 0.01)
        assert early.tried == 1999 or early.p_value > 0.01
        decisions.append(early.p_value < 0.01)
    assert 0 < sum(decisions) < len(decisions)
    np.testing.assert_allclose(early.p_adjusted, full.p_adjusted)  # nothing stops a clear one


def test_false_alarms_keep_the_rate() -> None:
    """300 null tests at .01 and .2 over tied and dependent columns: P(assertions fail) < 1e-4."""
    p = []
    for seed in range(300):
        x = columns(1000 + seed, n=40)
        x[:, 3] = x[:, 0] + x[:, 1]
        p.append(kolmogorov_tests(x, np.arange(40) < 20, seed=seed, n_permutations=999).p_value)
    assert binom.sf(11, 300, 0.01) < 1e-4
    assert sum(v < 0.01 for v in p) <= 11
    assert binom.sf(88, 300, 0.2) < 1e-4
    assert binom.cdf(30, 300, 0.2) < 1e-4  # and it is no empty promise
    assert 30 < sum(v <= 0.2 for v in p) <= 88


@pytest.mark.slow
def test_patients_and_not_images_are_relabelled() -> None:
    """Nothing differs but patients do: image-wise permutation would fail far too often.

    40 null tests at .01: P(more than 4 fail) < 1e-4.
    """
    by_group = by_image = 0
    groups = np.repeat(np.arange(16), 10)
    first = groups < 8
    for seed in range(40):
        rng = np.random.default_rng([seed, 8])
        x = rng.normal(size=(16, 2))[groups] + 0.1 * rng.normal(size=(160, 2))
        by_group += kolmogorov_tests(x, first, groups, 999, seed).p_value < 0.01
        by_image += kolmogorov_tests(x, first, None, 999, seed).p_value < 0.01
    assert by_group <= 4
    assert by_image >= 20


def test_the_order_of_images_moves_nothing() -> None:
    x, groups = columns(4), np.arange(N) // 2
    first = groups % 3 == 0
    found = kolmogorov_tests(x, first, groups, seed=2)
    order = np.random.default_rng(0).permutation(N)
    again = kolmogorov_tests(x[order], first[order], groups[order], seed=2)
    np.testing.assert_allclose(again.distances, found.distances, atol=1e-12)
    np.testing.assert_array_equal(again.p_adjusted, found.p_adjusted)


def test_a_monotone_transform_moves_nothing_and_a_swap_of_sides_only_names() -> None:
    x, first = columns(5), np.arange(N) < 30
    found = kolmogorov_distances(x, first)
    np.testing.assert_array_equal(kolmogorov_distances(np.exp(x), first), found)
    np.testing.assert_allclose(kolmogorov_distances(x, ~first), found, atol=1e-12)


def test_26_statistics_of_500_images_are_tested_within_seconds() -> None:
    x, first = np.random.default_rng(6).normal(size=(500, 26)), np.arange(500) < 250
    x[first, 3] += 2  # no early stop
    start = process_time()
    found = kolmogorov_tests(x, first)
    assert (found.tried, found.p_value) == (9999, 0.0001)
    assert found.order[0] == 3
    assert process_time() - start < 8  # 0.7 s on an idle core


@pytest.mark.parametrize(
    ("x", "first", "groups", "says"),
    [
        (columns(0), np.ones(N, bool), None, "needs candidates and calibration images"),
        (columns(0), np.arange(N) < 30, np.zeros(N), "1 groups have images among"),
        (np.full((N, 2), np.nan), np.arange(N) < 30, None, "not finite"),
        (np.zeros(N), np.arange(N) < 30, None, "must have shape"),
        (columns(0)[:-1], np.arange(N) < 30, None, "Give one flag per image"),
    ],
)
def test_faults_are_told(x: Any, first: Any, groups: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        kolmogorov_tests(x, first, groups)
