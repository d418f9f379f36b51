"""The filter in which a copy is near to its original, and other images of the kind are not."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from vestige.detectors.cosine_search import largest_view, signed_sums
from vestige.features.folding import Folding, bounds
from vestige.features.rows import Rows, fold_rows
from vestige.features.whitening import Whitening
from vestige.images.passes import in_order, listed
from vestige.stats.exact import on_grid
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

    look = partial(_nearest, shift, directions, tuple(parts), n)
    nearest = fold_rows(generated, partial(listed, look), in_order, spread=True)
    counts = np.bincount(at := np.concatenate(nearest), minlength=n)
    return np.asarray(np.minimum(1, len(generated) / n / counts.clip(1))[at])


def _moments(
    reals: Float32s, generated: Sequence[Rows], weights: Floats, parts: Sequence[slice]
) -> tuple[Floats, list[Floats]]:
    """Mean, and the covariance of each part; parts after the first are zero on average."""
    shift = np.zeros(reals.shape[1], np.float32)
    shift[parts[0]] = reals[:, parts[0]].mean(axis=0, dtype=np.float64)
    own = tuple(parts)
    sums = _weighed(shift, own, np.ones(len(reals)), None, 0, reals)
    for rows in generated:
        fold = partial(_weighed, shift, own, weights)
        sums = _add(sums, fold_rows(rows, fold, _add, spread=True))
    total, first = float(sums.total), np.zeros(reals.shape[1])
    first[parts[0]], second = sums.first, sums.second
    gap = first / total
    covariances = [sums / total for sums in second]
    covariances[0] -= np.outer(gap[parts[0]], gap[parts[0]])
    return shift + gap, covariances


def _nearest(
    shift: Float32s, directions: Float32s, parts: tuple[slice, ...], n: int, generated: Float32s
) -> Ints:
    """The real [b] that each of some generated images is nearest to, in any view."""
    rows = _unit(generated - shift)
    views = signed_sums([rows[:, own] @ directions[:, own].T for own in parts])
    return np.asarray(largest_view(views).argmax(axis=1) % n)


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over weighed rows less a shift: of weights, of the first part, of products."""

    total: Floats
    first: Floats
    second: tuple[Floats, ...]


def _weighed(
    shift: Float32s,
    parts: tuple[slice, ...],
    weights: Floats,
    state: _Sums | None,
    start: int,
    block: Float32s,
) -> _Sums:
    """A pass over rows; `weights` [m] are those of all."""
    weight = weights[start : start + len(block)]
    root = np.sqrt(weight)
    rows = block - shift
    rows *= root.astype(np.float32)[:, None]
    found = _Sums(
        on_grid(weight.sum()),
        on_grid(root @ rows[:, parts[0]]),
        tuple(on_grid(rows[:, part].T @ rows[:, part]) for part in parts),
    )
    return found if state is None else _add(state, found)


def _add(first: _Sums, second: _Sums) -> _Sums:
    both = zip(first.second, second.second, strict=True)
    products = tuple(one + other for one, other in both)
    return _Sums(first.total + second.total, first.first + second.first, products)


def _unit(rows: Float32s) -> Float32s:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(norms > 0, norms, 1), np.float32)
