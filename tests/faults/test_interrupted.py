"""A run that ends early, for whatever reason, leaves nothing half-written."""

import os
import signal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import vestige.cli.main  # noqa: F401  # loads the modules of an audit
from story.world import FILES, call, names, release

STAGES = {
    "read_images": "vestige.auditing.gathering",
    "score_columns": "vestige.auditing.scoring",
    "run_named_checks": "vestige.auditing.checks",
    "measure_sets": "vestige.auditing.checks",
}

ONE = ("--detector", "nearest_distance")
QUICK = (*ONE, "--no-checks")
"""What is written, and when, does not depend on how many columns there are."""


def press_ctrl_c(*arguments: Any, **options: Any) -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("there", [False, True])
def test_ctrl_c(
    leaking: Path,
    tmp_path: Path,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    there: bool,
) -> None:
    out = tmp_path / "deep" / "out"
    if there:
        out.mkdir(parents=True)
    monkeypatch.setattr(import_module(STAGES[stage]), stage, press_ctrl_c)
    said = call(capsys, "audit", *release(leaking), *ONE, "--out", out)
    assert said.code == 130
    assert said.out == ""
    assert said.err == "vestige: interrupted before the result was written.\n"
    assert names(tmp_path) == (["deep", "deep/out"] if there else [])


def test_ctrl_c_while_saving_keeps_the_earlier_result(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert call(capsys, "audit", *release(leaking), *QUICK, "--quiet", "--out", out).code == 0
    before = [(out / name).read_bytes() for name in FILES]
    monkeypatch.setattr(Path, "replace", press_ctrl_c)
    said = call(capsys, "audit", *release(leaking), *QUICK, "--seed", 9, "--force", "--out", out)
    assert said.code == 130
    assert [(out / name).read_bytes() for name in FILES] == before
    assert names(out) == FILES


@pytest.mark.parametrize("method", ["replace", "write_bytes"])
def test_a_full_disk_while_saving(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def full(self: Path, *arguments: Any) -> None:
        if method == "write_bytes":
            self.touch()  # the file was begun
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, method, full)
    out = tmp_path / "out"
    said = call(capsys, "audit", *release(leaking), *QUICK, "--out", out)
    assert (said.code, said.out) == (2, "")
    assert said.err == f"vestige: cannot write {out}: No space left on device\n"
    assert names(tmp_path) == []


@pytest.mark.parametrize("command", ["export", "report"])
def test_a_full_disk_while_exporting(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    asked = ["--generated", leaking / "generated", "--query", leaking / "used", "--quiet"]
    assert call(capsys, "audit", *asked, *ONE, "--out", tmp_path / "o").code == 0
    target = tmp_path / "written.html"
    target.write_text("earlier")

    def full(self: Path, *arguments: Any) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "replace", full)
    more = ["--format", "imageclef2025", "--top-half"] if command == "export" else []
    said = call(capsys, command, tmp_path / "o" / "result.json", *more, "--out", target)
    assert said.code == 2
    assert said.err == f"vestige: cannot write {target}: No space left on device\n"
    assert target.read_text() == "earlier"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o", "written.html"]


def test_an_error_in_the_middle_is_not_swallowed(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a fault of ours is no "bad input": it shows as itself, and still writes nothing
    def fault(*arguments: Any, **options: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(import_module("vestige.auditing.scoring"), "judge", fault)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        call(capsys, "audit", *release(leaking), *ONE, "--out", tmp_path / "out")
    assert names(tmp_path) == []


def test_a_worker_that_fails_is_not_swallowed(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*arguments: Any) -> None:
        raise PermissionError(13, "Permission denied", "x.png")

    monkeypatch.setattr(import_module("vestige.images.reading"), "read_shard", denied)
    asked = [*release(leaking), "--engine", "local:2", "--out", tmp_path / "out"]
    said = call(capsys, "audit", *asked)
    assert (said.code, said.err) == (2, "vestige: Permission denied: x.png\n")
    assert names(tmp_path) == []


def test_a_killed_run_goes_on_where_it_was(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module("vestige.images.cache")
    read, done = module.read_shard, 0

    def counted(*arguments: Any) -> Any:
        nonlocal done
        done += 1
        if done == 3:
            press_ctrl_c()
        return read(*arguments)

    out = tmp_path / "out"
    asked = [*release(leaking), *QUICK, "--engine", "local:1"]
    asked += ["--cache", tmp_path / "c", "--out", out]
    monkeypatch.setattr(module, "read_shard", counted)
    assert call(capsys, "audit", *asked).code == 130
    assert not out.exists()
    assert call(capsys, "audit", *asked, "--quiet").code == 0
    # 120 generated images are two shards, which were kept; used and unused are one each
    assert done == 3 + 2
    resumed = (out / "findings.csv").read_bytes()
    plain = [*release(leaking), *QUICK, "--quiet", "--out", out]
    assert call(capsys, "audit", *plain).code == 0
    assert (out / "findings.csv").read_bytes() == resumed


@pytest.mark.slow
def test_a_damaged_cache_is_made_anew(leaking: Path, tmp_path: Path, capsys: Any) -> None:
    cache = tmp_path / "c"
    written, files = [], []
    for damage in (None, b"", b"PK\x03\x04 no archive", "half"):
        for file in (file for file in cache.rglob("*") if file.is_file()):
            whole = file.read_bytes()
            file.write_bytes(whole[: len(whole) // 2] if damage == "half" else damage)
        asked = [*release(leaking), *ONE, "--cache", cache, "--quiet", "--out", tmp_path / "out"]
        assert call(capsys, "audit", *asked).code == 0
        written.append((tmp_path / "out" / "findings.csv").read_bytes())
        files.append(sorted(file.name for file in cache.rglob("*") if file.is_file()))
    assert len(set(written)) == 1
    assert files == [files[0]] * 4
    assert len(files[0]) > 9  # four shards of two files each, the record of the run, the columns


def test_a_cache_that_cannot_be_written(leaking: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "file").write_text("mine")
    asked = [*release(leaking), "--cache", tmp_path / "file", "--out", tmp_path / "out"]
    said = call(capsys, "audit", *asked)
    assert said.code == 2
    assert said.err.startswith("vestige: cannot write to the cache")
    assert names(tmp_path) == ["file"]
