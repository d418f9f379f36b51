"""Mean and covariance of rows that come block by block."""

from collections.abc import Iterable, Sequence

import numpy as np

from vestige.types import Float32s, Floats


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
