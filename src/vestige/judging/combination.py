"""Columns of evidence -> one score: the stack where there are labels enough, else rank average.

`judge` asks it once per audit; the validity checks ask it again where the answer is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vestige.judging.cohort import Cohort
from vestige.schema.records import Estimate
from vestige.scoring.plan import Column
from vestige.stats.combine import pooled_rank_score
from vestige.stats.folds import FoldedScores, auc_in_folds
from vestige.stats.full_conformal import (
    GroupModels,
    group_models,
    image_p_values,
)
from vestige.stats.intervals import auc, auc_interval
from vestige.stats.permutation import set_tests, set_tests_in_folds
from vestige.stats.scale import log_scores
from vestige.stats.set_test import SetAnswer, StackLabels, answer_set
from vestige.stats.stack_test import StackTest, stack_test
from vestige.types import Bools, Floats, Ints

STACK_GROUPS = 20
"""Used and unused groups from which the stack is worth its variance; fewer: rank average."""


def fit_stack_test(
    columns: Floats,
    plan: Sequence[Column],
    cohort: Cohort,
    candidates: Bools,
    seed: int,
    n_permutations: int = 999,
) -> StackTest | None:
    """The stack with its test, where groups are enough; None: the rank average combines.

    It learns the known used images where there are enough, else the candidates.
    """
    counted, weights = counted_columns(plan), np.array([column.weight for column in plan])
    learned = learned_rows(plan, cohort, candidates)
    if learned is None:
        return None
    z = log_scores(
        columns[:, counted], cohort.group_index, candidates | cohort.calibration | learned
    )
    return stack_test(
        z,
        candidates,
        cohort.calibration,
        learned,
        cohort.group_index,
        weights[counted],
        n_permutations,
        seed,
    )


def answer_question(
    columns: Floats,
    plan: Sequence[Column],
    cohort: Cohort,
    candidates: Bools,
    seed: int,
    n_permutations: int = 999,
) -> SetAnswer:
    """The set test: one p-value from mean rank, tail and refitted stack.

    Where there are labels enough the stack comes first and learns them; else the mean rank does,
    and the stack learns candidates against calibration images, if there are enough of both.
    """
    counted, weights = counted_columns(plan), np.array([column.weight for column in plan])
    learned = learned_rows(plan, cohort, candidates)
    return answer_set(
        columns[:, counted], candidates, cohort.calibration, cohort.group_index, weights[counted],
        None if learned is None else StackLabels(learned, first=_enough_labels(cohort)),
        n_permutations, seed,
    )  # fmt: skip


@dataclass(frozen=True)
class JudgedImages:
    """What is said of the target rows, each by the model of its patient.

    z : [n, D], the columns of all rows on one scale
    taught : [n], the rows from which models learn what use looks like
    models : of the patients with an open row
    p_values, standing : [targets], see `vestige.stats.full_conformal.image_p_values`
    weights : [targets, D], what each column counts, of sum 1
    """

    z: Floats
    taught: Bools
    models: GroupModels
    p_values: Floats
    standing: Floats
    weights: Floats


def judge_images(
    columns: Floats,
    plan: Sequence[Column],
    cohort: Cohort,
    calibration: Bools,
    targets_teach: bool = True,
) -> JudgedImages:
    """Full-conformal p-values of the target rows, against the `calibration` rows [n].

    Of an image's own patient no row calibrates. What may have been used is learned from the known
    used images where there are enough, else from the target ones (if `targets_teach`). Rows whose
    answer is known already teach nothing; their own p-value, which nobody is told, leaves the
    others as they are.
    """
    weights = np.array([column.weight for column in plan])
    known = cohort.known_used & ~cohort.answered
    open_ = cohort.targets & ~cohort.answered
    taught = known
    if len(np.unique(cohort.group_index[known])) < STACK_GROUPS:
        taught = open_ & targets_teach
    z = log_scores(columns, cohort.group_index, open_ | calibration | taught)
    p_values, standing = np.ones(len(z)), np.zeros(len(z))
    counted = np.tile(weights / weights.sum(), (len(z), 1))
    models = GroupModels(np.empty(0, np.int64), np.empty((0, len(plan))))
    for rows in (cohort.targets & cohort.answered, open_):
        if rows.any():
            models = group_models(z, rows, calibration, taught, cohort.group_index, weights)
            p_values[rows], standing[rows] = image_p_values(
                z, models, rows, calibration, cohort.group_index
            )
            counted[rows] = models.weights[np.searchsorted(models.names, cohort.group_index[rows])]
    targets = cohort.targets
    return JudgedImages(z, taught, models, p_values[targets], standing[targets], counted[targets])


def learned_rows(plan: Sequence[Column], cohort: Cohort, candidates: Bools) -> Bools | None:
    """What the stack learns as used [n]: known used images, else the candidates; None: no stack."""
    if counted_columns(plan).sum() < 2 or not candidates.any():
        return None  # one column: any weight gives the same order
    if _enough_labels(cohort):
        return cohort.known_used
    sides = (np.unique(cohort.group_index[mask]).size for mask in (candidates, cohort.calibration))
    return candidates if min(sides) >= STACK_GROUPS else None


def counted_columns(plan: Sequence[Column]) -> Bools:
    """Columns that count in the set test.

    What has learned from the labels does not take part in their permutation, unless there is
    nothing else.
    """
    learned = np.array([column.learns for column in plan])
    return ~learned if not learned.all() else learned


@dataclass(frozen=True)
class Combined:
    """The tested combination of columns, of candidates and calibration images alone.

    scores, is_candidate, groups : [n]
    folds : [n], images compare within their fold only (its model is its own); None: all compare
    stack_p : p-value of the stack alone, which was fitted again for each relabelling
    """

    scores: Floats
    is_candidate: Bools
    groups: Ints
    folds: Ints | None
    stack_p: float | None = None

    @property
    def sides(self) -> tuple[Floats, Floats]:
        """Scores of candidates and of calibration images."""
        return self.scores[self.is_candidate], self.scores[~self.is_candidate]

    def auc(self, seed: int, repeats: int = 2000) -> Estimate:
        """Candidates above calibration images, with its interval by group."""
        high, low = self.is_candidate, ~self.is_candidate
        groups = self.groups[high], self.groups[low]
        if self.folds is None:
            return auc_interval(*self.sides, *groups, seed=seed, repeats=repeats)
        used, unused = (
            FoldedScores(self.scores[side], self.folds[side], self.groups[side])
            for side in (high, low)
        )
        return auc_in_folds(used, unused, seed=seed, repeats=repeats)

    def area(self) -> float:
        """The AUC alone."""
        return auc(*self.sides) if self.folds is None else self.auc(0, repeats=1).value

    def few_p_value(self, seed: int) -> float:
        """Of a few candidates, or all, above calibration images: the set test of this one score."""
        one = self.scores[:, np.newaxis], self.is_candidate, ~self.is_candidate, self.groups
        return answer_set(*one, np.ones(1), seed=seed).p_value

    def p_value(self, seed: int) -> float:
        """Of candidates above calibration images, by permutation of groups."""
        if self.stack_p is not None:
            return self.stack_p
        column = self.scores[:, np.newaxis]
        if self.folds is not None:
            return float(
                set_tests_in_folds(column, self.is_candidate, self.folds, self.groups, seed=seed)[0]
            )
        return float(set_tests(column, self.is_candidate, self.groups, seed=seed)[0][0])


def combine(
    columns: Floats,
    plan: Sequence[Column],
    cohort: Cohort,
    candidates: Bools,
    stack: StackTest | None,
) -> Combined:
    """The tested combination: the stack where there is one, else the pooled rank average.

    Scores of a `Judgement` will not do: those of candidates and of calibration images come from
    pools of unlike size, and ties (a column full of zeros) would be broken in favour of one side.
    """
    rows, counted = candidates | cohort.calibration, counted_columns(plan)
    sides = candidates[rows], cohort.group_index[rows]
    if stack is not None:
        return Combined(stack.scores[rows], *sides, stack.folds[rows], stack.p_value)
    weights = np.array([column.weight for column in plan])
    learned = all(column.learns for column in plan)
    folds = cohort.folds[rows] if learned and cohort.folds is not None else None
    return Combined(pooled_rank_score(columns[rows][:, counted], weights[counted]), *sides, folds)


def combine_again(
    columns: Floats,
    plan: Sequence[Column],
    cohort: Cohort,
    candidates: Bools,
    seed: int,
    n_permutations: int = 999,
) -> Combined:
    """The tested combination of other columns, or of other candidates and calibration images."""
    stack = fit_stack_test(columns, plan, cohort, candidates, seed, n_permutations)
    return combine(columns, plan, cohort, candidates, stack)


def _enough_labels(cohort: Cohort) -> bool:
    used = len(np.unique(cohort.group_index[cohort.known_used]))
    unused = len(np.unique(cohort.group_index[cohort.calibration]))
    return min(used, unused) >= STACK_GROUPS
