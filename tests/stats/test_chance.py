"""What chance explains: scipy's law, and null worlds with patients of unequal size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import betabinom, binom

from vestige.registry.entries import InputError
from vestige.stats.calibration import conformal_p_values
from vestige.stats.chance import explained_by_chance, patients_called
from vestige.types import Floats, Ints

CHECK = settings(deadline=None, derandomize=True)


@CHECK
@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([0.01, 0.05, 0.1, 0.29]))
def test_limit_agrees_with_scipy(n: int, calibration: int, rate: float) -> None:
    k = int(rate * (calibration + 1) + 1e-9)
    expected = betabinom.ppf(0.99, n, k, calibration + 1 - k) if k else 0
    assert explained_by_chance(n, calibration, rate) == expected
    assert explained_by_chance(n, np.arange(calibration), rate) == expected
    several = explained_by_chance(n, np.arange(calibration).repeat(2), rate)
    assert several >= expected  # p-values between the multiples of 1 / (G + 1) as well


def test_limit_at_the_ends() -> None:
    assert explained_by_chance(0, 100, 0.05) == explained_by_chance(100, 18, 0.05) == 0
    assert explained_by_chance(100, 0, 0.05) == 0
    assert explained_by_chance(40, 19, 0.95) <= 40
    with pytest.raises(InputError, match="rates between 0 and 1"):
        explained_by_chance(10, 10, 0.0)


def test_a_patient_has_one_voice() -> None:
    p = np.array([0.05, 0.01, 0.2, 0.3, 0.04, 0.9])
    assert patients_called(p, None, 0.05) == 3.0
    assert patients_called(p, ["a", "a", "a", "a", "b", "c"], 0.05) == 1.5
    assert patients_called(np.empty(0), None, 0.05) == 0.0
    thirds = np.tile([0.01, 1.0, 1.0], 30)
    assert patients_called(thirds, np.repeat(np.arange(30), 3), 0.05) == pytest.approx(10.0)


def patients(n: int, sizes: Ints, rng: np.random.Generator) -> tuple[Floats, Ints]:
    groups = np.repeat(np.arange(n), rng.choice(sizes, n))
    noise = rng.normal(size=len(groups))
    return np.sqrt(0.95) * rng.normal(size=n)[groups] + np.sqrt(0.05) * noise, groups


@pytest.mark.parametrize(("targets", "calibration", "rate"), [(20, 50, 0.1), (60, 37, 0.05)])
def test_a_null_gate_closes_by_chance_in_one_of_a_hundred_worlds(
    targets: int, calibration: int, rate: float
) -> None:
    uneven, even = np.array([1, 1, 1, 1, 10]), np.arange(1, 11)
    worlds, closed, images_closed = 600, 0, 0
    for sizes in (uneven, even):
        for seed in range(worlds):
            rng = np.random.default_rng([1, targets, len(sizes), seed])
            scores, groups = patients(targets, sizes, rng)
            unused, owners = patients(calibration, sizes, rng)
            p = conformal_p_values(scores, unused, owners)
            limit = explained_by_chance(targets, owners, rate)
            closed += patients_called(p, groups, rate) > limit
            alike = explained_by_chance(targets, calibration, rate) * len(p) / targets
            images_closed += (p <= rate).sum() > np.ceil(alike)
    # Fails with probability 1e-5 at .01. Images, taken to move together within a patient, exceed
    # their limit in .01 to .05 of the worlds of a design.
    assert closed <= binom.ppf(1 - 1e-5, 2 * worlds, 0.01)
    assert closed < images_closed


def test_used_patients_are_more_than_chance() -> None:
    rng = np.random.default_rng(2)
    scores, groups = patients(60, np.arange(1, 11), rng)
    unused, owners = patients(60, np.arange(1, 11), rng)
    scores += 3.0 * (groups < 20)
    called = patients_called(conformal_p_values(scores, unused, owners), groups, 0.05)
    assert called > explained_by_chance(60, owners, 0.05)
