"""Rows kept on disk by content, so that nothing is computed twice, in this run or in another.

A shelf is the folder of one fingerprint: everything but the content that determines a row. On it
lie shards, two files each: `ROWS.npy`, rows of one shape that can be memory-mapped, and
`ROWS.INDEX.json`, written last, which says whose rows they are. ROWS and INDEX are digests of what
is in them: damage is noticed, a damaged shard is removed and made again, and two runs that write
the same write the same file. Nothing in them names an image or a patient.
"""

import hashlib
import json
import os
import re
import secrets
import stat
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.cache.owner import PRIVATE_FOLDER, Owned, open_cache, unwritable
from vestige.files.regular import open_regular
from vestige.files.whole import whole
from vestige.registry.entries import InputError

SHELVES = "shelf-"
"""A cache folder holds other things too: only folders of this prefix are ever looked into."""
LIMIT_BYTES = 50 * 10**9
"""Kept by default; the shards that were not used for longest go first."""
_STALE_SECONDS = 24 * 3600
_NAME = 32
_INDEX_NAME = re.compile(r"[0-9a-f]{32}\.[0-9a-f]{32}\.json")
_OWN_NAME = re.compile(
    r"shelf-[0-9a-f]{32}/(?:[0-9a-f]{32}\.(?:npy|[0-9a-f]{32}\.json)|\.[0-9a-f]{32}\.tmp)"
)
"""What `trim` may delete, if the cache lists it."""
_INDEX_BYTES = 2**28


@dataclass(frozen=True)
class Entry:
    """Rows [k, ...] of one content (hex digest), and what else is known of it (JSON)."""

    key: str
    rows: npt.NDArray[Any]
    notes: Any = None


@dataclass(frozen=True)
class _Place:
    """Where the rows of a key lie: the name of the shard's index, and which of its rows.

    size : bytes of the file of rows
    """

    shard: str
    start: int
    stop: int
    notes: Any
    size: int


@dataclass(frozen=True)
class Shelf:
    """The shards of one fingerprint, as they were when the shelf was opened, and those added."""

    owner: Owned
    folder: Path
    places: dict[str, _Place] = field(repr=False)

    def find(self, keys: Iterable[str]) -> dict[str, Entry]:
        """Entries of those keys that are kept; a shard that is damaged is removed."""
        wanted: dict[str, list[str]] = {}
        for key in dict.fromkeys(keys):
            if (place := self.places.get(key)) is not None:
                wanted.setdefault(place.shard, []).append(key)
        found = {}
        for shard, mine in wanted.items():
            spans = [self.places[key] for key in mine]
            rows = _mapped(_rows_of(self.folder / shard), spans[0].size)
            if rows is None or max(span.stop for span in spans) > len(rows):
                _remove_own(self.owner, self.folder / shard, _rows_of(self.folder / shard))
                for key in mine:
                    self.places.pop(key, None)
                continue
            with suppress(OSError):  # to see what was used last; not needed to go on
                os.utime(self.folder / shard)
            for key, span in zip(mine, spans, strict=True):
                found[key] = Entry(key, rows[span.start : span.stop], span.notes)
        return found

    def keep(self, entries: Sequence[Entry]) -> None:
        """Write entries of one row shape as one shard, whole or not at all.

        Where something else has the name of the shelf (a file, a link), nothing is kept.

        Raises
        ------
        InputError
            When the folder cannot be written (permissions, a full disk).
        """
        if not entries or not _is_free_or_folder(self.folder):
            return
        rows = np.concatenate([entry.rows for entry in entries])
        listed = [[entry.key, len(entry.rows), entry.notes] for entry in entries]
        text = json.dumps(listed, separators=(",", ":")).encode()
        packed = BytesIO()  # written to a file by NumPy itself, a full disk has no errno
        np.save(packed, rows, allow_pickle=False)
        name, size = _digest(rows), len(packed.getbuffer())
        shard = f"{name}.{_name(text)}.json"
        partial = f".{secrets.token_hex(_NAME // 2)}.tmp"
        sealed = b"%d,%s]" % (size, text)
        seal = self.owner.seal(self.folder.name, shard, sealed)
        try:
            self.folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
            self.owner.add(*(f"{self.folder.name}/{n}" for n in (partial, f"{name}.npy", shard)))
            for target, content in (
                (f"{name}.npy", packed.getbuffer()),
                (shard, b'["%s",%s' % (seal.encode(), sealed)),
            ):
                with whole(self.folder / target, partial=self.folder / partial) as place:
                    place.write_bytes(content)
        except IsADirectoryError:  # somebody's folder has this name: it stays
            return
        except OSError as error:
            raise unwritable(self.owner.folder, error) from error
        self.places.update(_places(shard, size, listed))


def open_shelf(folder: str | os.PathLike[str], fingerprint: str) -> Shelf:
    """The shelf of a fingerprint in a cache folder; it need not exist yet.

    Raises
    ------
    InputError
        As of `vestige.cache.owner.open_cache`.
    """
    owner = open_cache(folder)
    place = _shelf_folder(folder, fingerprint)
    places: dict[str, _Place] = {}
    for name in _names_in(place):
        if _INDEX_NAME.fullmatch(name):
            places.update(_index(owner, place / name))
    return Shelf(owner, place, places)


