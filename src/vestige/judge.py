"""The one place that judges: columns of evidence -> p-values, the set test, the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vestige.bag import Bag, Mode
from vestige.combination import Combined, combine, counted_columns, fit_stack_test, judge_images
from vestige.detectors.columns import Column
from vestige.result import Control, DetectorTest, SetTest, Verdict
from vestige.stats.calibration import benjamini_hochberg, benjamini_yekutieli, require_resolution
from vestige.stats.combine import pooled_rank_score, rank_average
from vestige.stats.groups import Labels
from vestige.stats.permutation import set_tests, set_tests_in_folds
from vestige.stats.power import effective_size, intraclass_correlation, minimum_detectable_auc
from vestige.stats.roc import tpr_at_fpr
from vestige.stats.stack import StackTest, normal_scores
from vestige.types import Bools, Floats

FALSE_POSITIVE_RATES = (0.1, 0.05, 0.01, 0.001)
QUALIFY_FOUND: dict[str, Literal["confounded", "not specific"]] = {
    "member_only": "confounded",
    "swapped": "not specific",
}
"""Controls that can only take back a finding, and as what; "planted" can only take back that there
is none, and every other control takes back both (METHODS 5)."""
CONTROLS_OFF = "The controls that ask this audit again were switched off."


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
    how = "rank average"
    stack = fit_stack_test(columns, plan, bag, suspects, seed)
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

    return SetTest(
        suspects="used" if mode == "release" else "query",
        auc=combination.auc(seed),
        p_value=float(each[0]) if stack is None else stack.p_value,
        minimum_detectable_auc=_detectable(high, low, high_groups, low_groups, false_alarm_rate),
        tpr_at=tuple(
            tpr_at_fpr(high, low, fpr, high_groups, low_groups, seed=seed)
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


def decide(
    test: SetTest | None,
    controls: Sequence[Control],
    bag: Bag,
    mode: Mode,
    false_alarm_rate: float,
) -> Verdict:
    """The verdict for the set; a failed control can only weaken it.

    "Not found" needs planted copies that were found again, unless nobody asked for that.
    """
    suspects = "training images" if mode == "release" else "query images"
    if test is None:
        why = (
            "There are no unused real images to calibrate with, so no score can be called high."
            if not bag.control.any()
            else "The status of every query is already known; there is nothing to test."
        )
        return Verdict("undecided", "uncalibrated", why)
    interval = f"AUC {test.auc.value:.2f} [{test.auc.low:.2f}, {test.auc.high:.2f}]"
    found = test.p_value <= false_alarm_rate
    planted = next((control for control in controls if control.name == "planted"), None)
    off = f" {CONTROLS_OFF}" if planted is None else ""
    failed = [control for control in controls if control.state == "failed"]
    vetoes = [c for c in failed if c.name != "planted" and (found or c.name not in QUALIFY_FOUND)]
    if vetoes:
        said = "" if vetoes[0].p_value is None else f" (p = {vetoes[0].p_value:.2g})"
        return Verdict(
            "undecided",
            QUALIFY_FOUND.get(vetoes[0].name, "confounded"),
            f"The control {vetoes[0].name!r} failed{said}; it vetoes {vetoes[0].vetoes}.",
        )
    if found:
        return Verdict(
            "found",
            "found",
            f"The generated images are closer to the {suspects} than to unused images of the same "
            f"source ({interval}, p = {test.p_value:.2g}).{off}",
        )
    if planted is not None and planted.state == "failed":
        return Verdict(
            "undecided",
            "insensitive",
            f"Nothing was found ({interval}, p = {test.p_value:.2g}), but the control 'planted' "
            f"failed; it vetoes {planted.vetoes}.",
        )
    if test.minimum_detectable_auc > 0.9:
        return Verdict(
            "undecided",
            "underpowered",
            f"Nothing was found ({interval}, p = {test.p_value:.2g}), but so few images or "
            f"patients can only show an AUC of {test.minimum_detectable_auc:.2f} or more.{off}",
        )
    if planted is not None and planted.state != "passed":
        return Verdict(
            "undecided",
            "insensitive",
            f"Nothing was found ({interval}, p = {test.p_value:.2g}), but nobody knows whether a "
            f"copy would have been: the control 'planted' was {planted.vetoes}.",
        )
    return Verdict(
        "not found",
        "nothing found",
        f"Nothing tells the {suspects} from unused images ({interval}, p = {test.p_value:.2g}); "
        f"this audit could have seen an AUC of {test.minimum_detectable_auc:.2f} or more, "
        f"with 80 % power.{off}",
    )


def _detectable(
    used: Floats, unused: Floats, used_groups: Labels, unused_groups: Labels, rate: float
) -> float:
    n1, n0 = len(np.unique(used_groups)), len(np.unique(unused_groups))
    if n0 < len(unused) or n1 < len(used):
        rho = intraclass_correlation(unused, unused_groups)
        size1 = effective_size(len(used), len(used) / n1, rho)
        size0 = effective_size(len(unused), len(unused) / n0, rho)
    else:
        size1, size0 = float(n1), float(n0)
    return minimum_detectable_auc(size1, size0, alpha=rate)
