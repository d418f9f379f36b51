"""What an audit of this size can see (Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747).

Numbers of images may be effective sizes, hence fractional.
"""

import math
from collections.abc import Callable
from functools import cache

import numpy as np

from vestige.registry.entries import InputError
from vestige.stats.groups import Labels, finite_vector, group_index, group_means
from vestige.types import Floats


def null_sd(n1: float, n0: float) -> float:
    """Standard deviation of the AUC of `n1` used and `n0` unused images when nothing leaks."""
    _check_sizes(n1, n0)
    return math.sqrt((n1 + n0 + 1.0) / (12.0 * n1 * n0))


def auc_sd(auc: float, n1: float, n0: float) -> float:
    """Standard deviation of the estimated AUC when the true one is `auc` (exponential scores)."""
    _check_sizes(n1, n0)
    q1 = auc / (2.0 - auc)
    q2 = 2.0 * auc**2 / (1.0 + auc)
    variance = auc * (1.0 - auc) + (n1 - 1.0) * (q1 - auc**2) + (n0 - 1.0) * (q2 - auc**2)
    return math.sqrt(max(variance, 0.0) / (n1 * n0))


def minimum_detectable_auc(n1: float, n0: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest true AUC that a one-sided test at `alpha` finds with probability `power`.

    Solves A - .5 = z(1 - alpha) SE0 + z(power) SE1(A).

    Parameters
    ----------
    n1, n0 : float
        Used (or candidate) and unused images, at least 1; effective sizes when there are groups.
    alpha, power : float
        Both inside 0..1.

    Returns
    -------
    float
        .5..1; exactly 1.0 when not even perfect separation would be found that often.

    Raises
    ------
    InputError
        For sizes below 1 or rates outside 0..1.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtri

    _check_sizes(n1, n0)
    if not (0.0 < alpha < 1.0 and 0.0 < power < 1.0):
        raise InputError(f"alpha and power lie between 0 and 1, found {alpha:g} and {power:g}.")
    line = 0.5 + float(ndtri(1.0 - alpha)) * null_sd(n1, n0)
    z_power = float(ndtri(power))

    def shortfall(auc: float) -> float:
        return auc - line - z_power * auc_sd(auc, n1, n0)

    # SE1 vanishes at 1, so this end tells whether any AUC is large enough.
    if shortfall(1.0) <= 0.0:
        return 1.0
    if shortfall(0.5) >= 0.0:
        return 0.5
    return float(brentq(shortfall, 0.5, 1.0, xtol=1e-12))


def images_needed(auc: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """Smallest number of images per class for which `auc` is found (equal classes).

    Raises
    ------
    InputError
        When `auc` is not above .5 and at most 1, or so near .5 that 10^9 images fall short.
    """
    if not 0.5 < auc <= 1.0:
        raise InputError(f"the AUC to detect must be above .5 and at most 1, found {auc:g}.")
    return fewest(auc, lambda n: minimum_detectable_auc(n, n, alpha, power))


def fewest(auc: float, smallest_seen: Callable[[int], float]) -> int:
    """Smallest n >= 1 with ``smallest_seen(n) <= auc``, a function that falls with n.

    Raises
    ------
    InputError
        When 10^9 fall short.
    """

    def enough(n: int) -> bool:
        found = smallest_seen(n)
        # the answer 1.0 means "not even perfect separation"
        return found <= auc and found < 1.0

    low, high = 0, 1
    while high < 10**9 and not enough(high):
        low, high = high, 2 * high
    if high >= 10**9:
        raise InputError(f"an AUC of {auc:g} needs more than 10^9 images. Ask for a larger AUC.")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def detectable_in_folds(
    n1: float, n0: float, folds: int, alpha: float = 0.05, power: float = 0.8
) -> float:
    """As `minimum_detectable_auc`, for p = twice the mean of the p-values of equal folds.

    The AUC of a fold is taken as normal with the null variance of its n/folds images, which errs
    on the safe side; the law of the mean p-value is drawn (4,000 draws, always the same).
    """
    _check_sizes(n1, n0)
    shift = _shift_in_folds(folds, alpha, power)
    return min(1.0, 0.5 + shift * null_sd(max(1.0, n1 / folds), max(1.0, n0 / folds)))


@cache
def _shift_in_folds(folds: int, alpha: float, power: float) -> float:
    """Shift of normal fold statistics of variance 1 at which twice the mean p reaches alpha."""
    from scipy.optimize import brentq
    from scipy.special import ndtr

    noise = np.random.default_rng(0).normal(size=(4000, folds))

    def shortfall(shift: float) -> float:
        means = ndtr(-(noise + shift)).mean(axis=1)
        return float(alpha - 2.0 * np.quantile(means, power))

    return 0.0 if shortfall(0.0) >= 0.0 else float(brentq(shortfall, 0.0, 40.0, xtol=1e-4))


def intraclass_correlation(scores: Floats, groups: Labels) -> float:
    """One-way ANOVA intraclass correlation of scores [n] within groups, clipped to 0..1.

    Handles groups of unequal size by the usual mean size (N - sum n_i^2 / N) / (k - 1). With one
    image per group there is nothing to correlate: 0. With a single group, or with scores that
    never differ, it cannot be estimated: 1, the worst case. Negative estimates count as 0, so
    that groups never make more images than there are.
    """
    scores = finite_vector(scores, "scores")
    index, k = group_index(groups, scores.size)
    n = scores.size
    if k == n:
        return 0.0
    if k == 1:
        return 1.0
    sizes = np.bincount(index, minlength=k)
    means = group_means(scores, index, k)
    between = float((sizes * (means - scores.mean()) ** 2).sum()) / (k - 1)
    within = float(((scores - means[index]) ** 2).sum()) / (n - k)
    usual = (n - float((sizes**2).sum()) / n) / (k - 1)
    total = between + (usual - 1.0) * within
    return min(max((between - within) / total, 0.0), 1.0) if total > 0.0 else 1.0


def effective_size(n: float, mean_group_size: float, rho: float) -> float:
    """Independent images that `n` images in groups are worth: n / (1 + (m - 1) rho).

    Raises
    ------
    InputError
        For n or a mean group size below 1, or rho outside 0..1.
    """
    if n < 1 or mean_group_size < 1 or not 0.0 <= rho <= 1.0:
        raise InputError(
            "an effective size needs n >= 1, a mean group size >= 1 and a correlation in 0..1, "
            f"found {n:g}, {mean_group_size:g}, {rho:g}."
        )
    return n / (1.0 + (mean_group_size - 1.0) * rho)


def _check_sizes(n1: float, n0: float) -> None:
    if not (n1 >= 1 and n0 >= 1):
        raise InputError(
            f"a comparison needs images on both sides, found {n1:g} and {n0:g}. Add images."
        )
