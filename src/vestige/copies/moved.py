"""Images seen through a window: shifted, or cropped and enlarged again."""

from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np

from vestige.types import Float32s, Floats, Images

SHIFTS = 4
"""Most steps of 1/32 of the side, each way."""
STEP = 1 / 32
CROPS = (0.9, 0.8, 0.7)
"""Sides of the windows of crops; each at nine places, from edge to edge."""


@dataclass(frozen=True)
class Window:
    """A space: what a window shows of an image, as rows of size * size area averages.

    top, left, side : in shares of the image's side; beyond the edge its pixels are repeated
    size : pixels along a side of what is shown
    """

    top: float
    left: float
    side: float
    size: int

    def fit(self, images: Images) -> Self:
        """Nothing to learn."""
        return self

    def transform(self, images: Images) -> Float32s:
        """Images [n, h, w] -> rows [n, size * size]."""
        down = window_average(images.shape[1], self.top, self.side, self.size)
        across = window_average(images.shape[2], self.left, self.side, self.size)
        shown = down.astype(np.float32) @ images @ across.T.astype(np.float32)
        return np.asarray(shown, np.float32).reshape(len(images), -1)


def windows(size: int) -> tuple[Window, ...]:
    """Shifts by up to an eighth of the side, and crops to .9, .8 and .7 of it."""
    steps = range(-SHIFTS, SHIFTS + 1)
    shifts = [(down * STEP, across * STEP, 1.0) for down, across in product(steps, steps)]
    shifts.remove((0.0, 0.0, 1.0))
    crops = [
        (down * (1 - side), across * (1 - side), side)
        for side in CROPS
        for down, across in product((0.0, 0.5, 1.0), repeat=2)
    ]
    return tuple(Window(*place, size) for place in (*shifts, *crops))


def window_average(pixels: int, start: float, length: float, size: int) -> Floats:
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
    return np.asarray(np.clip(high - low, 0, None) / (length * pixels / size))
