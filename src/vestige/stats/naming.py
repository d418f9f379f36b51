"""Which patients to name, so that few of the names are false (false discovery rate, per patient).

Benjamini and Hochberg's rule with Storey's factor on p-values that share their calibration images:
proven for one score that treats target and unused patients alike (Marandon, Lei, Mary, Roquain
2024, arXiv:2208.06685).
"""

import math

import numpy as np

from vestige.registry.entries import InputError
from vestige.stats.calibration import benjamini_hochberg, conformal_p_values
from vestige.types import Floats

HALF = 0.5


def share_of_nulls(p: Floats) -> float:
    """Storey's estimate of the share that was not used, 0 to 1, from p-values above one half."""
    return min(1.0, (1.0 + float((p > HALF).sum())) / (len(p) * (1.0 - HALF)))


def conformal_q_values(scores: Floats, calibration_scores: Floats) -> Floats:
    """q-values [m] of target patients against calibration patients.

    Naming all with q <= a keeps the expected share of false names below a, if unused target
    patients and calibration images are exchangeable and the score treats both alike.

    Parameters
    ----------
    scores, calibration_scores : [m], [n]
        One score per patient, made without knowing who is judged.
    """
    return storey_q_values(conformal_p_values(scores, calibration_scores))


def storey_q_values(p: Floats) -> Floats:
    """q-values [m] of Benjamini and Hochberg times Storey's share of nulls, never below p.

    Where most patients were used, their number alone would name innocent ones with p up to .35: few
    are left to be named falsely, and the share of false names holds all the same.
    """
    return np.asarray(np.maximum(benjamini_hochberg(p) * share_of_nulls(p), p)) if len(p) else p


def fewest_named(n_calibration: int, n_targets: int, level: float = 0.10) -> int:
    """How many patients must stand above every unused one before `conformal_q_values` names any.

    The smallest k with pi m / k <= level (n + 1), where pi is Storey's share if the p-values of the
    m - k others are spread evenly. More than `n_targets` means: it can name none.

    Parameters
    ----------
    n_calibration, n_targets : int
        Patients.
    level : float
        False discovery rate, 0..1.

    Raises
    ------
    InputError
        For numbers below 1 or a level outside 0..1.
    """
    if n_calibration < 1 or n_targets < 1 or not 0.0 < level < 1.0:
        raise InputError(
            "naming patients needs at least one calibration image, one target patient and a level "
            f"between 0 and 1, found {n_calibration}, {n_targets}, {level:g}."
        )
    # no q is below its p
    for k in range(1, n_targets + 1) if level * (n_calibration + 1) >= 1 - 1e-9 else ():
        nulls = min(1.0, (1.0 + math.ceil((n_targets - k) * HALF)) / (n_targets * HALF))
        if nulls * n_targets / k <= level * (n_calibration + 1) + 1e-9:
            return k
    return n_targets + 1
