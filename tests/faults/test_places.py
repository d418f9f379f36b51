"""Inputs, cache and outputs lie apart; nothing is overwritten, mixed or left behind."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import vestige
from story.world import call, names, release
from vestige.engine.processes import Processes
from vestige.files.locked import locked
from vestige.files.whole import whole, write_together
from vestige.registry.entries import InputError

ONE = ("--detector", "nearest_distance", "--no-checks", "--quiet")


@pytest.fixture
def world(leaking: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(leaking, tmp_path / "world"))


@pytest.fixture(scope="module")
def audited(leaking: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result.json."""
    made = vestige.audit(
        leaking / "generated", used=leaking / "used", unused=leaking / "unused",
        groups=leaking / "groups.csv", detectors=["nearest_distance"],
    )  # fmt: skip
    out = tmp_path_factory.mktemp("audited")
    made.save(out)
    return out / "result.json"


def refused(said: Any, *parts: str) -> None:
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("vestige: ") and said.err.count("\n") == 1
    assert [part for part in parts if part not in said.err] == []


# --- places
@pytest.mark.parametrize("role", ["generated", "used", "unused"])
@pytest.mark.parametrize("option", ["--cache", "--out"])
@pytest.mark.parametrize("inner", ["", "new", ".hidden/deep"])
def test_nothing_is_written_among_the_inputs(
    world: Path, tmp_path: Path, capsys: Any, role: str, option: str, inner: str
) -> None:
    before = names(world)
    places: dict[str, object] = {"--out": tmp_path / "out"}
    places[option] = world / role / inner
    asked = [part for pair in places.items() for part in pair]
    refused(call(capsys, "audit", *release(world), *ONE, *asked), option, f"--{role}")
    assert names(world) == before and not (tmp_path / "out").exists()


def test_a_link_leads_into_the_inputs_no_less(world: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "link").symlink_to(world / "generated")
    out = ("--out", tmp_path / "out")
    refused(
        call(capsys, "audit", *release(world), *ONE, *out, "--cache", tmp_path / "link" / "c"),
        "--cache",
    )
    refused(call(capsys, "audit", *release(world), *ONE, "--out", tmp_path / "link" / "o"), "--out")
    (tmp_path / "cache" / "old").mkdir(parents=True)
    shutil.copy(next((world / "used").iterdir()), tmp_path / "cache" / "old" / "x.png")
    (world / "generated" / "more").symlink_to(tmp_path / "cache" / "old")
    refused(
        call(capsys, "audit", *release(world), *ONE, *out, "--cache", tmp_path / "cache"), "--cache"
    )


@pytest.mark.parametrize(("cache", "out"), [("c", "c"), ("c", "c/out"), ("o/c", "o")])
def test_cache_and_output_lie_apart(
    leaking: Path, tmp_path: Path, capsys: Any, cache: str, out: str
) -> None:
    places = ("--cache", tmp_path / cache, "--out", tmp_path / out)
    refused(call(capsys, "audit", *release(leaking), *ONE, *places), "--cache")
    assert names(tmp_path) == []


def test_no_file_of_the_inputs_is_overwritten(
    world: Path, audited: Path, tmp_path: Path, capsys: Any
) -> None:
    result = tmp_path / "result.json"
    shutil.copy(audited, result)
    picture = sorted((world / "used").iterdir())[0]
    link = tmp_path / "link.json"
    link.symlink_to(result)
    before = {file: file.read_bytes() for file in (result, picture, world / "groups.csv")}
    for command in (
        ["report", result, "--out", result],
        ["report", result, "--out", link],
        ["report", link, "--redact", "--out", result],
        ["export", result, "--format", "imageclef2025", "--top-half", "--out", result],
        ["scrub", result, *release(world), "--out", picture],
        ["scrub", result, *release(world), "--out", result],
        ["scrub", result, *release(world), "--out", world / "generated" / "keep.txt"],
        ["scrub", result, *release(world), "--out", world / "groups.csv"],
        ["scrub", result, *release(world), "--out", tmp_path / "k", "--cache", world / "used"],
        ["scrub", result, *release(world), "--out", tmp_path / "k", "--copy-to", world / "used/x"],
        ["world", "build", "pca_gaussian", "--images", world / "used", "--members", "9",
         "--samples", "9", "--out", world / "used" / "w"],
        ["train", "siamese", *release(world), "--out", world / "used" / "m.safetensors"],
    ):  # fmt: skip
        refused(call(capsys, *command), "name a")
    assert {file: file.read_bytes() for file in before} == before
    assert not (tmp_path / "k").exists()


