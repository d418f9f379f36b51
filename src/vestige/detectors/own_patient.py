"""Whitened cosines by the population without the own patient of each real image.

In a cohort every image takes part in the whitening, and a patient of many images takes out what
these have in common: the more images, the lower their cosines, used or not. Taking the own patient
out of the covariance is a correction of low rank (Sherman and Morrison 1950, Woodbury 1950), so
that the products of one whitening serve all patients.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from vestige.features.whitening import Whitening
from vestige.types import Float32s, Floats, Ints


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
    order, first : rows patient by patient, and where each begins
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
    order: Ints
    first: Ints

    def products(self, made: Float32s) -> tuple[list[Float32s], Float32s]:
        """Products [b, r] of each part with whitened generated rows [b, p], and their divisor."""
        found = []
        squares = np.einsum("bp,bp->b", made, made) + self.length[:, np.newaxis]
        for number, part in enumerate(self.parts):
            plain = self.rows[:, part] @ made[:, part].T
            product = self.gains[number] @ plain
            squares += self._of_patients((self.excess[number] @ plain) * plain)
            if number == 0:
                moved = self.shift[:, np.newaxis] * self._of_patients(product)
                squares += 2 * moved
                product = product + moved[self.groups] + self.constant[:, np.newaxis]
            found.append(np.asarray(product.T, np.float32))
        divisor = self.norms[:, np.newaxis] * np.sqrt(squares)[self.groups]
        divisor[divisor == 0] = 1
        return found, np.asarray(divisor.T, np.float32)

    def largest(self, views: Float32s) -> Float32s:
        """The largest value of each patient [b, G]: values [b, r], or [b, r / 2] of the first half.

        Where the folding transposes, rows r / 2 and later are the first ones transposed.
        """
        n = views.shape[1]
        if n == len(self.order):
            return np.asarray(np.maximum.reduceat(views[:, self.order], self.first, axis=1))
        order = self.order[self.order < n]
        first = np.searchsorted(self.groups[order], np.arange(len(self.first)))
        return np.asarray(np.maximum.reduceat(views[:, order], first, axis=1))

    def _of_patients(self, values: Float32s) -> Float32s:
        """Sums [G, b] over the rows [r, b] of each patient."""
        return np.asarray(np.add.reduceat(values[self.order], self.first, axis=0))


def of_several(groups: npt.NDArray[Any] | None) -> Ints | None:
    """Numbers of the groups [n]; None where each image has one of its own."""
    if groups is None:
        return None
    names, numbers = np.unique(groups, return_inverse=True)
    return None if len(names) == len(numbers) else numbers


def without_own(
    filters: Whitening, projected: Float32s, groups: Ints, masses: Floats, population: int
) -> WithoutOwn:
    """Prepare whitened reals [r, p] of patients 0 to G - 1.

    Parameters
    ----------
    masses : [r], how much each real counts in the whitening, the same within a patient
    population : mass of all rows that were whitened together
    """
    order = np.argsort(groups, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(groups[order]) != 0])
    shift, length = np.zeros(len(first)), np.zeros(len(first))
    constant, squares = np.zeros(len(projected)), np.zeros(len(projected))
    gains, excess = [], []
    for number, part in enumerate(filters.parts):
        inverses: list[Floats] = []
        gained: list[Floats] = []
        for g, own in enumerate(np.split(order, first[1:])):
            rows = projected[own, part].astype(np.float64)
            gram, mass = rows @ rows.T, masses[own[0]]
            inverse = np.asarray(np.linalg.inv(population * np.eye(len(own)) - mass * gram))
            inverses.append(mass * inverse)
            gained.append(population * inverse)
            between = gained[-1] @ gram
            squares[own] += between.diagonal()
            if number == 0:
                shift[g] = mass / (population - mass * len(own))
                length[g] = shift[g] ** 2 * between.sum()
                constant[own] = shift[g] * between.sum(axis=1) + length[g]
                squares[own] += 2 * shift[g] * between.sum(axis=1) + length[g]
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
        order=order,
        first=first,
    )


def _blocks(matrices: list[Floats], order: Ints) -> scipy.sparse.csr_array:
    """Square matrices along the diagonal [r, r], for rows and columns in their own order."""
    r = len(order)
    back = scipy.sparse.csr_array((np.ones(r), (order, np.arange(r))), shape=(r, r))
    whole = back @ scipy.sparse.block_diag(matrices, format="csr") @ back.T
    return scipy.sparse.csr_array(whole, dtype=np.float32)
