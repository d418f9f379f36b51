"""True positives at a false positive rate: thresholds that exist, never an interpolated curve."""

import math

import numpy as np

from vestige.choices import InputError
from vestige.records import Rate
from vestige.stats.bootstrap import FEWEST_GROUPS, draw_groups, percentile_interval
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


def tpr_at_fpr(
    used: Floats,
    unused: Floats,
    fpr: float,
    used_groups: Labels | None = None,
    unused_groups: Labels | None = None,
    *,
    level: float = 0.95,
    seed: int = 0,
    repeats: int = 2000,
) -> Rate:
    """Share of used images strictly above the (k+1)-th largest unused score, k = floor(fpr n0).

    The realised false positive rate is at most k / n0; :func:`fpr_upper_bound` says what the true
    one may be. Interval: bootstrap of whole groups (images, where each is its own group) within
    status, with the threshold redrawn. Below 10 groups on a side, or where every draw agrees,
    Clopper-Pearson with the used groups as units, which takes the threshold as known: elsewhere it
    would hold the truth in 48 to 83 of 100 worlds only. With k = 1 the bootstrap's threshold hardly
    moves, and it holds the truth in 78 to 86 (docs/calibration.md).

    Parameters
    ----------
    used, unused : Floats, shapes (n1,) and (n0,)
        Higher = more likely used.
    fpr : float
        Asked false positive rate, 1/n0 <= fpr < 1.
    used_groups, unused_groups : labels, optional
        No group may be on both sides.
    level, seed, repeats
        Coverage; seed and number of bootstrap repeats.

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
    value = float((used > np.sort(unused)[-1 - allowed]).mean())
    used_index, n_used = group_index(used_groups, used.size)
    unused_index, n_unused = group_index(unused_groups, unused.size)
    low, high = share_interval(value, n_used, level)
    if min(n_used, n_unused) >= FEWEST_GROUPS:
        samples = _bootstrap_tpr(
            used, unused, np.array([fpr]), (used_index, n_used), (unused_index, n_unused),
            repeats, seed,
        )[:, 0]  # fmt: skip
        if np.ptp(samples) > 0.0:
            low, high = percentile_interval(samples, value, level, min(n_used, n_unused))
    return Rate(value, low, high, used.size, fpr)


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
