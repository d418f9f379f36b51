"""The set test of one column is that column's AUC, ties included."""

import numpy as np
import pytest

import vestige
from reference_worlds import reference_world
from vestige.detectors import DETECTORS
from vestige.judging.cohort import Cohort
from vestige.judging.judge import judge
from vestige.judging.judge import test_set as judge_set
from vestige.scoring.plan import plan_columns
from vestige.types import Floats

LABEL_FREE = [
    name
    for name, choice in DETECTORS.items()
    if len(choice.columns) == 1 and not choice.needs_labels and not choice.extra
]


COUNTING = ("mc_ball", "neighbour_share", "retrieval_count", "mean_rank")
"""Detectors whose scores tie."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in COUNTING else pytest.mark.slow) for name in LABEL_FREE],
)
def test_a_single_column_gives_the_same_auc_combined_and_alone(name: str) -> None:
    """Rank averaging one column is monotone: ties may not be broken in favour of one side."""
    world = reference_world("collapse", 0)  # few copies: the counting detectors tie at zero
    result = vestige.audit(
        generated=world.generated[:200],
        used=world.used[:60],
        unused=world.unused[:50],
        reference=world.reference[:80],
        detectors=[name],
        checks=False,
    )
    assert result.set_test is not None
    (column,) = result.set_test.detectors
    assert result.set_test.auc.value == pytest.approx(column.auc, abs=1e-12)


def bag_of(roles: list[str], groups: list[int]) -> Cohort:
    """A forensic cohort without known used images."""
    role, n = np.array(roles), len(roles)
    mixed = set(np.array(groups)[role == "query"])
    calibration = (role == "unused") & ~np.isin(groups, list(mixed))
    images = np.zeros((n, 2, 2), np.float32)
    names, none = tuple(map(str, range(n))), np.zeros(n, np.bool_)
    return Cohort(
        images, names, np.arange(n), role, np.array(groups), role == "query", calibration, none, {}
    )


def test_patients_on_both_sides_leave_both() -> None:
    """Left among the candidates alone they would stand for whatever made them mixed."""
    rng = np.random.default_rng(0)
    roles = ["query"] * 15 + ["unused"] * 15 + ["query", "unused"] * 6
    groups = [*range(30), *(g for g in range(30, 36) for _ in range(2))]
    cohort = bag_of(roles, groups)
    assert cohort.mixed.tolist() == [False] * 30 + [True] * 12
    plan = plan_columns(["nearest_distance", "calibrated_distance"], has_reference=False)
    columns = rng.normal(size=(len(roles), len(plan)))
    columns[30:] += 9.0  # what is mixed looks used

    def p_value(cohort: Cohort, columns: Floats) -> float:
        candidates = cohort.targets & ~cohort.mixed
        judgement = judge(columns, plan, cohort, candidates)
        test = judge_set(columns, plan, cohort, candidates, judgement, "forensic", 0.1, 0)
        assert test is not None
        assert 0 < test.minimum_detectable_share <= 1
        return test.p_value

    assert p_value(cohort, columns) == p_value(bag_of(roles[:30], groups[:30]), columns[:30])
