"""Whitening that leaves each value in its place, so that a product of two images has places."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from vestige.stats.neighbours import same_width
from vestige.types import Float32s

ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class InPlace:
    """Rows x [n, d] -> (C + r)^(-1/2) (x - mean), float32 [n, d].

    C is the covariance of a population and r a share of its mean eigenvalue. A cosine of whitened
    rows is the same in every basis; in this one (the symmetric root, "ZCA": Bell and Sejnowski
    1997, doi:10.1016/S0042-6989(97)00121-1) each whitened value belongs to the pixel that it comes
    from, so the products of two rows tell where the cosine comes from.

    vectors : [d, p], principal components of the population
    gains : [p], what each is multiplied by
    rest : what everything else is multiplied by, of which the population shows nothing
    """

    mean: Float32s
    vectors: Float32s
    gains: Float32s
    rest: float

    @classmethod
    def of(cls, rows: Float32s, ridge: float) -> Self:
        """From a population of rows [n, d], with a ridge as of `vestige.features.whitening`."""
        from scipy.linalg import eigh

        mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        centred = rows - mean
        n, d = rows.shape
        values, vectors = eigh(centred @ centred.T if n < d else centred.T @ centred)
        kept = values > ROUNDING * max(float(values[-1]), float(np.finfo(np.float32).tiny))
        values, vectors = values[kept] / n, vectors[:, kept]
        if not len(values):  # all rows are equal: nothing to whiten
            return cls(mean, np.zeros((d, 0), np.float32), np.zeros(0, np.float32), 1.0)
        if n < d:
            vectors = centred.T @ (vectors / np.sqrt(n * values))
        error = ridge * float(values.mean())
        gains = np.asarray(1 / np.sqrt(values + error), np.float32)
        return cls(mean, np.asarray(vectors, np.float32), gains, float(1 / np.sqrt(error)))

    def apply(self, rows: Float32s) -> Float32s:
        """Whitened rows [n, d], not of norm 1."""
        same_width(rows.shape[1], len(self.mean))
        centred = rows - self.mean
        rest = np.float32(self.rest)
        along = (centred @ self.vectors) * (self.gains - rest)
        return np.asarray(rest * centred + along @ self.vectors.T, np.float32)
