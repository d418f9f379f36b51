"""The gate of an audit as JUnit XML, which continuous integration shows beside its own tests.

One suite: the decision, every criterion of the gate, every validity check. It has a failure exactly
when `vestige audit --gate` ends with another exit code than 0, so an undecided gate (exit 4) is a
failure too. It names no image, no patient and no folder.
"""

from xml.etree import ElementTree as Tree

from vestige.decision.audited import Audited
from vestige.decision.decide import criteria
from vestige.files.printable import printable
from vestige.schema.records import Check
from vestige.version import __version__

SUITE = "vestige audit --gate"


def to_junit(result: Audited) -> str:
    """The text of the XML file.

    Elements and attributes are those of the usual schema: testsuites, testsuite (name, tests,
    failures, errors, skipped, timestamp), properties, testcase (classname, name),
    failure (type, message) and skipped (message).
    """
    suite = Tree.Element("testsuite")
    properties = Tree.SubElement(suite, "properties")
    for name, value in _properties(result).items():
        Tree.SubElement(properties, "property", name=name, value=printable(value))
    decision = result.decision
    case = _case(suite, "decision", decision.state)
    if decision.gate != "open":
        _failure(case, decision.gate, decision.text)
    for one in criteria(result.evidence):
        case = _case(suite, "criterion", one.name)
        if one.gate is not None:
            _failure(case, one.gate, f"{one.gate}: {', '.join(one.codes)}")
    for check in result.checks:
        _judge(_case(suite, "check", check.name), check, is_open=decision.gate == "open")
    counts = {
        "tests": len(suite.findall("testcase")),
        "failures": len(suite.findall("testcase/failure")),
        "errors": 0,
        "skipped": len(suite.findall("testcase/skipped")),
    }
    totals = {name: str(count) for name, count in counts.items()}
    started = result.manifest.started.partition("+")[0]
    suite.attrib |= {"name": SUITE, **totals, "timestamp": started}
    suites = Tree.Element("testsuites", {"name": SUITE, **totals})
    suites.append(suite)
    Tree.indent(suites)
    return Tree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _properties(result: Audited) -> dict[str, str]:
    made = result.manifest
    told = {
        "vestige": __version__,
        "mode": result.question.mode,
        "false_alarm_rate": f"{result.question.false_alarm_rate:g}",
        "max_auc": f"{result.question.max_auc:g}",
        "question_sha256": made.question_sha256,
        "config_sha256": made.config_sha256,
    }
    if (test := result.set_test) is not None:
        told |= {"auc": f"{test.auc.value:.4f}", "p_value": f"{test.p_value:.4g}"}
    return {name: value for name, value in told.items() if value}


def _case(suite: Tree.Element, kind: str, name: str) -> Tree.Element:
    return Tree.SubElement(suite, "testcase", classname=f"vestige.{kind}", name=printable(name))


def _failure(case: Tree.Element, kind: str, message: str) -> None:
    failure = Tree.SubElement(case, "failure", type=kind, message=printable(message))
    failure.text = printable(message)


def _judge(case: Tree.Element, check: Check, is_open: bool) -> None:
    """A failed check that takes nothing back from an open gate fails no build."""
    if check.state == "failed" and not is_open:
        _failure(case, "check", f"{check.question or check.name} {check.vetoes}".strip())
    elif check.state != "passed":
        Tree.SubElement(case, "skipped", message=printable(check.vetoes or check.state))
