"""Principal components of pixels."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from vestige.features.pixels import Pixels
from vestige.images.spool import blocks
from vestige.stats.moments import moments
from vestige.stats.neighbours import same_width
from vestige.types import Float32s, Floats, Images


def leading_components(covariance: Floats, dims: int) -> tuple[Floats, Floats]:
    """The `dims` largest eigenvalues [k] and their vectors [d, k], signs fixed."""
    from scipy.linalg import eigh

    d = len(covariance)
    dims = min(dims, d)
    values, vectors = eigh(covariance, subset_by_index=(d - dims, d - 1))
    values, vectors = values[::-1], vectors[:, ::-1]
    largest = np.abs(vectors).argmax(axis=0)
    signs = np.sign(vectors[largest, np.arange(dims)])
    return np.maximum(values, 0.0), vectors * np.where(signs == 0, 1, signs)


@dataclass
class PCA:
    """Principal components of pixels; two sets given to `fit_pair` count equally.

    The generated and the reference set have different sizes; weighting each set by one half
    keeps the larger from choosing the space alone (docs/methods.md 2.6).
    """

    dims: int = 64
    size: int = 32
    mean_: Floats = field(init=False, repr=False, compare=False)
    components_: Floats = field(init=False, repr=False, compare=False)
    values_: Floats = field(init=False, repr=False, compare=False)

    def fit(self, images: Images) -> Self:
        """Learn the components of one set [n, h, w]."""
        n, mean, covariance = self._moments(images)
        return self._keep(mean, covariance, n)

    def fit_pair(self, first: Images, second: Images) -> Self:
        """Learn the components of two sets of equal weight."""
        n_a, mean_a, cov_a = self._moments(first)
        n_b, mean_b, cov_b = self._moments(second)
        same_width(len(mean_a), len(mean_b))
        gap = (mean_a - mean_b) / 2
        covariance = (cov_a + cov_b) / 2 + np.outer(gap, gap)
        return self._keep((mean_a + mean_b) / 2, covariance, n_a + n_b)

    def transform(self, images: Images) -> Float32s:
        """Images [n, h, w] -> rows [n, dims], centred, not whitened."""
        if not hasattr(self, "mean_"):
            raise RuntimeError("call fit(images) before transform(images)")
        rows = Pixels(self.size).transform(images)
        same_width(rows.shape[1], len(self.mean_))
        projected: Float32s = (rows - self.mean_.astype(np.float32)) @ self.components_.astype(
            np.float32
        )
        return projected

    def _moments(self, images: Images) -> tuple[int, Floats, Floats]:
        pixels = Pixels(self.size)
        return moments(pixels.transform(part) for part in blocks(images))

    def _keep(self, mean: Floats, covariance: Floats, n: int) -> Self:
        self.values_, self.components_ = leading_components(
            covariance, min(self.dims, max(1, n - 1))
        )
        self.mean_ = mean
        return self


@dataclass
class WhitenedPCA(PCA):
    """The same components, each divided by its standard deviation over the fitted images.

    A component below 1e-6 of the largest eigenvalue is rounding (products are float32): it is 0.
    """

    def transform(self, images: Images) -> Float32s:
        """Images [n, h, w] -> rows [n, dims], of unit variance over the fitted images."""
        rows = super().transform(images)
        kept = self.values_ > 1e-6 * self.values_[0]
        scale = np.zeros_like(self.values_)
        scale[kept] = 1 / np.sqrt(self.values_[kept])
        rows *= scale.astype(np.float32)
        return rows
