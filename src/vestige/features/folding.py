"""Even and odd parts: an image and its mirrored copies are compared by the same products.

With M the mirror, e = (x + Mx) / 2 and o = (x - Mx) / 2 of two images give <x, x'> = <e, e'> +
<o, o'> and <x, Mx'> = <e, e'> - <o, o'>. Rows in an orthonormal basis of both parts are as wide as
before, so that two views cost what one did. Left-right and up-down mirrors give four parts.
"""

from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import numpy.typing as npt

from vestige.features.pixels import sides_of
from vestige.images.kinds import kind_of
from vestige.registry.entries import InputError
from vestige.stats.neighbours import same_width
from vestige.symmetries import VIEWS, Views
from vestige.types import Embedder, Float32s, Images

Parity = tuple[int, int]
"""Under up-down and left-right mirroring: 1 even, -1 odd."""
CHANNELS: dict[str, tuple[Parity, ...]] = {
    "pixels": ((1, 1),),
    "contrast": ((1, 1),),
    "band_pass": ((1, 1),),
    "gradients": ((-1, 1), (1, -1)),
    "chroma": ((1, 1),),
}
"""Spaces whose rows are pictures, and what mirroring an image does to the sign of each picture."""
THROUGH: Parity = (1, 1)
"""Of the slopes from slice to slice, which volumes have before the others."""
PARITIES: dict[Views, tuple[Parity, ...]] = {
    "none": ((1, 1),),
    "mirror": ((1, 1), (1, -1)),
    "all": ((1, 1), (1, -1), (-1, 1), (-1, -1)),
}
"""Of the parts; also which mirrors the first views of `VIEWS` consist of."""
ROOT = np.float32(np.sqrt(0.5))


@dataclass(frozen=True)
class Stack:
    """Square pictures of one side that follow one another in a row, and the parity of each."""

    side: int
    parities: tuple[Parity, ...]

    @property
    def width(self) -> int:
        """Columns of the row."""
        return len(self.parities) * self.side**2


@dataclass(frozen=True)
class Folding:
    """How rows of one space fall into parts.

    views : "none" (one part: rows as they are), "mirror" (two) or "all" (four)
    stacks : the pictures that make up a row; with "none" they do not matter
    """

    views: Views = "none"
    stacks: tuple[Stack, ...] = ()

    @property
    def symmetries(self) -> npt.NDArray[np.int8]:
        """Symmetry of each view, rows of `VIEWS`: mirrors of images, then of transposed ones."""
        return np.array([0, 1, 2, 3, 6, 4, 5, 7], np.int8)[: len(VIEWS[self.views])]

    @property
    def transposes(self) -> bool:
        """Whether transposed images are looked at as well."""
        return self.views == "all"

    def widths(self, d: int) -> tuple[int, ...]:
        """Columns of each part of rows [n, d]."""
        if self.views == "none":
            return (d,)
        return tuple(
            sum(self._width(stack, up, across) for stack in self.stacks)
            for up, across in PARITIES[self.views]
        )

    def _width(self, stack: Stack, up: int, across: int) -> int:
        side, rows = stack.side, 1 if self.transposes else 0
        size = {1: side - side // 2, -1: side // 2, 0: side}
        return sum(size[rows * up * u] * size[across * a] for u, a in stack.parities)

    def fold(self, rows: Float32s) -> Float32s:
        """Rows [n, d] of square pictures -> the same in the basis of the parts, part after part."""
        if self.views == "none":
            return rows
        same_width(rows.shape[1], sum(stack.width for stack in self.stacks))
        folded, start = np.empty_like(rows), 0
        places = bounds(tuple(stack.width for stack in self.stacks))
        halves = [
            self._halves(rows[:, place], stack)
            for stack, place in zip(self.stacks, places, strict=True)
        ]
        for (up, across), k in product(PARITIES[self.views], range(len(self.stacks))):
            for c, (u, a) in enumerate(self.stacks[k].parities):
                whole = halves[k][up * u if self.transposes else 0, across * a]
                half = whole[:, c].reshape(len(rows), -1)
                folded[:, start : start + half.shape[1]] = half
                start += half.shape[1]
        return folded

    def _halves(self, rows: Float32s, stack: Stack) -> dict[Parity, Float32s]:
        """Even and odd parts of the pictures of a stack, by the parity of each axis (0: whole)."""
        pictures = rows.reshape(len(rows), len(stack.parities), stack.side, stack.side)
        halves = {(0, a): half for a, half in zip((1, -1), _halves(pictures, 3), strict=True)}
        if not self.transposes:
            return halves
        return {
            (u, a): half
            for (_, a), whole in halves.items()
            for u, half in zip((1, -1), _halves(whole, 2), strict=True)
        }


def folding_of(views: Views, shape: tuple[int, ...], size: int, space: str = "pixels") -> Folding:
    """How the rows of a space of `CHANNELS` fall into parts, for images of this shape.

    Raises
    ------
    InputError
        For volumes in all eight views of a square: a volume is mirrored, not turned.
    """
    channels = CHANNELS[space]
    if kind_of(shape) == "volume":
        if views == "all":
            raise InputError(
                "volumes are searched as they are or mirrored: choose the views none or mirror."
            )
        if space == "gradients":
            channels = (THROUGH, *channels)
    stacks = tuple(
        Stack(side, tuple(parity for parity in channels for _ in range(count)))
        for side, count in sides_of(shape, size)[space == "chroma" :]  # luma comes first
    )
    return Folding(views, stacks)


def _halves(pictures: Float32s, axis: int) -> tuple[Float32s, Float32s]:
    """Even and odd part along an axis, in an orthonormal basis; the middle is even."""
    pictures = np.moveaxis(pictures, axis, -1)
    side = pictures.shape[-1]
    first, last = pictures[..., : side // 2], pictures[..., ::-1][..., : side // 2]
    even = np.empty((*pictures.shape[:-1], side - side // 2), np.float32)
    np.add(first, last, out=even[..., : side // 2])
    even[..., : side // 2] *= ROOT
    even[..., side // 2 :] = pictures[..., side // 2 : side - side // 2]
    odd = (first - last) * ROOT
    return np.moveaxis(even, -1, axis), np.moveaxis(odd, -1, axis)


@dataclass(frozen=True)
class Folded:
    """A space whose rows are folded."""

    space: Embedder
    folding: Folding

    def fit(self, images: Images) -> "Folded":
        """Nothing to learn."""
        return self

    def transform(self, images: Images) -> Float32s:
        """Images of any kind -> rows [n, d], part after part."""
        return self.folding.fold(self.space.transform(images))


def bounds(widths: tuple[int, ...]) -> list[slice]:
    """Columns of each part."""
    ends = np.cumsum((0, *widths)).tolist()
    return [slice(start, stop) for start, stop in pairwise(ends)]


def turned(images: Images) -> Images:
    """Images [n, h, w] or [n, h, w, 3] with rows and columns changed."""
    return np.swapaxes(images, 1, 2)
