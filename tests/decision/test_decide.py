"""Which row of the decision applies, in which order, and what can never open the gate."""

from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decision.evidence import (
    AGAIN,
    CASES,
    CHECKS,
    FEW,
    HIGH,
    INVERTED,
    LOW,
    MANY,
    NOTHING,
    RANGE,
    STATES,
    UNEQUAL,
    UNREAD,
    cases,
    checks,
    copy,
    evidence,
    set_test,
)
from vestige.decision import decide
from vestige.decision.decide import corrected_p, levels_missed, vetoing
from vestige.decision.records import (
    Bounds,
    Chance,
    Code,
    Copy,
    Decision,
    Evidence,
    RealRole,
    Remedy,
    Unread,
)
from vestige.schema.records import Check, PlantedLevel, RunHistory, SetTest

EXITS = {"open": 0, "closed": 3, "undecided": 4}
TABLE: dict[str, tuple[str, str, list[Code], list[Remedy]]] = {
    # case -> state, gate, codes, remedies
    "copies": ("copies found", "closed", ["copies"], ["withhold_copies"]),
    "one copy": ("copies found", "closed", ["copies"], ["withhold_copies"]),
    "copies of unused": ("undecided", "undecided", ["copies_of_unused"], ["check_roles"]),
    "copies of reference": ("undecided", "undecided", ["copies_of_reference"], ["check_roles"]),
    "copies of both": ("undecided", "undecided", ["copies_of_unused", "copies_of_reference"],
                       ["check_roles"]),
    "copies of all roles": ("copies found", "closed", ["copies", "copies_of_unused"],
                            ["withhold_copies", "check_roles"]),
    "generated unread": ("undecided", "undecided", ["generated_unread"], ["convert_unread"]),
    "unread unequal": ("undecided", "undecided", ["unread_unequal"], ["convert_unread"]),
    "left aside": ("undecided", "undecided", ["generated_unread"], ["convert_unread"]),
    "not reached": ("undecided", "undecided", ["files_not_reached"], ["reach_files"]),
    "unread both": ("undecided", "undecided", ["generated_unread", "unread_unequal"],
                    ["convert_unread"]),
    "inverted": ("undecided", "undecided", ["prepared_unlike"], ["prepare_alike"]),
    "other range": ("undecided", "undecided", ["prepared_unlike"], ["prepare_alike"]),
    "other colours": ("undecided", "undecided", ["prepared_unlike"], ["prepare_alike"]),
    "not prepared alike": ("undecided", "undecided", ["check_failed"], ["harmonize"]),
    "differ": ("undecided", "undecided", ["check_failed"], ["mend_split"]),
    "halves differ": ("undecided", "undecided", ["check_failed"], ["mend_split"]),
    "not specific": ("undecided", "undecided", ["finding_not_specific"], ["mend_split"]),
    "guessed": ("undecided", "undecided", ["patients_guessed"], ["give_patient_ids"]),
    "leak": ("leak found", "closed", ["set_test"], ["scrub_or_retrain"]),
    "distribution": ("leak found", "closed", ["set_test", "distribution"], ["scrub_or_retrain"]),
    "leak of runs": ("leak found", "closed", ["set_test"], ["scrub_or_retrain"]),
    "selected part": ("undecided", "undecided", ["selected_part"], ["audit_all_asked"]),
    "selected part without a finding": ("undecided", "undecided", ["selected_part"],
                                        ["audit_all_asked"]),
    "named": ("individuals stand out", "closed", ["patients_named"], ["scrub_or_retrain"]),
    "named and beyond chance": ("individuals stand out", "closed",
                                ["patients_named", "beyond_chance"], ["scrub_or_retrain"]),
    "beyond chance": ("individuals stand out", "closed", ["beyond_chance"], ["scrub_or_retrain"]),
    "repeated": ("undecided", "undecided", ["repeated_runs"], ["fix_the_run"]),
    "nothing to test": ("undecided", "undecided", ["nothing_to_test"], ["give_open_queries"]),
    "uncalibrated": ("undecided", "undecided", ["uncalibrated"], ["give_unused"]),
    "checks off": ("undecided", "undecided", ["checks_off"], ["run_checks"]),
    "planted missed": ("undecided", "undecided", ["planted_missed", "bound_above_limit"],
                       ["all_detectors", "more_patients"]),
    "planted not possible": ("undecided", "undecided", ["planted_not_possible"], ["more_unused"]),
    "calibration used": ("undecided", "undecided", ["calibration_used"], ["clean_unused"]),
    "clean assumed": ("not found", "open", ["nothing_found"], ["clean_assumed", "board_decides"]),
    "bound above limit": ("undecided", "undecided", ["bound_above_limit"], ["more_patients"]),
    "bound that no number mends": ("undecided", "undecided", ["bound_above_limit"],
                                   ["more_patients"]),
    "not found": ("not found", "open", ["nothing_found"], ["board_decides"]),
    "not found, all levels seen": ("not found", "open", ["nothing_found"], ["board_decides"]),
    "not found, no bounds": ("not found", "open", ["nothing_found"], ["board_decides"]),
}  # fmt: skip


