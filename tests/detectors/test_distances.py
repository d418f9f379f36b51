"""nearest_distance and calibrated_distance against brute force in float64."""

from functools import partial

import numpy as np
import pytest

from reference_worlds import reference_world
from vestige import detectors
from vestige.types import Floats, Images

# images as they are; tests/detectors/test_views.py is about the others
CalibratedDistance = partial(detectors.CalibratedDistance, views="none")
NearestDistance = partial(detectors.NearestDistance, views="none")

WORLD = reference_world("copy", 1)
G, R = WORLD.generated[:70], WORLD.reference[:50]
X = np.concatenate([WORLD.used[:12], WORLD.unused[:12]])


def distances(first: Images | Floats, second: Images | Floats) -> Floats:
    """Every pair by subtraction, float64 [n, m]."""
    a = first.reshape(len(first), 1, -1).astype(np.float64)
    b = second.reshape(1, len(second), -1).astype(np.float64)
    return np.asarray(np.sqrt(((a - b) ** 2).sum(axis=2)))


def mean_of_nearest(d: Floats, k: int) -> Floats:
    return np.asarray(np.sort(d, axis=1)[:, :k].mean(axis=1))


@pytest.mark.parametrize("k", [1, 2, 5, 40])
def test_nearest_is_minus_the_mean_of_the_smallest_distances(k: int) -> None:
    found = NearestDistance(k=k).fit(G).score_samples(X)
    np.testing.assert_allclose(found, -mean_of_nearest(distances(X, G), k), rtol=1e-6)


@pytest.mark.parametrize("k", [70, 200])
def test_as_many_neighbours_as_images_give_the_mean_distance(k: int) -> None:
    found = NearestDistance(k=k).fit(G).score_samples(X)
    np.testing.assert_allclose(found, -distances(X, G).mean(axis=1), rtol=1e-6)


def test_golden_on_three_points() -> None:
    points = np.array([[0.0, 0.0], [0.3, 0.4], [1.0, 0.0]], np.float32).reshape(3, 1, 2)
    queries = np.array([[0.0, 0.0], [1.0, 1.0]], np.float32).reshape(2, 1, 2)
    found = (
        NearestDistance(size=2)
        .fit(np.repeat(points, 2, axis=1))
        .score_samples(np.repeat(queries, 2, axis=1))
    )
    np.testing.assert_allclose(found, [0.0, -np.sqrt(2) * np.sqrt(0.7**2 + 0.6**2)], rtol=1e-6)


def test_a_verbatim_copy_scores_exactly_zero() -> None:
    pool = np.concatenate([G, X[:5]])
    found = NearestDistance().fit(pool).score_samples(X)
    assert (found[:5] == 0).all()
    assert (found[5:] < 0).all()


def test_order_equals_brute_force_among_verbatim_and_near_copies() -> None:
    # one pixel, one grey level: |a|^2 + |b|^2 - 2ab in float32 cannot tell these apart
    near = X[:20].copy()
    near[np.arange(20), 15, 10 + np.arange(20) // 2] += np.float32(1 / 255)
    pool = np.concatenate([G, near, X[:20:2]])
    found = NearestDistance().fit(pool)
    wanted = distances(X, pool)
    np.testing.assert_allclose(found.score_samples(X), -wanted.min(axis=1), rtol=1e-6)
    similarity, rows, symmetries = found.nearest(X, 4)
    assert not symmetries.any()
    np.testing.assert_array_equal(rows, np.argsort(wanted, axis=1, kind="stable")[:, :4])
    np.testing.assert_allclose(-similarity, np.sort(wanted, axis=1)[:, :4], rtol=1e-6)


def test_far_images_are_ranked_where_exp_would_tie() -> None:
    rng = np.random.default_rng(0)
    pool = rng.uniform(0, 0.1, (30, 64, 64)).astype(np.float32)
    queries = rng.uniform(0.8, 1.0, (10, 64, 64)).astype(np.float32)
    found = NearestDistance(size=64).fit(pool).score_samples(queries)
    assert len(np.unique(np.exp(-(found**2)))) == 1  # all 0: what the trap would return
    assert len(np.unique(found)) == 10
    wanted = distances(queries, pool).min(axis=1)
    np.testing.assert_array_equal(np.argsort(-found), np.argsort(wanted))


def test_local_contrast_ignores_brightness_and_gain() -> None:
    detector = NearestDistance(space="contrast").fit(X)
    found = detector.score_samples(0.5 * X + np.float32(0.3))
    # not exactly 0: .02 is added to the standard deviation
    assert (found > NearestDistance().fit(X).score_samples(0.5 * X + np.float32(0.3)) + 1).all()
    d = distances(contrast(X[:3]), contrast(G))
    found = NearestDistance(space="contrast").fit(G).score_samples(X[:3])
    np.testing.assert_allclose(found, -d.min(axis=1), rtol=1e-5)


def contrast(images: Images) -> Floats:
    """(x - mean) / (sd + .02), image by image, in float64."""
    rows = images.reshape(len(images), -1).astype(np.float64)
    rows = (rows - rows.mean(axis=1)[:, None]) / (rows.std(axis=1)[:, None] + 0.02)
    return np.asarray(rows.reshape(images.shape))


@pytest.mark.parametrize("k", [1, 3])
def test_calibrated_compares_the_two_distances(k: int) -> None:
    usual, near = (mean_of_nearest(distances(X, pool), k) for pool in (R, G))
    found = CalibratedDistance(k=k).fit(G, unused=R).score_samples(X)
    np.testing.assert_allclose(found, np.log(usual) - np.log(near), rtol=1e-6, atol=1e-8)
    found = CalibratedDistance(k=k, form="difference").fit(G, unused=R).score_samples(X)
    np.testing.assert_allclose(found, usual - near, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("k", [1, 3])
def test_calibrated_in_a_bag_leaves_ones_own_group_out(k: int) -> None:
    groups = np.arange(len(X)) // 3
    d = distances(X, X)
    d[groups[:, None] == groups[None, :]] = np.inf
    wanted = np.log(mean_of_nearest(d, k)) - np.log(mean_of_nearest(distances(X, G), k))
    found = CalibratedDistance(k=k).fit(G).score_pool(X, groups)
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-8)


def test_swapping_generated_and_reference_flips_the_sign() -> None:
    forward = CalibratedDistance().fit(G, unused=R).score_samples(X)
    backward = CalibratedDistance().fit(R, unused=G).score_samples(X)
    np.testing.assert_allclose(backward, -forward, rtol=1e-9)


def test_the_log_ratio_ignores_scale() -> None:
    forward = CalibratedDistance().fit(G, unused=R).score_samples(X)
    half = np.float32(0.5)
    halved = CalibratedDistance().fit(half * G, unused=half * R).score_samples(half * X)
    np.testing.assert_allclose(halved, forward, rtol=1e-6, atol=1e-8)


def test_a_reference_image_scores_far_below_zero() -> None:
    found = CalibratedDistance().fit(G, unused=R).score_samples(R[:5])
    assert (found < -15).all()
    assert np.isfinite(found).all()
