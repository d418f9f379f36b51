"""The pages: cites lead somewhere, every command is one, the quickstart runs as printed."""

import doctest
import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from docs_blocks import ROOT, commands_of_page
from story.world import write
from vestige.cli.main import app, main
from vestige.worlds.embedded import embedded_world

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCE = sorted((ROOT / "src").rglob("*.py"))
CITE = re.compile(r"(?:\bMETHODS|\bmethods\.md)\s+(?:#\s+)?((?:\d+(?:\.\d+)?b?(?:, |-)?)+)")
COMMANDS = [
    pytest.param(words, id=f"{page.stem} {' '.join(words)[:60]}")
    for page in PAGES
    for words in commands_of_page(page.read_text(encoding="utf-8"))
]


NAMED = re.compile(r"((?:images/)?test_\w+)?::(test_\w+)")


def test_every_attack_has_a_test_that_is_there() -> None:
    file, missing, count = "", [], 0
    for row in (ROOT / "fuzz/hardening.md").read_text(encoding="utf-8").splitlines():
        assert (
            not row.startswith("| ")
            or "::" in row
            or row.endswith("| |")
            or "readers:" in row
            or (row.endswith(("| test |", "(below) |")))
        ), row
        for place, name in NAMED.findall(row):
            file = place or file
            path = ROOT / "tests" / ("" if "/" in file else "faults") / f"{file}.py"
            count += 1
            if f"def {name}(" not in path.read_text(encoding="utf-8"):
                missing.append((file, name))
    assert missing == []
    assert count > 70


def cited(text: str) -> set[str]:
    """The sections of docs/methods.md that a text cites: METHODS 4.1, 4.2 gives both."""
    return {one for found in CITE.findall(text) for one in re.findall(r"\d+(?:\.\d+)?b?", found)}


def test_every_cited_section_is_in_methods() -> None:
    text = (ROOT / "docs/methods.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (\d+(?:\.\d+)?b?)\.? ", text, re.M)
    asked = {path.name: cited(path.read_text(encoding="utf-8")) for path in SOURCE}
    assert {"0.3", "1.4b", "2.18", "4.2", "5", "6.5"} <= set().union(*asked.values())
    assert {
        name: missing for name, found in asked.items() if (missing := found - set(headings))
    } == {}
    assert len(headings) == len(set(headings))


@pytest.mark.parametrize(
    ("text", "sections"),
    [
        ("METHODS 4.1, 4.2).", {"4.1", "4.2"}),
        ("docs/methods.md 1.4b; then", {"1.4b"}),
        ("methods.md 2.3-2.8, 4.4. And", {"2.3", "2.8", "4.4"}),
        ("see docs/methods.md\n    6.5, pixel", {"6.5"}),
        ("METHODS 1.4 d3. Exact", {"1.4"}),
        ("METHODS is short. 4.1", set()),
    ],
)
def test_both_spellings_of_a_cite_are_read(text: str, sections: set[str]) -> None:
    assert cited(text) == sections


def test_every_page_is_in_the_menu_of_the_site() -> None:
    """And no page draws with Mermaid, for which the site would load a script from a network."""
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"[\w/.-]+\.md", menu[menu.index("\nnav:") :]))
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in PAGES[1:]}
    added = {one for one in named if one.startswith("repository/")} | {"index.md", "commands.md"}
    assert named == pages | added
    assert not [page for page in PAGES if "```mermaid" in page.read_text(encoding="utf-8")]


def test_every_public_package_is_on_the_reference_page() -> None:
    text = (ROOT / "docs/reference.md").read_text(encoding="utf-8")
    for init in (ROOT / "src/vestige").glob("**/__init__.py"):
        if re.search(r"^__all__", init.read_text(encoding="utf-8"), re.M):
            name = ".".join(init.parent.relative_to(ROOT / "src").parts)
            assert re.search(rf"^## {re.escape(name)}$", text, re.M), name


