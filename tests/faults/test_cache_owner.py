"""A cache has an owner: nothing of the user is deleted, and nothing forged is read."""

import json
import os
import shutil
import stat
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vestige.cache import owner, shelves
from vestige.cache.run_history import Run, digest, record_run
from vestige.cache.shelves import Entry, open_shelf, trim
from vestige.registry.entries import InputError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="rights of another kind")
OLD = time.time() - 3 * 24 * 3600
RUN = Run(digest("question"), digest("options"), 0, ("a",), 0.03, digest("beside"))
ASKED = [digest(k) for k in range(9)]


def keep(cache: Path, key: str = "key", value: float = 1.0) -> shelves.Shelf:
    shelf = open_shelf(cache, "f")
    shelf.keep([Entry(key, np.full((1, 4), value, np.float32))])
    return shelf


def age(*places: Path) -> None:
    for place in places:
        os.utime(place, (OLD, OLD), follow_symlinks=False)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# --- trim
def test_trim_deletes_nothing_of_the_user(tmp_path: Path) -> None:
    cache, pictures = tmp_path / "cache", tmp_path / "pictures"
    shelf = keep(cache)
    own = [
        cache / "shelf-2023" / "holiday.jpg",
        cache / "shelf-2023" / "list.json",
        cache / "shelf-2023" / "list.npy",
        cache / "shelf-2023" / f"{'a' * 32}.npy",
        cache / f"shelf-{'0' * 32}" / f"{'a' * 32}.npy",
        cache / f"shelf-{'0' * 32}" / f"{'a' * 32}.{'b' * 32}.json",
        cache / "run-1.json",
        shelf.folder / "holiday.jpg",
        shelf.folder / f"{'a' * 32}.npy",
        shelf.folder / f"{'a' * 32}.{'b' * 32}.json",
        shelf.folder / f".{'a' * 32}.tmp",
        shelf.folder / ".notes.npy.1.2.tmp",
        pictures / "a.npy",
        pictures / "b.json",
    ]
    for file in own:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"mine")
        age(file)
    (cache / "shelf-link").symlink_to(pictures)
    (cache / f"shelf-{'1' * 32}").symlink_to(pictures)
    trim(cache, 0, time.time() + 1)
    open_shelf(cache, "f").find(["key"])
    trim(cache, 0, time.time() + 1)
    assert [file for file in own if not file.exists()] == []
    assert not shelf.places.keys() & open_shelf(cache, "f").places.keys()  # its own are gone


def test_a_listed_name_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    cache, pictures = tmp_path / "cache", tmp_path / "pictures"
    shelf = keep(cache)
    shutil.move(shelf.folder, pictures)
    shelf.folder.symlink_to(pictures)
    before = files(pictures)
    trim(cache, 0, time.time() + 1)
    assert files(pictures) == before and len(before) == 2


@pytest.mark.parametrize("kind", ["file", "pipe", "folder of files", "broken link"])
@pytest.mark.parametrize("name", ["shelf-x", f"shelf-{'0' * 32}", "own shelf"])
def test_whatever_has_the_name_of_a_shelf_ends_no_audit(
    tmp_path: Path, kind: str, name: str
) -> None:
    cache = tmp_path / "cache"
    place = cache / name if name != "own shelf" else open_shelf(cache, "f").folder
    cache.mkdir(exist_ok=True)
    if kind == "file":
        place.write_text("mine")
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "broken link":
        place.symlink_to(tmp_path / "nowhere")
    else:
        place.mkdir()
        os.mkfifo(place / f"{'a' * 32}.{'b' * 32}.json")
        os.mkfifo(place / f"{'a' * 32}.npy")
        (place / f"{'c' * 32}.{'d' * 32}.json").mkdir()
    shelf = keep(cache)
    shelf.find(["key"])
    trim(cache, 0, time.time() + 1)
    assert os.path.lexists(place)
    _, problems = record_run(RUN, ASKED, cache)
    told = [p for p in problems if p.path == "cache"]
    ours = name == "own shelf" and kind == "folder of files"
    assert len(told) == (0 if ours else 1)


def test_a_sparse_index_is_not_read(tmp_path: Path) -> None:
    shelf = keep(tmp_path)
    place = shelf.folder / f"{'a' * 32}.{'b' * 32}.json"
    place.touch()
    os.truncate(place, 2**40)
    assert set(open_shelf(tmp_path, "f").places) == {"key"}
    rows = next(shelf.folder.glob("*.npy"))
    os.truncate(rows, 2**40)  # 1 TB of zeros behind the rows
    assert open_shelf(tmp_path, "f").find(["key"]) == {}


# --- forged entries
def forged(shelf: Path, key: str, value: float) -> None:
    """A shard as version 0.2 wrote it: its names are digests, and no key is needed for it."""
    rows = np.full((1, 4), value, np.float32)
    listed = json.dumps([[key, 1, None]], separators=(",", ":")).encode()
    name = shelves._digest(rows)
    shelf.mkdir(exist_ok=True)
    np.save(shelf / f"{name}.npy", rows)
    (shelf / f"{name}.{shelves._name(listed)}.json").write_bytes(listed)


def test_what_has_no_seal_of_this_cache_is_not_read(tmp_path: Path) -> None:
    shelf = keep(tmp_path / "cache")
    forged(shelf.folder, "forged", 9.0)
    forged(shelf.folder, "key", 9.0)
    other = keep(tmp_path / "other", "theirs", 9.0)
    for file in other.folder.iterdir():  # sealed, with another key
        shutil.copy(file, shelf.folder)
    found = open_shelf(tmp_path / "cache", "f").find(["key", "forged", "theirs"])
    assert {key: entry.rows[0, 0] for key, entry in found.items()} == {"key": 1.0}


