"""Principal components of pixels."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Self

import numpy as np

from vestige.features.pixels import Pixels
from vestige.features.rows import HELD_ROWS, chosen_by_content
from vestige.images.kinds import kind_of
from vestige.images.passes import Fold, fold_blocks
from vestige.images.spool import blocks, take
from vestige.stats.moments import (
    Sums,
    add_sums,
    components_of_wide,
    fold_sums,
    leading_components,
    mean_of,
    moments_from,
)
from vestige.stats.neighbours import same_width
from vestige.types import Float32s, Floats, Images

SHIFT_IMAGES = 16
WIDEST = 4096
"""Voxels of a volume up to which many volumes have a covariance [d, d]."""


@dataclass
class PCA:
    """Principal components of pixels; two sets given to `fit_pair` count equally.

    The generated and the reference set have different sizes; weighting each set by one half
    keeps the larger from choosing the space alone (docs/methods.md 2.6).

    Of volumes, which have more voxels than there are volumes, the components come from the Gram
    matrix of the volumes: the same numbers. Where the rows of all volumes would take more than
    `HELD_ROWS` bytes (4,096 volumes of 32 voxels a side), both sets are represented by volumes that
    their content chooses, equally many of each.
    """

    dims: int = 64
    size: int = 32
    mean_: Floats = field(init=False, repr=False, compare=False)
    components_: Floats = field(init=False, repr=False, compare=False)
    values_: Floats = field(init=False, repr=False, compare=False)

    def fit(self, images: Images) -> Self:
        """Learn the components of one set of images of any kind."""
        if self._is_wide(images):
            return self._fit_wide([images])
        n, mean, covariance = self._moments(images)
        return self._keep(mean, covariance, n)

    def fit_pair(self, first: Images, second: Images) -> Self:
        """Learn the components of two sets of equal weight."""
        if self._is_wide(first, second):
            return self._fit_wide([first, second])
        n_a, mean_a, cov_a = self._moments(first)
        n_b, mean_b, cov_b = self._moments(second)
        same_width(len(mean_a), len(mean_b))
        gap = (mean_a - mean_b) / 2
        covariance = (cov_a + cov_b) / 2 + np.outer(gap, gap)
        return self._keep((mean_a + mean_b) / 2, covariance, n_a + n_b)

    def transform(self, images: Images) -> Float32s:
        """Images of any kind -> rows [n, dims], centred, not whitened."""
        if not hasattr(self, "mean_"):
            raise RuntimeError("call fit(images) before transform(images)")
        rows = Pixels(self.size).transform(images)
        same_width(rows.shape[1], len(self.mean_))
        projected: Float32s = (rows - self.mean_.astype(np.float32)) @ self.components_.astype(
            np.float32
        )
        return projected

    def _is_wide(self, *sets: Images) -> bool:
        """Whether these are volumes, fewer than each has voxels, or with very many voxels each."""
        if any(kind_of(images.shape) != "volume" for images in sets):
            return False
        d = int(min(self.size, sets[0].shape[1])) ** 3
        return d > sum(map(len, sets)) or d > WIDEST

    def _fit_wide(self, sets: Sequence[Images]) -> Self:
        pixels = Pixels(self.size)
        d = pixels.transform(sets[0][:1]).shape[1]
        for images in sets[1:]:
            same_width(d, pixels.transform(images[:1]).shape[1])
        most = max(2, HELD_ROWS // (4 * d * len(sets)))
        sets = [
            take(images, chosen_by_content(blocks(images), most)) if len(images) > most else images
            for images in sets
        ]
        counts = [len(images) for images in sets]
        rows = np.empty((sum(counts), d), np.float32)
        start = 0
        for images in sets:
            for part in blocks(images):
                rows[start : start + len(part)] = pixels.transform(part)
                start += len(part)
        shares = np.repeat([1 / (len(sets) * count) for count in counts], counts)
        dims = min(self.dims, max(1, len(rows) - 1))
        self.mean_, self.values_, self.components_ = components_of_wide(rows, shares, dims)
        return self

    def _moments(self, images: Images) -> tuple[int, Floats, Floats]:
        pixels, whole = Pixels(self.size), (slice(None),)
        # of a few images: any shift near to the mean does
        shift = mean_of(pixels.transform(np.asarray(images[:SHIFT_IMAGES])))
        fold = partial(_summed, pixels, partial(fold_sums, shift, whole))
        sums = fold_blocks(images, fold, add_sums)
        mean, (covariance,) = moments_from(sums, shift, whole)
        return sums.n, mean, covariance

    def _keep(self, mean: Floats, covariance: Floats, n: int) -> Self:
        self.values_, self.components_ = leading_components(
            covariance, min(self.dims, max(1, n - 1))
        )
        self.mean_ = mean
        return self


def _summed(
    pixels: Pixels, fold: Fold[Sums], state: Sums | None, start: int, block: Images
) -> Sums:
    return fold(state, start, pixels.transform(block))


@dataclass
class WhitenedPCA(PCA):
    """The same components, each divided by its standard deviation over the fitted images.

    A component below 1e-6 of the largest eigenvalue is rounding (products are float32): it is 0.
    """

    def transform(self, images: Images) -> Float32s:
        """Images of any kind -> rows [n, dims], of unit variance over the fitted images."""
        rows = super().transform(images)
        kept = self.values_ > 1e-6 * self.values_[0]
        scale = np.zeros_like(self.values_)
        scale[kept] = 1 / np.sqrt(self.values_[kept])
        rows *= scale.astype(np.float32)
        return rows
