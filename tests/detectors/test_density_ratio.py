"""density_ratio and its kernel density, against scipy and by hand."""

from functools import partial

import numpy as np
import pytest
from scipy.stats import gaussian_kde

import vestige.stats.density as density
from reference_worlds import reference_world
from vestige import detectors
from vestige.features.pca import PCA
from vestige.registry.entries import InputError
from vestige.stats.density import GaussianKDE

DensityRatio = partial(detectors.DensityRatio, views="none")

WORLD = reference_world("copy", 3)
G, R = WORLD.generated[:150], WORLD.reference[:100]
X = np.concatenate([WORLD.used[:10], WORLD.unused[:10]])


@pytest.mark.parametrize(("n", "d"), [(5, 1), (60, 2), (300, 7)])
def test_kde_equals_scipy_where_that_is_finite(n: int, d: int) -> None:
    rng = np.random.default_rng(n)
    points = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 3
    rows = points[:4] + rng.normal(size=(min(n, 4), d)) * 0.3
    wanted = gaussian_kde(points.T).logpdf(rows.T)
    # the ridge of 1e-6 of the mean variance is all that differs
    np.testing.assert_allclose(GaussianKDE(points).log_density(rows), wanted, rtol=1e-4, atol=1e-3)


def test_kde_equals_scipy_to_1e_6_where_the_ridge_is_small() -> None:
    points = np.random.default_rng(0).normal(size=(200, 3))
    ridge = 1e-6 * np.trace(np.cov(points.T)) / 3
    reference = gaussian_kde(points.T)
    reference.covariance = (np.cov(points.T) + ridge * np.eye(3)) * reference.factor**2
    kernel = np.linalg.inv(reference.covariance)
    rows = np.random.default_rng(1).normal(size=(10, 3))
    steps = rows[:, None] - points[None]
    exponents = -0.5 * np.einsum("abi,ij,abj->ab", steps, kernel, steps)
    norm = 0.5 * np.linalg.slogdet(2 * np.pi * reference.covariance)[1]
    wanted = np.log(np.exp(exponents).mean(axis=1)) - norm
    np.testing.assert_allclose(GaussianKDE(points).log_density(rows), wanted, rtol=1e-6)


def test_kde_ranks_far_points_where_the_density_itself_underflows() -> None:
    points = np.random.default_rng(2).normal(size=(100, 4))
    far = np.outer([50.0, 100.0, 1000.0], np.ones(4))
    assert (gaussian_kde(points.T)(far.T) == 0).all()  # what the trap would return
    found = GaussianKDE(points).log_density(far)
    assert np.isfinite(found).all()
    assert (np.diff(found) < -1000).all()


@pytest.mark.parametrize("n", [1, 2, 5])
def test_kde_is_defined_for_fewer_points_than_dimensions(n: int) -> None:
    points = np.random.default_rng(3).normal(size=(n, 8))
    with pytest.raises((ValueError, np.linalg.LinAlgError)):
        gaussian_kde(points.T)
    found = GaussianKDE(points).log_density(np.vstack([points, points[:1] + 0.1]))
    assert np.isfinite(found).all()
    assert found[0] > found[-1]


def test_kde_of_equal_points_is_finite_and_highest_there() -> None:
    points = np.full((7, 3), 0.25)
    found = GaussianKDE(points).log_density(np.array([[0.25] * 3, [0.26] * 3, [9.0] * 3]))
    assert np.isfinite(found).all()
    assert (np.diff(found) < 0).all()


def test_kde_is_not_disturbed_by_a_distant_origin() -> None:
    points = np.random.default_rng(4).normal(size=(50, 3))
    rows = points[:5] + 0.1
    np.testing.assert_allclose(
        GaussianKDE(points + 1e4).log_density(rows + 1e4),
        GaussianKDE(points).log_density(rows),
        rtol=1e-6,
    )


def test_density_outside_the_group_by_a_loop() -> None:
    points = np.random.default_rng(5).normal(size=(24, 2))
    groups = np.array(["a", "b", "b", "c", "c", "c"] * 4)
    covariance = np.cov(points.T)
    covariance += 1e-6 * np.trace(covariance) / 2 * np.eye(2)
    covariance *= 24 ** (-2 / 6)
    inverse, norm = np.linalg.inv(covariance), np.sqrt(np.linalg.det(2 * np.pi * covariance))
    wanted = []
    for x, own in zip(points, groups, strict=True):
        steps = points[groups != own] - x
        values = np.exp(-0.5 * np.einsum("ai,ij,aj->a", steps, inverse, steps)) / norm
        wanted.append(np.log(values.mean()))
    found = GaussianKDE(points).log_density_outside_group(groups)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    with pytest.raises(InputError, match="at least two groups"):
        GaussianKDE(points).log_density_outside_group(np.zeros(24))


