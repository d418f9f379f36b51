"""Decoded images kept on disk by the content of their file, so that none is decoded twice.

A file is known by the SHA-256 of its bytes and by the format that its name promises; whatever else
determines the result (working size, window, versions of the decoders) is the fingerprint of the
shelf. Small images and what a record says are kept, never a path or a patient's name.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from vestige.images.frame import Window
from vestige.images.imageset import Record
from vestige.images.readers import format_of_name
from vestige.images.shards import Shard, is_measured, joined, read_shard
from vestige.packages import DECODERS, installed
from vestige.store import Entry, Shelf, open_shelf
from vestige.version import __version__

FORMAT = 3
"""Of what is kept; raised when a record gains a field (3: keyed by content)."""
_OF_PLACE = ("id", "path")
_KEPT = tuple(field.name for field in fields(Record) if field.name not in _OF_PLACE)


def read_shard_cached(
    paths: Sequence[tuple[str, str | Path]],
    size: int,
    window: Window | None,
    share: float,
    folder: str,
    run: str,
) -> Shard:
    """`read_shard`, or what an earlier call with files of the same content kept in `folder`.

    Parameters
    ----------
    run : str
        Any word; within one the shelf of a process is opened once.

    Raises
    ------
    InputError
        When the cache folder cannot be written.
    """
    shelf = _shelf(folder, _fingerprint(size, window), run)
    keys = [_key(path) for _, path in paths]
    kept = shelf.find([key for key, _ in keys if key])
    parts = [
        _restored(kept.get(key), identifier, str(path), share)
        for (identifier, path), (key, _) in zip(paths, keys, strict=True)
    ]
    missing = [k for k, part in enumerate(parts) if part is None]
    if not missing:
        return joined([part for part in parts if part is not None], size)
    fresh = read_shard([paths[k] for k in missing], size, window, share)
    rows: dict[str, list[int]] = {}
    for row, record in enumerate(fresh.records):
        rows.setdefault(record.path, []).append(row)
    made: dict[str, Entry] = {}
    for k in missing:
        (identifier, path), (key, stamp) = paths[k], keys[k]
        mine = rows.get(str(path), [])
        records = tuple(fresh.records[row] for row in mine)
        problems = tuple(p for p in fresh.problems if p.path == identifier)
        part = parts[k] = Shard(fresh.pixels[mine], records, problems, 1)
        # a file that changed on the way is not what its key says
        if key and records and _stamp(path) == stamp:
            notes = [[getattr(record, name) for name in _KEPT] for record in records]
            made[key] = Entry(key, part.pixels, notes)
    shelf.keep(list(made.values()))
    return joined([part for part in parts if part is not None], size)


@lru_cache(maxsize=4)
def _shelf(folder: str, fingerprint: str, run: str) -> Shelf:
    return open_shelf(folder, fingerprint)


def _fingerprint(size: int, window: Window | None) -> str:
    return repr(("images", FORMAT, __version__, size, window, installed(*DECODERS)))


def _stamp(path: str | Path) -> tuple[int, ...]:
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _key(path: str | Path) -> tuple[str, tuple[int, ...]]:
    """Digest of a file's bytes and the format of its name, and its stamp; "" if unreadable."""
    stamp = _stamp(path)
    try:
        if not Path(path).is_file():  # a pipe would be waited for
            return "", ()
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256")
    except OSError:
        return "", ()  # read_shard says what is wrong with it
    digest.update(format_of_name(path).encode())
    return digest.hexdigest(), stamp


def _restored(entry: Entry | None, identifier: str, path: str, share: float) -> Shard | None:
    """What is kept of a file, under the name it has now; None if something is missing."""
    if entry is None:
        return None
    try:
        count = len(entry.rows)
        records = tuple(
            Record(
                id=identifier if count == 1 else f"{identifier}#{k}",
                path=path,
                **{name: _frozen(value) for name, value in zip(_KEPT, row, strict=True)},
            )
            for k, row in enumerate(entry.notes)
        )
    except (TypeError, ValueError):
        return None
    if len(records) != count or any(
        is_measured(record.sha256, share) and not record.statistics for record in records
    ):
        return None
    return Shard(entry.rows, records, (), 1)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
