"""Two audits beside each other: each number of both, and whether the reals are the same."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from report.conftest import STATES
from report.test_page import Page
from story.world import call
from vestige.decision.records import Withheld
from vestige.decision.sentences import GATES, HEADINGS
from vestige.registry.entries import InputError
from vestige.report import compared
from vestige.report.compared import render_comparison
from vestige.report.scrubbed import TWO_AUDITS, render_scrub
from vestige.result import AuditResult


def rows(html: str) -> dict[str, list[str]]:
    """First cell -> the other cells of each row."""
    found: dict[str, list[str]] = {}
    for row in re.findall(r"<tr.*?</tr>", html, re.DOTALL):
        cells = [Page(cell).text for cell in re.findall(r"<t[dh].*?</t[dh]>", row, re.DOTALL)]
        found[cells[0]] = cells[1:]
    return found


def of_reals(result: AuditResult, **digests: str) -> AuditResult:
    manifest = replace(result.manifest, inputs_sha256={"generated": "aa" * 32, **digests})
    return replace(result, manifest=manifest)


@pytest.mark.parametrize("second", STATES)
def test_both_audits_are_told_in_their_column(make_result: Any, second: Any) -> None:
    a, b = make_result("copies found"), make_result(second, seed=1)
    html = render_comparison(a, b)
    told = rows(html)
    assert told["Decision"] == [HEADINGS["copies found"], HEADINGS[second]]
    assert told["Gate"] == [GATES[a.decision.gate], GATES[b.decision.gate]]
    assert told["Generated images that are copies"] == [
        "4",
        "4" if second == a.decision.state else "0",
    ]
    assert told["Patients at risk"][0] == "2 of 50 copied or named"
    auc = [f"{one.set_test.auc.value:.2f}" for one in (a, b)]
    shown = told["AUC of the set test (95 % interval)"]
    assert [cell[:4] for cell in shown] == auc
    assert [compared.VOID in cell for cell in shown] == [False, second == "undecided"]
    for check in b.checks:
        state = "FAILED" if check.state == "failed" else check.state
        assert told[check.name][1] == state
    for one in (a, b):
        assert " ".join(one.decision.text.replace("`", "").split()) in Page(html).text
    assert not re.search(r"<script|(?:src|href)\s*=|https?:|ward_07|pat-0|secret", html)


def test_whether_the_reals_are_the_same_is_said(make_result: Any) -> None:
    one = of_reals(make_result("not found"), used="bb", unused="cc")
    assert compared.SAME_REALS in Page(render_comparison(one, one)).text
    assert "At risk in both" in rows(render_comparison(one, one))
    other = of_reals(make_result("not found"), used="bb", unused="dd", reference="ee")
    html = render_comparison(one, other)
    said = "the unused images differ, only B has reference images"
    assert compared.OTHER_REALS.format(roles=said) in Page(html).text
    assert "At risk in both" not in rows(html)
    assert compared.UNKNOWN_REALS in Page(render_comparison(one, of_reals(other))).text
    volumes = replace(one, manifest=replace(one.manifest, kind="volume"))
    assert "grey in A, volume in B" in Page(render_comparison(one, volumes)).text


def test_another_question_is_refused(make_result: Any) -> None:
    with pytest.raises(InputError, match="asked the same question"):
        render_comparison(make_result("not found"), make_result("not found", "forensic"))


def test_a_scrub_shows_both_audits(make_result: Any) -> None:
    before, after = make_result("copies found"), make_result("not found")
    gone = [Withheld("g.png", "r.png", "used", "p", "same pixels", 0)]
    html = render_scrub(before, after, gone, 599, {})
    told = rows(html)
    assert told["Decision"] == [HEADINGS["copies found"], HEADINGS["not found"]]
    assert TWO_AUDITS in Page(html).text
    assert TWO_AUDITS not in Page(render_scrub(after, after, [], 600, {})).text


def test_the_command_compares(make_result: Any, tmp_path: Path, capsys: Any) -> None:
    a, b, out = tmp_path / "a.json", tmp_path / "b.json", tmp_path / "both.html"
    a.write_text(make_result("copies found").to_json(), encoding="utf-8")
    b.write_text(make_result("not found").to_json(), encoding="utf-8")
    assert call(capsys, "report", a, "--compare", b, "--out", out).code == 0
    assert rows(out.read_text(encoding="utf-8"))["Decision"] == ["Copies found", "Nothing found"]
    refused = call(capsys, "report", a, "--compare", b, "--out", b)
    assert refused.code == 2 and len(refused.err.strip().splitlines()) == 1