# --- one run at a time
def test_two_runs_on_one_folder(leaking: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "out"
    out.mkdir()
    other = os.open(out, os.O_RDONLY)  # another run, as far as a lock can tell
    fcntl.flock(other, fcntl.LOCK_EX)
    asked = [*release(leaking), *ONE, "--out", out]
    refused(call(capsys, "audit", *asked), "another run writes to", str(out))
    os.close(other)
    assert call(capsys, "audit", *asked).code == 0
    assert len(names(out)) == 3


def test_files_of_two_runs_do_not_mix(tmp_path: Path) -> None:
    files = [tmp_path / name for name in "abcdef"]

    def write(text: str) -> None:
        for _ in range(40):
            write_together(dict.fromkeys(files, text))

    threads = [threading.Thread(target=write, args=(text,)) for text in "xyz"]
    for thread in threads:
        thread.start()
    seen = []
    while any(thread.is_alive() for thread in threads):
        if files[-1].exists():
            with locked(tmp_path, wait=True):
                seen.append({file.read_text() for file in files})
    assert all(len(texts) == 1 for texts in seen)
    assert names(tmp_path) == list("abcdef")


def test_a_planted_link_is_not_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious, folder = tmp_path / "precious", tmp_path / "out"
    precious.write_text("mine")
    folder.mkdir()
    # the names of earlier versions could be guessed
    guessed = f".result.json.{os.getpid()}.{threading.get_ident()}.tmp"
    (folder / guessed).symlink_to(precious)
    (folder / ".vestige-probe").symlink_to(precious)
    write_together({folder / "result.json": "theirs"})
    assert precious.read_text() == "mine"
    # and a name that is there after all is never opened
    monkeypatch.setattr("vestige.files.whole.secrets.token_hex", lambda _: "0")
    (folder / ".x.0.tmp").symlink_to(precious)
    with pytest.raises(FileExistsError), whole(folder / "x") as partial:
        partial.write_text("theirs")
    assert precious.read_text() == "mine"


def test_results_are_for_their_owner_alone(audited: Path, tmp_path: Path, capsys: Any) -> None:
    page = tmp_path / "page.html"
    assert call(capsys, "report", audited, "--out", page).code == 0
    for file in (*audited.parent.iterdir(), page):
        assert file.stat().st_mode & 0o077 == 0, file


def test_a_long_name_leaves_room_for_the_temporary_one(tmp_path: Path) -> None:
    target = tmp_path / ("ü" * 127)
    write_together({target: "x"})
    assert target.read_text() == "x"


# --- temporary files
def test_a_missing_folder_for_temporary_files_is_said(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    asked = [*release(leaking), *ONE, "--out", tmp_path / "out"]
    refused(call(capsys, "audit", *asked), "TMPDIR names", "nowhere")


def copy_and_wait(place: str) -> None:
    """What a worker does that fetches a file: it makes a copy in the temporary folder."""
    with tempfile.TemporaryDirectory(prefix="vestige-") as folder:
        (Path(folder) / "patient.dcm").write_bytes(b"picture")
        Path(place).write_text(folder)
        time.sleep(60)


RUN = """
import sys, time
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from vestige.cli.ending import ended_as_by_ctrl_c
from vestige.engine.processes import Processes
from test_places import copy_and_wait
with ended_as_by_ctrl_c(), Processes(2) as pool:
    for k in range(2):
        pool.submit(copy_and_wait, f"{sys.argv[1]}/{k}")
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_no_copy_is_left_when_a_run_is_ended(tmp_path: Path, number: int) -> None:
    private, told = tmp_path / "tmp", tmp_path / "told"
    private.mkdir()
    told.mkdir()
    paths = [str(Path(__file__).parent), *sys.path]
    environment = os.environ | {"TMPDIR": str(private), "PYTHONPATH": os.pathsep.join(paths)}
    asked = [sys.executable, "-c", RUN, told, str(Path(__file__).parent)]
    with subprocess.Popen(asked, env=environment, stderr=subprocess.PIPE) as run:
        until = time.monotonic() + 60
        while len(list(told.iterdir())) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        assert len(list(private.rglob("patient.dcm"))) == 2
        run.send_signal(number)
        run.communicate(timeout=60)
    assert names(private) == []


def test_workers_leave_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Processes(1) as pool:
        assert pool.submit(tempfile.gettempdir).result().startswith(str(tmp_path))
    assert names(tmp_path) == []


def test_a_benchmark_clears_its_own_arrays_alone(tmp_path: Path) -> None:
    from vestige.benchmark.ground import clear_cache

    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "mine.npz").write_text("mine")
    clear_cache(tmp_path, [])
    assert (tmp_path / "cache" / "mine.npz").exists()


def test_places_are_told_by_name() -> None:
    from vestige.files.places import told_place

    told = str(told_place("/data/Mueller Hans/reals"))
    assert told.startswith("reals@") and "Mueller" not in told
    assert told_place(told) == told and told_place("reals") == "reals" and told_place(3) == 3
    assert told_place("/data/other/reals") != told
    assert json.dumps(told)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("cannot read /data/Mueller Hans/a.png", "cannot read a.png"),
        ("cannot read '/data/Mueller Hans/a.png': gone", "cannot read 'a.png': gone"),
        ("KeyError: 'x' (/home/me/vestige/a.py:3)", "KeyError: 'x' (a.py:3)"),
        ("no such file: C:\\data\\a.png", "no such file: a.png"),
        ("used/a.png has 3/4 of s3://b/x / 2", "used/a.png has 3/4 of s3://b/x / 2"),
    ],
)
def test_messages_of_shared_files_name_no_folder(said: str, told: str) -> None:
    from vestige.files.places import without_places

    assert without_places(said) == told


def test_one_that_waits_gets_its_turn(tmp_path: Path) -> None:
    with locked(tmp_path):
        write_together({tmp_path / "a": "x"})  # the run itself
    with locked(tmp_path), locked(tmp_path / "deeper" / "missing"):
        pass
    held = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(InputError, match="another run"), locked(tmp_path):
        pass
    os.close(held)
