"""C_T, AuthPct and DCR: brute force, golden values, traps, and p-values that hold."""

import itertools
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, norm

from reference_worlds import reference_world
from vestige.features.pixels import Pixels
from vestige.measures import group_neighbours
from vestige.measures.cells import cell_of, k_means
from vestige.measures.group_neighbours import nearest_groups
from vestige.measures.rank_sums import APART, c_t, rank_sums
from vestige.measures.set_measures import (
    FeatureSets,
    authenticity,
    closest_share,
    data_copying,
    share_of_draws,
)
from vestige.registry.entries import InputError
from vestige.types import Bools, Floats, Ints

MEASURES = (data_copying, authenticity, closest_share)
SIGN = {data_copying: -1, authenticity: -1, closest_share: 1}
every_measure = pytest.mark.parametrize("measure", MEASURES)


def small_sets(
    seed: int, n_candidate: int, n_calibration: int, m: int = 45, whole: bool = False
) -> FeatureSets:
    """Groups of 1 to 4 images in three dimensions; whole numbers make ties."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(
        np.arange(n_candidate + n_calibration), rng.integers(1, 5, n_candidate + n_calibration)
    )
    reals = rng.normal(size=(len(groups), 3)) + rng.normal(size=(groups.max() + 1, 3))[groups]
    generated = rng.normal(size=(m, 3)) * 1.4
    generated[: m // 3] = reals[groups < n_candidate][0] + 0.3 * generated[: m // 3]
    if whole:
        generated, reals = np.round(generated), np.round(reals)
    return FeatureSets(generated, reals, groups < n_candidate, groups)


# --- an independent implementation, in loops
def gap(a: Floats, b: Floats) -> float:
    return float(np.sqrt(((a - b) ** 2).sum()))


def groups_of(sets: FeatureSets) -> Ints:
    return np.arange(len(sets.reals)) if sets.groups is None else np.asarray(sets.groups)


def to_suspect(x: Floats, group: int, sets: FeatureSets, candidate: Bools) -> tuple[float, int]:
    """Distance to the nearest candidate of another group, and its row."""
    rows = [i for i in np.flatnonzero(candidate) if groups_of(sets)[i] != group]
    found = min((gap(x, sets.reals[i]), i) for i in rows)
    return found


def brute_z(first: list[float], second: list[float]) -> float:
    u = sum((a > b) + 0.5 * (a == b) for a in first for b in second)
    n, m = len(first), len(second)
    both = first + second
    ties = [both.count(v) for v in set(both)]
    spread = n * m / 12 * (n + m + 1 - sum(t**3 - t for t in ties) / ((n + m) * (n + m - 1)))
    return float((u - n * m / 2 + 0.5) / spread**0.5) if spread > 1e-12 else 0.0


def brute_data_copying(sets: FeatureSets, candidate: Bools) -> float:
    """With the cells given by the module's centroids (tested on their own below)."""
    per_group = 1 - len(np.unique(groups_of(sets)[sets.is_candidate])) / len(
        np.unique(groups_of(sets))
    )
    k = int(min(5, max(1, per_group * len(sets.reals) / 20)))
    centroids = k_means(sets.reals, k)

    def cell(x: Floats, among: list[int]) -> int:
        return min(among, key=lambda c: gap(x, centroids[c]))

    every = list(range(len(centroids)))
    first = [cell(x, every) for x in sets.reals]
    good = [c for c in every if {True, False} <= {
        bool(s) for s, own in zip(candidate, first, strict=True) if own == c
    }]  # fmt: skip
    new = {c: c if c in good else cell(centroids[c], good) if good else 0 for c in every}
    groups = groups_of(sets)
    near = [(new[cell(g, every)], to_suspect(g, -1, sets, candidate)[0]) for g in sets.generated]
    far = [
        (new[first[i]], to_suspect(sets.reals[i], groups[i], sets, candidate)[0])
        for i in np.flatnonzero(~candidate)
    ]
    total, weight = 0.0, 0
    for c in every:
        a, b = ([d for own, d in side if own == c] for side in (near, far))
        if len(a) >= 20 and b:
            total, weight = total + len(b) * brute_z(a, b), weight + len(b)
    return total / weight if weight else brute_z([d for _, d in near], [d for _, d in far])


def brute_authenticity(sets: FeatureSets, candidate: Bools) -> float:
    authentic = []
    for g in sets.generated:
        d, x = to_suspect(g, -1, sets, candidate)
        authentic.append(to_suspect(sets.reals[x], groups_of(sets)[x], sets, candidate)[0] < d)
    return 100 * float(np.mean(authentic))


