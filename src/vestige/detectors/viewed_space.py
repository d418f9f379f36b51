"""Distances of real images to images that are seen in several views."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.features.folding import CHANNELS, Folded, folding_of
from vestige.features.index import Search
from vestige.features.rows import LazyRows, fold_rows
from vestige.images.kinds import in_view
from vestige.stats.neighbours import (
    Pool,
    check_k,
    nearest,
    nearest_and,
    nearest_outside_group,
    nearest_view,
    same_width,
)
from vestige.stats.top import Top, merge, top_of
from vestige.symmetries import INVERSE, VIEWS, Views
from vestige.types import Embedder, Float32s, Floats, Images, Ints


@dataclass(frozen=True)
class ViewedSpace:
    """A feature space in which real images are looked at in every view.

    The distance of x to a generated image seen by a symmetry is that of x, seen by the inverse, to
    the generated image itself: few images are turned instead of many.
    """

    embed: Embedder
    views: Views

    def rows(self, images: Images) -> Float32s:
        """Rows [views * n, d] of images of any kind, view after view, the images as they are first.

        A space of even and odd parts gives the mirrored rows by other signs.
        """
        if isinstance(self.embed, Folded):
            rows = self.embed.transform(images)
            mirrored = rows.copy()
            mirrored[:, self._even(rows) :] *= -1
            return np.concatenate([rows, mirrored])
        seen = (in_view(images, INVERSE[symmetry]) for symmetry in VIEWS[self.views])
        return np.concatenate([self.embed.transform(np.ascontiguousarray(part)) for part in seen])

    def nearest(
        self, rows: Float32s, pool: Pool, k: int, search: Search | None = None
    ) -> tuple[Floats, Ints, Ints]:
        """The k nearest pool rows of each image, each in its nearest view.

        Parameters
        ----------
        rows : float32 [views * n, d]
            From `rows`.
        search : callable, optional
            An index of `vestige.features.index`; default: the exact search.

        Returns
        -------
        distances, indices, symmetries : [n, k]
            Symmetries are rows of ``VIEWS[views]``: how the pool's image must be seen.
        """
        search = search or partial(_nearest, even=self._even(rows))
        return nearest_view(*search(rows, pool, k), len(VIEWS[self.views]))

    def nearest_and(self, rows: Float32s, pool: Pool, known: Floats, k: int) -> Floats:
        """Distances [n, k] to the k nearest of a pool and of rows at known distances [n, *]."""
        return nearest_and(rows, pool, known, k, len(VIEWS[self.views]), self._even(rows))

    def nearest_outside_group(self, rows: Float32s, groups: npt.NDArray[Any], k: int) -> Floats:
        """Distances [n, k] of each image to the k nearest others of another group."""
        return nearest_outside_group(rows, groups, k, len(VIEWS[self.views]), self._even(rows))

    def _even(self, rows: Float32s) -> int:
        if not isinstance(self.embed, Folded):
            return 0
        return self.embed.folding.widths(rows.shape[1])[0]


def _nearest(rows: Float32s, pool: Pool, k: int, even: int) -> tuple[Floats, Ints]:
    """`vestige.stats.neighbours.nearest`, where the pool is."""
    if not isinstance(pool, LazyRows):
        return nearest(rows, pool, k, even)
    check_k(k)
    same_width(rows.shape[1], pool.width)
    k = min(k, len(pool))
    best = fold_rows(pool, partial(_add_block, rows, k, even), merge)
    return best.distances, best.indices


def _add_block(
    rows: Float32s, k: int, even: int, best: Top | None, start: int, block: Float32s
) -> Top:
    return top_of(rows, block, start, k, best, even=even)


def viewed_space(
    views: Views, embed: Embedder, space: str, size: int, shape: tuple[int, ...]
) -> ViewedSpace:
    """Views of a fitted space, in even and odd parts where its rows are pictures."""
    if views == "mirror" and space in CHANNELS:
        embed = Folded(embed, folding_of(views, shape, size, space))
    return ViewedSpace(embed, views)
