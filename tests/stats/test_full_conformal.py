"""Full-conformal p-values: the promise at its edges, and that they see what is there."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binom, norm, rankdata

from vestige.registry.entries import InputError
from vestige.stats.full_conformal import (
    group_models,
    image_p_values,
    normal_standing,
    pooled_model,
)
from vestige.stats.scale import log_scores
from vestige.types import Bools, Floats, Ints

PRIOR = np.array([8.0, 1.0, 1.0])


def p_of(
    columns: Floats, targets: Bools, calibration: Bools, positives: Bools, groups: Any
) -> Floats:
    """p-values of the target rows, in the way of an audit."""
    weights = PRIOR[: columns.shape[1]]
    z = log_scores(columns, groups, targets | calibration | positives)
    models = group_models(z, targets, calibration, positives, groups, weights)
    return image_p_values(z, models, targets, calibration, groups)[0]


def p_values(
    targets: Floats, calibration: Floats, used: Floats, calibration_groups: Any = None
) -> Floats:
    n, c, u = len(targets), len(calibration), len(used)
    own = 500 + np.arange(c) if calibration_groups is None else calibration_groups
    groups = np.concatenate([np.arange(n), own, 1000 + np.arange(u)])
    role = np.repeat([0, 1, 2], [n, c, u])
    return p_of(
        np.concatenate([targets, calibration, used]), role == 0, role == 1, role == 2, groups
    )


ROWS = st.integers(-3, 3).map(float)


@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    arrays(np.float64, st.tuples(st.integers(2, 8), st.just(3)), elements=ROWS),
    arrays(np.float64, st.tuples(st.integers(1, 5), st.just(3)), elements=ROWS),
)
def test_false_alarms_stay_within_the_promise(rows: Floats, used: Floats) -> None:
    # the same used set, every unused row the target image once: at most `allowed` of n may
    # reach allowed / n although the model was fitted on the very rows it ranks
    n = len(rows)
    p = np.array([p_values(rows[i : i + 1], np.delete(rows, i, axis=0), used)[0] for i in range(n)])
    for allowed in range(n + 1):
        assert (p <= allowed / n + 1e-12).sum() <= allowed


def test_the_model_of_a_patient_cannot_tell_them_from_a_control() -> None:
    # a target patient and a control change places: the model of the one is that of the other
    rng = np.random.default_rng(24)
    role, groups = np.repeat([0, 1], 20), np.arange(40)
    z = rng.normal(size=(40, 3)) + np.where(role == 0, 1.0, 0.0)[:, None]
    changed = role.copy()
    changed[0], changed[20] = 1, 0
    models = [
        group_models(z, who == 0, who == 1, who == 0, groups, PRIOR).of(np.array([name]))
        for who, name in ((role, 0), (changed, 20))
    ]
    assert [len(model.names) for model in models] == [1, 1]
    np.testing.assert_allclose(models[0].weights, models[1].weights, rtol=1e-9)
    assert np.abs(models[0].weights - PRIOR / PRIOR.sum()).max() > 0.01  # something was learned


def test_the_promise_with_continuous_columns_is_exact() -> None:
    # no ties: the n p-values are 1/n, ..., 1, each once
    rng = np.random.default_rng(3)
    rows, used = rng.normal(size=(12, 3)), rng.normal(size=(9, 3)) + [2.0, 0.5, 0.0]
    p = [p_values(rows[i : i + 1], np.delete(rows, i, axis=0), used)[0] for i in range(12)]
    np.testing.assert_allclose(np.sort(p), np.arange(1, 13) / 12)


# --- edges of section 5: the first patient was not used; 39 unused make .05, .1 and .2 exact
Edge = Callable[[np.random.Generator], tuple[Floats, Ints, Ints, Ints]]
"""Columns, role (0 query, 1 unused), true groups, and groups as a careless audit has them."""


def persons(sizes: Ints, likeness: float, rng: np.random.Generator) -> tuple[Floats, Ints]:
    """Images [n, 3] of persons, alike by so much."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    own = rng.normal(size=(len(groups), 3))
    person = rng.normal(size=(len(sizes), 3))[groups]
    return np.sqrt(likeness) * person + np.sqrt(1 - likeness) * own, groups


def siblings(rng: np.random.Generator) -> tuple[Floats, Ints, Ints, Ints]:
    """A9: the other images of the patient stay among the positives."""
    columns, groups = persons(np.r_[4, np.ones(3, int), rng.integers(1, 5, 39)], 0.9, rng)
    role = np.where(groups < 4, 0, 1)
    careless = np.where(groups == 0, 1000 + np.arange(len(groups)), groups)
    return columns, role, groups, careless


