"""The one place that judges: columns of evidence -> p-values, the set test, the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vestige.bag import Bag, Mode
from vestige.combination import Combined, combine, counted_columns, fit_stack_test, judge_images
from vestige.detectors.columns import Column
from vestige.result import Control, DetectorTest, SetTest, Tried, Verdict
from vestige.stats.calibration import benjamini_hochberg, benjamini_yekutieli, require_resolution
from vestige.stats.combine import pooled_rank_score, rank_average
from vestige.stats.permutation import set_tests, set_tests_in_folds
from vestige.stats.roc import tpr_at_fpr
from vestige.stats.sensitivity import sensitivity
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

    in_use = len(np.unique(folds)) if learned.all() else 0
    smallest, needed = sensitivity(
        high, low, high_groups, low_groups, false_alarm_rate, stack.null if stack else None, in_use
    )
    return SetTest(
        suspects="used" if mode == "release" else "query",
        auc=combination.auc(seed),
        p_value=float(each[0]) if stack is None else stack.p_value,
        minimum_detectable_auc=smallest,
        needed=needed,
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
    seen = [test.p_value]
    if tried is not None and tried.p_adjusted is not None and tried.runs_before:
        seen.append(tried.p_adjusted)
        interval += f", p corrected for {tried.runs_before + 1} runs {tried.p_adjusted:.2g}"
    found = max(seen) <= false_alarm_rate
    planted = next((control for control in controls if control.name == "planted"), None)
    off = f" {CONTROLS_OFF}" if planted is None else ""
    failed = [control for control in controls if control.state == "failed"]
    failed.sort(key=lambda control: control.name != "conformity")  # it names what differs
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
            f"{_takes(test)}.{off}",
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
        f"with 80 % power{_takes(test)}.{off}",
    )


def _takes(test: SetTest) -> str:
    """What the next smaller effect would take, as the end of a sentence."""
    unseen = [need for need in test.needed if need.auc < test.minimum_detectable_auc]
    if not unseen:
        return ""
    need = max(unseen, key=lambda need: need.auc)
    return f"; to see {need.auc:.2f} takes {need.n:,} {need.unit} on each side"
