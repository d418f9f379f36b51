"""The rows of the set test: which side is which, which p-value is whose, with which seed."""

from dataclasses import replace

import numpy as np
import pytest

from test_judge import bag_of
from vestige.judging.cohort import Cohort
from vestige.judging.judge import judge
from vestige.judging.judge import test_set as judge_set
from vestige.schema.records import SetTest
from vestige.scoring.plan import Column
from vestige.stats.combine import pooled_rank_score
from vestige.stats.permutation import set_tests
from vestige.types import Floats

WEIGHTS = np.array([2.0, 1.0])
PLAN = tuple(Column(name, name, {}, w, False) for name, w in zip("ab", WEIGHTS, strict=True))


def asked(
    columns: Floats, cohort: Cohort, plan: tuple[Column, ...] = PLAN, seed: int = 0
) -> SetTest:
    candidates = cohort.targets & ~cohort.mixed
    judgement = judge(columns, plan, cohort, candidates, seed)
    test = judge_set(columns, plan, cohort, candidates, judgement, "forensic", 0.1, seed)
    assert test is not None
    return test


def a_leak(checks: int = 20) -> tuple[Floats, Cohort]:
    """Ten queries, of which the first column sees all and the second none."""
    n = 10 + checks
    columns = np.random.default_rng(48).normal(size=(n, 2))
    columns[:10, 0] += 9
    return columns, bag_of(["query"] * 10 + ["unused"] * checks, np.arange(n))


def test_the_suspects_are_the_side_that_is_found() -> None:
    test = asked(*a_leak())
    assert test.auc.value > 0.9
    assert [row.name for row in test.detectors] == ["a", "b"]
    assert test.detectors[0].auc == 1.0 and abs(test.detectors[1].auc - 0.5) < 0.3
    assert test.tpr_at[0].value > 0.5
    # all rates that so few controls can show: 1 of 20 is .05
    assert len(test.tpr_at) == 2
    assert len(asked(*a_leak(9)).tpr_at) == 0
    assert len(asked(*a_leak(10)).tpr_at) == 1


@pytest.mark.parametrize("seed", [0, 7])
def test_p_values_of_columns_are_their_own_with_the_seed_of_the_audit(seed: int) -> None:
    columns, cohort = a_leak()
    columns[:10, 0] -= 8.4  # something, and not beyond all relabellings
    rows = np.column_stack([pooled_rank_score(columns, WEIGHTS), columns])
    each, adjusted = set_tests(rows, cohort.targets, cohort.group_index, seed=seed)
    found = asked(columns, cohort, seed=seed).detectors
    assert [row.p_value for row in found] == pytest.approx(list(each[1:]))
    assert [row.p_adjusted for row in found] == pytest.approx(list(adjusted[1:]))
    assert len({*each}) == 3 and list(adjusted[1:]) != list(adjusted[:-1])
    other = set_tests(rows, cohort.targets, cohort.group_index, seed=seed + 1)[0]
    assert list(other) != list(each)


def test_a_p_value_of_columns_that_learn_is_none_above_one() -> None:
    rng = np.random.default_rng(49)
    cohort = bag_of(["query"] * 20 + ["unused"] * 20 + ["used"] * 20, np.arange(60))
    columns = rng.normal(size=(60, 2))
    columns[:20] -= 0.5  # candidates look less used than controls
    test = asked(columns, cohort, tuple(replace(column, learns=True) for column in PLAN))
    assert max(row.p_value for row in test.detectors) > 0.4
    assert max(row.p_adjusted for row in test.detectors) == 1.0


def test_unused_images_of_judged_patients_are_on_neither_side() -> None:
    columns, cohort = a_leak()
    groups = cohort.groups.copy()
    groups[10:13] = groups[:3]  # three patients on both sides
    both = replace(
        cohort, groups=groups, calibration=cohort.calibration & ~np.isin(groups, groups[:3])
    )
    assert both.mixed.sum() == 6
    rest = ~both.mixed
    alone = bag_of(cohort.roles[rest], groups[rest])
    assert asked(columns, both).detectors[0].p_value == pytest.approx(
        asked(columns[rest], alone).detectors[0].p_value
    )
    assert asked(columns, both).minimum_detectable_auc == pytest.approx(
        asked(columns[rest], alone).minimum_detectable_auc
    )


def test_names_are_given_by_one_side_alone() -> None:
    """The third query is of a patient on both sides: nothing is asked of them, or compared."""
    columns, cohort = a_leak(60)
    columns[:10] += 9
    columns[2] += 20
    groups = cohort.groups.copy()
    groups[12] = groups[2]
    both = replace(cohort, groups=groups, calibration=cohort.calibration & (groups != groups[2]))
    found = judge(columns, PLAN, both, both.targets & ~both.mixed)
    assert found.q_values is not None
    assert np.isnan(found.q_values).tolist() == [k == 2 for k in range(10)]
    np.testing.assert_allclose(np.delete(found.q_values, 2), 1 / 60)  # none of 59 reaches them


def test_each_patient_has_the_name_that_is_theirs() -> None:
    columns, cohort = a_leak(60)
    columns[:5, 0] -= 9  # half of the queries are like the controls
    found = judge(columns, PLAN, cohort, cohort.targets)
    assert found.q_values is not None
    assert (found.q_values[5:] <= 0.1).all()
    assert (found.q_values[:5] > 0.1).all()
