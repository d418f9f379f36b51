"""Several columns of evidence -> one score and one p-value per image.

Both rules are symmetric in the pool of the controls and the one judged image, so an unused image
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


def stack_p_values(
    judged: Floats,
    controls: Floats,
    known_used: Floats,
    weights: Floats,
    judged_groups: npt.NDArray[Any],
    control_groups: npt.NDArray[Any],
    used_groups: npt.NDArray[Any],
) -> tuple[Floats, Floats]:
    """Full-conformal stack: for each judged image, refit with it among the unused, then rank.

    The model learns used images (those of the judged image's group left out) against the unused
    images *and* the judged one. It treats these alike, so the p-value is exact for an unused
    image although the model is fitted on the very controls it is compared with, and no control is
    spent on fitting. Source: full conformal prediction (Vovk, Gammerman, Shafer 2005) on METHODS
    3.1's non-negative logistic regression.

    Returns
    -------
    scores : [n], logits
    p_values : [n]
    """
    _check(judged, controls)
    scores, p_values = np.empty(len(judged)), np.empty(len(judged))
    for i, x in enumerate(judged):
        others = control_groups != judged_groups[i]
        used = used_groups != judged_groups[i]
        if not others.any() or not used.any():
            raise InputError("an image shares its group with every image of known status.")
        unused = np.vstack([controls[others], x])
        groups = np.append(control_groups[others], judged_groups[i])
        logits = _unused_logits(unused, groups, known_used[used], used_groups[used], weights)
        codes = np.unique(groups[:-1], return_inverse=True)[1]
        above = (logits[:-1] >= logits[-1]).astype(float)
        per_group = np.bincount(codes, above) / np.bincount(codes)
        p_values[i] = (1.0 + per_group.sum()) / (1.0 + len(per_group))
        scores[i] = logits[-1]
    return scores, np.minimum(p_values, 1.0)


def _unused_logits(
    unused: Floats,
    unused_groups: npt.NDArray[Any],
    used: Floats,
    used_groups: npt.NDArray[Any],
    weights: Floats,
) -> Floats:
    """Fit the stack on these two classes; logits of the unused rows."""
    rows = np.vstack([unused, used])
    labels = np.arange(len(rows)) >= len(unused)
    z = normal_scores(rows, unused)
    mass = _group_mass(np.concatenate([unused_groups, used_groups]), labels)
    model = fit_stack(z, labels, mass, weights)
    return np.asarray(np.round(stack_logits(z[: len(unused)], model, weights), 6))


def normal_scores(columns: Floats, unused: Floats) -> Floats:
    """Each column against its unused rows: Phi^-1((rank + .5) / (n + 1)), clipped to +-3."""
    out = np.empty_like(columns, dtype=np.float64)
    n = len(unused)
    for d in range(columns.shape[1]):
        order = np.sort(unused[:, d])
        below = np.searchsorted(order, columns[:, d], side="left")
        through = np.searchsorted(order, columns[:, d], side="right")
        out[:, d] = scipy.special.ndtri(((below + through) / 2 + 0.5) / (n + 1))
    return np.clip(out, -3.0, 3.0)


PENALTY = 0.05
"""L2 strength of the stack, fixed beforehand: nothing is tuned on the labels it will judge."""
NEWTON_STEPS = 50


def fit_stack(z: Floats, labels: Bools, mass: Floats, weights: Floats) -> Floats:
    """Non-negative, L2-penalised logistic regression -> [intercept, D coefficients].

    A column may be ignored, never inverted. Columns enter times sqrt(weight), so that the
    penalty lets the pre-registered primary columns move first.
    """
    x = np.column_stack([np.ones(len(z)), z * np.sqrt(weights / weights.max())])
    y = labels.astype(float)
    penalty = np.r_[0.0, np.full(z.shape[1], PENALTY)]

    def loss(b: Floats) -> float:
        t = x @ b
        return float(mass @ (np.logaddexp(0, t) - y * t) + 0.5 * penalty @ b**2)

    # projected Newton: a coefficient at zero whose slope points below stays there for the step
    b = np.zeros(x.shape[1])
    value = loss(b)
    for _ in range(NEWTON_STEPS):
        p = scipy.special.expit(x @ b)
        gradient = x.T @ (mass * (p - y)) + penalty * b
        free = (b > 0) | (gradient < 0)
        free[0] = True
        if np.abs(gradient[free]).max() < 1e-10:
            break
        hessian = (x * (mass * p * (1 - p))[:, None]).T @ x + np.diag(penalty + 1e-12)
        step = np.zeros_like(b)
        step[free] = np.linalg.solve(hessian[np.ix_(free, free)], gradient[free])
        for _ in range(30):
            trial = b - step
            trial[1:] = np.maximum(trial[1:], 0.0)
            if (new := loss(trial)) <= value:
                break
            step /= 2
        else:
            break
        b, value = trial, new
    return b


def stack_logits(z: Floats, model: Floats, weights: Floats) -> Floats:
    """Logits [n] of a fitted stack."""
    return np.asarray(model[0] + (z * np.sqrt(weights / weights.max())) @ model[1:])


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


def _group_mass(groups: npt.NDArray[Any], labels: Bools) -> Floats:
    """Every group one vote inside its class, both classes the same total, sum 1."""
    mass = np.empty(len(groups))
    for value in (False, True):
        here = labels == value
        codes = np.unique(groups[here], return_inverse=True)[1]
        votes = 1.0 / np.bincount(codes)[codes]
        mass[here] = 0.5 * votes / votes.sum()
    return mass