def last_change(folder: str | os.PathLike[str], fingerprint: str) -> int:
    """When a shard was last added to a shelf or taken away, in ns; 0 where there is no shelf."""
    try:
        return _shelf_folder(folder, fingerprint).stat().st_mtime_ns
    except OSError:
        return 0


def _shelf_folder(folder: str | os.PathLike[str], fingerprint: str) -> Path:
    return Path(folder) / f"{SHELVES}{_name(fingerprint.encode())}"


def trim(folder: str | os.PathLike[str], limit_bytes: int, since: float) -> int:
    """Bring the shelves of a cache folder below a size; returns the bytes removed.

    The shards that were not used for longest go first, those used at `since` (seconds since the
    epoch) or later never do. What a killed run left half-written goes after a day. Only what the
    index of the cache lists is looked at, no link is followed, and no fault ends an audit.
    """
    try:
        owner = open_cache(folder)
    except InputError:
        return 0
    found = {name: status for name in owner.listed() if (status := _own_file(owner, name))}
    shards, removed = [], 0
    named = {_rows_of(Path(name)).as_posix() for name in found if name.endswith(".json")}
    for name, status in found.items():
        path, used = owner.folder / name, status.st_mtime
        if name.endswith(".json"):
            rows = found.get(_rows_of(Path(name)).as_posix())
            total = status.st_size + (0 if rows is None else rows.st_size)
            shards.append((used, total, path, _rows_of(path)))
        elif name not in named and used < time.time() - _STALE_SECONDS:
            _remove(path)
    over = sum(size for _, size, *_ in shards) + owner.own_bytes() - limit_bytes
    for used, size, *paths in sorted(shards):
        if removed >= over or used >= since:
            break
        _remove(*(path for path in paths if path.relative_to(owner.folder).as_posix() in found))
        removed += size
    owner.forget(lambda name: "/" in name and not _own_file(owner, name))
    return removed


def _own_file(owner: Owned, name: str) -> os.stat_result | None:
    """A listed file of a shelf, if it is there: itself no link, in a folder that is none."""
    if not _OWN_NAME.fullmatch(name):
        return None
    path = owner.folder / name
    with suppress(OSError):
        if stat.S_ISDIR(path.parent.lstat().st_mode):
            status = path.lstat()
            return status if stat.S_ISREG(status.st_mode) else None
    return None


def _remove_own(owner: Owned, *paths: Path) -> None:
    """Remove files that the cache lists; others stay."""
    listed = owner.listed()
    names = [path.relative_to(owner.folder).as_posix() for path in paths]
    _remove(*(owner.folder / n for n in names if n in listed and _own_file(owner, n)))


def _is_free_or_folder(place: Path) -> bool:
    try:
        return stat.S_ISDIR(place.lstat().st_mode)
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _names_in(place: Path) -> list[str]:
    """What lies on a shelf; nothing where there is none, or something else has its name."""
    try:
        return sorted(os.listdir(place)) if stat.S_ISDIR(place.lstat().st_mode) else []
    except OSError:
        return []


def _index(owner: Owned, path: Path) -> dict[str, _Place]:
    """The entries of a shard; none, and the file is removed if it is ours, when it is damaged."""
    try:
        with open_regular(path, _INDEX_BYTES) as file:
            content = file.read()
        seal, _, sealed = content.removeprefix(b'["').partition(b'",')
        if seal.decode() != owner.seal(path.parent.name, path.name, sealed):
            raise ValueError("not what was written here")
        _, size, listed = json.loads(content)
        return _places(path.name, size, listed)
    except FileNotFoundError:  # another run trimmed it
        return {}
    except (OSError, ValueError, TypeError, RecursionError):
        _remove_own(owner, path)
        return {}


def _places(shard: str, size: int, listed: Sequence[Any]) -> dict[str, _Place]:
    places, start = {}, 0
    for key, count, notes in listed:
        places[key] = _Place(shard, start, start + count, notes, size)
        start += count
    return places


def _rows_of(index: Path) -> Path:
    return index.with_name(index.name.partition(".")[0] + ".npy")


def _mapped(path: Path, size: int) -> npt.NDArray[Any] | None:
    """The rows of a shard, memory-mapped, None when they are gone or damaged."""
    try:
        with open_regular(path, size) as file:
            if os.fstat(file.fileno()).st_size != size:
                return None
        rows: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        return rows if f"{_digest(rows)}.npy" == path.name else None
    except (OSError, ValueError, EOFError):
        return None


def _digest(rows: npt.NDArray[Any]) -> str:
    head = repr((rows.shape, rows.dtype.str)).encode()
    digest = hashlib.sha256(head)
    digest.update(np.ascontiguousarray(rows).data)
    return digest.hexdigest()[:_NAME]


def _name(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_NAME]


def _remove(*paths: Path) -> None:
    for path in paths:
        with suppress(OSError):  # gone already, or not ours to remove: it is ignored either way
            path.unlink()
