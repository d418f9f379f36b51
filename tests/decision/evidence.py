"""Evidence made by hand: nothing was found, unless a test puts something in."""

from dataclasses import replace
from typing import Any, get_args

from vestige import checks as registry
from vestige.decision.records import (
    Bounds,
    Chance,
    CopiedShare,
    Copy,
    Evidence,
    RealRole,
    Unlike,
    Unread,
)
from vestige.schema.records import Check, CheckState, Estimate, PlantedLevel, RunHistory, SetTest

STATES: dict[str, CheckState] = {
    "ok": "passed", "no": "failed", "--": "not possible", "..": "not needed"
}  # fmt: skip
CHECKS = ("preparation", "blind", "member_only", "swapped", "planted")


def checks(states: str, *names: str) -> tuple[Check, ...]:
    """Checks in these states, two characters for each of `names` (default: all five)."""
    return tuple(
        Check(
            name,
            None,
            0.004,
            STATES[s] == "passed",
            f"what {name} vetoes",
            STATES[s],
            takes_back=registry.CHECKS[name].takes_back,
        )
        for name, s in zip(names or CHECKS, states.split(), strict=True)
    )


def set_test(p_value: float = 0.4) -> SetTest:
    return SetTest(
        "used", Estimate(0.52, 0.45, 0.59, 80), p_value, 0.6, minimum_detectable_share=0.15
    )


def copy(k: int = 0, role: RealRole = "used", same: bool = False) -> Copy:
    """Generated image k is a copy of real image k, of patient k // 2."""
    how: Any = ("same pixels", 1.0, 0.0) if same else ("near copy", 0.9, 4.0)
    real = f"{role}_{k}.png"
    return Copy(
        f"g{k}.png", real, role, f"{role}-p{k // 2}", how[1], how[2], "identity", False, how[0]
    )


UNREAD = (Unread("generated", 240, 12, "generated/x.pgm"), Unread("used", 80, 0, ""))
UNEQUAL = (Unread("generated", 2000, 1, "generated/x.png", 0.5), Unread("used", 80, 9, "", 0.001))
INVERTED = Unlike("inverted", "mean grey", 200.0, 55.0, 0.97)
RANGE = replace(INVERTED, code="other range")
COLOURS = replace(INVERTED, code="other colours", statistic="red less luma")
LOW = Bounds(0.617, 0.2, (CopiedShare("verbatim", 0.034), CopiedShare("jpeg_75", 0.05)), None)
HIGH = replace(LOW, auc_upper=0.703, patients_needed=212)
LEVELS = (PlantedLevel("verbatim", 20, 20, 20), PlantedLevel("mirrored", 20, 9, 15),
          PlantedLevel("crop_80", 20, 2, 0))  # fmt: skip
NOTHING = Evidence(
    mode="release",
    false_alarm_rate=0.05,
    max_auc=0.65,
    patient_ids=True,
    generated=240,
    targets=40,
    unused_groups=40,
    checks=checks("ok ok .. .. ok"),
    test=set_test(),
    bounds=LOW,
    levels=LEVELS,
)


def evidence(**changed: Any) -> Evidence:
    """`NOTHING` with these changes."""
    return replace(NOTHING, **changed)


