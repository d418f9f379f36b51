"""Sentences beside numbers say what the numbers say."""

from dataclasses import replace
from typing import Any

import pytest

from report.conftest import STATES
from vestige.decision.sentences import gate_line
from vestige.report import words
from vestige.schema.records import Estimate, SetTest


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.51, 0.8, "lies above guessing"),
        (0.4, 0.8, "includes guessing"),
        (0.5, 0.8, "includes guessing"),
        (0.2, 0.49, "lies below guessing"),
    ],
)
def test_auc(low: float, high: float, said: str) -> None:
    value = (low + high) / 2
    test = SetTest("used", Estimate(value, low, high, 10), 0.1, 0.6)
    assert said in words.auc_meaning(test)
    assert words.percent(value) in words.auc_meaning(test)


@pytest.mark.parametrize(
    ("p", "shown"),
    [(None, "–"), (1.0, "1.000"), (0.05, "0.050"), (0.0004, "0.0004"), (1e-4, "0.0001"),
     (9e-5, "< 0.0001"), (0.0, "< 0.0001")],
)  # fmt: skip
def test_p(p: float | None, shown: str) -> None:
    assert words.p_text(p) == shown


@pytest.mark.parametrize("p", [0.0, 1e-12, 0.001, 0.5, 1.0])
def test_p_meaning_never_fails(p: float) -> None:
    assert "audits" in words.p_meaning(p)
    assert ("1 in 1,000 " in words.p_meaning(p)) == (p == 0.001)


@pytest.mark.parametrize(
    ("share", "shown"), [(0.0, "0"), (0.001, "0.1"), (0.05, "5"), (0.123, "12"), (1.0, "100")]
)
def test_percent(share: float, shown: str) -> None:
    assert words.percent(share) == shown + "\N{NO-BREAK SPACE}%"


def test_power() -> None:
    assert "0.60 or more" in words.power_meaning(0.6, 1.0)
    assert "hardly any" in words.power_meaning(1.0, 1.0)
    assert "copies of 20\N{NO-BREAK SPACE}% of the patients" in words.power_meaning(1.0, 0.2)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("the CSV file p.csv", " --groups PATIENTS.csv"),
        ("the groups that were given: 48 images in 24 groups", " --groups PATIENTS.csv"),
        ("the regular expression '(p)' on the ids", " --group-regex EXPRESSION"),
        ("a regular expression on the ids: 9 images", " --group-regex EXPRESSION"),
        ("DICOM patient ids", ""),
        ("near-duplicate clustering (no patient ids were given)", ""),
    ],
)
def test_the_next_command_names_the_groups_that_were_given(
    make_result: Any, source: str, said: str
) -> None:
    result = make_result("leak found")
    result = replace(result, question=replace(result.question, groups_from=source))
    folders = "--generated GENERATED --used USED --unused UNUSED"
    told = f"vestige scrub result.json {folders}{said} --out KEEP.txt --copy-to RELEASE"
    assert words.banner(result).command == told


def test_only_a_gate_that_was_asked_for_tells_its_exit_code(make_result: Any) -> None:
    result = make_result("leak found")
    assert words.banner(result).label == "Gate closed"
    assert gate_line(result.decision).startswith("Gate closed (exit 3): ")


def test_the_banner_says_the_decision_and_nothing_else(make_result: Any) -> None:
    for state in STATES:
        for mode in ("release", "forensic"):
            result = make_result(state, mode)
            banner = words.banner(result)
            assert banner.detail == result.decision.text
            assert banner.label == f"Gate {result.decision.gate}"
            assert result.decision.text.startswith(f"{banner.headline}: ")
    assert "private" not in words.banner(make_result("not found")).headline


def test_long_names_keep_both_ends() -> None:
    assert words.name("a" * 120) == "a" * 120
    short = words.name("start" + "x" * 500 + "end.png")
    assert len(short) <= 121 and short.startswith("start") and short.endswith("end.png")
    assert len(words.name("y" * 100, 24)) <= 25