# --- every row
@pytest.mark.parametrize("case", TABLE)
def test_every_row(case: str) -> None:
    made = decide(CASES[case])
    state, gate, codes, remedy = TABLE[case]
    assert (made.state, made.gate, list(made.codes)) == (state, gate, codes)
    assert list(made.remedy) == remedy
    assert made.exit_code == EXITS[gate]
    forensic = cases()[f"{case}, forensic"]
    assert (decide(forensic).gate, decide(forensic).codes) == (made.gate, made.codes)


def test_the_table_has_every_case_code_and_remedy() -> None:
    assert set(TABLE) == set(CASES)
    made = [decide(one) for one in cases().values()]
    assert {code for one in made for code in one.codes} == set(get_args(Code))
    assert {remedy for one in made for remedy in one.remedy} == set(get_args(Remedy))
    assert {(one.gate, one.exit_code) for one in made} == set(EXITS.items())


@pytest.mark.parametrize("case", TABLE)
def test_a_forensic_finding_is_reported_and_an_undecided_one_is_not(case: str) -> None:
    made = decide(cases()[f"{case}, forensic"])
    assert "scrub_or_retrain" not in made.remedy
    quiet = made.gate == "undecided" and case != "repeated"
    assert ("report_no_conclusion" in made.remedy) == quiet
    if made.state in ("leak found", "individuals stand out"):
        assert made.remedy == ("report_with_rate",)


# --- the order: each row wins over all below it
ORDER: list[tuple[str, dict[str, Any]]] = [
    ("copies", {"copies": (copy(0),)}),
    ("generated_unread", {"unread": UNREAD}),
    ("check_failed", {"checks": checks("ok no ok ok --")}),
    ("set_test", {"test": set_test(0.001)}),
    ("patients_named", {"named_patients": 1}),
    ("repeated_runs", {"run_history": AGAIN}),
    ("bound_above_limit", {"bounds": HIGH}),
    ("nothing_found", {}),
]


@pytest.mark.parametrize("first", range(len(ORDER)))
def test_each_row_wins_over_all_below_it(first: int) -> None:
    code, found = ORDER[first]
    below: dict[str, Any] = {}
    for _, change in ORDER[:first:-1]:
        below |= change
    if "run_history" in below and code == "set_test":
        below.pop("run_history")  # the set test pays for other runs before it is significant
    if code == "repeated_runs":
        below.pop("test", None)
    assert decide(evidence(**(below | found))).codes[0] == code


def test_copies_beat_failed_checks_and_name_what_else_is_wrong() -> None:
    everything = evidence(
        copies=(copy(0), copy(1, "unused"), copy(2, "reference")),
        unread=UNREAD,
        unlike=INVERTED,
        checks=checks("no no no no no"),
        test=None,
    )
    made = decide(everything)
    assert (made.state, made.exit_code) == ("copies found", 3)
    assert made.codes == (
        "copies", "copies_of_unused", "copies_of_reference", "generated_unread", "prepared_unlike"
    )  # fmt: skip
    assert (made.facts.copies, made.facts.copies_of_others) == (1, 2)


def test_several_copies_of_one_image_are_one_image() -> None:
    twice = replace(copy(0), generated="g9.png")
    facts = decide(evidence(copies=(copy(0), twice, copy(1), copy(2, same=True)))).facts
    assert (facts.copies, facts.copied_images, facts.copied_patients) == (4, 3, 2)
    assert facts.same_pixels == 1


