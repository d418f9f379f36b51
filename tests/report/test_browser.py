"""The page in a real browser: usable by everybody, and quick with very many rows.

Needs Chromium; the check of usability also needs axe-core, which is not shipped:
`npm pack axe-core`, unpack it, and set VESTIGE_AXE to its axe.min.js.
"""

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from report.test_big_page import with_copies
from vestige.report import render_html

CHROMIUM = shutil.which("chromium")
AXE = os.environ.get("VESTIGE_AXE", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
]
UNFOLD = "for (const d of document.querySelectorAll('details')) d.open = true;"


def answer(page: str, script: str, folder: Path, *, dark: bool = False, width: int = 1280) -> Any:
    """What a script says of the page, once it has loaded; the script is an async function."""
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    tell = (
        "addEventListener('load', async () => { let told; try { told = await (async () => {"
        f"{script}"
        "})(); } catch (e) { told = String(e); } document.documentElement.innerHTML = "
        "'<pre>' + JSON.stringify(told).replace(/&/g, '&amp;').replace(/</g, '&lt;') + '</pre>';"
        "});"
    )
    path = folder / "page.html"
    path.write_text(page.replace("</main>", f"</main><script>{tell}</script>"), encoding="utf-8")
    done = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
            "--virtual-time-budget=60000", f"--user-data-dir={folder / 'profile'}",
            f"--window-size={width},900",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}", path.as_uri(),
        ],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    told = re.search(r"<pre>(.*)</pre>", done.stdout, flags=re.DOTALL)
    assert told is not None, done.stderr[-500:]
    return json.loads(html.unescape(told[1]))


CASES = {
    "found": ("copies found", False),
    "leak": ("leak found", False),
    "not found": ("not found", False),
    "undecided": ("undecided", False),
    "redacted": ("leak found", True),
}


@pytest.mark.skipif(not Path(AXE).is_file(), reason="needs axe-core: set VESTIGE_AXE")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("case", CASES)
def test_axe_finds_nothing_serious(make_result: Any, tmp_path: Path, case: str, dark: bool) -> None:
    state, hidden = CASES[case]
    page = render_html(make_result(state), redact=hidden)
    axe = Path(AXE).read_text(encoding="utf-8")
    page = page.replace("</main>", f"</main><script>{axe}</script>")
    script = (
        f"{UNFOLD} const r = await axe.run(document); return [r.passes.length, r.violations.map("
    )
    script += "v => [v.impact, v.id, v.nodes.map(n => n.html.slice(0, 200))])];"
    passed, violations = answer(page, script, tmp_path, dark=dark)
    assert passed > 20  # it ran
    assert [v for v in violations if v[0] in ("serious", "critical")] == []


def test_five_thousand_rows_sort_and_search_in_a_second(make_result: Any, tmp_path: Path) -> None:
    page = render_html(with_copies(make_result("copies found", n=5_000, hostile=False), 500))
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
        return { told, firsts, shown, said };
    """
    told = answer(page, script, tmp_path)
    assert [sort for sort, _ in told["firsts"]] == ["ascending", "descending", None]
    assert float(told["firsts"][0][1]) < 0.001 and float(told["firsts"][1][1]) > 0.99
    assert (told["shown"], told["said"]) == (2, "2 of 5,000 rows")
    typical = sorted(told["told"])[len(told["told"]) // 2]  # other work may slow a single one
    assert typical < 1000  # milliseconds, by the browser's own clock


@pytest.mark.parametrize("width", [1280, 500])
def test_nothing_is_wider_than_the_window(make_result: Any, tmp_path: Path, width: int) -> None:
    page = render_html(make_result("copies found"))
    script = f"{UNFOLD} return [document.documentElement.scrollWidth, innerWidth];"
    wide, window = answer(page, script, tmp_path, width=width)
    assert wide <= window
