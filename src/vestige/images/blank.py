"""Which images say so little that those of two patients may be equal."""

import numpy as np

from vestige.images import spool
from vestige.types import Bools, Floats, Images

LOWEST_SPREAD = 2 / 255
"""Standard deviation of grey below which an image counts as blank."""
_BINS_PER_SPREAD = 4
_FLAT_BINS = 4
_FLAT_SHARE = 0.95
_BINS = 64


def blank_images(images: Images) -> Bools:
    """`are_blank` of many images [n, s, s], a few at a time."""
    found = [
        are_blank(part, part.std(axis=(1, 2), dtype=np.float64)) for part in spool.blocks(images)
    ]
    return np.concatenate(found) if found else np.zeros(0, np.bool_)


def are_blank(images: Images, spread: Floats) -> Bools:
    """Which images say so little that those of two patients may be equal.

    Those of nearly one grey, and those of a few flat areas, such as an empty field of view or a
    burnt-in mark: 95 % of the pixels lie in four grey intervals, each a quarter of the standard
    deviation wide.
    """
    n, size = len(images), images.shape[-1]
    # every second pixel, counted from both sides, so that mirroring keeps them
    some = np.unique([*range(0, (size + 1) // 2, 2), *range(size - 1, size // 2 - 1, -2)])
    grey = images[:, some[:, None], some].reshape(n, -1)
    step = np.maximum(spread, LOWEST_SPREAD).astype(np.float32)[:, None] / _BINS_PER_SPREAD
    bins = (grey - grey.mean(axis=1, keepdims=True)) / step + np.float32(_BINS // 2)
    places = np.clip(bins, 0, _BINS - 1).astype(np.int64)
    places += np.arange(0, n * _BINS, _BINS)[:, None]
    counts = np.bincount(places.ravel(), minlength=n * _BINS).reshape(n, _BINS)
    top = np.partition(counts, _BINS - _FLAT_BINS, axis=1)[:, -_FLAT_BINS:].sum(axis=1)
    return np.asarray((spread < LOWEST_SPREAD) | (top >= _FLAT_SHARE * grey.shape[1]))
