"""Folds: whole groups, balanced, the same for any order of rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vestige.registry.entries import InputError
from vestige.stats.splits import group_folds

CHECK = settings(deadline=None, derandomize=True)


@CHECK
@given(st.lists(st.integers(1, 6), min_size=5, max_size=40), st.integers(2, 5), st.integers(0, 99))
def test_groups_stay_whole_and_no_fold_is_empty(sizes: list[int], k: int, seed: int) -> None:
    groups = np.repeat([f"p{g}" for g in range(len(sizes))], sizes)
    folds = group_folds(groups, k, seed)
    for name in set(groups.tolist()):
        assert len(set(folds[groups == name].tolist())) == 1
    counts = np.bincount(folds, minlength=k)
    assert counts.min() >= 1
    assert counts.max() - counts.min() <= max(sizes)
    order = np.random.default_rng(seed).permutation(groups.size)
    np.testing.assert_array_equal(group_folds(groups[order], k, seed), folds[order])


def test_folds_share_every_stratum() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 4, 60)
    groups = np.repeat(np.arange(60), sizes)
    used = np.repeat(np.arange(60) < 20, sizes)
    folds = group_folds(groups, 5, 1, used)
    for status in (True, False):
        counts = np.bincount(folds[used == status], minlength=5)
        assert counts.max() - counts.min() <= 3
    totals = np.bincount(folds)
    assert totals.max() - totals.min() <= 4


def test_many_small_strata_do_not_pile_up_in_one_fold() -> None:
    folds = group_folds(np.arange(24), 4, 0, np.arange(24) // 2)
    np.testing.assert_array_equal(np.bincount(folds), [6, 6, 6, 6])


def test_large_groups_come_first() -> None:
    groups = np.repeat(np.arange(11), [1] * 10 + [10])
    for seed in range(8):
        assert (np.bincount(group_folds(groups, 2, seed)) == 10).all()


def test_seeds_differ_and_repeat() -> None:
    groups = np.arange(40)
    first = group_folds(groups, 5, 0)
    np.testing.assert_array_equal(first, group_folds(groups, 5, 0))
    assert (first != group_folds(groups, 5, 1)).mean() > 0.4
    assert (np.bincount(first) == 8).all()


def test_a_group_of_both_kinds_is_allowed_and_stays_whole() -> None:
    groups = np.array([0, 0, 1, 2, 3, 4])
    used = np.array([True, False, True, False, True, False])
    folds = group_folds(groups, 2, 0, used)
    assert folds[0] == folds[1]
    assert len(set(folds[used].tolist())) == len(set(folds[~used].tolist())) == 2


def test_impossible_splits_are_refused() -> None:
    with pytest.raises(InputError, match="found 2 groups"):
        group_folds(["a", "a", "b"], 3, 0)
    with pytest.raises(InputError, match="at least 2 folds"):
        group_folds(["a", "b"], 1, 0)
    with pytest.raises(InputError, match="stratum used has a single group"):
        group_folds(["a", "a", "b", "c"], 2, 0, ["used", "used", "unused", "unused"])
