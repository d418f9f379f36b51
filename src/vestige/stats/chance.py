"""How many patients look used by chance, when none was."""

import math

import numpy as np

from vestige.registry.entries import InputError
from vestige.stats.groups import Labels, group_index, group_means
from vestige.types import Floats


def patients_called(p_values: Floats, groups: Labels | None, rate: float) -> float:
    """Patients whose images have p-values of at most `rate`, each patient by the share of them.

    The number expected when one image of each patient is drawn by chance, without drawing. So a
    patient has equal weight however many images they have, and a hierarchical p-value
    (`vestige.stats.calibration.conformal_p_values`) keeps exactly what it promises. Counting a
    patient by their smallest p-value times their number of images (Bonferroni) does not: the far
    tail of few calibration images is uncertain, and it calls more than `explained_by_chance` in up
    to 4 % of null worlds instead of 1 %.

    Parameters
    ----------
    p_values : Floats, shape (n,)
        Of the images whose status is open, 0..1.
    groups : labels of shape (n,), optional
        Patients; None makes each image its own.
    rate : float
        False-alarm rate, 0..1.

    Returns
    -------
    float
        0 to the number of patients, whole where each has one image.
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    index, n_patients = group_index(groups, len(p_values))
    called = (p_values <= rate + 1e-12).astype(np.float64)
    return math.fsum(group_means(called, index, n_patients))


def explained_by_chance(
    n_patients: int, calibration: int | Labels, rate: float, level: float = 0.99
) -> int:
    """How many patients chance calls "used" at most, with probability `level`, when none was.

    The p-values share their calibration patients, which varies the number more than a binomial:
    with G of them it is beta-binomial(n, k, G + 1 - k), k = floor(rate (G + 1)). Where one of them
    has several images, p takes values between the multiples of 1 / (G + 1), hence k = rate (G + 1).

    Parameters
    ----------
    n_patients : int
        Patients tested, those whose status is known left out.
    calibration : int, or labels of shape (m,)
        Number of calibration images where each is its own patient, or the patient of each of them.
    rate : float
        At which an image is called, 0..1.
    level : float
        Probability, 0..1.

    Returns
    -------
    int
        To be compared with `patients_called`; 0 where no p-value can reach the rate.

    Raises
    ------
    InputError
        For a negative number, or a rate or level outside 0..1.
    """
    if isinstance(calibration, int | np.integer):
        n_groups, single = int(calibration), True
    else:
        n_groups = group_index(calibration, len(calibration))[1]
        single = n_groups == len(calibration)
    if n_patients < 0 or n_groups < 0 or not (0.0 < rate < 1.0 and 0.0 < level < 1.0):
        raise InputError(
            "the limit of chance needs numbers of patients and rates between 0 and 1, found "
            f"{n_patients}, {n_groups}, {rate:g}, {level:g}."
        )
    k = rate * (n_groups + 1) + 1e-9
    if n_patients == 0 or k < 1.0:
        return 0
    k = math.floor(k) if single else k
    cumulated = np.cumsum(_beta_binomial(n_patients, k, n_groups + 1 - k))
    return min(int(np.searchsorted(cumulated, level)), n_patients)


def _beta_binomial(n: int, a: float, b: float) -> Floats:
    """Probabilities [n + 1] of 0..n; spares the second that importing scipy.stats takes."""
    from scipy.special import betaln

    x = np.arange(n + 1.0)
    log_choices = -np.log(n + 1.0) - betaln(n - x + 1.0, x + 1.0)
    return np.asarray(np.exp(log_choices + betaln(x + a, n - x + b) - betaln(a, b)))
