"""Whitening: what a population has in common is taken out of its rows."""

from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.features.rows import Rows
from vestige.stats.moments import moments
from vestige.stats.neighbours import same_width
from vestige.stats.slices import slices
from vestige.types import Float32s, Floats

MOMENT_ROWS = 1024


@dataclass(frozen=True)
class Whitening:
    """x -> unit-norm (x - mean) @ matrix; mean [D], matrix [D, p], float32."""

    mean: Float32s
    matrix: Float32s

    def apply(self, rows: Float32s) -> Float32s:
        """Rows [n, D] -> [n, p] of norm 1 (0 for a row that equals the mean)."""
        same_width(rows.shape[1], len(self.mean))
        projected: Any = (rows - self.mean) @ self.matrix
        norms: Float32s = np.sqrt(np.einsum("ij,ij->i", projected, projected))
        norms[norms == 0] = 1
        projected /= norms[:, None]
        return np.asarray(projected)


def whitening(rows: Float32s, ridge: float) -> Whitening:
    """All principal components of rows [n, D], each divided by sqrt(ev + ridge mean(ev)).

    The smaller of the two Gram matrices is decomposed, in float64; its products are float32, so
    components below 1e-6 of the largest are left out as rounding.
    """
    n, d = rows.shape
    if n >= d:
        return _whitening_of(*moments([rows])[1:], ridge)
    mean = rows.mean(axis=0, dtype=np.float64)
    centred = rows - mean.astype(np.float32)
    values, vectors = _components((centred @ centred.T).astype(np.float64) / n)
    # eigenvectors of the covariance from those of the Gram matrix
    vectors = (centred.T @ vectors.astype(np.float32)) / np.sqrt(n * values)
    return _scaled(mean, values, vectors, ridge)


def whitening_of_both(reals: Float32s, generated: Rows, ridge: float) -> Whitening:
    """`whitening` of reals [n, D] and generated rows [m, D] together, these block by block."""
    same_width(reals.shape[1], generated.shape[1])
    m, d = generated.shape
    if len(reals) + m < d:
        return whitening(np.concatenate([reals, np.asarray(generated[:])]), ridge)
    made = (np.asarray(generated[part]) for part in slices(m, MOMENT_ROWS))
    return _whitening_of(*moments(chain([reals], made))[1:], ridge)


def _whitening_of(mean: Floats, covariance: Floats, ridge: float) -> Whitening:
    return _scaled(mean, *_components(covariance), ridge)


def _components(gram: Floats) -> tuple[Floats, Floats]:
    from scipy.linalg import eigh

    values, vectors = eigh(gram)
    kept = values > 1e-6 * max(values[-1], np.finfo(float).tiny)
    return values[kept], vectors[:, kept]


def _scaled(mean: Floats, values: Floats, vectors: npt.NDArray[Any], ridge: float) -> Whitening:
    scale = np.sqrt(values + ridge * values.mean()) if len(values) else values
    return Whitening(mean.astype(np.float32), (vectors / scale).astype(np.float32))
