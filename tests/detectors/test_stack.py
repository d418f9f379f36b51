"""The stack: its fit against scipy, and the promise of its full-conformal p-value."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import norm, rankdata

from vestige.choices import InputError
from vestige.stats.combine import (
    PENALTY,
    fit_stack,
    normal_scores,
    stack_logits,
    stack_p_values,
)
from vestige.types import Bools, Floats

WEIGHTS = np.array([8.0, 1.0, 1.0])


def examples(seed: int, shift: tuple[float, ...], n: int = 60) -> tuple[Floats, Bools]:
    """Two classes of n rows each; the used ones are shifted."""
    rng = np.random.default_rng(seed)
    labels = np.arange(2 * n) >= n
    return rng.normal(size=(2 * n, len(shift))) + labels[:, None] * np.array(shift), labels


def loss_and_slope(
    b: Floats, z: Floats, labels: Bools, mass: Floats, weights: Floats
) -> tuple[float, Floats]:
    """Weighted logistic loss plus half of the penalty times the squared coefficients."""
    x = np.column_stack([np.ones(len(z)), z * np.sqrt(weights / weights.max())])
    t = x @ b
    value = mass @ np.where(labels, np.logaddexp(0, -t), np.logaddexp(0, t))
    return (
        float(value + 0.5 * PENALTY * (b[1:] ** 2).sum()),
        np.asarray(x.T @ (mass * (expit(t) - labels)) + PENALTY * np.r_[0.0, b[1:]]),
    )


@pytest.mark.parametrize(
    "shift", [(2.0, 0.5, 0.0), (-1.0, 1.0, 0.2), (-1.0, -1.0, -1.0), (0, 0, 9)]
)
@pytest.mark.parametrize("seed", range(3))
def test_the_fit_is_the_minimum_that_scipy_finds(seed: int, shift: tuple[float, ...]) -> None:
    z, labels = examples(seed, shift)
    mass = np.random.default_rng(seed).uniform(0.5, 1.5, len(z))
    mass /= mass.sum()
    found = fit_stack(z, labels, mass, WEIGHTS)
    wanted = minimize(
        loss_and_slope,
        np.zeros(4),
        args=(z, labels, mass, WEIGHTS),
        jac=True,
        method="L-BFGS-B",
        bounds=[(None, None)] + [(0, None)] * 3,
        options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000},
    )
    np.testing.assert_allclose(found, wanted.x, atol=1e-5)
    assert (found[1:] >= 0).all()


def balanced(labels: Bools) -> Floats:
    return np.full(len(labels), 1 / len(labels))


def test_a_column_may_be_ignored_never_inverted() -> None:
    z, labels = examples(1, (-3.0, 1.0, 0.0), 400)
    b = fit_stack(z, labels, balanced(labels), np.ones(3))
    assert b[1] == 0
    assert b[2] > 0.5


def test_a_noise_column_gets_little_weight() -> None:
    z, labels = examples(2, (2.0, 0.0, 0.0), 400)
    b = fit_stack(z, labels, balanced(labels), np.ones(3))
    assert (b[2:] < 0.1).all()  # METHODS 3.1
    assert b[1] > 0.5


def test_logits_equal_the_model_by_hand() -> None:
    z = np.array([[1.0, 2.0, -1.0]])
    b = np.array([0.5, 1.0, 2.0, 3.0])
    wanted = 0.5 + 1.0 + (2 * 2.0 - 3.0) * np.sqrt(1 / 8)
    assert stack_logits(z, b, WEIGHTS) == pytest.approx([wanted])


@settings(deadline=None, derandomize=True, max_examples=40)
@given(arrays(np.float64, (7, 2), elements=st.integers(-2, 2).map(float)))
def test_normal_scores_by_scipy_ranks(unused: Floats) -> None:
    found = normal_scores(unused, unused)
    wanted = norm.ppf(rankdata(unused, axis=0) / 8)  # mid-rank less one half, plus one half
    np.testing.assert_allclose(found, np.clip(wanted, -3, 3), atol=1e-9)
    beyond = normal_scores(np.array([[99.0, -99.0]]), unused)
    np.testing.assert_allclose(beyond[0], norm.ppf([7.5 / 8, 0.5 / 8]))


def p_values(judged: Floats, controls: Floats, used: Floats, control_groups: Any = None) -> Floats:
    groups = np.arange(len(controls)) if control_groups is None else control_groups
    return stack_p_values(
        judged,
        controls,
        used,
        WEIGHTS[: controls.shape[1]],
        np.full(len(judged), -1),
        groups,
        1000 + np.arange(len(used)),
    )[1]


@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    arrays(
        np.float64, st.tuples(st.integers(2, 8), st.just(3)), elements=st.integers(-3, 3).map(float)
    ),
    arrays(
        np.float64, st.tuples(st.integers(1, 5), st.just(3)), elements=st.integers(-3, 3).map(float)
    ),
)
def test_false_alarms_stay_within_the_promise(rows: Floats, used: Floats) -> None:
    # the same used set, every unused row the judged image once: at most `allowed` of n may
    # reach allowed / n although the model was fitted on the very rows it ranks
    n = len(rows)
    p = np.array([p_values(rows[i : i + 1], np.delete(rows, i, axis=0), used)[0] for i in range(n)])
    for allowed in range(n + 1):
        assert (p <= allowed / n + 1e-12).sum() <= allowed


def test_the_promise_with_continuous_columns_is_exact() -> None:
    # no ties: the n p-values are 1/n, ..., 1, each once
    rng = np.random.default_rng(3)
    rows, used = rng.normal(size=(12, 3)), rng.normal(size=(9, 3)) + [2.0, 0.5, 0.0]
    p = [p_values(rows[i : i + 1], np.delete(rows, i, axis=0), used)[0] for i in range(12)]
    np.testing.assert_allclose(np.sort(p), np.arange(1, 13) / 12)


def test_a_column_that_separates_gives_power() -> None:
    rng = np.random.default_rng(4)
    shift = [0.0, 4.0, 0.0]  # not the column with the large weight: the labels find it
    controls, used = rng.normal(size=(60, 3)), rng.normal(size=(30, 3)) + shift
    judged = rng.normal(size=(20, 3)) + shift
    assert (p_values(judged, controls, used) <= 0.05).mean() >= 0.9


def test_columns_without_information_give_no_power() -> None:
    # P(p <= .1) is .1 for each of 200 unused images against one control set of 59. The count
    # varies more than a binomial one (they share the controls): sd of the rate .045, limit .30
    rng = np.random.default_rng(5)
    controls, used, judged = (rng.normal(size=(n, 3)) for n in (59, 30, 200))
    assert (p_values(judged, controls, used) <= 0.1).mean() < 0.3


def test_a_large_patient_has_one_voice() -> None:
    rng = np.random.default_rng(6)
    used = rng.normal(size=(20, 1)) + 3
    controls = np.r_[np.full(40, 2.0) + rng.normal(size=40) * 0.01, np.linspace(-1, 0, 9)][:, None]
    groups = np.r_[np.zeros(40), np.arange(1, 10)]
    p = p_values(np.array([[1.0]]), controls, used, groups)
    assert p == pytest.approx([2 / 11])


def test_ones_own_patient_takes_no_part() -> None:
    rng = np.random.default_rng(7)
    controls, used = rng.normal(size=(12, 3)), rng.normal(size=(8, 3)) + 1
    control_groups, used_groups = np.arange(12) // 2, 3 + np.arange(8) // 2
    judged, own = rng.normal(size=(1, 3)), 3
    scores, p = stack_p_values(
        judged, controls, used, WEIGHTS, np.array([own]), control_groups, used_groups
    )
    c, u = control_groups != own, used_groups != own
    assert c.sum() == 10
    assert u.sum() == 6
    alone = stack_p_values(
        judged, controls[c], used[u], WEIGHTS, np.array([own]), control_groups[c], used_groups[u]
    )
    assert (scores, p) == (alone[0], alone[1])


def test_the_order_of_the_known_images_changes_nothing() -> None:
    rng = np.random.default_rng(8)
    controls, used, judged = (rng.normal(size=(n, 3)) for n in (15, 8, 4))
    found = p_values(judged, controls, used)
    np.testing.assert_allclose(p_values(judged, controls[::-1], used[::-1]), found)


def test_what_cannot_be_learned_is_refused() -> None:
    rows = np.zeros((3, 3))
    with pytest.raises(InputError, match="shares its group with every image of known status"):
        stack_p_values(rows, rows, rows, WEIGHTS, np.zeros(3), np.zeros(3), np.ones(3))
    with pytest.raises(InputError, match="at least one unused"):
        p_values(rows, rows[:0], rows)
