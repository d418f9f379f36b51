"""Images seen through a window: shifted, or cropped and enlarged again."""

from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np

from vestige.decision.records import Shown
from vestige.features.pixels import as_rows, stacks_of
from vestige.images.kinds import kind_of
from vestige.images.preprocess import window_average
from vestige.types import Bools, Float32s, Images

SHIFTS = 4
"""Most steps of 1/32 of the side, each way."""
STEP = 1 / 32
WHOLE = (0.0, 0.0, 1.0)
"""Top, left and side of the window that shows all of an image as it stands."""
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


def put_back(image: Float32s, shown: Shown) -> tuple[Float32s, Bools]:
    """A picture of a part of an image, at its place in the whole.

    Parameters
    ----------
    image : float32 [h, w] or [h, w, 3]
        It shows `shown` of an image of the same size.

    Returns
    -------
    float32, of the same shape
        Interpolated between pixels, 0 where the picture shows nothing.
    bool [h, w]
        Where it shows something.
    """
    rows, down = _from_part(image.shape[0], shown.top, shown.side)
    columns, across = _from_part(image.shape[1], shown.left, shown.side)
    placed = np.moveaxis(np.tensordot(rows, image, 1), 1, -1) @ columns.T
    placed = np.moveaxis(placed, -1, 1)
    return np.asarray(placed, np.float32), np.outer(down, across)


def _from_part(pixels: int, start: float, length: float) -> tuple[Float32s, Bools]:
    """Weights [pixels, pixels] from a row of pixels to its place in a row; where it has one."""
    places = ((np.arange(pixels) + 0.5) / pixels - start) / length
    inside = (places > 0) & (places < 1)
    numbers = np.arange(pixels)
    at = places * pixels - 0.5
    weights = np.array([np.interp(at, numbers, one) for one in np.eye(pixels)], np.float32).T
    return np.asarray(weights * inside[:, np.newaxis], np.float32), inside


def windows(size: int) -> tuple[Window, ...]:
    """Shifts by up to an eighth of the side, and crops to .9, .8 and .7 of it."""
    steps = range(-SHIFTS, SHIFTS + 1)
    shifts = [(down * STEP, across * STEP, 1.0) for down, across in product(steps, steps)]
    shifts.remove(WHOLE)
    crops = [
        (down * (1 - side), across * (1 - side), side)
        for side in CROPS
        for down, across in product((0.0, 0.5, 1.0), repeat=2)
    ]
    return tuple(Window(*place, size) for place in (*shifts, *crops))
