"""One way to the working size for every set: pad to a square, then average or resize in float."""

from functools import lru_cache

import numpy as np
from PIL import Image

from vestige.images.frame import Levels, scaled
from vestige.registry.entries import InputError
from vestige.types import Float32s, Images


def to_working(image: Float32s | Levels, size: int) -> Float32s:
    """Bring one image to the working size.

    An image that is not square is padded with black around its centre, never stretched. An
    integer factor is an area average; any other a bilinear resize, antialiased when shrinking.
    Nothing is rounded to 8 bits, which would leave a trace that differs between sets.

    Parameters
    ----------
    image : float32 [h, w] in 0..1, or uint8 or uint16 levels [h, w]
        Levels are on the scale of their type; giving them is faster, and exact.
    size : int
        Side of the result in pixels.

    Returns
    -------
    Float32s, shape (size, size)
        0..1. A float image that has this size already comes back bit for bit.
    """
    if size < 1:
        raise InputError(f"the working size must be at least 1 pixel, {size} was given")
    if image.dtype.kind == "f":
        image = np.asarray(image, np.float32)
    elif image.dtype not in (np.uint8, np.uint16):
        raise InputError(f"images are uint8, uint16 or float in 0..1, found {image.dtype.name}")
    height, width = image.shape
    side = max(height, width)
    if height != width:
        square = np.zeros((side, side), image.dtype)
        top, left = (side - height) // 2, (side - width) // 2
        square[top : top + height, left : left + width] = image
        image = square
    if side == size:
        return scaled(image)
    if side % size == 0:
        return area_average(image, side // size)
    picture = Image.fromarray(np.ascontiguousarray(scaled(image)))
    resized = np.array(picture.resize((size, size), Image.Resampling.BILINEAR), np.float32)
    return np.clip(resized, 0, 1, out=resized)  # the kernel weights sum to 1 only nearly


@lru_cache(maxsize=64)
def coverage(shape: tuple[int, int], size: int) -> Float32s:
    """How much of each pixel at the working size an image of this shape fills, 0..1.

    1 everywhere for a square image; 0 where any other was padded.
    """
    covered = to_working(np.ones(shape, np.float32), size)
    covered.flags.writeable = False
    return covered


def area_average(image: Float32s | Levels, factor: int) -> Float32s:
    """Mean over blocks of factor x factor pixels, float32 [..., h, w]; h and w are multiples.

    Levels are summed as integers and divided once, so that the same picture with 8 and with
    16 bits gives the same bits.
    """
    *outer, height, width = image.shape
    total, kind = factor * factor, np.dtype(np.float32)
    if image.dtype.kind == "u":
        total *= np.iinfo(image.dtype.name).max
        kind = np.min_scalar_type(total)  # holds the sum of a block: uint16 for 8 bits
    # rows first: sums along memory, several times as fast as a mean over both axes
    in_rows = image.reshape(*outer, height // factor, factor, width)
    rows = np.add.reduce(in_rows, axis=-2, dtype=kind)
    blocks = rows[..., 0::factor].copy()
    for k in range(1, factor):
        blocks += rows[..., k::factor]
    return np.asarray(blocks / np.float64(total), np.float32)


def window_average(pixels: int, start: float, length: float, size: int) -> Float32s:
    """Weights [size, pixels] of area averages over equal cells of a window of a row of pixels.

    Parameters
    ----------
    start, length : float
        In shares of the row; what lies beyond the ends counts as the pixel at the end.
    """
    edges = (start + length * np.arange(size + 1) / size) * pixels
    places = np.arange(pixels + 1, dtype=np.float64)
    places[0], places[-1] = -np.inf, np.inf
    low = np.maximum(edges[:-1, None], places[None, :-1])
    high = np.minimum(edges[1:, None], places[None, 1:])
    return np.asarray(np.clip(high - low, 0, None) / (length * pixels / size), np.float32)


def shrink_cubes(volumes: Images, size: int) -> Images:
    """Average volumes [n, s, s, s] to [n, size, size, size]; smaller ones stay as they are.

    Each new voxel is the mean of what it covers; a part of a voxel counts as a part.
    """
    side = volumes.shape[1]
    if side <= size:
        return volumes
    weights = window_average(side, 0, 1, size).T
    for axis in (3, 2, 1):
        volumes = np.moveaxis(np.moveaxis(volumes, axis, -1) @ weights, -1, axis)
    return np.ascontiguousarray(volumes, np.float32)
