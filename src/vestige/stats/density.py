"""Gaussian kernel density in log space."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vestige.choices import InputError
from vestige.types import Float32s, Floats

RIDGE = 1e-6
LEAST_VARIANCE = 1e-12
"""Keeps the kernel of points that are all equal wide enough for its exponents to stay finite."""
BLOCK_BYTES = 64 * 2**20


class GaussianKDE:
    """Full-covariance Gaussian kernels, as wide as a factor of n and d says.

    Equals `scipy.stats.gaussian_kde` where that is finite; a ridge of 1e-6 of the mean variance
    keeps it defined for n <= d, and log-sum-exp keeps it finite far from every point.

    Parameters
    ----------
    points : [n, d], n >= 1
    bandwidth : "scott", n^(-1/(d+4)), or "silverman", (n (d+2) / 4)^(-1/(d+4))
    """

    def __init__(
        self, points: Float32s | Floats, bandwidth: Literal["scott", "silverman"] = "scott"
    ) -> None:
        points = np.asarray(points, dtype=np.float64)
        n, d = points.shape
        self._mean = points.mean(axis=0)
        centred = points - self._mean
        covariance = centred.T @ centred / max(1, n - 1)
        ridge = RIDGE * max(np.trace(covariance) / d, LEAST_VARIANCE)
        factor = (n * (1.0 if bandwidth == "scott" else (d + 2) / 4)) ** (-1.0 / (d + 4))
        cholesky = np.linalg.cholesky(covariance + ridge * np.eye(d)) * factor
        self._whiten = np.linalg.inv(cholesky).T
        self._points = centred @ self._whiten  # centred: small norms lose fewer digits
        self._log_kernel = -0.5 * d * np.log(2 * np.pi) - np.log(np.diag(cholesky)).sum()

    def log_density(self, rows: Float32s | Floats) -> Floats:
        """Log density at rows [n, d] -> float64 [n]."""
        return self._evaluate(self._white(rows), None, None)

    def log_density_outside_group(
        self,
        groups: npt.NDArray[Any],
        rows: Float32s | Floats | None = None,
        own: npt.NDArray[Any] | None = None,
    ) -> Floats:
        """Log density from the points of other groups only, float64 [n].

        At each of the points, or at `rows` [n, d], each seen by someone of group `own` [n]. The
        kernel stays that of all points, so that the result is symmetric in them.

        Raises
        ------
        InputError
            When there is one group only.
        """
        names, codes = np.unique(groups, return_inverse=True)
        if len(names) == 1:
            raise InputError("a density of the rest of the bag needs at least two groups.")
        if rows is None or own is None:
            return self._evaluate(self._points, codes, codes)
        return self._evaluate(self._white(rows), np.searchsorted(names, own), codes)

    def log_kernel(self, rows: Float32s | Floats, centres: Float32s | Floats) -> Floats:
        """Log of the kernel between rows [n, d] and as many centres, pair by pair, float64 [n].

        By subtraction: near copies keep their digits.
        """
        steps = (np.asarray(rows, dtype=np.float64) - centres) @ self._whiten
        return np.asarray(self._log_kernel - 0.5 * np.einsum("ij,ij->i", steps, steps))

    def _white(self, rows: Float32s | Floats) -> Floats:
        return np.asarray((np.asarray(rows, dtype=np.float64) - self._mean) @ self._whiten)

    def _evaluate(
        self, rows: Floats, own: npt.NDArray[Any] | None, codes: npt.NDArray[Any] | None
    ) -> Floats:
        """At whitened rows; points whose code is the row's own do not count."""
        points, out = self._points, np.empty(len(rows))
        norms = np.einsum("ij,ij->i", points, points)
        for start in range(0, len(rows), step := max(1, BLOCK_BYTES // (8 * len(points)))):
            part = rows[start : start + step]
            exponents = part @ points.T - 0.5 * norms
            exponents -= 0.5 * np.einsum("ij,ij->i", part, part)[:, None]
            count: Any = len(points)
            if own is not None and codes is not None:
                same = own[start : start + step, None] == codes[None, :]
                exponents[same] = -np.inf
                count = (~same).sum(axis=1)
            top = exponents.max(axis=1)
            np.exp(exponents - top[:, None], out=exponents)
            out[start : start + step] = top + np.log(exponents.sum(axis=1)) - np.log(count)
        return np.asarray(out + self._log_kernel)
