"""What one audit could have seen, and how much it would take to see less.

The formulas are those of `vestige.stats.power`; here they are given the size that an audit really
has: groups of unequal size, and scores that were learned from the labels that are tested.
"""

import numpy as np

from vestige.schema.records import Needed
from vestige.stats.groups import Labels, group_index
from vestige.stats.power import (
    auc_sd,
    detectable_in_folds,
    effective_size,
    fewest,
    intraclass_correlation,
    minimum_detectable_auc,
    null_sd,
)
from vestige.types import Floats

TARGETS = (0.55, 0.6, 0.7)
POWER = 0.8


def sensitivity(
    used: Floats,
    unused: Floats,
    used_groups: Labels,
    unused_groups: Labels,
    alpha: float,
    null: Floats | None = None,
    folds: int = 0,
) -> tuple[float, tuple[Needed, ...]]:
    """Smallest AUC that the set test finds with 80 % power, and the groups a side for others.

    Parameters
    ----------
    used, unused : Floats, shapes (n1,) and (n0,)
        The tested score; unused ones, where groups have several, tell how alike the images of a
        group are.
    used_groups, unused_groups : labels of the same shapes
    alpha : float
        Level of the one-sided test.
    null : Floats, shape (B,), optional
        AUC less .5 of the relabellings, where each of them fits the score again (the stack). Their
        spread is what learning costs; the line that has to be crossed is read off.
    folds : int
        Number of folds where the test joins p-values of folds (`set_tests_in_folds`); else 0.

    Returns
    -------
    smallest : float
        .5..1; 1 when not even perfect separation would be found that often.
    needed : tuple of Needed
        Equal sides, groups like these. For learned scores an extrapolation, cautious for sets that
        are much larger than this one.
    """
    k1, k0 = (len(np.unique(np.asarray(g))) for g in (used_groups, unused_groups))
    single = k1 == len(used) and k0 == len(unused)
    # calibration images of one image per group cannot tell how alike the images of a group are
    sides = (unused, unused_groups) if k0 < len(unused) else (used, used_groups)
    rho = 0.0 if single else intraclass_correlation(*sides)
    size1, size0 = (effective_groups(g, rho) for g in (used_groups, unused_groups))
    design = (size1 + size0) / (k1 + k0)  # independent images that a group is worth
    if null is not None and not null.any():
        null = None  # scores that never differ: nothing to read off
    if null is not None:
        shrunk = min(1.0, (null_sd(size1, size0) / max(float(null.std()), 1e-9)) ** 2)
        size1, size0, design = (max(1.0, x * shrunk) for x in (size1, size0, design))
        smallest = _beyond(null, size1, size0, alpha)
    elif folds:
        smallest = detectable_in_folds(size1, size0, folds, alpha, POWER)
    else:
        smallest = minimum_detectable_auc(size1, size0, alpha, POWER)

    def seen(groups: int) -> float:
        size = max(1.0, groups * design)
        if folds and null is None:
            return detectable_in_folds(size, size, folds, alpha, POWER)
        return minimum_detectable_auc(size, size, alpha, POWER)

    return smallest, tuple(
        Needed(auc, fewest(auc, seen), "images" if single else "groups") for auc in TARGETS
    )


def effective_groups(groups: Labels, rho: float) -> float:
    """Independent images that groups are worth when each has equal weight, by its mean.

    The mean of m images has the variance rho + (1 - rho) / m; averaged over groups this is the
    usual design effect at the *harmonic* mean of the sizes. (The arithmetic mean would promise too
    much where sizes differ: power .65 instead of .80 for 1 to 20 images and rho .1.)
    """
    index, k = group_index(groups, len(groups))
    harmonic = 1.0 / float((1.0 / np.bincount(index)).mean())
    return effective_size(k * harmonic, harmonic, rho)


def _beyond(null: Floats, size1: float, size0: float, alpha: float) -> float:
    """Smallest AUC that passes the line of these relabellings with 80 % power."""
    from scipy.optimize import brentq
    from scipy.special import ndtri

    allowed = int(alpha * (len(null) + 1) + 1e-9) - 1  # relabellings that may reach the statistic
    if allowed < 0:
        return 1.0
    line = 0.5 + float(np.sort(null)[::-1][allowed])
    z = float(ndtri(POWER))

    def shortfall(auc: float) -> float:
        return auc - line - z * auc_sd(auc, size1, size0)

    if line >= 1.0 or shortfall(1.0) <= 0.0:
        return 1.0
    return float(brentq(shortfall, 0.5, 1.0)) if shortfall(0.5) < 0.0 else 0.5
