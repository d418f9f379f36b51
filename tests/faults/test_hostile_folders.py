"""Folders that loop, change, vanish or may not be read, and a whole audit of bad files."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hostile
from permissions import modes_count
from story.world import call, load, release
from vestige.images import shards
from vestige.images.listing import list_files
from vestige.images.readers import read_file
from vestige.images.reading import read_images
from vestige.images.thumbnails import shown
from vestige.registry.entries import InputError

unix = pytest.mark.skipif(sys.platform == "win32", reason="links, modes and bytes of Unix")


def png(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(hostile.by_pillow(hostile.picture(32, 32, seed), "PNG"))
    return path


# --- links
@unix
def test_loops_of_links_end_and_each_is_a_row(tmp_path: Path) -> None:
    png(tmp_path / "deep" / "a.png")
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    (tmp_path / "one.png").symlink_to(tmp_path / "two.png")
    (tmp_path / "two.png").symlink_to(tmp_path / "one.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "deep" / "up").symlink_to(tmp_path)
    (tmp_path / "deep" / "here").symlink_to(tmp_path / "deep")
    for side, other in (("left", "right"), ("right", "left")):
        (tmp_path / side).mkdir()
        (tmp_path / side / "across").symlink_to(tmp_path / other)
    images = read_images(tmp_path, role="used", size=16)
    assert images.ids == ("deep/a.png",)
    *faults, ignored = images.problems
    rows = {p.path: p for p in faults}
    assert set(rows) == {f"used/{name}.png" for name in ("self", "one", "two", "gone")}
    assert "symbolic links" in rows["used/self.png"].what
    assert all(p.severity == "error" for p in rows.values())
    assert (ignored.severity, images.files.ignored[0][1]) == ("warning", 4)
    with pytest.raises(InputError):
        list_files(tmp_path / "self.png")


# --- permissions
@unix
def test_what_may_not_be_read_is_a_row_or_one_error(tmp_path: Path) -> None:
    png(tmp_path / "good.png")
    png(tmp_path / "shut.png").chmod(0)
    (tmp_path / "shut.dcm").write_bytes(hostile.dicom(hostile.picture()))
    (tmp_path / "shut.dcm").chmod(0)
    with modes_count():
        images = read_images(tmp_path, role="used", size=16)
    assert images.ids == ("good.png",)
    assert [p.path for p in images.problems] == ["used/shut.dcm", "used/shut.png"]
    assert all("Permission denied" in p.what for p in images.problems)
    assert all(p.severity == "error" for p in images.problems)
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed").chmod(0)
    with modes_count(), pytest.raises(InputError, match=r"cannot read folder .*closed: Perm"):
        list_files(tmp_path)
    (tmp_path / "closed").chmod(0o700)


# --- files that change
def test_gone_between_listing_and_reading(tmp_path: Path) -> None:
    png(tmp_path / "a.png")
    files = [*list_files(tmp_path), ("b.png", tmp_path / "b.png"), ("n.png", "a\0b.png")]
    shard = shards.read_shard(files, 16)
    assert [r.id for r in shard.records] == ["a.png"]
    assert [p.path for p in shard.problems] == ["b.png", "n.png"]
    assert "No such file" in shard.problems[0].what


def test_gone_as_soon_as_it_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = png(tmp_path / "a.png")

    def read_and_remove(path: Any, *arguments: Any) -> Any:
        frames = read_file(path, *arguments)
        os.remove(path)
        return frames

    monkeypatch.setattr(shards, "read_file", read_and_remove)
    shard = shards.read_shard([("a.png", path)], 16)
    assert len(shard.records) == 1
    assert shard.records[0].bytes_per_pixel == 0


def removed(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def another(path: Path) -> None:
    path.write_bytes(hostile.by_pillow(hostile.picture(32, 32, 9), "PNG"))


def fewer(path: Path) -> None:
    path.write_bytes(hostile.by_pillow(hostile.picture(12, 12, 0), "PNG"))


def no_file(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("change", [removed, cut, another, fewer, no_file])
def test_changed_since_it_was_read(tmp_path: Path, change: Callable[[Path], None]) -> None:
    (tmp_path / "a.png").write_bytes(hostile.animated("PNG", 3))
    images = read_images(tmp_path, role="used", size=12)
    before = images.original(2)
    np.testing.assert_array_equal(before, hostile.picture(12, 12, 2) / np.float32(255))
    change(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"^a\.png#2 has changed since it was read") as caught:
        images.original(2)
    assert "\n" not in str(caught.value)
    # the gallery shows what was judged
    np.testing.assert_array_equal(shown(images, 2, 12), images.pixels[2])


def test_a_list_with_a_name_that_no_file_has(tmp_path: Path) -> None:
    png(tmp_path / "a.png")
    table = tmp_path / "list.csv"
    table.write_text("a.png\nb\0.png\n", encoding="utf-8")
    for cache in (None, tmp_path / "cache"):  # the key of the cache asked for the file's date
        with pytest.raises(InputError, match="holds zero bytes"):
            read_images(table, role="used", size=16, cache=cache)


# --- a whole audit
@pytest.fixture
def copied(leaking: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(leaking, tmp_path / "world"))


def test_an_audit_of_every_bad_file_names_them_all(
    copied: Path, tmp_path: Path, capfd: Any
) -> None:
    bad = {name: content for name, content, _ in hostile.broken()}
    slow = ("header.npy", "member.npz", "deflate.dcm", "rle.dcm", "runs.tif", "lzma.tif")
    bad |= {f"bomb_{n}": c for n, c, _ in hostile.bombs() if n not in slow}
    for role in ("used", "generated"):
        for name, content in bad.items():
            (copied / role / name).write_bytes(content)
    if sys.platform != "win32":
        (copied / "used" / "loop.png").symlink_to(copied / "used" / "loop.png")
        raw = os.fsencode(copied / "used") + b"/caf\xe9\xff <b>.png"
        Path(os.fsdecode(raw)).write_bytes(b"no picture")
        os.mkfifo(copied / "used" / "pipe.png")
    out = tmp_path / "out"
    said = call(capfd, "audit", *release(copied)[:-2], "--detector", "mc_ball", "--out", out)
    assert said.code == 0
    assert said.err == ""
    result = load(out)
    told = {p.path for p in result.problems}
    for role in ("used", "generated"):
        assert {f"{role}/{name}" for name in bad} <= told
    if sys.platform != "win32":
        odd = os.fsdecode(b"used/caf\xe9\xff <b>.png")
        assert {"used/loop.png", "used/pipe.png", odd} <= told
    assert (result.question.counts["used"], result.question.counts["generated"]) == (40, 120)
    assert "file(s) could not be read" in said.out
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<b>.png" not in page
    assert "bomb_pages.tif" in page


def test_a_folder_of_bad_files_only_is_refused(copied: Path, tmp_path: Path, capsys: Any) -> None:
    shutil.rmtree(copied / "used")
    (copied / "used").mkdir()
    for name, content, _ in hostile.broken():
        (copied / "used" / name).write_bytes(content)
    said = call(capsys, "audit", *release(copied)[:-2], "--out", tmp_path / "out")
    assert (said.code, said.out) == (2, "")
    assert said.err.count("\n") == 1
    assert "no readable image among the" in said.err
    assert not (tmp_path / "out").exists()
