"""Broken and hostile files among good ones: rows in problems, exit 0, and safe output."""

import csv
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from story.world import FILES, Called, call, load, names, release
from vestige.decision.audited import schema


@pytest.fixture
def copied(leaking: Path, tmp_path: Path) -> Path:
    """A world of one's own."""
    return Path(shutil.copytree(leaking, tmp_path / "world"))


def plain(folder: Path) -> list[object]:
    """Options without groups.csv, which does not know the added files."""
    return release(folder)[:-2]


def truncated_png(folder: Path) -> str:
    whole = next(iter(sorted(folder.iterdir()))).read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    return "cut.png"


def text_png(folder: Path) -> str:
    (folder / "sub").mkdir()
    (folder / "sub" / "text.png").write_text("I am not a picture\n" * 20)
    return "sub/text.png"


def empty_png(folder: Path) -> str:
    (folder / "empty.png").touch()
    return "empty.png"


def truncated_dicom(folder: Path) -> str:
    from pydicom.data import get_testdata_file

    whole = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()
    (folder / "cut.dcm").write_bytes(whole[: len(whole) * 2 // 3])
    return "cut.dcm"


def dangling_link(folder: Path) -> str:
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    return "gone.png"


SPOILT = (truncated_png, text_png, empty_png, truncated_dicom, dangling_link)


@pytest.mark.parametrize("role", ["generated", "used", "unused"])
def test_each_bad_file_is_a_row_and_no_more(
    copied: Path, tmp_path: Path, capsys: Any, role: str
) -> None:
    bad = sorted(f"{role}/{spoil(copied / role)}" for spoil in SPOILT)
    detector = ["--detector", "nearest_distance"]
    said = call(capsys, "audit", *plain(copied), *detector, "--out", tmp_path / "out")
    assert (said.code, said.err) == (0, "")
    result = load(tmp_path / "out")
    assert sorted(p.path for p in result.problems) == bad
    assert result.question.counts[role] == (120 if role == "generated" else 40)
    errors = sum(p.severity == "error" for p in result.problems)
    assert f"{errors} file(s) could not be read" in said.out
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert all(path.partition("/")[2] in page for path in bad)


HOSTILE = ["=cmd()|'x'!A1.png", "<script>alert(1)<img src=x onerror=y>.png", "a\nb.png", "-1,2.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such file names")
def test_hostile_names_reach_nobody(copied: Path, tmp_path: Path, capsys: Any) -> None:
    for folder, first in (("used", 0), ("generated", 0)):
        files = sorted((copied / folder).iterdir())
        for name, file in zip(HOSTILE, files[first:], strict=False):
            file.rename(file.with_name(name))
    raw = os.fsencode(copied / "used") + b"/caf\xe9\xff.png"
    try:
        os.rename(os.fsencode(sorted((copied / "used").glob("patient*"))[0]), raw)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (copied / "used" / "<b>broken\n.png").write_text("no picture")
    out = tmp_path / "out"
    said = call(capsys, "audit", *plain(copied), "--out", out)
    assert (said.code, said.err) == (0, "")
    result = load(out)
    ids = {f.id for f in result.findings}
    assert set(HOSTILE) <= ids
    assert os.fsdecode(b"caf\xe9\xff.png") in ids
    assert [p.path for p in result.problems] == ["used/<b>broken\n.png"]
    read = json.loads((out / "result.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema()).validate(read)
    with (out / "findings.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.reader(handle))
    assert len(rows) == 41
    assert {len(row) for row in rows} == {len(rows[0])}
    texts = [cell for row in rows[1:] for cell in (row[0], row[1], row[-2])]
    assert not [cell for cell in texts if cell.startswith(("=", "+", "-", "@", "\n"))]
    assert {row[0].removeprefix("'") for row in rows[1:]} >= set(HOSTILE)
    again = tmp_path / "again.html"
    assert call(capsys, "report", out / "result.json", "--out", again) == Called(0, "", "")
    for page in (out / "report.html", again):
        text = page.read_text(encoding="utf-8")
        assert text.count("<script") == 1  # ours, which the page allows by its hash
        assert "<img src=x" not in text
        assert "<b>broken" not in text
        assert "&lt;script&gt;alert(1)" in text
    public = tmp_path / "public.html"
    assert call(capsys, "report", out / "result.json", "--redact", "--out", public).code == 0
    assert "alert(1)" not in public.read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such file names")
def test_a_run_with_a_name_that_no_format_holds(copied: Path, tmp_path: Path, capsys: Any) -> None:
    first = sorted((copied / "used").iterdir())[0]
    first.rename(first.with_name("a,b.png"))
    asked = ["--generated", copied / "generated", "--query", copied / "used"]
    asked += ["--unused", copied / "unused", "--out", tmp_path / "out"]
    assert call(capsys, "audit", *asked).code == 0
    run = tmp_path / "run.csv"
    export = ["export", tmp_path / "out" / "result.json", "--format", "imageclef2025"]
    said = call(capsys, *export, "--out", run)
    assert (said.code, said.out) == (2, "")
    assert "cannot hold this run" in said.err
    assert not run.exists()


def test_a_pipe_among_the_images_does_not_hang(copied: Path, tmp_path: Path, capsys: Any) -> None:
    os.mkfifo(copied / "used" / "pipe.png")
    said = call(capsys, "audit", *plain(copied), "--detector", "mc_ball", "--out", tmp_path / "out")
    assert said.code == 0
    assert [p.path for p in load(tmp_path / "out").problems] == ["used/pipe.png"]
    assert names(tmp_path / "out") == FILES
