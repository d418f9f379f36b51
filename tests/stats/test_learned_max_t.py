"""A classifier that is fitted again for each relabelling, without fitting it again."""

import itertools

import numpy as np
import pytest
from scipy.stats import binom, rankdata

from vestige.stats.learned_max_t import cross_fit, learned_max_t
from vestige.stats.logistic import fit_logistic

RNG = np.random.default_rng(0)
GROUPS = np.array([0, 0, 1, 2, 2, 2, 3, 4, 5, 5, 6, 7])
ROWS = RNG.normal(size=(12, 3))
COLUMNS = RNG.normal(size=(12, 2))
SUSPECT = np.isin(GROUPS, [0, 2, 5])


def ridge_scores(rows: np.ndarray, y: np.ndarray, folds: np.ndarray, penalty: float) -> np.ndarray:
    """By least squares on augmented rows, fold by fold."""
    scores = np.empty(len(rows))
    for fold in np.unique(folds):
        inside = folds == fold
        x = rows[~inside]
        centred = x - x.mean(axis=0)
        augmented = np.vstack([centred, np.sqrt(penalty) * np.eye(rows.shape[1])])
        target = np.r_[y[~inside] - y[~inside].mean(), np.zeros(rows.shape[1])]
        b = np.linalg.lstsq(augmented, target, rcond=None)[0]
        scores[inside] = (rows[inside] - x.mean(axis=0)) @ b
    return scores


def test_scores_equal_ridge_regression_fold_by_fold() -> None:
    classifier = cross_fit(ROWS, GROUPS, 4, 2.0)
    assert all(len(set(classifier.folds[g == GROUPS])) == 1 for g in range(8))
    wanted = ridge_scores(ROWS, SUSPECT.astype(float), classifier.folds, 2.0)
    np.testing.assert_allclose(classifier.scores(SUSPECT), wanted, rtol=1e-6)


def test_p_value_equals_refitting_every_relabelling() -> None:
    classifier = cross_fit(ROWS, GROUPS, 4, 2.0)

    def statistics(chosen: tuple[int, ...]) -> list[float]:
        candidate = np.isin(GROUPS, chosen)
        scores = ridge_scores(ROWS, candidate.astype(float), classifier.folds, 2.0)
        found = []
        for values in (*rankdata(COLUMNS, axis=0).T, scores):
            means = np.array([values[g == GROUPS].mean() for g in range(8)])
            inside = np.isin(np.arange(8), chosen)
            found.append(means[inside].mean() - means[~inside].mean())
        return found

    every = np.array([statistics(chosen) for chosen in itertools.combinations(range(8), 3)])
    standard = (every - every.mean(axis=0)) / every.std(axis=0)
    observed = (np.array(statistics((0, 2, 5))) - every.mean(axis=0)) / every.std(axis=0)
    wanted = (standard.max(axis=1) >= observed.max() - 1e-9).mean()
    found, p = learned_max_t(COLUMNS, classifier, SUSPECT, GROUPS)
    np.testing.assert_allclose(found, observed, rtol=1e-6)
    assert p == pytest.approx(wanted, abs=1e-12)


def test_the_penalty_is_that_of_a_logistic_regression() -> None:
    """With C = .01 the first Newton step is nearly the minimum."""
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(300, 20)) * np.linspace(1, 0.1, 20)
    labels = rows[:, 3] + rng.normal(size=300) > 0
    balanced = cross_fit(rows, np.arange(300), 5, 4 / 0.01)
    inside = balanced.folds == 0
    model = fit_logistic(
        rows[~inside] - rows[~inside].mean(axis=0), labels[~inside], 0.01, balanced=False
    )
    by_logistic = (rows[inside] - rows[~inside].mean(axis=0)) @ model[1:]
    assert np.corrcoef(balanced.scores(labels)[inside], by_logistic)[0, 1] > 0.999


def test_nothing_there() -> None:
    """60 audits of noise: more than binom.isf(1e-4) below .2 has P < 1e-4, as has fewer than 2."""
    p = []
    for seed in range(60):
        rng = np.random.default_rng([seed, 2])
        rows, columns = rng.normal(size=(40, 8)), rng.normal(size=(40, 3))
        classifier = cross_fit(rows, np.arange(40), 5, 400)
        candidate = np.arange(40) < 20
        p.append(learned_max_t(columns, classifier, candidate, n_permutations=199, seed=seed)[1])
    assert 2 <= (np.array(p) <= 0.2).sum() <= binom.isf(1e-4, 60, 0.2)


def test_what_only_the_classifier_sees() -> None:
    rng = np.random.default_rng(3)
    candidate = np.arange(100) < 50
    rows = rng.normal(size=(100, 8)) + candidate[:, None] * np.tile([0.6, -0.6], 4)
    statistics, p = learned_max_t(
        rng.normal(size=(100, 3)), cross_fit(rows, np.arange(100), 5, 400), candidate
    )
    assert int(statistics.argmax()) == 3
    assert p < 0.001


def test_constant_rows_and_columns_say_nothing() -> None:
    flat = np.ones((20, 2))
    statistics, p = learned_max_t(
        flat, cross_fit(flat, np.arange(20), 5, 400), np.arange(20) < 10, n_permutations=99
    )
    assert p == 1.0
    np.testing.assert_array_equal(statistics, 0)
