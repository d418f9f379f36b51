"""Gaussian kernel density in log space, streamed over rows and points.

Sums of kernels are kept as logarithms that merge in any order, to within rounding. Blocks are
counted from the first point and always of one size, so that the bytes of a result depend on
nothing but its input.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vestige.registry.entries import InputError
from vestige.stats.slices import slices
from vestige.types import Float32s, Floats

RIDGE = 1e-6
LEAST_VARIANCE = 1e-12
"""Keeps the kernel of points that are all equal wide enough for its exponents to stay finite."""
BLOCK_BYTES = 64 * 2**20
TILE = 512
"""Rows, and points, of the exponents held at a time: they stay in a core's cache."""
MOMENT_ROWS = 4096


@dataclass(frozen=True)
class LogSum:
    """Sums of exponentials, total * exp(top), of n rows.

    top : float64 [n], the largest exponent; -inf where nothing was added
    total : float64 [n], 0 where nothing was added, else 1 or more
    """

    top: Floats
    total: Floats

    def log(self) -> Floats:
        """Logarithm of the sums, -inf for an empty one."""
        with np.errstate(divide="ignore"):
            return self.top + np.log(self.total)


def sum_of(exponents: Floats) -> LogSum:
    """The sum over each row of exponents [n, b], which are overwritten."""
    top = exponents.max(axis=1, initial=-np.inf)
    exponents -= _finite(top)[:, None]
    return LogSum(top, np.exp(exponents, out=exponents).sum(axis=1))


def merge_sums(first: LogSum, second: LogSum) -> LogSum:
    """The sums of both: commutative, and associative to within rounding."""
    top = np.maximum(first.top, second.top)
    scale = _finite(top)
    total = first.total * np.exp(first.top - scale) + second.total * np.exp(second.top - scale)
    return LogSum(top, total)


def _finite(top: Floats) -> Floats:
    return np.where(top == -np.inf, 0.0, top)


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
        n, d = points.shape
        self._points = points
        self._mean = points.mean(axis=0, dtype=np.float64)
        covariance = np.zeros((d, d))
        for part in slices(n, MOMENT_ROWS):
            centred = points[part].astype(np.float64) - self._mean
            covariance += centred.T @ centred
        covariance /= max(1, n - 1)
        ridge = RIDGE * max(np.trace(covariance) / d, LEAST_VARIANCE)
        factor = (n * (1.0 if bandwidth == "scott" else (d + 2) / 4)) ** (-1.0 / (d + 4))
        cholesky = np.linalg.cholesky(covariance + ridge * np.eye(d)) * factor
        self._whiten = np.linalg.inv(cholesky).T
        self._log_kernel = -0.5 * d * np.log(2 * np.pi) - np.log(np.diag(cholesky)).sum()

    def log_density(self, rows: Float32s | Floats) -> Floats:
        """Log density at rows [n, d] -> float64 [n]."""
        return self._evaluate(rows, None, None)

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
            raise InputError("a density of the rest of the cohort needs at least two groups.")
        if rows is None or own is None:
            return self._evaluate(self._points, codes, codes)
        return self._evaluate(rows, np.searchsorted(names, own), codes)

    def log_kernel(self, rows: Float32s | Floats, centres: Float32s | Floats) -> Floats:
        """Log of the kernel between rows [n, d] and as many centres, pair by pair, float64 [n].

        By subtraction: near copies keep their digits.
        """
        steps = (np.asarray(rows, dtype=np.float64) - centres) @ self._whiten
        return np.asarray(self._log_kernel - 0.5 * np.einsum("ij,ij->i", steps, steps))

    def _white(self, rows: Float32s | Floats) -> Floats:
        # centred first: small norms lose fewer digits
        return np.asarray((rows.astype(np.float64) - self._mean) @ self._whiten)

    def _evaluate(
        self, rows: Float32s | Floats, own: npt.NDArray[Any] | None, codes: npt.NDArray[Any] | None
    ) -> Floats:
        """At rows [n, d]; points whose code is the row's own do not count."""
        found = []
        for part in slices(len(rows), TILE):
            white = self._white(rows[part])
            squares = np.einsum("ij,ij->i", white, white)
            sums = LogSum(np.full(len(white), -np.inf), np.zeros(len(white)))
            for block in slices(len(self._points), TILE):
                points = self._white(self._points[block])
                exponents = white @ points.T
                exponents -= 0.5 * np.einsum("ij,ij->i", points, points)
                exponents -= 0.5 * squares[:, None]
                if own is not None and codes is not None:
                    exponents[own[part, None] == codes[None, block]] = -np.inf
                sums = merge_sums(sums, sum_of(exponents))
            found.append(sums.log())
        count: Any = len(self._points)
        if own is not None and codes is not None:
            count = count - np.bincount(codes)[own]
        return np.asarray(np.concatenate([*found, []]) - np.log(count) + self._log_kernel)
