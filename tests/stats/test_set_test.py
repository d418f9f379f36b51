"""The set test of three views: exact, seen to be calibrated at its edges, and with the power asked.

Tests by simulation say how often they fail by chance: less than 1e-4 each.
"""

import itertools

import numpy as np
import pytest
from scipy.stats import binom

from vestige.registry.entries import InputError
from vestige.stats.permutation import set_test
from vestige.stats.set_test import (
    StackLabels,
    answer_set,
    group_values,
    minimum_detectable_share,
)
from vestige.types import Bools, Floats, Ints

WEIGHTS = np.array([2.0, 1.0, 1.0])


def world(sizes: list[int] | Ints, seed: int) -> tuple[Floats, Ints]:
    """Three columns, alike within a patient and among each other; nothing was used."""
    rng = np.random.default_rng([31, seed])
    groups = np.repeat(np.arange(len(sizes)), sizes)
    columns = rng.normal(size=(len(groups), 3)) + rng.normal(size=(len(sizes), 3))[groups]
    return columns + rng.normal(size=len(sizes))[groups][:, None], groups


@pytest.mark.parametrize("stack", [False, True])
def test_every_labelling_once_gives_no_more_small_p_values_than_promised(stack: bool) -> None:
    columns, groups = world([1] * 7, 0)
    columns[5] = columns[6]  # a tie
    p = []
    for chosen in itertools.combinations(range(7), 3):
        target = np.isin(groups, chosen)
        learned = StackLabels(target) if stack else None
        p.append(answer_set(columns, target, ~target, groups, WEIGHTS, learned).p_value)
    found = np.array(p) * 35
    np.testing.assert_allclose(found, np.round(found))
    for allowed in range(36):
        assert (found <= allowed + 1e-9).sum() <= allowed
    assert found.min() <= 2


def test_the_stack_is_fitted_anew_for_every_labelling() -> None:
    # all labellings of 6 of 12: the same ones, whichever of them was observed
    columns, groups = world([1] * 12, 0)
    columns[:6, 1] += 3
    nulls = []
    for chosen in (range(6), range(0, 12, 2)):
        target = np.isin(groups, chosen)
        null = answer_set(columns, target, ~target, groups, WEIGHTS, StackLabels(target)).null
        assert null is not None
        nulls.append(np.sort(null) / np.abs(null).max())  # the unit is that of the observed one
    assert len(np.unique(nulls[0])) >= 5
    np.testing.assert_allclose(nulls[0], nulls[1], atol=1e-12)


def test_many_images_of_a_patient_are_no_high_tail() -> None:
    # 400 patients of eight images and 400 of one, all alike: their mean tails differ by 4.5
    # standard errors with P < 1e-5; without allowance for the size, by more than 20
    keep = np.repeat([8, 1], 400)
    index = np.repeat(np.arange(800), keep)
    score = np.random.default_rng(7).normal(size=len(index))
    for tail in group_values(score, index, keep)[1:2]:
        many, one = tail[:400], tail[400:]
        assert abs(many.mean() - one.mean()) < 4.5 * np.hypot(many.std(), one.std()) / 20


def test_the_seed_decides_which_images_are_drawn() -> None:
    columns, groups = world([6] * 15 + [1] * 25, 5)  # six against one: one of the six is drawn
    target = groups < 15
    labels = StackLabels(target)
    first, again, other = (
        answer_set(columns, target, ~target, groups, WEIGHTS, labels, 99, seed)
        for seed in (3, 3, 4)
    )
    assert first.null is not None and again.null is not None and other.null is not None
    assert first.p_value == again.p_value
    np.testing.assert_array_equal(first.null, again.null)
    assert not np.array_equal(first.null, other.null)


@pytest.mark.parametrize(
    ("sides", "labels"),
    [
        (((30, 1, 1), (30, 1, 1)), "release"),
        (((20, 1, 4), (20, 1, 4)), "none"),
        (((15, 6, 6), (25, 1, 1)), "none"),
        (((25, 1, 1), (15, 6, 6)), "release"),
    ],
)
def test_it_rejects_no_more_often_than_asked(
    sides: tuple[tuple[int, int, int], ...], labels: str
) -> None:
    # 100 worlds, two rates, upper limits of 1e-5 each
    p = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        sizes = np.concatenate([rng.integers(low, high + 1, n) for n, low, high in sides])
        columns, groups = world(sizes, seed)
        target = groups < sides[0][0]
        learned = StackLabels(target, first=labels == "release")
        answer = answer_set(columns, target, ~target, groups, WEIGHTS, learned, 19, seed)
        p.append(answer.p_value)
    for rate in (0.05, 0.2):
        assert (np.array(p) <= rate + 1e-12).sum() <= binom.isf(1e-5, 100, rate)
    assert min(p) < 0.2


def copied(n: int, k: int, seed: int) -> tuple[Floats, Bools]:
    """n patients a side, k of the targets far above all others."""
    columns, groups = world([1] * (2 * n), seed)
    columns[:k] += 20
    return columns, groups < n


@pytest.mark.parametrize(("n", "k"), [(100, 7), (500, 9)])
def test_a_handful_of_copied_patients_is_found(n: int, k: int) -> None:
    # power is .9 or more (docs/power.md); fewer than 26 of 40 would have P < 5e-5
    found = mean = 0
    for seed in range(40):
        columns, target = copied(n, k, seed)
        answer = answer_set(columns, target, ~target, np.arange(2 * n), WEIGHTS, None, 199, seed)
        found += answer.p_value <= 0.05 and answer.carried_by == "tail"
        mean += set_test(columns @ WEIGHTS, target, None, 199, seed).p_value <= 0.05
    assert found >= 26
    assert mean < 26


