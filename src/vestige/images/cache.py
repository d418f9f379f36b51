"""Decoded shards kept on disk, so that a killed or repeated audit does not decode again.

A shard is known by what it would be made from: version, working size, window, and path, size and
modification time of every file. It holds small images and digests, never names of patients. A
damaged or foreign file is made anew.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np

from vestige.choices import InputError
from vestige.decode import decode
from vestige.images.frame import Window
from vestige.images.imageset import Record
from vestige.images.shards import Shard, read_shard
from vestige.result import Problem
from vestige.version import __version__

FORMAT = 2
"""Of a kept shard; raised when a record gains a field (2: statistics as stored)."""


def read_shard_cached(
    paths: Sequence[tuple[str, str | Path]], size: int, window: Window | None, folder: str
) -> Shard:
    """`read_shard`, or what an earlier call with the same files kept in `folder`.

    Raises
    ------
    InputError
        When the cache folder cannot be written.
    """
    place = Path(folder) / f"{_key(paths, size, window)}.npz"
    kept = _load(place, len(paths), size)
    if kept is not None:
        return kept
    shard = read_shard(paths, size, window)
    text = json.dumps(
        {
            "records": [asdict(record) for record in shard.records],
            "problems": [asdict(problem) for problem in shard.problems],
        }
    )
    partial = place.with_suffix(f".{os.getpid()}.tmp")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as handle:
            np.savez(handle, pixels=shard.pixels, text=np.frombuffer(text.encode(), np.uint8))
        partial.replace(place)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise InputError(f"cannot write to the cache {folder}: {error.strerror}") from error
    return shard


def _key(paths: Sequence[tuple[str, str | Path]], size: int, window: Window | None) -> str:
    digest = hashlib.sha256(repr((FORMAT, __version__, size, window)).encode())
    for identifier, path in paths:
        try:
            status = os.stat(path)
            stamp = (status.st_size, status.st_mtime_ns)
        except OSError:
            stamp = (-1, -1)
        line = repr((identifier, os.path.abspath(path), stamp))
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _load(place: Path, files: int, size: int) -> Shard | None:
    try:
        with place.open("rb") as handle, np.load(handle, allow_pickle=False) as kept:
            pixels, text = kept["pixels"], kept["text"].tobytes()
        raw = json.loads(text)
        records = decode(tuple[Record, ...], raw["records"], "records")
        problems = decode(tuple[Problem, ...], raw["problems"], "problems")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None  # damaged: the shard is read again and replaced
    if pixels.shape != (len(records), size, size) or pixels.dtype != np.float32:
        return None
    return Shard(pixels, records, problems, files)
