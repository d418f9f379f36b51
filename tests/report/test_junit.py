"""JUnit XML of the gate: the usual schema, and a failure exactly when the exit code is not 0."""

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as Tree

import pytest

from decision.evidence import cases
from report.conftest import STATES, make_result
from vestige.decision.decide import RULES, criteria, decide
from vestige.report.junit import to_junit
from vestige.schema.records import Check

CHILDREN: dict[str, list[str]] = {
    "testsuites": ["testsuite"],
    "testsuite": ["properties", "testcase"],
    "properties": ["property"],
    "testcase": ["skipped", "failure"],
    "property": [],
    "failure": [],
    "skipped": [],
}
"""Elements of the usual schema (junit-10.xsd) in the order that it gives them."""
COUNTS = {"name", "tests", "failures", "errors", "skipped"}
ATTRIBUTES = {
    "testsuites": COUNTS,
    "testsuite": COUNTS | {"timestamp"},
    "properties": set(),
    "testcase": {"classname", "name"},
    "property": {"name", "value"},
    "failure": {"type", "message"},
    "skipped": {"message"},
}


def refuse(element: Tree.Element) -> None:
    """Assert that an element and all below it are as the schema has them."""
    allowed = CHILDREN[element.tag]
    places = [allowed.index(child.tag) for child in element]
    assert places == sorted(places)
    assert set(element.attrib) == ATTRIBUTES[element.tag]
    if element.tag == "testcase":
        assert len(element) <= 1
    for child in element:
        refuse(child)


@pytest.mark.parametrize("state", STATES)
def test_the_file_is_as_the_schema_says_and_fails_as_the_exit_code_does(state: Any) -> None:
    result = make_result(state)
    root = Tree.fromstring(to_junit(result))  # noqa: S314  # ours
    refuse(root)
    (suite,) = root
    cases_there = suite.findall("testcase")
    failures = suite.findall("testcase/failure")
    assert suite.get("tests") == str(len(cases_there)) == root.get("tests")
    assert suite.get("failures") == str(len(failures)) == root.get("failures")
    assert suite.get("skipped") == str(len(suite.findall("testcase/skipped")))
    assert bool(failures) == (result.decision.exit_code != 0)
    names = [case.get("name") for case in cases_there]
    assert names == [result.decision.state, *RULES, *(check.name for check in result.checks)]


def test_an_undecided_gate_is_a_failure_of_its_own_type() -> None:
    root = Tree.fromstring(to_junit(make_result("undecided")))  # noqa: S314
    first = root.find("testsuite/testcase/failure")
    assert first is not None and first.get("type") == "undecided"
    assert first.get("message", "").startswith("Undecided")


def test_every_sign_is_escaped_and_no_name_is_told() -> None:
    result = make_result("undecided")
    vetoes = "<&\"' ]]> \x07 \ud800 it"
    mean = Check("blind", None, None, False, vetoes, question="<b>?")
    text = to_junit(replace(result, checks=(*result.checks, mean)))
    refuse(Tree.fromstring(text))  # noqa: S314
    assert r"\x07" in text and r"\ud800" in text
    for finding in result.findings:
        assert finding.id not in text and finding.group not in text
    assert "<script" not in text and "ward_07" not in text


def test_a_failed_check_of_an_open_gate_is_skipped() -> None:
    result = make_result("not found")
    failed = Check("swapped", None, None, False, "a finding", takes_back="finding")
    changed = replace(result, checks=(*result.checks, failed))
    assert changed.decision.gate == "open"
    case = Tree.fromstring(to_junit(changed)).findall("testsuite/testcase")[-1]  # noqa: S314
    assert case.get("name") == "swapped" and case.find("skipped") is not None


@pytest.mark.parametrize("case", cases())
def test_the_first_criterion_with_a_gate_is_the_decision(case: str) -> None:
    evidence = cases()[case]
    decision = decide(evidence)
    found = [one for one in criteria(evidence) if one.gate is not None]
    assert [one.name for one in criteria(evidence)] == list(RULES)
    if decision.gate == "open":
        assert found == []
    else:
        assert (found[0].gate, found[0].codes) == (decision.gate, decision.codes)