# --- files that were not read
@pytest.mark.parametrize(("unread", "gate"), [(0, "open"), (2, "open"), (3, "undecided")])
def test_one_percent_of_the_generated_files_may_go_unread(unread: int, gate: str) -> None:
    assert decide(evidence(unread=(Unread("generated", 200, unread, ""),))).gate == gate
    # of another role more may, as long as the shares do not differ
    assert decide(evidence(unread=(Unread("used", 20, 9, "", 0.5),))).gate == "open"


@pytest.mark.parametrize(("aside", "gate"), [(0, "open"), (8, "open"), (9, "undecided")])
def test_a_tenth_of_the_real_files_may_be_out_of_reach(aside: int, gate: str) -> None:
    unread = (Unread("unused", 80, 9, "a.png", left_aside=aside),)
    assert decide(evidence(unread=unread)).gate == gate


@pytest.mark.parametrize(("p", "gate"), [(None, "open"), (0.01, "open"), (0.0099, "undecided")])
def test_shares_that_differ_by_fisher_are_undecided(p: float | None, gate: str) -> None:
    assert decide(evidence(unread=(Unread("used", 80, 9, "", p),))).gate == gate


def test_the_sentence_names_the_role_that_is_unread() -> None:
    facts = decide(evidence(unread=UNEQUAL)).facts  # of the generated files only 1 in 2,000 is
    assert (facts.unread, facts.listed, facts.role) == (9, 80, "used")
    facts = decide(evidence(unread=UNREAD)).facts
    assert (facts.unread, facts.listed, facts.role) == (12, 240, "generated")


# --- checks (docs/methods.md 5)
CHECKED = [
    # p, preparation, blind, member_only, swapped, planted -> code
    (0.01, "ok ok ok ok ok", "set_test"),
    (0.01, "no ok ok ok ok", "check_failed"),
    (0.01, "ok no ok ok ok", "check_failed"),
    (0.01, "ok ok no ok ok", "check_failed"),
    (0.01, "ok ok ok no ok", "finding_not_specific"),
    (0.01, "ok ok no no ok", "check_failed"),
    (0.01, "ok ok ok ok no", "set_test"),  # a missed copy does not undo what was found
    (0.01, "ok ok -- -- --", "set_test"),  # what could not run vetoes nothing
    (0.01, "-- -- ok ok ok", "set_test"),
    (0.40, "ok ok .. .. ok", "nothing_found"),
    (0.40, "no ok .. .. ok", "check_failed"),
    (0.40, "ok no .. .. ok", "check_failed"),
    (0.40, "ok ok .. .. no", "planted_missed"),
    (0.40, "ok no .. .. no", "check_failed"),
    (0.40, "ok ok .. .. --", "planted_not_possible"),  # nobody knows what it could have seen
    (0.40, "ok ok no no ok", "nothing_found"),  # they qualify findings only
]


@pytest.mark.parametrize(("p", "states", "code"), CHECKED)
def test_checks(p: float, states: str, code: str) -> None:
    assert decide(evidence(test=set_test(p), checks=checks(states))).codes == (code,)


def test_failed_checks_are_named_and_preparation_comes_first() -> None:
    names = ("swapped", "blind", "planted", "preparation")
    failed = checks("no no no no", *names)
    assert [c.name for c in vetoing(failed, True)] == ["preparation", "swapped", "blind"]
    assert [c.name for c in vetoing(failed, False)] == ["preparation", "blind"]
    made = decide(evidence(checks=failed, test=set_test(0.001)))
    assert made.facts.checks == ("preparation", "swapped", "blind")
    assert made.remedy == ("harmonize",)
    # several that veto: the first decides what to mend
    assert decide(evidence(checks=failed[:2], test=set_test(0.001))).codes == (
        "finding_not_specific",
    )


def test_a_hold_out_that_was_used_takes_back_only_that_nothing_was_found() -> None:
    failed = checks("ok ok ok ok ok no", *CHECKS, "clean_calibration")
    for found, code in (
        ({"copies": (copy(0),)}, "copies"),
        ({"test": set_test(0.01)}, "set_test"),
        ({"named_patients": 1}, "patients_named"),
        ({"chance": MANY}, "beyond_chance"),
    ):
        made = decide(evidence(checks=failed, **found))
        assert (made.gate, made.codes[0]) == ("closed", code)
    assert decide(evidence(checks=failed)).gate == "undecided"


