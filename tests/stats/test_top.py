"""The k nearest as a state: any cut of the pool, merged in any order, equals brute force."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vestige.registry.entries import InputError
from vestige.stats import top
from vestige.stats.neighbours import nearest
from vestige.stats.top import Top, merge, nothing, top_of
from vestige.types import Float32s, Floats, Ints

CHECK = settings(deadline=None, derandomize=True, max_examples=120)
# few distinct values: ties and duplicates in almost every example
GRID = st.integers(-2, 2).map(float)


@st.composite
def cut_pools(draw: Any) -> tuple[Float32s, Float32s, int, list[slice]]:
    """Rows, a pool, k, and the pool's parts in a drawn order."""
    n, m, d = draw(st.integers(1, 6)), draw(st.integers(1, 60)), draw(st.integers(1, 3))
    rows = draw(arrays(np.float32, (n, d), elements=GRID))
    pool = draw(arrays(np.float32, (m, d), elements=GRID))
    cuts = sorted(draw(st.sets(st.integers(1, m), max_size=6)) - {m})
    parts = [slice(*ends) for ends in zip([0, *cuts], [*cuts, m], strict=True)]
    return rows, pool, draw(st.integers(1, 40)), draw(st.permutations(parts))


def brute_force(rows: Float32s, pool: Float32s, k: int) -> tuple[Floats, Ints]:
    gaps = rows[:, None].astype(np.float64) - pool[None].astype(np.float64)
    d = np.sqrt((gaps**2).sum(axis=2))
    order = np.argsort(d, axis=1, kind="stable")[:, :k]  # ties: the lower row first
    return np.take_along_axis(d, order, axis=1), order


def assert_is(found: Top, rows: Float32s, pool: Float32s, k: int) -> None:
    distances, indices = brute_force(rows, pool, k)
    there = min(k, len(pool))
    np.testing.assert_array_equal(found.distances[:, :there], distances)
    np.testing.assert_array_equal(found.indices[:, :there], indices)
    assert np.isinf(found.distances[:, there:]).all()
    assert (found.indices[:, there:] == -1).all()


@CHECK
@given(cut_pools(), st.randoms(use_true_random=False))
def test_any_cut_merged_in_any_order_is_brute_force(
    drawn: tuple[Float32s, Float32s, int, list[slice]], random: Any
) -> None:
    rows, pool, k, parts = drawn
    states = [top_of(rows, pool[part], part.start, k) for part in parts]
    while len(states) > 1:  # a random tree of merges
        first = states.pop(random.randrange(len(states)))
        states.append(merge(states.pop(random.randrange(len(states))), first))
    assert_is(states[0], rows, pool, k)


@CHECK
@given(cut_pools(), st.integers(1, 3))
def test_mirrored_rows_share_products_and_change_no_byte(
    drawn: tuple[Float32s, Float32s, int, list[slice]], even: int
) -> None:
    rows, pool, k, parts = drawn
    mirrored = rows.copy()
    mirrored[:, even:] *= -1
    both = np.concatenate([rows, mirrored])
    state = nothing(len(both), k)
    for part in parts:
        state = top_of(both, pool[part], part.start, k, state, even=even)
    assert_is(state, both, pool, k)


def test_mirrored_rows_of_many_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(top, "TILE_BYTES", 2**14)
    rng = np.random.default_rng(0)
    rows, pool = (rng.normal(3, 1, (n, 12)).astype(np.float32) for n in (300, 900))
    mirrored = rows * np.where(np.arange(12) < 7, 1, -1).astype(np.float32)
    pool[:40] = mirrored[:40]  # distance 0, where float32 products tell nothing
    both = np.concatenate([rows, mirrored])
    assert_is(top_of(both, pool, k=3, even=7), both, pool, 3)


@CHECK
@given(cut_pools())
def test_blocks_that_know_of_each_other_are_brute_force(
    drawn: tuple[Float32s, Float32s, int, list[slice]],
) -> None:
    rows, pool, k, parts = drawn
    known = nothing(len(rows), k)
    for part in parts:
        known = top_of(rows, pool[part], part.start, k, known)
    assert_is(known, rows, pool, k)
    distances, indices = nearest(rows, ((part.start, pool[part]) for part in parts), k)
    np.testing.assert_array_equal(distances, known.distances[:, : len(pool)])
    np.testing.assert_array_equal(indices, known.indices[:, : len(pool)])


