"""The nearest groups of reals of each row: what every relabelling of whole groups needs.

Which reals are candidates changes with the relabelling, the distances do not. So the nearest groups
of each row are found once, in order; under any labels the first candidate group in that order holds
the nearest candidate image. Distances are exact: float64, by direct subtraction, streamed in
blocks; where each group is one image most of them need not be measured (`vestige.stats.top`).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vestige.stats.neighbours import same_width
from vestige.stats.top import pair_distances, top_of
from vestige.types import Bools, Floats, Ints

BLOCK_BYTES = 16 * 2**20
MOST_KEPT = 2**22
"""Entries (rows x groups) kept; what is not among them is computed anew when it is asked for."""


@dataclass(frozen=True)
class GroupNeighbours:
    """Nearest groups of each of n rows, nearest first.

    rows : float64 [n, d]; reals : float64 [r, d]; index : group [r] of each real
    own : group [n] of each row, never its own neighbour; None when rows belong to no group
    distances, groups, images : [kept, n], to the nearest image of each group
    """

    rows: Floats
    reals: Floats
    index: Ints
    own: Ints | None
    distances: Floats
    groups: Ints
    images: Ints

    def first(self, chosen: Bools) -> tuple[Floats, Ints]:
        """Distance [b, n] to the nearest real of the chosen groups, and its row [b, n] in `reals`.

        `chosen` [b, groups] holds b choices, each with one True at least; a row with no chosen
        group but its own is at infinite distance.
        """
        place = np.zeros((len(chosen), len(self.rows)), dtype=np.int64)
        choice, row = np.nonzero(~chosen[:, self.groups[0]])
        for depth in range(1, len(self.groups)):
            if not row.size:
                break
            place[choice, row] = depth
            missed = ~chosen[choice, self.groups[depth][row]]
            choice, row = choice[missed], row[missed]
        columns = np.arange(len(self.rows))
        distances, images = self.distances[place, columns], self.images[place, columns]
        for k in np.unique(choice):  # none of the kept groups is chosen
            left = row[choice == k]
            inside = np.flatnonzero(chosen[k][self.index])
            far = _distances(self.rows[left], self.reals[inside], self._alone)
            if self.own is not None:
                far[self.own[left][:, None] == self.index[inside]] = np.inf
            nearest = far.argmin(axis=1)
            distances[k, left] = far[np.arange(left.size), nearest]
            images[k, left] = inside[nearest]
        return distances, images

    def passed(self, chosen: Bools) -> tuple[Ints, Ints]:
        """How many groups lie nearer [n] than the first chosen one, and how many others tie [n]."""
        limit = self.first(chosen[None])[0][0]
        nearer = (self.distances < limit).sum(axis=0)
        tied = ((self.distances == limit) & ~chosen[self.groups]).sum(axis=0)
        for here, best in self._every_group(self._ended(limit)):
            nearer[here] = (best < limit[here, None]).sum(axis=1)
            tied[here] = ((best == limit[here, None]) & ~chosen).sum(axis=1)
        return nearer, tied

    def taken(self) -> Floats:
        """Rows each group [groups] is nearest to; groups at the same distance share a row."""
        limit = self.distances[0]
        ended = self._ended(limit)
        nearest = (self.distances == limit).astype(np.float64)
        nearest[:, ended] = 0.0  # counted below
        nearest /= np.maximum(1.0, nearest.sum(axis=0))
        total = np.zeros(int(self.index.max()) + 1)
        np.add.at(total, self.groups, nearest)
        for here, best in self._every_group(ended):
            ties = best == limit[here, None]
            total += (ties / ties.sum(axis=1, keepdims=True)).sum(axis=0)
        return total

    @property
    def _alone(self) -> bool:
        return int(self.index.max()) + 1 == len(self.reals)

    def _ended(self, limit: Floats) -> Ints:
        """Rows whose kept groups end before all within `limit` [n] are told."""
        kept_all = len(self.distances) > int(self.index.max())
        return np.flatnonzero((self.distances[-1] <= limit) & (not kept_all))

    def _every_group(self, rows: Ints) -> Iterator[tuple[Ints, Floats]]:
        """Blocks of these rows, with their distance to every group."""
        n_groups = int(self.index.max()) + 1
        for part, best, _ in _by_group(self.rows[rows], self.reals, self.index, n_groups):
            if self.own is not None:
                best[np.arange(len(best)), self.own[rows[part]]] = np.inf
            yield rows[part], best


def nearest_groups(
    rows: Floats, reals: Floats, index: Ints, own: Ints | None = None, share: float = 0.5
) -> GroupNeighbours:
    """Find the nearest groups of each row.

    Parameters
    ----------
    rows, reals : Floats, shapes (n, d) and (r, d)
    index : Ints, shape (r,)
        Group of each real, 0, 1, ..., none empty.
    own : Ints, shape (n,), optional
        Group of each row, when rows are reals themselves.
    share : float
        Share of groups that will be chosen: the smaller it is, the more groups are kept.

    Returns
    -------
    GroupNeighbours

    Raises
    ------
    InputError
        For rows and reals of different width.
    """
    same_width(rows.shape[1], reals.shape[1])
    n, n_groups = len(rows), int(index.max()) + 1
    # so many that a row finds no chosen group among them about once in a thousand relabellings
    needed = n_groups if share >= 1 else math.ceil(math.log(1000 * n) / -math.log1p(-share))
    keep = min(n_groups, max(8, min(needed, MOST_KEPT // n)))
    if n_groups == len(reals):
        return _nearest_images(rows, reals, index, own, keep)
    distances = np.empty((keep, n))
    groups, images = np.empty((2, keep, n), dtype=np.int64)
    for part, best, image in _by_group(rows, reals, index, n_groups):
        if own is not None:
            best[np.arange(len(best)), own[part]] = np.inf
        near = _smallest(best, keep)
        distances[:, part] = np.take_along_axis(best, near, axis=1).T
        groups[:, part] = near.T
        images[:, part] = np.take_along_axis(image, near, axis=1).T
    return GroupNeighbours(rows, reals, index, own, distances, groups, images)


def _nearest_images(
    rows: Floats, reals: Floats, index: Ints, own: Ints | None, keep: int
) -> GroupNeighbours:
    """The same where each group is one image."""
    order = np.argsort(index)
    apart = None if own is None else (own, np.arange(len(order)))
    found = top_of(rows, reals[order], 0, keep, apart=apart)
    groups = found.indices
    if own is not None:  # its own group comes last, at infinity
        groups = np.where(groups < 0, own[:, None], groups)
    return GroupNeighbours(
        rows,
        reals,
        index,
        own,
        np.ascontiguousarray(found.distances.T),
        np.ascontiguousarray(groups.T),
        np.ascontiguousarray(order[groups].T),
    )


def _by_group(
    rows: Floats, reals: Floats, index: Ints, n_groups: int
) -> Iterator[tuple[slice, Floats, Ints]]:
    """Blocks of rows with the distance [b, groups] to each group and its nearest image."""
    order = np.argsort(index, kind="stable")
    starts = np.searchsorted(index[order], np.arange(n_groups))
    sizes = np.diff(starts, append=len(index))
    pool = reals[order]
    falling = np.arange(len(pool), 0, -1)
    step = max(1, BLOCK_BYTES // (8 * len(pool)))
    for start in range(0, len(rows), step):
        part = slice(start, min(start + step, len(rows)))
        best = _distances(rows[part], pool, n_groups == len(pool))
        place = np.broadcast_to(np.arange(n_groups), (len(best), n_groups))
        if n_groups < len(pool):
            every, best = best, np.minimum.reduceat(best, starts, axis=1)
            nearest = np.where(every == np.repeat(best, sizes, axis=1), falling, 0)
            place = len(pool) - np.maximum.reduceat(nearest, starts, axis=1)
        yield part, best, order[place]


def _smallest(values: Floats, keep: int) -> Ints:
    """Columns of the `keep` smallest values of each row, in order."""
    if keep >= values.shape[1]:
        return np.argsort(values, axis=1, kind="stable")
    near = np.sort(np.argpartition(values, keep - 1, axis=1)[:, :keep], axis=1)
    order = np.argsort(np.take_along_axis(values, near, axis=1), axis=1, kind="stable")
    return np.take_along_axis(near, order, axis=1)


def _distances(rows: Floats, pool: Floats, alone: bool) -> Floats:
    """All distances [n, r]; those of `top_of` to the last bit where groups are single images."""
    if alone:
        row, column = np.indices((len(rows), len(pool))).reshape(2, -1)
        return pair_distances(rows, pool, row, column).reshape(len(rows), len(pool))
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(rows, pool))
