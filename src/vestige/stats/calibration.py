"""Conformal p-values, false discovery rates and the share of used images (methods.md 4.1, 4.2)."""

import math
from typing import Literal

import numpy as np

from vestige.registry.entries import InputError
from vestige.stats.groups import Labels, finite_vector, group_index
from vestige.types import Floats, Ints


def conformal_p_values(
    scores: Floats, calibration_scores: Floats, calibration_groups: Labels | None = None
) -> Floats:
    """Share of calibration images that score at least as high as each query.

    p = (1 + sum over groups of the share of the group's calibration images with s(c) >= s(x)) / (G
    + 1): with one image per group the plain conformal p-value (Bates et al. 2023,
    doi:10.1214/22-AOS2244), with several the hierarchical one (Lee, Barber, Willett,
    arXiv:2306.06342). Ties count against the query. Needs queries exchangeable with the calibration
    images when unused, from groups that hold no calibration image.

    Parameters
    ----------
    scores : Floats, shape (nq,)
        Queries, higher = more likely used; any finite unit.
    calibration_scores : Floats, shape (nc,)
        Calibration images in the same unit, not used for fitting.
    calibration_groups : labels of shape (nc,), optional
        Patients of the calibration images; None makes each image its own group.

    Returns
    -------
    Floats, shape (nq,)
        From 1 / (G + 1), which no evidence can undercut, to 1.

    Raises
    ------
    InputError
        Without calibration images, or with a score that is not finite.

    Examples
    --------
    >>> conformal_p_values(np.array([9.0, 0.0]), np.array([1.0, 2.0, 3.0]))
    array([0.25, 1.  ])
    """
    scores = finite_vector(scores, "query scores", least=0)
    calibration = finite_vector(calibration_scores, "calibration scores")
    sizes, n_groups = _own_group_sizes(calibration_groups, calibration.size)
    at_least = np.zeros(scores.size)
    # Counting per group size keeps the counts whole, so that k/k is exactly 1 and singletons
    # give the very number of the plain form.
    for size in np.unique(sizes):
        ranked = np.sort(calibration[sizes == size])
        at_least += (ranked.size - np.searchsorted(ranked, scores, side="left")) / size
    return np.asarray((1.0 + at_least) / (1.0 + n_groups))


def conformal_p_value_rows(
    scores: Floats, calibration_scores: Floats, calibration_groups: Labels | None = None
) -> Floats:
    """Like :func:`conformal_p_values`, for calibration scores that differ from query to query.

    Parameters
    ----------
    scores : Floats, shape (nq,)
    calibration_scores : Floats, shape (nq, nc)
        Row i holds the calibration images as they score in the pool of query i.
    calibration_groups : labels of shape (nc,), optional

    Returns
    -------
    Floats, shape (nq,)

    Raises
    ------
    InputError
        Without calibration images, with a score that is not finite, or with shapes that do not fit.
    """
    scores = finite_vector(scores, "query scores", least=0)
    calibration = np.asarray(calibration_scores, dtype=np.float64)
    if calibration.ndim != 2 or calibration.shape[0] != scores.size or calibration.shape[1] < 1:
        raise InputError(
            f"calibration scores need one row per query and at least one column: {scores.size} "
            f"queries, found shape {calibration.shape}."
        )
    finite_vector(calibration.ravel(), "calibration scores", least=0)
    sizes, n_groups = _own_group_sizes(calibration_groups, calibration.shape[1])
    above = calibration >= scores[:, np.newaxis]
    at_least = np.zeros(scores.size)
    for size in np.unique(sizes):
        at_least += above[:, sizes == size].sum(axis=1) / size
    return np.asarray((1.0 + at_least) / (1.0 + n_groups))


def smallest_p_value(calibration: int | Labels) -> float:
    """1 / (G + 1) for a number of calibration groups, or for the group labels of the images."""
    if isinstance(calibration, int | np.integer):
        n_groups = int(calibration)
    else:
        n_groups = group_index(calibration, len(calibration))[1]
    return 1.0 / (n_groups + 1.0)


def require_resolution(
    rate: float, n_groups: int, unit: Literal["images", "groups", "patients"] = "images"
) -> None:
    """Refuse a false-alarm rate that no p-value of these calibration images can reach.

    Raises
    ------
    InputError
        With the number of unused images (groups, patients) that the rate needs.
    """
    if not 0.0 < rate < 1.0:
        raise InputError(f"a false-alarm rate lies between 0 and 1, found {rate:g}. 0.05 is usual.")
    if smallest_p_value(n_groups) <= rate:
        return
    needed = max(math.ceil(1.0 / rate) - 2, 0)  # 1/rate may be rounded up: start one below
    while smallest_p_value(needed) > rate:
        needed += 1
    advice = "Add some."
    reachable = math.ceil(1e4 * smallest_p_value(n_groups)) / 1e4
    if reachable < 1.0:
        advice = f"Add some or ask for {reachable:.4f} or more."
    raise InputError(
        f"a false-alarm rate of {rate:g} needs {needed} unused {unit}, "
        f"{n_groups} were given. {advice}"
    )


def benjamini_hochberg(p: Floats) -> Floats:
    """q-values [n] of p-values [n]: p-values share one calibration set (docs/methods.md 4.2)."""
    p = _checked_p(p)
    if p.size == 0:
        return p
    order = np.argsort(p)[::-1]
    ranks = np.arange(p.size, 0, -1)
    q = np.empty(p.size)
    q[order] = np.minimum(np.minimum.accumulate(p[order] * (p.size / ranks)), 1.0)
    return q


def _checked_p(p: Floats) -> Floats:
    p = finite_vector(p, "p-values", least=0)
    if ((p < 0.0) | (p > 1.0)).any():
        raise InputError(f"p-values lie in 0..1, found {p.min():g} to {p.max():g}.")
    return p


def _own_group_sizes(groups: Labels | None, n: int) -> tuple[Ints, int]:
    """Size of the group of each calibration image [n], and the number of groups."""
    index, n_groups = group_index(groups, n)
    return np.bincount(index, minlength=n_groups)[index].astype(np.int64), n_groups