def test_a_difference_of_distribution_is_told_unless_single_images_speak_against_it() -> None:
    told = CASES["distribution"]
    assert told.test is not None
    assert decide(replace(told, named_patients=1)).codes == ("set_test",)
    few = replace(told, test=replace(told.test, carried_by="tail"))
    assert decide(few).codes == ("set_test",)
    # and it opens nothing: it qualifies a finding
    for p in (0.001, 0.4):
        one = replace(told, test=set_test(p))
        assert decide(one).gate == decide(replace(one, checks=one.checks[:-1])).gate


# --- the set test and earlier runs
@pytest.mark.parametrize(
    ("p", "run_history", "code"),
    [
        (0.05, None, "set_test"),
        (0.0501, None, "nothing_found"),
        (0.03, RunHistory(None, 1, 2, None, None), "set_test"),
        (0.03, RunHistory(0, 1, 2, 0.03, None), "set_test"),
        (0.03, RunHistory(3, 4, 2, 0.115, 0.4), "repeated_runs"),  # too good for one of four
        (0.001, RunHistory(3, 4, 2, 0.004, 0.4), "set_test"),
        (0.4, RunHistory(3, 4, 2, 0.87, 0.3), "nothing_found"),
        (0.4, RunHistory(3, 4, 2, 0.87, 0.01), "repeated_runs"),  # a leak is not asked away
        (0.4, RunHistory(40, 4, 2, 1.0, 0.01), "repeated_runs"),  # however often
        (0.4, RunHistory(3, 4, 2, 0.87, 0.05), "repeated_runs"),  # p <= the rate, as everywhere
        (0.4, RunHistory(3, 4, 2, 0.87, 0.0501), "nothing_found"),
    ],
)
def test_the_corrected_p_decides(p: float, run_history: RunHistory | None, code: str) -> None:
    made = decide(evidence(test=set_test(p), run_history=run_history))
    assert made.codes == (code,)
    assert made.facts.p_value == corrected_p(set_test(p), run_history)
    assert made.facts.runs == 1 + ((run_history.runs_before or 0) if run_history else 0)
    failed = evidence(test=set_test(p), run_history=run_history, checks=checks("ok no ok ok ok"))
    assert decide(failed).codes == ("check_failed",)


# --- individuals, bounds, levels
@pytest.mark.parametrize(("patients", "gate"), [(4, "open"), (5, "closed")])
def test_more_patients_than_chance_explains_close_the_gate(patients: int, gate: str) -> None:
    assert decide(evidence(chance=Chance(patients, 4))).gate == gate


@pytest.mark.parametrize(
    ("upper", "limit", "gate"),
    [
        (0.649, 0.65, "open"),
        (0.65, 0.65, "undecided"),
        (0.7, 0.75, "open"),
        (1.0, 1.0, "undecided"),
    ],
)
def test_the_upper_bound_must_lie_below_the_limit(upper: float, limit: float, gate: str) -> None:
    made = decide(evidence(bounds=replace(LOW, auc_upper=upper), max_auc=limit))
    assert made.gate == gate
    assert (made.facts.auc_upper, made.facts.max_auc) == (upper, limit)


def test_an_undecided_says_how_many_patients_would_do() -> None:
    assert decide(CASES["bound above limit"]).facts.groups_needed == 212
    for rate, needed in ((0.05, 19), (0.01, 99), (0.1, 9), (1e-12, None)):
        asked = replace(CASES["uncalibrated"], false_alarm_rate=rate)
        assert decide(asked).facts.groups_needed == needed


def test_levels_of_which_a_fifth_goes_unseen_are_missed() -> None:
    levels = (
        PlantedLevel("verbatim", 20, 20, 20), PlantedLevel("mirrored", 20, 20, 16),
        PlantedLevel("crop_80", 20, 20, 15), PlantedLevel("inverted", 0, 0, 0),
    )  # fmt: skip
    assert levels_missed(levels) == ("crop_80",)
    made = decide(evidence(levels=levels))
    assert (made.missed, made.gate) == (("crop_80",), "open")  # told, beside an open gate


# --- properties
def few(strategy: Any, most: int = 2) -> Any:
    return st.lists(strategy, max_size=most).map(tuple)


