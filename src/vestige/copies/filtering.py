"""The filter in which a copy is near to its original, and other images of the kind are not."""

from collections.abc import Iterator, Sequence

import numpy as np

from vestige.detectors.cosine_search import largest_view, signed_sums
from vestige.engine.machine import in_threads
from vestige.features.folding import Folding, bounds
from vestige.features.rows import Rows
from vestige.features.whitening import MOMENT_ROWS, Whitening
from vestige.stats.slices import slices
from vestige.types import Float32s, Floats, Ints

RIDGE = 0.1
KEPT = 0.02


def copy_filter(reals: Float32s, generated: Sequence[Rows], folding: Folding) -> Whitening:
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
        Grey values of square images in even and odd parts (`vestige.features.folding`); where the
        folding transposes [2n, d], those of the transposed images after the others.
    generated : [m, d], one or (where the folding transposes) two
        Likewise; read twice, block by block. None: the reals alone whiten.
    folding : how rows fall into parts
        Mean and covariance are those of the images in all views, so the cosine of two images is
        that of the two images in any view.
    """
    from scipy.linalg import eigh

    parts = bounds(folding.widths(reals.shape[1]))
    weights = _weights(reals, generated[0], folding) if generated else np.empty(0)
    mean, covariances = _moments(reals, generated, weights, parts)
    spectra = [eigh(covariance) for covariance in covariances]
    largest = max(values[-1] for values, _ in spectra)
    least = 1e-6 * max(largest, np.finfo(float).tiny)
    every = np.concatenate([values[values > least] for values, _ in spectra])
    error = RIDGE * every.mean() if len(every) else 0.0
    matrices = []
    for values, vectors in spectra:
        used = values > max(least, error * KEPT / (1 - KEPT))  # the rest has under KEPT^2 of weight
        scale = np.sqrt(values[used]) / (values[used] + error)
        matrices.append((vectors[:, used] * scale).astype(np.float32))
    return Whitening(mean.astype(np.float32), tuple(matrices))


def _weights(reals: Float32s, generated: Rows, folding: Folding) -> Floats:
    """Weight of each generated image [m]: 1, or the share of those nearest to the same real."""
    parts = bounds(folding.widths(reals.shape[1]))
    n = len(reals) // (2 if folding.transposes else 1)
    shift = np.zeros(reals.shape[1], np.float32)
    shift[parts[0]] = reals[:, parts[0]].mean(axis=0, dtype=np.float64)
    directions = _unit(reals - shift)

    def nearest_of(part: slice) -> Ints:
        rows = _unit(np.asarray(generated[part]) - shift)
        views = signed_sums([rows[:, own] @ directions[:, own].T for own in parts])
        return np.asarray(largest_view(views).argmax(axis=1) % n)

    nearest = list(in_threads(nearest_of, slices(len(generated), MOMENT_ROWS)))
    counts = np.bincount(at := np.concatenate(nearest), minlength=n)
    return np.asarray(np.minimum(1, len(generated) / n / counts.clip(1))[at])


def _moments(
    reals: Float32s, generated: Sequence[Rows], weights: Floats, parts: Sequence[slice]
) -> tuple[Floats, list[Floats]]:
    """Mean, and the covariance of each part; parts after the first are zero on average."""
    total, first = 0.0, np.zeros(reals.shape[1])
    second = [np.zeros((part.stop - part.start,) * 2) for part in parts]
    shift = np.zeros(reals.shape[1], np.float32)
    shift[parts[0]] = reals[:, parts[0]].mean(axis=0, dtype=np.float64)

    def sums_of(own: tuple[Rows, slice, Floats]) -> tuple[float, Floats, list[Float32s]]:
        source, place, weight = own
        rows = np.asarray(source[place]) - shift
        rows *= np.sqrt(weight).astype(np.float32)[:, None]
        squares = [rows[:, part].T @ rows[:, part] for part in parts]
        return float(weight.sum()), np.sqrt(weight) @ rows[:, parts[0]], squares

    for weight, means, squares in in_threads(sums_of, _weighted(reals, generated, weights)):
        total += weight
        first[parts[0]] += means
        for sums, square in zip(second, squares, strict=True):
            sums += square
    gap = first / total
    covariances = [sums / total for sums in second]
    covariances[0] -= np.outer(gap[parts[0]], gap[parts[0]])
    return shift + gap, covariances


def _weighted(
    reals: Float32s, generated: Sequence[Rows], weights: Floats
) -> Iterator[tuple[Rows, slice, Floats]]:
    yield reals, slice(0, len(reals)), np.ones(len(reals))
    for rows in generated:
        for part in slices(len(rows), MOMENT_ROWS):
            yield rows, part, weights[part]


def _unit(rows: Float32s) -> Float32s:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(norms > 0, norms, 1), np.float32)
