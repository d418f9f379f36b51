"""Pages of very many findings, of one and of none: small enough, capped where they say so."""

import re
from dataclasses import replace
from typing import Any

import pytest

from report.test_page import Page, column
from vestige.decision.records import Copy
from vestige.report import images, render_html
from vestige.report.blocks import OPEN_ROWS, PRINTED_ROWS
from vestige.result import AuditResult

MEGABYTE = 2**20


def with_copies(result: AuditResult, many: int) -> AuditResult:
    copies = tuple(
        Copy(f"fakes/gen_{k}.png", f.id, f.role, f.group, 0.93, 6.5, "identity", False, "near copy")
        for k, f in enumerate(result.findings[:many])
    )
    return replace(result, copies=copies)


@pytest.mark.slow
def test_five_thousand_findings_and_five_hundred_pairs_stay_small(make_result: Any) -> None:
    result = with_copies(make_result("copies found", n=5_000, hostile=False), 500)
    html = render_html(result)
    assert len(html.encode()) < 8 * MEGABYTE
    assert len(column(html, "findings", "Image")) == 5_000
    assert len(column(html, "copies", "Generated")) == 500
    assert "strongest of" not in html[html.index('<section id="findings"') :]


@pytest.mark.parametrize(
    ("times", "most"), [(3, 100), pytest.param(1_000, 5_000, marks=pytest.mark.slow)]
)
def test_very_many_findings_are_capped_and_the_page_says_so(
    make_result: Any, monkeypatch: pytest.MonkeyPatch, times: int, most: int
) -> None:
    assert images.MOST_ROWS == 5_000
    monkeypatch.setattr(images, "MOST_ROWS", most)
    few = make_result("leak found", n=100, hostile=False, thumbnails=False)
    many = tuple(replace(f, id=f"{f.id}#{k}") for k in range(times) for f in few.findings)
    html = render_html(replace(few, findings=many, patients=()))
    assert len(column(html, "findings", "Image")) == most
    total = f"{100 * times:,}"
    assert f"The {most:,} strongest of {total}; all are in findings.csv." in html
    assert len(html.encode()) < 4 * MEGABYTE


@pytest.mark.parametrize("n", [0, 1])
def test_none_and_one_make_a_right_page(make_result: Any, n: int) -> None:
    made = make_result("not found", n=30, hostile=False)
    result = replace(made, findings=made.findings[:n], patients=made.patients[:n], thumbnails={})
    html = render_html(result)
    text = Page(html).text
    assert ('<section id="findings"' in html) == bool(n) == ('<section id="patients"' in html)
    assert "1 images" not in text and "1 patients" not in text
    assert ("Of 1 patient " in text) == bool(n)


@pytest.mark.parametrize("n", [OPEN_ROWS, OPEN_ROWS + 1, PRINTED_ROWS + 1])
def test_long_tables_scroll_in_a_box_that_keys_reach(make_result: Any, n: int) -> None:
    html = render_html(make_result("not found", n=n, hostile=False, thumbnails=False))
    own = html[html.index('<section id="findings"') : html.index('<section id="statistics"')]
    boxed = '<div class="scroll" tabindex="0" role="region" aria-label="Real images' in own
    assert boxed == (n > OPEN_ROWS)
    assert ("Printed are the first" in own) == (n > PRINTED_ROWS)
    assert len(re.findall("<tr", own)) == n + 1
