"""Mean, covariance and principal components of rows, of many block by block."""

from collections.abc import Iterable, Sequence

import numpy as np

from vestige.types import Float32s, Floats

WIDE_COLUMNS = 4096
"""Columns of wide rows whose products are added at a time."""


def moments(
    blocks: Iterable[Float32s], masses: Iterable[Floats] = ()
) -> tuple[int, Floats, Floats]:
    """Number of rows n, mean [d] and covariance [d, d] (over n) of float32 blocks [k, d].

    `masses` [k] of each block, of mean 1, say how much its rows count; blocks without any count 1
    a row.

    Sums are of differences from the mean of the first block, float32 within a block and float64
    between blocks: one pass, without the cancellation of plain second moments (Chan, Golub and
    LeVeque 1983, doi:10.1080/00031305.1983.10483115).
    """
    n, mean, (covariance,) = moments_of_parts(blocks, [slice(None)], masses)
    return n, mean, covariance


def moments_of_parts(
    blocks: Iterable[Float32s], parts: Sequence[slice], masses: Iterable[Floats] = ()
) -> tuple[int, Floats, list[Floats]]:
    """The same, with the covariances of some columns each: the squares along the diagonal."""
    n, shift = 0, None
    weights = iter(masses)
    total, products = np.zeros(0), [np.zeros((0, 0)) for _ in parts]
    for rows in blocks:
        if shift is None:
            shift = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
            total = np.zeros(len(shift))
            products = [np.zeros((len(shift[part]),) * 2) for part in parts]
        centred = rows - shift
        n += len(rows)
        mass = next(weights, None)
        weighed = centred if mass is None else centred * mass[:, np.newaxis].astype(np.float32)
        total += weighed.sum(axis=0, dtype=np.float64)
        for square, part in zip(products, parts, strict=True):
            square += weighed[:, part].T @ centred[:, part]
    if shift is None:
        raise ValueError("moments of no rows")
    gap = total / n
    covariances = [
        square / n - np.outer(gap[part], gap[part])
        for square, part in zip(products, parts, strict=True)
    ]
    return n, shift + gap, covariances


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
