"""Decoded images kept on disk by the content of their file, so that none is decoded twice.

A file is known by the SHA-256 of its bytes and by the format that its name promises; whatever else
determines the result (working size, window, versions of the decoders) is the fingerprint of the
shelf. Small images and what a record says are kept, never a path or a patient's name. Digests of
patients and studies, which could be guessed, are sealed: only who holds the file can read them.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from operator import attrgetter
from typing import Any

from vestige.cache.shelves import Entry, Shelf, last_change, open_shelf
from vestige.files.regular import regular_descriptor
from vestige.images.formats import format_of_name
from vestige.images.frame import MAX_BYTES
from vestige.images.held import held, stamp_of
from vestige.images.imageset import Record, at_place
from vestige.images.listing import Files
from vestige.images.pairs import voxel_files
from vestige.images.series import paths_of
from vestige.images.shards import Decoding, Shard, is_measured, joined, read_shard
from vestige.packages import DECODERS, installed, source_sha256

FORMAT = 7
"""Of what is kept; raised when a record gains a field (7: spacing, orientation)."""
STRETCH = 32
"""Shards that are looked up together."""
AT_ONCE_BYTES = 2**20
"""Of a file, hashed at once."""
_OF_PLACE = ("id", "path", "scale", "further")
_KEPT = tuple(field.name for field in fields(Record) if field.name not in _OF_PLACE)
_SEALED = ("patient", "alias", "issuer", "series", "study")
_VALUES, _AT_SEALED = attrgetter(*_KEPT), tuple(map(_KEPT.index, _SEALED))


@dataclass(frozen=True)
class _Content:
    """What a file is known by: key ("" if unreadable), stamp, and the seal of its identity.

    The seal is a digest of the content, and cannot be had from the key.
    """

    key: str = ""
    stamp: tuple[int, ...] = ()
    seal: bytes = b""


def read_shard_cached(
    paths: Files,
    size: int,
    how: Decoding,
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
    shelf = _shelf(folder, _fingerprint(size, how), run)
    parts, keys = _look_up(paths, how.share, shelf)
    missing = [k for k, part in enumerate(parts) if part is None]
    if not missing:
        return joined([part for part in parts if part is not None])
    made: dict[str, Entry] = {}
    with held([paths[k][1] for k in missing]) as files:
        named = [(paths[k][0], file.name) for k, file in zip(missing, files, strict=True)]
        fresh = read_shard(named, size, how)
        stamps = [file.stamp() for file in files]
    start = 0
    for k, count, stamp in zip(missing, fresh.counts, stamps, strict=True):
        (identifier, path), known = paths[k], keys[k]
        mine = slice(start, start := start + count)
        further = paths_of(path)[1:]
        records = tuple(at_place(one, str(path), further) for one in fresh.records[mine])
        problems = tuple(p for p in fresh.problems if p.path == identifier)
        unreached = (identifier,) if identifier in fresh.unreached else ()
        part = parts[k] = Shard(fresh.pixels[mine], records, problems, (count,), unreached)
        # a file that changed on the way is not what its key says
        if known.key and records and stamp == known.stamp:
            notes = [_sealed_notes(record, known.seal) for record in records]
            made[known.key] = Entry(known.key, part.pixels, notes)
    shelf.keep(list(made.values()))
    return joined([part for part in parts if part is not None])


def kept_or_read(
    shards: Sequence[Files],
    read: Callable[[Sequence[Files]], Iterator[Shard]],
    size: int,
    how: Decoding,
    folder: str,
) -> Iterator[Shard]:
    """Shards in order: those that are kept straight from `folder`, the others from `read`.

    Hashing a file costs less than sending its image from one process to another. Where a stretch of
    shards has nothing that is kept, the rest goes to `read`, which looks again.
    """
    fingerprint, start = _fingerprint(size, how), 0
    # one role after the other: opened again only where something was added to it
    shelf = _shelf(folder, fingerprint, str(last_change(folder, fingerprint)))
    while shelf.places and start < len(shards):
        some = shards[start : start + STRETCH]
        start += len(some)
        found = [_kept_shard(paths, how.share, shelf) for paths in some]
        others = read([paths for paths, one in zip(some, found, strict=True) if one is None])
        for shard in found:
            yield next(others) if shard is None else shard
        if not any(found):
            break
    yield from read(shards[start:])


def _kept_shard(paths: Files, share: float, shelf: Shelf) -> Shard | None:
    parts = [part for part in _look_up(paths, share, shelf)[0] if part is not None]
    return joined(parts) if len(parts) == len(paths) else None


def _look_up(paths: Files, share: float, shelf: Shelf) -> tuple[list[Shard | None], list[_Content]]:
    """What is kept of each file, and what each is known by."""
    keys = [_content(path) for _, path in paths]
    kept = shelf.find([known.key for known in keys if known.key])
    parts = [
        _restored(kept.get(known.key), identifier, path, share, known.seal)
        for (identifier, path), known in zip(paths, keys, strict=True)
    ]
    return parts, keys


@lru_cache(maxsize=4)
def _shelf(folder: str, fingerprint: str, run: str) -> Shelf:
    return open_shelf(folder, fingerprint)


def _fingerprint(size: int, how: Decoding) -> str:
    """Of all that determines what a file becomes; measured statistics may also be missing."""
    plain = replace(how, share=1.0)
    return repr(("images", FORMAT, source_sha256(), size, plain, installed(*DECODERS)))


def _content(path: str | os.PathLike[str]) -> _Content:
    """By the digest of a file's bytes, with those of its voxels, and the format of its name."""
    digest = hashlib.sha256()
    stamp: tuple[int, ...] = ()
    parts = (*paths_of(path), *voxel_files(path))
    try:
        for part in parts:
            with open(regular_descriptor(part, link=True), "rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                if status.st_size > MAX_BYTES:
                    return _Content()  # not read either: a sparse file may promise any size
                while block := file.read(min(status.st_size + 1, AT_ONCE_BYTES)):
                    digest.update(block)
                stamp = (*stamp, *stamp_of(status))
            if len(parts) > 1:  # where each ends, and what it is
                digest.update(f"|{status.st_size}{os.path.splitext(part)[1]}|".encode())
    except OSError:
        return _Content()  # read_shard says what is wrong with it
    seal = hashlib.sha256(b"seal" + digest.digest()).digest()
    digest.update(format_of_name(path).encode())
    return _Content(digest.hexdigest(), stamp, seal)


def _sealed_notes(record: Record, seal: bytes) -> list[Any]:
    """What is kept of a record, the values of `_KEPT`."""
    values = list(_VALUES(record))
    for k in _AT_SEALED:
        values[k] = _sealed(_KEPT[k], values[k], seal)
    return values


def _sealed(name: str, value: Any, seal: bytes) -> Any:
    """A digest under the seal of its file; sealed again it is itself. Other values as they are."""
    if name not in _SEALED or not value:
        return value
    mask = hashlib.sha256(seal + name.encode()).digest()
    return bytes(a ^ b for a, b in zip(bytes.fromhex(value), mask, strict=True)).hex()


def _restored(
    entry: Entry | None,
    identifier: str,
    path: str | os.PathLike[str],
    share: float,
    seal: bytes,
) -> Shard | None:
    """What is kept of a file, under the name it has now; None if something is missing."""
    if entry is None:
        return None
    try:
        count = len(entry.rows)
        records = tuple(
            Record(
                id=identifier if count == 1 else f"{identifier}#{k}",
                path=str(path),
                further=paths_of(path)[1:],
                **_told(row, seal),
            )
            for k, row in enumerate(entry.notes)
        )
    except (TypeError, ValueError):
        return None
    if len(records) != count or any(
        is_measured(record.sha256, share) and not record.statistics for record in records
    ):
        return None
    return Shard(entry.rows, records, (), (count,))


def _told(row: list[Any], seal: bytes) -> dict[str, Any]:
    """The values of `_KEPT` by their names, opened."""
    told: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in zip(_KEPT, row, strict=True)
    }
    return told | {name: _sealed(name, told[name], seal) for name in _SEALED}
