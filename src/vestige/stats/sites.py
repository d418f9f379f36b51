"""Sites that share nothing but their answers: one p-value, one AUC and q-values of all of them.

Whatever is combined here is independent from site to site, as their patients are other people.
"""

import math
from collections.abc import Sequence

import numpy as np

from vestige.registry.entries import InputError
from vestige.types import Floats


def combined_p(p_values: Sequence[float], patients: Sequence[float]) -> float:
    """One p-value of all sites, of what each says by itself (Lancaster 1961).

    A p-value becomes the quantile of a chi-squared law with as many degrees of freedom as the site
    counts, d = 2 K n / sum(n) of K sites; the sum is chi-squared with 2 K degrees where nothing
    leaks (doi:10.1111/j.1467-842X.1961.tb00058.x). Sites of equal size: Fisher's combination.

    Valid for p-values of permutations, which take few values: P(p <= a) <= a at each site, the sum
    rises when a p-value falls, so it is never larger in law than that of uniform p-values. Coarse
    p-values make it cautious. p = 1 adds nothing and takes nothing away.

    Parameters
    ----------
    p_values : [K], 0..1
        Of independent sites.
    patients : [K], above 0
        What a site counts, fixed before anything was scored (`worth`).

    Returns
    -------
    float
        0..1; of a single site its own p-value.

    Raises
    ------
    InputError
        Without sites, for a p-value outside 0..1 or a weight that is not above 0.

    Examples
    --------
    >>> round(combined_p([0.05, 0.05], [30, 30]), 4)
    0.0175
    """
    from scipy.special import gammaincc, gammainccinv

    p = np.asarray(p_values, np.float64)
    shares = _shares(patients, len(p))
    if not ((p >= 0) & (p <= 1)).all():
        raise InputError(f"p-values lie in 0..1, found {p.min():g} to {p.max():g}.")
    if len(p) == 1:
        return float(p[0])
    half = len(p) * shares  # of the degrees of freedom
    return float(gammaincc(half.sum(), gammainccinv(half, p).sum()))


def worth(targets: int, unused: int) -> float:
    """What a comparison of so many patients counts: 1 / its variance, but for a constant."""
    return targets * unused / (targets + unused)


def stratified(
    values: Sequence[float], bounds: Sequence[float], patients: Sequence[float]
) -> tuple[float, float]:
    """Mean of the values of sites, each by its patients, and a confidence bound of that mean.

    From the bounds of the sites by their distances, as of the error of a mean (Zou and Donner 2008,
    doi:10.1002/sim.3095): mean + sqrt(sum (w (bound - value))^2), upper where the bounds are upper
    and lower where they are lower, at the level of the bounds.

    Parameters
    ----------
    values, bounds : [K], 0..1
    patients : [K], above 0

    Returns
    -------
    value, bound : float
    """
    shares = _shares(patients, len(values))
    distances = np.asarray(bounds, np.float64) - np.asarray(values, np.float64)
    value = float(shares @ np.asarray(values, np.float64))
    off = math.sqrt(float(((shares * distances) ** 2).sum()))
    upwards = 1.0 if distances.sum() >= 0 else -1.0
    return value, min(max(value + upwards * off, 0.0), 1.0)


def shared_q(q_values: Sequence[Floats]) -> list[Floats]:
    """q-values [m_k] of the patients of each site, for names at all sites together.

    Names with q <= a at every site have more false ones among them than the share a: each site may
    err. So a site spends the part of `a` that its patients are of all patients, q M / m: of all
    names the share of false ones is at most the sum of the shares of the sites.

    Parameters
    ----------
    q_values : of each site [m_k]
    """
    every = sum(map(len, q_values))
    return [np.minimum(1.0, np.asarray(q, np.float64) * every / max(len(q), 1)) for q in q_values]


def _shares(patients: Sequence[float], sites: int) -> Floats:
    weights = np.asarray(patients, np.float64)
    if not sites or len(weights) != sites or not (weights > 0).all():
        raise InputError(
            "a combination needs sites and a number of patients above 0 for each, found "
            f"{sites} sites and {[float(one) for one in weights]}."
        )
    return np.asarray(weights / weights.sum())
