"""Small pictures for the report, in grey or colour, and three planes of a volume; encoded."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.images.imageset import ImageSet
from vestige.images.kinds import Kind, kind_of
from vestige.images.preprocess import shrink_cubes
from vestige.images.shards import to_working_batch
from vestige.registry.entries import InputError
from vestige.types import Float32s

SIDE = 128
"""Of the thumbnails of `vestige inspect`."""
GAP = 1
"""Pixels between the planes of a volume."""
QUALITY, ROUGH = 85, 75
"""Of JPEG, of 100; the latter for small pictures."""
EXACT = 64
"""Widest picture in pixels that loses nothing."""

Voxel = tuple[int, int, int]


def shown(images: ImageSet, i: int, side: int, again: bool = True) -> Float32s:
    """Image i in 0..1 and of the kind of its set, read again in full size, or as it was compared.

    Returns
    -------
    Float32s
        [h, w] or [h, w, 3], at most `side` pixels wide; a volume [s, s, s] with at most half as
        many voxels a side, since two planes stand side by side.
    """
    try:
        pixels = images.original(i) if again else images.pixels[i]
    except InputError:  # gone or changed by now: what was judged is shown
        pixels = images.pixels[i]
    if pixels.ndim != images.pixels.ndim - 1:  # a grey file in a set that is compared in colour
        pixels = images.pixels[i]
    if kind_of_one(pixels) == "volume":
        cube = shrink_cubes(np.asarray(pixels, np.float32)[np.newaxis], side // 2)[0]
        return np.asarray(cube, np.float32)
    working = to_working_batch([pixels], min(side, max(pixels.shape[:2])))[0]
    return np.asarray(working, np.float32)


def kind_of_one(image: npt.NDArray[Any]) -> Kind:
    """Whether one image is grey [h, w], in colour [h, w, 3] or a volume [s, s, s]."""
    return kind_of((1, *image.shape))


def drawn(image: Float32s, voxel: Voxel | None = None) -> Float32s:
    """An image of any kind as one picture, [h, w] or [h, w, 3]; `voxel` as of `three_planes`."""
    if kind_of_one(image) != "volume":
        return image
    return three_planes(image, voxel)


def three_planes(volume: Float32s, voxel: Voxel | None = None) -> Float32s:
    """The coronal, sagittal and axial plane of a volume through one voxel, as one square picture.

    Coronal upper left, sagittal upper right, both with the head up; axial lower left. The patient's
    right is on the left of the coronal and the axial plane, the front is at the left of the
    sagittal one and at the top of the axial one. So planes that share an axis stand in line.

    Parameters
    ----------
    volume : float32 [s, s, s], 0..1
        From feet to head, from front to back, from the patient's right to the left.
    voxel : three numbers, optional
        The voxel that the planes cut; by default the middle.

    Returns
    -------
    Float32s, shape (2 s + 1, 2 s + 1)
        Black between the planes and at the lower right.
    """
    side = len(volume)
    up, back, left = voxel or (side // 2,) * 3
    picture = np.zeros((2 * side + GAP, 2 * side + GAP), np.float32)
    picture[:side, :side] = volume[::-1, back]
    picture[:side, -side:] = volume[::-1, :, left]
    picture[-side:, :side] = volume[up]
    return picture


def as_png(pixels: Float32s) -> bytes:
    """PNG bytes of pixels [h, w] or [h, w, 3] in 0..1; no metadata."""
    return _encoded(pixels, "PNG")


def as_jpeg(pixels: Float32s, quality: int = ROUGH) -> bytes:
    """JPEG bytes of pixels [h, w] or [h, w, 3] in 0..1: a fraction of a PNG; no metadata."""
    return _encoded(pixels, "JPEG", quality=quality, optimize=True)


def as_picture(pixels: Float32s) -> bytes:
    """Exact PNG bytes of pixels up to `EXACT` wide, else JPEG bytes."""
    return as_png(pixels) if pixels.shape[1] <= EXACT else as_jpeg(pixels, QUALITY)


def _encoded(pixels: Float32s, form: str, **options: Any) -> bytes:
    from PIL import Image

    levels = np.round(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(levels, mode="L" if levels.ndim == 2 else "RGB").save(out, form, **options)
    return out.getvalue()
