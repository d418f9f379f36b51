"""What an audit could have seen: the promised power is there, also with slices and with labels."""

import numpy as np
import pytest
from scipy.stats import binom

from vestige.stats.folds import FoldedScores, auc_in_folds
from vestige.stats.permutation import set_test, set_tests_in_folds
from vestige.stats.power import (
    detectable_in_folds,
    effective_size,
    images_needed,
    minimum_detectable_auc,
)
from vestige.stats.sensitivity import TARGETS, effective_groups, sensitivity
from vestige.stats.stack import normal_scores
from vestige.stats.stack_test import stack_test
from vestige.types import Floats, Ints


def shift_of(auc: float) -> float:
    """Distance of two normal distributions of variance 1 with this AUC."""
    from scipy.special import ndtri

    return float(np.sqrt(2) * ndtri(auc))


def test_one_image_per_group_is_hanley_and_mcneil() -> None:
    rng = np.random.default_rng(0)
    used, unused = rng.normal(size=30), rng.normal(size=50)
    smallest, needed = sensitivity(used, unused, np.arange(30), np.arange(50), 0.05)
    assert smallest == minimum_detectable_auc(30, 50)
    assert [(n.auc, n.n, n.unit) for n in needed] == [
        (auc, images_needed(auc), "images") for auc in TARGETS
    ]
    assert [n.n for n in needed] == [411, 102, 25]  # docs/methods.md 4.7


def test_effective_size_by_hand() -> None:
    # groups of 1, 2 and 4: mean of 1/m is 7/12; rho .5: 3 / (.5 + .5 x 7/12)
    groups = ["a", "b", "b", "c", "c", "c", "c"]
    assert effective_groups(groups, 0.5) == pytest.approx(3 / (0.5 + 0.5 * 7 / 12))
    assert effective_groups(groups, 1.0) == pytest.approx(3)  # alike: a group is one image
    assert effective_groups(groups, 0.5) < effective_size(7, 7 / 3, 0.5)  # not the usual mean
    assert effective_groups(range(5), 0.3) == pytest.approx(5)


def slices_of(rng: np.random.Generator, groups: int, rho: float) -> tuple[Floats, Ints]:
    index = np.repeat(np.arange(groups), rng.integers(1, 21, groups))
    person = np.sqrt(rho) * rng.normal(size=groups)[index]
    return person + np.sqrt(1 - rho) * rng.normal(size=len(index)), index


def test_the_promised_power_is_there_with_1_to_20_slices() -> None:
    """600 worlds of power .80: between .74 and .86, each side false with probability < 1e-4.

    The arithmetic mean of the sizes would promise an AUC that is found in .65 of these worlds.
    """
    rng = np.random.default_rng(1)
    draws = [(slices_of(rng, 30, 0.1), slices_of(rng, 30, 0.1)) for _ in range(600)]
    promised = np.mean([sensitivity(u, v, gu, gv, 0.05)[0] for (u, gu), (v, gv) in draws[:100]])
    found = 0
    for seed, ((used, g1), (unused, g0)) in enumerate(draws):
        scores = np.concatenate([used + shift_of(float(promised)), unused])
        labels = np.arange(len(scores)) < len(used)
        groups = np.concatenate([g1, g0 + 30])
        found += set_test(scores, labels, groups, 199, seed).p_value <= 0.05
    assert 0.74 <= found / 600 <= 0.86


def test_groups_needed_are_groups_like_these() -> None:
    rng = np.random.default_rng(2)
    used, unused = slices_of(rng, 200, 0.3), slices_of(rng, 200, 0.3)
    smallest, needed = sensitivity(used[0], unused[0], used[1], unused[1], 0.05)
    assert {n.unit for n in needed} == {"groups"}
    assert all(n.n < images_needed(n.auc) for n in needed)  # slices are worth something
    by_auc = {n.auc: n.n for n in needed}
    # what is needed for .55 and what 200 can see fit together: .55 is near (within .005)
    assert (smallest <= 0.55) == (by_auc[0.55] <= 200)
    size = 200 * images_needed(0.55) / by_auc[0.55]
    assert smallest == pytest.approx(minimum_detectable_auc(size, size), abs=0.005)


@pytest.mark.slow
def test_learning_costs_power_and_the_promise_knows() -> None:
    """Release mode, 40 + 40 images: at the promised AUC the stack finds .8 of 200 worlds.

    .68 to .92: each side false with probability < 1e-4. The formula without learning would promise
    an AUC that is .04 too small.
    """

    def world(seed: int, shift: float, relabellings: int) -> tuple[float, float, float]:
        rng = np.random.default_rng([8, seed])
        used = np.arange(80) < 40
        z = normal_scores(rng.normal(size=(80, 3)) + shift * used[:, None])
        weights = np.array([2.0, 1.0, 1.0])
        test = stack_test(z, used, ~used, used, np.arange(80), weights, relabellings, seed)
        sides = (test.scores[used], test.scores[~used])
        folds = (test.folds[used], test.folds[~used])
        area = auc_in_folds(*map(FoldedScores, sides, folds), repeats=2).value
        alone = np.arange(40)
        promised = sensitivity(*sides, alone, alone, 0.05, test.null)[0]
        return area, test.p_value, promised

    promised = float(np.mean([world(seed, 0.5, 199)[2] for seed in range(30)]))
    assert promised > minimum_detectable_auc(40, 40) + 0.02
    areas = [np.mean([world(seed, shift, 1)[0] for seed in range(150)]) for shift in (0.4, 0.7)]
    assert areas[0] < promised < areas[1]
    shift = float(np.interp(promised, areas, (0.4, 0.7)))
    found = sum(world(1000 + seed, shift, 99)[1] <= 0.05 for seed in range(200))
    assert 0.68 <= found / 200 <= 0.92


def test_a_rate_that_the_relabellings_cannot_show_sees_nothing() -> None:
    null = np.linspace(-0.1, 0.1, 99)
    alone = np.arange(40)
    scores = np.random.default_rng(0).normal(size=40)
    assert sensitivity(scores, scores, alone, alone, 0.005, null)[0] == 1.0
    assert sensitivity(scores, scores, alone, alone, 0.01, null)[0] < 0.8
    flat, _ = sensitivity(scores, scores, alone, alone, 0.05, np.zeros(99))
    assert flat == minimum_detectable_auc(40, 40)


def test_power_of_twice_the_mean_p_value() -> None:
    """400 worlds of power .8 or more (the formula errs on the safe side); <= .7: below 1e-5."""
    promised = detectable_in_folds(50, 50, 5)
    assert promised > minimum_detectable_auc(50, 50)
    rng = np.random.default_rng(3)
    used = np.arange(100) < 50
    folds = np.arange(100) % 5
    found = 0
    for seed in range(400):
        scores = rng.normal(size=100) + shift_of(promised) * used
        p = set_tests_in_folds(scores[:, None], used, folds, None, 199, seed)[0]
        found += p <= 0.05
    assert binom.sf(279, 400, 0.8) > 1 - 1e-5 and found >= 280
