"""Every entry of a folder and every answer of a worker is accounted for, or nothing is said."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import hostile
from story.world import call, load, release
from vestige.images import reading, shards
from vestige.images.listing import list_files, listed
from vestige.images.reading import read_images
from vestige.images.shards import Shard, read_shard
from vestige.registry.entries import InputError

unix = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes of Unix")
QUICK = ["--detector", "nearest_distance", "--no-checks", "--quiet"]


def png(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(hostile.by_pillow(hostile.picture(32, 32, seed), "PNG"))
    return path


# --- copies that were never looked at
def as_fits(image: Path, folder: Path) -> None:
    head = b"SIMPLE  =                    T".ljust(2880)
    (folder / f"{image.stem}.fits").write_bytes(head + Image.open(image).tobytes())


def hide(image: Path, folder: Path) -> None:
    (folder / ".cache").mkdir(exist_ok=True)
    shutil.copy(image, folder / ".cache" / image.name)


def call_it_pdf(image: Path, folder: Path) -> None:
    shutil.copy(image, folder / f"{image.stem}.pdf")


def scramble(image: Path, folder: Path) -> None:
    (folder / f".{image.stem}").write_bytes(bytes(255 - b for b in image.read_bytes()))


HIDING = [as_fits, hide, call_it_pdf, scramble]


@pytest.mark.parametrize("way", HIDING)
def test_one_copy_that_nobody_looked_at_is_left_aside(
    tmp_path: Path, way: Callable[[Path, Path], None]
) -> None:
    for k in range(150):  # far below 1 % of the files
        png(tmp_path / "generated" / f"{k}.png", k)
    way(png(tmp_path / "used.png", 200), tmp_path / "generated")
    ledger = read_images(tmp_path / "generated", role="generated", size=8).files
    assert (ledger.read, ledger.unread, ledger.left_aside, ledger.entries) == (150, 1, 1, 151)


def test_an_audit_does_not_open_for_what_it_did_not_look_at(
    clean: Path, tmp_path: Path, capsys: Any
) -> None:
    world = Path(shutil.copytree(clean, tmp_path / "world"))
    as_fits(sorted((world / "used").iterdir())[0], world / "generated")
    call(capsys, "audit", *release(world), *QUICK, "--out", tmp_path / "out")
    result = load(tmp_path / "out")
    assert result.decision.gate == "undecided"
    assert result.decision.codes[0] == "generated_unread"
    assert "convert_unread" in result.decision.remedy
    assert "1 of 121 generated files could not be read" in result.decision.text


def test_every_entry_is_an_image_a_row_or_ignored(tmp_path: Path) -> None:
    png(tmp_path / "a.png")
    png(tmp_path / ".git" / "objects" / "picture.png")
    (tmp_path / ".git" / "objects" / "ab").write_bytes(b"\x78\x01\xff\xfe\0packed")
    (tmp_path / "README").write_text("words")
    (tmp_path / "broken.png").write_bytes(hostile.by_pillow(hostile.picture(), "PNG")[:60])
    (tmp_path / "empty.png").touch()
    (tmp_path / ".strange").write_bytes(bytes(range(256)))
    images = read_images(tmp_path, role="used", size=8)
    ledger = images.files
    assert ledger.kinds == (("damaged", 2), ("hidden", 1), ("unknown content", 1))
    assert ledger.ignored == (("document", 1), ("hidden", 1))
    assert (ledger.entries, ledger.read, ledger.unread, ledger.left_aside) == (7, 1, 4, 2)
    assert {p.path for p in images.problems} == {
        "used/broken.png",
        "used/empty.png",
        "used/.git/objects/picture.png",
        "used/.strange",
    }


def test_further_arrays_of_an_archive_are_left_aside(tmp_path: Path) -> None:
    stack, labels = np.zeros((3, 9, 9), np.uint8), np.zeros((3, 1), np.uint8)
    np.savez(tmp_path / "a.npz", images=stack, more=stack, labels=labels)
    np.savez(tmp_path / "b.npz", images=stack, labels=labels)
    np.savez(tmp_path / "c.npz", any=stack)
    images = read_images(tmp_path, role="generated", size=8)
    assert len(images) == 9
    ledger = images.files
    assert (ledger.entries, ledger.unread, ledger.left_aside, ledger.first) == (3, 1, 1, "a.npz")
    assert ledger.kinds == (("read in part", 1),)
    assert "further arrays that may be pictures (more)" in images.problems[0].what


def test_a_ledger_that_does_not_close_ends_the_audit(tmp_path: Path) -> None:
    png(tmp_path / "a.png")
    png(tmp_path / "b.png")
    source = listed(tmp_path)
    with pytest.raises(InputError, match="has 3 entries, and 2 are accounted for"):
        read_images(replace(source, entries=3), role="used", size=8)


# --- answers of workers
def half(paths: Any, *arguments: Any) -> Shard:
    whole = read_shard(paths, *arguments)
    n = len(whole.records) // 2
    return Shard(whole.pixels[:n], whole.records[:n], whole.problems, whole.counts)


def half_of_the_files(paths: Any, *arguments: Any) -> Shard:
    return read_shard(paths[: len(paths) // 2], *arguments)


def without_rows(paths: Any, *arguments: Any) -> Shard:
    return replace(read_shard(paths, *arguments), problems=())


def another_order(paths: Any, *arguments: Any) -> Shard:
    return read_shard(paths[::-1], *arguments)


@pytest.mark.parametrize("worker", [half, half_of_the_files, without_rows, another_order])
def test_an_answer_that_lacks_images_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worker: Callable[..., Shard]
) -> None:
    for k in range(4):
        png(tmp_path / f"{k}.png", k)
    (tmp_path / "v.npy").write_bytes(hostile.npy(np.zeros((4, 9, 9), np.uint8)))
    (tmp_path / "x.png").touch()
    monkeypatch.setattr(reading, "read_shard", worker)
    with pytest.raises(InputError, match=r"the answer on the 6 files from 0\.png on lacks images"):
        read_images(tmp_path, role="used", size=8)


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EMFILE])
def test_files_that_the_storage_does_not_give_are_left_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    for k in range(12):
        png(tmp_path / f"{k}.png", k)
    whole = shards.read_file

    def failing(path: Any, *arguments: Any) -> Any:
        if int(Path(path).stem) < 8:
            try:
                raise OSError(number, os.strerror(number))
            except OSError as error:  # as the readers say it
                raise shards.Unreadable("cannot be decoded") from error
        return whole(path, *arguments)

    monkeypatch.setattr(shards, "read_file", failing)
    ledger = read_images(tmp_path, role="used", size=8).files
    assert ledger.kinds == (("not reached", 8),)
    assert (ledger.read, ledger.left_aside) == (4, 8)


def test_an_image_within_a_file_and_a_file_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "v.npy").write_bytes(hostile.npy(np.zeros((2, 9, 9), np.uint8)))
    png(tmp_path / "v.npy#0")
    with pytest.raises(InputError, match=r"two images of used have the name v\.npy#0"):
        read_images(tmp_path, role="used", size=8)


# --- folders without end
@unix
def test_each_real_folder_is_entered_once(tmp_path: Path) -> None:
    for k in range(24):  # 2^24 ways
        png(tmp_path / "f" / f"{k}" / "a.png", k)
    for k in range(23):
        for name in ("left", "right"):
            (tmp_path / "f" / f"{k}" / name).symlink_to(tmp_path / "f" / f"{k + 1}")
    (tmp_path / "f" / "outside").symlink_to(tmp_path / "other")
    png(tmp_path / "other" / "b.png")
    found = listed(tmp_path / "f")
    assert [i for i, _ in found.files] == [*(f"{k}/a.png" for k in range(24)), "outside/b.png"]
    assert (len(found.skipped), found.entries) == (46, 25 + 46)
    images = read_images(found, role="used", size=8)
    assert images.files.ignored == (("link to a folder read elsewhere", 46),)
    assert "46 link(s) to folders" in images.problems[-1].what


@unix
def test_a_link_to_the_whole_machine_is_not_followed(tmp_path: Path) -> None:
    png(tmp_path / "a.png")
    (tmp_path / "root").symlink_to("/")
    (tmp_path / "up").symlink_to(tmp_path.parent)
    assert [i for i, _ in list_files(tmp_path)] == ["a.png"]
    assert listed(tmp_path).skipped == ("root", "up")


@unix
def test_folders_deeper_than_calls_may_be_are_read(tmp_path: Path) -> None:
    before, image = os.getcwd(), png(tmp_path / "b.png").read_bytes()
    deep = "d/" * 1200
    try:
        os.makedirs(tmp_path / ("d/" * 600))
        os.chdir(tmp_path / ("d/" * 600))
        os.makedirs("d/" * 600)
        (tmp_path / deep / "a.png").write_bytes(image)
        assert [i for i, _ in list_files(tmp_path)] == ["b.png", f"{deep}a.png"]
    finally:
        os.chdir(before)
        subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)  # too deep for shutil


@unix
def test_a_path_that_is_too_long_is_one_line(tmp_path: Path) -> None:
    before = os.getcwd()
    png(tmp_path / "b.png")
    os.chdir(tmp_path)
    try:
        for _ in range(20):
            os.mkdir("d" * 250)
            os.chdir("d" * 250)
    finally:
        os.chdir(before)
    with pytest.raises(InputError, match=r"cannot read folder .*\.\.\..*too long") as told:
        list_files(tmp_path)
    assert len(str(told.value)) < 400


@unix
def test_a_pipe_for_a_list_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "list.csv")
    with pytest.raises(InputError, match="not a regular file"):
        list_files(tmp_path / "list.csv")


def test_workers_that_stand_elsewhere_get_whole_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    png(tmp_path / "set" / "a.png")
    (tmp_path / "list.csv").write_text("id\nset/a.png\n")
    monkeypatch.chdir(tmp_path)
    for source in ("set", "set/a.png", "list.csv", ["set/a.png"]):
        assert [Path(p) for _, p in list_files(source)] == [tmp_path / "set" / "a.png"]
