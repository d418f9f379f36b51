"""Views: the parts form equals a search of the mirrored and turned sets, written out."""

from typing import Any

import numpy as np
import pytest

from reference_worlds import reference_world
from vestige.detectors import MatchedFilter, MatchedFilterPool
from vestige.detectors.matched_filter import DAMPED
from vestige.features import build_space
from vestige.features.folding import CHANNELS
from vestige.features.whitening import Whitening, whitening
from vestige.symmetries import VIEWS, Views, seen_as
from vestige.types import Float32s, Floats, Images

WORLD = reference_world("copy", 6)
G, R = WORLD.generated[:90], WORLD.reference[:60]
X = np.concatenate([WORLD.used[:15], WORLD.unused[:15]])
FLOAT32 = 3e-5  # of a cosine: whitening amplifies the rounding of small components
SEEN: tuple[Views, ...] = ("mirror", "all")
every_view = pytest.mark.parametrize("views", SEEN)


def every_way(images: Images, views: Views) -> list[Images]:
    return [np.ascontiguousarray(seen_as(images, symmetry)) for symmetry in VIEWS[views]]


class Plain:
    """The same without parts: whitened by the population in every view, concatenated."""

    def __init__(self, population: list[Images], views: Views, space: str, size: int) -> None:
        self.space, self.views = build_space(space, size=size), views
        seen = [turned for images in population for turned in every_way(images, views)]
        rows = np.concatenate([self.space.transform(images) for images in seen])
        self.filters: Whitening = whitening(rows, 0.1, (), DAMPED, sum(map(len, population)))

    def rows(self, images: Images) -> Float32s:
        return self.filters.apply(self.space.transform(images))

    def cosines(self, images: Images, generated: Images) -> Floats:
        """[views, n, m]"""
        rows = self.rows(images)
        made = [self.rows(seen) for seen in every_way(generated, self.views)]
        return np.stack([rows @ m.T for m in made]).astype(np.float64)


def top(cosines: Floats, rivals: Floats) -> Floats:
    competed = cosines - np.sort(rivals, axis=0)[-10:].mean(axis=0)
    return np.asarray(np.sort(competed, axis=1)[:, -3:].mean(axis=1))


@every_view
@pytest.mark.parametrize("size", [9, 16, 32])
@pytest.mark.parametrize("space", CHANNELS)
def test_parts_equal_a_search_of_the_mirrored_sets(views: Views, size: int, space: Any) -> None:
    plain = Plain([X], views, space, size)
    cosines = plain.cosines(X, G)
    best = cosines.max(axis=0)
    options: dict[str, Any] = {"size": size, "space": space, "views": views}
    detector = MatchedFilterPool(**options).fit(G)
    np.testing.assert_allclose(detector.score_pool(X), top(best, best), atol=FLOAT32)
    found = MatchedFilterPool(aggregate="cube", **options).fit(G).score_pool(X)
    np.testing.assert_allclose(found, (cosines**3).mean(axis=2).max(axis=0), atol=FLOAT32)
    found = MatchedFilterPool(aggregate="logsumexp", **options).fit(G).score_pool(X)
    np.testing.assert_allclose(found, np.log(np.exp(best / 0.1).sum(axis=1)), atol=10 * FLOAT32)

    values, rows, symmetries = detector.nearest_pool(X, 4)
    np.testing.assert_allclose(values, -np.sort(-best, axis=1)[:, :4], atol=FLOAT32)
    real = np.arange(len(X))[:, None]
    np.testing.assert_allclose(cosines[symmetries, real, rows], values, atol=FLOAT32)

    plain = Plain([R], views, space, size)
    best, rivals = (plain.cosines(images, G).max(axis=0) for images in (X, R))
    found = MatchedFilter(**options).fit(G, unused=R).score_samples(X)
    np.testing.assert_allclose(found, top(best, rivals), atol=FLOAT32)


@every_view
def test_the_generated_set_and_a_reference_whiten_in_every_view_too(views: Views) -> None:
    for size in (8, 32):  # more images than pixels, and fewer
        cosines = Plain([X, R, G], views, "pixels", size).cosines(X, G)
        detector = MatchedFilterPool(size=size, views=views, aggregate="cube", whitened_by="both")
        found = detector.fit(G, unused=R).score_pool(X)
        np.testing.assert_allclose(found, (cosines**3).mean(axis=2).max(axis=0), atol=FLOAT32)
