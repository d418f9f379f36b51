"""What "not found" may say: upper bounds of the AUC and of the share of copied patients."""

import math

import numpy as np

from vestige.registry.entries import InputError
from vestige.stats.groups import Labels, finite_vector, group_index, refuse_shared
from vestige.stats.intervals import score_interval
from vestige.stats.power import auc_sd, null_sd
from vestige.stats.ranks import mid_ranks
from vestige.stats.rates import lower_limit, upper_limit
from vestige.stats.roc import SIDES
from vestige.types import Floats

MOST_PATIENTS = 10**9


def auc_upper_bound(
    used: Floats,
    unused: Floats,
    used_groups: Labels | None = None,
    unused_groups: Labels | None = None,
    used_folds: Labels | None = None,
    unused_folds: Labels | None = None,
    *,
    level: float = 0.95,
) -> float:
    """One-sided upper bound of the AUC; whole patients are the units.

    The variance of clustered images (Obuchowski 1997, doi:10.2307/2533958) in its jackknife form,
    on the logit scale. Student's t with K - 1 degrees of freedom, K = (sum m)^2 / sum m^2 of the m
    images of each patient, on the side where it is smaller: patients of unequal size are worth
    fewer than there are. Where no variance can be estimated (AUC 0 or 1, scores that never differ,
    a single patient), the largest A with A - AUC <= z SE(A) (Hanley and McNeil 1982) for K images a
    side. Measured coverage for AUC .5 to .65: .94 to .97 (20 to 150 patients a side, with 1 to 20
    images each); at AUC .1 with 20 against 100 patients of 1 to 20 images it is .91.

    Parameters
    ----------
    used, unused : Floats, shapes (n1,) and (n0,)
        Finite scores, higher = more likely used.
    used_groups, unused_groups : labels of the same shapes, optional
        Patients; none may stand on both sides. None makes each image its own.
    used_folds, unused_folds : labels of the same shapes, optional
        Images compare within their fold only, as in `vestige.stats.folds.auc_in_folds`.
    level : float
        Coverage, .5..1: the share of worlds in which the true AUC is not above the bound.

    Returns
    -------
    float
        From the AUC to 1; 1 where no fold has images of both sides.

    Raises
    ------
    InputError
        Without images on a side, with a score that is not finite or a group on both sides.
    """
    from scipy.special import expit, logit, stdtrit

    used = finite_vector(used, "scores of used images")
    unused = finite_vector(unused, "scores of unused images")
    refuse_shared(used_groups, unused_groups, SIDES)
    used_wins, used_pairs = _wins(used, unused, used_folds, unused_folds)
    unused_wins, unused_pairs = _wins(unused, used, unused_folds, used_folds)
    if not used_pairs.sum():
        return 1.0
    value = used_wins.sum() / used_pairs.sum()
    variances, sizes = zip(
        _side(used_wins, used_pairs, value, used_groups),
        _side(unused_wins, unused_pairs, 1.0 - value, unused_groups),
        strict=True,
    )
    variance = sum(variances)
    if not 0.0 < value < 1.0 or not 0.0 < variance < math.inf:
        return score_interval(float(value), *sizes, level=2.0 * level - 1.0)[1]
    t = stdtrit(min(sizes) - 1.0, level)
    return float(expit(logit(value) + t * math.sqrt(variance) / (value * (1.0 - value))))


def _wins(
    mine: Floats, theirs: Floats, my_folds: Labels | None, their_folds: Labels | None
) -> tuple[Floats, Floats]:
    """Pairs within its fold that each image wins [n], ties half, and those it is part of [n]."""
    folds = np.zeros(len(mine)) if my_folds is None else np.asarray(my_folds)
    others = np.zeros(len(theirs)) if their_folds is None else np.asarray(their_folds)
    wins, pairs = np.zeros(len(mine)), np.zeros(len(mine))
    for fold in np.unique(folds):
        here, there = folds == fold, others == fold
        ranks = mid_ranks(np.concatenate([mine[here], theirs[there]]))[: here.sum()]
        wins[here] = ranks - mid_ranks(mine[here])
        pairs[here] = there.sum()
    return wins, pairs


def _side(wins: Floats, pairs: Floats, value: float, groups: Labels | None) -> tuple[float, float]:
    """What a side adds to the variance of the AUC, and how many equal groups it is worth.

    wins, pairs : [n], as of `_wins`
    """
    index, k = group_index(groups, len(pairs))
    # sums of halves are exact, so the order of the rows cannot show
    won = np.bincount(index, wins, k).astype(np.float64)
    played = np.bincount(index, pairs, k).astype(np.float64)
    share = played / played.sum()
    worth = 1.0 / float(np.sort(share**2).sum())
    if share.max() == 1.0:
        return math.inf, 1.0
    part = (won - value * played) / played.sum() / (1.0 - share)
    return (k - 1) / k * float(np.sort(part**2).sum()), worth


