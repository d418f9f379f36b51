"""mc_ball against a loop over all generated images."""

from typing import Any

import numpy as np
import pytest

from reference_worlds import reference_world
from vestige.detectors import MonteCarloBall
from vestige.features.pca import PCA
from vestige.types import Floats

WORLD = reference_world("copy", 2)
G, R = WORLD.generated[:90], WORLD.reference[:40]
X = np.concatenate([WORLD.used[:10], WORLD.unused[:10]])
DIMS = 16


def distances() -> tuple[Floats, Floats]:
    """[queries, generated] and [reference, generated] on 16 components, float64."""
    space = PCA(dims=DIMS, size=16).fit_pair(G, R)
    x, r, g = (space.transform(images).astype(np.float64) for images in (X, R, G))
    return (
        np.array([[np.linalg.norm(a - b) for b in g] for a in x]),
        np.array([[np.linalg.norm(a - b) for b in g] for a in r]),
    )


@pytest.mark.parametrize("quantile", [0.05, 0.5, 1.0])
def test_equals_a_loop(quantile: float) -> None:
    d, of_reference = distances()
    radius = np.quantile(of_reference.min(axis=1), quantile)
    count = [sum(d_j < radius for d_j in row) / len(G) for row in d]
    log = [sum(np.log(radius / d_j) for d_j in row if d_j < radius) / len(G) for row in d]
    assert 0 < max(count) < 1
    ball = MonteCarloBall(quantile=quantile, form="count").fit(G, unused=R)
    np.testing.assert_allclose(ball.score_samples(X), count, rtol=1e-6)
    ball = MonteCarloBall(quantile=quantile).fit(G, unused=R)
    np.testing.assert_allclose(ball.score_samples(X), log, rtol=1e-6, atol=1e-9)


def test_the_bag_form_takes_its_radius_from_the_bag() -> None:
    space = PCA(dims=DIMS, size=16).fit_pair(G, X)
    x, g = (space.transform(images).astype(np.float64) for images in (X, G))
    d = np.sqrt(((x[:, None] - g[None]) ** 2).sum(axis=2))
    radius = np.median(d.min(axis=1))
    found = MonteCarloBall(form="count").fit(G).score_pool(X)
    np.testing.assert_allclose(found, (d < radius).mean(axis=1), rtol=1e-6)


def inside(rows: Floats, pool: Floats, radius: float, form: Any = "log") -> Floats:
    ball = MonteCarloBall(form=form)
    found: Floats = ball._inside(rows.astype(np.float32), pool.astype(np.float32), radius)
    return found


RNG = np.random.default_rng(5)
ROWS, POOL = RNG.normal(size=(6, 3)), RNG.normal(size=(50, 3))
GAPS = np.sqrt(((ROWS[:, None] - POOL[None]) ** 2).sum(axis=2))


def test_count_is_0_below_every_distance_and_1_above() -> None:
    assert (inside(ROWS, POOL, 0.999 * GAPS.min(), "count") == 0).all()
    assert (inside(ROWS, POOL, 1.001 * GAPS.max(), "count") == 1).all()


def test_log_is_never_negative_and_grows_with_the_radius() -> None:
    scores = np.array([inside(ROWS, POOL, r) for r in np.linspace(0.01, 6, 40)])
    assert (scores >= 0).all()
    assert (np.diff(scores, axis=0) >= 0).all()


def test_log_is_continuous_at_the_edge_and_count_is_not() -> None:
    row, pool = np.zeros((1, 2)), np.array([[1.0, 0.0], [9.0, 9.0]])
    for form, jump in (("log", 0.0), ("count", 0.5)):
        below, above = (inside(row, pool, r, form)[0] for r in (1 - 1e-9, 1 + 1e-9))
        assert above - below == pytest.approx(jump, abs=1e-8)


def test_more_copies_score_more() -> None:
    pool = np.concatenate([np.tile(ROWS[:1], (3, 1)) + 0.01, POOL])
    assert inside(ROWS, pool, 0.2)[0] > inside(ROWS, POOL, 0.2)[0] * len(POOL) / len(pool)
    assert inside(ROWS, np.tile(ROWS[:1], (4, 1)), 0.2)[0] == pytest.approx(np.log(0.2 / 1e-9))


def test_the_search_by_products_misses_nothing_far_from_the_origin() -> None:
    rows, pool = ROWS + 40, POOL + 40  # cancellation would show here
    rows32, pool32 = rows.astype(np.float32), pool.astype(np.float32)
    d = np.sqrt(((rows32[:, None].astype(float) - pool32[None].astype(float)) ** 2).sum(axis=2))
    for radius in (0.05, 0.5, 2.0):
        found = inside(rows, pool, radius, "count")
        np.testing.assert_allclose(found, (d < radius).mean(axis=1))