def test_what_all_patients_show_a_little_is_carried_by_the_mean() -> None:
    columns, groups = world([1] * 200, 3)
    target = groups < 100
    answer = answer_set(columns + target[:, None], target, ~target, groups, WEIGHTS)
    assert answer.p_value < 0.01
    assert answer.carried_by == "mean"
    assert answer.null is None


def test_what_only_one_column_shows_is_carried_by_the_stack() -> None:
    columns, groups = world([1] * 200, 4)
    target = groups < 100
    columns[:, 2] += 1.2 * target
    columns[:, 0] -= 0.6 * target  # the fixed weights cancel it
    answer = answer_set(columns, target, ~target, groups, WEIGHTS, StackLabels(target, first=True))
    assert answer.carried_by == "stack"
    assert answer.p_value < 0.01
    assert answer.null is not None
    assert len(answer.null) == 999
    assert abs(answer.null.mean()) < 0.02  # AUC less .5; sd of the mean .0013


def test_known_used_images_may_teach_the_stack() -> None:
    columns, groups = world([1] * 150, 5)
    target, calibration = groups < 50, (groups >= 50) & (groups < 100)
    known = groups >= 100
    columns[:, 1] += 2.0 * (target | known)
    answer = answer_set(
        columns, target, calibration, groups, WEIGHTS, StackLabels(known, first=True)
    )
    assert answer.p_value < 0.01


@pytest.mark.parametrize("learns", [False, True])
def test_neither_order_nor_names_move_the_p_value(learns: bool) -> None:
    rng = np.random.default_rng(6)
    sizes = rng.integers(1, 6, 40)
    columns, groups = world(sizes, 6)
    target = groups < 14  # some classes are cut
    order = rng.permutation(len(groups))
    learned = StackLabels(target) if learns else None
    first = answer_set(columns, target, ~target, groups, WEIGHTS, learned, seed=2)
    moved = answer_set(
        columns[order], target[order], ~target[order], [f"p{g:03d}" for g in groups[order]],
        WEIGHTS, StackLabels(target[order]) if learns else None, seed=2,
    )  # fmt: skip
    assert moved.p_value == first.p_value
    assert moved.carried_by == first.carried_by
    again = answer_set(columns, target, ~target, groups, WEIGHTS, learned, seed=2)
    assert again.p_value == first.p_value
    other = answer_set(columns, target, ~target, groups, WEIGHTS, learned, seed=3)
    assert other.p_value == pytest.approx(first.p_value, abs=0.1)


def test_rows_of_neither_side_change_nothing_without_the_stack() -> None:
    columns, groups = world([1] * 60, 7)
    target, calibration = groups < 20, (groups >= 20) & (groups < 50)
    rows = target | calibration
    whole = answer_set(columns, target, calibration, groups, WEIGHTS)
    part = answer_set(columns[rows], target[rows], calibration[rows], groups[rows], WEIGHTS)
    assert whole == part


def test_columns_that_never_vary_show_nothing() -> None:
    target = np.arange(60) < 30
    answer = answer_set(
        np.ones((60, 3)), target, ~target, np.arange(60), WEIGHTS, StackLabels(target)
    )
    assert answer.p_value == 1.0


def test_what_cannot_be_compared_is_refused() -> None:
    columns, target = np.zeros((4, 3)), np.array([True, True, False, False])
    with pytest.raises(InputError, match="needs candidates and calibration images"):
        answer_set(columns, ~(target & False), target & False, np.arange(4), WEIGHTS)
    with pytest.raises(InputError, match="among candidates and calibration images"):
        answer_set(columns, target, ~target, np.array([0, 1, 1, 2]), WEIGHTS)
    for wrong in ((0, 5, 0.05, 0.8), (5, 0, 0.05, 0.8), (5, 5, 0.0, 0.8), (5, 5, 0.05, 1.0)):
        with pytest.raises(InputError, match="patients on both sides and rates"):
            minimum_detectable_share(*wrong)


def test_the_detectable_share_falls_with_the_number_of_patients() -> None:
    shares = [minimum_detectable_share(n, n) for n in (20, 50, 100, 500)]
    assert shares == sorted(shares, reverse=True)
    assert minimum_detectable_share(100, 100) <= 0.07
    # the smallest that is found so often, by the seeded simulation
    assert [round(n * minimum_detectable_share(n, m)) for n, m in ((40, 40), (60, 30))] == [6, 11]
    assert minimum_detectable_share(500, 500) <= 9 / 500
    assert minimum_detectable_share(100, 100, alpha=0.01) > minimum_detectable_share(100, 100)
    assert minimum_detectable_share(3, 3) == 1.0
    assert minimum_detectable_share(100, 20) > minimum_detectable_share(100, 100)


def test_the_detectable_share_is_found_that_often() -> None:
    # promised 80 %, and mean rank adds to it; fewer than 24 of 40 would have P < 1.4e-3 at .8,
    # 1e-5 at the .9 that is drawn here
    n = 60
    k = round(minimum_detectable_share(n, n) * n)
    found = []
    for seed in range(40):
        columns, target = copied(n, k, 100 + seed)
        answer = answer_set(columns, target, ~target, np.arange(2 * n), WEIGHTS, None, 199, seed)
        found.append(answer.p_value <= 0.05)
    assert sum(found) >= 24
