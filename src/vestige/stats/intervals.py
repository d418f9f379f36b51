"""AUC with its interval; the one place to import rates and their intervals from."""

import math
from collections.abc import Iterator

import numpy as np

from vestige.schema.records import Estimate
from vestige.stats.bootstrap import FEWEST_GROUPS, bca_interval, draw_groups, percentile_interval
from vestige.stats.groups import Labels, finite_vector, group_index, refuse_shared
from vestige.stats.power import auc_sd
from vestige.stats.ranks import mid_ranks
from vestige.stats.rates import clopper_pearson, fpr_upper_bound, share_interval
from vestige.stats.roc import SIDES, roc_band, roc_points, tpr_at_fpr
from vestige.types import Floats, Ints

__all__ = [
    "auc",
    "auc_interval",
    "clopper_pearson",
    "delong_variance",
    "fpr_upper_bound",
    "roc_band",
    "roc_points",
    "share_interval",
    "tpr_at_fpr",
]

_BCA_GROUPS = 30
_BLOCK = 256  # unused groups whose pair counts are held at a time


def auc(used: Floats, unused: Floats) -> float:
    """Chance that a used image scores above an unused one, ties counting half.

    Parameters
    ----------
    used, unused : Floats, shapes (n1,) and (n0,)
        Finite scores, higher = more likely used.

    Returns
    -------
    float
        0..1; never turned round: a value well below .5 means a defect.
    """
    used = finite_vector(used, "scores of used images")
    unused = finite_vector(unused, "scores of unused images")
    wins = mid_ranks(np.concatenate([used, unused]))[: used.size] - mid_ranks(used)
    # halves add up without rounding, so the order of the rows cannot show
    return float(wins.sum() / (used.size * unused.size))


def delong_variance(used: Floats, unused: Floats) -> float:
    """Variance of the AUC for independent images (DeLong et al. 1988, doi:10.2307/2531595).

    Needs two images on each side.
    """
    used = finite_vector(used, "scores of used images", least=2)
    unused = finite_vector(unused, "scores of unused images", least=2)
    ranks = mid_ranks(np.concatenate([used, unused]))
    below = np.sort(ranks[: used.size] - mid_ranks(used)) / unused.size
    above = np.sort(mid_ranks(unused) - ranks[used.size :]) / used.size
    return float(below.var(ddof=1) / used.size + above.var(ddof=1) / unused.size)


def auc_interval(
    used: Floats,
    unused: Floats,
    used_groups: Labels | None = None,
    unused_groups: Labels | None = None,
    level: float = 0.95,
    seed: int = 0,
    repeats: int = 2000,
) -> Estimate:
    """AUC with its interval.

    One image per group: DeLong's variance on the logit scale. Otherwise whole groups are drawn
    with replacement within status: expanded percentile interval, BCa from 30 groups a side. Where
    these have nothing to work with (AUC 0 or 1, no variance, a single image, fewer than 10
    groups on a side), the values A with |A - AUC| <= z SE(A) (Hanley and McNeil 1982), groups
    counting as single images.

    Parameters
    ----------
    used, unused : Floats, shapes (n1,) and (n0,)
        Finite scores, higher = more likely used.
    used_groups, unused_groups : labels of shapes (n1,) and (n0,), optional
        Patients; none may stand on both sides.
    level : float
        Coverage, 0..1.
    seed, repeats : int
        Of the bootstrap.

    Returns
    -------
    Estimate
        0 <= low <= value <= high <= 1; n counts the images of both sides.

    Raises
    ------
    InputError
        Without images on a side, with a score that is not finite or a group on both sides.
    """
    used = finite_vector(used, "scores of used images")
    unused = finite_vector(unused, "scores of unused images")
    refuse_shared(used_groups, unused_groups, SIDES)
    used_index, n_used = group_index(used_groups, used.size)
    unused_index, n_unused = group_index(unused_groups, unused.size)
    value = auc(used, unused)
    limits: tuple[float, float] | None = None
    if n_used == used.size and n_unused == unused.size:
        if min(n_used, n_unused) >= 2:
            limits = _logit_interval(value, delong_variance(used, unused), level)
    elif min(n_used, n_unused) >= FEWEST_GROUPS:
        limits = _bootstrap_interval(
            (used, used_index, n_used), (unused, unused_index, n_unused), value, level,
            np.random.default_rng(seed), repeats,
        )  # fmt: skip
    if limits is None:
        limits = score_interval(value, n_used, n_unused, level)
    return Estimate(value, *limits, used.size + unused.size)


