"""L2 logistic regression against scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from vestige.registry.entries import InputError
from vestige.stats.logistic import fit_logistic, logits
from vestige.types import Bools, Floats


def sample(shift: float, n: int = 120) -> tuple[Floats, Bools]:
    rng = np.random.default_rng(0)
    labels = np.arange(n) < n // 4
    rows = rng.standard_normal((n, 4)) * [1, 0.1, 5, 1] + 3
    rows[labels] += shift * np.array([1, 0, 2, -1])
    return rows, labels


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("strength", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("shift", [0.0, 0.5, 8.0])
def test_equals_scikit_learn(balanced: bool, strength: float, shift: float) -> None:
    rows, labels = sample(shift)
    model = LogisticRegression(
        C=strength,
        class_weight="balanced" if balanced else None,
        tol=1e-10,
        max_iter=10_000,
        solver="newton-cholesky",
    ).fit(rows, labels)
    found = fit_logistic(rows, labels, strength, balanced)
    np.testing.assert_allclose(found, [*model.intercept_, *model.coef_[0]], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        logits(found, rows), model.decision_function(rows), rtol=1e-5, atol=1e-5
    )


def test_the_order_of_rows_changes_nothing() -> None:
    rows, labels = sample(0.5)
    np.testing.assert_allclose(
        fit_logistic(rows[::-1], labels[::-1]), fit_logistic(rows, labels), rtol=1e-9
    )


def test_a_column_that_says_nothing_and_one_that_repeats_are_harmless() -> None:
    rows, labels = sample(0.5)
    wide = np.column_stack([rows, np.zeros(len(rows)), rows[:, 0]])
    found = fit_logistic(wide, labels)
    assert found[5] == pytest.approx(0, abs=1e-9)
    assert found[6] == pytest.approx(found[1])


@pytest.mark.parametrize("value", [True, False])
def test_one_class_is_refused(value: bool) -> None:
    with pytest.raises(InputError, match="both classes"):
        fit_logistic(np.ones((4, 2)), np.full(4, value))
