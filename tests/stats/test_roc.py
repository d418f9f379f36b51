"""True positives at a false positive rate: scikit-learn's thresholds, the definition, coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom, binomtest, norm
from sklearn.metrics import roc_curve

from vestige.registry.entries import InputError
from vestige.stats.intervals import clopper_pearson, roc_band, roc_points, tpr_at_fpr

CHECK = settings(deadline=None, derandomize=True)
SCORES = st.lists(st.integers(-4, 4), min_size=1, max_size=15)


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
    rng = np.random.default_rng(10)
    groups = np.repeat(np.arange(20), 5)
    used, unused = (
        shift + np.sqrt(0.5) * (rng.normal(size=20)[groups] + rng.normal(size=100))
        for shift in (0.8, 0.0)
    )
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
