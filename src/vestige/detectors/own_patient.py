"""Whitened cosines by the population without the own patient of each real image.

In a bag every image takes part in the whitening, and a patient of many images takes out what these
have in common: the more images, the lower their cosines, used or not. Taking the own patient out of
the covariance is a correction of low rank (Sherman and Morrison 1950, Woodbury 1950), so that the
products of one whitening serve all patients.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from vestige.features.whitening import Whitening
from vestige.types import Float32s, Floats, Ints


@dataclass(frozen=True, eq=False)
class WithoutOwn:
    """Reals [r, p], whitened but not of norm 1, and what takes their own patients out.

    For a patient with whitened rows Z of mass w each, in a population of mass N, I - w Z'Z / N is
    what the others leave of the whitened covariance. Its inverse turns the products u = Z m with a
    generated image of norm 1 into N (N - w ZZ')^-1 u, and its squared norm into
    1 + u' w (N - w ZZ')^-1 u.

    parts : columns of each part (`vestige.features.folding`), which do not vary together
    gains, excess : [r, r] of each part, block by block: N (N - w ZZ')^-1 and w (N - w ZZ')^-1
    norms : [r], of the reals
    order, first : rows patient by patient, and where each begins
    """

    rows: Float32s
    groups: Ints
    parts: tuple[slice, ...]
    gains: tuple[scipy.sparse.csr_array, ...]
    excess: tuple[scipy.sparse.csr_array, ...]
    norms: Float32s
    order: Ints
    first: Ints

    def products(self, made: Float32s) -> tuple[list[Float32s], Float32s]:
        """Products [b, r] of each part with generated rows [b, p] of norm 1, and their divisor."""
        found = []
        squares = np.ones((len(self.first), len(made)), np.float32)
        for part, gain, excess in zip(self.parts, self.gains, self.excess, strict=True):
            plain = self.rows[:, part] @ made[:, part].T
            found.append(np.asarray((gain @ plain).T, np.float32))
            own = (excess @ plain) * plain
            squares += np.add.reduceat(own[self.order], self.first, axis=0)
        divisor = self.norms[:, np.newaxis] * np.sqrt(squares)[self.groups]
        return found, np.asarray(divisor.T, np.float32)


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
    gains, excess, squares = [], [], np.zeros(len(projected))
    for part in filters.parts:
        inverses: list[Floats] = []
        gained: list[Floats] = []
        for own in np.split(order, first[1:]):
            rows = projected[own, part].astype(np.float64)
            gram = rows @ rows.T
            mass = masses[own[0]]
            inverse = np.asarray(np.linalg.inv(population * np.eye(len(own)) - mass * gram))
            inverses.append(mass * inverse)
            gained.append(population * inverse)
            squares[own] += np.einsum("ij,ji->i", gained[-1], gram)
        gains.append(_blocks(gained, order))
        excess.append(_blocks(inverses, order))
    norms = np.sqrt(np.maximum(squares, 0.0)).astype(np.float32)
    norms[norms == 0] = 1
    return WithoutOwn(
        projected, groups, tuple(filters.parts), tuple(gains), tuple(excess), norms, order, first
    )


def _blocks(matrices: list[Floats], order: Ints) -> scipy.sparse.csr_array:
    """Square matrices along the diagonal [r, r], for rows and columns in their own order."""
    r = len(order)
    back = scipy.sparse.csr_array((np.ones(r), (order, np.arange(r))), shape=(r, r))
    whole = back @ scipy.sparse.block_diag(matrices, format="csr") @ back.T
    return scipy.sparse.csr_array(whole, dtype=np.float32)
