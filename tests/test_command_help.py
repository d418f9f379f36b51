"""The help of every command: full sentences in named groups; old spellings still work and warn."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from story.world import call
from vestige.auditing import audit as audit_module
from vestige.auditing.options import AuditOptions
from vestige.cli.choices import KINDS
from vestige.cli.main import app
from vestige.cli.options import PANELS, RENAMED

ROOT: Any = typer.main.get_command(app)
FOLDERS = ["--generated", "--used", "--unused", "--query", "--reference"]


def walk(command: Any, name: str = "vestige") -> Iterator[tuple[str, Any]]:
    """Every command with its full name."""
    yield name, command
    for part, below in getattr(command, "commands", {}).items():
        yield from walk(below, f"{name} {part}")


PARAMETERS = [
    pytest.param(parameter, id=f"{name} {parameter.opts[0]}")
    for name, command in walk(ROOT)
    for parameter in command.params
]
LEAVES = [(name, command) for name, command in walk(ROOT) if not hasattr(command, "commands")]


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_every_option_is_explained_by_a_sentence(parameter: Any) -> None:
    told = parameter.help or ""
    assert told[:1].isupper() or told.startswith("--")
    assert told.endswith(".")
    assert len(told.split()) >= 4
    assert not parameter.hidden


@pytest.mark.parametrize(("name", "command"), LEAVES)
def test_options_stand_in_panels_in_one_order(name: str, command: Any) -> None:
    assert command.help.split("\n")[0].endswith(".") or command.help.endswith("?")
    options = [p for p in command.params if p.param_type_name == "option"]
    panels = [p.rich_help_panel for p in options]
    assert set(panels) <= set(PANELS)
    assert panels == sorted(panels, key=PANELS.index), name


def test_an_audit_has_every_panel_and_the_five_folders_first(capsys: Any) -> None:
    command = ROOT.commands["audit"]
    assert [p.opts[0] for p in command.params][:5] == FOLDERS
    assert list(dict.fromkeys(p.rich_help_panel for p in command.params)) == list(PANELS)
    said = call(capsys, "audit", "--help")
    places = [said.out.index(f"─ {panel} ─") for panel in PANELS]
    assert said.code == 0 and places == sorted(places)
    assert "─ Options ─" not in said.out  # --help stands with the others


HAVE = {"--limit-auc": "audit", "--balanced": "export"}


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_spelling_is_taken_with_a_warning_and_not_shown(
    old: str, new: str, capsys: Any
) -> None:
    command = HAVE.get(old, "audit")
    shown = call(capsys, command, "--help").out.split()
    assert new in shown and old not in shown
    given = [old, "0.7"] if old == "--limit-auc" else [old]
    said = call(capsys, command, *given)
    assert said.code == 2  # --out is missing: the old name itself was understood
    assert said.err.splitlines()[0] == f"vestige: {old} is now {new} and will go in 0.3."
    assert "No such option" not in said.err


@pytest.mark.parametrize(
    ("given", "keyword", "value"),
    [
        (["--conform"], "harmonize", True),
        (["--curve"], "release_curve", True),
        (["--no-controls"], "checks", False),
        (["--no-controls", "--controls"], "checks", True),
        (["--limit-auc=0.7"], "max_auc", 0.7),
        (["--limit-auc", "0.7"], "max_auc", 0.7),
        (["--harmonize"], "harmonize", True),
        (["--release-curve"], "release_curve", True),
        (["--no-checks"], "checks", False),
    ],
)
def test_old_and_new_spellings_mean_the_same(
    given: list[str],
    keyword: str,
    value: object,
    tmp_path: Path,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: dict[str, object] = {}

    def stop(folders: object, options: AuditOptions, progress: object) -> None:
        seen.update(vars(options))
        raise KeyboardInterrupt

    monkeypatch.setattr(audit_module, "run_audit", stop)
    said = call(capsys, "audit", "--generated", "g", "--out", tmp_path / "o", *given)
    assert seen[keyword] == value
    assert said.err.count("will go in 0.3") == sum(g.split("=")[0] in RENAMED for g in given)


def test_the_command_has_the_defaults_of_the_function(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[AuditOptions] = []

    def stop(folders: object, options: AuditOptions, progress: object) -> None:
        seen.append(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(audit_module, "run_audit", stop)
    call(capsys, "audit", "--generated", "g", "--out", tmp_path / "o")
    assert seen == [AuditOptions()]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("--harmonise", "--harmonize"),
        ("--release-curves", "--release-curve"),
        ("--no-check", "--no-checks"),
        ("--detectors", "--detector"),
    ],
)
def test_an_unknown_option_names_the_nearest(given: str, meant: str, capsys: Any) -> None:
    said = call(capsys, "audit", given)
    assert said.code == 2 and said.err.count("\n") == 1
    assert given in said.err and meant in said.err.split(given, 1)[1]
    assert not any(f" {old}," in said.err or f" {old})" in said.err for old in RENAMED)


def test_an_old_name_is_only_known_to_commands_that_had_it(capsys: Any) -> None:
    said = call(capsys, "train", "siamese", "--conform")
    assert said.code == 2 and "No such option: --conform" in said.err


DOCS = Path(__file__).resolve().parents[1]
WRITTEN = sorted(
    {
        (page.name, " ".join(command.replace("\\\n", " ").split()))
        for page in (DOCS / "README.md", *(DOCS / "docs").glob("*.md"))
        for command in re.findall(
            r"^ {0,4}(vestige (?:[^\\\n]|\\\n)*)", page.read_text(encoding="utf-8"), re.M
        )
    }
)


@pytest.mark.parametrize(("page", "written"), WRITTEN)
def test_the_docs_give_options_that_exist(page: str, written: str) -> None:
    command: Any = ROOT
    for word in written.split()[1:]:
        command = getattr(command, "commands", {}).get(word, command)
    known = {name for p in command.params for name in (*p.opts, *p.secondary_opts)} | {"--help"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", written.split("#")[0])) <= known


def test_the_docs_give_commands() -> None:
    assert len(WRITTEN) > 15


@pytest.mark.parametrize(
    ("command", "typed", "suggested"),
    [
        ("audit", "--conformm", "--harmonize"),
        ("audit", "--limit-auk", "--max-auc"),
        ("audit", "--curv", "--release-curve"),
        ("audit", "--control", "--checks"),
        ("audit", "--harmonise", "--harmonize"),
        ("export", "--balancd", "--top-half"),
    ],
)
def test_a_misspelt_option_gets_the_new_name(
    capsys: Any, command: str, typed: str, suggested: str
) -> None:
    said = call(capsys, command, typed)
    assert said.code == 2
    assert said.err.startswith(f"vestige: No such option: {typed} (Possible options: ")
    assert suggested in said.err
    assert said.err.count("\n") == 1


def test_a_far_name_gets_no_suggestion(capsys: Any) -> None:
    assert call(capsys, "audit", "--zzzzzz").err == "vestige: No such option: --zzzzzz\n"


def test_list_without_a_kind_lists_the_kinds(capsys: Any) -> None:
    said = call(capsys, "list")
    assert (said.code, said.err) == (0, "")
    assert [line.split()[0] for line in said.out.splitlines()] == list(KINDS)


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("vestige audit --detector nearest_distance_", "nearest_distance_pca"),
        ("vestige audit --detector au", "auto"),
        ("vestige benchmark w --detector mc_", "mc_ball"),
        ("vestige world build diff", "diffusion"),
        ("vestige list back", "backbones"),
        ("vestige export r.json --format image", "imageclef2025"),
        ("vestige audit --eng", "--engine"),
        ("vestige wor", "world"),
    ],
)
def test_the_shell_completes_names(
    typed: str, completed: str, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["vestige"])
    monkeypatch.setenv("_VESTIGE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
    assert completed in call(capsys).out.split()


@pytest.mark.parametrize(
    "words",
    [
        ["audit", "--generated", "", "--used", "u", "--unused", "n", "--out", "o"],
        ["audit", "--generated=", "--used", "u", "--unused", "n", "--out", "o"],
        ["audit", "--generated", "g", "--used", "u", "--unused", "n", "--out", ""],
        ["report", ""],
    ],
)
def test_an_empty_value_is_not_the_current_folder(
    capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = call(capsys, *words)
    assert said.code == 2
    assert said.err.rstrip().endswith("is empty: give it a value.")
    assert not list(tmp_path.iterdir())