def brute_closest_share(sets: FeatureSets, candidate: Bools) -> float:
    """The mean over every choice of as many groups of the larger side."""
    groups = groups_of(sets)
    sides = [np.unique(groups[candidate]), np.unique(groups[~candidate])]
    few = min(map(len, sides))
    shares = []
    for t in itertools.combinations(sides[0], few):
        for p in itertools.combinations(sides[1], few):
            for g in sets.generated:
                own, other = (
                    min(gap(g, x) for x in sets.reals[np.isin(groups, side)]) for side in (t, p)
                )
                shares.append((own < other) + 0.5 * (own == other))
    return float(np.mean(shares))


BRUTE: dict[Any, Any] = {
    data_copying: brute_data_copying,
    authenticity: brute_authenticity,
    closest_share: brute_closest_share,
}
SIDES = [(3, 3), (2, 4), (4, 2), (2, 5), (5, 3)]


@every_measure
@pytest.mark.parametrize("sides", SIDES, ids=str)
@pytest.mark.parametrize("whole", [False, True])
def test_values_are_those_of_brute_force(measure: Any, sides: tuple[int, int], whole: bool) -> None:
    sets = small_sets(sum(sides), *sides, whole=whole and measure is not authenticity)
    expected = BRUTE[measure](sets, sets.is_candidate)
    assert measure(sets, 1).value == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_cells_agree_with_brute_force() -> None:
    merged = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        reals = rng.normal(size=(160, 2)) + 6 * rng.integers(0, 4, (160, 1))
        candidate = (np.arange(160) < 40) & (reals[:, 0] < 14)
        sets = FeatureSets(rng.normal(size=(90, 2)) + 6 * rng.integers(0, 4, (90, 1)), reals,
                           candidate)  # fmt: skip
        cells = cell_of(reals, k_means(reals, 5))
        merged += len(set(cells[candidate])) < 5
        expected = brute_data_copying(sets, candidate)
        assert data_copying(sets, 1).value == pytest.approx(expected, rel=1e-6)
    assert merged == 6  # every one had a cell without candidates


@pytest.mark.parametrize("measure", [data_copying, authenticity])
def test_p_values_are_those_of_enumeration(measure: Any) -> None:
    sets = small_sets(5, 2, 4, m=25)
    groups = groups_of(sets)
    values = {
        chosen: SIGN[measure] * BRUTE[measure](sets, np.isin(groups, chosen))
        for chosen in itertools.combinations(range(6), 2)
    }
    found = measure(sets)
    assert found.exact
    expected = np.mean(np.array(list(values.values())) >= values[0, 1] - 1e-9)
    assert found.p_value == pytest.approx(expected)


def test_the_share_is_tested_with_every_control() -> None:
    sets = small_sets(6, 2, 5, m=25)
    groups = groups_of(sets)
    nearest = [groups[min(range(len(groups)), key=lambda i: gap(g, sets.reals[i]))]
               for g in sets.generated]  # fmt: skip
    shares = {c: np.isin(nearest, c).mean() for c in itertools.combinations(range(7), 2)}
    found = closest_share(sets)
    assert found.exact
    assert found.p_value == pytest.approx(np.mean(np.array(list(shares.values())) >= shares[0, 1]))
    even = small_sets(6, 4, 4, m=25)  # as many groups: nothing to draw
    nearest = [groups_of(even)[min(range(len(even.reals)), key=lambda i: gap(g, even.reals[i]))]
               for g in even.generated]  # fmt: skip
    assert closest_share(even, 1).value == pytest.approx(np.mean(np.array(nearest) < 4))


# --- golden values and formulas
def rank_sum(first: Floats, second: Floats) -> tuple[float, float]:
    """U and Z of one sample."""
    values, is_first = np.concatenate([first, second]), np.arange(len(first) + len(second))
    u, z = rank_sums(values, is_first < len(first), np.zeros(len(values), dtype=np.int64), 1)
    return float(u[0]), float(z[0])


def test_rank_sums_of_many_samples_are_those_of_each() -> None:
    rng = np.random.default_rng(8)
    values, sample = rng.integers(0, 9, 400).astype(float), rng.integers(0, 6, 400)
    is_first = rng.random(400) < 0.4
    values[sample == 3] = 2.0  # all equal
    u, z = rank_sums(values, is_first, sample, 6)
    for k in range(6):
        first, second = (values[(sample == k) & side] for side in (is_first, ~is_first))
        larger, tied = first[:, None] > second, first[:, None] == second
        assert u[k] == larger.sum() + tied.sum() / 2
        assert z[k] == pytest.approx(brute_z(list(first), list(second)), abs=1e-9)