@pytest.mark.parametrize("noise", [0.0, 1e-7, 1e-5, 1e-3])
@pytest.mark.parametrize("k", [1, 3, 40])
def test_a_collapsed_generator_hides_no_neighbour(
    noise: float, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More copies than any list of candidates holds, closer than float32 products tell apart."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 16)).astype(np.float32)
    five = rng.normal(size=(5, 16)).astype(np.float32)
    pool = five[rng.integers(0, 5, 3000)] + noise * rng.normal(size=(3000, 16)).astype(np.float32)
    pool = pool.astype(np.float32)
    products = rows @ pool.T - 0.5 * np.einsum("ij,ij->i", pool, pool)
    naive = np.argsort(-products, axis=1, kind="stable")[:, :32]
    wanted = brute_force(rows, pool, k)
    if noise == 1e-7 and k == 1:  # the trap: the nearest is not even among the first 32
        assert (naive != wanted[1]).all(axis=1).any()
    for size in (2**9, 2**14, 2**21):
        monkeypatch.setattr(top, "TILE_BYTES", size)
        distances, indices = nearest(rows, pool, k)
        np.testing.assert_allclose(distances, wanted[0], rtol=1e-12)
        np.testing.assert_array_equal(indices, wanted[1])


@pytest.mark.parametrize("scale", [1e-15, 1.0, 1e10])
@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_scale_and_offset_of_the_features_hide_no_neighbour(scale: float, shift: float) -> None:
    rng = np.random.default_rng(1)
    rows, pool = (
        ((rng.normal(size=(n, 24)) + shift) * scale).astype(np.float32) for n in (50, 2000)
    )
    pool[0] *= 1e3  # an outlier widens what rounding may take, nothing else
    wanted = brute_force(rows, pool, 5)
    distances, indices = nearest(rows, pool, 5)
    np.testing.assert_allclose(distances, wanted[0], rtol=1e-12)
    np.testing.assert_array_equal(indices, wanted[1])


def test_rows_in_float64_keep_their_digits() -> None:
    rng = np.random.default_rng(4)
    rows, pool = (rng.normal(size=(n, 8)) + 1e6 for n in (40, 3000))
    wanted = brute_force(rows, pool, 3)  # type: ignore[arg-type]
    distances, indices = nearest(rows, pool, 3)  # type: ignore[arg-type]
    np.testing.assert_allclose(distances, wanted[0], rtol=1e-12)
    np.testing.assert_array_equal(indices, wanted[1])


@pytest.mark.parametrize("d", [64, 9000, 20000])
def test_a_distance_depends_on_its_two_rows_alone(d: int) -> None:
    rng = np.random.default_rng(2)
    rows, pool = (rng.normal(size=(n, d)).astype(np.float32) for n in (3, 37))
    together = nearest(rows, pool, 37)[0]
    np.testing.assert_array_equal(
        np.vstack([nearest(r[None], pool, 37)[0] for r in rows]), together
    )
    one_by_one = nearest(rows, ((i, pool[i : i + 1]) for i in range(37)), 37)[0]
    np.testing.assert_array_equal(one_by_one, together)


def test_a_memory_mapped_pool_gives_the_same(tmp_path: Any) -> None:
    rng = np.random.default_rng(3)
    rows, pool = (rng.normal(size=(n, 8)).astype(np.float32) for n in (20, 500))
    np.save(tmp_path / "pool.npy", pool)
    mapped = np.load(tmp_path / "pool.npy", mmap_mode="r")
    for found, wanted in zip(nearest(rows, mapped, 4), nearest(rows, pool, 4), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_an_empty_side_gives_empty_arrays() -> None:
    rows = np.zeros((2, 3), np.float32)
    assert nearest(rows, rows[:0])[0].shape == (2, 0)
    assert nearest(rows[:0], rows)[1].shape == (0, 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
@pytest.mark.parametrize("side", [0, 1])
def test_values_that_would_be_lost_in_silence_are_refused(value: float, side: int) -> None:
    sets = [np.ones((4, 3), np.float32), np.ones((4, 3), np.float32)]
    sets[side][2, 1] = value
    with pytest.raises(InputError, match="not a finite number of usual size"):
        nearest(sets[0], sets[1])
