"""Linear filters as features: slopes, and a band of spatial frequencies. Nothing is learned."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import ndimage

from vestige.features.pixels import shrink
from vestige.registry.entries import InputError
from vestige.types import Float32s, Images

DIFFERENCE = (-0.5, 0.0, 0.5)
SMOOTH = (0.25, 0.5, 0.25)
UNIT = 32
"""The widths of `BandPass` are pixels of a picture with this side."""


@dataclass
class Gradients:
    """Slopes along rows and along columns (Sobel filter / 8), in grey levels per pixel.

    The signed pair: on the development worlds the matched filter finds more in it than in its
    magnitude (.95 against .88, .72 against .59) or in plain differences. Edges repeat.
    """

    size: int = 32

    def fit(self, images: Images) -> Self:
        """Nothing to learn."""
        return self

    def transform(self, images: Images) -> Float32s:
        """Images [n, h, w] -> rows [n, 2 * size * size]: slopes down, then slopes across."""
        small = shrink(images, self.size)
        slopes = np.empty((len(small), 2, *small.shape[1:]), np.float32)
        for axis in (1, 2):
            steps = ndimage.correlate1d(small, DIFFERENCE, axis=axis, mode="nearest")
            slopes[:, axis - 1] = ndimage.correlate1d(steps, SMOOTH, axis=3 - axis, mode="nearest")
        return slopes.reshape(len(small), -1)


@dataclass
class BandPass:
    """Difference of two Gaussian blurs: what is coarser than `low` and finer than `high`.

    Parameters
    ----------
    low, high : float
        Standard deviations in 1/32 of the side (pixels at 32 px), 0 <= low < high: the same band
        at every size. 0: nothing fine is removed. Of 1-4, 1.5-6, 2-8 and 2.5-10 the default found
        most on the development worlds, alone (mean AUC .785 against .768 in pixels) and beside
        pixels of 16 and 32 px.
    """

    size: int = 32
    low: float = 1.5
    high: float = 6.0

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high < np.inf:
            raise InputError(
                f"a band needs 0 <= low < high, low={self.low:g} and high={self.high:g} were given."
            )

    def fit(self, images: Images) -> Self:
        """Nothing to learn."""
        return self

    def transform(self, images: Images) -> Float32s:
        """Images [n, h, w] -> rows [n, size * size]."""
        small = shrink(images, self.size)
        pixels = small.shape[1] / UNIT
        low, high = self.low * pixels, self.high * pixels
        band: Float32s = ndimage.gaussian_filter(small, (0, low, low))
        band -= ndimage.gaussian_filter(small, (0, high, high))
        return band.reshape(len(small), -1)
