"""The one place that judges: columns of evidence -> p-values, the set test, the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vestige.bag import Bag, Mode
from vestige.detectors.columns import Column
from vestige.result import Control, DetectorTest, Estimate, SetTest, Tried, Verdict
from vestige.stats.calibration import benjamini_hochberg, benjamini_yekutieli, require_resolution
from vestige.stats.combine import pooled_rank_score, rank_average
from vestige.stats.folds import auc_in_folds
from vestige.stats.intervals import auc, auc_interval
from vestige.stats.permutation import set_tests, set_tests_in_folds
from vestige.stats.roc import tpr_at_fpr
from vestige.stats.sensitivity import sensitivity
from vestige.stats.stack import StackTest, normal_scores, stack_p_values, stack_test
from vestige.types import Bools, Floats, Ints

STACK_GROUPS = 20
"""Used and unused groups from which the stack is worth its variance; fewer: rank average."""
FALSE_POSITIVE_RATES = (0.1, 0.05, 0.01, 0.001)


@dataclass(frozen=True)
class Judgement:
    """What is known of the judged rows; None where nothing calibrates.

    scores, control_scores : of the stack when there are labels, else of the rank average
    p_values, q_values : likewise
    parts : [judged, D], what each column adds to a score, in the same unit for all columns
    shares : [D], what each column counts in the combination, of sum 1
    stack : the stack of the whole bag
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
    stack, how = None, "rank average"
    counted = _counted(plan)
    # one column: any weight gives the same order
    if counted.sum() > 1 and _enough_labels(bag) and suspects.any():
        how = "stack"
        stack = stack_test(
            z[:, counted], suspects, control, bag.known_used, bag.units, weights[counted], seed=seed
        )
        scores, control_scores = stack.scores[judged], stack.scores[control]
        shares = np.zeros(len(plan))
        shares[counted] = stack.weights
        at, unused, used = (np.flatnonzero(mask) for mask in (judged, control, bag.known_used))
        p_values = stack_p_values(z, at, unused, used, bag.units, weights)
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


