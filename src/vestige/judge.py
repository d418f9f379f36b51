"""The one place that judges: columns of evidence -> p-values, the set test, the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vestige.bag import Bag, Mode
from vestige.combination import (
    Combined,
    answer_question,
    combine,
    counted_columns,
    fit_stack_test,
    judge_images,
)
from vestige.detectors.columns import Column
from vestige.records import DetectorTest, SetTest
from vestige.stats.calibration import benjamini_hochberg, benjamini_yekutieli, require_resolution
from vestige.stats.combine import pooled_rank_score, rank_average
from vestige.stats.permutation import set_tests, set_tests_in_folds
from vestige.stats.roc import tpr_at_fpr
from vestige.stats.sensitivity import sensitivity
from vestige.stats.set_test import SetAnswer, minimum_detectable_share
from vestige.stats.stack import normal_scores
from vestige.stats.stack_test import StackTest
from vestige.types import Bools, Floats

FALSE_POSITIVE_RATES = (0.1, 0.05, 0.01, 0.001)


@dataclass(frozen=True)
class Judgement:
    """What is known of the judged rows; None where nothing calibrates.

    scores, control_scores : of the stack when there are labels, else of the rank average
    p_values, q_values : likewise
    parts : [judged, D], what each column adds to a score, in the same unit for all columns
    shares : [D], what each column counts in the combination, of sum 1
    stack : the stack of the whole bag, not tested yet
    """

    scores: Floats
    control_scores: Floats
    p_values: Floats | None
    q_values: Floats | None
    parts: Floats
    shares: Floats
    stack: StackTest | None
    combination: str


def check_rate(bag: Bag, false_alarm_rate: float) -> None:
    """Refuse a rate that so few controls cannot show; without controls nothing is asked of it."""
    controls = int(bag.control.sum())
    if controls:
        n_groups = len(np.unique(bag.units[bag.control]))
        require_resolution(
            false_alarm_rate, n_groups, "images" if n_groups == controls else "groups"
        )


def judge(
    columns: Floats, plan: Sequence[Column], bag: Bag, suspects: Bools, seed: int = 0
) -> Judgement:
    """One score per judged image and, when there are controls, a valid p-value.

    `suspects` [n] are the judged rows whose answer is not known already.
    """
    weights = np.array([column.weight for column in plan])
    shares = weights / weights.sum()
    judged, control = bag.judged, bag.control
    z = normal_scores(columns)
    if not control.any():
        pooled = pooled_rank_score(columns[judged], weights)
        how = "rank average, uncalibrated"
        return Judgement(
            pooled, np.empty(0), None, None, z[judged] * shares, shares, None, how
        )  # fmt: skip
    groups, control_groups = bag.units[judged], bag.units[control]
    how = "rank average"
    stack = fit_stack_test(columns, plan, bag, suspects, seed, n_permutations=0)
    if stack is not None:
        how = "stack"
        scores, control_scores = stack.scores[judged], stack.scores[control]
        shares = np.zeros(len(plan))
        shares[counted_columns(plan)] = stack.weights
        p_values = judge_images(columns, plan, bag)
    else:
        scores, p_values, control_scores = rank_average(
            columns[judged], columns[control], weights, groups, control_groups
        )
    everyone = np.concatenate([groups, control_groups])
    singletons = len(np.unique(everyone)) == len(everyone)
    # several images of a patient have dependent p-values: Yekutieli's bound needs no assumption
    q_values = benjamini_hochberg(p_values) if singletons else benjamini_yekutieli(p_values)
    parts = z[judged] * shares
    return Judgement(scores, control_scores, p_values, q_values, parts, shares, stack, how)


def test_set(
    columns: Floats,
    plan: Sequence[Column],
    bag: Bag,
    suspects: Bools,
    judgement: Judgement,
    mode: Mode,
    false_alarm_rate: float,
    seed: int,
) -> SetTest | None:
    """Suspects against controls, by group; None without controls or suspects.

    By mean rank, tail and refitted stack together (`vestige.stats.set_test`). Columns that learned
    from the labels are compared within their folds, by their mean rank, if there are no others.
    `suspects` [n] are the judged rows whose answer is not known already, of groups without
    unused images.
    """
    if judgement.p_values is None or not suspects.any():
        return None
    weights = np.array([column.weight for column in plan])
    rows = suspects | bag.control
    evidence, is_suspect, groups = columns[rows], suspects[rows], bag.units[rows]
    counted, stack = counted_columns(plan), judgement.stack
    learned = np.array([column.learns for column in plan])
    combined = pooled_rank_score(evidence[:, counted], weights[counted])
    tested = np.column_stack([combined, evidence])
    each, adjusted = set_tests(tested, is_suspect, groups, seed=seed)
    if learned.any() and bag.folds is not None:
        late = np.concatenate([[learned.all()], learned])
        each[late] = set_tests_in_folds(
            tested[:, late], is_suspect, bag.folds[rows], groups, seed=seed
        )
        adjusted[late] = np.minimum(1, each[late] * late.sum())
    combination = combine(columns, plan, bag, suspects, stack)
    score = combination.scores
    high, low = score[is_suspect], score[~is_suspect]
    high_groups, low_groups = groups[is_suspect], groups[~is_suspect]
    folds = bag.folds[rows] if bag.folds is not None else np.zeros(len(groups), np.int64)

    in_use = len(np.unique(folds)) if learned.all() else 0
    late_only = learned.all() and bag.folds is not None
    if late_only:
        answer = SetAnswer(float(each[0]), "mean", None)
    else:
        answer = answer_question(columns, plan, bag, suspects, seed)
    null = answer.null if stack is not None else None
    smallest, needed = sensitivity(
        high, low, high_groups, low_groups, false_alarm_rate, null, in_use
    )
    return SetTest(
        suspects="used" if mode == "release" else "query",
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
                    evidence[:, d], is_suspect, groups, folds if column.learns else None
                ).area(),
                float(each[d + 1]),
                float(adjusted[d + 1]),
                float(judgement.shares[d]),
            )
            for d, column in enumerate(plan)
        ),
    )


test_set.__test__ = False  # type: ignore[attr-defined]  # not a pytest function
