"""Binned laws against scipy, and an exact search that skips what cannot be nearest."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from vestige.registry.entries import InputError
from vestige.stats import wasserstein as module
from vestige.stats.wasserstein import (
    bin_masses,
    coarse,
    l1_parts,
    nearest_l1,
    wasserstein,
)
from vestige.types import Float32s, Floats


def masses(*samples: list[float] | Floats, low: float, high: float, bins: int) -> Floats:
    return bin_masses(
        np.array(samples), np.full(len(samples), low), np.full(len(samples), high), bins
    )


def test_the_golden_pair() -> None:
    first, second = masses([0, 1, 1, 3], [1, 2, 2, 4], low=0, high=5, bins=5)
    assert wasserstein(first, second) == pytest.approx(1.0)


def test_values_outside_count_in_the_outer_bins() -> None:
    np.testing.assert_allclose(masses([-9, 0.1, 1, 7], low=0, high=1, bins=2), [[0.5, 0.5]])


def test_agrees_with_scipy_within_one_bin() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.beta(*rng.uniform(0.5, 4, 2), 300), rng.beta(*rng.uniform(0.5, 4, 2), 300)
        first, second = masses(a, b, low=0, high=1, bins=64)
        assert abs(wasserstein(first, second, 1 / 64) - wasserstein_distance(a, b)) <= 1 / 64


def test_is_a_distance() -> None:
    laws = np.random.default_rng(1).dirichlet(np.full(12, 0.5), 8)
    d = np.array([[wasserstein(a, b) for b in laws] for a in laws])
    np.testing.assert_array_equal(np.diag(d), 0)
    np.testing.assert_array_equal(d, d.T)
    assert (d[:, None] <= d[:, :, None] + d[None] + 1e-12).all()
    assert d[~np.eye(8, dtype=bool)].min() > 0


def smooth(n: int, seed: int) -> Float32s:
    """Cumulative sums of random laws, [n, 100]."""
    laws = np.random.default_rng(seed).dirichlet(np.full(100, 0.3), n)
    return np.asarray(np.cumsum(laws, axis=1), np.float32)


def rough(n: int, seed: int) -> Float32s:
    return np.random.default_rng(seed).standard_normal((n, 50)).astype(np.float32)


def brute(rows: Float32s, pool: Float32s) -> Floats:
    return np.asarray(cdist(rows.astype(float), pool.astype(float), "cityblock"))


@pytest.mark.parametrize("kind", [smooth, rough])
@pytest.mark.parametrize("k", [1, 7, 400])
def test_the_nearest_are_those_of_brute_force(
    kind: object, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(kind)
    rows, pool = kind(11, 0), kind(300, 1)
    pool[[4, 70]] = rows[3]
    full = brute(rows, pool)
    order = np.argsort(full, axis=1, kind="stable")[:, :k]
    for block in (module.BLOCK_BYTES, 1):  # one row at a time gives the same
        monkeypatch.setattr(module, "BLOCK_BYTES", block)
        distances, found = nearest_l1(rows, pool, k)
        np.testing.assert_array_equal(found, order)
        np.testing.assert_allclose(distances, np.take_along_axis(full, order, 1), rtol=1e-12)
        assert distances[3, 0] == 0


def test_ties_go_to_the_lower_row() -> None:
    pool = smooth(40, 2)
    pool[30:] = pool[10:20]
    np.testing.assert_array_equal(nearest_l1(pool[30:], pool, 2)[1][:, 0], np.arange(10, 20))


def test_few_rows_are_compared_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0

    def counting(rows: Float32s, pool: Float32s, starts: np.ndarray) -> Floats:  # type: ignore[type-arg]
        nonlocal compared
        compared += len(pool)
        return l1_parts(rows, pool, starts)

    monkeypatch.setattr(module, "l1_parts", counting)
    nearest_l1(smooth(20, 3), smooth(2000, 4))
    assert 20 <= compared < 20 * 200


def test_a_promising_bound_does_not_hide_the_nearest() -> None:
    # 20 rows at distance 1 whose blocks cancel (bound 0), and one at .95 whose bound is .95
    pool = np.tile(np.float32([1, -1]) / 32, (21, 16))
    pool[20] = np.float32(0.95 / 32)
    distances, found = nearest_l1(np.zeros((1, 32), np.float32), pool)
    assert found.item() == 20
    assert distances.item() == pytest.approx(0.95)


def test_the_coarse_distance_is_a_lower_bound() -> None:
    for rows in (smooth(30, 5), rough(30, 6)):
        bound = cdist(coarse(rows), coarse(rows), "cityblock")
        assert (bound <= brute(rows, rows) + 1e-9).all()
        assert bound.max() > 0


def test_own_group_is_left_out() -> None:
    rows = smooth(12, 7)
    groups = np.arange(12) // 3
    full = brute(rows, rows)
    full[groups[:, None] == groups] = np.inf
    distances, found = nearest_l1(rows, rows, 2, groups, groups)
    np.testing.assert_allclose(distances, np.sort(full, axis=1)[:, :2])
    np.testing.assert_array_equal(found, np.argsort(full, axis=1)[:, :2])
    distances, found = nearest_l1(rows[:2], rows[:2], 1, np.zeros(2), np.zeros(2))
    assert np.isinf(distances).all()
    assert (found == -1).all()


def test_parts_are_the_distances_of_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, pool = rough(6, 8), rough(6, 9)
    starts = np.array([0, 10, 13])
    gaps = np.abs(rows.astype(float) - pool)
    wanted = np.stack([g.sum(axis=1) for g in (gaps[:, :10], gaps[:, 10:13], gaps[:, 13:])], axis=1)
    monkeypatch.setattr(module, "BLOCK_BYTES", 900)
    np.testing.assert_allclose(l1_parts(rows, pool, starts), wanted)
    np.testing.assert_allclose(
        l1_parts(rows[0], pool, starts)[:, 1],
        np.abs(rows[0, 10:13] - pool[:, 10:13]).sum(axis=1),
        rtol=1e-5,
    )


def test_no_neighbours_is_refused() -> None:
    with pytest.raises(InputError, match="k must be 1 or more, 0 was given"):
        nearest_l1(rough(2, 0), rough(2, 1), 0)
