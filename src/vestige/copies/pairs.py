"""How near each generated image is to each real one, and by how much to no other patient's."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vestige.copies.filtering import copy_filter, seen_rows
from vestige.features.pixels import Pixels
from vestige.features.rows import Rows, rows_of
from vestige.features.whitening import Whitening
from vestige.images.spool import let_go
from vestige.stats.groups import Labels, group_index
from vestige.symmetries import VIEWS, Symmetry, Views
from vestige.types import Bools, Float32s, Images, Ints

SIZE = 32
RIVALS = 5
ROUNDING = np.float32(1e-5)
PLAIN = 0.01
"""Standard deviation of grey values below which an image is too plain to be compared."""
BLOCK_BYTES = 2**24


@dataclass(frozen=True, eq=False)
class Block:
    """All pairs of the reals with some images.

    start : number of the first of these images
    value : [n, b], filtered cosine in the best view, -1..1
    lead : [n, b], value less the mean value of the best `RIVALS` other groups
    view : uint8 [n, b], which of the views is the best one
    nearest : [n, b], no other image of the real's group is nearer, up to rounding
    plain : [b], too plain to be compared; value 0
    """

    start: int
    value: Float32s
    lead: Float32s
    view: npt.NDArray[np.uint8]
    nearest: Bools
    plain: Bools


@dataclass(frozen=True, eq=False)
class Comparison:
    """Reals and generated images in one filter.

    A real image that is near to everything (a blurred one, an empty one) has a large cosine with
    images that are no copies of it. These are near to other reals as well, a copy is not: so an
    image's value is compared with that of its rivals, the best other groups, each by its best image
    (one side of cross-domain similarity local scaling, Conneau et al. 2018, arXiv:1710.04087).

    rows : [n, p], the reals in the filter, of norm 1, or 0 if too plain
    codes : [n], their groups, 0 to G - 1
    """

    reals: Float32s
    rows: Float32s
    codes: Ints
    generated: Images
    made: Rows
    filters: Whitening
    views: tuple[Symmetry, ...]

    def blocks(self) -> Iterator[Block]:
        """Pairs with all generated images, block by block."""
        for start, images in self._parts(self.made):
            yield self._block(start, images, None)
            let_go(self.generated)

    def best_lead(self) -> Float32s:
        """The largest lead of each real over all generated images, [n]."""
        return self._best(self.blocks())

    def best_lead_between_reals(self) -> Float32s:
        """The largest lead of each real over the reals of other groups, in the place of generated.

        With one group only: -inf.
        """
        parts = self._parts(self.reals)
        return self._best(
            self._block(start, part, self.codes[start : start + len(part)]) for start, part in parts
        )

    def _best(self, blocks: Iterator[Block]) -> Float32s:
        best = np.full(len(self.rows), -np.inf, np.float32)
        for block in blocks:
            np.maximum(best, block.lead.max(axis=1), out=best)
        return best

    def _parts(self, rows: Rows) -> Iterator[tuple[int, Float32s]]:
        step = max(1, BLOCK_BYTES // (4 * max(len(self.rows), self.reals.shape[1])))
        for start in range(0, len(rows), step):
            yield start, np.asarray(rows[start : start + step])

    def _block(self, start: int, images: Float32s, own: Ints | None) -> Block:
        """Pairs with images [b, d]; those of the group an image belongs to itself are left out."""
        value = np.full((len(self.rows), len(images)), -np.inf, np.float32)
        view = np.zeros(value.shape, np.uint8)
        for number, symmetry in enumerate(self.views):
            cosine = self.rows @ self.filters.apply(seen_rows(images, symmetry)).T
            better = cosine > value
            value[better], view[better] = cosine[better], number
        plain = too_plain(images)
        value[:, plain] = 0
        if own is not None:
            value[self.codes[:, None] == own] = -np.inf
        order = np.argsort(self.codes, kind="stable")
        starts = np.flatnonzero(np.diff(self.codes[order], prepend=-1))
        groups = np.maximum.reduceat(value[order], starts, axis=0)
        others = len(groups) - (1 if own is None else 2)
        lead = value - rival_means(groups, min(RIVALS, others))[self.codes]
        nearest = value >= groups[self.codes] - ROUNDING
        return Block(start, value, lead, view, nearest, plain)


def compare(reals: Images, groups: Labels, generated: Images, views: Views) -> Comparison:
    """Bring reals [n, s, s] and generated images [m, s, s] into one filter, in all views."""
    space = Pixels(size=SIZE)
    rows, made = space.transform(reals), rows_of(space, generated)
    filters = copy_filter(rows, made, VIEWS[views])
    codes = group_index(groups, len(reals))[0]
    filtered = filters.apply(rows)
    filtered[too_plain(rows)] = 0
    return Comparison(rows, filtered, codes, generated, made, filters, VIEWS[views])


def too_plain(rows: Float32s) -> Bools:
    """Which images [n, d] are nearly constant: they are alike, whoever made them."""
    return np.asarray(rows.std(axis=1) < PLAIN)


def rival_means(values: Float32s, rivals: int) -> Float32s:
    """Mean of the `rivals` largest other values of the same column, for each entry of [G, b].

    Every column needs `rivals` + 1 finite values; rivals below 1: 0.
    """
    if rivals < 1:
        return np.zeros_like(values)
    top = np.partition(values, -rivals - 1, axis=0)[-rivals - 1 :]
    top = np.sort(top, axis=0)  # sums must not depend on order
    total = top.sum(axis=0)
    among = values >= top[1]  # makes room for the next
    return np.asarray((total - np.where(among, values, top[0])) / np.float32(rivals))
