"""Bounds of what was not found: references, the order of rows, and how often they hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, norm
from scipy.stats import t as student

from vestige.registry.entries import InputError
from vestige.stats.bounds import (
    auc_upper_bound,
    copied_share_bound,
    exposed_share,
    patient_worth,
    patients_for_bound,
)
from vestige.stats.folds import FoldedScores, auc_in_folds
from vestige.stats.intervals import auc, delong_variance, score_interval
from vestige.stats.power import minimum_detectable_auc
from vestige.types import Floats, Ints

CHECK = settings(deadline=None, derandomize=True)
SCORES = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 3)), min_size=1, max_size=15)


def patients(
    n: int, most: int, rho: float, shift: float, rng: np.random.Generator
) -> tuple[Floats, Ints]:
    """Scores of n patients with 1 to `most` images each, of correlation rho."""
    groups = np.repeat(np.arange(n), rng.integers(1, most + 1, n))
    person, own = rng.normal(size=n)[groups], rng.normal(size=len(groups))
    return shift + np.sqrt(rho) * person + np.sqrt(1 - rho) * own, groups


def test_single_images_give_delong_on_the_logit_scale() -> None:
    rng = np.random.default_rng(0)
    used, unused = np.round(rng.normal(0.4, 1, 23), 1), np.round(rng.normal(size=31), 1)
    area = auc(used, unused)
    half = student.ppf(0.95, 22) * np.sqrt(delong_variance(used, unused)) / (area * (1 - area))
    expected = 1 / (1 + np.exp(-np.log(area / (1 - area)) - half))
    assert auc_upper_bound(used, unused) == pytest.approx(expected, abs=1e-12)


def test_copies_of_an_image_within_a_group_are_one_image() -> None:
    rng = np.random.default_rng(1)
    used, unused = rng.normal(size=20), rng.normal(size=30)
    thrice = np.repeat(used, 3), np.repeat(unused, 2)
    groups = np.repeat(np.arange(20), 3), np.repeat(np.arange(30) + 20, 2)
    assert auc_upper_bound(*thrice, *groups) == pytest.approx(auc_upper_bound(used, unused))


@CHECK
@given(SCORES, SCORES, st.booleans(), st.randoms(use_true_random=False))
def test_upper_bound_only_knows_order_and_groups(
    used: list[tuple[int, int]], unused: list[tuple[int, int]], folded: bool, random: object
) -> None:
    (u, gu), (v, gv) = (np.array(x, float).T for x in (used, unused))
    gv = gv + 10
    folds = (gu % 2, gv % 2) if folded else (None, None)
    found = auc_upper_bound(u, v, gu, gv, *folds)
    sides = FoldedScores(u, gu % 2, gu), FoldedScores(v, gv % 2, gv)
    value = auc_in_folds(*sides, repeats=1).value if folded else auc(u, v)
    assert value <= found + 1e-12 and found <= 1
    a, b = (list(range(len(x))) for x in (u, v))
    random.shuffle(a)  # type: ignore[attr-defined]
    random.shuffle(b)  # type: ignore[attr-defined]
    folds = (gu[a] % 2, gv[b] % 2) if folded else (None, None)
    assert auc_upper_bound(np.exp(u[a]), np.exp(v[b]), 7 - gu[a], 30 - gv[b], *folds) == found


def test_upper_bound_where_no_variance_can_be_estimated() -> None:
    ones = np.ones(20)
    assert auc_upper_bound(ones, ones) == pytest.approx(score_interval(0.5, 20, 20, 0.9)[1])
    assert auc_upper_bound(ones + 1, ones) == 1.0
    assert 0.0 < auc_upper_bound(ones, ones + 1) < 0.2
    alone = np.zeros(20)  # one patient with twenty images
    few = auc_upper_bound(np.arange(20.0), np.arange(20.0), alone, np.arange(20) + 1)
    assert few == pytest.approx(score_interval(0.5, 1, 20, 0.9)[1])
    assert auc_upper_bound(ones, ones, None, None, np.zeros(20), np.ones(20)) == 1.0
    with pytest.raises(InputError, match="1 groups have images both used and unused"):
        auc_upper_bound(np.zeros(2), np.ones(2), ["a", "b"], ["b", "c"])


@pytest.mark.parametrize(("n", "most", "rho", "truth"), [(25, 1, 0.0, 0.55), (25, 8, 0.5, 0.65)])
def test_upper_bound_covers(n: int, most: int, rho: float, truth: float) -> None:
    hits = naive = 0
    for seed in range(400):
        rng = np.random.default_rng([2, n, most, seed])
        used, groups = patients(n, most, rho, np.sqrt(2) * norm.ppf(truth), rng)
        unused, others = patients(n, most, rho, 0.0, rng)
        hits += auc_upper_bound(used, unused, groups, others + n) >= truth
        naive += auc_upper_bound(used, unused) >= truth
    # At a coverage of .94 this fails with probability 1e-5 (measured: .945 to .97).
    assert hits >= binom.ppf(1e-5, 400, 0.94)
    assert most == 1 or naive < hits - 10


@pytest.mark.parametrize(("limit", "most"), [(0.65, 1), (0.6, 5)])
def test_so_many_patients_would_do(limit: float, most: int) -> None:
    rng = np.random.default_rng(3)
    pilot = patients(2000, most, 0.4, 0.0, rng)
    n = patients_for_bound(limit, patient_worth(*pilot))
    below = 0
    for seed in range(300):
        rng = np.random.default_rng([4, most, seed])
        used, groups = patients(n, most, 0.4, 0.0, rng)
        unused, others = patients(n, most, 0.4, 0.0, rng)
        below += auc_upper_bound(used, unused, groups, others + n) < limit
    # .8 in truth; below .75 or above .87 it would mostly fail. False failure 2e-5 for .8.
    assert binom.ppf(1e-5, 300, 0.8) <= below <= binom.ppf(1 - 1e-5, 300, 0.8)


def test_patients_for_a_bound_and_their_worth() -> None:
    found = [patients_for_bound(limit) for limit in (0.55, 0.6, 0.65, 0.7, 0.8)]
    assert found == [412, 103, 46, 26, 11]
    assert patients_for_bound(0.6, 2.0) == pytest.approx(103 / 2, abs=1)
    assert patients_for_bound(0.6, level=0.99) > 103
    for limit in (0.5, 1.0):
        with pytest.raises(InputError, match="between .5 and 1"):
            patients_for_bound(limit)
    with pytest.raises(InputError, match="more than 10\\^9 patients"):
        patients_for_bound(0.500001)
    scores = np.random.default_rng(5).normal(size=300)
    alike = np.repeat(np.arange(300), 4)
    assert patient_worth(scores) == patient_worth(np.zeros(8), np.arange(8) // 2) == 1.0
    assert patient_worth(scores[alike], alike) == pytest.approx(1.0)
    assert (
        3.4 < patient_worth(np.random.default_rng(6).normal(size=4000), np.arange(4000) // 4) <= 4
    )
    sizes = np.array([1, 9] * 150)
    uneven = np.repeat(np.arange(300), sizes)  # by size: 5^2 / mean of 1 and 81
    assert patient_worth(scores[uneven], uneven) == pytest.approx(25 / 41, rel=0.2)


def test_exposed_share_of_the_design() -> None:
    found = [exposed_share(minimum_detectable_auc(n, n)) for n in (25, 100, 500)]
    assert found == pytest.approx([0.40, 0.20, 0.09], abs=0.005)
    assert (exposed_share(0.4), exposed_share(1.0)) == (0.0, 1.0)


def test_copied_share_of_the_design() -> None:
    found = copied_share_bound(7, 500, 0, 100, 20, 20)
    high = binomtest(7, 500, alternative="less").proportion_ci(1 - 0.05 / 3, "exact").high
    low = binomtest(20, 20, alternative="greater").proportion_ci(1 - 0.05 / 3, "exact").low
    assert found == pytest.approx(high / low) == pytest.approx(0.0368, abs=5e-5)
    false = binomtest(9, 100, alternative="greater").proportion_ci(1 - 0.05 / 3, "exact").low
    high = binomtest(60, 500, alternative="less").proportion_ci(1 - 0.05 / 3, "exact").high
    expected = (high - false) / (low - false)
    assert copied_share_bound(60, 500, 9, 100, 20, 20) == pytest.approx(expected)
    assert copied_share_bound(7, 500, 0, 100, 0, 20) is None  # nothing planted was seen
    assert copied_share_bound(7, 500, 30, 100, 5, 20) is None
    assert copied_share_bound(500, 500, 3, 100, 12, 20) == 1.0
    with pytest.raises(InputError, match="0 <= k <= n"):
        copied_share_bound(7, 500, 0, 0, 20, 20)


@CHECK
@given(st.integers(0, 50), st.integers(0, 40), st.integers(0, 20))
def test_copied_share_moves_the_right_way(found: int, false: int, recalled: int) -> None:
    bound = copied_share_bound(found, 50, false, 40, recalled, 20)
    if bound is None:
        return
    assert 0.0 <= bound <= 1.0
    if found < 50:
        more = copied_share_bound(found + 1, 50, false, 40, recalled, 20)
        assert more is not None and more >= bound
    if recalled < 20:
        better = copied_share_bound(found, 50, false, 40, recalled + 1, 20)
        assert better is not None and better <= bound
    if false > 0:
        less = copied_share_bound(found, 50, false - 1, 40, recalled, 20)
        assert less is not None and less >= bound - 1e-12


@pytest.mark.parametrize(
    ("share", "recall", "false"), [(0.02, 0.95, 0.01), (0.1, 0.6, 0.05), (0.3, 0.9, 0.1)]
)
def test_copied_share_covers(share: float, recall: float, false: float) -> None:
    rng = np.random.default_rng(7)
    worlds = 1500
    above = rng.binomial(300, share * recall + (1 - share) * false, worlds)
    unused = np.sort(rng.uniform(size=(worlds, 100)), axis=1)
    bounds = [
        copied_share_bound(int(a), 300, int((u < false).sum()), 100, int(r), 20)
        for a, u, r in zip(above, unused, rng.binomial(20, recall, worlds), strict=True)
    ]
    missed = sum(bound is not None and bound < share for bound in bounds)
    # Three limits of .05 / 3: at most .05 in all. Fails with probability 1e-5 if it were .05.
    assert missed <= binom.ppf(1 - 1e-5, worlds, 0.05)
    assert np.median([1.0 if bound is None else bound for bound in bounds]) < share + 0.4


def test_copied_share_covers_beyond_a_calibration_score() -> None:
    """The threshold is the third largest calibration score: its false positive rate is random."""
    rng = np.random.default_rng(8)
    share, worlds = 0.1, 1500
    false = rng.beta(3, 98, worlds)
    missed = 0
    for f in false:
        recall = norm.sf(norm.isf(f) - 3)
        above = int(rng.binomial(300, share * recall + (1 - share) * f))
        bound = copied_share_bound(above, 300, 2, 100, int(rng.binomial(20, recall)), 20)
        missed += bound is not None and bound < share
    assert missed <= binom.ppf(1 - 1e-5, worlds, 0.05)
