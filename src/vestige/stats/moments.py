"""Mean, covariance and principal components of rows, of many block by block."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vestige.stats.exact import on_grid
from vestige.types import Float32s, Floats

WIDE_COLUMNS = 4096
"""Columns of wide rows whose products are added at a time."""


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over n rows [n, d] less a shift [d].

    total : float64 [d]
    products : float64 [k, k] of some columns each
    """

    n: int
    total: Floats
    products: tuple[Floats, ...]


def sums_of(
    shift: Float32s, parts: Sequence[slice], rows: Float32s, masses: Floats | None = None
) -> Sums:
    """Sums of the differences of one block of rows from `shift`, float32 within the block.

    `masses` [n], of mean 1, say how much its rows count.
    """
    total, products = _sums(shift, parts, rows, masses)
    return Sums(len(rows), total, tuple(square.astype(np.float64) for square in products))


def _sums(
    shift: Float32s, parts: Sequence[slice], rows: Float32s, masses: Floats | None = None
) -> tuple[Floats, list[Float32s]]:
    centred = rows - shift
    weighed = centred if masses is None else centred * masses[:, np.newaxis].astype(np.float32)
    products = [weighed[:, part].T @ centred[:, part] for part in parts]
    return weighed.sum(axis=0, dtype=np.float64), products


def add_sums(first: Sums, second: Sums) -> Sums:
    """Those of both."""
    both = zip(first.products, second.products, strict=True)
    products = tuple(one + other for one, other in both)
    return Sums(first.n + second.n, first.total + second.total, products)


def fold_sums(
    shift: Float32s, parts: Sequence[slice], state: Sums | None, start: int, rows: Float32s
) -> Sums:
    """A pass over rows (`vestige.images.passes`); `add_sums` merges what it finds, exactly."""
    total, products = _sums(shift, parts, rows)
    found = Sums(len(rows), on_grid(total), tuple(on_grid(square) for square in products))
    return found if state is None else add_sums(state, found)


def moments_from(
    sums: Sums, shift: Float32s, parts: Sequence[slice]
) -> tuple[Floats, list[Floats]]:
    """Mean [d] and covariances (over n) of the rows that were summed."""
    gap = sums.total / sums.n
    covariances = [
        square / sums.n - np.outer(gap[part], gap[part])
        for square, part in zip(sums.products, parts, strict=True)
    ]
    return shift + gap, covariances


def mean_of(rows: Float32s) -> Float32s:
    """Mean [d] in float32: a shift that keeps sums of squares from cancelling.

    Sums of differences from it need one pass (Chan, Golub and LeVeque 1983,
    doi:10.1080/00031305.1983.10483115).
    """
    return np.asarray(rows.mean(axis=0, dtype=np.float64).astype(np.float32))


def moments(rows: Float32s, masses: Floats | None = None) -> tuple[Floats, Floats]:
    """Mean [d] and covariance [d, d] (over n) of float32 rows [n, d] in memory.

    `masses` [n], of mean 1, say how much each row counts.
    """
    shift, whole = mean_of(rows), [slice(None)]
    mean, (covariance,) = moments_from(sums_of(shift, whole, rows, masses), shift, whole)
    return mean, covariance


def leading_components(covariance: Floats, dims: int) -> tuple[Floats, Floats]:
    """The `dims` largest eigenvalues [k] and their vectors [d, k], signs fixed."""
    from scipy.linalg import eigh

    d = len(covariance)
    dims = min(dims, d)
    values, vectors = eigh(covariance, subset_by_index=(d - dims, d - 1))
    values, vectors = values[::-1], vectors[:, ::-1]
    return np.maximum(values, 0.0), _signed(vectors)


def components_of_wide(rows: Float32s, shares: Floats, dims: int) -> tuple[Floats, Floats, Floats]:
    """Mean [d], `dims` largest eigenvalues [k] and vectors [d, k] of rows [n, d] with n < d.

    They are those of the covariance, found from the Gram matrix [n, n] of the centred rows, which
    is smaller. Its products are float32 within some columns and float64 between them, so components
    below 1e-6 of the largest are rounding: their vectors are 0.

    Parameters
    ----------
    rows : float32 [n, d]
        They are centred in place.
    shares : [n]
        How much each row counts; they add to 1.
    """
    n, d = rows.shape
    parts = [slice(start, start + WIDE_COLUMNS) for start in range(0, d, WIDE_COLUMNS)]
    mean = np.concatenate([shares @ rows[:, part].astype(np.float64) for part in parts])
    rows -= mean.astype(np.float32)
    rows *= np.sqrt(shares)[:, np.newaxis].astype(np.float32)
    gram = np.zeros((n, n))
    for part in parts:
        gram += rows[:, part] @ rows[:, part].T
    values, sides = leading_components(gram, min(dims, n))
    scale = np.zeros(len(values))
    kept = values > 1e-6 * values[0]
    scale[kept] = 1 / np.sqrt(values[kept])
    vectors = np.concatenate([rows[:, part].T.astype(np.float64) @ sides for part in parts])
    return mean, values, _signed(vectors * scale)


def _signed(vectors: Floats) -> Floats:
    """Vectors [d, k], each with its largest entry above 0."""
    largest = np.abs(vectors).argmax(axis=0)
    signs = np.sign(vectors[largest, np.arange(vectors.shape[1])])
    return np.asarray(vectors * np.where(signs == 0, 1, signs))
