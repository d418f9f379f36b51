"""Patients with 1 to 20 slices: p-values hold although slices are alike, and see what is there."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import binom, combine_pvalues

from vestige.stats import patients
from vestige.stats.calibration import conformal_p_values
from vestige.stats.full_conformal import group_models, scored_groups
from vestige.stats.patients import (
    best_and_mean,
    compare_equal_numbers,
    like_sizes,
    patient_scores,
)
from vestige.stats.scale import log_scores
from vestige.types import Floats, Ints

WEIGHTS = np.array([4.0, 1.0, 1.0])
CALIBRATION = 39


def p_of(
    sizes: Ints, targets: int, likeness: float, seed: int, copied: int = 0, known: int = 0
) -> Floats:
    """p of the target patients, who come first; of `copied` of them one image is a copy."""
    rng = np.random.default_rng([3, seed])
    groups = np.repeat(np.arange(len(sizes)), sizes)
    person = rng.normal(size=(len(sizes), 3))[groups]
    columns = np.sqrt(likeness) * person + np.sqrt(1 - likeness) * rng.normal(size=person.shape)
    columns[np.unique(groups, return_index=True)[1][:copied]] += 6.0
    role = np.select([groups < targets, groups >= len(sizes) - known], [0, 2], 1)
    columns[role == 2] += 1.0
    taught = role == (2 if known else 0)
    z = log_scores(columns, groups, role >= 0)
    models = group_models(z, role == 0, role == 1, taught, groups, WEIGHTS)
    scored = scored_groups(z, models, role == 0, role == 1, groups)
    return patients.test_patients(scored, groups).p_values


@pytest.mark.parametrize(
    ("target_sizes", "calibration_sizes", "likeness", "known"),
    [
        ((1, 10), (1, 10), 0.9, 0),
        ((1, 10), (1, 10), 0.0, 0),
        ((1, 10), (1, 10), 0.5, 20),
        ((1, 1), (1, 10), 0.9, 0),  # unlike numbers: equally many are compared
        ((1, 1), (1, 10), 0.0, 0),
        ((6, 10), (1, 3), 0.0, 0),
        ((6, 10), (1, 3), 0.9, 0),
    ],
)
def test_an_innocent_patient_is_called_no_more_often_than_asked(
    target_sizes: tuple[int, int], calibration_sizes: tuple[int, int], likeness: float, known: int
) -> None:
    # one patient of each world, so that draws are independent; binomial limits of 1e-5 at three
    # rates: fails falsely with probability below 1e-4
    first = []
    for seed in range(300):
        rng = np.random.default_rng([4, seed])
        low, high = np.array([target_sizes, calibration_sizes]).T
        sizes = np.concatenate(
            [rng.integers(low[k], high[k] + 1, n) for k, n in enumerate((5, CALIBRATION))]
            + [rng.integers(1, 4, known)]
        )
        first.append(p_of(sizes, 5, likeness, seed, known=known)[0])
    for rate in (0.05, 0.1, 0.2):
        assert (np.array(first) <= rate + 1e-9).sum() <= binom.ppf(1 - 1e-5, 300, rate)


def test_one_image_each_is_the_conformal_p_value() -> None:
    # nothing is paid where both questions are one
    p = [p_of(np.ones(44, int), 5, 0.5, seed)[0] for seed in range(300)]
    for rate in (0.05, 0.25, 0.5):
        low, high = binom.ppf([1e-5, 1 - 1e-5], 300, rate)
        assert low <= (np.array(p) <= rate + 1e-9).sum() <= high


def test_slices_taken_for_independent_witnesses_would_accuse() -> None:
    """The naive way, Fisher's combination of the p-values of slices: far above 5 %."""
    accused = 0
    for seed in range(200):
        rng = np.random.default_rng([5, seed])
        sizes = rng.integers(1, 21, 40)
        groups = np.repeat(np.arange(40), sizes)
        score = rng.normal(size=40)[groups] + 0.3 * rng.normal(size=len(groups))
        own = groups == 0
        each = conformal_p_values(score[own], score[~own], groups[~own])
        accused += combine_pvalues(each).pvalue <= 0.05
    assert accused > binom.ppf(1 - 1e-9, 200, 0.05)  # about one in five


