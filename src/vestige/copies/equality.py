"""Which generated images have the very pixels of a real one, whatever its role.

Also when one of the two was mirrored, turned, inverted, cut from 16 to 8 bits or shrunk by a whole
factor: none of these changes a pixel at the working size by more than rounding does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from vestige.copies.invariants import (
    PROBE_ROUNDING,
    Summary,
    joined,
    probe_order,
    summary_of,
)
from vestige.images.imageset import ImageSet
from vestige.images.kinds import in_view, inside
from vestige.images.passes import fold_blocks, in_order
from vestige.images.preprocess import coverage
from vestige.images.spool import let_go, step_of
from vestige.stats.slices import slices
from vestige.symmetries import SYMMETRIES, Symmetry
from vestige.types import Bools, Float32s, Floats, Images, Ints

if TYPE_CHECKING:
    from scipy.spatial import KDTree

TOLERANCE = 1.5 / 255
"""Of a pixel at the working size: rounding to 8 bits moves it by half a level, cutting by one."""
OF_SPREAD = 1 / 8
"""The tolerance is no more than this part of the standard deviation of an image's grey."""
_SLACK = 1e-6  # of float32
_BLOCK = 256
"""Images summed up at once, and reals looked up at once."""
_PAIRS = 4096
"""Pairs whose probes are compared at once."""
_WHOLE = 16
"""Pairs that are compared pixel by pixel at once."""
_VIEWS: tuple[tuple[bool, Symmetry], ...] = tuple(product((False, True), SYMMETRIES))
"""Inverted or not, and symmetry; where several fit, the first is told."""


@dataclass(frozen=True, order=True)
class Equal:
    """A generated image that is a real one.

    generated, real : rows of the generated set and of the set of `role`
    symmetry : the generated image is `in_view(real, symmetry)`
    inverted : black and white are exchanged as well
    exact : the same digest: the very pixels in full size
    """

    generated: int
    role: str
    real: int
    symmetry: Symmetry
    inverted: bool
    exact: bool


@dataclass(frozen=True)
class Equality:
    """All pairs of a generated and a real image that are equal.

    equal : by generated row, role and row of that role
    duplicates : generated images with the pixels of another one before them
    plain : images of each role that are blank or nearly so; they stand in no pair and are no
        duplicates, because blank slices of two patients are equal, too
    """

    equal: tuple[Equal, ...] = field(repr=False)
    duplicates: int
    plain: dict[str, int]

    def generated_in(self, role: str) -> tuple[int, ...]:
        """Rows of the generated images that are an image of this role."""
        return tuple(sorted({pair.generated for pair in self.equal if pair.role == role}))

    def reals_in(self, role: str) -> tuple[int, ...]:
        """Rows of this role that occur among the generated images."""
        return tuple(sorted({pair.real for pair in self.equal if pair.role == role}))


def find_equal(sets: Mapping[str, ImageSet]) -> Equality:
    """Look for every generated image among the reals of all roles.

    Two images are equal if in one of the eight symmetries, inverted or not, no pixel at the
    working size differs by more than 1.5/255 or an eighth of the real image's standard deviation.
    In colour this holds for every channel. A volume is mirrored and turned slice by slice; its
    slices keep their order. Candidates are found by numbers that none of these views changes
    (`summary_of`), so every pair within the tolerance is found, and no product of all pairs is
    made.

    Parameters
    ----------
    sets : role -> ImageSet
        "generated" and reals of any roles, as read: before any common preparation.

    Returns
    -------
    Equality
        It does not depend on the order of the images or on their names.

    Notes
    -----
    An image that is not square was padded with black; both the inverse of its picture and that of
    the padded square are looked for. Where the padding is uneven by one pixel, its mirror image is
    shifted by that pixel and is not found here. Of volumes only the inverse of the whole cube is
    looked for: where a cube was padded depends on the spacing of its slices.
    """
    from scipy.spatial import KDTree

    generated = _pictures(sets["generated"])
    rows = _rows_of(sets["generated"])
    tree = KDTree(generated.summary.numbers) if len(generated.rows) else None
    equal: list[Equal] = []
    plain = {"generated": generated.plain}
    for role, images in sets.items():
        if role == "generated":
            continue
        reals, real_rows = _pictures(images, inverses=True), _rows_of(images)
        plain[role] = reals.plain
        for (g, r), view in sorted(_matches(tree, generated, reals).items()):
            inverted, symmetry = _VIEWS[view]
            made, real = (of.sha256[k] for of, k in ((sets["generated"], g), (images, r)))
            equal += [
                Equal(i, role, k, symmetry, inverted, made == real)
                for i in rows[made]
                for k in real_rows[real]
            ]
    repeated = sum(len(rows[sets["generated"].sha256[g]]) - 1 for g in generated.rows)
    return Equality(tuple(sorted(equal)), repeated, plain)


@dataclass(frozen=True, eq=False)
class _Pictures:
    """The different images [m] of a set that are not blank, and what is known of each.

    rows : of the set, the first with these pixels
    inverse : which are the inverse of what was padded, in place of the image itself
    plain : blank images of the set
    """

    images: ImageSet
    rows: Ints
    inverse: Bools
    summary: Summary
    plain: int

    def pixels(self, which: Ints) -> Images:
        """Some of them [k, ...]."""
        return _shown(self.images, self.rows[which], self.inverse[which])


