"""One file, one budget: what it may cost in memory and time, whatever its bytes say."""

import gzip
import os
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hostile
from vestige.images import cage, shards
from vestige.images.cage import caged
from vestige.images.frame import MAX_BYTES, NotAnImage, Unreadable
from vestige.images.listing import peek_size
from vestige.images.readers import peek_shape, read_file
from vestige.images.reading import read_images
from vestige.images.told_groups import compile_groups, find_groups
from vestige.registry.entries import InputError

linux = pytest.mark.skipif(sys.platform != "linux", reason="limits memory by RLIMIT_AS")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A budget that a test can use up at once."""
    monkeypatch.setattr(cage, "MEMORY_BYTES", 2**27)
    monkeypatch.setattr(cage, "CPU_SECONDS", 0.3)
    monkeypatch.setattr(cage, "_LOOK_SECONDS", 0.05)


def test_the_budget_of_a_file() -> None:
    assert (cage.MEMORY_BYTES, cage.CPU_SECONDS) == (1.5 * 2**30, 20)


def refused(path: Path) -> list[str]:
    """What is said of a file when it is peeked at, and when it is read."""
    said = []
    for read in (peek_shape, read_file):
        try:
            caged(read, path)
            said.append("was read")
        except Unreadable as error:
            said.append(str(error))
    return said


# --- memory
def junk_before_the_frame() -> bytes:
    claim = hostile.jpeg_of(65500, 65500)
    few = hostile.picture(8, 8)
    return hostile.dicom(few, hostile.JPEG_BASELINE, [claim[:2] + b"\0\x01" + claim[2:]])


@linux
@pytest.mark.usefixtures("small")
def test_a_jpeg_with_junk_before_its_size_takes_no_memory(tmp_path: Path) -> None:
    pytest.importorskip("pydicom", reason="needs vestige[medical]")
    resource = pytest.importorskip("resource")
    (tmp_path / "a.dcm").write_bytes(junk_before_the_frame())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    shard = shards.read_shard([("a.dcm", tmp_path / "a.dcm")], 8)
    assert [p.severity for p in shard.problems] == ["error"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024


@linux
@pytest.mark.usefixtures("small")
def test_a_peek_takes_no_more_memory_than_reading(tmp_path: Path) -> None:
    pytest.importorskip("pydicom", reason="needs vestige[medical]")
    with open(tmp_path / "element.dcm", "wb") as file:
        file.write(bytes(128) + b"DICM" + hostile.element(0x0009, 0x1001, 0x6FFFFFFF))
        file.truncate(MAX_BYTES - 10)
    assert all("GiB of memory" in said for said in refused(tmp_path / "element.dcm"))


def with_a_giant_tag(path: Path, codes: tuple[int, ...], count: int) -> Path:
    """A sparse TIFF whose tags of these codes claim so many values."""
    tags = hostile.tiff_tags() | {273: ("I", (8, 8)), 279: ("I", (1, 1)), 270: ("s", (0,) * 9)}
    whole = bytearray(hostile.tiff_pages(tags))
    for code in codes:
        place = whole.index(struct.pack("<HH", code, 2 if code == 270 else 4))
        struct.pack_into("<I", whole, place + 4, count)
    path.write_bytes(whole)
    os.truncate(path, MAX_BYTES - 10)
    return path


@linux
@pytest.mark.parametrize(("codes", "count"), [((270,), 1900 * 2**20), ((273, 279), 450 * 2**20)])
@pytest.mark.usefixtures("small")
def test_a_giant_tag_takes_no_memory(tmp_path: Path, codes: Any, count: int) -> None:
    begun = time.thread_time()
    said = refused(with_a_giant_tag(tmp_path / "a.tif", codes, count))
    assert all("of memory" in one or "processor" in one for one in said)
    assert time.thread_time() - begun < 3


@linux
def test_what_is_allocated_beyond_the_budget_fails_and_the_limit_goes_again(small: None) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(Unreadable, match="needs more than 0.125 GiB of memory"):
        cage.within_budget(lambda: np.ones(2**28, np.uint8))

    def wrapped() -> None:
        try:
            np.ones(2**28, np.uint8)
        except MemoryError as error:
            raise ValueError("as a decoder says it") from error

    with pytest.raises(Unreadable, match="of memory"):
        cage.within_budget(wrapped)
    assert cage.within_budget(lambda: np.ones(2**20, np.uint8).sum()) == 2**20
    assert resource.getrlimit(resource.RLIMIT_AS) == before


# --- time
def busy() -> None:
    while True:
        pass


def stubborn() -> None:
    """As decoders that go on after any error."""
    end = time.thread_time() + 5
    while time.thread_time() < end:
        try:
            while time.thread_time() < end:
                pass
        except Exception as error:
            if time.thread_time() > 0.6:
                raise ValueError("at last") from error


@pytest.mark.parametrize("work", [busy, stubborn])
@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.usefixtures("small")
def test_work_beyond_the_budget_is_broken_off(work: Callable[[], None], elsewhere: bool) -> None:
    said: list[BaseException] = []

    def run() -> None:
        try:
            cage.within_budget(work)
        except Unreadable as error:
            said.append(error)

    if elsewhere:  # as on a worker of Dask
        thread = threading.Thread(target=run)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
    else:
        run()
    assert "keeps the processor busy" in str(said[0])
    total = 0
    for k in range(300_000):  # nothing comes afterwards
        total += k
    assert total == 44999850000


def many_members(path: Path) -> Path:
    """Central directory of 300,000 entries of no name."""
    count, end = 300_000, b"PK\x05\x06"
    entry = b"PK\x01\x02" + bytes(42)
    size = count * len(entry)
    zip64 = struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, size, 4)
    place = struct.pack("<IQI", 0, 4 + size, 1)
    full = struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0)
    content = [b"PK\x03\x04", entry * count, b"PK\x06\x06", zip64, b"PK\x06\x07", place, end, full]
    path.write_bytes(b"".join(content))
    return path


def empty_members(path: Path) -> Path:
    path.write_bytes(gzip.compress(b"", mtime=0) * 300_000)
    return path


def shared_strip(path: Path) -> Path:
    strip = zlib.compress(bytes(256))
    tags = [hostile.tiff_tags(16, 16, len(strip), 8)] * 20_000
    path.write_bytes(hostile.tiff_pages(*tags, data=strip))
    return path


@pytest.mark.parametrize(
    ("name", "make"),
    [("a.npz", many_members), ("a.nii.gz", empty_members), ("a.tif", shared_strip)],
)
@pytest.mark.usefixtures("small")
def test_small_files_of_endless_work_are_one_row(
    tmp_path: Path, name: str, make: Callable[[Path], Path]
) -> None:
    begun = time.thread_time()
    shard = shards.read_shard([(name, make(tmp_path / name))], 8)
    assert time.thread_time() - begun < 3
    (row,) = shard.problems
    assert "keeps the processor busy" in row.what
    assert row.severity == "error"


# --- size, and what is no file
@linux
@pytest.mark.parametrize("name", ["a.dcm", "a.tif", "a.npy", "a.nii.gz", "a.png"])
def test_a_sparse_file_is_neither_hashed_nor_peeked_at(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "b.png").write_bytes(hostile.by_pillow(hostile.picture(), "PNG"))
    with open(folder / name, "wb") as file:
        file.truncate(2**40)
    begun = time.monotonic()
    assert peek_size([folder]) == 16
    for cache in (None, tmp_path / "cache"):
        images = read_images(folder, role="used", size=8, cache=cache)
        assert f"has {2**40} bytes, more than" in images.problems[0].what
    assert time.monotonic() - begun < 10


@linux
def test_a_pipe_or_a_device_is_never_opened(tmp_path: Path, monkeypatch: Any) -> None:
    os.mkfifo(tmp_path / "pipe.png")

    def refuse(*arguments: Any) -> None:
        raise AssertionError("was opened")

    for place in (tmp_path / "pipe.png", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(NotAnImage, match="not a regular file"):
            caged(refuse, place)


# --- a name that is swapped
@linux
def test_what_is_kept_is_of_the_bytes_that_were_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, folder = tmp_path / "one.png", tmp_path / "other.png", tmp_path / "set"
    folder.mkdir()
    for seed, path in enumerate((one, other)):
        path.write_bytes(hostile.by_pillow(hostile.picture(32, 32, seed), "PNG"))
    (folder / "a.png").symlink_to(one)
    whole = read_file

    def swapped(path: Any, *arguments: Any) -> Any:
        (folder / "a.png").unlink()  # another file for as long as it is decoded
        (folder / "a.png").symlink_to(other)
        try:
            return whole(path, *arguments)
        finally:
            (folder / "a.png").unlink()
            (folder / "a.png").symlink_to(one)

    with monkeypatch.context() as patch:
        patch.setattr(shards, "read_file", swapped)
        first = read_images(folder, role="used", size=8, cache=tmp_path / "cache")
    right = read_images(folder, role="used", size=8)
    again = read_images(folder, role="used", size=8, cache=tmp_path / "cache")
    assert first.sha256 == again.sha256 == right.sha256


# --- an expression without end
def test_an_expression_that_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vestige.images.told_groups.REGEX_SECONDS", 0.5)
    pattern = compile_groups("^(a+)+$")
    assert find_groups(pattern, ["aaa", "a\udcff"[:1]]) == ("aaa", "a")
    with pytest.raises(InputError, match="a repetition within a repetition"):
        find_groups(pattern, ["a" * 60 + ".png"])
    assert find_groups(compile_groups("é|\udcff"), ["x\udcff", "é"]) == ("\udcff", "é")
