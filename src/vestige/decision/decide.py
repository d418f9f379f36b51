"""The one function that decides: rows are tried from top to bottom, the first that applies wins.

=====================================================  ====================  =========
evidence                                               state                 gate
=====================================================  ====================  =========
copies of training images or queries                   copies found          closed
copies of unused images, unread files, unlike greys    undecided             undecided
the images are a part of those of an earlier run       undecided             undecided
a validity check failed                                undecided             undecided
no patient ids, and images are slices by their looks   undecided             undecided
the set test is significant                            leak found            closed
patients named, or more stand out than chance allows   individuals stand out closed
earlier runs disagree                                  undecided             undecided
nothing calibrates, or what does was used; checks off,
planted copies missed, upper bound of the AUC not
below the limit                                        undecided             undecided
none of these                                          not found             open
=====================================================  ====================  =========
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vestige.decision.records import (
    Code,
    Copy,
    Decision,
    Evidence,
    Facts,
    Gate,
    Remedy,
    State,
)
from vestige.decision.sentences import decision_text
from vestige.decision.unread import UNREAD_LEVEL, too_much, worst_unread
from vestige.schema.records import Check, CheckState, LevelCode, PlantedLevel, RunHistory, SetTest

TARGET_ROLES = ("used", "query")
"""A copy of an image in one of these roles closes the gate."""
MOST_PATIENTS = 10**9
"""Beyond this a count in a file is no count; whole numbers stay exact below it."""
MOST_JOINED = 0.1
"""The share of images that may stand with others by their looks before these count as slices."""
LEAST_SEEN = 0.8
"""A degradation level is missed if fewer than this share of its planted copies are named."""


@dataclass(frozen=True)
class _Row:
    state: State
    gate: Gate
    codes: tuple[Code, ...]
    remedy: tuple[Remedy, ...]


def decide(evidence: Evidence) -> Decision:
    """One decision from all the evidence.

    Returns
    -------
    Decision
        The first row of the table above that applies. Every "undecided" has a remedy; missing
        patient ids come first in it.
    """
    rows = (rule(evidence) for rule in RULES.values())
    row = next((found for found in rows if found is not None), None)
    if row is None:
        row = _Row("not found", "open", ("nothing_found",), ("board_decides",))
        if _state(evidence, "clean_calibration") == "not possible":
            row = replace(row, remedy=("clean_assumed", *row.remedy))
    remedy = row.remedy
    if row.gate == "undecided" and not evidence.patient_ids:
        remedy = ("give_patient_ids", *remedy)
    if row.gate == "undecided" and evidence.mode == "forensic" and "fix_the_run" not in remedy:
        remedy = (*remedy, "report_no_conclusion")
    decision = Decision(
        row.state,
        row.gate,
        row.codes,
        _facts(evidence, row),
        levels_missed(evidence.levels),
        tuple(dict.fromkeys(remedy)),
    )
    return replace(decision, text=decision_text(decision))


@dataclass(frozen=True)
class Criterion:
    """One row of the table above, asked by itself: what closes the gate, or leaves it undecided.

    gate, codes : None and () where the evidence holds nothing against an open gate
    """

    name: str
    gate: Gate | None
    codes: tuple[Code, ...]


def criteria(evidence: Evidence) -> tuple[Criterion, ...]:
    """Every row of the table by itself, in its order; the first that has a gate decides."""
    found = ((name, rule(evidence)) for name, rule in RULES.items())
    return tuple(
        Criterion(name, row.gate, row.codes) if row else Criterion(name, None, ())
        for name, row in found
    )


def is_found(test: SetTest | None, run_history: RunHistory | None, rate: float) -> bool:
    """Whether the set test is significant at the rate, after correction for earlier runs."""
    p_value = corrected_p(test, run_history)
    return p_value is not None and p_value <= rate


def corrected_p(test: SetTest | None, run_history: RunHistory | None) -> float | None:
    """The p-value of the set test, corrected for all runs that the cache knows of."""
    if test is None:
        return None
    if run_history is None or run_history.p_adjusted is None or not run_history.runs_before:
        return test.p_value
    return max(test.p_value, run_history.p_adjusted)


def _found(evidence: Evidence) -> bool:
    return is_found(evidence.test, evidence.run_history, evidence.false_alarm_rate)


def vetoing(checks: Sequence[Check], found: bool) -> tuple[Check, ...]:
    """Failed checks that take back what the set test and the images say.

    Those that say what differs (preparation) come first.
    """
    failed = [check for check in checks if check.spoils and (found or check.takes_back == "any")]
    return tuple(sorted(failed, key=lambda check: check.name != "preparation"))


def levels_missed(levels: Sequence[PlantedLevel]) -> tuple[LevelCode, ...]:
    """Levels of which fewer than `LEAST_SEEN` of the planted copies were named as copies."""
    return tuple(one.level for one in levels if one.named < LEAST_SEEN * one.sources)


def _copies(evidence: Evidence) -> _Row | None:
    if not _of_targets(evidence.copies):
        return None
    codes: tuple[Code, ...] = ("copies",)
    remedy: tuple[Remedy, ...] = ("withhold_copies",)
    if (contradicted := _contradicted(evidence)) is not None:
        codes, remedy = codes + contradicted.codes, remedy + contradicted.remedy
    return _Row("copies found", "closed", codes, remedy)


def _contradicted(evidence: Evidence) -> _Row | None:
    """Roles that the pixels contradict, files that were not read, another grey scale."""
    codes: list[Code] = []
    remedy: list[Remedy] = []
    roles = {copy.role for copy in evidence.copies}
    if "unused" in roles:
        codes.append("copies_of_unused")
    if "reference" in roles:
        codes.append("copies_of_reference")
    if codes:
        remedy.append("check_roles")
    if any(too_much(one) for one in evidence.unread if one.role == "generated"):
        codes.append("generated_unread")
        remedy.append("convert_unread")
    if any(too_much(one) for one in evidence.unread if one.role != "generated"):
        codes.append("files_not_reached")
        remedy.append("reach_files")
    if any(one.p_value is not None and one.p_value < UNREAD_LEVEL for one in evidence.unread):
        codes.append("unread_unequal")
        remedy.append("convert_unread")
    if evidence.unlike is not None:
        codes.append("prepared_unlike")
        remedy.append("prepare_alike")
    return _Row("undecided", "undecided", tuple(codes), tuple(remedy)) if codes else None


def _selected(evidence: Evidence) -> _Row | None:
    """Images that may have been chosen by an earlier answer: none of their p-values holds."""
    if evidence.run_history is None or not evidence.run_history.part_of:
        return None
    return _Row("undecided", "undecided", ("selected_part",), ("audit_all_asked",))


def _failed(evidence: Evidence) -> _Row | None:
    vetoes = vetoing(evidence.checks, _found(evidence))
    if not vetoes:
        return None
    if vetoes[0].name == "swapped":
        return _Row("undecided", "undecided", ("finding_not_specific",), ("mend_split",))
    remedy: Remedy = "harmonize" if vetoes[0].name == "preparation" else "mend_split"
    return _Row("undecided", "undecided", ("check_failed",), (remedy,))


def _guessed(evidence: Evidence) -> _Row | None:
    """Slices that look unlike would count as patients, and every p-value would be too small."""
    if evidence.patient_ids or evidence.joined <= MOST_JOINED or evidence.test is None:
        return None
    return _Row("undecided", "undecided", ("patients_guessed",), ("give_patient_ids",))


def _set_found(evidence: Evidence) -> _Row | None:
    if not _found(evidence):
        return None
    remedy: Remedy = "scrub_or_retrain" if evidence.mode == "release" else "report_with_rate"
    codes: tuple[Code, ...] = ("set_test",)
    if _by_distribution(evidence):
        codes = ("set_test", "distribution")
    return _Row("leak found", "closed", codes, (remedy,))


def _by_distribution(evidence: Evidence) -> bool:
    """Whether a smooth set shows as much, and no single image or patient speaks against it."""
    single = evidence.named_patients or (evidence.test and evidence.test.carried_by == "tail")
    return not single and _state(evidence, "smooth") == "failed"


def _individuals(evidence: Evidence) -> _Row | None:
    codes: list[Code] = []
    if evidence.named_patients:
        codes.append("patients_named")
    chance = evidence.chance
    if chance is not None and chance.patients > chance.most:
        codes.append("beyond_chance")
    remedy: Remedy = "scrub_or_retrain" if evidence.mode == "release" else "report_with_rate"
    return _Row("individuals stand out", "closed", tuple(codes), (remedy,)) if codes else None


def _repeated(evidence: Evidence) -> _Row | None:
    test, run_history = evidence.test, evidence.run_history
    if test is None or run_history is None:
        return None
    before = 1.0 if run_history.smallest_before is None else run_history.smallest_before
    if min(before, test.p_value) > evidence.false_alarm_rate:
        return None
    return _Row("undecided", "undecided", ("repeated_runs",), ("fix_the_run",))


def _insensitive(evidence: Evidence) -> _Row | None:
    """Reasons why nothing was found although something may be there."""
    if evidence.test is None:
        code: Code = "nothing_to_test" if evidence.unused_groups else "uncalibrated"
        remedies: dict[Code, Remedy] = {
            "nothing_to_test": "give_open_queries",
            "uncalibrated": "give_unused",
        }
        return _Row("undecided", "undecided", (code,), (remedies[code],))
    codes: list[Code] = []
    remedy: list[Remedy] = []
    if _state(evidence, "clean_calibration") == "failed":
        codes.append("calibration_used")
        remedy.append("clean_unused")
    planted = _state(evidence, "planted")
    if planted is None:
        codes.append("checks_off")
        remedy.append("run_checks")
    elif planted == "failed":
        codes.append("planted_missed")
        remedy.append("all_detectors")
    if evidence.bounds is not None and evidence.bounds.auc_upper >= evidence.max_auc:
        codes.append("bound_above_limit")
        remedy.append("more_patients")
    if planted not in (None, "passed", "failed"):
        codes.append("planted_not_possible")
        remedy.append("more_unused")
    return _Row("undecided", "undecided", tuple(codes), tuple(remedy)) if codes else None


RULES: dict[str, Callable[[Evidence], _Row | None]] = {
    "no copies of judged images": _copies,
    "images agree with their roles, files were read, grey values are alike": _contradicted,
    "no part of the images of an earlier run": _selected,
    "no validity check takes back the answer": _failed,
    "patients are known": _guessed,
    "the test of the set finds nothing": _set_found,
    "no patient is named, no more images stand out than chance explains": _individuals,
    "earlier runs agree": _repeated,
    "the audit would have seen a leak, and the AUC is below the limit": _insensitive,
}
"""What must hold for an open gate -> the row of the table that says when it does not."""


def _state(evidence: Evidence, name: str) -> CheckState | None:
    """How a check ended; None if it did not run."""
    return next((check.state for check in evidence.checks if check.name == name), None)


def _of_targets(copies: Sequence[Copy]) -> list[Copy]:
    return [copy for copy in copies if copy.role in TARGET_ROLES]


def _facts(evidence: Evidence, row: _Row) -> Facts:
    """The numbers that the sentence of this row may need."""
    mine = _of_targets(evidence.copies)
    others = [copy for copy in evidence.copies if copy.role not in TARGET_ROLES]
    worst = worst_unread(evidence.unread)
    bounds, chance = evidence.bounds, evidence.chance
    verbatim = (
        [one.share for one in bounds.copied_shares if one.level == "verbatim"] if bounds else []
    )
    run_history = evidence.run_history
    runs, part_of = (
        (1 + (run_history.runs_before or 0), run_history.part_of) if run_history else (1, 0)
    )
    return Facts(
        mode=evidence.mode,
        targets=evidence.targets,
        patient_ids=evidence.patient_ids,
        copies=len({copy.generated for copy in mine}),
        copied_images=len({(copy.role, copy.real) for copy in mine}),
        copied_patients=len({copy.group for copy in mine}),
        same_pixels=len({copy.generated for copy in mine if copy.by == "same pixels"}),
        copies_of_others=len({copy.generated for copy in others}),
        unread=worst[0],
        listed=worst[1],
        role=worst[2],
        checks=tuple(c.name for c in vetoing(evidence.checks, _found(evidence))),
        unlike=evidence.unlike.code if evidence.unlike else "",
        auc=evidence.test.auc if evidence.test else None,
        p_value=corrected_p(evidence.test, evidence.run_history),
        runs=runs,
        part_of=part_of,
        named_patients=evidence.named_patients,
        stand_out=math.ceil(max(0, min(chance.patients, MOST_PATIENTS))) if chance else 0,
        chance=chance.most if chance else 0,
        unused_groups=evidence.unused_groups,
        groups_needed=_groups_needed(evidence, row),
        auc_upper=bounds.auc_upper if bounds else None,
        max_auc=evidence.max_auc,
        copied_share=verbatim[0] if verbatim else None,
        exposed_share=bounds.exposed_share if bounds else None,
        guessed=not evidence.patient_ids and evidence.joined > 0,
        carried_by=evidence.test.carried_by if evidence.test else "",
        seen_auc=evidence.test.minimum_detectable_auc if evidence.test else None,
        seen_share=evidence.test.minimum_detectable_share if evidence.test else None,
        kind=evidence.kind,
    )


def _groups_needed(evidence: Evidence, row: _Row) -> int | None:
    if "uncalibrated" in row.codes:
        return _fewest_unused(evidence.false_alarm_rate)
    return evidence.bounds.patients_needed if evidence.bounds else None


def _fewest_unused(rate: float) -> int | None:
    """Unused patients with which a p-value can reach the rate; None for a rate of 0."""
    return math.ceil(1 / rate - 1e-9) - 1 if rate > 1e-9 else None