def test_an_entry_counts_on_its_own_shelf_and_for_its_own_rows_only(tmp_path: Path) -> None:
    first = keep(tmp_path, "key", 1.0)
    second = open_shelf(tmp_path, "g")
    second.keep([Entry("key", np.full((1, 4), 2.0, np.float32))])
    for file in second.folder.iterdir():
        shutil.copy(file, first.folder)
    assert open_shelf(tmp_path, "f").find(["key"])["key"].rows[0, 0] == 1.0
    (index,) = second.folder.glob("*.json")
    (rows,) = first.folder.glob(f"{first.places['key'].shard.partition('.')[0]}.npy")
    renamed = second.folder / f"{rows.stem}.{index.name.split('.')[1]}.json"
    shutil.copy(rows, second.folder)
    index.rename(renamed)  # other rows under a sealed list
    assert open_shelf(tmp_path, "g").find(["key"]) == {}


def test_planted_run_notes_do_not_count(tmp_path: Path) -> None:
    record_run(replace(RUN, seed=1), ASKED, tmp_path)
    for k in range(300):
        planted = tmp_path / replace(RUN, seed=k + 10).file
        planted.write_text("" if k % 2 else json.dumps(asdict(replace(RUN, seed=k + 10))))
    history, problems = record_run(RUN, ASKED, tmp_path)
    assert history.runs_before == 1
    assert [p.path for p in problems] == ["cache"] and "300 file(s)" in problems[0].what


def test_a_changed_run_note_is_damaged(tmp_path: Path) -> None:
    record_run(replace(RUN, seed=1), ASKED, tmp_path)
    (note,) = tmp_path.glob("run-*.json")
    raw = json.loads(note.read_text())
    note.write_text(json.dumps(raw | {"vetoed": True}))
    _, problems = record_run(RUN, ASKED, tmp_path)
    assert [p.path for p in problems] == [f"cache/{note.name}"]


# --- who owns it
def test_a_cache_and_its_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    for cache in (tmp_path / "deep" / "new", tmp_path / "empty"):
        if cache.name == "empty":
            cache.mkdir(mode=0o777)
        before = os.umask(0)
        try:
            keep(cache)
            record_run(RUN, ASKED, cache)
        finally:
            os.umask(before)
        for place in (cache, *cache.rglob("*")):
            wanted = 0o700 if place.is_dir() else 0o600
            assert stat.S_IMODE(place.stat().st_mode) == wanted, place


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_cache_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    cache = tmp_path / "cache"
    keep(cache)
    cache.chmod(mode)
    with pytest.raises(InputError, match="other users may write to the cache"):
        open_shelf(cache, "f")
    assert trim(cache, 0, time.time() + 1) == 0


def test_a_cache_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(tmp_path)
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    with pytest.raises(InputError, match="belongs to another user") as caught:
        open_shelf(tmp_path, "f")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "damaged", "writable"])
def test_a_marker_that_is_none_is_replaced_or_refused(tmp_path: Path, kind: str) -> None:
    cache = tmp_path / "cache"
    shelf = keep(cache)
    marker, elsewhere = cache / owner.MARKER, tmp_path / "elsewhere"
    shutil.copy(marker, elsewhere)
    before = elsewhere.read_bytes()
    if kind == "writable":
        marker.chmod(0o666)
    elif kind == "damaged":
        marker.write_bytes(b"\x00")
    else:
        marker.unlink()
        {"link": lambda: marker.symlink_to(elsewhere), "folder": marker.mkdir,
         "pipe": lambda: os.mkfifo(marker)}[kind]()  # fmt: skip
    if kind == "folder":
        with pytest.raises(InputError, match="cannot write to the cache"):
            open_shelf(cache, "f")
        return
    assert open_shelf(cache, "f").find(["key"]) == {}
    assert elsewhere.read_bytes() == before
    assert keep(cache).find(["key"]) and len(list(shelf.folder.iterdir())) == 2


# --- earlier versions
def test_run_notes_of_earlier_versions_are_read(tmp_path: Path) -> None:
    old = asdict(replace(RUN, seed=5, salt="ab", judged=("00",)))
    (tmp_path / replace(RUN, seed=5).file).write_text(json.dumps(old))
    oldest = {k: old[k] for k in ("question", "options", "seed", "columns", "p_value")}
    first = replace(RUN, seed=6, beside="")
    (tmp_path / first.file).write_text(json.dumps(oldest | {"seed": 6}))
    (tmp_path / replace(RUN, seed=7).file).write_text("")  # never a note
    (tmp_path / "shelf-0123").mkdir()
    history, problems = record_run(RUN, ASKED, tmp_path)
    assert history.runs_before == 2
    assert [p.path for p in problems] == ["cache"] and "2 file(s) or folders" in problems[0].what


def test_two_that_begin_at_once_share_one_key(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as executor:
        found: list[Any] = list(executor.map(lambda _: owner.open_cache(tmp_path), range(16)))
    assert len({one.key for one in found}) == 1
    assert [p.name for p in tmp_path.iterdir()] == [owner.MARKER]


def test_the_index_forgets_what_is_long_gone(tmp_path: Path, monkeypatch: Any) -> None:
    shelf = keep(tmp_path)
    trim(tmp_path, 0, time.time() + 1)
    assert len(shelf.owner.listed()) == 3  # it may be written any moment
    monkeypatch.setattr(owner, "_DAY", -10.0)
    shelf.owner.add("run-x.json")
    trim(tmp_path, 0, time.time() + 1)
    assert set(shelf.owner.listed()) == {"run-x.json"}
