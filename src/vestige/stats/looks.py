"""One set test at many looks: exact alpha spending over one set of relabellings.

A generator is looked at again and again while it trains, always with the same real images. Under
"the split says nothing" the labels are exchangeable given *all* generated sets, whatever ties one
look to the next. So one set of relabellings serves all looks, and what is kept of each of them is
whether it would have raised the alarm at an earlier look. At look k as many of those that stand
highest join them as the level spent by then allows (Lan and DeMets 1983,
doi:10.1093/biomet/70.3.659, with the joint law of the looks taken from relabellings as Westfall and
Young 1993 take that of the largest statistic). The true labelling is one of them, each is as likely
to be it, so the chance that it is ever among the alarmed is at most the level.
"""

from dataclasses import dataclass, replace

import numpy as np

from vestige.types import Bools, Floats, Ints

HALFWAY = 20
"""Look by which half of the level is spent where nobody planned how many looks there are."""
LEVELS = 100
"""Levels at which the alarm is followed, besides the one that is asked for."""
TAIL = 0.01
"""Highest part of the relabellings that an exponential tail takes the place of."""


@dataclass(frozen=True, eq=False)
class Crossed:
    """Which relabellings have raised the alarm so far, at each of several levels.

    levels : [A], ascending, counts of relabellings: a level is such a count over all
    rows : bool [A, B]
    looks : how many looks there were
    """

    levels: Ints
    rows: Bools
    looks: int = 0

    def after(self, height: Floats, planned: int | None = None) -> "Crossed":
        """One look more, at which relabellings stand as high as `height` [B].

        Of equal relabellings all cross or none, so that their order says nothing.
        """
        looks = self.looks + 1
        allowed = np.floor(self.levels * spent_share(looks, planned) + 1e-9).astype(np.int64)
        height = np.round(height, 9)  # equal sums differ by rounding
        order = np.argsort(-height, kind="stable")
        ordered = height[order]
        rows = self.rows.copy()
        for row, room in zip(rows, allowed - rows.sum(axis=1), strict=True):
            if room < 1:
                continue
            waiting = np.flatnonzero(~row[order])
            line = ordered[waiting[room]] if room < len(waiting) else -np.inf
            row[order[waiting[ordered[waiting] > line]]] = True
        return replace(self, rows=rows, looks=looks)

    def p_value(self, truth: int) -> float:
        """The smallest level from which on upwards the relabelling `truth` has crossed, up to 1.

        It falls from look to look, and P(it is ever at most a) <= a.
        """
        held = np.flatnonzero(~self.rows[:, truth])
        first = 0 if not len(held) else int(held[-1]) + 1
        if first == len(self.levels):
            return 1.0
        return float(self.levels[first] / self.rows.shape[1])


def no_looks(relabellings: int, level: float) -> Crossed:
    """Before the first look, for that many relabellings, the true one among them.

    `level`, 0..1, is one of those that are followed, rounded down to a share of the relabellings.
    """
    every = np.rint(np.geomspace(1, relabellings, LEVELS)).astype(np.int64)
    asked = int(level * relabellings + 1e-9)
    levels = np.unique(np.append(every, max(1, asked)))
    return Crossed(levels, np.zeros((len(levels), relabellings), np.bool_))


def spent_share(look: int, planned: int | None = None) -> float:
    """Share of the level that is spent by a look (from 1; 0: before the first), 0..1.

    The same for each planned look; for an unknown number k / (k + `HALFWAY`), which never ends.
    """
    if planned is None:
        return look / (look + HALFWAY)
    return min(1.0, look / planned)


def share_of_look(look: int, planned: int | None = None) -> float:
    """Share of the level that one look (from 1) spends; all looks together at most 1."""
    return spent_share(look, planned) - spent_share(look - 1, planned)


def common_height(values: Floats, counts: Floats) -> Floats:
    """How high relabellings stand by the best of several statistics, [B].

    The height by one statistic is -log of the share of relabellings that reach as far; beyond the
    highest `TAIL` of them that of an exponential law with their mean excess, so that one that lies
    far outside stands alone. All relabellings are treated alike.

    Parameters
    ----------
    values : [B, K]
        Statistics, higher = candidates stand out.
    counts : [K]
        What a statistic counts, 1 in full: log(counts) is added to its heights.
    """
    total = len(values)
    outside = max(10, int(TAIL * total))
    heights = np.empty(values.shape)
    for k, column in enumerate(np.round(values, 9).T):
        ordered = np.sort(column)
        below = np.searchsorted(ordered, column)
        heights[:, k] = -np.log((total - below) / total)
        if outside >= total:
            continue
        top = ordered[total - outside]
        excess = float((ordered[total - outside :] - top).mean())
        if excess > 0:
            over = column > top
            heights[over, k] = (column[over] - top) / excess - np.log(outside / total)
    return np.asarray((heights + np.log(counts)).max(axis=1))
