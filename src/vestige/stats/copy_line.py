"""The line that a pair (generated image, real image) must pass to be a copy."""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from vestige.stats.groups import finite_vector, group_index
from vestige.types import Floats

COPY_ALPHA = 0.005
FLOOR = 0.45
SCALE = 0.035
"""Scale of the upper tail of leads. Not estimated: from 20 groups an estimate is off by a third,
and ten times that decides. Chosen on worlds of X-rays, CT and skin at 32 px
(`benchmarks/copy_rule.py`), whose bystanders mostly have scales of .02 to .04."""
TOGETHER = 8
"""Most groups that are looked at together."""
ENOUGH = 32 * 32
"""Pixels from which on the scale is `SCALE`: fewer tell two images apart less."""


@dataclass(frozen=True)
class CopyLine:
    """What separates copies from bystanders.

    line : a pair above it is a copy; infinite where nothing is
    highest : largest value of a bystander group that is not itself copied; -inf without bystanders
    spread : standard deviation of these groups' values, the unit of `beyond`; 1 for fewer than two
    bystanders : groups
    copied : bystander groups above the line
    usable : False where half of the bystander groups lie above the floor, so that nothing tells
        copies from the usual
    """

    line: float
    highest: float
    spread: float
    bystanders: int
    copied: int
    usable: bool

    def beyond(self, values: npt.ArrayLike) -> Floats:
        """How far values lie above the line, in units of the spread."""
        return (np.asarray(values, dtype=np.float64) - self.line) / self.spread


def copy_line(
    best: npt.ArrayLike,
    groups: npt.NDArray[np.generic],
    target_images: int,
    target_groups: int,
    level: float = COPY_ALPHA,
    floor: float = FLOOR,
    scale: float = SCALE,
) -> CopyLine:
    """Extrapolate from what bystanders reach to what that many targets could reach by chance.

    A bystander group has the value of its best image, u_1 <= ... <= u_n. Where the largest of many
    values has an exponential upper tail of scale s (Gumbel's domain of attraction, to which the
    normal and the logistic belong), the largest of r n values lies above the largest of n others by
    more than s log(1 + r (1 / level - 1)) with probability r / (1 + r / level), at most `level`:
    the difference of two Gumbel variables is logistic (Coles 2001, An Introduction to Statistical
    Modeling of Extreme Values, chapter 3). So

        line = max(floor, h + s log(1 + r (1 / level - 1))),

    with h the largest u that is no copy, and r the larger of the ratios of images and of groups.
    A group is a copy itself if it lies above max(floor, median + s log(n / level)): the median
    hardly moves when a third of the bystanders are copied. Real tails differ from the formula: that
    at most 1 % of worlds without copies name anything is measured, `benchmarks/copy_rule.py`.

    Parameters
    ----------
    best : [k]
        Best value of each bystander image.
    groups : [k]
        Their groups; each counts once.
    target_images, target_groups : int
        What is judged.
    level : float
        Chance that any target of a null world passes, by the formula.
    floor : float
        No line lies below: what resembles less is no copy, however little bystanders resemble.
    scale : float
        s, as of `tail_scale`.
    """
    values = finite_vector(best, "best values of bystanders", least=0)
    index, n = group_index(groups, len(values))
    if n == 0:
        return CopyLine(floor, -math.inf, 1.0, 0, 0, True)
    tops = np.full(n, -np.inf)
    np.maximum.at(tops, index, values)
    middle = float(np.median(tops))
    if middle > floor:
        return CopyLine(math.inf, float(tops.max()), 1.0, n, int((tops > floor).sum()), False)
    clean = tops[tops <= max(floor, middle + scale * math.log(n / level))]
    highest, spread = float(clean.max()), float(clean.std())
    ratio = max(target_images / len(values), target_groups / n)
    line = max(floor, highest + scale * math.log1p(ratio * (1 / level - 1)))
    copied = int((tops > line).sum())
    return CopyLine(line, highest, spread if spread > 0 else 1.0, n, copied, True)


def line_of_several(
    line: CopyLine,
    tops: Floats,
    ratio: float,
    level: float,
    scale: float = SCALE,
    floor: float = FLOOR,
) -> CopyLine:
    """A lower line where several target groups pass it together.

    With H the largest of n bystanders and r n targets the number of targets above H + m is
    geometric: j or more are with probability (q / (1 + q))^j, q = r exp(-m / s), by the same law as
    in `copy_line`. The line for j groups, 2 to `TOGETHER`, is the one that j pass with probability
    level / 2^j; the more pass together, the less is extrapolated. All these take half of the level.

    Parameters
    ----------
    line : CopyLine
        At half of the level.
    tops : [g]
        Best value of each target group.
    ratio : float
        r, as in `copy_line`.
    """
    if not line.usable or not math.isfinite(line.highest):
        return line
    ordered, lowest = np.sort(tops)[::-1], line.line
    for j in range(2, min(TOGETHER, len(ordered)) + 1):
        odds = ratio * ((level / 2**j) ** (-1 / j) - 1)
        passed = max(floor, line.highest + scale * math.log(max(1.0, odds)))
        if ordered[j - 1] > passed:
            lowest = min(lowest, passed)
    return replace(line, line=lowest)


def tail_scale(pixels: int) -> float:
    """Scale of the upper tail of leads between images of that many compared pixels.

    It grows by the square root of the side below 32 x 32. At 16 x 16 that is .0495; with it one
    look at 40 + 40 drawn ellipses names one of them in .5 % (44 and 32 of 8,000), with `SCALE` in
    3.3 % (docs/training-loops.md).
    """
    return SCALE * max(1.0, math.sqrt(math.sqrt(ENOUGH / pixels)))