def twins(rng: np.random.Generator) -> tuple[Floats, Ints, Ints, Ints]:
    """A6: the same image is asked under four names."""
    columns, groups = persons(np.r_[4, np.ones(3, int), np.full(39, 1)], 1.0, rng)
    role = np.where(groups < 4, 0, 1)
    return columns, role, groups, np.where(groups == 0, 1000 + np.arange(len(groups)), groups)


def volumes(rng: np.random.Generator) -> tuple[Floats, Ints, Ints, Ints]:
    """A7: each slice of a volume counts as a patient; here those of the judged volume."""
    columns, groups = persons(np.full(46, 6), 0.95, rng)
    return columns, np.where(groups < 7, 0, 1), groups, np.arange(len(groups))


def called(edge: Edge, careless: bool, worlds: int) -> Floats:
    """p of the first image of the first patient, one per world."""
    p = []
    for seed in range(worlds):
        columns, role, groups, wrong = edge(np.random.default_rng([21, seed]))
        asked = np.arange(len(role)) == 0
        own = wrong if careless else groups
        targets = (own == own[0]) & (role == 0)
        found = p_of(columns, targets, role == 1, role == 0, own)
        p.append(found[np.flatnonzero(asked[targets])[0]])
    return np.array(p)


@pytest.mark.parametrize("edge", [siblings, twins, volumes])
def test_an_unused_image_is_called_no_more_often_than_asked(edge: Edge) -> None:
    # binomial limits of 1e-5 at three rates: fails falsely with probability below 1e-4
    p = called(edge, careless=False, worlds=600)
    for rate in (0.05, 0.1, 0.2):
        assert (p <= rate + 1e-9).sum() <= binom.ppf(1 - 1e-5, len(p), rate)


@pytest.mark.parametrize("edge", [siblings, twins, volumes])
def test_with_careless_groups_it_is(edge: Edge) -> None:
    # what the edges are for: .38, .41 and .30 at .2 in these worlds
    p, rate = called(edge, careless=True, worlds=600), 0.2
    assert (p <= rate + 1e-9).sum() > binom.ppf(1 - 1e-5, len(p), rate)


def test_with_one_image_each_it_is_called_as_often_as_asked() -> None:
    p = []
    for seed in range(600):
        rng = np.random.default_rng([22, seed])
        columns, role = rng.normal(size=(49, 3)), np.r_[np.zeros(10), np.ones(39)]
        columns[1:5] += 3  # four of the other queries were used
        targets = np.arange(49) == 0
        p.append(p_of(columns, targets, role == 1, role == 0, np.arange(49))[0])
    for rate in (0.05, 0.1, 0.25, 0.5):
        low, high = binom.ppf([1e-5, 1 - 1e-5], 600, rate)
        assert low <= (np.array(p) <= rate + 1e-9).sum() <= high


# --- power
def test_a_column_that_separates_gives_power() -> None:
    rng = np.random.default_rng(4)
    shift = [0.0, 4.0, 0.0]  # not the column with the large weight: the labels find it
    calibration, used = rng.normal(size=(60, 3)), rng.normal(size=(30, 3)) + shift
    targets = rng.normal(size=(20, 3)) + shift
    assert (p_values(targets, calibration, used) <= 0.05).mean() >= 0.9


@pytest.mark.parametrize(("used", "least"), [(4, -0.02), (40, 0.15)])
def test_the_queries_teach_and_few_used_ones_are_not_outvoted(used: int, least: float) -> None:
    # gain in the share found at .05 over the fixed weights, mean of 20 worlds
    gain = []
    for seed in range(20):
        rng = np.random.default_rng([23, seed])
        columns = rng.normal(size=(160, 6))
        columns[:used] += [1.5, 2.5, 0.0, 0.0, 0.0, 0.0]
        role, groups = np.repeat([0, 1], 80), np.arange(160)
        z = log_scores(columns, groups, role >= 0)
        taught, fixed = (
            group_models(z, role == 0, role == 1, positives, groups, np.ones(6))
            for positives in (role == 0, role == 2)
        )
        shares = [
            (image_p_values(z, m, role == 0, role == 1, groups)[0][:used] <= 0.05).mean()
            for m in (taught, fixed)
        ]
        gain.append(shares[0] - shares[1])
    assert np.mean(gain) >= least


def test_columns_without_information_give_no_power() -> None:
    # P(p <= .1) is .1 for each of 200 unused images against one calibration set of 59. The count
    # varies more than a binomial one (they share the unused): sd of the rate .045, limit .30
    rng = np.random.default_rng(5)
    calibration, used, targets = (rng.normal(size=(n, 3)) for n in (59, 30, 200))
    assert (p_values(targets, calibration, used) <= 0.1).mean() < 0.3