def test_one_copied_image_among_many_gives_its_patient_away() -> None:
    # the mean over 1 to 8 images misses them: 8 of 23 before
    found = called = 0
    for seed in range(6):
        sizes = np.random.default_rng([6, seed]).integers(1, 9, 30 + 99)
        p = p_of(sizes, 30, 0.5, seed, copied=10)
        found += int((p[:10] <= 0.05).sum())
        called += int((p[10:] <= 0.05).sum())
    assert found >= 57
    assert called <= 20  # 6 of 120 expected; twice as spread out as binomial: 20 is 4 sd away


# --- equally many images
def test_all_choices_at_once_are_the_mean_over_each() -> None:
    rng = np.random.default_rng(7)
    own, sizes = rng.normal(size=3), [5, 4, 3, 6]
    calibration, groups = rng.normal(size=18), np.repeat(np.arange(4), sizes)
    p, _ = compare_equal_numbers(own, calibration, groups)
    shares = [
        np.mean([max(c) >= own.max() for c in combinations(calibration[groups == g], 3)])
        for g in range(4)
    ]
    means = [
        np.mean(np.convolve(np.r_[x, x[:2]], np.full(3, 1 / 3), "valid") >= own.mean())
        for x in (calibration[groups == g] for g in range(4))
    ]
    assert p == pytest.approx(min(1, 2 * min(1 + sum(shares), 1 + sum(means)) / 5))


def test_a_larger_patient_pays_for_his_choice() -> None:
    # 6 images, 19 unused of 2: pairs, and one of three pairs holds the best image
    calibration = np.linspace(-1, 1, 38)
    found = compare_equal_numbers(np.array([9.0] + [-9.0] * 5), calibration, np.arange(38) // 2)
    assert found == (pytest.approx(2 * 3 / 20), "best image")
    # where as many exist, nothing is paid for that; a single image is asked once
    found = compare_equal_numbers(np.array([9.0, -9.0]), calibration, np.arange(38) // 2)
    assert found == (pytest.approx(2 * 1 / 20), "best image")
    assert compare_equal_numbers(np.array([9.0]), calibration, np.arange(38) // 2)[0] == 1 / 20


def test_every_image_counts_once_in_the_means() -> None:
    calibration = np.array([3.0, 0.0, 0.0, 1.0, 1.0, *np.zeros(20)])
    groups = np.array([0, 0, 0, 1, 1, *np.repeat(np.arange(2, 12), 2)])
    # pairs in order, round the end: means 1.5, 0, 1.5 and 1, 1
    p, carrier = compare_equal_numbers(np.array([1.2, 1.2]), calibration, groups)
    assert (p, carrier) == (pytest.approx(2 * (1 + 2 / 3) / 13), "best image")
    p, carrier = compare_equal_numbers(np.array([1.2, 1.0]), calibration, groups)
    assert (p, carrier) == (pytest.approx(2 * (1 + 2 / 3) / 13), "best image")


def test_like_numbers_of_images() -> None:
    rng = np.random.default_rng(8)
    assert like_sizes(rng.integers(1, 11, 40), rng.integers(1, 11, 90))
    assert like_sizes(np.ones(30, int), np.ones(50, int))
    assert not like_sizes(np.ones(30, int), rng.integers(1, 11, 90))
    assert not like_sizes(rng.integers(6, 11, 10), rng.integers(1, 4, 40))


# --- one score
def test_a_best_of_many_counts_less() -> None:
    rng = np.random.default_rng(9)
    sizes = np.tile([1, 20], 500)
    groups = np.repeat(np.arange(1000), sizes)
    best, mean = best_and_mean(rng.normal(size=len(groups)), groups, 1000)
    assert abs(np.median(best[::2]) - np.median(best[1::2])) < 0.2  # 1.9 without
    assert mean[groups[0]] == pytest.approx(best[0])
    both = patient_scores(np.arange(6.0), np.array([0, 1, 2, 3, 4, 5]))
    assert (np.diff(both) > 0).all()
