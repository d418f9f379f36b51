"""Lower bounds of epsilon: the paper's numbers, the trade-off curve, private mechanisms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import binom

from vestige.registry.entries import InputError
from vestige.stats.bounds import auc_upper_bound
from vestige.stats.epsilon import _certified, _epsilon_of_auc, epsilon_lower_bounds

CHECK = settings(deadline=None, derandomize=True)
SCORES = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 4)), min_size=1, max_size=15)


@pytest.mark.parametrize(("right", "epsilon"), [(50, 0.0), (60, 0.05), (75, 0.70), (100, 3.49)])
@pytest.mark.parametrize("delta", [0.0, 1e-5])
def test_certified_numbers_of_the_design(right: int, epsilon: float, delta: float) -> None:
    assert _certified(right, 100, delta, 0.05) == pytest.approx(epsilon, abs=0.005)


@pytest.mark.parametrize(
    ("right", "pairs", "delta"), [(30, 40, 1e-3), (95, 100, 1e-4), (9, 9, 0.0)]
)
def test_certified_is_the_root_of_the_bound_of_the_paper(
    right: int, pairs: int, delta: float
) -> None:
    found = _certified(right, pairs, delta, 0.05)
    guess = binom(pairs, expit(found))
    near = [(guess.cdf(right - 1) - guess.cdf(right - 1 - i)) / i for i in range(1, right + 1)]
    assert guess.sf(right - 1) + 2 * pairs * delta * max(near) == pytest.approx(0.05, abs=1e-9)
    assert 0 < found <= _certified(right, pairs, 0.0, 0.05) + 1e-12


def test_epsilon_of_an_auc_is_that_of_the_trade_off_curve() -> None:
    alpha = np.linspace(0, 1, 200_001)
    for epsilon in (0.2, 1.0, 3.0):
        curve = np.maximum(
            0, np.maximum(1 - np.exp(epsilon) * alpha, np.exp(-epsilon) * (1 - alpha))
        )
        largest = 1 - float((curve[1:] + curve[:-1]).sum() * alpha[1] / 2)
        assert _epsilon_of_auc(largest, 0.0) == pytest.approx(epsilon, abs=1e-6)
    assert _epsilon_of_auc(0.75, 0.05) == pytest.approx(np.log(0.7 / 0.25))
    assert _epsilon_of_auc(0.4, 0.0) == _epsilon_of_auc(0.5 + 1e-7, 1e-5) == 0.0


def test_bounds_hold_for_a_mechanism_of_known_epsilon() -> None:
    """Laplace noise of scale b on each membership: replacing a patient changes two, 2 / b."""
    epsilon, worlds = 1.5, 400
    too_high = np.zeros(2)
    found = []
    for seed in range(worlds):
        noise = np.random.default_rng([1, seed]).laplace(scale=2 / epsilon, size=160)
        bounds = epsilon_lower_bounds(noise[:80] + 1, noise[80:], delta=0.0, seed=seed)
        found.append([bounds.from_auc, bounds.certified])
        too_high += np.array(found[-1]) > epsilon
    assert (too_high <= binom.ppf(1 - 1e-5, worlds, 0.05)).all()
    assert (np.median(found, axis=0) > 0.1).all()


def test_certified_is_tight_for_randomised_response() -> None:
    """In each pair the used one is told with probability e^epsilon / (1 + e^epsilon)."""
    epsilon, worlds, pairs = 1.0, 2000, 100
    right = np.random.default_rng(2).binomial(pairs, expit(epsilon), worlds)
    too_high = sum(_certified(int(w), pairs, 0.0, 0.05) > epsilon for w in right)
    # Exactly P(W >= smallest w that refutes) <= .05; false failures 1e-5 each way.
    smallest = next(w for w in range(101) if _certified(w, pairs, 0.0, 0.05) > epsilon)
    assert binom.sf(smallest - 1, pairs, expit(epsilon)) <= 0.05
    assert binom.ppf(1e-5, worlds, 0.03) <= too_high <= binom.ppf(1 - 1e-5, worlds, 0.05)


@CHECK
@given(SCORES, SCORES, st.randoms(use_true_random=False))
def test_order_and_names_do_not_show(
    used: list[tuple[int, int]], unused: list[tuple[int, int]], random: object
) -> None:
    (u, gu), (v, gv) = (np.array(x, float).T for x in (used, unused))
    u, v = u / 7, v / 7  # sums of these round
    found = epsilon_lower_bounds(u, v, gu, gv + 10, seed=3)
    a, b = (list(range(len(x))) for x in (u, v))
    random.shuffle(a)  # type: ignore[attr-defined]
    random.shuffle(b)  # type: ignore[attr-defined]
    assert epsilon_lower_bounds(u[a], v[b], -gu[a], 99 - gv[b], seed=3) == found
    assert found.from_auc >= 0 and found.certified >= 0
    assert found.pairs == min(len(set(gu)), len(set(gv))) and found.right <= found.pairs


def test_a_patient_counts_once() -> None:
    rng = np.random.default_rng(4)
    used, unused = rng.normal(1, 1, 30), rng.normal(size=40)
    single = epsilon_lower_bounds(used, unused)
    groups = np.repeat(np.arange(30), 4), np.repeat(np.arange(40) + 30, 4)
    assert epsilon_lower_bounds(np.repeat(used, 4), np.repeat(unused, 4), *groups) == single
    assert single.auc_low == 1 - auc_upper_bound(unused, used)
    assert single.pairs == 30
    with pytest.raises(InputError, match="from 0 to below 1"):
        epsilon_lower_bounds(used, unused, delta=1.0)
    with pytest.raises(InputError, match="both used and unused"):
        epsilon_lower_bounds(used, unused, np.arange(30), np.arange(40))


def test_ties_are_no_right_guess() -> None:
    nothing = epsilon_lower_bounds(np.zeros(50), np.zeros(50))
    assert (nothing.right, nothing.from_auc, nothing.certified) == (0, 0.0, 0.0)
