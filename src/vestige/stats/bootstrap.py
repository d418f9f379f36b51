"""Whole groups drawn with replacement, and intervals from what the draws give."""

import math

import numpy as np

from vestige.types import Floats

FEWEST_GROUPS = 10
"""Below this number of groups a bootstrap interval is far too short; callers use another."""


def draw_groups(n_groups: int, repeats: int, rng: np.random.Generator) -> Floats:
    """How often each group is drawn in each repeat: float64 [repeats, n_groups], rows sum up."""
    drawn = rng.integers(0, n_groups, (repeats, n_groups))
    drawn += n_groups * np.arange(repeats)[:, np.newaxis]
    counts = np.bincount(drawn.ravel(), minlength=repeats * n_groups)
    return counts.reshape(repeats, n_groups).astype(np.float64)


def percentile_interval(
    samples: Floats, value: float, level: float, n_groups: int
) -> tuple[float, float]:
    """Expanded percentile interval of bootstrap values [repeats], widened to hold `value`.

    The plain one is as short as a normal interval with the biased variance; for few groups the
    tails are moved out to where Student's t would put them (Hesterberg 2015,
    doi:10.1080/00031305.2015.1089789). `n_groups` is the number on the smaller side.
    """
    from scipy.special import ndtr, stdtrit

    edge = stdtrit(n_groups - 1, (1.0 - level) / 2.0) * math.sqrt(n_groups / (n_groups - 1))
    tail = float(ndtr(edge))
    low, high = np.quantile(samples, [tail, 1.0 - tail])
    return min(float(low), value), max(float(high), value)


def bca_interval(
    samples: Floats, value: float, leave_one_out: tuple[Floats, ...], level: float
) -> tuple[float, float]:
    """Bias-corrected and accelerated interval (Efron 1987, doi:10.2307/2289144).

    Parameters
    ----------
    samples : Floats, shape (repeats,)
        Bootstrap values of the statistic.
    value : float
        The statistic itself.
    leave_one_out : tuple of Floats
        For each independent sample (used, unused), the statistic without each of its groups.
    level : float
        Coverage, 0..1.

    Returns
    -------
    tuple of float
        Low and high; they hold `value`.
    """
    from scipy.special import ndtr, ndtri

    below = ((samples < value).sum() + 0.5 * (samples == value).sum()) / samples.size
    # 1 / (2 repeats) is the finest share the repeats can tell; beyond it the bias is infinite.
    edge = 0.5 / samples.size
    bias = ndtri(np.clip(below, edge, 1.0 - edge))
    cubes = squares = 0.0
    for values in leave_one_out:
        influence = (values.size - 1) / values.size * (values.mean() - values)
        cubes += float((influence**3).sum())
        squares += float((influence**2).sum())
    acceleration = cubes / (6.0 * squares**1.5) if squares > 0.0 else 0.0
    z = bias + ndtri([(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    shares = ndtr(bias + z / (1.0 - acceleration * z))
    low, high = np.quantile(samples, shares)
    return min(float(low), value), max(float(high), value)
