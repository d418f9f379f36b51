"""The page in a real browser: usable by everybody, and quick with very many rows.

Needs Chromium; the check of usability also needs axe-core, which is not shipped:
`npm pack axe-core`, unpack it, and set VESTIGE_AXE to its axe.min.js.
"""

import importlib.util
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from report.annexes import context_of
from report.conftest import make_result
from report.test_big_page import with_copies
from vestige.benchmark.table_files import page as table_page
from vestige.benchmark.tables import Entry, Table
from vestige.decision.records import Withheld
from vestige.report import render_html
from vestige.report.annex import render_annex
from vestige.report.compared import render_comparison
from vestige.report.scrubbed import render_scrub

DRIVER = Path(__file__).resolve().parents[2] / "benchmarks" / "browser.py"
spec = importlib.util.spec_from_file_location("browser", DRIVER)
assert spec is not None and spec.loader is not None
driver = importlib.util.module_from_spec(spec)
spec.loader.exec_module(driver)

AXE = os.environ.get("VESTIGE_AXE", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not driver.CHROMIUM, reason="needs Chromium"),
]
UNFOLD = "for (const d of document.querySelectorAll('details:not(.zoom)')) d.open = true;"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with driver.chromium() as one:
        yield one


def annex(folder: Path) -> str:
    return render_annex(make_result("copies found"), context_of(folder, ""))


def scrub(_: Path) -> str:
    before, after = make_result("copies found"), make_result("not found")
    gone = [Withheld(c.generated, c.real, c.role, c.group, "near copy", 0) for c in before.copies]
    return render_scrub(before, after, gone, 500, before.thumbnails)


def tables(_: Path) -> str:
    """As of a benchmark and of the papers' protocols."""
    entries = tuple(
        (Entry(f"world-{k}"), *(Entry(f"0.{j}{k}", j == 5, j - 1) for j in range(7)))
        for k in range(9)
    )
    head = ("world", *(f"detector_{j}" for j in range(7)))
    words = ((Entry("`auto`"), Entry("A long sentence about a system. " * 4)),)
    shown = (
        Table("AUC", "A note with `code`.", head, entries, upright=True),
        Table("Systems", "", ("system", "note"), words),
    )
    return table_page("benchmark of detectors", "2 worlds", shown)


def state(name: Any, _: Path, **options: Any) -> str:
    return render_html(make_result(name, options.pop("mode", "release")), **options)


PAGES: dict[str, Callable[[Path], str]] = {
    "copies": partial(state, "copies found"),
    "leak": partial(state, "leak found"),
    "individuals": partial(state, "individuals stand out"),
    "not found": partial(state, "not found"),
    "undecided": partial(state, "undecided"),
    "forensic": partial(state, "copies found", mode="forensic"),
    "redacted": partial(state, "leak found", redact=True),
    "annex": annex,
    "compared": lambda _: render_comparison(make_result("copies found"), make_result("not found")),
    "scrub": scrub,
    "tables": tables,
}


@pytest.mark.skipif(not Path(AXE).is_file(), reason="needs axe-core: set VESTIGE_AXE")
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)], ids=["wide", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(
    browser: Any, tmp_path: Path, name: str, width: int, dark: bool
) -> None:
    page = tmp_path / "page.html"
    page.write_text(PAGES[name](tmp_path), encoding="utf-8")
    browser.open(page, width, dark=dark)
    browser.tell(f"{UNFOLD} {Path(AXE).read_text(encoding='utf-8')}; window.axe = axe;")
    told = browser.tell(
        "const r = await axe.run(document); return [r.passes.length, r.violations.map("
        "v => [v.impact, v.id, v.nodes.map(n => n.html.slice(0, 200)).slice(0, 3)])];"
    )
    passed, violations = told
    assert passed > 12  # it ran
    assert [v for v in violations if v[0] in ("serious", "critical")] == []
    wide, window = browser.tell("return [document.documentElement.scrollWidth, innerWidth];")
    assert wide <= window


@pytest.mark.parametrize("name", [*list(PAGES)[:7], "scrub"])
def test_the_first_screen_of_a_phone_holds_the_answer(
    browser: Any, tmp_path: Path, name: str
) -> None:
    page = tmp_path / "page.html"
    page.write_text(PAGES[name](tmp_path), encoding="utf-8")
    browser.open(page, 390, 844)
    ends = browser.tell(
        "return [...document.querySelectorAll('h1, .why, .next, #summary .fact')].map(e => "
        "[e.className || e.tagName, e.getBoundingClientRect().bottom]);"
    )
    assert {"H1", "why"} <= {name for name, _ in ends}
    assert [end for end in ends if end[1] > 844] == []


def test_five_thousand_rows_open_sort_and_search_in_a_second(browser: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    made = with_copies(make_result("copies found", n=5_000, hostile=False), 500)
    page.write_text(render_html(made), encoding="utf-8")
    browser.open(page)
    script = """
        const table = document.querySelector("#findings table.long"), told = [];
        const timed = (act) => {
            const start = performance.now();
            act();
            table.getBoundingClientRect();
            told.push(performance.now() - start);
        };
        document.body.getBoundingClientRect();  // the page is laid out before it is sorted
        const cell = (column) => table.tBodies[0].rows[0].cells[column].textContent;
        const column = 3, head = table.tHead.rows[0].cells[column];
        const firsts = [];
        for (let k = 0; k < 3; k++) {
            timed(() => head.querySelector("button").click());
            firsts.push([head.ariaSort, cell(column)]);
        }
        const field = document.querySelector("#findings input[type=search]");
        timed(() => {
            field.value = "patient_019/";
            field.dispatchEvent(new Event("input", { bubbles: true }));
        });
        const shown = table.tBodies[0].rows.length;
        const said = document.querySelector("#findings output").textContent;
        const opened = performance.getEntriesByType("navigation")[0].loadEventEnd;
        return { told, firsts, shown, said, opened };
    """
    told = browser.tell(script)
    assert [sort for sort, _ in told["firsts"]] == ["ascending", "descending", None]
    assert float(told["firsts"][0][1]) < 0.001 and float(told["firsts"][1][1]) > 0.99
    assert (told["shown"], told["said"]) == (2, "2 of 5,000 rows")
    typical = sorted(told["told"])[len(told["told"]) // 2]  # other work may slow a single one
    assert typical < 1000  # milliseconds, by the browser's own clock
    assert told["opened"] < 5000  # 500 on a quiet machine