def test_kde_does_not_depend_on_the_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(6).normal(size=(30, 2))
    groups = np.arange(30) // 2
    whole = GaussianKDE(points).log_density(points)
    outside = GaussianKDE(points).log_density_outside_group(groups)
    monkeypatch.setattr(density, "TILE", 7)
    monkeypatch.setattr(density, "MOMENT_ROWS", 4)
    np.testing.assert_allclose(GaussianKDE(points).log_density(points), whole, rtol=1e-12)
    found = GaussianKDE(points).log_density_outside_group(groups)
    np.testing.assert_allclose(found, outside, rtol=1e-12)


def test_two_shifted_gaussians_give_the_analytic_slope() -> None:
    # log N(x; a, 1) - log N(x; -a, 1) = 2 a x: docs/methods.md 2.6 asks for 10 % at n = 5,000
    rng = np.random.default_rng(7)
    a = 0.5
    first, second = rng.normal(a, 1, (5000, 2)), rng.normal(-a, 1, (5000, 2))
    x = np.linspace(-1, 1, 41)
    rows = np.column_stack([x, x])
    s = GaussianKDE(first).log_density(rows) - GaussianKDE(second).log_density(rows)
    slope = np.polyfit(x, s, 1)[0]
    factor = 5000 ** (-1 / 6)  # the kernel widens both: variance 1 + factor^2
    assert slope == pytest.approx(4 * a / (1 + factor**2), rel=0.1)


def test_the_ratio_is_the_difference_of_two_scipy_densities() -> None:
    space = PCA(dims=16, size=16).fit_pair(G, R)
    g, r, x = (space.transform(images).astype(np.float64) for images in (G, R, X))
    wanted = gaussian_kde(g.T).logpdf(x.T) - gaussian_kde(r.T).logpdf(x.T)
    found = DensityRatio().fit(G, unused=R).score_samples(X)
    np.testing.assert_allclose(found, wanted, atol=2e-3 * np.ptp(wanted))
    assert np.isfinite(wanted).all()


def test_two_equal_sets_score_0() -> None:
    np.testing.assert_allclose(DensityRatio().fit(R, unused=R).score_samples(X), 0, atol=1e-9)
    knn = DensityRatio(estimator="knn").fit(R, unused=R).score_samples(X)
    np.testing.assert_allclose(knn, 0, atol=1e-9)


@pytest.mark.parametrize("k", [1, 5])
def test_knn_ratio_by_hand(k: int) -> None:
    space = PCA(dims=16, size=16).fit_pair(G, R)
    g, r, x = (space.transform(images).astype(np.float64) for images in (G, R, X))
    to_g = np.sort(np.linalg.norm(x[:, None] - g[None], axis=2), axis=1)[:, k - 1]
    to_r = np.sort(np.linalg.norm(x[:, None] - r[None], axis=2), axis=1)[:, k - 1]
    wanted = 16 * (np.log(to_r) - np.log(to_g)) + np.log(100 / 150)
    found = DensityRatio(estimator="knn", k=k).fit(G, unused=R).score_samples(X)
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def test_few_reference_images_limit_the_components() -> None:
    space = PCA(dims=4, size=16).fit_pair(G, R[:20])  # a fifth of the reference
    g, r, x = (space.transform(images).astype(np.float64) for images in (G, R[:20], X))
    to_g, to_r = (np.linalg.norm(x[:, None] - s[None], axis=2).min(axis=1) for s in (g, r))
    wanted = 4 * (np.log(to_r) - np.log(to_g)) + np.log(20 / 150)
    found = DensityRatio(estimator="knn").fit(G, unused=R[:20]).score_samples(X)
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def test_an_added_constant_would_flatten_what_the_logarithm_keeps() -> None:
    # far from the reference its density is below 1e-20; the published ratio then is the
    # density of the generated set alone, and forgets how unusual x is
    rng = np.random.default_rng(8)
    reference = rng.normal(size=(200, 4))
    generated = np.vstack([rng.normal(size=(198, 4)), [[9.0] * 4, [14.0] * 4]])
    rows = np.array([[9.0] * 4, [14.0] * 4])
    p_g, p_r = (gaussian_kde(s.T)(rows.T) for s in (generated, reference))
    trap = p_g / (p_r + 1e-20)
    np.testing.assert_allclose(trap[0] / trap[1], p_g[0] / p_g[1])  # p_r has no say any more
    s = GaussianKDE(generated).log_density(rows) - GaussianKDE(reference).log_density(rows)
    assert s[1] - s[0] > 100


def test_components_that_stay_order_the_images_as_refitted_ones() -> None:
    noise = np.random.default_rng(0).normal(0, 0.02, X[10:15].shape).astype(np.float32)
    more = X[10:15] + noise  # copies of five of twenty
    detector = DensityRatio(estimator="knn").fit(G, unused=R)
    before = detector.score_samples(X)
    grown = detector.score_more(more)
    np.testing.assert_array_equal(detector.score_more(more), grown)
    whole = np.concatenate([G, more])
    refitted = DensityRatio(estimator="knn").fit(whole, unused=R).score_samples(X)
    assert (grown - before)[10:15].min() > 10
    assert np.abs(grown - refitted).max() < 1  # of 52
