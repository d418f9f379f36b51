"""Lower bounds of the epsilon of differential privacy; no audit gives an upper one."""

import math
from dataclasses import dataclass

import numpy as np

from vestige.registry.entries import InputError
from vestige.stats.bounds import auc_upper_bound
from vestige.stats.groups import Labels, finite_vector, group_index, group_means, refuse_shared
from vestige.stats.rates import lower_limit
from vestige.stats.roc import SIDES
from vestige.types import Floats


@dataclass(frozen=True)
class EpsilonBounds:
    """What used and unused patients, assigned by lot, prove of the generator's epsilon.

    Epsilon is that of replacing one patient; of adding or removing one it is at least half of it.

    auc_low : one-sided lower bound of the AUC of patients, 0..1 (95 % hold in .93 to .97 of worlds)
    from_auc : lower bound by it, >= 0; takes the patients' scores as independent, given the model
    pairs, right : random pairs of a used and an unused patient, and those guessed right
    certified : lower bound by them, >= 0; holds for a single model, whatever depends on what
    delta : the delta it stands beside
    """

    auc_low: float
    from_auc: float
    pairs: int
    right: int
    certified: float
    delta: float


def epsilon_lower_bounds(
    used: Floats,
    unused: Floats,
    used_groups: Labels | None = None,
    unused_groups: Labels | None = None,
    *,
    delta: float = 1e-5,
    level: float = 0.95,
    seed: int = 0,
) -> EpsilonBounds:
    """Lower bounds of epsilon from scores of patients that were used or unused by lot.

    Swap a used patient i and an unused one j: (epsilon, delta)-privacy allows P(s_i > s_j) to
    change by e^epsilon and delta. By the lot it changes from A to 1 - A, so A <= e^epsilon (1 - A)
    + delta, whose epsilon is log((A - delta) / (1 - A)). Without delta this is also the largest AUC
    under the trade-off curve of epsilon-privacy, e^epsilon / (1 + e^epsilon) (Kairouz, Oh,
    Viswanath 2015, arXiv:1311.0776).

    Certified: in r disjoint random pairs the used patient is a fair coin, and changing one coin
    replaces one patient. The number of coins guessed right is then at most binomial(r, e^epsilon /
    (1 + e^epsilon)), and little more with delta (Steinke, Nasr, Jagielski 2023, arXiv:2305.08846,
    theorem 5.2).

    Parameters
    ----------
    used, unused : Floats, shapes (n1,) and (n0,)
        Higher = more likely used; a patient counts by the mean of their images.
    used_groups, unused_groups : labels of the same shapes, optional
        Patients; None makes each image its own.
    delta : float
        0..1, 1 excluded.
    level : float
        One-sided coverage of each bound, .5..1.
    seed : int
        Of the pairs. They depend on the scores alone, not on the order or names of the images.

    Raises
    ------
    InputError
        Without images on a side, with a score that is not finite, or a delta outside.
    """
    if not 0.0 <= delta < 1.0:
        raise InputError(f"a delta lies from 0 to below 1, found {delta:g}.")
    refuse_shared(used_groups, unused_groups, SIDES)
    high = _patients(used, used_groups, "scores of used images")
    low = _patients(unused, unused_groups, "scores of unused images")
    auc_low = 1.0 - auc_upper_bound(low, high, level=level)
    pairs = min(len(high), len(low))
    rng = np.random.default_rng(seed)
    right = int((rng.permutation(high)[:pairs] > rng.permutation(low)[:pairs]).sum())
    return EpsilonBounds(
        auc_low=auc_low,
        from_auc=_epsilon_of_auc(auc_low, delta),
        pairs=pairs,
        right=right,
        certified=_certified(right, pairs, delta, 1.0 - level),
        delta=delta,
    )


def _patients(scores: Floats, groups: Labels | None, what: str) -> Floats:
    """Mean score of each patient, smallest first."""
    scores = finite_vector(scores, what)
    order = np.argsort(scores)  # sums must not depend on the order of the rows
    index, n_groups = group_index(groups, scores.size)
    return np.sort(group_means(scores[order], index[order], n_groups))


def _epsilon_of_auc(auc: float, delta: float) -> float:
    if auc >= 1.0:
        return math.inf
    return max(0.0, math.log((auc - delta) / (1.0 - auc))) if auc > 0.5 else 0.0


def _certified(right: int, pairs: int, delta: float, error: float) -> float:
    """Largest epsilon that so many right guesses refute at this error, 0 where none is."""
    from scipy.optimize import brentq
    from scipy.special import logit

    if _chance(0.0, right, pairs, delta) > error:
        return 0.0
    pure = float(logit(lower_limit(right, pairs, error)))
    if _chance(pure, right, pairs, delta) <= error:
        return pure
    return float(brentq(lambda e: _chance(e, right, pairs, delta) - error, 0.0, pure))


def _chance(epsilon: float, right: int, pairs: int, delta: float) -> float:
    """Most that the chance of `right` or more right guesses can be under (epsilon, delta)."""
    from scipy.special import bdtr, expit

    at_most = bdtr(np.arange(pairs + 1.0), pairs, float(expit(epsilon)))
    if right == 0:
        return 1.0
    below = np.concatenate([[0.0], at_most])[: right + 1]  # P(W < 0), ..., P(W < right)
    steps = np.arange(1, right + 1)
    steepest = float(((below[right] - below[right - steps]) / steps).max())
    return float(1.0 - below[right]) + 2.0 * pairs * delta * steepest
