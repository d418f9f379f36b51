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
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.files.whole import whole
from vestige.registry.entries import InputError

SHELVES = "shelf-"
"""A cache folder holds other things too: only folders of this prefix are ever looked into."""
LIMIT_BYTES = 50 * 10**9
"""Kept by default; the shards that were not used for longest go first."""
_STALE_SECONDS = 24 * 3600
_NAME = 32


@dataclass(frozen=True)
class Entry:
    """Rows [k, ...] of one content (hex digest), and what else is known of it (JSON)."""

    key: str
    rows: npt.NDArray[Any]
    notes: Any = None


@dataclass(frozen=True)
class _Place:
    """Where the rows of a key lie: the name of the shard's index, and which of its rows."""

    shard: str
    start: int
    stop: int
    notes: Any


@dataclass(frozen=True)
class Shelf:
    """The shards of one fingerprint, as they were when the shelf was opened, and those added."""

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
            rows = _mapped(_rows_of(self.folder / shard))
            spans = [self.places[key] for key in mine]
            if rows is None or max(span.stop for span in spans) > len(rows):
                _remove(self.folder / shard, _rows_of(self.folder / shard))
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

        Raises
        ------
        InputError
            When the folder cannot be written (permissions, a full disk).
        """
        if not entries:
            return
        rows = np.concatenate([entry.rows for entry in entries])
        listed = [[entry.key, len(entry.rows), entry.notes] for entry in entries]
        text = json.dumps(listed, separators=(",", ":")).encode()
        packed = BytesIO()  # written to a file by NumPy itself, a full disk has no errno
        np.save(packed, rows, allow_pickle=False)
        name = _digest(rows)
        shard = f"{name}.{_name(text)}.json"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(self.folder / f"{name}.npy", packed.getbuffer())
            _write(self.folder / shard, text)
        except OSError as error:
            raise InputError(
                f"cannot write to the cache {self.folder.parent}: {error.strerror or error}. "
                "Free some space, name another folder, or go without --cache."
            ) from error
        self.places.update(_places(shard, listed))


def open_shelf(folder: str | os.PathLike[str], fingerprint: str) -> Shelf:
    """The shelf of a fingerprint in a cache folder; it need not exist yet."""
    place = _shelf_folder(folder, fingerprint)
    places: dict[str, _Place] = {}
    for path in sorted(place.glob("[!.]*.json")):
        places.update(_index(path))
    return Shelf(place, places)


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
    epoch) or later never do. What a killed run left half-written goes after a day.
    """
    shards, removed = [], 0
    for shelf in Path(folder).glob(f"{SHELVES}*"):
        sizes: dict[str, tuple[int, float]] = {}
        for path in shelf.iterdir():
            with suppress(FileNotFoundError):  # another run was quicker
                status = path.stat()
                sizes[path.name] = status.st_size, status.st_mtime
        named = {_rows_of(shelf / name).name for name in sizes if name.endswith(".json")}
        for name, (size, used) in sizes.items():
            if name.endswith(".json"):
                rows = _rows_of(shelf / name)
                total = size + sizes.get(rows.name, (0, 0.0))[0]
                shards.append((used, total, shelf / name, rows))
            elif name not in named and used < time.time() - _STALE_SECONDS:
                _remove(shelf / name)
    over = sum(size for _, size, *_ in shards) - limit_bytes
    for used, size, *paths in sorted(shards):
        if removed >= over or used >= since:
            break
        _remove(*paths)
        removed += size
    return removed


def _index(path: Path) -> dict[str, _Place]:
    """The entries of a shard; none, and the file is removed, when it is damaged."""
    try:
        content = path.read_bytes()
        if _name(content) != path.stem.partition(".")[2]:
            raise ValueError("not what was written")
        return _places(path.name, json.loads(content))
    except FileNotFoundError:  # another run trimmed it
        return {}
    except (OSError, ValueError, TypeError):
        _remove(path)
        return {}


def _places(shard: str, listed: Sequence[Any]) -> dict[str, _Place]:
    places, start = {}, 0
    for key, count, notes in listed:
        places[key] = _Place(shard, start, start + count, notes)
        start += count
    return places


def _rows_of(index: Path) -> Path:
    return index.with_name(index.name.partition(".")[0] + ".npy")


def _mapped(path: Path) -> npt.NDArray[Any] | None:
    """The rows of a shard, memory-mapped, None when they are gone or damaged."""
    try:
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


def _write(target: Path, content: bytes | memoryview) -> None:
    with whole(target) as partial:
        partial.write_bytes(content)


def _remove(*paths: Path) -> None:
    for path in paths:
        with suppress(OSError):  # gone already, or not ours to remove: it is ignored either way
            path.unlink()
