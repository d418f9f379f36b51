"""Which generated images are near copies of a real one, in some view?"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from vestige.copies.moved import WHOLE
from vestige.copies.pairs import Block, Comparison, compare
from vestige.registry.entries import InputError
from vestige.stats.copy_line import (
    COPY_ALPHA,
    FLOOR,
    CopyLine,
    copy_line,
    line_of_several,
    tail_scale,
)
from vestige.stats.groups import Labels
from vestige.symmetries import VIEWS, Symmetry, Views
from vestige.types import Bools, Float32s, Floats, Images, Ints

FEWEST_BYSTANDERS = 10
CAUTIOUS_FLOOR = 0.55
"""Floor of the line where fewer than `FEWEST_BYSTANDERS` groups calibrate."""


@dataclass(frozen=True, eq=False)
class NearCopies:
    """Pairs (real, generated) beyond the line, the farthest first.

    Of the images of one patient only the nearest is there (several of equal pixels): a slice beside
    the copied one is no original. More than five patients with the same picture are each other's
    rivals and have no pair: equal pixels are the business of another search.

    real, generated : [k], rows
    value : [k], filtered cosine, -1..1
    lead : [k], what the line is for: value less the mean of the best five other groups, -1..2
    beyond : [k], lead less the line, in units of the bystanders' spread
    view : [k], number of the symmetry, in `vestige.symmetries.SYMMETRIES`, in which the generated
        image looks like the real one
    part : [k, 3], top, left and side of the part of the real image that is seen, in shares of its
        side; the whole image where nothing is shifted or cropped
    """

    real: Ints
    generated: Ints
    value: Floats
    lead: Floats
    beyond: Floats
    view: Ints
    part: Floats

    @property
    def moved(self) -> Bools:
        """Which reals had to be shifted or cropped, [k]."""
        return np.asarray((self.part != WHOLE).any(axis=1))


@dataclass(frozen=True, eq=False)
class CopySearch:
    """Near copies of targets and of calibrating images, and the line they passed.

    by : "calibration", or "reals" where too few groups calibrate and reals against the reals of
        other groups stand in for them
    best, similar : [n], the largest lead and the largest filtered cosine of every real
    plain : generated images that are nearly constant and were compared with nothing
    comparison : of which planted copies are asked again
    """

    targets: NearCopies
    calibration: NearCopies
    line: CopyLine
    by: str
    best: Float32s
    similar: Float32s
    views: tuple[Symmetry, ...]
    plain: int
    comparison: Comparison

    def names(self, copies: Images, rows: Ints, more: Images | None = None) -> Bools:
        """Which images [k, s, s] would be named as copies of reals [k], had they been generated.

        `rows` count the reals, then `more` [r, s, s], which are of groups of their own.
        """
        comparison = self.comparison
        n = len(comparison.codes)
        if (beyond := rows >= n).any() and more is not None:
            comparison = comparison.with_reals(more[rows[beyond] - n])
            rows = np.where(beyond, n + np.cumsum(beyond) - 1, rows)
        lead = comparison.pairs_with(copies).lead[np.arange(len(rows)), rows]
        return np.asarray(lead > self.line.line)


def search_copies(
    images: Images,
    groups: Labels,
    calibration: Bools,
    targets: Bools,
    generated: Images,
    views: Views = "mirror",
    move: bool = False,
    level: float = COPY_ALPHA,
) -> CopySearch:
    """Compare all reals with all generated images, and name the pairs that no bystander explains.

    Parameters
    ----------
    images : float32 [n, s, s]
        All reals, in any order; those that are neither target nor calibration are rivals only.
    groups : [n]
        Their patients.
    calibration, targets : bool [n]
        Bystanders, and whom to judge.
    generated : float32 [m, s, s]
        In memory or mapped; read twice, block by block.
    views : "none", "mirror" or "all"
        Symmetries in which a copy is looked for.
    move : bool
        Also look for copies that are shifted or cropped: a hundred times as dear.
    level : float
        As of `copy_line`.

    Raises
    ------
    InputError
        When there is nothing to compare, or an image is both target and calibration.
    """
    if not len(images) or not len(generated):
        raise InputError("a search for copies needs a real and a generated image.")
    if (calibration & targets).any():
        raise InputError("an image cannot be judged and calibrate. Give each image one role.")
    comparison = compare(images, groups, generated, views, move)
    return search_compared(comparison, calibration, targets, views, level)


def search_compared(
    comparison: Comparison,
    calibration: Bools,
    targets: Bools,
    views: Views,
    level: float,
    together: bool = False,
) -> CopySearch:
    """`search_copies` where reals and generated images are already in one filter.

    With `together` a lower line holds where several targets pass it (`line_of_several`).
    """
    seen = comparison.over_all(_see, _see_both)
    best, all_pairs = seen.best, np.concatenate(seen.pairs)
    pairs = [all_pairs[role[all_pairs["real"]]] for role in (calibration, targets)]
    line, by = _line(comparison, calibration, targets, best, level, together)
    return CopySearch(
        targets=_beyond(pairs[1], line, comparison),
        # where most calibrating images are copied, these are what can be told
        calibration=_beyond(pairs[0], line if line.usable else _floor(line), comparison),
        line=line,
        by=by,
        best=best,
        similar=seen.similar,
        views=VIEWS[views],
        plain=seen.plain,
        comparison=comparison,
    )


def _floor(line: CopyLine) -> CopyLine:
    return replace(line, line=FLOOR)


def _line(
    comparison: Comparison,
    calibration: Bools,
    targets: Bools,
    best: Float32s,
    level: float,
    together: bool,
) -> tuple[CopyLine, str]:
    labels, scale = comparison.codes, tail_scale(comparison.pixels)
    judged = int(targets.sum()), len(np.unique(labels[targets]))
    # an image of a target patient is no bystander
    apart = calibration & ~np.isin(labels, labels[targets])
    bystanders = len(np.unique(labels[apart]))
    if bystanders >= FEWEST_BYSTANDERS:
        single = level / 2 if together else level
        line = copy_line(best[apart], labels[apart], *judged, single, scale=scale)
        if together:
            ratio = max(judged[0] / int(apart.sum()), judged[1] / bystanders)
            tops = np.full(int(labels.max()) + 1, -np.inf)
            np.maximum.at(tops, labels[targets], best[targets])
            line = line_of_several(line, tops[np.isfinite(tops)], ratio, level, scale)
        return line, "calibration"
    between = comparison.best_lead_between_reals()
    some = np.isfinite(between)
    line = copy_line(between[some], labels[some], *judged, level, CAUTIOUS_FLOOR, scale)
    return line, "reals"


_PAIR = np.dtype(
    [
        ("real", np.int64),
        ("generated", np.int64),
        ("value", np.float32),
        ("lead", np.float32),
    ]
)


@dataclass(frozen=True, eq=False)
class _Seen:
    """What is known of some generated images.

    best, similar : [n], largest lead and value of each real
    pairs : those above the floor
    plain : images that are too plain
    """

    best: Float32s
    similar: Float32s
    pairs: list[npt.NDArray[np.void]]
    plain: int


def _see(state: _Seen | None, block: Block) -> _Seen:
    """A pass over the pairs with all generated images."""
    best, similar = block.lead.max(axis=0), block.value.max(axis=0)
    found = _Seen(best, similar, [_above_floor(block)], int(block.plain.sum()))
    return found if state is None else _see_both(state, found)


def _see_both(first: _Seen, second: _Seen) -> _Seen:
    return _Seen(
        np.maximum(first.best, second.best),
        np.maximum(first.similar, second.similar),
        [*first.pairs, *second.pairs],
        first.plain + second.plain,
    )


def _above_floor(block: Block) -> npt.NDArray[np.void]:
    """Few: with a lead above the floor an image has at most three groups."""
    row, real = np.nonzero((block.lead > FLOOR) & block.nearest)
    pairs = np.empty(len(real), _PAIR)
    pairs["real"], pairs["generated"] = real, row + block.start
    for name in ("value", "lead"):
        pairs[name] = getattr(block, name)[row, real]
    return pairs


def _beyond(pairs: npt.NDArray[np.void], line: CopyLine, comparison: Comparison) -> NearCopies:
    pairs = pairs[pairs["lead"] > line.line]
    pairs = pairs[np.lexsort((pairs["real"], pairs["generated"], -pairs["lead"]))]
    lead = pairs["lead"].astype(np.float64)
    view, part = comparison.views_of(pairs["generated"], pairs["real"])
    return NearCopies(
        real=pairs["real"].copy(),
        generated=pairs["generated"].copy(),
        value=pairs["value"].astype(np.float64),
        lead=lead,
        beyond=line.beyond(lead),
        view=view,
        part=part,
    )
