"""Do two sets of images differ in any of many statistics? Kolmogorov-Smirnov, by group, max-T."""

import math
from dataclasses import dataclass

import numpy as np

from vestige.registry.entries import InputError
from vestige.stats.groups import Labels, finite_vector
from vestige.stats.permutation import MOST_EXACT, group_labels, relabel
from vestige.types import Bools, Floats, Ints

PILOT = 200
"""Relabellings that only tell how far each statistic moves by chance."""
_CHUNK = 128  # relabellings at once: they stay in the cache
LARGE, FEWER = 2000, 1999
"""More images than this get this many relabellings, unless told otherwise."""


@dataclass(frozen=True)
class KolmogorovTests:
    """Distances [d] of two sets, 0 to 1, and p-values that pay for having looked at all columns.

    tried : relabellings used, fewer than asked where the answer stood fast before
    """

    distances: Floats
    p_adjusted: Floats
    tried: int

    @property
    def p_value(self) -> float:
        """That the sets are alike in every column."""
        return float(self.p_adjusted.min())

    @property
    def order(self) -> Ints:
        """Columns from the most to the least telling: small p first, then far apart."""
        return np.lexsort((-self.distances, self.p_adjusted))


def kolmogorov_distances(columns: Floats, is_first: Bools, groups: Labels | None = None) -> Floats:
    """Largest gap between the two distribution functions of each column [d], 0 to 1.

    Each group counts once, whatever its number of images; with one image per group this is the
    two-sample Kolmogorov-Smirnov statistic.

    Raises
    ------
    InputError
        As for :func:`kolmogorov_tests`.
    """
    ladder, status = _prepared(columns, is_first, groups)
    return np.asarray(ladder.distances(status[np.newaxis])[0])


def kolmogorov_tests(
    columns: Floats,
    is_first: Bools,
    groups: Labels | None = None,
    n_permutations: int | None = None,
    seed: int = 0,
    limit: float = 0.01,
) -> KolmogorovTests:
    """Test each column of statistics, by relabelling whole groups; step-down max-T over columns.

    Distances are centred and scaled by their mean and standard deviation over 200 relabellings
    drawn beforehand, so that a coarse column weighs like a fine one; then Westfall and Young
    (1993). All relabellings are enumerated when there are no more than 20,000.

    Relabelling stops once so many of them reach the largest observed distance that p cannot fall
    below `limit` any more (Besag and Clifford 1991, doi:10.1093/biomet/78.2.301): whether p lies
    below `limit` is as if all had been tried, and a p-value above is valid, only coarser.

    Parameters
    ----------
    columns : Floats, shape (n, d)
        One column per statistic; a column that relabelling cannot move has p = 1.
    is_first : Bools, shape (n,)
        Which of the two sets an image belongs to.
    groups : labels of shape (n,), optional
        Patients; none may be in both sets.
    n_permutations : int, optional
        Default 9,999; 1,999 for more than 2,000 images.
    seed : int
    limit : float
        The p-value that decides.

    Returns
    -------
    KolmogorovTests

    Raises
    ------
    InputError
        With an empty set, a group in both sets, or a statistic that is not finite.
    """
    ladder, status = _prepared(columns, is_first, groups)
    if n_permutations is None:
        n_permutations = 9999 if len(columns) <= LARGE else FEWER
    n_groups, n_first = status.size, int(status.sum())
    exact = math.comb(n_groups, n_first) <= MOST_EXACT
    observed = ladder.distances(status[np.newaxis])[0]
    if exact:
        every = [ladder.distances(rows) for rows in relabel(status, 0, 0, exact=True)]
        drawn = np.concatenate(every)
        centre, scale = drawn.mean(axis=0), drawn.std(axis=0)
    else:
        # drawn apart from the others: fixed beforehand, so the test stays exact
        pilot = np.random.default_rng([seed, 1]).permuted(
            np.broadcast_to(status, (PILOT, n_groups)), axis=1
        )
        drawn = np.concatenate([ladder.distances(rows) for rows in _chunks(pilot)])
        centre, scale = drawn.mean(axis=0), drawn.std(axis=0)
    moves = scale > 1e-9
    unit = np.where(moves, scale, 1.0)

    def standard(distances: Floats) -> Floats:
        return np.where(moves, (distances - centre) / unit, 0.0)

    height = standard(observed)
    falling = np.argsort(-height, kind="stable")
    line = height[falling] - 1e-6  # equal distances must not differ by rounding
    reached, tried = np.zeros(columns.shape[1]), 0
    enough = math.inf if exact else math.ceil(limit * (n_permutations + 1))
    for rows in relabel(status, n_permutations, seed, exact):
        for part in _chunks(rows):
            drawn = standard(ladder.distances(part))[:, falling]
            # largest over this column and all that stood lower
            best = np.maximum.accumulate(drawn[:, ::-1], axis=1)[:, ::-1]
            over = best >= line
            so_far = reached[0] + over[:, 0].cumsum()
            if so_far[-1] >= enough:
                over = over[: int((so_far < enough).sum()) + 1]
            reached += over.sum(axis=0)
            tried += len(over)
            if reached[0] >= enough:
                break
        if reached[0] >= enough:
            break
    p = reached / tried if exact else (1 + reached) / (1 + tried)
    adjusted = np.empty(columns.shape[1])
    adjusted[falling] = np.maximum.accumulate(p)
    return KolmogorovTests(observed, np.where(moves, adjusted, 1.0), tried)


@dataclass(frozen=True)
class _Ladder:
    """Columns in rising order: which image stands on each rung [n, d], where ties end [n, d]."""

    order: Ints
    ends: Bools
    index: Ints
    sizes: Floats

    def distances(self, rows: Bools) -> Floats:
        """Of relabellings [b, groups]: [b, d]."""
        first = rows.sum(axis=1, keepdims=True)
        weight = np.where(rows, 1 / first, -1 / (rows.shape[1] - first)) / self.sizes
        images = np.ascontiguousarray(weight[:, self.index])  # [b, n]
        out = np.zeros((self.order.shape[1], len(rows)))
        for k, order in enumerate(self.order.T):
            ends = self.ends[:, k]
            if ends.sum() < 2:
                continue
            gaps = images.take(order, axis=1)  # each sum runs through memory that lies together
            np.cumsum(gaps, axis=1, out=gaps)
            gaps = gaps if ends.all() else gaps.compress(ends, axis=1)
            np.maximum(gaps.max(axis=1), -gaps.min(axis=1), out=out[k])
        return out.T


def _prepared(columns: Floats, is_first: Bools, groups: Labels | None) -> tuple[_Ladder, Bools]:
    columns = np.asarray(columns, dtype=np.float64)
    if columns.ndim != 2 or columns.shape[1] < 1:
        raise InputError(f"columns must have shape (images, statistics), found {columns.shape}.")
    finite_vector(columns.ravel(), "statistics")
    status, index = group_labels(is_first, groups)
    if len(index) != len(columns):
        raise InputError(
            f"{len(columns)} images were given with {len(index)} flags. Give one flag per image."
        )
    order = np.argsort(columns, axis=0, kind="stable")
    rising = np.take_along_axis(columns, order, axis=0)
    ends = np.ones(columns.shape, np.bool_)
    ends[:-1] = rising[1:] > rising[:-1]
    return _Ladder(order, ends, index, np.bincount(index).astype(np.float64)), status


def _chunks(rows: Bools) -> list[Bools]:
    return [rows[k : k + _CHUNK] for k in range(0, len(rows), _CHUNK)]
