"""The filter in which a copy is near to its original, and other images of the kind are not."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from scipy.linalg import eigh

from vestige.features.rows import Rows
from vestige.features.whitening import MOMENT_ROWS, Whitening
from vestige.stats.moments import moments
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
    span a few directions only, in which everything looks alike.

    Parameters
    ----------
    reals : [n, d]
        Grey values of square images.
    generated : [m, d]
        Read block by block.
    views : symmetries that form a group
        Mean and covariance are averaged over them, so the cosine of two images is that of the two
        images in any view.
    """
    made = (np.asarray(generated[part]) for part in slices(len(generated), MOMENT_ROWS))
    _, mean, covariance = moments(chain([reals], made))
    mean, covariance = _symmetric(mean, covariance, views)
    values, vectors = eigh(covariance)
    kept = values > 1e-6 * max(values[-1], np.finfo(float).tiny)
    values, vectors = values[kept], vectors[:, kept]
    error = RIDGE * values.mean() if len(values) else 0.0
    share = values / (values + error)
    used = share > KEPT  # the rest has less than KEPT^2 of the weight
    scale = np.sqrt(values[used]) / (values[used] + error)
    return Whitening(mean.astype(np.float32), (vectors[:, used] * scale).astype(np.float32))


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
