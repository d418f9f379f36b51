"""A researcher: build a world from a folder of reals, check it, audit it, and every wrong turn."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from phantom_reals import SIZE, write_reals
from story.world import call, names
from vestige.files.places import told_place
from vestige.worlds import GENERATORS
from vestige.worlds.record import read_truth

FOLDERS = {"used", "unused", "query", "reference", "generated"}


@pytest.fixture(scope="module")
def reals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reals(tmp_path_factory.mktemp("source") / "reals")


def command(reals: Path, out: Path, *more: object, generator: str = "copier") -> list[object]:
    """A command that works; later options replace earlier ones."""
    return [
        *("world", "build", generator, "--images", reals),
        *("--groups", reals.with_name("groups.csv"), "--size", SIZE),
        *("--members", 36, "--unused", 30, "--samples", 60, "--out", out, *more),
    ]


def test_from_reals_to_a_checked_world(reals: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "w"
    build = command(reals, out, "--option", "share=0.5", "--option", "noise=0", "--seed", 3)
    said = call(capsys, *build)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("36 members, 30 unused (33 of both are queries), 33 reference")
    assert "Groups from the CSV file groups.csv: 108 images in 36 groups." in said.out
    assert {p.name for p in out.iterdir()} == FOLDERS | {"truth.csv", "world.json"}
    record = json.loads((out / "world.json").read_text(encoding="utf-8"))
    assert record["recipe"]["options"] == {"share": 0.5, "noise": 0.0}
    assert (record["recipe"]["seed"], record["recipe"]["images"]) == (3, told_place(str(reals)))

    checked = call(capsys, "world", "check", out)
    assert (checked.code, checked.err) == (0, "")
    assert [line.split()[0] for line in checked.out.splitlines()] == ["ok"] * 7
    told = json.loads(call(capsys, "world", "check", out, "--json").out)
    assert told["passed"] is True
    assert [c["name"] for c in told["checks"]][:2] == ["counts", "groups"]

    before = names(out)
    again = call(capsys, *build)
    assert (again.code, again.err) == (0, "")
    assert "there already, unchanged" in again.out
    assert names(out) == before
    assert call(capsys, *build, "--quiet").out == ""


def test_an_audit_finds_the_members_of_a_leaking_world(
    reals: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "w"
    leaking = ("--option", "share=0.8", "--samples", 150, "--query-share", 0, "--reference", 0)
    assert call(capsys, *command(reals, out, *leaking)).code == 0
    groups = tmp_path / "truth.csv"
    rows = [(row.id, row.group) for row in read_truth(out)]
    with groups.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "group"), *rows])
    said = call(
        capsys,
        *("audit", "--generated", out / "generated", "--used", out / "used"),
        *("--unused", out / "unused", "--groups", groups, "--gate", "--out", tmp_path / "audit"),
        *("--false-alarm-rate", 0.1),
    )
    assert (said.code, said.err) == (3, "")


def test_an_unsound_world_is_one_line_and_exit_2(reals: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "w"
    assert call(capsys, *command(reals, out, "--quiet")).code == 0
    record = json.loads((out / "world.json").read_text(encoding="utf-8"))
    record["counts"]["members"] += 1
    (out / "world.json").write_text(json.dumps(record), encoding="utf-8")
    said = call(capsys, "world", "check", out)
    assert said.code == 2
    assert said.out == "FAILED  counts  wrong: members\n"
    assert said.err == (f"vestige: the world {out} is not sound: counts failed. Build it again.\n")
    as_json = call(capsys, "world", "check", out, "--json")
    assert (as_json.code, json.loads(as_json.out)["passed"]) == (2, False)
    (out / "used" / "0001.png").unlink()
    said = call(capsys, "world", "check", out)
    assert (said.code, said.out) == (2, "")
    assert said.err.count("\n") == 1
    assert "files of used" in said.err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--members", 0], "--members must be 1 or more"),
        (["--members", 109], "109 members were asked for, there are 108 images"),
        (["--unused", 0], "--unused must be 1 or more"),
        (["--unused", 200], "not enough images for the role 'unused'"),
        (["--reference", 100], "not enough images for the role 'reference'"),
        (["--reference", 42], "this generator mixes images of 3 or more groups"),
        (["--samples", 0], "--samples must lie in 1..1000000, not 0"),
        (["--size", 7], "--size must lie in 8..1024, not 7"),
        (["--seed", -1], "--seed must lie in 0..2147483647, not -1"),
        (["--query-share", 1.1], "--query-share must lie in 0..1, not 1.1"),
        (["--per-group", 0], "--per-group must be 1 or more"),
        (["--per-group", "many"], "--per-group"),
        (["--group-regex", "p"], "groups were given twice"),
        (["--groups", "missing.csv"], "missing.csv"),
        (["--images", "missing"], "no such folder or file: missing"),
        (["--option", "share"], "--option takes NAME=VALUE"),
        (["--option", "share=1", "--option", "share=2"], "each name once"),
        (["--option", "share=much"], "option share must be a number, not 'much'"),
        (["--option", "share=nan"], "must be a number"),
        (["--option", "share=1.5"], "share must lie in 0..1"),
        (["--option", "width=3"], "has no option 'width'. Known: share, rotation"),
    ],
)
def test_a_wrong_option_is_one_line_and_leaves_nothing(
    options: list[object], says: str, reals: Path, tmp_path: Path, capsys: Any
) -> None:
    said = call(capsys, *command(reals, tmp_path / "new" / "w", *options))
    assert (said.code, said.out) == (2, "")
    assert says in said.err
    assert said.err.count("\n") == 1
    assert not names(tmp_path)


def test_too_few_groups_for_the_roles(reals: Path, tmp_path: Path, capsys: Any) -> None:
    table = tmp_path / "few.csv"
    rows = [f"{p.name},g{int(p.name[1:3]) % 7}\n" for p in reals.iterdir()]
    table.write_text("".join(["id,group\n", *rows]), encoding="utf-8")
    said = call(capsys, *command(reals, tmp_path / "w", "--groups", table))
    assert said.code == 2
    assert "roles need 7 or more groups" not in said.err
    table.write_text(table.read_text().replace(",g5", ",g4").replace(",g6", ",g4"))
    said = call(capsys, *command(reals, tmp_path / "w", "--groups", table))
    assert said.code == 2
    assert "7 roles need 7 or more groups, there are 5" in said.err
    assert said.err.count("\n") == 1


def test_an_unknown_generator_is_met_with_a_suggestion(
    reals: Path, tmp_path: Path, capsys: Any
) -> None:
    said = call(capsys, *command(reals, tmp_path / "w", generator="copyer"))
    assert said.code == 2
    assert "unknown generator 'copyer'. Did you mean 'copier'?" in said.err
    assert all(name in said.err for name in GENERATORS)


@pytest.mark.parametrize("missing", ["--images", "--members", "--samples", "--out"])
def test_what_is_needed_must_be_given(
    missing: str, reals: Path, tmp_path: Path, capsys: Any
) -> None:
    whole = command(reals, tmp_path / "w")
    place = whole.index(missing)
    said = call(capsys, *whole[:place], *whole[place + 2 :])
    assert said.code == 2
    assert missing in said.err
    assert said.err.count("\n") == 1
    assert not names(tmp_path)


def test_an_unreadable_image_stops_the_build(tmp_path: Path, capsys: Any) -> None:
    reals = write_reals(tmp_path / "reals")
    path = reals / "p03_010.png"
    path.write_bytes(path.read_bytes()[:200])
    said = call(capsys, *command(reals, tmp_path / "w"))
    assert said.code == 2
    assert "1 file(s)" in said.err
    assert "p03_010.png" in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "w").exists()


def test_a_folder_with_something_else_in_it_is_refused(
    reals: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "w"
    assert call(capsys, *command(reals, out, "--quiet")).code == 0
    said = call(capsys, *command(reals, out, "--seed", 4))
    assert said.code == 2
    assert "holds a world of another recipe (seed 0, not 4): name a new --out" in said.err
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    assert "already holds other files (notes.txt)" in call(capsys, *command(reals, out)).err
    other = tmp_path / "other"
    (other / "used").mkdir(parents=True)
    assert "already holds other files (used)" in call(capsys, *command(reals, other)).err
    file = tmp_path / "file"
    file.write_bytes(b"")
    said = call(capsys, *command(reals, file))
    assert (said.code, said.err.count("\n")) == (2, 1)
    for folder, says in (
        (reals, "is not a world: it has no world.json"),
        (tmp_path / "none", "is not a world"),
    ):
        said = call(capsys, "world", "check", folder)
        assert (said.code, said.err.count("\n")) == (2, 1)
        assert says in said.err


def test_a_full_disk_is_one_line_and_exit_2(reals: Path, tmp_path: Path) -> None:
    out = tmp_path / "w"
    # files may not grow beyond 512 bytes: what a full disk looks like to a process
    limited = (
        "import resource, signal, sys\n"
        "from vestige.cli.main import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (512, resource.RLIM_INFINITY))\n"
        "main(sys.argv[1:])\n"
    )
    arguments = [str(a) for a in command(reals, out)]
    done = subprocess.run(
        [sys.executable, "-c", limited, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "cannot write" in done.stderr
    assert "File too large" in done.stderr
    assert not (out / "world.json").exists()
    assert not list(out.glob(".*"))


def test_world_alone_shows_its_commands(capsys: Any) -> None:
    said = call(capsys, "world")
    assert said.code in (0, 2)
    shown = said.out + said.err
    assert "build" in shown
    assert "check" in shown
