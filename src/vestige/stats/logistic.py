"""L2-penalised logistic regression."""

import numpy as np
import scipy.optimize
import scipy.special

from vestige.registry.entries import InputError
from vestige.types import Bools, Floats


def fit_logistic(
    rows: Floats, labels: Bools, strength: float = 1.0, balanced: bool = True
) -> Floats:
    """Minimise ``|b|^2 / 2 + C sum_i w_i log(1 + exp(-y_i (a + x_i . b)))`` over a and b.

    The intercept a is not penalised; the objective is that of scikit-learn's
    `LogisticRegression`.

    Parameters
    ----------
    rows : [n, d]
    labels : [n]
    strength : float
        C, above 0: larger trusts the rows more.
    balanced : bool
        Weight w_i = n / (2 n_class), so that both classes count the same.

    Returns
    -------
    float64 [1 + d]
        Intercept and coefficients.

    Raises
    ------
    InputError
        When only one class is there.
    """
    n, used = len(labels), int(np.count_nonzero(labels))
    if used in (0, n):
        raise InputError("a classifier needs rows of both classes, used and unused.")
    x = np.column_stack([np.ones(n), rows])
    sign = np.where(labels, 1.0, -1.0)
    mass = np.full(n, 1 / n)
    if balanced:
        mass = np.where(labels, 0.5 / used, 0.5 / (n - used))
    penalty = np.append(0.0, np.full(rows.shape[1], 1 / (strength * n)))

    def loss(b: Floats) -> float:
        return float(mass @ np.logaddexp(0, -sign * (x @ b)) + 0.5 * penalty @ b**2)

    def gradient(b: Floats) -> Floats:
        return np.asarray(-x.T @ (mass * sign * _expit(-sign * (x @ b))) + penalty * b)

    def hessian(b: Floats) -> Floats:
        p = _expit(x @ b)
        return np.asarray((x.T * (mass * p * (1 - p))) @ x + np.diag(penalty))

    found = scipy.optimize.minimize(
        loss,
        np.zeros(x.shape[1]),
        jac=gradient,
        hess=hessian,
        method="trust-exact",
        options={"gtol": 1e-8, "maxiter": 200},
    )
    # near the minimum the loss no longer changes by a bit, and a search must stop; Newton's
    # step does not look at the loss
    b = np.asarray(found.x)
    for _ in range(3):
        b = b - np.linalg.lstsq(hessian(b), gradient(b), rcond=None)[0]
    return np.asarray(b)


def logits(model: Floats, rows: Floats) -> Floats:
    """Values a + x . b for rows [..., d]."""
    return np.asarray(model[0] + rows @ model[1:])


def _expit(t: Floats) -> Floats:
    return np.asarray(scipy.special.expit(t))
