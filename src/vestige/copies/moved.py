"""Images seen through a window: shifted, or cropped and enlarged again."""

from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np

from vestige.features.pixels import as_rows, stacks_of
from vestige.images.kinds import kind_of
from vestige.images.preprocess import window_average
from vestige.types import Float32s, Images

SHIFTS = 4
"""Most steps of 1/32 of the side, each way."""
STEP = 1 / 32
CROPS = (0.9, 0.8, 0.7)
"""Sides of the windows of crops; each at nine places, from edge to edge."""
CHROMA_WEIGHT = 1.0
"""Of the search for copies. Detectors give chroma more, which finds members by their colours alone;
here it would hide a copy that has lost or changed its colours (docs/decisions.md)."""


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
        """Grey or colour images -> rows of what is shown, as `Pixels` gives them."""
        down = window_average(images.shape[1], self.top, self.side, self.size)
        across = window_average(images.shape[2], self.left, self.side, self.size).T
        if kind_of(images.shape) == "grey":
            return np.asarray(down @ images @ across, np.float32).reshape(len(images), -1)
        shown = np.asarray(down @ np.moveaxis(images, 3, 1) @ across, np.float32)
        return as_rows(stacks_of(np.moveaxis(shown, 1, 3), self.size, CHROMA_WEIGHT))


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