def _pictures(images: ImageSet, inverses: bool = False) -> _Pictures:
    """Every different picture once; of reals that were padded, the inverse of each as well."""
    rows_of = _rows_of(images)
    rows = np.array([some[0] for some in rows_of.values()], np.int64)
    found: list[Summary] = fold_blocks(images.pixels, _summed_up, in_order)
    parts = [joined(found).take(rows)]
    padded = np.zeros(0, np.int64)
    if inverses and images.kind != "volume":
        padded = rows[images.shapes[rows, 0] != images.shapes[rows, 1]]
        for some in slices(len(padded), step_of(images.pixels, _BLOCK)):
            own = padded[some]
            parts.append(summary_of(_shown(images, own, np.ones(len(own), np.bool_))))
    summary, rows = joined(parts), np.concatenate([rows, padded])
    inverse = np.arange(len(rows)) >= len(rows) - len(padded)
    blank = {int(k) for k in rows[summary.blank & ~inverse]}
    told = ~np.isin(rows, list(blank))
    plain = sum(len(rows_of[images.sha256[k]]) for k in blank)
    return _Pictures(images, rows[told], inverse[told], summary.take(told), plain)


def _summed_up(state: list[Summary] | None, start: int, images: Images) -> list[Summary]:
    own = [summary_of(images[part]) for part in slices(len(images), step_of(images, _BLOCK))]
    return own if state is None else [*state, *own]


def _rows_of(images: ImageSet) -> dict[str, list[int]]:
    """Rows of each digest."""
    rows: dict[str, list[int]] = {}
    for row, digest in enumerate(images.sha256):
        rows.setdefault(digest, []).append(row)
    return rows


def _shown(images: ImageSet, rows: Ints, inverse: Bools) -> Images:
    """Images of these rows, some of them inverted within what they fill, [k, ...]."""
    found = np.asarray(images.pixels[rows])
    for k in np.flatnonzero(inverse):
        filled = coverage(images.records[rows[k]].shape, found.shape[1])
        found[k] = filled.reshape(filled.shape + (1,) * (found.ndim - 3)) - found[k]
    return found


def _matches(
    tree: "KDTree | None", generated: _Pictures, reals: _Pictures
) -> dict[tuple[int, int], int]:
    """Rows of equal images (generated, real), and the first view that shows it."""
    found: dict[tuple[int, int], int] = {}
    for g, r, view in _equal_views(tree, generated, reals):
        inverted, symmetry = divmod(view, len(SYMMETRIES))
        told = (inverted ^ int(reals.inverse[r])) * len(SYMMETRIES) + symmetry
        pair = int(generated.rows[g]), int(reals.rows[r])
        found[pair] = min(told, found.get(pair, told))
    return found


def _equal_views(
    tree: "KDTree | None", generated: _Pictures, reals: _Pictures
) -> Iterator[tuple[int, int, int]]:
    """Places in both, and a view under which the two are equal; possibly several of a pair."""
    tolerance = np.minimum(TOLERANCE, OF_SPREAD * reals.summary.spread) + _SLACK
    pixels = generated.images.pixels
    shape = pixels.shape[1:3] if generated.images.kind == "colour" else pixels.shape[1:]
    for g, r in _candidates(tree, reals.summary.numbers, tolerance):
        ours = generated.summary.probes[g].astype(np.float32)
        theirs = reals.summary.probes[r].astype(np.float32)
        for view, (inverted, symmetry) in enumerate(_VIEWS):
            seen = theirs[:, probe_order(shape, symmetry)]
            gap = np.abs(ours - (1 - seen if inverted else seen)).max(axis=(1, 2))
            near = np.flatnonzero(gap <= tolerance[r] + 2 * PROBE_ROUNDING)
            for part in slices(len(near), _WHOLE):
                a, b = g[near[part]], r[near[part]]
                whole = in_view(reals.pixels(b), symmetry)
                gaps = np.abs(generated.pixels(a) - (1 - whole if inverted else whole))
                same = gaps.max(axis=inside(gaps)) <= tolerance[b]
                yield from ((int(i), int(j), view) for i, j in zip(a[same], b[same], strict=True))
        let_go(pixels)
        let_go(reals.images.pixels)


def _candidates(
    tree: "KDTree | None", numbers: Float32s, tolerance: Floats
) -> Iterator[tuple[Ints, Ints]]:
    """Pairs (generated, real) whose numbers all lie within the tolerance, some at a time."""
    if tree is None:
        return
    for part in slices(len(numbers), _BLOCK):
        near = tree.query_ball_point(numbers[part], tolerance[part], p=np.inf)
        counts = np.array([len(some) for some in near])
        g = np.concatenate([np.array(some, np.int64) for some in near])
        r = np.repeat(np.arange(part.start, part.stop), counts)
        for some in slices(len(g), _PAIRS):
            yield g[some], r[some]
