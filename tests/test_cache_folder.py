"""Shelves of the cache: what is kept, damaged, trimmed, and written by two at once."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vestige.cache.owner import MARKER
from vestige.cache.shelves import SHELVES, Entry, open_shelf, trim
from vestige.registry.entries import InputError


def entries(first: int, count: int, size: int = 4) -> list[Entry]:
    rng = np.random.default_rng(first)
    rows = rng.random((count, 1, size), dtype=np.float32)
    return [Entry(f"key{first + k}", rows[k], {"n": first + k}) for k in range(count)]


def made(folder: Path) -> list[str]:
    """Names of the files of a cache, but for its marker and its index."""
    files = [file.name for file in folder.rglob("*") if file.is_file()]
    return sorted(name for name in files if not name.startswith(MARKER))


@settings(deadline=None, max_examples=30, derandomize=True)
@given(lots=st.lists(st.integers(1, 5), min_size=1, max_size=5), data=st.data())
def test_what_was_kept_is_found_whatever_the_shards(
    lots: list[int], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    known, start = {}, 0
    for count in lots:
        lot = entries(start, count)
        open_shelf(folder, "f").keep(lot)
        known.update({entry.key: entry for entry in lot})
        start += count
    asked = data.draw(st.lists(st.sampled_from([*known, "stranger"]), max_size=12))
    found = open_shelf(folder, "f").find(asked)
    assert set(found) == set(asked) - {"stranger"}
    for key, entry in found.items():
        np.testing.assert_array_equal(entry.rows, known[key].rows)
        assert entry.notes == known[key].notes
    assert not open_shelf(folder, "another").find(asked)


def test_rows_are_mapped_not_read(tmp_path: Path) -> None:
    open_shelf(tmp_path, "f").keep(entries(0, 3))
    rows = open_shelf(tmp_path, "f").find(["key1"])["key1"].rows
    assert isinstance(rows, np.memmap)
    assert not rows.flags.writeable


def test_the_least_recently_used_go_first_and_none_of_this_run(tmp_path: Path) -> None:
    shelf = open_shelf(tmp_path, "f")
    for first in (0, 10, 20):
        shelf.keep(entries(first, 2, size=1000))
    long_ago = time.time() - 1000
    for age, key in enumerate(("key20", "key0", "key10")):  # the oldest first
        os.utime(shelf.folder / shelf.places[key].shard, (long_ago + age,) * 2)
    shelf.find(["key20"])  # used just now
    size = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
    assert trim(tmp_path, size, time.time()) == 0
    assert trim(tmp_path, size - 1, long_ago + 500) > 0
    assert set(open_shelf(tmp_path, "f").places) == {"key10", "key11", "key20", "key21"}
    assert trim(tmp_path, 0, long_ago + 500) > 0
    assert set(open_shelf(tmp_path, "f").places) == {"key20", "key21"}
    assert trim(tmp_path, 0, time.time() + 1) > 0
    assert made(tmp_path) == []


def test_trimming_leaves_what_is_not_the_caches_own(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("x" * 100)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.npy").write_text("x" * 100)
    open_shelf(tmp_path, "f").keep(entries(0, 1))
    trim(tmp_path, 0, time.time() + 1)
    assert made(tmp_path) == ["mine.json", "mine.npy"]


def test_leftovers_of_a_killed_run_go_after_a_day(tmp_path: Path) -> None:
    shelf = open_shelf(tmp_path, "f")
    shelf.keep(entries(0, 1))
    fresh, old, foreign = (shelf.folder / f".{letter * 32}.tmp" for letter in "abc")
    shelf.owner.add(*(f"{shelf.folder.name}/{file.name}" for file in (fresh, old)))
    for file in (fresh, old, foreign):
        file.write_bytes(b"half")
    for file in (old, foreign):
        os.utime(file, (time.time() - 2 * 24 * 3600,) * 2)
    trim(tmp_path, 10**9, time.time())
    assert fresh.exists() and foreign.exists()  # the latter is in no index
    assert not old.exists()
    assert open_shelf(tmp_path, "f").find(["key0"])


def test_a_shard_that_another_run_trims_meanwhile_is_only_missing(tmp_path: Path) -> None:
    shelf = open_shelf(tmp_path, "f")
    shelf.keep(entries(0, 2))
    trim(tmp_path, 0, time.time() + 1)
    assert shelf.find(["key0"]) == {}


def test_a_full_disk_is_one_line_and_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="cannot write to the cache .*No space left on device"):
        open_shelf(tmp_path, "f").keep(entries(0, 2))
    assert made(tmp_path) == []


WRITER = """
import sys, numpy as np
from vestige.cache.shelves import Entry, open_shelf
for lot in range(40):
    rows = np.full((3, 50), lot, np.float32)
    open_shelf(sys.argv[1], "f").keep([Entry(f"{lot}", rows, lot)])
    for key, entry in open_shelf(sys.argv[1], "f").find(map(str, range(40))).items():
        assert (entry.rows == int(key)).all() and entry.notes == int(key)
"""


def test_two_runs_at_once(tmp_path: Path) -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in running:
        said = process.communicate(timeout=120)[1]
        assert process.returncode == 0, said.decode()
    assert len(list(tmp_path.glob(f"{SHELVES}*/*.npy"))) == 40
    assert len(open_shelf(tmp_path, "f").places) == 40
