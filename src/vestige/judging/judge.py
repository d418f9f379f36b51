"""The one place that judges: columns of evidence -> p-values, the set test, the verdict."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vestige.judging.cohort import Cohort, Mode
from vestige.judging.combination import (
    Combined,
    JudgedImages,
    answer_question,
    combine,
    counted_columns,
    fit_stack_test,
    judge_images,
)
from vestige.judging.naming import name_patients
from vestige.registry.entries import InputError
from vestige.schema.records import DetectorTest, Problem, SetTest
from vestige.scoring.plan import Column
from vestige.stats.calibration import require_resolution
from vestige.stats.combine import pooled_rank_score
from vestige.stats.full_conformal import normal_standing
from vestige.stats.permutation import set_tests, set_tests_in_folds
from vestige.stats.roc import tpr_at_fpr
from vestige.stats.sensitivity import sensitivity
from vestige.stats.set_test import SetAnswer, minimum_detectable_share
from vestige.stats.stack import DIGITS, normal_scores
from vestige.stats.stack_test import StackTest
from vestige.types import Bools, Floats

FALSE_POSITIVE_RATES = (0.1, 0.05, 0.01, 0.001)


@dataclass(frozen=True)
class Judgement:
    """What is known of the target rows; None where nothing calibrates.

    scores, calibration_scores : normal-scale ranks among the calibration images, where there are
    any
    p_values : [targets], full-conformal
    q_values : [targets], those of the image's patient; nan where nothing is left to ask
    parts : [targets, D], what each column adds to a score, in the same unit for all columns
    shares : [D], what each column counts in the set test, of sum 1
    stack : the stack of the whole cohort, not tested yet
    images : the models behind the p-values
    """

    scores: Floats
    calibration_scores: Floats
    p_values: Floats | None
    q_values: Floats | None
    parts: Floats
    shares: Floats
    stack: StackTest | None
    combination: str
    images: JudgedImages | None = None


def check_rate(
    cohort: Cohort, false_alarm_rate: float, guessed: bool, patients: bool = False
) -> list[Problem]:
    """Refuse a rate that so few calibration images cannot show; without any, any rate will do.

    Where patients were `guessed` from pixels it is only told: copies are named all the same.
    `patients` says that they are known.
    """
    calibration = int(cohort.calibration.sum())
    if not calibration:
        return []
    n_groups = len(np.unique(cohort.group_index[cohort.calibration]))
    try:
        single: Literal["images", "groups"] = "images" if n_groups == calibration else "groups"
        require_resolution(false_alarm_rate, n_groups, "patients" if patients else single)
    except InputError as error:
        if not guessed:
            raise
        return [Problem("unused", f"no image can stand out: {error.for_command}", "warning")]
    return []


def judge(
    columns: Floats,
    plan: Sequence[Column],
    cohort: Cohort,
    candidates: Bools,
    seed: int = 0,
    copied: Collection[str] = (),
) -> Judgement:
    """One score per target image and, when there are calibration images, a valid p-value.

    `candidates` [n] are the target rows whose answer is not known already. Patients who are
    `copied` are named by that; the rate of false names is that of the others.
    """
    weights = np.array([column.weight for column in plan])
    shares = weights / weights.sum()
    targets, calibration = cohort.targets, cohort.calibration
    if not calibration.any():
        pooled, z = pooled_rank_score(columns[targets], weights), normal_scores(columns)
        how = "rank average, uncalibrated"
        return Judgement(
            pooled, np.empty(0), None, None, z[targets] * shares, shares, None, how
        )  # fmt: skip
    how = "rank average"
    stack = fit_stack_test(columns, plan, cohort, candidates, seed, n_permutations=0)
    if stack is not None:
        how = "stack"
        shares = np.zeros(len(plan))
        shares[counted_columns(plan)] = stack.weights
    said = judge_images(columns, plan, cohort, cohort.unused)
    usual = np.round(said.z[cohort.unused] @ said.weights.mean(axis=0), DIGITS)
    return Judgement(
        scores=said.standing,
        calibration_scores=normal_standing(usual, usual, cohort.group_index[cohort.unused]),
        p_values=said.p_values,
        q_values=name_patients(
            said, cohort, candidates & ~np.isin(cohort.groups, list(copied)), weights
        ),
        parts=said.z[targets] * said.weights,
        shares=shares,
        stack=stack,
        combination=how,
        images=said,
    )


def test_set(
    columns: Floats,
    plan: Sequence[Column],
    cohort: Cohort,
    candidates: Bools,
    judgement: Judgement,
    mode: Mode,
    false_alarm_rate: float,
    seed: int,
) -> SetTest | None:
    """Candidates against calibration images, by group; None where either are missing.

    By mean rank, tail and refitted stack together (`vestige.stats.set_test`). Columns that learned
    from the labels are compared within their folds, by their mean rank, if there are no others.
    `candidates` [n] are the target rows whose answer is not known already, of groups without
    unused images.
    """
    if judgement.p_values is None or not candidates.any():
        return None
    weights = np.array([column.weight for column in plan])
    rows = candidates | cohort.calibration
    evidence, is_candidate, groups = columns[rows], candidates[rows], cohort.group_index[rows]
    counted, stack = counted_columns(plan), judgement.stack
    learned = np.array([column.learns for column in plan])
    combined = pooled_rank_score(evidence[:, counted], weights[counted])
    tested = np.column_stack([combined, evidence])
    each, adjusted = set_tests(tested, is_candidate, groups, seed=seed)
    if learned.any() and cohort.folds is not None:
        late = np.concatenate([[learned.all()], learned])
        each[late] = set_tests_in_folds(
            tested[:, late], is_candidate, cohort.folds[rows], groups, seed=seed
        )
        adjusted[late] = np.minimum(1, each[late] * late.sum())
    combination = combine(columns, plan, cohort, candidates, stack)
    score = combination.scores
    high, low = score[is_candidate], score[~is_candidate]
    high_groups, low_groups = groups[is_candidate], groups[~is_candidate]
    folds = cohort.folds[rows] if cohort.folds is not None else np.zeros(len(groups), np.int64)

    in_use = len(np.unique(folds)) if learned.all() else 0
    late_only = learned.all() and cohort.folds is not None
    if late_only:
        answer = SetAnswer(float(each[0]), "mean", None)
    else:
        answer = answer_question(columns, plan, cohort, candidates, seed)
    null = answer.null if stack is not None else None
    smallest, needed = sensitivity(
        high, low, high_groups, low_groups, false_alarm_rate, null, in_use
    )
    return SetTest(
        candidates="used" if mode == "release" else "query",
        auc=combination.auc(seed),
        p_value=answer.p_value,
        minimum_detectable_auc=smallest,
        needed=needed,
        carried_by=answer.carried_by,
        minimum_detectable_share=1.0
        if late_only
        else minimum_detectable_share(
            len(np.unique(high_groups)), len(np.unique(low_groups)), false_alarm_rate
        ),
        tpr_at=tuple(
            tpr_at_fpr(high, low, fpr, high_groups, low_groups)
            for fpr in FALSE_POSITIVE_RATES
            if fpr * len(low) >= 1
        ),
        detectors=tuple(
            DetectorTest(
                column.name,
                Combined(
                    evidence[:, d], is_candidate, groups, folds if column.learns else None
                ).area(),
                float(each[d + 1]),
                float(adjusted[d + 1]),
                float(judgement.shares[d]),
            )
            for d, column in enumerate(plan)
        ),
    )


test_set.__test__ = False  # type: ignore[attr-defined]  # not a pytest function
