"""How near each generated image is to each real one, and by how much to no other patient's."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TypeVar

import numpy as np

from vestige.copies.filtering import copy_filter
from vestige.copies.moved import CHROMA_WEIGHT, WHOLE, Window, windows
from vestige.detectors.cosine_search import Search
from vestige.features.folding import Folded, Folding, folding_of, turned
from vestige.features.pixels import Pixels
from vestige.features.rows import Rows, fold_rows, rows_of
from vestige.features.whitening import Whitening
from vestige.images.kinds import Kind, kind_of
from vestige.images.passes import Merge
from vestige.stats.by_group import ByGroup
from vestige.stats.groups import Labels, group_index
from vestige.stats.slices import slices
from vestige.symmetries import Views
from vestige.types import Bools, Float32s, Floats, Images, Ints

S = TypeVar("S")
SIZES: dict[Kind, int] = {"grey": 32, "colour": 32, "volume": 16}
"""Side at which images are compared; 16 x 16 x 16 voxels are as many as 64 x 64 pixels."""
RIVALS = 5
ROUNDING = np.float32(1e-5)
PLAIN = 0.01
"""Standard deviation of grey values below which an image is too plain to be compared."""
BLOCK_BYTES = 2**24


@dataclass(frozen=True, eq=False)
class Block:
    """All pairs of some images with the reals.

    start : number of the first of these images
    value : [b, n], filtered cosine in the best view, -1..1
    lead : [b, n], value less the mean value of the best `RIVALS` other groups
    nearest : [b, n], no other image of the real's group is nearer, up to rounding
    plain : [b], too plain to be compared; value 0
    """

    start: int
    value: Float32s
    lead: Float32s
    nearest: Bools
    plain: Bools


@dataclass(frozen=True, eq=False)
class Comparison:
    """Reals and generated images in one filter.

    A real image that is near to everything (a blurred one, an empty one) has a large cosine with
    images that are no copies of it. These are near to other reals as well, a copy is not: so an
    image's value is compared with that of its rivals, the best other groups, each by its best image
    (one side of cross-domain similarity local scaling, Conneau et al. 2018, arXiv:1710.04087).

    reals, generated : images [n, s, s] and [m, s, s], both in colour, or both volumes
    made : rows of the generated images
    search : the reals in the filter, 0 if too plain
    codes : [n], their groups, 0 to G - 1
    moved : windows through which reals are compared as well (`vestige.copies.moved`), each with
        the filter of all images that are seen through it
    """

    reals: Images
    generated: Images
    made: Rows
    search: Search
    codes: Ints
    moved: tuple[tuple[Window, Whitening], ...] = ()

    def over_all(self, look: Callable[[S | None, Block], S], merge: Merge[S]) -> S:
        """What a pass over the pairs with all generated images finds (`vestige.images.passes`)."""
        none = np.empty((0, *self.generated.shape[1:]), np.float32)
        bare = replace(self, generated=none, made=np.empty((0, self.made.shape[1]), np.float32))
        return fold_rows(self.made, partial(_look, bare, look), merge, spread=True)

    @property
    def pixels(self) -> int:
        """Grey pixels or voxels by which two images are compared."""
        return self._folding.stacks[0].width

    def pairs_with(self, images: Images) -> Block:
        """Pairs with other images [k, s, s]."""
        return self.pairs_of(0, _space(self._folding).transform(images))

    def best_lead_between_reals(self) -> Float32s:
        """The largest lead of each real over the reals of other groups, in the place of generated.

        With one group only: -inf.
        """
        best = np.full(len(self.codes), -np.inf, np.float32)
        rows = _space(self._folding).transform(self.reals)
        for part in slices(len(rows), self.step(rows)):
            block = self.pairs_of(part.start, rows[part], self.codes[part])
            np.maximum(best, block.lead.max(axis=0), out=best)
        return best

    def views_of(self, generated: Ints, reals: Ints) -> tuple[Ints, Floats]:
        """For each pair of rows [k]: the symmetry in which it is nearest, and the part it shows.

        Symmetries are numbers of `vestige.symmetries.SYMMETRIES`: how the generated image must be
        seen to look like the real one. Parts [k, 3] are top, left and side of what is seen of the
        real image, in shares of its side.
        """
        best = np.full(len(reals), -np.inf, np.float32)
        view, part = np.zeros(len(reals), np.int64), np.tile(WHOLE, (len(reals), 1))
        if not len(reals):
            return view, part
        rows = _space(self._folding).transform(np.asarray(self.generated[generated]))
        symmetries = self._folding.symmetries
        places = (WHOLE, *((w.top, w.left, w.side) for w, _ in self.moved))
        for place, search in zip(places, self._searches(), strict=True):
            made = search.filters.apply(rows)
            views = search.views_of_pairs(made, reals)
            for k, values in enumerate(views):
                # the second half of the views are of transposed reals, through the same window
                turns = self._folding.transposes and k >= len(views) // 2
                seen = (place[1], place[0], place[2]) if turns else place
                better = values > best
                best[better], view[better], part[better] = values[better], symmetries[k], seen
        return view, part

    def beside(self, generated: Images) -> "Comparison":
        """The same reals in the same filter beside other generated images [m, s, s]."""
        return replace(self, generated=generated, made=rows_of(_space(self._folding), generated))

    def with_reals(self, images: Images) -> "Comparison":
        """The same beside further reals [k, s, s], each of a group of its own."""
        everyone = np.concatenate([self.reals, images])
        codes = self.codes.max() + 1 + np.arange(len(images))
        return replace(
            self,
            reals=everyone,
            search=_search(everyone, self.search.filters, _space(self._folding)),
            codes=np.concatenate([self.codes, codes]),
        )

    def _searches(self) -> Iterator[Search]:
        """The reals as they are, then moved: made when asked for, since these are a hundred."""
        yield self.search
        for window, filters in self.moved:
            yield _search(self.reals, filters, Folded(window, self._folding))

    @property
    def _folding(self) -> Folding:
        return self.search.folding

    def step(self, rows: Rows) -> int:
        """Rows of a block."""
        return max(1, BLOCK_BYTES // (4 * max(len(self.codes), int(rows.shape[1]))))

    def pairs_of(self, start: int, rows: Float32s, own: Ints | None = None) -> Block:
        """Pairs with rows [b, d]; those of a group `own` [b] that a row is of are left out."""
        plain = too_plain(rows, self._folding)
        value: Float32s | None = None
        for search in self._searches():
            made = search.filters.apply(rows)
            made[plain] = 0
            best = search.largest(made, search.rows)
            value = best if value is None else np.maximum(value, best, out=value)
        assert value is not None  # noqa: S101  # of one view or more
        if own is not None:
            value[own[:, None] == self.codes] = -np.inf
        single = int(self.codes.max()) + 1 == len(self.codes)
        groups = value if single else self._groups.largest(value)
        others = groups.shape[1] - (1 if own is None else 2)
        rivals = hubness_correction(groups, min(RIVALS, others))
        if single:
            lead, nearest = value - rivals, np.ones(value.shape, np.bool_)
        else:
            lead = value - rivals[:, self.codes]
            nearest = value >= groups[:, self.codes] - ROUNDING
        return Block(start, value, lead, nearest, plain)

    @cached_property
    def _groups(self) -> ByGroup:
        return ByGroup(self.codes)


def _look(
    comparison: Comparison,
    look: Callable[[S | None, Block], S],
    state: S | None,
    start: int,
    rows: Float32s,
) -> S:
    for part in slices(len(rows), comparison.step(rows)):
        state = look(state, comparison.pairs_of(start + part.start, rows[part]))
    assert state is not None  # noqa: S101  # of one row or more
    return state


def compare(
    reals: Images, groups: Labels, generated: Images, views: Views, move: bool = False
) -> Comparison:
    """Bring reals [n, s, s] and generated images [m, s, s] into one filter, in all views.

    With `move` reals are also compared shifted and cropped, if they are pictures.
    """
    kind = kind_of(generated.shape)
    size, move = SIZES[kind], move and kind != "volume"
    folding = folding_of(views, generated.shape, size)

    def filtered(space: Folded) -> tuple[Rows, Whitening]:
        made = [rows_of(space, generated)]
        if folding.transposes:
            made.append(rows_of(space, turned(generated)))
        return made[0], copy_filter(_rows(reals, space), made, folding)

    made, filters = filtered(space := _space(folding))
    codes = group_index(groups, len(reals))[0]
    search = _search(reals, filters, space)
    moved = [(window, filtered(Folded(window, folding))[1]) for window in windows(size) if move]
    return Comparison(reals, generated, made, search, codes, tuple(moved))


def compare_by_reals(reals: Images, groups: Labels, views: Views) -> Comparison:
    """A comparison that waits for its generated images (`Comparison.beside`): reals alone whiten.

    The filter is then the same whatever was generated, and made once. Few reals span few
    directions, in which images look more alike than by `compare`; from 100 on little so, at 64
    pixels a copy of an X-ray or of skin still loses .06.
    """
    size = SIZES[kind_of(reals.shape)]
    folding = folding_of(views, reals.shape, size)
    space = _space(folding)
    rows = _rows(reals, space)
    search = _search(reals, copy_filter(rows, (), folding), space)
    return Comparison(reals, reals[:0], rows[:0], search, group_index(groups, len(reals))[0])


def _search(reals: Images, filters: Whitening, space: Folded) -> Search:
    rows = _rows(reals, space)
    filtered = filters.apply(rows)
    filtered[too_plain(rows, space.folding)] = 0
    return Search(filtered, filtered, filters, space.folding)


def _rows(images: Images, space: Folded) -> Float32s:
    """Rows of reals [n, d]; where the folding transposes [2n, d], then transposed ones."""
    rows = space.transform(images)
    if not space.folding.transposes:
        return rows
    return np.concatenate([rows, space.transform(turned(images))])


def _space(folding: Folding) -> Folded:
    pixels = Pixels(size=folding.stacks[0].side, chroma_weight=CHROMA_WEIGHT)
    return Folded(pixels, folding)


def too_plain(rows: Float32s, folding: Folding) -> Bools:
    """Which images, rows [n, d] in parts, are nearly constant: these are all alike."""
    grey = np.zeros((1, rows.shape[1]), np.float32)  # white: without chroma
    grey[:, : (d := folding.stacks[0].width)] = 1
    constant = folding.fold(grey)[0]
    mean = rows @ constant / np.float32(d)
    spread = np.linalg.norm(rows - mean[:, None] * constant, axis=1) / np.sqrt(d)
    return np.asarray(spread < PLAIN)


def hubness_correction(values: Float32s, rivals: int) -> Float32s:
    """Mean of the `rivals` largest other values of the same row, for each entry of [b, G].

    Every row needs `rivals` + 1 finite values; rivals below 1: 0.
    """
    if rivals < 1:
        return np.zeros_like(values)
    top = np.partition(values, -rivals - 1, axis=1)[:, -rivals - 1 :]
    top = np.sort(top, axis=1)  # sums must not depend on order
    total = top.sum(axis=1, keepdims=True)
    among = values >= top[:, 1:2]  # makes room for the next
    return np.asarray((total - np.where(among, values, top[:, :1])) / np.float32(rivals))
