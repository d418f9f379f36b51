"""Pages of every kind of answer, as pictures to look at: made by one command, kept out of git.

    python benchmarks/screenshots.py OUT [NAME...]

Audits small sets of phantoms, writes the page of each to OUT and, where Chromium is installed, its
pictures: the first screen and the whole page, 390 and 1280 pixels wide, light and dark, and as it
is printed (PDF).
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import vestige
from browser import CHROMIUM, Browser, chromium
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
WIDTHS, HEIGHT = (390, 1280), 844


def world(kind: Kind = "grey", copies: int = COPIES, used: int = REALS) -> tuple[Images, ...]:
    """Generated, used and unused images, of which some are copies with a little noise."""
    rng = np.random.default_rng(5)
    members, unused, made = (PHANTOMS[kind](n, rng, SIDES[kind]) for n in (used, REALS, MADE))
    made[:copies] = np.clip(members[:copies] + rng.normal(0, 0.015, members[:copies].shape), 0, 1)
    if kind == "volume":
        return tuple(np.round(255 * one).astype(np.uint8) for one in (made, members, unused))
    return made, members, unused


def blends() -> tuple[Images, ...]:
    """The same without copies: half of the generated images hold a share of a used one."""
    made, members, unused = world(copies=0)
    share = made[: len(members)]
    made[: len(members)] = 0.8 * share + 0.2 * members
    return made, members, unused


def folders(folder: Path) -> dict[str, str]:
    """The world as files, two images of each patient."""
    sets = dict(zip(("generated", "used", "unused"), world(), strict=True))
    for role, images in sets.items():
        place = folder / "patients" / role
        place.mkdir(parents=True, exist_ok=True)
        for k, image in enumerate(images):
            name = f"g{k:04d}.png" if role == "generated" else f"{role[:2]}{k // 2:03d}_{k % 2}.png"
            Image.fromarray(np.round(255 * image).astype(np.uint8)).save(place / name)
    return {role: str(folder / "patients" / role) for role in sets}


def audited(*sets: Images, **options: Any) -> AuditResult:
    """An audit of arrays at effort low."""
    return vestige.audit(*sets, **{"effort": "low", **options})


def by_patient(folder: Path) -> AuditResult:
    """An audit of files whose names tell the patient."""
    return vestige.audit(**folders(folder), effort="low", group_regex=r"([a-z]+\d+)_")


def forensic() -> AuditResult:
    """Queries of which some were used."""
    made, members, unused = world()
    return audited(made, None, unused, members)


def network() -> AuditResult:
    """A small network beside the others: what it sees is shown with each pair."""
    small = {"backbone": "tiny", "attention": False, "weights": "none", "size": 32, "epochs": 5}
    paired = {**small, "neighbours": 3, "draws": 500, "learning_rate": 1e-3}
    return audited(*world(copies=40), detectors=["auto", ("siamese", paired)])


def annex(folder: Path) -> str:
    """The document for a board, with nothing stated."""
    form = folder / "context.toml"
    form.write_text("", encoding="utf-8")
    return render_annex(audited(*world()), read_context(form))


def scrubbed(folder: Path) -> str:
    """The page of a scrub."""
    result = by_patient(folder)
    places = folders(folder)
    done = vestige.scrub(result, **places, group_regex=r"([a-z]+\d+)_")
    return done.save(folder / "keep.txt")[1].read_text(encoding="utf-8")


PAGES: dict[str, Callable[[Path], str]] = {
    "copies": lambda _: render_html(audited(*world())),
    "leak": lambda _: render_html(audited(*blends())),
    "not-found": lambda _: render_html(audited(*world(copies=0))),
    "undecided": lambda _: render_html(audited(*world(copies=0), checks=False)),
    "forensic": lambda _: render_html(forensic()),
    "patients": lambda folder: render_html(by_patient(folder)),
    "network": lambda _: render_html(network()),
    "curve": lambda _: render_html(audited(*world(), release_curve=True)),
    "redacted": lambda _: render_html(audited(*world()), redact=True),
    "colour": lambda _: render_html(audited(*world("colour"))),
    "volume": lambda _: render_html(audited(*world("volume"), dimensions="3d")),
    "annex": annex,
    "compared": lambda _: render_comparison(audited(*world()), audited(*world(copies=0))),
    "scrub": scrubbed,
}


def pictures(browser: Browser, page: Path) -> None:
    """Pictures of one page beside it."""
    for width in WIDTHS:
        for dark in (False, True):
            browser.open(page, width, HEIGHT, dark)
            start = f"{page.stem}-{width}-{'dark' if dark else 'light'}"
            page.with_name(f"{start}-first.png").write_bytes(browser.picture(whole=False))
            page.with_name(f"{start}.png").write_bytes(browser.picture())
    page.with_suffix(".pdf").write_bytes(browser.printed())


def main() -> None:
    """Write the named pages, or all; a name that is none is a file to make pictures of."""
    folder, names = Path(sys.argv[1]).absolute(), sys.argv[2:] or list(PAGES)
    folder.mkdir(parents=True, exist_ok=True)
    pages = []
    for name in names:
        pages.append(folder / f"{Path(name).stem}.html")
        made = PAGES[name](folder) if name in PAGES else Path(name).read_text(encoding="utf-8")
        pages[-1].write_text(made, encoding="utf-8")
        print(pages[-1], flush=True)
    if not CHROMIUM:
        print("no Chromium: the pages are written without pictures")
        return
    with chromium() as browser:
        for page in pages:
            pictures(browser, page)


if __name__ == "__main__":
    main()
