"""True positives at a false positive rate: thresholds that exist, never an interpolated curve."""

import math

import numpy as np

from vestige.registry.entries import InputError
from vestige.schema.records import Rate
from vestige.stats.bootstrap import draw_groups
from vestige.stats.groups import Labels, finite_vector, group_index, refuse_shared
from vestige.stats.rates import share_interval
from vestige.types import Floats, Ints

SIDES = ("used", "unused")
_CHUNK = 256  # bootstrap repeats held in memory at a time


def roc_points(used: Floats, unused: Floats) -> tuple[Floats, Floats]:
    """Corners of the ROC for a step plot (``drawstyle="steps-post"``).

    One point per distinct score t, for the rule "score >= t": tied images enter together.

    Parameters
    ----------
    used, unused : Floats, shapes (n1,) and (n0,)
        Higher = more likely used.

    Returns
    -------
    fpr, tpr : Floats, shapes (m,)
        Both rise from 0 to 1.
    """
    used = np.sort(finite_vector(used, "scores of used images"))
    unused = np.sort(finite_vector(unused, "scores of unused images"))
    thresholds = np.unique(np.concatenate([used, unused]))[::-1]
    tpr = 1.0 - np.searchsorted(used, thresholds, side="left") / used.size
    fpr = 1.0 - np.searchsorted(unused, thresholds, side="left") / unused.size
    return np.concatenate([[0.0], fpr]), np.concatenate([[0.0], tpr])


def roc_on(used: Floats, unused: Floats, fprs: Floats) -> Floats:
    """True positive rates [m] of the ROC at false positive rates [m]: its last corner up to each.

    Parameters
    ----------
    used, unused : Floats, shapes (n1,) and (n0,)
        Higher = more likely used.
    fprs : Floats, 0..1
    """
    fpr, tpr = roc_points(used, unused)
    rates: Floats = tpr[np.searchsorted(fpr, fprs + 1e-12, side="right") - 1]
    return rates


def tpr_at_fpr(
    used: Floats,
    unused: Floats,
    fpr: float,
    used_groups: Labels | None = None,
    unused_groups: Labels | None = None,
    *,
    level: float = 0.95,
) -> Rate:
    """Share of used images strictly above the (k+1)-th largest unused score, k = floor(fpr n0).

    The realised false positive rate is at most k / n0; :func:`fpr_upper_bound` says what the true
    one may be. Exact interval of the true positive rate at the *population's* rate fpr: the rate
    of "above the j-th largest of n0 unused scores" has the law Beta(j, n0 - j + 1), so one order
    statistic lies above the population's threshold and one below it, each with error (1 - level)
    / 4, and Clopper-Pearson limits of the shares above them have that error as well. Where no order
    statistic lies above surely enough, the lower limit is 0 (437 unused images for fpr .01), where
    none lies below, the upper limit is 1.

    Groups: n images in patients of m images each count as (sum m)^2 / sum m^2 independent ones on
    either side, the fewest they can be worth when m does not depend on the scores.

    Parameters
    ----------
    used, unused : Floats, shapes (n1,) and (n0,)
        Higher = more likely used.
    fpr : float
        Asked false positive rate, 1/n0 <= fpr < 1.
    used_groups, unused_groups : labels, optional
        No group may be on both sides.
    level : float
        Coverage at least this, 0..1.

    Returns
    -------
    Rate
        `fpr` is the asked one; n counts the used images.

    Raises
    ------
    InputError
        When 1/n0 is above the asked rate, with the needed number of unused images.
    """
    used = finite_vector(used, "scores of used images")
    unused = finite_vector(unused, "scores of unused images")
    refuse_shared(used_groups, unused_groups, SIDES)
    if not 0.0 < fpr < 1.0:
        raise InputError(f"a false positive rate lies between 0 and 1, found {fpr:g}.")
    allowed = _allowed(fpr, unused.size)
    if allowed < 1:
        needed = math.ceil(1.0 / fpr - 1e-9)
        raise InputError(
            f"a true positive rate at a false positive rate of {fpr:g} needs {needed} unused "
            f"images, {unused.size} were given. Add some or ask for {_reachable(unused.size)}."
        )
    falling = np.sort(unused)[::-1]
    value = float((used > falling[allowed]).mean())
    n1, n0 = _worth(used_groups, used.size), _worth(unused_groups, unused.size)
    above, below = _order_statistics(fpr, n0, (1.0 - level) / 4.0)
    low, high = 0.0, 1.0
    exact = 1.0 - (1.0 - level) / 2.0  # an interval whose sides have the error (1 - level) / 4
    if above:
        # among images, the one that leaves no larger share above it than `above` of n0 does
        surely = falling[math.floor(above * unused.size / n0 + 1e-9) - 1]
        low = share_interval(float((used > surely).mean()), n1, exact)[0]
    if below:
        surely = falling[min(math.ceil(below * unused.size / n0 - 1e-9), unused.size) - 1]
        high = share_interval(float((used >= surely).mean()), n1, exact)[1]
    return Rate(value, min(low, value), max(high, value), used.size, fpr)


