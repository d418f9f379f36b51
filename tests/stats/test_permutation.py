"""Set tests: brute force, scipy, uniform p-values under the null, family-wise error."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, mannwhitneyu, rankdata

from vestige.registry.entries import InputError
from vestige.stats.permutation import permutation_test_refit, set_test, set_tests
from vestige.types import Bools, Floats

CHECK = settings(deadline=None, derandomize=True, max_examples=50)


def statistics(scores: Floats, groups: list[int], candidates: tuple[int, ...]) -> float:
    ranks, labels = rankdata(scores), np.array(groups)
    means = {g: ranks[labels == g].mean() for g in sorted(set(groups))}
    inside = [m for g, m in means.items() if g in candidates]
    outside = [m for g, m in means.items() if g not in candidates]
    return float(np.mean(inside) - np.mean(outside))


@CHECK
@given(st.data())
def test_agrees_with_enumeration_by_hand(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 3), min_size=2, max_size=7))
    groups = [g for g, size in enumerate(sizes) for _ in range(size)]
    values = data.draw(st.lists(st.integers(0, 5), min_size=len(groups), max_size=len(groups)))
    n_candidate = data.draw(st.integers(1, len(sizes) - 1))
    scores = np.array(values, float)
    found = set_test(scores, np.array(groups) < n_candidate, groups)
    observed = statistics(scores, groups, tuple(range(n_candidate)))
    every = [
        statistics(scores, groups, chosen)
        for chosen in itertools.combinations(range(len(sizes)), n_candidate)
    ]
    assert found.exact
    assert found.statistic == pytest.approx(observed)
    if len(set(values)) > 1 and max(every) > min(every) + 1e-9:
        assert found.p_value == pytest.approx(np.mean(np.array(every) >= observed - 1e-9))
    else:
        assert found.p_value == 1.0


def test_single_images_are_the_rank_sum_test() -> None:
    rng = np.random.default_rng(0)
    used, unused = rng.normal(0.8, 1, 7), rng.normal(0, 1, 8)
    scores, labels = np.concatenate([used, unused]), np.arange(15) < 7
    exact = mannwhitneyu(used, unused, alternative="greater", method="exact").pvalue
    assert set_test(scores, labels).p_value == pytest.approx(exact)
    used, unused = rng.normal(0.3, 1, 60), rng.normal(0, 1, 60)
    scores, labels = np.concatenate([used, unused]), np.arange(120) < 60
    drawn = set_test(scores, labels)
    large = mannwhitneyu(used, unused, alternative="greater").pvalue
    assert not drawn.exact
    # 5 standard errors of a share of 9,999 draws (6e-7), and .002 for the normal approximation
    assert abs(drawn.p_value - large) < 5 * math.sqrt(large / 9999) + 0.002


def test_no_p_value_is_below_what_the_draws_can_tell() -> None:
    assert set_test(np.arange(60.0), np.arange(60) >= 30, None, 199).p_value == 1 / 200


def test_enumeration_stops_at_twenty_thousand() -> None:
    rng = np.random.default_rng(3)
    scores = rng.normal(size=17)
    assert set_test(scores, np.arange(17) < 6).exact  # 12,376
    assert not set_test(scores, np.arange(17) < 8).exact  # 24,310


def test_p_values_are_uniform_when_nothing_was_used() -> None:
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(30), rng.integers(1, 5, 30))
    candidates = groups < 14
    p = []
    for seed in range(500):
        scores = np.repeat(rng.normal(size=30), np.bincount(groups)) + rng.normal(size=groups.size)
        p.append(set_test(scores, candidates, groups, n_permutations=199, seed=seed).p_value)
    for level in (0.05, 0.25, 0.5, 0.75):
        # Exactly binomial at multiples of 1/200; 8 lines of 1e-6 each: false failure < 1e-5.
        low, high = binom.ppf([1e-6, 1 - 1e-6], 500, level)
        assert low <= np.sum(np.array(p) <= level + 1e-12) <= high


def test_ignoring_patients_would_not_be_uniform() -> None:
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(20), 8)
    alarms = by_image = 0
    for seed in range(100):
        scores = np.repeat(rng.normal(size=20), 8) + 0.3 * rng.normal(size=160)
        alarms += set_test(scores, groups < 10, groups, 199, seed).p_value <= 0.05
        by_image += set_test(scores, groups < 10, None, 199, seed).p_value <= 0.05
    assert alarms <= binom.ppf(1 - 1e-5, 100, 0.05)  # false failure 1e-5
    assert by_image > 15


@CHECK
@given(st.integers(0, 10_000))
def test_same_answer_for_any_row_order_and_rising_map(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 20, 50)
    candidates = groups % 2 == 0
    scores = np.round(rng.normal(size=50), 1)
    order = rng.permutation(50)
    first = set_test(scores, candidates, groups, 99, seed)
    moved = set_test(np.exp(scores[order]), candidates[order], groups[order], 99, seed)
    assert first.p_value == moved.p_value
    assert first.statistic == pytest.approx(moved.statistic)


def step_down(columns: Floats, candidates: Bools) -> tuple[Floats, Floats]:
    """Westfall and Young for single images, in loops over all relabellings."""
    n, d = columns.shape
    k = int(candidates.sum())
    ranks = rankdata(columns, axis=0)
    chosen = list(itertools.combinations(range(n), k))
    raw = np.array(
        [ranks[list(c)].mean(axis=0) - np.delete(ranks, c, axis=0).mean(axis=0) for c in chosen]
    )
    z = (raw - raw.mean(axis=0)) / raw.std(axis=0)
    observed = z[chosen.index(tuple(np.flatnonzero(candidates)))]
    p = np.array([(z[:, j] >= observed[j] - 1e-9).mean() for j in range(d)])
    adjusted = np.empty(d)
    left, previous = set(range(d)), 0.0
    for j in np.argsort(-observed):
        best = z[:, sorted(left)].max(axis=1)
        previous = max(previous, float((best >= observed[j] - 1e-9).mean()))
        adjusted[j] = previous
        left.remove(j)
    return p, adjusted


@pytest.mark.parametrize("seed", range(20))
def test_max_t_agrees_with_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(9, 4)) + np.arange(4) * 0.5 * (np.arange(9) < 4)[:, np.newaxis]
    columns[:, :2] = np.round(columns[:, :2])  # ties: ranks that spread less
    columns[:, 3] = rng.permutation(columns[:, 2])
    candidates = np.arange(9) < 4
    p, adjusted = set_tests(columns, candidates)
    expected = step_down(columns, candidates)
    np.testing.assert_allclose(p, expected[0])
    np.testing.assert_allclose(adjusted, expected[1])


def test_columns_agree_with_single_tests() -> None:
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(40), 2)
    columns = rng.normal(size=(80, 3))
    columns[:, 2] = columns[:, 0]
    p, adjusted = set_tests(columns, groups < 20, groups, 999, seed=8)
    for j in range(3):
        assert p[j] == set_test(columns[:, j], groups < 20, groups, 999, seed=8).p_value
    assert (adjusted >= p).all()
    assert adjusted[0] == adjusted[2]
    alone = set_tests(columns[:, :1], groups < 20, groups, 999, seed=8)
    np.testing.assert_array_equal(alone[0], alone[1])  # one column: nothing to pay for
    twins = set_tests(columns[:, [0, 2]], groups < 20, groups, 999, seed=8)
    np.testing.assert_array_equal(*twins)


def test_a_constant_column_shows_nothing_and_disturbs_nothing() -> None:
    rng = np.random.default_rng(6)
    scores = rng.normal(size=(30, 1)) + (np.arange(30) < 15)[:, np.newaxis]
    columns = np.hstack([scores, np.full((30, 1), 7.0)])
    p, adjusted = set_tests(columns, np.arange(30) < 15)
    assert p[1] == adjusted[1] == 1.0
    assert p[0] == adjusted[0] < 0.05


def test_max_t_keeps_the_family_wise_error() -> None:
    rng = np.random.default_rng(7)
    candidates = np.arange(40) < 20
    any_raw = any_adjusted = 0
    for seed in range(300):
        p, adjusted = set_tests(rng.normal(size=(40, 8)), candidates, None, 199, seed)
        any_raw += (p <= 0.05).any()
        any_adjusted += (adjusted <= 0.05).any()
    assert any_adjusted <= binom.ppf(1 - 1e-5, 300, 0.05)  # false failure 1e-5
    assert any_adjusted > 0
    assert any_raw > 60


def test_refitting_keeps_a_learner_honest() -> None:
    rng = np.random.default_rng(8)
    groups = np.repeat(np.arange(24), 2)
    candidates = groups < 12
    alarms = 0
    for seed in range(150):
        features = rng.normal(size=(48, 30))

        def overfit(labels: Bools, features: Floats = features) -> float:
            assert (labels[::2] == labels[1::2]).all()  # whole patients change sides
            assert labels.sum() == 24
            direction = features[labels].mean(axis=0) - features[~labels].mean(axis=0)
            scores = features @ direction  # scored on what it was fitted on
            return float(scores[labels].mean() - scores[~labels].mean())

        alarms += permutation_test_refit(overfit, candidates, groups, 39, seed).p_value <= 0.05
        if seed == 0:
            direction = features[candidates].mean(axis=0) - features[~candidates].mean(axis=0)
            fixed = set_test(features @ direction, candidates, groups, 199)
            assert fixed.p_value < 0.05  # what the fixed scores would have claimed
    assert alarms <= binom.ppf(1 - 1e-5, 150, 0.05)  # false failure 1e-5
    assert alarms > 0


def test_refitting_enumerates_small_sets() -> None:
    seen: list[tuple[bool, ...]] = []

    def count(labels: Bools) -> float:
        seen.append(tuple(labels.tolist()))
        return float(labels @ np.array([3.0, 2.0, 1.0, 0.0]))

    found = permutation_test_refit(count, np.array([True, True, False, False]))
    assert found.exact
    assert found.p_value == pytest.approx(1 / 6)
    assert len(set(seen)) == 6
    with pytest.raises(InputError, match="not finite|is nan"):
        permutation_test_refit(lambda _: math.nan, np.array([True, False]))


def test_what_cannot_be_tested_is_refused() -> None:
    flags = np.array([True, True, False])
    with pytest.raises(
        InputError, match=r"1 groups have images among candidates and calibration images \(b\)"
    ):
        set_test(np.zeros(3), flags, ["a", "b", "b"])
    for none_missing in (np.ones(3, bool), np.zeros(3, bool)):
        with pytest.raises(InputError, match="needs candidates and calibration images"):
            set_test(np.zeros(3), none_missing)
    with pytest.raises(InputError, match="one flag per image"):
        set_test(np.zeros(4), flags)
    with pytest.raises(InputError, match="True or False"):
        set_test(np.zeros(3), np.array([1, 0, 1]))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not finite"):
        set_tests(np.array([[0.0], [1.0], [np.nan]]), flags)
    with pytest.raises(InputError, match="must have shape"):
        set_tests(np.zeros(3), flags)