def patient_worth(scores: Floats, groups: Labels | None = None) -> float:
    """Independent images that a patient is worth in an AUC where nothing leaks.

    1 for one image each; m images of a patient are worth from 1 (alike) to m (independent), and
    less than 1 where sizes differ much. From the ranks of all images, used and unused together.

    Parameters
    ----------
    scores : Floats, shape (n,)
        Of both sides.
    groups : labels of shape (n,), optional

    Raises
    ------
    InputError
        Without scores, or with one that is not finite.
    """
    scores = finite_vector(scores, "scores")
    index, k = group_index(groups, scores.size)
    ranks = mid_ranks(scores) - (scores.size + 1) / 2.0
    between = float((np.bincount(index, ranks, k) ** 2).sum())
    if k == scores.size or between == 0.0:
        return 1.0
    return min(1.0, float((ranks**2).sum()) / between) * scores.size / k


def patients_for_bound(
    limit: float, worth: float = 1.0, *, level: float = 0.95, power: float = 0.8
) -> int:
    """Patients a side for which `auc_upper_bound` falls below `limit` with probability `power`.

    The true AUC is .5 (nothing leaks) and both sides are equal.

    Parameters
    ----------
    limit : float
        .5..1, both excluded.
    worth : float
        Independent images that a patient is worth (`patient_worth`).
    level, power : float
        Of the bound, and how often it falls below; inside 0..1.

    Raises
    ------
    InputError
        For a limit outside, or so near .5 that 10^9 patients fall short.
    """
    from scipy.special import expit, logit, ndtri, stdtrit

    if not 0.5 < limit < 1.0:
        raise InputError(f"a limit of the AUC lies between .5 and 1, found {limit:g}.")

    def enough(n: int) -> bool:
        images = max(1.0, n * worth)
        high = 0.5 + float(ndtri(power)) * null_sd(images, images)
        if n < 3 or high >= limit:
            return False
        error = auc_sd(high, images, images) / (high * (1.0 - high))
        return bool(expit(logit(high) + stdtrit(n - 1.0, level) * error) < limit)

    low, high = 2, 3
    while not enough(high):
        low, high = high, 2 * high
        if high > MOST_PATIENTS:
            raise InputError(
                f"a bound below {limit:g} needs more than 10^9 patients. Ask for a larger limit."
            )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def exposed_share(minimum_detectable_auc: float) -> float:
    """Share of patients that could be fully exposed and leave the set test blind, 0..1.

    Patients that always win beside others that know nothing: A = s + (1 - s) / 2, so
    s = 2 (A - .5) for the smallest AUC the test sees.
    """
    return min(max(2.0 * (minimum_detectable_auc - 0.5), 0.0), 1.0)


def copied_share_bound(
    above_targets: int,
    n_targets: int,
    above_calibration: int,
    n_calibration: int,
    recalled: int,
    n_planted: int,
    *,
    level: float = 0.95,
) -> float | None:
    """Largest share of targets that can have been copied, given how many copies would be found.

    Of copied targets the share r lies above the threshold t, of the others the share f as of
    calibration images: TPR = s r + (1 - s) f. So s = (TPR - f) / (r - f), which rises with TPR and
    falls with r and f. Exact limits (Clopper and Pearson 1934) of the three shares, each at a third
    of 1 - level, however they depend on each other (Bonferroni).

    Parameters
    ----------
    above_targets, n_targets : int
        Judged patients above t, and all of them.
    above_calibration, n_calibration : int
        Calibration patients above t; t is fixed beforehand, or one of their scores.
    recalled, n_planted : int
        Planted copies above the same t, and all of them; of patients that t does not depend on.
    level : float
        Coverage, 0..1.

    Returns
    -------
    float or None
        0..1; None where the copies of this kind are not told from unused patients: nothing follows.

    Raises
    ------
    InputError
        For counts that are no shares.

    Examples
    --------
    >>> round(copied_share_bound(7, 500, 0, 100, 20, 20), 3)
    0.037
    """
    error = (1.0 - level) / 3.0
    found = upper_limit(above_targets, n_targets, error)
    false = lower_limit(above_calibration, n_calibration, error)
    recall = lower_limit(recalled, n_planted, error)
    if recall <= false:
        return None
    return min(max((found - false) / (recall - false), 0.0), 1.0)
