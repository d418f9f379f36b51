"""Several columns of evidence -> one score and one p-value per image, without labels.

The rule is symmetric in the pool of the controls and the one judged image, so an unused image
that is exchangeable with the controls gets a valid p-value, whatever the dependence between the
columns: looking at many detectors is paid for once, here (METHODS 3, 4.1).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from vestige.choices import InputError
from vestige.stats.ranks import mid_ranks
from vestige.types import Bools, Floats

DIGITS = 9
"""Combined ranks are compared after rounding: sums of equal parts must tie."""


def rank_average(
    judged: Floats,
    controls: Floats,
    weights: Floats,
    judged_groups: npt.NDArray[Any],
    control_groups: npt.NDArray[Any],
) -> tuple[Floats, Floats, Floats]:
    """Weighted average of mid-ranks in the pool of the controls and one judged image at a time.

    Each control group counts as one, so a patient with many slices weighs as much as one with
    few. Controls of the judged image's own group leave its pool. Source: METHODS 3.2; hierarchical
    p-value of Lee, Barber, Willett, arXiv:2306.06342.

    Parameters
    ----------
    judged, controls : [n, D] and [c, D]
        Columns of evidence, higher = more likely used.
    weights : [D], not negative, fixed before seeing any score
    judged_groups, control_groups : [n], [c]

    Returns
    -------
    scores : [n]
        Normal score of the weighted mean rank; compares across judged images.
    p_values : [n]
        From 1 / (control groups + 1). Each is exact with one image per group or one column; with
        several of both it is nearly so, because the judged image counts as a group of its own.
    control_scores : [c]
        Normal scores of the controls among themselves, for charts.
    """
    _check(judged, controls)
    weights = weights / weights.sum()
    codes = np.unique(control_groups, return_inverse=True)[1]
    n_groups = int(codes.max()) + 1
    mass = 1.0 / np.bincount(codes)[codes]
    base = np.stack(
        [_weighted_mid_ranks(column, mass) for column in controls.T], axis=1
    )  # control among controls, in units of groups
    scores, p_values = np.empty(len(judged)), np.empty(len(judged))
    own = _own_controls(judged_groups, control_groups)
    for i, x in enumerate(judged):
        keep = ~own[i] if own is not None else None
        c, m, b = controls, mass, base
        if keep is not None and not keep.all():
            c, m = controls[keep], mass[keep]
            if not len(c):
                raise InputError("an image shares its group with every control.")
            b = np.stack([_weighted_mid_ranks(column, m) for column in c.T], axis=1)
        total = m.sum()
        beaten = (x < c) + 0.5 * (x == c)
        of_x = ((m @ (1.0 - beaten)) + 0.5) @ weights
        of_controls = (b + beaten) @ weights
        above = np.round(of_controls, DIGITS) >= np.round(of_x, DIGITS)
        p_values[i] = (1.0 + m @ above) / (1.0 + total)
        scores[i] = scipy.special.ndtri(of_x / (1.0 + total))
    control_scores = scipy.special.ndtri(base @ weights / n_groups)
    return scores, np.minimum(p_values, 1.0), np.asarray(control_scores)


def pooled_rank_score(columns: Floats, weights: Floats) -> Floats:
    """Weighted mean of mid-ranks over all rows [n, D] -> [n]; for set-level tests."""
    ranks = mid_ranks(columns)
    return np.asarray(np.round(ranks @ (weights / weights.sum()), DIGITS))


def _check(judged: Floats, controls: Floats) -> None:
    if not len(controls):
        raise InputError("p-values need at least one unused image.")
    if not (np.isfinite(judged).all() and np.isfinite(controls).all()):
        raise InputError("a detector gave a score that is not finite.")


def _weighted_mid_ranks(column: Floats, mass: Floats) -> Floats:
    """Mass strictly below plus half of the mass at the same value."""
    values, codes = np.unique(column, return_inverse=True)
    at = np.bincount(codes, mass, minlength=len(values))
    return np.asarray((np.cumsum(at) - 0.5 * at)[codes])


def _own_controls(judged: npt.NDArray[Any], controls: npt.NDArray[Any]) -> Bools | None:
    if not np.intersect1d(judged, controls).size:
        return None
    return np.asarray(judged[:, None] == controls[None, :])