def _logit_interval(value: float, variance: float, level: float) -> tuple[float, float] | None:
    from scipy.special import ndtri

    if variance <= 0.0 or not 0.0 < value < 1.0:
        return None
    centre = math.log(value / (1.0 - value))
    half = float(ndtri((1.0 + level) / 2.0)) * math.sqrt(variance) / (value * (1.0 - value))
    low, high = (0.5 * (1.0 + math.tanh(0.5 * (centre + s * half))) for s in (-1.0, 1.0))
    return min(low, value), max(high, value)


def score_interval(value: float, n1: float, n0: float, level: float) -> tuple[float, float]:
    """The values A with |A - AUC| <= z SE(A) (Hanley and McNeil 1982) for n1 and n0 images."""
    from scipy.optimize import brentq
    from scipy.special import ndtri

    z = float(ndtri((1.0 + level) / 2.0))

    def lower(at: float, n1: float, n0: float) -> float:
        # A = `at` is always a root where the variance vanishes (at 1), hence the small step.
        top = at - 1e-9
        if top <= 0.0:
            return 0.0
        return float(brentq(lambda a: at - a - z * auc_sd(a, n1, n0), 0.0, top))

    return lower(value, n1, n0), 1.0 - lower(1.0 - value, n0, n1)


def _bootstrap_interval(
    used: tuple[Floats, Ints, int],
    unused: tuple[Floats, Ints, int],
    value: float,
    level: float,
    rng: np.random.Generator,
    repeats: int,
) -> tuple[float, float] | None:
    """AUC of every draw from one table of pair wins between groups, none scored again."""
    used_sizes = np.bincount(used[1]).astype(np.float64)
    unused_sizes = np.bincount(unused[1]).astype(np.float64)
    drawn_used = draw_groups(used[2], repeats, rng)
    drawn_unused = draw_groups(unused[2], repeats, rng)
    wins = np.zeros(repeats)
    wins_of_used = np.zeros(used[2])
    wins_of_unused = np.zeros(unused[2])
    for block, table in group_wins(used, unused):
        wins += ((drawn_used @ table) * drawn_unused[:, block]).sum(axis=1)
        wins_of_used += table.sum(axis=1)
        wins_of_unused[block] = table.sum(axis=0)
    samples = wins / ((drawn_used @ used_sizes) * (drawn_unused @ unused_sizes))
    if np.ptp(samples) < 1e-12:
        return None
    if min(used[2], unused[2]) < _BCA_GROUPS:
        return percentile_interval(samples, value, level, min(used[2], unused[2]))
    total, n1, n0 = wins_of_used.sum(), used_sizes.sum(), unused_sizes.sum()
    leave_one_out = (
        (total - wins_of_used) / ((n1 - used_sizes) * n0),
        (total - wins_of_unused) / (n1 * (n0 - unused_sizes)),
    )
    return bca_interval(samples, value, leave_one_out, level)


def group_wins(
    used: tuple[Floats, Ints, int], unused: tuple[Floats, Ints, int]
) -> Iterator[tuple[slice, Floats]]:
    """Pairs won by used groups [n_used, block] against blocks of unused groups, ties half."""
    from scipy.sparse import csr_array

    used_scores, used_index, n_used = used
    unused_scores, unused_index, n_unused = unused
    order = np.argsort(unused_scores)
    below = np.searchsorted(unused_scores[order], used_scores, side="left")
    not_above = np.searchsorted(unused_scores[order], used_scores, side="right")
    members = csr_array(
        (np.ones(used_scores.size), (used_index, np.arange(used_scores.size))),
        shape=(n_used, used_scores.size),
    )
    for start in range(0, n_unused, _BLOCK):
        block = slice(start, min(start + _BLOCK, n_unused))
        belongs = unused_index[order][:, np.newaxis] == np.arange(block.start, block.stop)
        counts = np.zeros((unused_scores.size + 1, block.stop - block.start))
        np.cumsum(belongs, axis=0, out=counts[1:])
        yield block, np.asarray(members @ (0.5 * (counts[below] + counts[not_above])))