def parse(words: list[str]) -> None:
    """Parse a command line as click does, and run nothing; "..." stands for what is left out."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("vestige", [], resilient_parsing=True)
    while hasattr(command, "commands"):
        name, words = words[0], words[1:]
        assert name in command.commands, f"no command {name}"
        command = command.commands[name]
        context = command.make_context(name, ["--help"], parent=context, resilient_parsing=True)
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert given - known == set()
    if "..." not in words:
        command.make_context(command.name, list(words))


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_of_the_pages_can_be_parsed(
    words: list[str], tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the vestige.toml that docs/team.md shows, which is parsed as well."""
    (shown,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/team.md").read_text(), re.S)
    (tmp_path / "vestige.toml").write_text(shown, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    parse(words)
    assert capsys.readouterr().err == ""  # an old spelling warns


@pytest.mark.parametrize("words", [["audit", "--nothing"], ["no"], ["world", "build"], ["score"]])
def test_a_wrong_command_is_seen(words: list[str]) -> None:
    with pytest.raises(Exception, match=r"."):
        parse(words)


def test_the_pages_have_many_commands() -> None:
    assert len(COMMANDS) > 20
    names = {words[0] for parameter in COMMANDS for words in parameter.values}
    assert names >= {"audit", "scrub", "export", "score", "report", "train", "world", "benchmark"}


def folders(root: Path) -> None:
    """What README.md and the quickstart name: tiny sets of phantoms, and a challenge folder."""
    world = embedded_world(True, seed=1, n_used=24, n_unused=30, n_generated=80, size=32)
    sets = {"synthetic": world.generated, "train": world.used, "holdout": world.unused[:24]}
    sets["unknown"] = np.concatenate([world.used[:6], world.unused[24:]])
    for folder, images in sets.items():
        write(root / folder, images, folder + "{:02d}.png")
    layout = {"generated": "synthetic", "real_unknown": "unknown", "real_not_used": "holdout"}
    for role, folder in layout.items():
        write(root / "DIR" / role, sets[folder], folder + "{:02d}.png")
    ids = [f"{folder}{k:02d}" for folder, images in sets.items() for k in range(len(images))]
    rows = [f"{one}.png,{one}\n" for one in ids if not one.startswith("synthetic")]
    (root / "patients.csv").write_text("".join(["id,group\n", *rows]), encoding="utf-8")
    truth = [f"unknown{k:02d}.png,{int(k < 6)}\n" for k in range(12)]
    (root / "truth.csv").write_text("".join(truth), encoding="utf-8")


def test_the_first_commands_do_what_the_pages_say(tmp_path: Path, monkeypatch: Any) -> None:
    """Those of README.md up to the first world, then those of the quickstart, in this order."""
    folders(tmp_path)
    monkeypatch.chdir(tmp_path)
    readme, quickstart = (
        commands_of_page((ROOT / name).read_text(encoding="utf-8"))
        for name in ("README.md", "docs/quickstart.md")
    )
    first = readme[: next(k for k, words in enumerate(readme) if words[0] == "world")]
    asked = [*first, *(words for words in quickstart if words not in first)]
    assert [words[0] for words in asked].count("audit") >= 3
    codes = {}
    for words in asked:
        with pytest.raises(SystemExit) as end:
            main(words)
        codes[" ".join(words)] = end.value.code
        assert end.value.code in ({0, 3, 4} if words[0] == "scrub" or "--gate" in words else {0})
    assert 3 in codes.values()  # the gate closes: a tenth are copies
    for file in ("audit/report.html", "keep.txt", "keep.withheld.txt", "run.csv"):
        assert (tmp_path / file).stat().st_size > 0


WITH_EXAMPLES = [
    path.relative_to(ROOT / "src").with_suffix("").as_posix().replace("/", ".")
    for path in SOURCE
    if re.search(r"^\s*>>> ", path.read_text(encoding="utf-8"), re.M)
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_in_docstrings_are_true(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name.removesuffix(".__init__")))
    assert found.attempted > 0
    assert found.failed == 0


def test_there_are_examples_in_docstrings() -> None:
    assert len(WITH_EXAMPLES) >= 3
