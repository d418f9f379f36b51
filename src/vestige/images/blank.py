"""Which images say so little that those of two patients may be equal."""

from functools import partial
from typing import Any

import numpy as np

from vestige.images.kinds import in_grey, inside
from vestige.images.passes import fold_blocks, in_order, listed
from vestige.types import Bools, Floats, Images

LOWEST_SPREAD = 2 / 255
"""Standard deviation of grey below which an image counts as blank."""
_BINS_PER_SPREAD = 4
_FLAT_BINS = 4
_FLAT_SIDE = np.sqrt(0.05)
"""Of the side of an image: what shows structure in no larger a part of it counts for nothing."""
_BINS = 64


def blank_images(images: Images) -> Bools:
    """`are_blank` of many images of any kind, a few at a time."""
    if not len(images):
        return np.zeros(0, np.bool_)
    return np.concatenate(fold_blocks(images, partial(listed, _blank), in_order))


def _blank(images: Images) -> Bools:
    grey = in_grey(images)
    return are_blank(grey, grey.std(axis=inside(grey), dtype=np.float64))


def are_blank(images: Images, spread: Floats) -> Bools:
    """Which images say so little that those of two patients may be equal.

    Those of nearly one grey, and those of a few flat areas, such as an empty field of view, a
    burnt-in mark or two grey levels: four grey intervals, each a quarter of the standard deviation
    wide, hold 95 % of the pixels, or 98.9 % of the voxels of a volume. What is left is a square or
    a cube of the same side (.22 of the image's), because the same body fills less of a volume than
    of a picture.

    Parameters
    ----------
    images : grey [n, s, s], luma of colour images, or volumes [n, s, s, s]
    spread : [n], standard deviation of each
    """
    n, size, axes = len(images), images.shape[-1], images.ndim - 1
    # every second pixel, counted from both sides, so that mirroring keeps them
    some = np.unique([*range(0, (size + 1) // 2, 2), *range(size - 1, size // 2 - 1, -2)])
    at: tuple[Any, ...] = (slice(None), *np.ix_(*[some] * axes))
    grey = images[at].reshape(n, -1)
    step = np.maximum(spread, LOWEST_SPREAD).astype(np.float32)[:, None] / _BINS_PER_SPREAD
    bins = (grey - grey.mean(axis=1, keepdims=True)) / step + np.float32(_BINS // 2)
    places = np.clip(bins, 0, _BINS - 1).astype(np.int64)
    places += np.arange(0, n * _BINS, _BINS)[:, None]
    counts = np.bincount(places.ravel(), minlength=n * _BINS).reshape(n, _BINS)
    top = np.partition(counts, _BINS - _FLAT_BINS, axis=1)[:, -_FLAT_BINS:].sum(axis=1)
    flat = top >= (1 - _FLAT_SIDE**axes) * grey.shape[1]
    return np.asarray((spread < LOWEST_SPREAD) | flat)