def _counted(plan: Sequence[Column]) -> Bools:
    """Columns that count in the set test.

    What has learned from the labels does not take part in their permutation, unless there is
    nothing else.
    """
    learned = np.array([column.learns for column in plan])
    return ~learned if not learned.all() else learned


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

    With labels by the stack, which is fitted again for each relabelling; else by the rank average,
    whose weights are fixed beforehand. Columns that learned from the labels are compared within
    their folds. `suspects` [n] are the judged rows whose answer is not known already.
    """
    if judgement.p_values is None or not suspects.any():
        return None
    weights = np.array([column.weight for column in plan])
    rows = suspects | bag.control
    evidence, is_suspect, groups = columns[rows], suspects[rows], bag.units[rows]
    # the combination is tested beside its columns, by the same permutations
    counted, stack = _counted(plan), judgement.stack
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
    # the tested combination itself: scores of suspects and of controls come from pools of unlike
    # size, and ties (a column full of zeros) would be broken in favour of one side
    score = combined if stack is None else stack.scores[rows]
    high, low = score[is_suspect], score[~is_suspect]
    high_groups, low_groups = groups[is_suspect], groups[~is_suspect]
    folds = bag.folds[rows] if bag.folds is not None else np.zeros(len(groups), np.int64)

    def in_folds(scores: Floats, folds: Ints, repeats: int = 2000) -> Estimate:
        sides = (scores[is_suspect], scores[~is_suspect], folds[is_suspect], folds[~is_suspect])
        return auc_in_folds(*sides, high_groups, low_groups, seed=seed, repeats=repeats)

    if stack is not None:  # each fold has a model of its own: only its own pairs compare
        area = in_folds(score, stack.folds[rows])
    elif learned.all():
        area = in_folds(score, folds)
    else:
        area = auc_interval(high, low, high_groups, low_groups, seed=seed)
    in_use = len(np.unique(folds)) if learned.all() else 0
    smallest, needed = sensitivity(
        high, low, high_groups, low_groups, false_alarm_rate, stack.null if stack else None, in_use
    )
    return SetTest(
        suspects="used" if mode == "release" else "query",
        auc=area,
        p_value=float(each[0]) if stack is None else stack.p_value,
        minimum_detectable_auc=smallest,
        needed=needed,
        tpr_at=tuple(
            tpr_at_fpr(high, low, fpr, high_groups, low_groups, seed=seed)
            for fpr in FALSE_POSITIVE_RATES
            if fpr * len(low) >= 1
        ),
        detectors=tuple(
            DetectorTest(
                column.name,
                in_folds(evidence[:, d], folds, repeats=1).value
                if column.learns
                else auc(evidence[is_suspect, d], evidence[~is_suspect, d]),
                float(each[d + 1]),
                float(adjusted[d + 1]),
                float(judgement.shares[d]),
            )
            for d, column in enumerate(plan)
        ),
    )


test_set.__test__ = False  # type: ignore[attr-defined]  # not a pytest function


def decide(
    test: SetTest | None,
    controls: Sequence[Control],
    bag: Bag,
    mode: Mode,
    false_alarm_rate: float,
    tried: Tried | None = None,
) -> Verdict:
    """The verdict for the set; a failed control can only weaken it.

    Where the cache knows of other runs, "found" needs the corrected p-value. "Not found" needs that
    no run showed anything: a leak must not be asked away.
    """
    suspects = "training images" if mode == "release" else "query images"
    if test is None:
        why = (
            "There are no unused real images to calibrate with, so no score can be called high."
            if not bag.control.any()
            else "The status of every query is already known; there is nothing to test."
        )
        return Verdict("undecided", "uncalibrated", why)
    failed = [control for control in controls if not control.passed]
    failed.sort(key=lambda control: control.name != "conformity")  # it names what differs
    if failed:
        return Verdict(
            "undecided",
            "confounded",
            f"The control {failed[0].name!r} failed (p = {failed[0].p_value:.2g}); it vetoes "
            f"{failed[0].vetoes}.",
        )
    interval = f"AUC {test.auc.value:.2f} [{test.auc.low:.2f}, {test.auc.high:.2f}]"
    seen = [test.p_value]
    if tried is not None and tried.p_adjusted is not None and tried.runs_before:
        seen.append(tried.p_adjusted)
        interval += f", p corrected for {tried.runs_before + 1} runs {tried.p_adjusted:.2g}"
    if max(seen) <= false_alarm_rate:
        return Verdict(
            "found",
            "found",
            f"The generated images are closer to the {suspects} than to unused images of the same "
            f"source ({interval}, p = {test.p_value:.2g}).",
        )
    before = tried.smallest_before if tried is not None else None
    if min(1.0 if before is None else before, test.p_value) <= false_alarm_rate:
        if test.p_value <= false_alarm_rate:
            why = "the p-value does not pass the asked rate once it pays for all runs"
        else:
            why = f"another run on the same images had p = {before:.2g}"
        return Verdict(
            "undecided",
            "repeated runs",
            f"These images were audited with other options or seeds too ({interval}, p = "
            f"{test.p_value:.2g}), and {why}. Decide beforehand which run counts.",
        )
    if test.minimum_detectable_auc > 0.9:
        return Verdict(
            "undecided",
            "underpowered",
            f"Nothing was found ({interval}, p = {test.p_value:.2g}), but so few images or "
            f"patients can only show an AUC of {test.minimum_detectable_auc:.2f} or more"
            f"{_takes(test)}.",
        )
    return Verdict(
        "not found",
        "nothing found",
        f"Nothing tells the {suspects} from unused images ({interval}, p = {test.p_value:.2g}); "
        f"this audit could have seen an AUC of {test.minimum_detectable_auc:.2f} or more, "
        f"with 80 % power{_takes(test)}.",
    )


def _takes(test: SetTest) -> str:
    """What the next smaller effect would take, as the end of a sentence."""
    unseen = [need for need in test.needed if need.auc < test.minimum_detectable_auc]
    if not unseen:
        return ""
    need = max(unseen, key=lambda need: need.auc)
    return f"; to see {need.auc:.2f} takes {need.n:,} {need.unit} on each side"


def _enough_labels(bag: Bag) -> bool:
    used = len(np.unique(bag.units[bag.known_used]))
    unused = len(np.unique(bag.units[bag.control]))
    return min(used, unused) >= STACK_GROUPS