def test_golden_rank_sum() -> None:
    """docs/methods.md 2.11 (g)."""
    u, z = rank_sum(np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.25, 0.35, 0.45, 0.55, 0.65]))
    assert u == 3
    assert z == pytest.approx(-1.592, abs=5e-4)


@pytest.mark.parametrize("seed", range(5))
def test_the_variance_with_ties_is_that_of_all_splits(seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 4, 9).astype(float)
    every = list(itertools.combinations(range(9), 4))
    u = np.array([rank_sum(values[list(c)], np.delete(values, c))[0] for c in every])
    first = list(every[seed])
    z = rank_sum(values[first], np.delete(values, first))[1]
    assert u.mean() == pytest.approx(10)
    assert z == pytest.approx((u[seed] - 10 + 0.5) / u.std())
    plain = np.sqrt(4 * 5 * 10 / 12)  # without the correction: too large
    assert u.std() < plain - 1e-6


def test_share_of_draws_is_the_mean_of_draws() -> None:
    rng = np.random.default_rng(0)
    nearer, tied = rng.integers(0, 6, 50), rng.integers(0, 3, 50)
    drawn = []
    for chosen in itertools.combinations(range(9), 4):
        first = np.array(chosen)[:, None]
        lost = (first < nearer).any(axis=0)
        tie = ~lost & (first < nearer + tied).any(axis=0)
        drawn.append(np.where(lost, 0.0, np.where(tie, 0.5, 1.0)).mean())
    assert share_of_draws(nearer, tied, 9, 4) == pytest.approx(np.mean(drawn))


def world_sets(name: str, seed: int = 0, n_calibration: int = 100) -> FeatureSets:
    world = reference_world(name, seed)
    reals = np.concatenate([world.used, world.unused[:n_calibration]])
    rows = [Pixels(16).transform(images) for images in (world.generated, reals)]
    return FeatureSets(rows[0].astype(float), rows[1].astype(float), np.arange(len(reals)) < 100)


def test_copies_are_seen() -> None:
    for name in ("copy", "blend"):
        for n_calibration in (100, 60):
            sets = world_sets(name, n_calibration=n_calibration)
            z, authentic, share = (measure(sets, 199) for measure in MEASURES)
            assert z.value < -3
            assert authentic.value < 5
            # 60 of the 100 candidates are drawn: copies of the other 40 fall to chance, 60 to 60
            assert share.value > (0.95 if n_calibration == 100 else 0.7)
            assert z.p_value == authentic.p_value == share.p_value == 1 / 200


def test_one_law_gives_half() -> None:
    """Mean of five seeds within .06; its standard error was .013: false failure below 1e-5."""
    shares = [closest_share(world_sets("null", seed), 1).value for seed in range(5)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.06)
    uneven = [closest_share(world_sets("null", seed, 25), 1).value for seed in range(5)]
    assert np.mean(uneven) == pytest.approx(0.5, abs=0.1)
    # what counting against all unused would call copying
    assert np.mean([(world_sets("null", s, 25).of_generated.groups[0] < 100).mean()
                    for s in range(5)]) > 0.7  # fmt: skip


def test_verbatim_copies_of_distinct_patients_are_not_authentic() -> None:
    rng = np.random.default_rng(1)
    reals = rng.normal(size=(60, 8))
    sets = FeatureSets(reals[rng.integers(0, 30, 200)], reals, np.arange(60) < 30)
    assert authenticity(sets, 1).value == 0


# --- traps
def test_adjacent_slices_do_not_make_copies_authentic() -> None:
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(40), 3)
    reals = rng.normal(size=(40, 8))[groups] + 0.01 * rng.normal(size=(120, 8))
    generated = reals[rng.integers(0, 60, 100)] + 0.1 * rng.normal(size=(100, 8))
    assert authenticity(FeatureSets(generated, reals, groups < 20, groups), 1).value == 0
    naive = authenticity(FeatureSets(generated, reals, groups < 20), 1).value
    assert naive == 100  # every image its own group: the next slice is nearer than the copy


