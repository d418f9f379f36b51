"""What is kept of cosines with a generated set while it goes by, and the scores that it gives."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from vestige.detectors.cosine_search import (
    Neighbours,
    Search,
    largest_of_rows,
    largest_view,
    with_larger,
)
from vestige.features.rows import Rows
from vestige.features.whitening import unit
from vestige.stats.exact import on_grid
from vestige.types import Float32s, Floats

TEMPERATURE = 0.1
Aggregate = Literal["top", "cube", "logsumexp"]


class TallyOptions(Protocol):
    """How cosines become a score: `vestige.detectors.matched_filter.MatchedFilter` has them."""

    top: int
    aggregate: Aggregate
    competition: int


@dataclass(frozen=True)
class Tally:
    """What is kept of the cosines of n rows with a generated set; a set that grows adds to it.

    best : float32 [n, k], ascending; total : float64 [n, views], of all in each view; count : all
    """

    best: Float32s
    total: Floats
    count: int


def no_cosines(n: int) -> Tally:
    """Before any generated image was seen."""
    return Tally(np.empty((n, 0), dtype=np.float32), np.zeros((n, 1)), 0)


def tally_cosines(
    search: Search,
    generated: Rows,
    options: TallyOptions,
    tally: Tally,
    neighbours: Neighbours | None = None,
    first: int = 0,
) -> Tally:
    """Add the cosines with generated rows [m, D], streamed; the first has the number `first`."""
    of_best = neighbours is None and options.aggregate != "cube"
    for start, projected in search.projected(generated):
        made = unit(projected)
        views = [search.scored_best(made, projected)] if of_best else []
        views = views or search.scored_views(made, projected)
        best = largest_view(views)
        if neighbours is not None:
            neighbours.add(first + start, views, best)
        tally = _added(tally, search, made, views, best, options)
    return tally


def _added(
    tally: Tally,
    search: Search,
    made: Float32s,
    views: list[Float32s],
    cosines: Float32s,
    options: TallyOptions,
) -> Tally:
    best, total = tally.best, tally.total
    if options.aggregate == "top":
        if options.competition:
            among = cosines
            if search.rivals is not search.rows:
                among = search.largest(made, search.rivals)
            elif search.own is not None:  # a patient of many slices is one rival
                among = search.own.largest(cosines)
            cosines -= largest_of_rows(among, options.competition).mean(axis=1)[:, None]
        best = with_larger(best, cosines, options.top)
    elif options.aggregate == "cube":
        total = total + on_grid(np.stack([_cubes(view) for view in views], axis=1))
    else:  # a cosine is at most 1, so exp(cosine / t) <= exp(10): no overflow
        scaled = np.exp(cosines / np.float32(TEMPERATURE))
        total = total + on_grid(scaled.sum(axis=0, dtype=np.float64))[:, None]
    return Tally(best, total, tally.count + len(made))


@dataclass(frozen=True, eq=False)
class Seen:
    """What one pass over the generated set finds."""

    tally: Tally
    neighbours: Neighbours | None


def see(
    search: Search,
    options: TallyOptions,
    nearest: int,
    state: Seen | None,
    start: int,
    rows: Float32s,
) -> Seen:
    """A pass over generated rows [b, D]; with `nearest` also the neighbours of each real."""
    if state is None:
        n = len(search)
        kept = Neighbours(n, nearest, search.folding.symmetries) if nearest else None
        state = Seen(no_cosines(n), kept)
    tally = tally_cosines(search, rows, options, state.tally, state.neighbours, start)
    return Seen(tally, state.neighbours)


def see_both(options: TallyOptions, first: Seen, second: Seen) -> Seen:
    """Merge what two passes found."""
    one, other = first.tally, second.tally
    best = with_larger(one.best, other.best.T, options.top)
    tally = Tally(best, one.total + other.total, one.count + other.count)
    neighbours = None
    if first.neighbours is not None and second.neighbours is not None:
        neighbours = first.neighbours.joined(second.neighbours)
    return Seen(tally, neighbours)


def aggregate(tally: Tally, options: TallyOptions) -> Floats:
    """The scores, float64 [n]."""
    if options.aggregate == "top":
        return np.asarray(tally.best.mean(axis=1, dtype=np.float64))
    if options.aggregate == "cube":
        return np.asarray(tally.total.max(axis=1) / tally.count)
    return np.asarray(np.log(tally.total[:, 0]))


def _cubes(cosines: Float32s) -> Floats:
    cubes = cosines * cosines
    cubes *= cosines
    return np.asarray(cubes.sum(axis=0, dtype=np.float64))
