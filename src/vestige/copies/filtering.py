"""The filter in which a copy is near to its original, and other images of the kind are not."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from scipy.linalg import eigh

from vestige.features.rows import Rows
from vestige.features.whitening import MOMENT_ROWS, Whitening
from vestige.stats.slices import slices
from vestige.symmetries import Symmetry, seen_as
from vestige.types import Float32s, Floats

RIDGE = 0.1
KEPT = 0.02


def copy_filter(reals: Float32s, generated: Rows, views: Sequence[Symmetry]) -> Whitening:
    """Whiten by reals and generated images in all views, and damp what a copy does not keep.

    A component of variance v is multiplied by sqrt(v) / (v + r), r = `RIDGE` times the mean
    variance: by 1 / sqrt(v) where images differ much, by ever less where noise, a turn by two
    degrees or compression change as much as images differ (the Wiener filter for an error of
    variance r in each component, after whitening). The generated images take part since a few reals
    span a few directions only, in which everything looks alike. Those nearest to one real weigh no
    more than its even share: a hundred copies of one image would else count as what images of the
    kind have in common.

    Parameters
    ----------
    reals : [n, d]
        Grey values of square images.
    generated : [m, d]
        Read twice, block by block.
    views : symmetries that form a group
        Mean and covariance are averaged over them, so the cosine of two images is that of the two
        images in any view.
    """
    mean, covariance = _symmetric(*_moments(reals, generated, views), views)
    values, vectors = eigh(covariance)
    kept = values > 1e-6 * max(values[-1], np.finfo(float).tiny)
    values, vectors = values[kept], vectors[:, kept]
    error = RIDGE * values.mean() if len(values) else 0.0
    share = values / (values + error)
    used = share > KEPT  # the rest has less than KEPT^2 of the weight
    scale = np.sqrt(values[used]) / (values[used] + error)
    return Whitening(mean.astype(np.float32), (vectors[:, used] * scale).astype(np.float32))


def _moments(reals: Float32s, generated: Rows, views: Sequence[Symmetry]) -> tuple[Floats, Floats]:
    """Mean and covariance of reals and generated images, these by the weight of their real."""
    shift = reals.mean(axis=0, dtype=np.float64).astype(np.float32)
    parts = list(slices(len(generated), MOMENT_ROWS))
    directions = np.concatenate([_unit(seen_rows(reals, view) - shift) for view in views])
    nearest = np.concatenate(
        [(_unit(generated[part] - shift) @ directions.T).argmax(axis=1) for part in parts]
    ) % len(reals)
    share = len(generated) / len(reals)
    weights = np.minimum(1, share / np.bincount(nearest, minlength=len(reals)).clip(1))[nearest]
    total, first, second = 0.0, np.zeros(len(shift)), np.zeros((len(shift),) * 2)
    blocks = ((generated[part], weights[part]) for part in parts)
    for rows, weight in chain([(reals, np.ones(len(reals)))], blocks):
        rows = (rows - shift) * np.sqrt(weight).astype(np.float32)[:, None]
        total += weight.sum()
        first += np.sqrt(weight) @ rows
        second += rows.T @ rows
    gap = first / total
    return shift + gap, second / total - np.outer(gap, gap)


def seen_rows(rows: Float32s, view: Symmetry) -> Float32s:
    """Rows [n, d] of square images as a symmetry shows them."""
    side = round(rows.shape[1] ** 0.5)
    return seen_as(rows.reshape(-1, side, side), view).reshape(len(rows), -1)


def _unit(rows: Float32s) -> Float32s:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(norms > 0, norms, 1), np.float32)


def _symmetric(
    mean: Floats, covariance: Floats, views: Sequence[Symmetry]
) -> tuple[Floats, Floats]:
    """Moments of the images in all views, from those of the images."""
    side = round(len(mean) ** 0.5)
    pixels = np.arange(side * side).reshape(side, side)
    orders = [seen_as(pixels, view).ravel() for view in views]
    second = covariance + np.outer(mean, mean)
    second = sum((second[np.ix_(order, order)] for order in orders), np.zeros_like(second))
    mean = np.mean([mean[order] for order in orders], axis=0)
    return mean, second / len(orders) - np.outer(mean, mean)