def test_a_cell_without_controls_or_suspects_joins_another() -> None:
    """Three places; unused are absent from one, candidates from another."""
    rng = np.random.default_rng(3)
    places = np.array([[0.0, 0.0], [30.0, 0.0], [60.0, 0.0]])
    reals = rng.normal(size=(180, 2)) + np.repeat(places, 60, axis=0)
    candidate = np.concatenate([np.arange(60) < 30, np.ones(60, bool), np.zeros(60, bool)])
    generated = rng.normal(size=(90, 2)) + np.repeat(places, 30, axis=0)
    sets = FeatureSets(generated, reals, candidate)
    cells = cell_of(reals, k_means(reals, 4))
    occupied = [{bool(s) for s in candidate[cells == c]} for c in np.unique(cells)]
    assert {True} in occupied and {False} in occupied  # the naive form compares with nothing
    found = data_copying(sets, 19)
    assert np.isfinite(found.value)
    assert found.value == pytest.approx(brute_data_copying(sets, candidate), rel=1e-6)


def test_no_cell_of_twenty_means_one_cell() -> None:
    rng = np.random.default_rng(4)
    near, far = rng.random(30), rng.random(9)
    cells, calibration_cells = np.arange(30) % 3, np.arange(9) % 3
    one = np.where(np.arange(30) < 22, 0, 1)  # only the first cell holds 20
    apart = np.where(np.arange(9) < 4, APART, calibration_cells)
    found = c_t(
        np.stack([near] * 3),
        np.stack([far] * 3),
        np.stack([cells, one, cells]),
        np.stack([calibration_cells, calibration_cells, apart]),
    )
    assert found[0] == rank_sum(near, far)[1]
    assert found[1] == rank_sum(near[:22], far[calibration_cells == 0])[1]
    assert found[2] == rank_sum(near, far[4:])[1]  # no candidate is compared


def test_k_means_repeats_whatever_the_order() -> None:
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(200, 6))
    found = k_means(rows, 5, seed=1)
    np.testing.assert_array_equal(found, k_means(rows[rng.permutation(200)], 5, seed=1))
    # unseeded it would not repeat: other starts end elsewhere
    assert len({k_means(rows, 5, seed).tobytes() for seed in range(6)}) > 1
    blobs = np.repeat(10.0 * np.eye(4), 25, axis=0) + 0.1 * rng.normal(size=(100, 4))
    assert [len(set(part)) for part in cell_of(blobs, k_means(blobs, 4)).reshape(4, 25)] == [1] * 4
    assert k_means(np.repeat(rows[:2], 10, axis=0), 5).shape == (2, 6)
    assert k_means(np.zeros((7, 3)), 3).shape == (1, 3)


@every_measure
def test_the_order_of_rows_and_the_names_of_groups_change_nothing(measure: Any) -> None:
    sets = small_sets(7, 25, 30, m=60)
    rng = np.random.default_rng(7)
    a, b = rng.permutation(60), rng.permutation(len(sets.reals))
    names = np.array([f"patient {g:03d}" for g in groups_of(sets)])
    moved = FeatureSets(sets.generated[a], sets.reals[b], sets.is_candidate[b], names[b])
    first, second = measure(sets, 99, 3), measure(moved, 99, 3)
    assert second.value == pytest.approx(first.value, rel=1e-12)
    assert second.p_value == first.p_value
    assert measure(sets, 99, 3) == first


