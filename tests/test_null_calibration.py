"""Promise 1: false alarms hold. Simulated worlds with nothing to find, judged as an audit does.

Every split draws new images, so the seed is fixed and the outcome is deterministic. The band is
the binomial 99 % band of the issue; the sizes make 0.05 and 0.1 reachable exactly
((unused + 1) x rate is a whole number), so that being too cautious fails as well.
"""

import numpy as np
import pytest
from scipy.stats import binom

from reference_worlds import population
from vestige.judging.cohort import Cohort
from vestige.judging.judge import judge
from vestige.scoring.columns import Reals, score_columns
from vestige.scoring.plan import plan_columns
from vestige.types import Images

SPLITS = 320
CALIBRATION = 39
QUERIES = 4
PLAN = plan_columns(None, has_reference=False)


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


def null_split(kind: str, seed: int) -> np.ndarray:
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
    columns, _ = score_columns(PLAN, generated, None, Reals(cohort.images, cohort.groups))
    judgement = judge(columns, PLAN, cohort, cohort.targets)
    assert judgement.p_values is not None
    assert (judgement.stack is not None) == (kind == "labels")
    if kind == "patients":  # one image per patient: the others repeat it
        first = np.unique(groups[cohort.targets], return_index=True)[1]
        return judgement.p_values[first]
    return judgement.p_values


@pytest.mark.parametrize(
    "kind", ["plain", "patients", pytest.param("labels", marks=pytest.mark.slow)]
)  # the stack is fitted 320 times: three minutes
def test_unused_queries_are_called_used_no_more_often_than_asked(kind: str) -> None:
    p_values = np.concatenate([null_split(kind, seed) for seed in range(SPLITS)])
    assert len(p_values) == SPLITS * QUERIES
    for rate in (0.05, 0.1):
        called = int((p_values <= rate).sum())
        low, high = binom.interval(0.99, len(p_values), rate)
        assert low <= called <= high, f"{called} of {len(p_values)} at rate {rate}"
