"""AUC within folds: against brute force, and fair where pooling is not."""

import numpy as np
import pytest

from vestige.stats.bootstrap import draw_groups, percentile_interval
from vestige.stats.folds import FoldedScores, auc_difference, auc_in_folds
from vestige.stats.intervals import auc
from vestige.stats.splits import group_folds
from vestige.types import Floats, Ints


def brute(used: Floats, unused: Floats, used_folds: Ints, unused_folds: Ints) -> float:
    won = [
        float(a > b) + 0.5 * float(a == b)
        for a, f in zip(used, used_folds, strict=True)
        for b, g in zip(unused, unused_folds, strict=True)
        if f == g
    ]
    return float(np.mean(won))


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_share_of_pairs_within_folds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    used, unused = rng.integers(0, 6, 33).astype(float), rng.integers(0, 5, 41).astype(float)
    used_groups, unused_groups = np.arange(33) // 3, 100 + np.arange(41) // 3
    folds = used_groups % 4, unused_groups % 4
    found = auc_in_folds(
        FoldedScores(used, folds[0], used_groups), FoldedScores(unused, folds[1], unused_groups)
    )
    assert found.value == pytest.approx(brute(used, unused, *folds), abs=1e-12)
    assert found.low < found.value < found.high
    assert found.n == 74


def test_an_offset_of_a_fold_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    used, unused = rng.normal(1, 1, 40), rng.normal(0, 1, 40)
    folds = np.arange(40) % 5
    plain = auc_in_folds(FoldedScores(used, folds), FoldedScores(unused, folds))
    moved = auc_in_folds(
        FoldedScores(used + 10 * folds, folds), FoldedScores(unused + 10 * folds, folds)
    )
    assert plain == moved
    assert auc(used + 10 * folds, unused + 10 * folds) < plain.value - 0.1


def test_one_fold_is_the_plain_auc() -> None:
    rng = np.random.default_rng(1)
    used, unused = rng.normal(0.5, 1, 30), rng.normal(0, 1, 20)
    found = auc_in_folds(FoldedScores(used, np.zeros(30)), FoldedScores(unused, np.zeros(20)))
    assert found.value == pytest.approx(auc(used, unused), abs=1e-12)


def test_cross_fitted_scores_of_nothing_are_at_one_half_where_pooled_ones_are_below() -> None:
    """Each model scores by how it differs from the labels it was given: their mean label.

    The score of a fold is minus its share of used images: pooled, that is worse than chance.
    """
    rng = np.random.default_rng(2)
    pooled, within = [], []
    for seed in range(200):
        used = np.arange(24) < 12
        folds = group_folds(np.arange(24), 5, seed)
        scores = rng.normal(0, 0.05, 24)
        for fold in range(5):
            scores[folds == fold] += used[folds != fold].mean()
        sides = scores[used], scores[~used]
        pooled.append(auc(*sides))
        within.append(
            auc_in_folds(*map(FoldedScores, sides, (folds[used], folds[~used])), repeats=1).value
        )
    assert np.mean(pooled) < 0.4
    # 4.5 standard errors: fails for a right function with probability below 1e-5
    assert abs(np.mean(within) - 0.5) < 4.5 * np.std(within) / np.sqrt(200)


def test_the_interval_covers_with_patients_of_several_slices() -> None:
    """150 worlds of known AUC .76; covers in 85 % or more (fails below 1e-5 at 95 %)."""
    rng = np.random.default_rng(3)
    covered = 0
    for seed in range(150):
        patients = rng.normal(0, 1, 40) + np.where(np.arange(40) < 20, 1.0, 0.0)
        scores = np.repeat(patients, 3) + rng.normal(0, 0.1, 120)
        groups, used = np.repeat(np.arange(40), 3), np.repeat(np.arange(40) < 20, 3)
        folds = groups % 5
        found = auc_in_folds(
            *(FoldedScores(scores[side], folds[side], groups[side]) for side in (used, ~used)),
            seed=seed, repeats=400,
        )  # fmt: skip
        covered += found.low <= 0.7589 <= found.high
    assert covered >= 128


def test_without_pairs_nothing_is_said() -> None:
    found = auc_in_folds(
        FoldedScores(np.ones(3), np.zeros(3)), FoldedScores(np.zeros(2), np.ones(2))
    )
    assert (found.value, found.low, found.high, found.n) == (0.5, 0.0, 1.0, 5)


def test_the_difference_of_two_aucs_is_paired() -> None:
    rng = np.random.default_rng(4)
    candidate = np.arange(60) < 30
    groups = np.where(candidate, np.arange(60) // 2, 100 + np.arange(60) // 2)
    folds = groups % 3
    plain = np.zeros(60, np.int64)
    shared = rng.normal(size=60)
    first = shared + candidate + 0.3 * rng.normal(size=60)
    second = shared + 0.3 * rng.normal(size=60)
    gap, low, high = auc_difference((first, folds), (second, plain), candidate, groups)
    by_hand = brute(first[candidate], first[~candidate], folds[candidate], folds[~candidate]) - auc(
        second[candidate], second[~candidate]
    )
    assert gap == pytest.approx(by_hand, abs=1e-12)
    assert low < gap < high
    same = auc_difference((first, plain), (first, plain), candidate, groups)
    assert same == (0.0, 0.0, 0.0)
    # what both share leaves the difference: unpaired the interval would be wider
    far = auc_difference((first, plain), (rng.permutation(second), plain), candidate, groups)
    near = auc_difference((first, plain), (second, plain), candidate, groups)
    assert near[2] - near[1] < 0.8 * (far[2] - far[1])


def test_draws_of_the_difference_equal_scoring_the_drawn_images_again() -> None:
    rng = np.random.default_rng(5)
    candidate, groups = np.arange(24) < 12, np.arange(24) // 2
    first, second = rng.normal(size=(2, 24))
    zeros = np.zeros(24, np.int64)
    found = auc_difference((first, zeros), (second, zeros), candidate, groups, repeats=400)
    drawn = np.random.default_rng(0)
    counts = np.hstack([draw_groups(6, 400, drawn), draw_groups(6, 400, drawn)])
    gaps = []
    for count in counts.astype(int):
        rows = np.repeat(np.arange(24), count[groups])
        high, low = rows[candidate[rows]], rows[~candidate[rows]]
        gaps.append(auc(first[high], first[low]) - auc(second[high], second[low]))
    wanted = percentile_interval(np.array(gaps), found[0], 0.95, 6)
    np.testing.assert_allclose(found[1:], wanted, rtol=1e-9)