@pytest.mark.parametrize("sides", [(30, 30), (6, 60), (60, 6)], ids=str)
def test_what_was_not_kept_is_found_all_the_same(
    sides: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [measure(small_sets(8, *sides), 99) for measure in MEASURES]
    monkeypatch.setattr(group_neighbours, "MOST_KEPT", 1)
    monkeypatch.setattr(group_neighbours, "BLOCK_BYTES", 10_000)
    sets = small_sets(8, *sides)
    assert len(sets.of_generated.groups) == 8
    assert [measure(sets, 99) for measure in MEASURES] == wanted


def test_nearest_groups_are_those_of_brute_force() -> None:
    sets = small_sets(9, 10, 12)
    own = sets.index
    near = nearest_groups(sets.reals, sets.reals, own, own)
    chosen = sets.status
    distances, images = (found[0] for found in near.first(chosen[None]))
    for i, x in enumerate(sets.reals):
        d, row = to_suspect(x, own[i], sets, sets.is_candidate)
        assert distances[i] == pytest.approx(d)
        assert images[i] == row


def test_an_exact_copy_has_distance_zero_and_ties_count_half() -> None:
    rng = np.random.default_rng(10)
    x = rng.random((3, 1024)) + 100  # |a|^2 + |b|^2 - 2ab would lose the zero
    reals = np.concatenate([x, x])
    sets = FeatureSets(np.repeat(x, 10, axis=0), reals, np.arange(6) < 3)
    assert (sets.of_generated.first(sets.status[None])[0] == 0).all()
    assert closest_share(sets).value == 0.5
    assert closest_share(sets).p_value > 0.5
    gram = (x**2).sum(1)[:, None] + (x**2).sum(1) - 2 * x @ x.T
    assert np.abs(np.diag(gram)).max() > 0


# --- hostile sets
def test_one_generated_image() -> None:
    sets = small_sets(11, 5, 5, m=1)
    assert authenticity(sets).value in (0, 100)
    assert closest_share(sets).value in (0, 0.5, 1)
    with pytest.raises(InputError, match="cells of 20 or more generated images, 1 were given"):
        data_copying(sets)


def test_constant_features_show_nothing() -> None:
    sets = FeatureSets(np.ones((50, 4)), np.ones((30, 4)), np.arange(30) < 15)
    for measure, value in zip(MEASURES, (0, 0, 0.5), strict=True):
        found = measure(sets, 99)
        assert found.value == value
        assert found.p_value == 1, measure.__name__
    assert len(sets.of_generated.groups) < 30  # more groups tie than are kept


def test_more_groups_on_one_side_than_twenty_to_one() -> None:
    for n_candidate, n_calibration in ((1, 80), (80, 1)):
        sets = small_sets(12, n_candidate, n_calibration)
        assert 0 <= closest_share(sets).value <= 1
        assert np.isfinite(data_copying(sets, 9).value)
    with pytest.raises(InputError, match="all are of one. Give candidates of two or more"):
        authenticity(small_sets(12, 1, 80))


X = np.zeros((4, 2))
REFUSED: list[tuple[tuple[Any, ...], str]] = [
    (
        (X, X, np.ones(4, bool)),
        "needs candidates and calibration images, found 4 candidate groups among 4",
    ),
    (
        (X, X, np.zeros(4, bool)),
        "needs candidates and calibration images, found 0 candidate groups among 4",
    ),
    ((X, X, np.ones(3, bool)), "4 real rows were given with 3 candidate flags"),
    ((X, X[:, :1], np.arange(4) < 2), "different sizes cannot be compared: 2 and 1 values"),
    ((X[:0], X, np.arange(4) < 2), r"generated must be rows of features .*\(0, 2\)"),
    ((X, X * np.nan, np.arange(4) < 2), "reals: a feature is not finite"),
    (
        (X, X, np.arange(4) < 2, ["a", "b", "b", "c"]),
        r"among candidates and calibration images \(b\)",
    ),
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_what_cannot_be_compared_is_refused(given: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FeatureSets(*given)


# --- p-values
def null_sets(seed: int, collapse: bool) -> FeatureSets:
    """24 patients of one law with 1 to 3 images; collapse: all generated images near one point."""
    rng = np.random.default_rng([seed, collapse])
    groups = np.repeat(np.arange(24), rng.integers(1, 4, 24))
    reals = rng.normal(size=(24, 4))[groups] + 0.4 * rng.normal(size=(len(groups), 4))
    generated = rng.normal(size=(80, 4))
    if collapse:
        generated = rng.normal(size=4) + 0.2 * generated
    return FeatureSets(generated, reals, groups < 10, groups)


@pytest.mark.parametrize("collapse", [False, True])
def test_p_values_are_uniform_when_nothing_was_used(collapse: bool) -> None:
    """At most uniform at multiples of 1/40, and for C_T, which hardly ties, at least as well.

    16 lines of 1e-6 per case: false failure below 1e-4 in all.
    """
    every = [null_sets(seed, collapse) for seed in range(200)]
    for measure in MEASURES:
        p = np.array([measure(sets, 39, seed).p_value for seed, sets in enumerate(every)])
        for level in (0.05, 0.25, 0.5, 0.75):
            low, high = binom.ppf([1e-6, 1 - 1e-6], 200, level)
            reached = (p <= level + 1e-9).sum()
            assert reached <= high, measure.__name__
            if measure is data_copying and not collapse:
                assert reached >= low
    if collapse:  # Z takes generated images for independent: what it would have claimed
        claimed = [data_copying(sets, 1).value < norm.ppf(0.05) for sets in every]
        assert np.sum(claimed) > 40
