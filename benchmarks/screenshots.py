"""Pages of every kind of answer, as pictures to look at: made by one command, kept out of git.

    python benchmarks/screenshots.py OUT [NAME...]

Audits small sets of phantoms, writes the page of each to OUT and, where Chromium is installed, its
pictures: 390 and 1280 pixels wide, light and dark, and as it is printed (PDF).
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import vestige
from vestige.images.kinds import Kind
from vestige.report import render_html
from vestige.report.annex import render_annex
from vestige.report.annex_context import read_context
from vestige.report.compared import render_comparison
from vestige.result import AuditResult
from vestige.testing.phantoms import PHANTOMS
from vestige.types import Images

SIDES: dict[Kind, int] = {"grey": 32, "colour": 32, "volume": 16}
REALS, MADE, COPIES = 60, 200, 8
WIDTHS, HEIGHT = (390, 1280), 3000


def world(kind: Kind = "grey", copies: int = COPIES, used: int = REALS) -> tuple[Images, ...]:
    """Generated, used and unused images, of which some are copies with a little noise."""
    rng = np.random.default_rng(5)
    members, unused, made = (PHANTOMS[kind](n, rng, SIDES[kind]) for n in (used, REALS, MADE))
    made[:copies] = np.clip(members[:copies] + rng.normal(0, 0.015, members[:copies].shape), 0, 1)
    if kind == "volume":
        return tuple(np.round(255 * one).astype(np.uint8) for one in (made, members, unused))
    return made, members, unused


def audited(*sets: Images, **options: Any) -> AuditResult:
    """An audit of arrays at effort low."""
    return vestige.audit(*sets, **{"effort": "low", **options})


def forensic() -> AuditResult:
    """Queries of which some were used."""
    made, members, unused = world()
    return audited(made, None, unused, members)


def annex(folder: Path) -> str:
    """The document for a board, with nothing stated."""
    form = folder / "context.toml"
    form.write_text("", encoding="utf-8")
    return render_annex(audited(*world()), read_context(form))


PAGES: dict[str, Callable[[Path], str]] = {
    "copies": lambda _: render_html(audited(*world())),
    "not-found": lambda _: render_html(audited(*world(copies=0))),
    "undecided": lambda _: render_html(audited(*world(copies=0), checks=False)),
    "forensic": lambda _: render_html(forensic()),
    "curve": lambda _: render_html(audited(*world(), release_curve=True)),
    "redacted": lambda _: render_html(audited(*world()), redact=True),
    "colour": lambda _: render_html(audited(*world("colour"))),
    "volume": lambda _: render_html(audited(*world("volume"), dimensions="3d")),
    "annex": annex,
    "compared": lambda _: render_comparison(audited(*world()), audited(*world(copies=0))),
}


def pictures(page: Path) -> None:
    """Pictures of one page beside it."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("no Chromium: the pages are written without pictures")
        return
    start = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    for width in WIDTHS:
        for scheme, name in enumerate(("dark", "light")):
            out = page.with_name(f"{page.stem}-{width}-{name}.png")
            look = [f"--window-size={width},{HEIGHT}", f"--screenshot={out}"]
            scheme_option = f"--blink-settings=preferredColorScheme={scheme}"
            subprocess.run([*start, scheme_option, *look, page.as_uri()], check=True)
    printed = [f"--print-to-pdf={page.with_suffix('.pdf')}", "--no-pdf-header-footer"]
    subprocess.run([*start, *printed, page.as_uri()], check=True)


def main() -> None:
    """Write the named pages, or all."""
    folder, names = Path(sys.argv[1]).absolute(), sys.argv[2:] or list(PAGES)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        page = folder / f"{name}.html"
        page.write_text(PAGES[name](folder), encoding="utf-8")
        pictures(page)
        print(page, flush=True)


if __name__ == "__main__":
    main()
