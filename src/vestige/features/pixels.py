"""Pixels as features, at a smaller size if asked: of grey images, colour images and volumes.

A row is a list of square pictures: of a grey image one; of a colour image its luma and, at a
quarter of the side, two chroma planes; of a volume its slices. `stacks_of` says which.
"""

from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np

from vestige.images.elsewhere import Elsewhere
from vestige.images.kinds import NAMES, grey_only, kind_of, planes_of
from vestige.images.preprocess import shrink_cubes, to_working
from vestige.images.spool import blocks, spooled
from vestige.registry.entries import InputError
from vestige.types import Float32s, Images

BLOCK = 256
_BEYOND = 0.5
"""Noise on prepared images of 0..1 stays within; beyond -1..2 by as much it is no noise."""
CHROMA_WEIGHT = 16
"""Of a chroma pixel, which stands for 16 pixels of luma (docs/detectors.md says what it finds)."""


def as_images(source: Any, required_resolution: int = 64) -> Images:
    """Accept arrays, ImageSets, folders, lists of paths, and whatever a program holds.

    `required_resolution` is the largest side in pixels at which anything looks at images read here.

    Returns
    -------
    float32 [n, h, w] grey, [n, h, w, 3] colour or [n, s, s, s] volumes, 0..1
        Arrays of these shapes, tensors and pictures of one size in the size they have. Floats of
        an array stay as they are: a range that was guessed for each array alone could differ.

    Raises
    ------
    InputError
        As `vestige.images.read_images`; floats far beyond 0..1 and -1..1.
    """
    if hasattr(source, "pixels"):
        source = source.pixels
    if isinstance(source, Elsewhere):
        return spooled(blocks(cast(Images, source)), source.shape[1:], len(source))
    if not isinstance(source, np.ndarray):
        from vestige.features.as_given import read_as_given

        return read_as_given(source, required_resolution)
    if 0 in source.shape:
        raise InputError(f"images have no empty side, found shape {source.shape}.")
    try:
        kind_of(source.shape)
    except InputError:
        from vestige.features.as_given import have_channels, read_as_given

        if not have_channels(source.shape):
            raise
        return read_as_given(source, required_resolution)
    if source.dtype in (np.uint8, np.uint16):
        return np.asarray(source, dtype=np.float32) / np.float32(np.iinfo(source.dtype).max)
    if source.dtype.kind != "f":
        raise InputError(f"images are uint8, uint16 or float in 0..1, found {source.dtype.name}.")
    if isinstance(source, np.memmap) and source.dtype == np.float32 and source.flags.c_contiguous:
        return source  # stays in its file
    low, high = float(source.min()), float(source.max())
    if not (low >= -1 - _BEYOND and high <= 2 + _BEYOND):
        from vestige.features.as_given import check_range

        check_range(source)
    return np.ascontiguousarray(source, dtype=np.float32)


def as_held(source: Any) -> Images:
    """`as_images`, but images that workers hold stay there: for who makes passes over them only."""
    source = getattr(source, "pixels", source)
    return cast(Images, source) if isinstance(source, Elsewhere) else as_images(source)


def shrink(images: Images, size: int) -> Images:
    """Area-average square images [n, s, s] to [n, size, size]; smaller ones stay as they are.

    Only an integer factor is an area average; other sizes go through the common kernel of
    `vestige.images.preprocess`.
    """
    n, side, width = images.shape
    if side == width and side <= size:
        return images
    if side == width and side % size == 0:
        f = side // size
        small = np.empty((n, size, size), dtype=np.float32)
        # sums of slices, a few images at a time: in the cache, far faster than a mean over axes
        for start in range(0, n, BLOCK):
            part = images[start : start + BLOCK]
            rows = part[:, 0::f].copy()
            for k in range(1, f):
                rows += part[:, k::f]
            sums = small[start : start + BLOCK]
            sums[:] = rows[:, :, 0::f]
            for k in range(1, f):
                sums += rows[:, :, k::f]
            sums *= np.float32(1 / f**2)
        return small
    return np.stack([to_working(image, size) for image in images])