FEW = Chance(3, 4)
MANY = Chance(7, 4)
AGAIN = RunHistory(3, 4, 2, 0.87, 0.01)
PART = RunHistory(1, 1, 2, 0.0002, None, part_of=100)
ROLES = get_args(RealRole)
CASES: dict[str, Evidence] = {
    "copies": evidence(copies=(copy(0, same=True), copy(1), copy(2))),
    "one copy": evidence(copies=(copy(0),)),
    "copies of unused": evidence(copies=(copy(0, "unused"), copy(1, "unused"))),
    "copies of reference": evidence(copies=(copy(0, "reference"),)),
    "copies of both": evidence(copies=(copy(0, "unused"), copy(1, "reference"))),
    "copies of all roles": evidence(copies=(copy(0), copy(1, "unused"))),
    "generated unread": evidence(unread=UNREAD),
    "unread unequal": evidence(unread=UNEQUAL),
    "left aside": evidence(unread=(Unread("generated", 5000, 1, "x.gif", left_aside=1),)),
    "not reached": evidence(unread=(Unread("used", 120, 80, "a.png", 1.0, left_aside=80),)),
    "unread both": evidence(unread=(UNREAD[0], UNEQUAL[1])),
    "inverted": evidence(unlike=INVERTED),
    "other range": evidence(unlike=RANGE),
    "other colours": evidence(unlike=COLOURS),
    "not prepared alike": evidence(checks=checks("no no ok ok ok")),
    "differ": evidence(checks=checks("ok no .. .. ok")),
    "halves differ": evidence(checks=checks("ok ok no ok ok"), test=set_test(0.001)),
    "not specific": evidence(checks=checks("ok ok ok no ok"), test=set_test(0.001)),
    "guessed": evidence(patient_ids=False, joined=0.4, checks=checks("ok ok ok ok ok"),
                        test=set_test(0.001)),
    "leak": evidence(checks=checks("ok ok ok ok ok"), test=set_test(0.00005), chance=MANY,
                     named_patients=2),
    "distribution": evidence(checks=checks("ok ok ok ok ok no", *CHECKS, "smooth"),
                             test=set_test(0.001)),
    "leak of runs": evidence(checks=checks("ok ok ok ok ok"), test=set_test(0.0012),
                             run_history=RunHistory(3, 4, 2, 0.0048, 0.4),
                             chance=FEW),
    "selected part": evidence(test=set_test(0.0001), run_history=PART, chance=MANY,
                              named_patients=2,
                              checks=checks("ok no ok ok ok")),
    "selected part without a finding": evidence(run_history=PART),
    "named": evidence(named_patients=1, chance=FEW),
    "named and beyond chance": evidence(named_patients=2, chance=MANY),
    "beyond chance": evidence(chance=Chance(1, 0)),
    "repeated": evidence(run_history=AGAIN),
    "nothing to test": evidence(test=None, bounds=None, checks=()),
    "uncalibrated": evidence(test=None, bounds=None, checks=(), unused_groups=0),
    "checks off": evidence(checks=checks("ok ok", "preparation", "blind")),
    "planted missed": evidence(checks=checks("ok ok .. .. no"), bounds=HIGH),
    "planted not possible": evidence(checks=checks("ok ok .. .. --")),
    "calibration used": evidence(checks=checks("ok ok .. .. ok no", *CHECKS, "clean_calibration")),
    "clean assumed": evidence(checks=checks("ok ok .. .. ok --", *CHECKS, "clean_calibration"),
                              chance=FEW),
    "bound above limit": evidence(bounds=HIGH, chance=FEW),
    "bound that no number mends": evidence(bounds=replace(HIGH, patients_needed=None)),
    "not found": evidence(chance=FEW),
    "not found, all levels seen": evidence(levels=LEVELS[:1], bounds=replace(LOW, exposed_share=0)),
    "not found, no bounds": evidence(bounds=None, levels=()),
}  # fmt: skip
"""One release case for every row of the decision."""


def cases() -> dict[str, Evidence]:
    """All cases in both modes, with patient ids and without."""
    made: dict[str, Evidence] = {}
    for name, one in CASES.items():
        test = one.test and replace(one.test, candidates="query")
        asked = tuple(replace(c, role="query") if c.role == "used" else c for c in one.copies)
        forensic = replace(one, mode="forensic", test=test, copies=asked)
        for mode, told in (("release", one), ("forensic", forensic)):
            made[f"{name}, {mode}"] = told
            made[f"{name}, {mode}, no ids"] = replace(told, patient_ids=False)
    return made
