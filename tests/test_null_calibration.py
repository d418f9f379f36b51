"""Promise 1: false alarms hold. Simulated worlds with nothing to find, judged as an audit does.

Every split draws new images, so the seed is fixed and the outcome is deterministic. The sizes make
0.05 and 0.1 reachable exactly ((unused + 1) x rate is a whole number), so that being too cautious
fails as well. 320 splits with all columns, within the binomial 99 % band of the issue, are slow; 64
splits with three columns, within limits that a right judge leaves with P < 1e-4, are quick.
"""

from functools import reduce

import numpy as np
import pytest
from scipy.stats import betabinom, binom

from reference_worlds import population
from vestige.judging.cohort import Cohort
from vestige.judging.judge import judge
from vestige.scoring.columns import Reals, score_columns
from vestige.scoring.plan import Column, plan_columns
from vestige.types import Images

SPLITS, FEW_SPLITS = 320, 64
CALIBRATION = 39
QUERIES = 4
PLAN = plan_columns(None, has_reference=False)
FEW_COLUMNS = ["nearest_distance", "mc_ball", "calibrated_distance_5"]


def small(n: int, rng: np.random.Generator) -> Images:
    """Images of the base population at 16 px: quick, and the detectors do not care."""
    images = population(n, rng)[0]
    return images.reshape(n, 16, 2, 16, 2).mean(axis=(2, 4), dtype=np.float32)


def patients(n: int, slices: np.ndarray, rng: np.random.Generator) -> tuple[Images, np.ndarray]:
    """n patients with so many slices each, nearly alike within a patient."""
    faces = small(n, rng)
    groups = np.repeat(np.arange(n), slices)
    noise = rng.normal(0, 0.01, (len(groups), 16, 16)).astype(np.float32)
    return faces[groups] + noise, groups


def bag_of(images: Images, roles: np.ndarray, groups: np.ndarray) -> Cohort:
    ids = tuple(str(i) for i in range(len(images)))
    return Cohort(
        images=images,
        ids=ids,
        index=np.arange(len(images)),
        roles=roles,
        groups=groups,
        targets=roles == "query",
        calibration=roles == "unused",
        known_used=roles == "used",
        resolved={},
    )


def null_split(kind: str, seed: int, plan: list[Column] = PLAN) -> np.ndarray:
    """p-values of the unused queries of one world in which nothing was used."""
    rng = np.random.default_rng([7, seed])
    generated = small(80, rng)
    if kind == "patients":
        slices = rng.integers(1, 6, CALIBRATION + QUERIES)
        images, groups = patients(CALIBRATION + QUERIES, slices, rng)
        roles = np.where(groups < CALIBRATION, "unused", "query")
    else:
        counts = {"unused": CALIBRATION, "query": QUERIES, "used": 20 if kind == "labels" else 0}
        roles = np.repeat(list(counts), list(counts.values()))
        images, groups = small(len(roles), rng), np.arange(len(roles))
    cohort = bag_of(images, roles, groups)
    columns, _ = score_columns(plan, generated, None, Reals(cohort.images, cohort.groups))
    judgement = judge(columns, plan, cohort, cohort.targets)
    assert judgement.p_values is not None
    assert (judgement.stack is not None) == (kind == "labels")
    if kind == "patients":  # one image per patient: the others repeat it
        first = np.unique(groups[cohort.targets], return_index=True)[1]
        return judgement.p_values[first]
    return judgement.p_values


def limits(rate: float) -> tuple[int, int]:
    """Calls of `FEW_SPLITS` splits outside of which a right judge ends with P < 2.5e-5.

    Queries of one split share their calibration images, so that their calls follow the
    beta-binomial law. With two sides and two rates: P < 1e-4.
    """
    k = round(rate * (CALIBRATION + 1))
    split = betabinom.pmf(range(QUERIES + 1), QUERIES, k, CALIBRATION + 1 - k)
    below = np.cumsum(reduce(np.convolve, [split] * FEW_SPLITS))
    return int((below < 2.5e-5).sum()), int((below < 1 - 2.5e-5).sum())


@pytest.mark.parametrize("kind", ["plain", "patients"])
def test_few_unused_queries_are_called_used_about_as_often_as_asked(kind: str) -> None:
    plan = plan_columns(FEW_COLUMNS, has_reference=False)
    p_values = np.concatenate([null_split(kind, seed, plan) for seed in range(FEW_SPLITS)])
    assert len(p_values) == FEW_SPLITS * QUERIES
    for rate in (0.05, 0.1):
        called = int((p_values <= rate).sum())
        low, high = limits(rate)
        assert 0 < low <= called <= high, f"{called} of {len(p_values)} at rate {rate}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "patients", "labels"])
def test_unused_queries_are_called_used_no_more_often_than_asked(kind: str) -> None:
    p_values = np.concatenate([null_split(kind, seed) for seed in range(SPLITS)])
    assert len(p_values) == SPLITS * QUERIES
    for rate in (0.05, 0.1):
        called = int((p_values <= rate).sum())
        low, high = binom.interval(0.99, len(p_values), rate)
        assert low <= called <= high, f"{called} of {len(p_values)} at rate {rate}"
