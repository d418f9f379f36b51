"""The local matched filter against numpy's SVD, and parts that it must find."""

from typing import Any

import numpy as np
import pytest

from reference_worlds import patch_world, reference_world
from vestige.detectors import LocalFilter, MatchedFilterPool
from vestige.registry.entries import InputError
from vestige.stats.intervals import auc
from vestige.types import Floats, Images

WORLD = reference_world("copy", 8)
G, R = WORLD.generated[:60], WORLD.reference
X = np.concatenate([WORLD.used[:15], WORLD.unused[:15]])
BAG = np.concatenate([WORLD.used, WORLD.unused])
FLOAT32 = 1e-4  # of a z: a cosine's 1e-6 over its deviation, about .05


def cosines(images: Images, population: Images, pool: Images, window: int, ridge: float) -> Floats:
    """Whitened cosines [n, m, windows] in float64."""
    found = []
    last = images.shape[1] - window + 1
    for top in range(0, last, window // 3):
        for left in range(0, last, window // 3):
            part = np.s_[:, top : top + window, left : left + window]
            p, x, g = (
                a[part].reshape(len(a), -1).astype(np.float64) for a in (population, images, pool)
            )
            mean = p.mean(axis=0)
            singular, span = np.linalg.svd(p - mean, full_matrices=False)[1:]
            ev = singular**2 / len(p)
            kept = ev > 1e-6 * ev[0]
            scale = np.sqrt(ev[kept] + ridge * ev[kept].mean())
            x, g = ((rows - mean) @ span[kept].T / scale for rows in (x, g))
            norms = np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(g, axis=1)
            found.append(x @ g.T / norms)
    return np.stack(found, axis=2)


def foreground(images: Images, window: int) -> Any:
    starts = range(0, images.shape[1] - window + 1, window // 3)
    return np.array(
        [
            [image[y : y + window, x : x + window].std() > 0.02 for y in starts for x in starts]
            for image in images.astype(np.float64)
        ]
    )


def summary(own: Floats, seen: Any, usual: Floats, usually: Any, top: int, count: Any) -> Floats:
    """Mean of the `count` largest z over the windows of the mean of the `top` largest cosines."""
    own, usual = (np.sort(c, axis=1)[:, -top:].mean(axis=1) for c in (own, usual))
    scores = []
    for image, visible in zip(own, seen, strict=True):
        z = []
        for p in np.flatnonzero(visible):
            there = usual[usually[:, p], p]
            if there.std() > 1e-6:  # few see a window at the edge: then there is no deviation
                z.append((image[p] - there.mean()) / there.std())
        taken = {"largest": 3, "top_quarter": int(np.ceil(len(z) / 4)), "mean": len(z)}[count]
        scores.append(np.mean(np.sort(z)[-taken:]) if z else 0.0)
    return np.array(scores)


# cohorts smaller (30) and larger (200) than a window has pixels
@pytest.mark.parametrize("cohort", [X, BAG], ids=["small cohort", "large cohort"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ridge": 1.0, "top": 3},
        {"window": 6, "aggregate": "top_quarter"},
        {"aggregate": "mean", "top": 2},
    ],
)
def test_both_forms_equal_numpy(cohort: Images, options: dict[str, Any]) -> None:
    detector = LocalFilter(**options)
    window, ridge, top, count = (
        getattr(detector, name) for name in ("window", "ridge", "top", "aggregate")
    )
    sees, usually = foreground(cohort, window), foreground(R, window)
    own = cosines(cohort, cohort, G, window, ridge)
    found = detector.fit(G).score_pool(cohort)
    np.testing.assert_allclose(found, summary(own, sees, own, sees, top, count), atol=FLOAT32)
    own, usual = (cosines(x, R, G, window, ridge) for x in (cohort, R))
    found = detector.fit(G, unused=R).score_samples(cohort)
    np.testing.assert_allclose(found, summary(own, sees, usual, usually, top, count), atol=FLOAT32)


def test_the_bag_form_takes_the_reference_into_the_population() -> None:
    own, sees = cosines(X, np.concatenate([X, R]), G, 12, 0.1), foreground(X, 12)
    found = LocalFilter().fit(G, unused=R).score_pool(X)
    np.testing.assert_allclose(found, summary(own, sees, own, sees, 1, "largest"), atol=FLOAT32)


@pytest.mark.parametrize("grid", [8, 64])  # patches between the windows too
def test_finds_a_pasted_patch_that_the_whole_filter_misses(grid: int) -> None:
    world = patch_world(0, grid=grid)
    cohort = np.concatenate([world.used, world.unused])
    whole = MatchedFilterPool(size=32).fit(world.generated).score_pool(cohort)
    assert auc(whole[:100], whole[100:]) < 0.65
    by_bag = LocalFilter().fit(world.generated).score_pool(cohort)
    by_reference = LocalFilter().fit(world.generated, unused=world.reference).score_samples(cohort)
    assert auc(by_bag[:100], by_bag[100:]) > 0.8
    assert auc(by_reference[:100], by_reference[100:]) > 0.8


def test_a_common_change_of_grey_levels_changes_nothing() -> None:
    plain = LocalFilter().fit(G).score_pool(X)
    turned = LocalFilter().fit(np.float32(0.6) * G + np.float32(0.2))
    np.testing.assert_allclose(
        turned.score_pool(np.float32(0.6) * X + np.float32(0.2)), plain, atol=1e-3
    )


def test_background_says_nothing() -> None:
    blank = np.zeros((2, 32, 32), np.float32)
    blank[1] = np.random.default_rng(0).normal(0.5, 0.01, (32, 32))
    for found in (
        LocalFilter().fit(G).score_pool(np.concatenate([blank, X])),
        LocalFilter().fit(G, unused=R).score_samples(np.concatenate([blank, X])),
    ):
        np.testing.assert_array_equal(found[:2], 0)
        assert (found[2:] != 0).all()


def test_one_image_is_its_own_population() -> None:
    np.testing.assert_array_equal(LocalFilter().fit(G).score_pool(X[:1]), 0)


def test_windows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="windows of 40 px do not fit into images of 32 x 32"):
        LocalFilter(window=40).fit(G).score_pool(X)
