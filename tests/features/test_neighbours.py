"""Exact neighbours against brute force, with ties and duplicates, for every block size."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vestige.registry.entries import InputError
from vestige.stats import neighbours
from vestige.stats.neighbours import (
    nearest,
    nearest_and,
    nearest_outside_group,
    top_products,
)
from vestige.types import Float32s, Floats

CHECK = settings(deadline=None, derandomize=True, max_examples=80)
# few distinct values: ties and duplicates in almost every example
GRID = st.integers(-2, 2).map(float)


@st.composite
def two_sets(draw: Any) -> tuple[Float32s, Float32s]:
    n, m, d = draw(st.integers(1, 9)), draw(st.integers(1, 30)), draw(st.integers(1, 3))
    return (
        draw(arrays(np.float32, (n, d), elements=GRID)),
        draw(arrays(np.float32, (m, d), elements=GRID)),
    )


def all_distances(rows: Float32s, pool: Float32s) -> Floats:
    gaps = rows[:, None].astype(np.float64) - pool[None].astype(np.float64)
    return np.asarray(np.sqrt((gaps**2).sum(axis=2)))


@CHECK
@given(two_sets(), st.integers(1, 40))
def test_nearest_equals_brute_force(sets: tuple[Float32s, Float32s], k: int) -> None:
    rows, pool = sets
    d = all_distances(rows, pool)
    order = np.argsort(d, axis=1, kind="stable")[:, :k]  # ties: the lower row first
    distances, indices = nearest(rows, pool, k)
    np.testing.assert_array_equal(distances, np.take_along_axis(d, order, axis=1))
    np.testing.assert_array_equal(indices, order)


@CHECK
@given(two_sets(), st.integers(1, 12), st.integers(0, 30))
def test_a_pool_in_two_parts_is_one_pool(sets: tuple[Float32s, Float32s], k: int, cut: int) -> None:
    rows, pool = sets
    found = nearest_and(rows, pool[cut:], nearest(rows, pool[:cut], k)[0], k)
    np.testing.assert_array_equal(found, nearest(rows, pool, k)[0])


@CHECK
@given(two_sets(), st.integers(1, 4), st.sampled_from([1, 40, 200]))
def test_the_block_size_changes_nothing(sets: tuple[Float32s, Float32s], k: int, size: int) -> None:
    rows, pool = sets
    groups = np.arange(len(pool)) // 2
    whole, outside = nearest(rows, pool, k), nearest_outside_group(pool, groups, k)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "BLOCK_BYTES", size)
        parts = nearest(rows, pool, k)
        np.testing.assert_array_equal(nearest_outside_group(pool, groups, k), outside)
    np.testing.assert_array_equal(parts[0], whole[0])
    np.testing.assert_array_equal(parts[1], whole[1])


@pytest.mark.parametrize("size", [1, 4000, 10**9])
def test_large_sets_in_small_blocks(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 12)).astype(np.float32)
    pool = np.concatenate([rng.normal(size=(500, 12)).astype(np.float32), rows[:20]])
    monkeypatch.setattr(neighbours, "BLOCK_BYTES", size)
    d = all_distances(rows, pool)
    distances, indices = nearest(rows, pool, 50)
    np.testing.assert_allclose(distances, np.sort(d, axis=1)[:, :50], rtol=1e-12)
    np.testing.assert_array_equal(indices, np.argsort(d, axis=1, kind="stable")[:, :50])
    assert (distances[:20, 0] == 0).all()


def test_near_copies_are_told_apart_where_products_cannot() -> None:
    rows = np.full((1, 65536), 0.5, np.float32)  # 256 x 256 px
    pool = np.repeat(rows, 20, axis=0)
    pool[np.arange(20), np.arange(20)] += np.arange(20, 0, -1, dtype=np.float32) / 2550
    products = pool @ rows[0] - 0.5 * np.einsum("ij,ij->i", pool, pool)
    assert len(np.unique(products)) < 20  # the trap
    distances, indices = nearest(rows, pool, 20)
    np.testing.assert_array_equal(indices[0], np.arange(19, -1, -1))
    assert (np.diff(distances[0]) > 0).all()


@CHECK
@given(two_sets(), st.integers(1, 6), st.data())
def test_nearest_outside_group_equals_brute_force(
    sets: tuple[Float32s, Float32s], k: int, data: st.DataObject
) -> None:
    rows = sets[1]
    groups = np.array(
        data.draw(st.lists(st.sampled_from("abc"), min_size=len(rows), max_size=len(rows)))
    )
    d = all_distances(rows, rows)
    wanted = np.empty((len(rows), k))
    for i in range(len(rows)):
        others = np.sort(d[i, groups != groups[i]])[:k]
        last = others[-1] if len(others) else np.inf  # repeated where there are fewer than k
        wanted[i] = np.concatenate([others, np.full(k - len(others), last)])
    np.testing.assert_array_equal(nearest_outside_group(rows, groups, k), wanted)


@CHECK
@given(two_sets(), st.integers(1, 40))
def test_top_products_are_the_largest(sets: tuple[Float32s, Float32s], k: int) -> None:
    rows, pool = sets
    products = rows @ pool.T
    found = np.take_along_axis(products, top_products(rows, pool, k), axis=1)
    np.testing.assert_array_equal(np.sort(found, axis=1), np.sort(products, axis=1)[:, -k:])


@pytest.mark.parametrize("k", [0, -1])
def test_no_neighbours_are_refused(k: int) -> None:
    rows = np.zeros((2, 3), np.float32)
    with pytest.raises(InputError, match="must be 1 or more"):
        nearest(rows, rows, k)
    with pytest.raises(InputError, match="must be 1 or more"):
        nearest_outside_group(rows, np.arange(2), k)


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(InputError, match="different sizes"):
        nearest(np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32))