def as_grey(source: Any, required_resolution: int = 64) -> Images:
    """`as_images` for what is grey by nature: colour becomes luma.

    Returns
    -------
    float32 [n, h, w], 0..1

    Raises
    ------
    InputError
        For volumes.
    """
    return grey_only(as_images(source, required_resolution))


def as_pictures(source: Any, required_resolution: int = 64) -> Images:
    """`as_images` for what sees pictures, grey or in colour.

    Returns
    -------
    float32 [n, h, w] or [n, h, w, 3], 0..1

    Raises
    ------
    InputError
        For volumes.
    """
    images = as_images(source, required_resolution)
    return grey_only(images) if kind_of(images.shape) == "volume" else images


def chroma_side(side: int) -> int:
    """Side of the chroma planes beside luma of this side."""
    return max(1, side // 4)


def stacks_of(images: Images, size: int, chroma_weight: float = CHROMA_WEIGHT) -> list[Float32s]:
    """Images of any kind as stacks of square pictures, each float32 [n, pictures, side, side].

    Of grey images one picture; of colour images luma, then two chroma planes of a quarter of the
    side, times their weight; of volumes their slices.
    """
    kind = kind_of(images.shape)
    if kind == "volume":
        return [shrink_cubes(images, size)]
    if kind == "grey":
        return [shrink(images, size)[:, np.newaxis]]
    luma, chroma = planes_of(images)
    luma = shrink(luma, size)
    n, side = len(images), chroma_side(luma.shape[1])
    small = shrink(chroma.reshape(2 * n, *chroma.shape[2:]), side).reshape(n, 2, side, side)
    return [luma[:, np.newaxis], small * np.float32(chroma_weight)]


def sides_of(shape: tuple[int, ...], size: int) -> list[tuple[int, int]]:
    """Side and number of the pictures of each of `stacks_of` images of this shape."""
    kind = kind_of(shape)
    side = shape[1] if shape[1] == shape[2] and shape[1] <= size else size
    if kind == "colour":
        return [(side, 1), (chroma_side(side), 2)]
    return [(side, side if kind == "volume" else 1)]


def as_rows(stacks: list[Float32s]) -> Float32s:
    """Stacks [n, ...] side by side as rows [n, d]."""
    rows = [stack.reshape(len(stack), -1) for stack in stacks]
    return rows[0] if len(rows) == 1 else np.concatenate(rows, axis=1)


def local_contrast(images: Images) -> Images:
    """Subtract the mean and divide by (standard deviation + .02), image by image."""
    inside = tuple(range(1, images.ndim))
    mean = images.mean(axis=inside, keepdims=True)
    deviation = images.std(axis=inside, keepdims=True)
    normalised: Images = (images - mean) / (deviation + np.float32(0.02))
    return normalised


@dataclass
class Pixels:
    """Grey values at `size` px, optionally local-contrast-normalised. Nothing is learned.

    `chroma_weight` is that of the chroma planes of colour images (`stacks_of`).

    Source: GAN-Leaks (arXiv:1909.03935) compares pixels; docs/methods.md 2.3.
    """

    size: int = 32
    contrast: bool = False
    chroma_weight: float = CHROMA_WEIGHT

    def fit(self, images: Images) -> Self:
        """Nothing to learn."""
        return self

    def transform(self, images: Images) -> Float32s:
        """Images of any kind -> rows [n, d]: size^2 values, 9/8 x in colour, size^3 of volumes."""
        stacks = stacks_of(images, self.size, self.chroma_weight)
        if self.contrast:
            stacks = [local_contrast(stack) for stack in stacks]
        return as_rows(stacks)


@dataclass
class Chroma:
    """The two chroma planes of colour images, at a quarter of `size` px. Nothing is learned."""

    size: int = 64

    def fit(self, images: Images) -> Self:
        """Nothing to learn."""
        return self

    def transform(self, images: Images) -> Float32s:
        """Colour images [n, h, w, 3] -> rows [n, d], size^2 / 8 values.

        Raises
        ------
        InputError
            For grey images and volumes, which have no chroma.
        """
        if (kind := kind_of(images.shape)) != "colour":
            raise InputError(f"chroma is that of colour images; {NAMES[kind]} were given.")
        return as_rows(stacks_of(images, self.size)[1:])
