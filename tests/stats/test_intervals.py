"""AUC, rates and their intervals: other libraries' answers, brute force, coverage, the ends."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom, binomtest, bootstrap, mannwhitneyu, norm
from sklearn.metrics import roc_auc_score, roc_curve

from vestige.choices import InputError
from vestige.stats.bootstrap import bca_interval, draw_groups, percentile_interval
from vestige.stats.intervals import (
    auc,
    auc_interval,
    clopper_pearson,
    delong_variance,
    fpr_upper_bound,
    roc_band,
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


@CHECK
@given(SCORES, SCORES, st.floats(0.01, 0.99))
def test_tpr_is_the_best_real_threshold(used: list[int], unused: list[int], fpr: float) -> None:
    u, v = np.array(used, float), np.array(unused, float)
    if fpr * v.size < 1 - 1e-9:
        with pytest.raises(InputError, match=rf"unused images, {v.size} were given"):
            tpr_at_fpr(u, v, fpr)
        return
    found = tpr_at_fpr(u, v, fpr)
    false, true, _ = roc_curve(
        [1] * u.size + [0] * v.size, np.concatenate([u, v]), drop_intermediate=False
    )
    assert found.value == pytest.approx(true[false <= fpr + 1e-9].max())
    assert 0 <= found.low <= found.value <= found.high <= 1
    ours = roc_points(u, v)
    np.testing.assert_allclose(ours, (false, true), atol=1e-12)


def test_tpr_golden_and_refusal() -> None:
    unused = np.arange(100.0)
    used = np.array([98.5, 99.5, 70.5, 98.0])
    at_1_percent = tpr_at_fpr(used, unused, 0.01)  # threshold: the second largest, 98, strictly
    assert (at_1_percent.value, at_1_percent.n, at_1_percent.fpr) == (0.5, 4, 0.01)
    # Beta(5, 96) is below .01 with chance .0034, Beta(4, 97) with .018 > .0125: "at least 95"
    # stands below the population's threshold, and nothing above; no interval can be narrower
    three = binomtest(3, 4, alternative="less").proportion_ci(1 - 0.0125, "exact")
    assert (at_1_percent.low, at_1_percent.high) == pytest.approx((0.0, three.high))
    assert tpr_at_fpr(used, unused, 0.29).value == 1.0  # .29 x 100 is 29, not 28.999
    with pytest.raises(InputError, match="0.001 needs 1000 unused images, 100 were given"):
        tpr_at_fpr(used, unused, 0.001)
    with pytest.raises(InputError, match="between 0 and 1"):
        tpr_at_fpr(used, unused, 1.0)


@CHECK
@given(st.integers(2, 600), st.sampled_from([0.01, 0.05, 0.1, 0.3]), st.integers(0, 99))
def test_tpr_interval_by_the_definition(n0: int, fpr: float, seed: int) -> None:
    if fpr * n0 < 1:
        return
    rng = np.random.default_rng(seed)
    used, unused = rng.normal(1, 1, 50), rng.normal(size=n0)
    j, falling = np.arange(1, n0 + 1), np.sort(unused)[::-1]
    surely_above = j[beta.sf(fpr, j, n0 - j + 1) <= 0.0125]
    surely_below = j[beta.cdf(fpr, j, n0 - j + 1) <= 0.0125]
    low, high = 0.0, 1.0
    if surely_above.size:
        above = int((used > falling[surely_above[-1] - 1]).sum())
        low = clopper_pearson(above, 50, 0.975).low
    if surely_below.size:
        above = int((used >= falling[surely_below[0] - 1]).sum())
        high = clopper_pearson(above, 50, 0.975).high
    found = tpr_at_fpr(used, unused, fpr)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)


@pytest.mark.parametrize(("n0", "low"), [(436, False), (437, True)])
def test_unused_images_that_bound_a_tpr_at_1_percent_from_below(n0: int, low: bool) -> None:
    assert (tpr_at_fpr(np.arange(50.0) + n0, np.arange(n0), 0.01).low > 0) == low


@pytest.mark.parametrize(
    ("n", "sizes", "rho", "fpr", "shift"),
    [
        (100, [1], 0.0, 0.01, 3.0),  # one false positive is allowed
        (250, [1], 0.0, 0.1, 1.0),
        (100, [1, 1, 1, 1, 20], 1.0, 0.1, 1.0),
        (100, [10], 1.0, 0.1, 3.0),
        (60, list(range(1, 21)), 0.5, 0.05, 2.0),
    ],
)
def test_tpr_at_the_rate_of_the_population_is_covered(
    n: int, sizes: list[int], rho: float, fpr: float, shift: float
) -> None:
    truth, held = norm.sf(norm.isf(fpr) - shift), 0
    for seed in range(300):
        rng = np.random.default_rng([3, n, len(sizes), seed])
        sides = []
        for by in (shift, 0.0):
            groups = np.repeat(np.arange(n), rng.choice(sizes, n))
            noise = rng.normal(size=len(groups))
            sides += [by + np.sqrt(rho) * rng.normal(size=n)[groups] + np.sqrt(1 - rho) * noise]
            sides += [groups]
        found = tpr_at_fpr(sides[0], sides[2], fpr, sides[1], sides[3] + n)
        held += found.low <= truth <= found.high
    # Measured .998 and more, since four errors add up; at .95 it fails with probability 1e-5.
    assert held >= binom.ppf(1e-5, 300, 0.95)


def test_equal_images_of_a_patient_are_one_image_of_a_tpr() -> None:
    rng = np.random.default_rng(8)
    used, unused = rng.normal(1, 1, 60), rng.normal(size=120)
    single = tpr_at_fpr(used, unused, 0.1)
    groups = np.repeat(np.arange(60), 4), np.repeat(np.arange(120) + 60, 3)
    several = tpr_at_fpr(np.repeat(used, 4), np.repeat(unused, 3), 0.1, *groups)
    assert (several.value, several.low, several.high) == pytest.approx(
        (single.value, single.low, single.high)
    )
    assert several.low < tpr_at_fpr(np.repeat(used, 4), np.repeat(unused, 3), 0.1).low


def test_roc_band_holds_the_curve_and_depends_on_groups() -> None:
    used, groups = patients(20, 5, 0.8, 10)
    unused, _ = patients(20, 5, 0.0, 11)
    grid = np.linspace(0, 1, 21)
    low, high = roc_band(used, unused, grid, groups, groups + 99, 0, repeats=300)
    false, true = roc_points(used, unused)
    curve = np.array([true[false <= rate + 1e-9].max() for rate in grid])
    assert (low <= curve).all()
    assert (curve <= high).all()
    assert low.min() >= 0
    assert high.max() <= 1
    assert low[-1] == high[-1] == 1
    narrow = roc_band(used, unused, grid, repeats=300)
    assert (high - low).mean() > 1.2 * (narrow[1] - narrow[0]).mean()
    with pytest.raises(InputError, match="lie in 0..1"):
        roc_band(used, unused, np.array([1.5]))


@pytest.mark.parametrize("bad", [np.empty(0), np.array([np.nan]), np.zeros((2, 2))])
def test_scores_that_cannot_be_ranked(bad: Floats) -> None:
    for function in (auc, auc_interval, roc_points):
        with pytest.raises(InputError, match="scores of unused images"):
            function(np.zeros(2), bad)
