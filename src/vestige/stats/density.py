"""Gaussian kernel density in log space."""

from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.choices import InputError
from vestige.types import Float32s, Floats

RIDGE = 1e-6
LEAST_VARIANCE = 1e-12
"""Keeps the kernel of points that are all equal wide enough for its exponents to stay finite."""
BLOCK_BYTES = 64 * 2**20


class GaussianKDE:
    """Full-covariance Gaussian kernels with Scott's factor n^(-1/(d+4)).

    Equals `scipy.stats.gaussian_kde` where that is finite; a ridge of 1e-6 of the mean variance
    keeps it defined for n <= d, and log-sum-exp keeps it finite far from every point.

    Parameters
    ----------
    points : [n, d], n >= 1
    """

    def __init__(self, points: Float32s | Floats) -> None:
        points = np.asarray(points, dtype=np.float64)
        n, d = points.shape
        self._mean = points.mean(axis=0)
        centred = points - self._mean
        covariance = centred.T @ centred / max(1, n - 1)
        ridge = RIDGE * max(np.trace(covariance) / d, LEAST_VARIANCE)
        factor = n ** (-1.0 / (d + 4))
        cholesky = np.linalg.cholesky(covariance + ridge * np.eye(d)) * factor
        self._whiten = np.linalg.inv(cholesky).T
        self._points = centred @ self._whiten  # centred: small norms lose fewer digits
        self._log_kernel = -0.5 * d * np.log(2 * np.pi) - np.log(np.diag(cholesky)).sum()

    def log_density(self, rows: Float32s | Floats) -> Floats:
        """Log density at rows [n, d] -> float64 [n]."""
        centred: Floats = np.asarray(rows, dtype=np.float64) - self._mean
        return self._evaluate(centred @ self._whiten, None)

    def log_density_outside_group(self, groups: npt.NDArray[Any]) -> Floats:
        """Log density at each of the points, from points of other groups only, float64 [n].

        The kernel stays that of all points, so that the result is symmetric in them.
        """
        codes = np.unique(groups, return_inverse=True)[1]
        if codes.max() == 0:
            raise InputError("a density of the rest of the bag needs at least two groups.")
        return self._evaluate(self._points, codes)

    def _evaluate(self, rows: Floats, codes: npt.NDArray[Any] | None) -> Floats:
        points, out = self._points, np.empty(len(rows))
        norms = np.einsum("ij,ij->i", points, points)
        for start in range(0, len(rows), step := max(1, BLOCK_BYTES // (8 * len(points)))):
            part = rows[start : start + step]
            exponents = part @ points.T - 0.5 * norms
            exponents -= 0.5 * np.einsum("ij,ij->i", part, part)[:, None]
            count: Any = len(points)
            if codes is not None:
                same = codes[start : start + step, None] == codes[None, :]
                exponents[same] = -np.inf
                count = (~same).sum(axis=1)
            top = exponents.max(axis=1)
            np.exp(exponents - top[:, None], out=exponents)
            out[start : start + step] = top + np.log(exponents.sum(axis=1)) - np.log(count)
        return np.asarray(out + self._log_kernel)