# --- who takes part
def test_a_large_patient_has_one_voice() -> None:
    rng = np.random.default_rng(6)
    used = rng.normal(size=(20, 1)) + 3
    calibration = np.r_[np.full(40, 2.0) + rng.normal(size=40) * 0.01, np.linspace(-1, 0, 9)][
        :, None
    ]
    groups = 100 + np.r_[np.zeros(40), np.arange(1, 10)]
    p = p_values(np.array([[1.0]]), calibration, used, groups)
    assert p == pytest.approx([2 / 11])


def test_ones_own_patient_takes_no_part() -> None:
    rng = np.random.default_rng(7)
    z = np.concatenate([rng.normal(size=(13, 3)), rng.normal(size=(8, 3)) + 1])
    groups = np.concatenate([[3], np.arange(12) // 2, 3 + np.arange(8) // 2])
    role = np.repeat([0, 1, 2], [1, 12, 8])
    others = (groups != 3) | (role == 0)

    def found(keep: Bools) -> Floats:
        # the scale is that of the whole cohort, here as there
        sides = (role == 0, (role == 1) & keep, (role == 2) & keep)
        return image_p_values(z, group_models(z, *sides, groups, PRIOR), *sides[:2], groups)[0]

    assert found(others) == pytest.approx(found(np.ones(21, np.bool_)), abs=1e-12)


def test_rows_that_nobody_asks_for_change_nothing() -> None:
    rng = np.random.default_rng(9)
    columns, role, groups = rng.normal(size=(40, 3)), np.arange(40) % 2, np.arange(40)
    p = p_of(columns, role == 0, role == 1, role == 0, groups)
    more = np.concatenate([columns, rng.normal(size=(5, 3)) + 9])  # resolved queries
    role, groups = np.concatenate([role, np.full(5, 2)]), np.concatenate([groups, np.arange(5)])
    np.testing.assert_array_equal(p_of(more, role == 0, role == 1, role == 0, groups), p)


def test_the_order_of_the_known_images_changes_nothing() -> None:
    rng = np.random.default_rng(8)
    calibration, used, targets = (rng.normal(size=(n, 3)) for n in (15, 8, 4))
    found = p_values(targets, calibration, used)
    np.testing.assert_allclose(p_values(targets, calibration[::-1], used[::-1]), found)


def test_what_cannot_calibrate_is_refused() -> None:
    z, at = np.zeros((9, 3)), np.arange(9)
    with pytest.raises(InputError, match="shares its group with every unused image"):
        group_models(z, at < 3, (at >= 3) & (at < 6), at >= 6, np.zeros(9), PRIOR)
    with pytest.raises(InputError, match="not finite"):
        group_models(z + np.nan, at < 3, at >= 3, at < 3, at, PRIOR)


# --- scales
def test_log_scores_keep_the_order_at_the_top() -> None:
    rng = np.random.default_rng(10)
    columns = np.column_stack([rng.normal(size=99), np.zeros(99), rng.random(99) > 0.9])
    columns[:2, 0] = [20.0, 40.0]
    z = log_scores(columns, np.arange(99), np.ones(99, np.bool_))
    np.testing.assert_array_equal(rankdata(z[:, 0]), rankdata(columns[:, 0]))
    assert z[1, 0] - z[0, 0] > 0.3
    assert z[:, 0].std() == pytest.approx(1)
    assert (z[:, 1] == 0).all()
    assert z[:, 2].max() > 0  # more than half tie: still a column
    np.testing.assert_allclose(log_scores(3 + 7 * columns, np.arange(99), z[:, 0] > -9), z)


def test_standing_is_a_normal_score_that_goes_on_beyond_the_controls() -> None:
    rng = np.random.default_rng(11)
    calibration, groups = rng.normal(size=30), np.arange(30)
    np.testing.assert_allclose(
        normal_standing(calibration, calibration, groups),
        norm.ppf((rankdata(calibration) - 0.5) / 30),
    )
    beyond = calibration.max() + np.array([0.0, 1.0, 2.0])
    told = normal_standing(beyond, calibration, groups)
    np.testing.assert_allclose(np.diff(told), 1 / calibration.std())
    scores = np.sort(rng.normal(size=50) * 3)
    assert (np.diff(normal_standing(scores, calibration, groups)) > 0).all()


def test_one_model_for_all_learns_from_others_only() -> None:
    rng = np.random.default_rng(12)
    z, role = rng.normal(size=(90, 3)), np.repeat([0, 1], [60, 30])
    z[role == 1] += [0.0, 2.0, 0.0]
    groups = np.arange(90)
    assert pooled_model(z, role == 0, role == 1, groups, PRIOR).argmax() == 1
    inside = np.where(role == 1, groups - 60, groups)  # known used images of patients in the pool
    np.testing.assert_allclose(
        pooled_model(z, role == 0, role == 1, inside, PRIOR), PRIOR / PRIOR.sum()
    )
