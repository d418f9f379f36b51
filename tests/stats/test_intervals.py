"""AUC, rates and their intervals: other libraries' answers, brute force, coverage, the ends."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, bootstrap, mannwhitneyu, norm
from sklearn.metrics import roc_auc_score

from vestige.registry.entries import InputError
from vestige.stats.bootstrap import bca_interval, draw_groups, percentile_interval
from vestige.stats.intervals import (
    auc,
    auc_interval,
    clopper_pearson,
    delong_variance,
    fpr_upper_bound,
    roc_points,
    tpr_at_fpr,
)
from vestige.types import Floats

CHECK = settings(deadline=None, derandomize=True)
CASES = {"plain": ([3, 1, 4], [1.5, 0]), "ties": ([1, 1, 2], [1, 2, 0]), "equal": ([5, 5], [5])}
SCORES = st.lists(st.integers(-4, 4), min_size=1, max_size=15)


def patients(n_groups: int, size: int, shift: float, seed: int) -> tuple[Floats, Floats]:
    """Scores with intraclass correlation .5 and their groups."""
    rng = np.random.default_rng(seed)
    shared = np.repeat(rng.normal(size=n_groups), size)
    scores = shift + np.sqrt(0.5) * (shared + rng.normal(size=shared.size))
    return scores, np.repeat(np.arange(n_groups), size)


@pytest.mark.parametrize(("used", "unused"), CASES.values(), ids=CASES)
def test_auc_agrees_with_scipy_and_sklearn(used: list[float], unused: list[float]) -> None:
    ours = auc(np.array(used, float), np.array(unused, float))
    labels = [1] * len(used) + [0] * len(unused)
    assert ours == pytest.approx(roc_auc_score(labels, used + unused))
    assert ours == pytest.approx(mannwhitneyu(used, unused).statistic / (len(used) * len(unused)))


def test_delong_golden() -> None:
    used, unused = np.array([0.8, 0.6, 0.7, 0.3]), np.array([0.5, 0.4, 0.2, 0.35])
    assert auc(used, unused) == pytest.approx(0.8125)
    assert delong_variance(used, unused) == pytest.approx(0.0390625)
    found = auc_interval(used, unused)
    logit = np.log(0.8125 / 0.1875)
    half = norm.ppf(0.975) * np.sqrt(0.0390625) / (0.8125 * 0.1875)
    limits = 1 / (1 + np.exp(-(logit + np.array([-half, half]))))
    np.testing.assert_allclose([found.low, found.high], limits)
    assert found.n == 8


@CHECK
@given(SCORES, SCORES, st.booleans())
def test_auc_intervals_are_finite_ordered_and_hold_the_value(
    used: list[int], unused: list[int], grouped: bool
) -> None:
    u, v = np.array(used, float), np.array(unused, float)
    groups = (np.arange(u.size) // 2, 100 + np.arange(v.size) // 2) if grouped else (None, None)
    found = auc_interval(u, v, *groups, repeats=50)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high
    turned = auc(v, u)
    assert found.value + turned == pytest.approx(1.0)


@CHECK
@given(SCORES, SCORES)
def test_auc_only_knows_the_order(used: list[int], unused: list[int]) -> None:
    u, v = np.array(used, float), np.array(unused, float)
    first, second = auc_interval(u, v), auc_interval(np.exp(u), np.exp(v))
    assert first == second


def test_the_ends_are_wide_for_few_images() -> None:
    one = auc_interval(np.array([1.0]), np.array([0.0]))
    assert (one.value, one.high) == (1.0, 1.0)
    assert one.low < 0.25
    many = auc_interval(np.arange(50) + 100.0, np.arange(50.0))
    assert 0.9 < many.low < many.high == 1.0
    assert auc_interval(-np.arange(50) - 100.0, np.arange(50.0)).low == 0.0
    few, more = np.array([1.0, 2.0, 2.0]), np.array([2.0] * 9)  # no variance, AUC 1/3
    turned = auc_interval(more, few)
    assert auc_interval(few, more).low == pytest.approx(1 - turned.high)
    assert auc_interval(few[:1], more).high == pytest.approx(1 - auc_interval(more, few[:1]).low)
    ties = auc_interval(np.ones(40), np.ones(40))
    assert ties.low < 0.42
    assert ties.high > 0.58


@pytest.mark.parametrize("n_groups", [12, 35])
def test_group_bootstrap_agrees_with_brute_force(n_groups: int) -> None:
    used, used_groups = patients(n_groups, 3, 0.4, 1)
    unused, unused_groups = patients(n_groups, 2, 0.0, 2)
    used, unused = np.round(used, 1), np.round(unused, 1)  # ties
    found = auc_interval(used, unused, used_groups, unused_groups + 1000, seed=5, repeats=200)
    rng = np.random.default_rng(5)
    drawn = draw_groups(n_groups, 200, rng), draw_groups(n_groups, 200, rng)
    samples = np.array(
        [
            auc(
                np.repeat(used, a[used_groups].astype(int)),
                np.repeat(unused, b[unused_groups].astype(int)),
            )
            for a, b in zip(*drawn, strict=True)
        ]
    )
    if n_groups < 30:
        expected = percentile_interval(samples, found.value, 0.95, n_groups)
    else:
        groups = range(n_groups)
        leave_one_out = (
            np.array([auc(used[used_groups != g], unused) for g in groups]),
            np.array([auc(used, unused[unused_groups != g]) for g in groups]),
        )
        expected = bca_interval(samples, found.value, leave_one_out, 0.95)
    np.testing.assert_allclose([found.low, found.high], expected, atol=1e-9)


def test_bca_agrees_with_scipy() -> None:
    used, _ = patients(40, 1, 1.5, 3)
    unused, _ = patients(40, 1, 0.0, 4)
    # Each image twice under one group: the same bootstrap as of single images.
    groups = np.repeat(np.arange(40), 2)
    ours = auc_interval(np.repeat(used, 2), np.repeat(unused, 2), groups, groups + 99, repeats=8000)
    theirs = bootstrap(
        (used, unused), auc, vectorized=False, method="BCa", n_resamples=2000,
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    np.testing.assert_allclose([ours.low, ours.high], [theirs.low, theirs.high], atol=0.015)


def test_bca_formula_agrees_with_scipy_on_the_same_draws() -> None:
    rng = np.random.default_rng(12)
    used, unused = rng.exponential(6.0, 14), rng.exponential(1.0, 18)
    theirs = bootstrap(
        (used, unused), auc, vectorized=False, method="BCa", n_resamples=999, rng=rng
    )
    leave_one_out = (
        np.array([auc(np.delete(used, i), unused) for i in range(14)]),
        np.array([auc(used, np.delete(unused, i)) for i in range(18)]),
    )
    ours = bca_interval(theirs.bootstrap_distribution, auc(used, unused), leave_one_out, 0.95)
    np.testing.assert_allclose(ours, theirs.confidence_interval, atol=1e-9)


def test_intervals_do_not_depend_on_row_order() -> None:
    used, groups = patients(12, 3, 0.5, 6)
    unused, _ = patients(12, 3, 0.0, 7)
    order = np.random.default_rng(0).permutation(used.size)
    names = np.array([f"p{g:02d}" for g in groups])
    others = np.array([f"q{g:02d}" for g in groups])
    first = auc_interval(used, unused, names, others)
    second = auc_interval(used[order], unused[order], names[order], others[order])
    assert first == second
    assert auc_interval(used, unused) == auc_interval(used[order], unused[order])


def test_a_patient_on_both_sides_is_refused() -> None:
    with pytest.raises(InputError, match=r"1 groups have images both used and unused \(b\)"):
        auc_interval(np.zeros(2), np.ones(2), ["a", "b"], ["b", "c"])
    with pytest.raises(InputError, match="both used and unused"):
        tpr_at_fpr(np.zeros(2), np.ones(2), 0.5, ["a", "b"], ["b", "c"])


@pytest.mark.parametrize("auc_true", [0.5, 0.8])
@pytest.mark.parametrize("n", [8, 40])
def test_delong_covers(auc_true: float, n: int) -> None:
    rng = np.random.default_rng(n)
    shift = np.sqrt(2) * norm.ppf(auc_true)
    found = [auc_interval(rng.normal(shift, 1, n), rng.normal(0, 1, n)) for _ in range(400)]
    hits = sum(e.low <= auc_true <= e.high for e in found)
    # At a coverage of .95 this fails with probability 1e-5.
    assert hits >= binom.ppf(1e-5, 400, 0.95)
    assert np.median([e.high - e.low for e in found]) < 1.3 * 2 * 1.96 * np.sqrt(1 / (6 * n))


@pytest.mark.parametrize("n_groups", [6, 12, 32])
def test_group_intervals_cover(n_groups: int) -> None:
    truth = float(norm.cdf(0.6 / np.sqrt(2)))
    hits = naive = 0
    for seed in range(200):
        used, groups = patients(n_groups, 6, 0.6, 2 * seed)
        unused, _ = patients(n_groups, 6, 0.0, 2 * seed + 1)
        found = auc_interval(used, unused, groups, groups + 99, seed=seed, repeats=300)
        hits += found.low <= truth <= found.high
        alone = auc_interval(used, unused)
        naive += alone.low <= truth <= alone.high
    # At a coverage of .93 this fails with probability 1e-5; ignoring patients covers some 70 %.
    assert hits >= binom.ppf(1e-5, 200, 0.93)
    assert naive < hits - 10


@pytest.mark.parametrize("successes", [0, 1, 125, 249, 250])
def test_clopper_pearson_agrees_with_scipy(successes: int) -> None:
    reference = binomtest(successes, 250).proportion_ci(0.95, method="exact")
    ours = clopper_pearson(successes, 250)
    assert (ours.low, ours.high) == pytest.approx((reference.low, reference.high))
    assert (ours.value, ours.n) == (successes / 250, 250)
    if successes < 250:
        bound = binomtest(successes, 250, alternative="less").proportion_ci(0.95, method="exact")
        assert fpr_upper_bound(successes, 250) == pytest.approx(bound.high)


@pytest.mark.parametrize(
    ("n", "one_sided", "two_sided"),
    [(50, 0.058, 0.071), (100, 0.030, 0.036), (250, 0.012, 0.015), (1000, 0.0030, 0.0037)],
)
def test_bounds_after_no_false_positive(n: int, one_sided: float, two_sided: float) -> None:
    digits = 3 if n < 1000 else 4
    assert round(fpr_upper_bound(0, n), digits) == one_sided
    assert round(clopper_pearson(0, n).high, digits) == two_sided


@pytest.mark.parametrize(("rate", "n"), [(0.1, 29), (0.05, 59), (0.01, 299), (0.001, 2995)])
def test_images_that_certify_a_rate(rate: float, n: int) -> None:
    assert fpr_upper_bound(0, n) <= rate < fpr_upper_bound(0, n - 1)


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_counts_are_refused(k: int, n: int) -> None:
    with pytest.raises(InputError, match="0 <= k <= n"):
        clopper_pearson(k, n)


@pytest.mark.parametrize("bad", [np.empty(0), np.array([np.nan]), np.zeros((2, 2))])
def test_scores_that_cannot_be_ranked(bad: Floats) -> None:
    for function in (auc, auc_interval, roc_points):
        with pytest.raises(InputError, match="scores of unused images"):
            function(np.zeros(2), bad)
