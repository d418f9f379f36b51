"""Structural similarity of one image with many, and the shift that aligns them.

Wang et al. 2004, doi:10.1109/TIP.2003.819861, with K1 = .01, K2 = .03 and grey values 0..1, mean
over the places where the window fits. Filters are products with band matrices: at the sizes used
here BLAS beats a correlation.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from vestige.types import Float32s, Floats, Ints

C1, C2 = 0.01**2, 0.03**2
FLAT = 1e-10  # variance per pixel below which there is nothing to correlate
TIE = 1e-9  # correlations that differ by rounding only tie


@dataclass(frozen=True)
class Window:
    """Weights [w] of a separable window, sum 1, and the factor on its (co)variances."""

    weights: tuple[float, ...]
    factor: float = 1.0


def _gaussian(radius: int, sigma: float) -> tuple[float, ...]:
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return tuple(weights / weights.sum())


def uniform(side: int) -> Window:
    """Equal weights on side x side pixels, (co)variances unbiased: as in scikit-image."""
    return Window((1 / side,) * side, side**2 / (side**2 - 1))


WINDOWS = {
    "gaussian": Window(_gaussian(5, 1.5)),  # as published
    "uniform7": uniform(7),
}


@dataclass(frozen=True)
class Moments:
    """An image [h, w] with its local means and variances, to be compared with many."""

    image: Floats
    mean: Floats
    variance: Floats
    window: Window

    @classmethod
    def of(cls, image: Floats | Float32s, window: Window) -> "Moments":
        """Filter once what every comparison needs."""
        wide = image.astype(np.float64)
        mean = local_mean(wide, window)
        squares = local_mean(wide * wide, window)
        return cls(wide, mean, window.factor * (squares - mean * mean), window)


def local_mean(images: Floats, window: Window) -> Floats:
    """Weighted means where the window fits, [..., h, w] -> [..., h - n + 1, w - n + 1]."""
    rows, columns = (_band(side, window.weights) for side in images.shape[-2:])
    return np.asarray(rows @ (images @ columns.T))


def ssim(first: Moments, others: Floats) -> Floats:
    """Mean SSIM of one image [h, w] with others [n, h, w], float64 [n], -1..1."""
    factor = first.window.factor
    found = np.empty(len(others))
    for i, other in enumerate(others):  # one at a time stays in the cache
        mean = local_mean(other, first.window)
        squares = local_mean(other * other, first.window)
        top = local_mean(other * first.image, first.window)
        product = mean * first.mean
        top -= product
        top *= 2 * factor
        top += C2
        product *= 2
        product += C1
        top *= product
        mean *= mean
        squares -= mean
        squares *= factor
        squares += first.variance
        squares += C2
        mean += first.mean**2
        mean += C1
        squares *= mean
        top /= squares
        found[i] = top.mean()
    return found


def best_shift(image: Floats, others: Floats, reach: int) -> tuple[Floats, Ints]:
    """Shift each image so that it correlates best with the inner part of the first.

    Parameters
    ----------
    image : [h, w]; its inner part leaves `reach` pixels out on every side
    others : float64 [n, h, w]

    Returns
    -------
    correlations : float64 [n], -1..1; 0 where either side is constant
    corners : int [n, 2]
        Row and column, 0 to 2 `reach`, where the best part of each other image begins. Of equal
        correlations the smallest shift is taken.
    """
    h, w = image.shape
    inner = image[reach : h - reach, reach : w - reach].astype(np.float64)
    inner -= inner.mean()
    corners = _corners(reach)
    places = np.zeros((len(corners), h, w))
    for place, (y, x) in zip(places, corners, strict=True):
        place[y : y + len(inner), x : x + inner.shape[1]] = inner
    products = others.reshape(len(others), -1) @ places.reshape(len(corners), -1).T
    rows, columns = (_ones(side, reach) for side in (h, w))
    sums = rows @ others @ columns.T
    squares = rows @ (others * others) @ columns.T - sums**2 / inner.size
    squares = squares[:, corners[:, 0], corners[:, 1]]
    own, flat = np.einsum("ij,ij->", inner, inner), FLAT * inner.size
    correlations = products / np.sqrt(np.maximum(squares, flat) * max(own, flat))
    correlations[(squares <= flat) | (own <= flat)] = 0
    best = correlations.max(axis=1)
    first = (correlations >= best[:, None] - TIE).argmax(axis=1)
    return best, corners[first]


@cache
def _corners(reach: int) -> Ints:
    grid = np.argwhere(np.ones((2 * reach + 1,) * 2))
    order = np.argsort(np.abs(grid - reach).sum(axis=1), kind="stable")
    return np.asarray(grid[order], dtype=np.int64)


@cache
def _band(side: int, weights: tuple[float, ...]) -> Floats:
    n = len(weights)
    band = np.zeros((side - n + 1, side))
    for i, row in enumerate(band):
        row[i : i + n] = weights
    return band


@cache
def _ones(side: int, reach: int) -> Floats:
    return _band(side, (1.0,) * (side - 2 * reach))
