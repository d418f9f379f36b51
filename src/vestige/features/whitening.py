"""Whitening: what a population has in common is taken out of its rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.features.folding import bounds
from vestige.features.rows import HELD_ROWS, Rows, chosen_by_content, fold_rows
from vestige.products.product import product
from vestige.stats.moments import add_sums, fold_sums, mean_of, moments, moments_from, sums_of
from vestige.stats.neighbours import same_width
from vestige.stats.slices import slices
from vestige.types import Bools, Float32s, Floats

MOMENT_ROWS = 1024
WIDE = 2**14
"""Columns of a part, as volumes of 32 voxels a side have, of which no covariance is held."""


@dataclass(frozen=True)
class Whitening:
    """x -> unit-norm (x - mean) @ matrix, part by part; mean [D], matrices [D_k, p_k], float32.

    The parts of a row follow one another, D = sum of D_k; so do those of its image.
    """

    mean: Float32s
    matrices: tuple[Float32s, ...]

    @property
    def parts(self) -> list[slice]:
        """Columns of each part of what `apply` gives."""
        return bounds(tuple(matrix.shape[1] for matrix in self.matrices))

    def apply(self, rows: Float32s) -> Float32s:
        """Rows [n, D] -> [n, p] of norm 1 (0 for a row that equals the mean)."""
        return unit(self.project(rows))

    def project(self, rows: Float32s) -> Float32s:
        """Rows [n, D] -> [n, p]: the population has covariance below 1 in each of p directions."""
        same_width(rows.shape[1], len(self.mean))
        centred = rows - self.mean
        if len(self.matrices) == 1:
            projected: Any = product(centred, self.matrices[0], self.matrices[0])
        else:
            parts = self.parts
            projected = np.empty((len(rows), parts[-1].stop), np.float32)
            given = bounds(tuple(len(matrix) for matrix in self.matrices))
            for matrix, columns, part in zip(self.matrices, given, parts, strict=True):
                projected[:, part] = product(centred[:, columns], matrix, matrix)
        return np.asarray(projected)


def unit(rows: Float32s) -> Float32s:
    """Rows [n, p] of norm 1; zeros stay zeros."""
    norms: Float32s = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    norms[norms == 0] = 1
    return np.asarray(rows / norms[:, None])


def whitening(
    rows: Float32s,
    ridge: float,
    widths: Sequence[int] = (),
    cut: float = 0.0,
    count: int | None = None,
    masses: Floats | None = None,
) -> Whitening:
    """All principal components of rows [n, D], each divided by sqrt(ev + ridge mean(ev)).

    The smaller of the two Gram matrices is decomposed, in float64; its products are float32, so
    components below 1e-6 of the largest are left out as rounding.

    Parameters
    ----------
    widths : integers, optional
        Columns of each part of folded rows (`vestige.features.folding`). The population is then
        the rows and their mirrored copies: parts do not vary together, and those after the first
        are zero on average.
    cut : float
        Components with an eigenvalue below this share of the ridge are left out too.
    count : int, optional
        Images that `rows` and their mirrored copies were made of; default: one per row. The mean
        is over no more eigenvalues than these have: views add components, and no variance.
    masses : [n], optional
        How much each row counts, of mean 1: the images of a patient together as much as one.
    """
    parts = bounds(tuple(widths) or (rows.shape[1],))
    mean = np.zeros(rows.shape[1])
    spectra = []
    for part in parts:
        own = rows[:, part]
        if len(own) >= own.shape[1]:
            centre, covariance = moments(own, masses)
            if part is not parts[0]:
                covariance += np.outer(centre, centre)
                centre = np.zeros(len(centre))
            spectra.append(_Spectrum(*_eigh(covariance)))
        else:
            centre = own.mean(axis=0, dtype=np.float64)
            if masses is not None:
                centre = np.asarray(masses @ own.astype(np.float64) / masses.sum())
            if part is not parts[0]:
                centre = np.zeros(len(centre))
            centred = own - centre.astype(np.float32)
            if masses is not None:
                centred *= np.sqrt(masses)[:, np.newaxis].astype(np.float32)
            gram = (centred @ centred.T).astype(np.float64) / len(own)
            spectra.append(_Spectrum(*_eigh(gram), centred))
        mean[part] = centre
    return _scaled(mean, spectra, ridge, cut, count or len(rows))


def whitening_of_both(
    reals: Float32s,
    generated: Sequence[Rows],
    ridge: float,
    widths: Sequence[int] = (),
    cut: float = 0.0,
    count: int | None = None,
    masses: Floats | None = None,
) -> Whitening:
    """`whitening` of reals [n, D] and generated rows [m, D] together, these block by block.

    Where a part has `WIDE` or more columns and all rows would take more than `HELD_ROWS` bytes, the
    generated rows are represented by some that their content chooses, which count accordingly.
    """
    d = reals.shape[1]
    for rows in generated:
        same_width(d, rows.shape[1])
    parts = bounds(tuple(widths) or (d,))
    total = len(reals) + sum(map(len, generated))
    widest = max(part.stop - part.start for part in parts)
    if widest >= WIDE and total * d * 4 > HELD_ROWS:
        return _whitening_of_some(reals, generated, ridge, widths, cut, count or total, masses)
    if total < widest:
        everyone = np.concatenate([reals, *(np.asarray(rows[:]) for rows in generated)])
        if masses is not None:
            masses = np.concatenate([masses, np.ones(len(everyone) - len(reals))])
        return whitening(everyone, ridge, widths, cut, count, masses)
    shift = mean_of(reals)
    sums = sums_of(shift, parts, reals, masses)
    fold = partial(fold_sums, shift, tuple(parts))
    for rows in generated:
        sums = add_sums(sums, fold_rows(rows, fold, add_sums))
    mean, covariances = moments_from(sums, shift, parts)
    for part, covariance in zip(parts[1:], covariances[1:], strict=True):
        covariance += np.outer(mean[part], mean[part])
        mean[part] = 0
    spectra = [_Spectrum(*_eigh(covariance)) for covariance in covariances]
    return _scaled(mean, spectra, ridge, cut, count or total)


def _whitening_of_some(
    reals: Float32s,
    generated: Sequence[Rows],
    ridge: float,
    widths: Sequence[int],
    cut: float,
    count: int,
    masses: Floats | None,
) -> Whitening:
    """`whitening` of the reals and of as many generated rows as may be held."""
    views, m = len(generated), len(generated[0])
    most = max(2, HELD_ROWS // (4 * reals.shape[1]) - len(reals)) // views
    parts = (np.asarray(generated[0][k]) for k in slices(m, MOMENT_ROWS))
    chosen = chosen_by_content(parts, max(1, most))
    everyone = np.concatenate([reals, *(np.asarray(rows[chosen]) for rows in generated)])
    own = np.ones(len(reals)) if masses is None else masses
    counted = np.concatenate([own, np.full(views * len(chosen), m / len(chosen))])
    return whitening(everyone, ridge, widths, cut, count, counted / counted.mean())


@dataclass(frozen=True, eq=False)
class _Spectrum:
    """Eigenvalues and vectors of a covariance; of a Gram matrix where the centred rows are told."""

    values: Floats
    vectors: Floats
    centred: Float32s | None = None

    def components(self, kept: Bools) -> npt.NDArray[Any]:
        """Eigenvectors of the covariance [d, p]."""
        vectors = self.vectors[:, kept]
        if self.centred is None:
            return vectors
        scale = np.sqrt(len(self.centred) * self.values[kept])
        return np.asarray((self.centred.T @ vectors.astype(np.float32)) / scale)


def _eigh(gram: Floats) -> tuple[Floats, Floats]:
    from scipy.linalg import eigh

    if not len(gram):
        return np.zeros(0), np.zeros((0, 0))
    values, vectors = eigh(gram)
    return values, vectors


def _scaled(
    mean: Floats, spectra: Sequence[_Spectrum], ridge: float, cut: float, count: int
) -> Whitening:
    values = np.concatenate([spectrum.values for spectrum in spectra])
    least = 1e-6 * max(values.max(initial=0), np.finfo(float).tiny)
    kept = values[values > least]
    added = ridge * kept.mean() if len(kept) else 0.0
    added *= max(1.0, len(kept) / count)
    least = max(least, cut * added)
    matrices = []
    for spectrum in spectra:
        here = spectrum.values > least
        scale = np.sqrt(spectrum.values[here] + added)
        matrices.append((spectrum.components(here) / scale).astype(np.float32))
    return Whitening(mean.astype(np.float32), tuple(matrices))