def _worth(groups: Labels | None, n: int) -> float:
    """Independent images that `n` images are worth if those of a group are all alike."""
    index, _ = group_index(groups, n)
    return n**2 / float((np.bincount(index).astype(np.float64) ** 2).sum())


def _order_statistics(rate: float, n: float, error: float) -> tuple[int, int]:
    """The j-th largest of n whose false positive rate is surely <= rate, and surely >= rate.

    The largest j and the smallest j for which the opposite has a chance of at most `error`; 0
    where there is none.
    """
    from scipy.special import betainc

    j = np.arange(1.0, math.floor(n + 1e-9) + 1.0)
    at_most = betainc(j, np.maximum(n - j, 0.0) + 1.0, rate)  # P(Beta(j, n - j + 1) <= rate)
    above = int((1.0 - at_most <= error).sum())
    below = int((at_most > error).sum()) + 1
    return above, below if below <= len(j) else 0


def roc_band(
    used: Floats,
    unused: Floats,
    grid: Floats,
    used_groups: Labels | None = None,
    unused_groups: Labels | None = None,
    seed: int = 0,
    *,
    level: float = 0.95,
    repeats: int = 1000,
) -> tuple[Floats, Floats]:
    """Pointwise bootstrap band of the step ROC on a grid of false positive rates, for the chart.

    Whole groups are drawn within status and the threshold is redrawn. The band holds the curve of
    :func:`roc_points`; it is a picture, not a simultaneous confidence region.

    Parameters
    ----------
    used, unused : Floats, shapes (n1,) and (n0,)
    grid : Floats, shape (m,)
        False positive rates, 0..1.
    used_groups, unused_groups : labels, optional
    seed, level, repeats
        Seed and number of bootstrap repeats; pointwise coverage.

    Returns
    -------
    low, high : Floats, shapes (m,)
        True positive rates, 0..1.
    """
    used = finite_vector(used, "scores of used images")
    unused = finite_vector(unused, "scores of unused images")
    grid = finite_vector(grid, "grid of false positive rates")
    if grid.min() < 0.0 or grid.max() > 1.0:
        raise InputError(f"false positive rates lie in 0..1, found {grid.min()} to {grid.max()}.")
    refuse_shared(used_groups, unused_groups, SIDES)
    used_side = group_index(used_groups, used.size)
    unused_side = group_index(unused_groups, unused.size)
    samples = _bootstrap_tpr(used, unused, grid, used_side, unused_side, repeats, seed)
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(samples, [tail, 1.0 - tail], axis=0)
    falling = np.sort(unused)[::-1]
    allowed = [_allowed(rate, unused.size) for rate in grid]
    curve = np.array(
        [float((used > falling[k]).mean()) if k < unused.size else 1.0 for k in allowed]
    )
    return np.minimum(low, curve), np.maximum(high, curve)


def _bootstrap_tpr(
    used: Floats,
    unused: Floats,
    rates: Floats,
    used_side: tuple[Ints, int],
    unused_side: tuple[Ints, int],
    repeats: int,
    seed: int,
) -> Floats:
    """TPR at each rate [repeats, m] when groups are drawn with replacement within status."""
    rng = np.random.default_rng(seed)
    used_order, unused_order = np.argsort(-used), np.argsort(-unused)
    # number of used images above each unused score, best unused first; all of them beyond the last
    above = np.append(np.searchsorted(np.sort(-used), np.sort(-unused), side="left"), used.size)
    out = np.empty((repeats, rates.size))
    for start in range(0, repeats, _CHUNK):
        rows = min(_CHUNK, repeats - start)
        drawn_used = draw_groups(used_side[1], rows, rng)[:, used_side[0][used_order]]
        drawn_unused = draw_groups(unused_side[1], rows, rng)[:, unused_side[0][unused_order]]
        true = np.zeros((rows, used.size + 1))
        np.cumsum(drawn_used, axis=1, out=true[:, 1:])
        false = np.cumsum(drawn_unused, axis=1)
        allowed = np.floor(rates * false[:, -1:] + 1e-9)
        for row in range(rows):
            threshold = np.searchsorted(false[row], allowed[row] + 1.0, side="left")
            out[start + row] = true[row, above[threshold]] / true[row, -1]
    return out


def _allowed(rate: float, n0: int) -> int:
    """floor(rate n0), not one less where the product is a whole number in decimals (.29 x 100)."""
    return math.floor(rate * n0 + 1e-9)


def _reachable(n0: int) -> str:
    return f"{math.ceil(1e4 / n0) / 1e4:g} or more" if n0 > 1 else "nothing below 1"
