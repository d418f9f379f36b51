"""Rows by group: what `reduceat` gives, to the bit, for groups of few rows and of many."""

import numpy as np
import pytest

from vestige.stats.by_group import FEW, ByGroup


@pytest.mark.parametrize("largest", [1, 2, FEW, 5 * FEW])
def test_as_reduceat_to_the_bit(largest: int) -> None:
    rng = np.random.default_rng(largest)
    codes = np.repeat(np.arange(30), np.r_[largest, rng.integers(1, largest + 1, 29)])
    codes = rng.permutation(codes)
    values = rng.normal(size=(len(codes), 17)).astype(np.float32)
    order = np.argsort(codes, kind="stable")
    first = np.flatnonzero(np.diff(codes[order], prepend=-1))
    groups = ByGroup(codes)
    assert np.array_equal(groups.sums(values), np.add.reduceat(values[order], first, axis=0))
    found = groups.largest(np.ascontiguousarray(values.T))
    assert np.array_equal(found, np.maximum.reduceat(values[order], first, axis=0).T)
