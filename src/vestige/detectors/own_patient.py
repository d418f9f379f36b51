"""Whitened cosines by the population without the own patient of each real image.

In a cohort every image takes part in the whitening, and a patient of many images takes out what
these have in common: the more images, the lower their cosines, used or not. Taking the own patient
out of the covariance is a correction of low rank (Sherman and Morrison 1950, Woodbury 1950), so
that the products of one whitening serve all patients.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from vestige.features.whitening import Whitening
from vestige.products.product import product
from vestige.stats.by_group import ByGroup
from vestige.stats.slices import slices
from vestige.types import Float32s, Floats, Ints

HELD_BYTES = 2**24
"""Of rows of patients in float64 at a time."""


@dataclass(frozen=True, eq=False)
class WithoutOwn:
    """Reals [r, p], whitened but not of norm 1, and what takes their own patients out.

    For a patient with whitened rows Z of mass w each, in a population of mass N, I - w Z'Z / N is
    what the others leave of the whitened covariance. Its inverse A turns the products u = Z m with
    a generated image into Z A m = N (N - w ZZ')^-1 u, and the squared norm m'm into
    m'Am = m'm + u' w (N - w ZZ')^-1 u. The mean of the others is c = -s (sum of Z) in the first
    part, with s = w / (N - w k) for k images, and zero in the parts that are odd.

    parts : columns of each part (`vestige.features.folding`), which do not vary together
    gains, excess : [r, r] of each part, block by block: N (N - w ZZ')^-1 and w (N - w ZZ')^-1
    shift : [G], s of each patient
    constant, length : [r] and [G], (z - c)'A(-c) and c'Ac
    norms : [r], of z - c
    patients, images : rows by patient, and images by patient, which the first rows are: where the
        folding transposes, rows r / 2 and later are the first ones transposed
    """

    rows: Float32s
    groups: Ints
    parts: tuple[slice, ...]
    gains: tuple[scipy.sparse.csr_array, ...]
    excess: tuple[scipy.sparse.csr_array, ...]
    shift: Float32s
    constant: Float32s
    length: Float32s
    norms: Float32s
    patients: ByGroup
    images: ByGroup

    def products(self, made: Float32s) -> tuple[list[Float32s], Float32s]:
        """Products [r, b] of each part with whitened generated rows [b, p], and their divisor."""
        found = []
        squares = np.einsum("bp,bp->b", made, made) + self.length[:, np.newaxis]
        for number, part in enumerate(self.parts):
            plain = product(self.rows[:, part], made[:, part].T, self.rows)
            gained = np.asarray(self.gains[number] @ plain)
            plain *= self.excess[number] @ plain
            squares += self.patients.sums(plain)
            if number == 0:
                moved = self.patients.sums(gained)
                moved *= self.shift[:, np.newaxis]
                squares += 2 * moved
                gained += moved[self.groups]
                gained += self.constant[:, np.newaxis]
            found.append(gained)
        divisor = np.sqrt(squares, out=squares)[self.groups]
        divisor *= self.norms[:, np.newaxis]
        divisor[divisor == 0] = 1
        return found, divisor

    def largest(self, views: Float32s) -> Float32s:
        """The largest value of each patient [b, G]: values [b, n] of the images."""
        return np.ascontiguousarray(self.images.largest(views))


def of_several(groups: npt.NDArray[Any] | None) -> Ints | None:
    """Numbers of the groups [n]; None where each image has one of its own."""
    if groups is None:
        return None
    names, numbers = np.unique(groups, return_inverse=True)
    return None if len(names) == len(numbers) else numbers


def without_own(
    filters: Whitening,
    projected: Float32s,
    groups: Ints,
    masses: Floats,
    population: int,
    images: int,
) -> WithoutOwn:
    """Prepare whitened reals [r, p] of patients 0 to G - 1.

    Parameters
    ----------
    masses : [r], how much each real counts in the whitening, the same within a patient
    population : mass of all rows that were whitened together
    images : how many of the rows are images as they are
    """
    patients = ByGroup(groups)
    order, first = patients.order, patients.first
    count = len(first)
    sizes = np.diff(first, append=len(order))
    shift, length = np.zeros(count), np.zeros(count)
    constant, squares = np.zeros(len(projected)), np.zeros(len(projected))
    gains, excess = [], []
    for number, part in enumerate(filters.parts):
        gained: list[Floats] = [np.zeros(0)] * count
        inverses: list[Floats] = [np.zeros(0)] * count
        for some in _of_one_size(sizes, projected[:, part].shape[1]):
            size = int(sizes[some[0]])
            own = order[first[some][:, np.newaxis] + np.arange(size)]
            rows = projected[own.ravel(), part].astype(np.float64).reshape(len(some), size, -1)
            gram, mass = rows @ rows.swapaxes(1, 2), masses[own[:, 0]][:, np.newaxis, np.newaxis]
            inverse = np.linalg.inv(population * np.eye(size) - mass * gram)
            gain = population * inverse
            for g, one, other in zip(some.tolist(), gain, mass * inverse, strict=True):
                gained[g], inverses[g] = one, other
            between = gain @ gram
            squares[own] += between.diagonal(axis1=1, axis2=2)
            if number == 0:
                shift[some] = masses[own[:, 0]] / (population - masses[own[:, 0]] * size)
                near = shift[some][:, np.newaxis] * between.sum(axis=2)
                length[some] = shift[some] ** 2 * between.reshape(len(some), -1).sum(axis=1)
                constant[own] = near + length[some][:, np.newaxis]
                squares[own] += 2 * near + length[some][:, np.newaxis]
        gains.append(_blocks(gained, order))
        excess.append(_blocks(inverses, order))
    norms = np.sqrt(np.maximum(squares, 0.0))
    return WithoutOwn(
        rows=projected,
        groups=groups,
        parts=tuple(filters.parts),
        gains=tuple(gains),
        excess=tuple(excess),
        shift=shift.astype(np.float32),
        constant=constant.astype(np.float32),
        length=length.astype(np.float32),
        norms=norms.astype(np.float32),
        patients=patients,
        images=ByGroup(groups[:images]),
    )


def _of_one_size(sizes: Ints, width: int) -> Iterator[Ints]:
    """Patients that have as many images, so many at once that their rows are few bytes."""
    for size in np.unique(sizes).tolist():
        alike = np.flatnonzero(sizes == size)
        for some in slices(len(alike), max(1, HELD_BYTES // (8 * size * max(1, width)))):
            yield alike[some]


def _blocks(matrices: list[Floats], order: Ints) -> scipy.sparse.csr_array:
    """Square matrices along the diagonal [r, r], for rows and columns in their own order."""
    r = len(order)
    back = scipy.sparse.csr_array((np.ones(r), (order, np.arange(r))), shape=(r, r))
    whole = back @ scipy.sparse.block_diag(matrices, format="csr") @ back.T
    return scipy.sparse.csr_array(whole, dtype=np.float32)
