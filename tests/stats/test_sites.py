"""Sites combined: exact where p-values are coarse, more power than the best site, bounds, names."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import binom, combine_pvalues

from vestige.registry.entries import InputError
from vestige.stats.chance import _beta_binomial, explained_by_chance
from vestige.stats.permutation import set_test
from vestige.stats.sites import combined_p, shared_q, stratified, worth
from vestige.types import Floats


def test_equal_sites_give_fishers_rule() -> None:
    p = [0.03, 0.4, 0.002, 0.9]
    wanted = combine_pvalues(p, "fisher").pvalue
    assert combined_p(p, [30, 30, 30, 30]) == pytest.approx(wanted, rel=1e-9)


def test_one_site_is_itself_and_p_of_one_takes_nothing_away() -> None:
    assert combined_p([0.0371], [12]) == 0.0371
    assert 0 < combined_p([1e-4, 1.0], [30, 30]) < 0.002  # Stouffer's rule would say 1
    assert combined_p([1.0, 1.0], [3, 30]) == 1.0
    assert combined_p([0.0, 1.0], [3, 30]) == 0.0


def test_a_smaller_p_gives_a_smaller_p_and_a_large_site_counts_more() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        p, weights = rng.random(4), rng.integers(1, 100, 4)
        less = p.copy()
        less[rng.integers(4)] *= 0.9
        assert combined_p(less, weights) < combined_p(p, weights)
    assert combined_p([0.01, 0.6], [100, 10]) < combined_p([0.6, 0.01], [100, 10])


@pytest.mark.parametrize(
    ("grids", "weights"),
    [((10, 35, 20), (5, 12, 30)), ((3, 35, 70), (1, 1, 1)), ((1000, 10), (60, 2))],
)
def test_no_level_is_passed_where_p_values_are_coarse(
    grids: tuple[int, ...], weights: tuple[float, ...]
) -> None:
    """All outcomes, none drawn: each p-value is one of k / m, all of them equally likely."""
    steps = [np.arange(1, m + 1) / m for m in grids]
    p = np.array([combined_p(row, weights) for row in product(*steps)])
    levels = np.unique(np.concatenate([p, [0.01, 0.05, 0.1]]))
    below = np.searchsorted(np.sort(p), levels * (1 + 1e-9), side="right") / len(p)
    assert (below <= levels * (1 + 1e-6)).all()
    assert below[np.searchsorted(levels, 0.1)] > 0.02  # cautious, but not blind


def site_p(rng: np.random.Generator, used: int, unused: int, shift: float) -> float:
    scores = np.concatenate([rng.normal(shift, 1, used), rng.normal(size=unused)])
    known = np.arange(used + unused) < used
    return set_test(scores, known, n_permutations=199, seed=int(rng.integers(2**31))).p_value


def drawn(
    sets: int, sizes: list[tuple[int, int]], shift: float, seed: int
) -> tuple[Floats, Floats]:
    """p-values of sites [sets, sites], and of all together [sets]."""
    rng = np.random.default_rng(seed)
    p = np.array([[site_p(rng, *size, shift) for size in sizes] for _ in range(sets)])
    weights = [worth(*size) for size in sizes]
    return p, np.array([combined_p(row, weights) for row in p])


SETS = 250


@pytest.mark.parametrize(
    "sizes", [[(30, 30), (10, 12), (4, 3)], [(9, 9)] * 6], ids=["unequal", "small"]
)
def test_false_alarms_of_sites_in_which_nothing_leaks(sizes: list[tuple[int, int]]) -> None:
    """Fails by chance in less than one run of 30,000: three levels, each outside with 1e-5."""
    _, together = drawn(SETS, sizes, 0.0, 7)
    for level in (0.01, 0.05, 0.1):
        assert (together <= level + 1e-12).sum() <= binom.ppf(1 - 1e-5, SETS, level)
    assert (together <= 0.1).sum() >= binom.ppf(1e-5, SETS, 0.05)  # cautious, but alive


def test_power_is_above_that_of_the_best_site() -> None:
    """.87 against .55, 60 sets: chance turns this round in less than one run of 100,000."""
    p, together = drawn(60, [(30, 30), (30, 30), (20, 20)], 0.6, 3)
    best = (p <= 0.05).mean(axis=0).max()
    assert (together <= 0.05).mean() > best


@pytest.mark.parametrize(
    ("p", "weights"), [([], []), ([0.1], [1, 2]), ([0.1, 0.2], [1, 0]), ([1.1, 0.2], [1, 1])]
)
def test_what_is_no_set_of_sites_is_refused(p: list[float], weights: list[float]) -> None:
    with pytest.raises(InputError):
        combined_p(p, weights)


def test_the_bound_of_a_mean_is_nearer_than_the_bounds() -> None:
    value, upper = stratified([0.5, 0.6], [0.6, 0.7], [30, 30])
    assert value == pytest.approx(0.55)
    assert upper == pytest.approx(0.55 + 0.1 / np.sqrt(2))
    assert stratified([0.5, 0.6], [0.4, 0.5], [30, 30])[1] == pytest.approx(0.55 - 0.1 / np.sqrt(2))
    assert stratified([0.52], [0.7], [9]) == pytest.approx((0.52, 0.7))
    assert stratified([0.5, 0.9], [0.5, 1.0], [99, 1])[0] == pytest.approx(0.504)


def test_a_site_names_with_its_part_of_the_rate() -> None:
    q = [np.array([0.01, 0.02, 0.5]), np.array([0.04]), np.array([])]
    shared = shared_q(q)
    assert [list(np.round(one, 3)) for one in shared] == [[0.013, 0.027, 0.667], [0.16], []]
    assert list(shared_q([np.array([0.3])])[0]) == [0.3]


@pytest.mark.parametrize("sites", [[(30, 30), (12, 20)], 10 * [(12, 22)], [(100, 100), (20, 40)]])
def test_sums_of_chance_are_passed_less_often_than_each(sites: list[tuple[int, int]]) -> None:
    """The law of the sum, computed: patients that stand out at all sites when none was used."""
    law, limit = np.ones(1), 0
    for targets, unused in sites:
        k = int(0.05 * (unused + 1) + 1e-9)
        law = np.convolve(law, _beta_binomial(targets, k, unused + 1 - k))
        limit += explained_by_chance(targets, unused, 0.05)
    assert law[limit + 1 :].sum() <= 0.01


def test_leaving_out_small_p_values_makes_no_false_alarms() -> None:
    """As a check does that runs where a site finds something; fails by chance once in 30,000."""
    rng = np.random.default_rng(5)
    p = rng.random((2000, 3))
    kept = (p > 0.05) | (rng.random(p.shape) < 0.5)
    left = [combined_p(row[k], [1.0] * k.sum()) for row, k in zip(p, kept, strict=True) if k.any()]
    for level in (0.01, 0.05, 0.1):
        assert (np.array(left) <= level).sum() <= binom.ppf(1 - 1e-5, len(p), level)
