"""The exact searches need the same memory for few generated images as for many."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from vestige.detectors import cosine_search
from vestige.detectors.cosine_search import Search as CosineSearch
from vestige.detectors.cosine_search import (
    largest_sum,
    signed_sums,
    top_cosines,
    with_larger,
)
from vestige.detectors.cosine_tally import no_cosines, tally_cosines
from vestige.detectors.matched_filter import MatchedFilter
from vestige.features.whitening import Whitening, whitening
from vestige.stats import density, neighbours, top
from vestige.stats.density import GaussianKDE
from vestige.stats.neighbours import nearest
from vestige.types import Float32s

Search = Callable[[Float32s, Float32s], object]
ROWS = np.random.default_rng(0).normal(size=(256, 64)).astype(np.float32)
FILTERS = whitening(ROWS, 0.1)
SEARCHES: dict[str, Search] = {
    "nearest": lambda rows, pool: nearest(rows, pool, 3),
    "density": lambda rows, pool: GaussianKDE(pool).log_density(rows),
    "top_cosines": lambda rows, pool: top_cosines(rows, pool, FILTERS, 3),
    "largest": lambda rows, pool: tally_cosines(
        CosineSearch(rows, rows, FILTERS), pool, MatchedFilter(), no_cosines(len(rows))
    ),
    "cube": lambda rows, pool: tally_cosines(
        CosineSearch(rows, rows, FILTERS),
        pool,
        MatchedFilter(aggregate="cube"),
        no_cosines(len(rows)),
    ),
}


def extra_bytes(search: Search, m: int) -> int:
    """Peak beyond the input, as numpy reports its arrays."""
    pool = np.random.default_rng(1).normal(size=(m, 64)).astype(np.float32)
    tracemalloc.start()
    try:
        search(ROWS, pool)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", SEARCHES)
def test_memory_does_not_grow_with_the_generated_set(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (neighbours, cosine_search):
        monkeypatch.setattr(module, "BLOCK_BYTES", 2 * 2**20)  # 2,048 generated images
    monkeypatch.setattr(density, "MOMENT_ROWS", 1024)
    few, many, more = (extra_bytes(SEARCHES[name], m) for m in (2048, 16384, 65536))
    assert max(few, many, more) < 1.2 * min(few, many, more)
    assert more < len(ROWS) * 65536 * 4 / 4  # all cosines at once: four times as much
    # in one block it would grow: the measure is not blind
    monkeypatch.setattr(top, "TILE_BYTES", 2**40)
    monkeypatch.setattr(top, "SIDE_BYTES", 2**40)
    monkeypatch.setattr(density, "TILE", 2**40)
    for module in (neighbours, cosine_search):
        monkeypatch.setattr(module, "BLOCK_BYTES", 2**40)
    assert extra_bytes(SEARCHES[name], 16384) > 3 * many


@pytest.mark.parametrize("k", [1, 5, 40])
def test_the_largest_cosines_are_kept_from_block_to_block(
    k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = np.random.default_rng(2).normal(size=(500, 64)).astype(np.float32)
    rows = FILTERS.apply(ROWS)
    every = rows @ FILTERS.apply(pool).T
    wanted = -np.sort(-every, axis=1)[:, :k]
    monkeypatch.setattr(cosine_search, "BLOCK_BYTES", 4 * len(ROWS) * 60)
    cosines, index = top_cosines(rows, pool, FILTERS, k)
    assert (np.diff(cosines, axis=1) <= 0).all()
    np.testing.assert_allclose(cosines, wanted, atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(every, index, axis=1), wanted, atol=1e-6)


def test_of_equal_cosines_the_lower_row_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    axes = np.eye(8, dtype=np.float32)  # cosines are 0 or 1, to the last bit on any machine
    pool = np.tile(axes, (3, 1))
    monkeypatch.setattr(cosine_search, "BLOCK_BYTES", 4 * 8 * 5)
    plain = Whitening(np.zeros(8, np.float32), (axes,))
    cosines, index = top_cosines(axes, pool, plain, 2)
    np.testing.assert_array_equal(cosines, 1)
    np.testing.assert_array_equal(index, np.arange(8)[:, None] + [0, 8])


def test_the_largest_are_kept_whatever_the_memory_order_and_the_blocks() -> None:
    rng = np.random.default_rng(3)
    cosines = rng.normal(size=(60, 7)).astype(np.float32)
    wanted = np.sort(cosines, axis=0)[-3:].T
    for cuts in ((60,), (1, 2, 60), (20, 21, 60)):
        for order in ("C", "F"):
            best, start = np.empty((7, 0), np.float32), 0
            for stop in cuts:
                best = with_larger(best, np.array(cosines[start:stop], order=order), 3)
                start = stop
            assert np.array_equal(best, wanted)


def test_the_largest_view_is_found_without_the_views() -> None:
    rng = np.random.default_rng(4)
    for parts in (1, 2, 4):
        products = [rng.normal(size=(9, 5)).astype(np.float32) for _ in range(parts)]
        wanted = np.max(signed_sums(products), axis=0)
        assert np.array_equal(largest_sum([one.copy() for one in products]), wanted)
