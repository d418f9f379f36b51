"""Which generated images are near copies of a real one, in some view?"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vestige.choices import InputError
from vestige.copies.pairs import Block, Comparison, compare
from vestige.stats.copy_line import FLOOR, LEVEL, CopyLine, copy_line
from vestige.stats.groups import Labels
from vestige.symmetries import Symmetry, Views
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
    view : [k], number of the symmetry, within `CopySearch.views`, in which the generated image
        looks like the real one
    """

    real: Ints
    generated: Ints
    value: Floats
    lead: Floats
    beyond: Floats
    view: Ints


@dataclass(frozen=True, eq=False)
class CopySearch:
    """Near copies of targets and of calibrating images, and the line they passed.

    by : "calibration", or "reals" where too few groups calibrate and reals against the reals of
        other groups stand in for them
    best : [n], the largest lead of every real
    plain : generated images that are nearly constant and were compared with nothing
    """

    targets: NearCopies
    calibration: NearCopies
    line: CopyLine
    by: str
    best: Float32s
    views: tuple[Symmetry, ...]
    plain: int


def search_copies(
    images: Images,
    groups: Labels,
    calibration: Bools,
    targets: Bools,
    generated: Images,
    views: Views = "mirror",
    level: float = LEVEL,
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
    level : float
        As of `copy_line`.

    Raises
    ------
    InputError
        When there is nothing to compare, or an image is both target and calibration.
    """
    labels = np.asarray(groups)
    if not len(images) or not len(generated):
        raise InputError("a search for copies needs a real and a generated image.")
    if (calibration & targets).any():
        raise InputError("an image cannot be judged and calibrate. Give each image one role.")
    comparison = compare(images, labels, generated, views)
    best, pairs, plain = _searched(comparison, calibration, targets)
    line, by = _line(comparison, labels, calibration, targets, best, level)
    return CopySearch(
        targets=_beyond(pairs[1], line),
        calibration=_beyond(pairs[0], line),
        line=line,
        by=by,
        best=best,
        views=comparison.views,
        plain=plain,
    )


def _line(
    comparison: Comparison,
    labels: npt.NDArray[np.generic],
    calibration: Bools,
    targets: Bools,
    best: Float32s,
    level: float,
) -> tuple[CopyLine, str]:
    judged = int(targets.sum()), len(np.unique(labels[targets]))
    # an image of a judged patient is no bystander
    apart = calibration & ~np.isin(labels, labels[targets])
    if len(np.unique(labels[apart])) >= FEWEST_BYSTANDERS:
        return copy_line(best[apart], labels[apart], *judged, level), "calibration"
    between = comparison.best_lead_between_reals()
    some = np.isfinite(between)
    return copy_line(between[some], labels[some], *judged, level, CAUTIOUS_FLOOR), "reals"


_PAIR = np.dtype(
    [
        ("real", np.int64),
        ("generated", np.int64),
        ("value", np.float32),
        ("lead", np.float32),
        ("view", np.uint8),
    ]
)


def _searched(
    comparison: Comparison, *roles: Bools
) -> tuple[Float32s, list[npt.NDArray[np.void]], int]:
    """The best lead of each real [n], of each role the pairs above the floor, plain images."""
    best = np.full(len(comparison.rows), -np.inf, np.float32)
    found, plain = [], 0
    for block in comparison.blocks():
        np.maximum(best, block.lead.max(axis=1), out=best)
        found.append(_above_floor(block))
        plain += int(block.plain.sum())
    pairs = np.concatenate(found)
    return best, [pairs[role[pairs["real"]]] for role in roles], plain


def _above_floor(block: Block) -> npt.NDArray[np.void]:
    """Few: with a lead above the floor an image has at most three groups."""
    real, column = np.nonzero((block.lead > FLOOR) & block.nearest)
    pairs = np.empty(len(real), _PAIR)
    pairs["real"], pairs["generated"] = real, column + block.start
    for name in ("value", "lead", "view"):
        pairs[name] = getattr(block, name)[real, column]
    return pairs


def _beyond(pairs: npt.NDArray[np.void], line: CopyLine) -> NearCopies:
    pairs = pairs[pairs["lead"] > line.line]
    pairs = pairs[np.lexsort((pairs["real"], pairs["generated"], -pairs["lead"]))]
    lead = pairs["lead"].astype(np.float64)
    return NearCopies(
        real=pairs["real"].copy(),
        generated=pairs["generated"].copy(),
        value=pairs["value"].astype(np.float64),
        lead=lead,
        beyond=line.beyond(lead),
        view=pairs["view"].astype(np.int64),
    )