share = st.floats(0, 1)
p_values = st.sampled_from([0.0001, 0.02, 0.05, 0.051, 0.4, 1.0])
count = st.integers(0, 3)
anyones = st.builds(copy, count, st.sampled_from(get_args(RealRole)), st.booleans())
runs = st.one_of(
    st.none(),
    st.just(RunHistory(None, 1, 2, None, None)),
    st.builds(
        RunHistory,
        st.integers(1, 5),
        count,
        count,
        p_values,
        st.none() | p_values,
        st.sampled_from([0, 0, 1, 100]),
    ),
)
evidences = st.builds(
    Evidence,
    mode=st.sampled_from(["release", "forensic"]),
    false_alarm_rate=st.just(0.05),
    max_auc=st.just(0.65),
    patient_ids=st.booleans(),
    generated=st.just(240),
    targets=st.integers(1, 1200),
    unused_groups=st.sampled_from([0, 1, 40]),
    copies=few(anyones) | st.just(()),
    unread=st.sampled_from([(), UNREAD, UNEQUAL, (Unread("generated", 1, 1, "x"),)]),
    unlike=st.sampled_from([None, None, INVERTED, RANGE]),
    checks=st.just(())
    | st.tuples(*[st.sampled_from(list(STATES))] * 5).map(lambda s: checks(" ".join(s))),
    test=st.none() | p_values.map(set_test),
    run_history=runs,
    chance=st.sampled_from([None, FEW, MANY, Chance(1, 0), Chance(0, 0)]),
    named_patients=st.sampled_from([0, 0, 1, 2]),
    levels=few(
        st.builds(PlantedLevel, st.sampled_from(["verbatim", "gamma"]), count, count, count)
    ),
    bounds=st.none()
    | st.builds(Bounds, share, share, st.just(()), st.none() | st.integers(2, 9999)),
)


def opens(one: Evidence) -> bool:
    return decide(one).gate == "open"


@given(evidences)
def test_the_decision_is_a_function_with_a_remedy(one: Evidence) -> None:
    made = decide(one)
    assert decide(one) == made
    assert made.codes
    assert made.remedy
    assert len(set(made.remedy)) == len(made.remedy)
    if made.gate == "undecided" and not one.patient_ids:
        assert made.remedy[0] == "give_patient_ids"
    else:
        assert "give_patient_ids" not in made.remedy
    assert made.exit_code == EXITS[made.gate]
    closed = made.state in ("copies found", "leak found", "individuals stand out")
    assert closed == (made.gate == "closed")
    assert (made.state == "undecided") == (made.gate == "undecided")


@given(evidences, st.sampled_from([*CHECKS, "clean_calibration", "smooth"]))
def test_a_failed_check_never_opens(one: Evidence, name: str) -> None:
    failed = Check(name, None, 0.004, False, "all", "failed")
    worse = replace(one, checks=(*(c for c in one.checks if c.name != name), failed))
    assert opens(one) or not opens(worse)


@given(evidences, st.sampled_from([*UNREAD, *UNEQUAL, Unread("generated", 100, 2, "")]))
def test_an_unread_file_never_opens(one: Evidence, unread: Unread) -> None:
    assert opens(one) or not opens(replace(one, unread=(*one.unread, unread)))


@given(evidences, anyones)
def test_a_copy_never_opens(one: Evidence, more: Copy) -> None:
    made = decide(replace(one, copies=(*one.copies, more)))
    assert made.gate != "open"
    if more.role in ("used", "query"):
        assert made.state == "copies found"


@given(evidences, p_values)
def test_a_smaller_p_never_opens(one: Evidence, p: float) -> None:
    if one.test is None:
        return
    smaller = replace(one, test=replace(one.test, p_value=min(p, one.test.p_value)))
    assert opens(one) or not opens(smaller)


@given(evidences)
def test_nothing_that_an_audit_adds_opens(one: Evidence) -> None:
    """More named patients, a higher bound, a grey scale that is unlike."""
    for worse in (
        replace(one, named_patients=one.named_patients + 1),
        replace(one, bounds=replace(HIGH, auc_upper=0.99)),
        replace(one, unlike=INVERTED),
        replace(one, test=None),
        replace(one, chance=MANY),
        replace(one, max_auc=0.51, bounds=one.bounds or LOW),
    ):
        assert opens(one) or not opens(worse)
        if worse.max_auc == one.max_auc:
            assert not opens(worse)


def test_an_open_gate_is_within_reach_of_these_properties() -> None:
    assert opens(NOTHING)
    assert isinstance(decide(NOTHING), Decision)
    assert isinstance(NOTHING.test, SetTest)
