"""A release audit of small arrays up to its unused, without folders: quick enough to repeat."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reference_worlds import population, reference_world
from vestige.checks import Comparison, compare
from vestige.checks.rerun import AuditRerun
from vestige.judging.cohort import Cohort
from vestige.judging.judge import judge, test_set
from vestige.scoring.columns import score_columns
from vestige.scoring.plan import plan_columns
from vestige.types import Images

QUICK = ("nearest_distance_contrast", "calibrated_distance_5")
RATE = 0.05


def small(images: Images) -> Images:
    """32 px -> 16 px."""
    n = len(images)
    return images.reshape(n, 16, 2, 16, 2).mean(axis=(2, 4), dtype=np.float32)


def strangers(n: int, seed: int) -> Images:
    """Images of the base population at 16 px."""
    return small(population(n, np.random.default_rng([seed, 5]))[0])


def small_audit(
    used: Images,
    unused: Images,
    generated: Images,
    reference: Images | None = None,
    detectors: Sequence[str] = QUICK,
    groups: Any = None,
    seed: int = 0,
) -> Comparison:
    """Candidates (known used) and unused with the audit behind them; groups of used, then unused.

    Every reference image is a group of its own.
    """
    n = len(used) + len(unused)
    candidates = np.arange(n) < len(used)
    groups = np.arange(n) if groups is None else np.asarray(groups)
    cohort = Cohort(
        images=np.concatenate([used, unused]),
        ids=tuple(f"{i:04d}.png" for i in range(n)),
        index=np.arange(n),
        roles=np.where(candidates, "used", "unused"),
        groups=groups,
        targets=candidates,
        calibration=~candidates,
        known_used=candidates,
        resolved={},
    )
    plan = plan_columns(detectors, reference is not None)
    columns, _ = score_columns(plan, generated, reference, cohort.reals(plan))
    judgement = judge(columns, plan, cohort, candidates, seed)
    test = test_set(columns, plan, cohort, candidates, judgement, "release", RATE, seed)
    assert test is not None
    theirs = np.arange(10_000, 10_000 + (0 if reference is None else len(reference)))
    rerun = AuditRerun(plan, columns, cohort, candidates, generated, reference, theirs, ())
    return compare(rerun, test, RATE, seed)


def small_world(name: str, seed: int = 0, reference: bool = False, **options: Any) -> Comparison:
    """60 used against 60 unused of a reference world at 16 px, beside 150 generated images."""
    world = reference_world(name, seed)
    given = small(world.reference[:60]) if reference else None
    parts = small(world.used[:60]), small(world.unused[:60]), small(world.generated[:150])
    return small_audit(*parts, given, seed=seed, **options)


def claimed(comparison: Comparison, auc: float = 0.8) -> Comparison:
    """The same audit, had its set test been positive with this AUC."""
    said = replace(comparison.audited, auc=auc, positive=True, carried_by="mean")
    return replace(comparison, rerun=said)
