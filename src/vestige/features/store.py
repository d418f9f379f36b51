"""Feature rows kept on disk by content, so that no network sees the same picture twice.

A row is known by the SHA-256 of the picture's pixels within a folder named by the embedder's
fingerprint. Rows lie in shards, each a .npy file named by the digest of its bytes: a damaged shard
is noticed, removed and made again.
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.choices import InputError
from vestige.types import Float32s, Images

SHARD = 1024
Compute = Callable[[Images], Float32s]


def stored_rows(
    folder: str | Path | None, fingerprint: str, images: Images, compute: Compute
) -> Float32s:
    """Rows [n, d] of images [n, h, w]: from the store where it has them, else computed and kept.

    Computed rows are kept shard by shard, so that a killed run goes on where it was.

    Parameters
    ----------
    folder : path or None
        None keeps nothing.
    fingerprint : str
        Everything but the pixels that determines a row.
    compute : callable
        Images -> float32 [n, d]; a row must not depend on the other images.

    Raises
    ------
    InputError
        When the folder cannot be written.
    """
    if folder is None:
        return compute(images)
    place = Path(folder) / hashlib.sha256(fingerprint.encode()).hexdigest()[:32]
    keys = [bytes.fromhex(array_sha256(image)) for image in images]
    known = _read_all(place, set(keys))
    todo = list({key: i for i, key in enumerate(keys) if key not in known}.values())
    for start in range(0, len(todo), SHARD):
        chosen = todo[start : start + SHARD]
        rows = compute(images[chosen])
        new = [keys[i] for i in chosen]
        _write(place, new, rows)
        known.update(zip(new, rows, strict=True))
    return np.stack([known[key] for key in keys])


def array_sha256(array: npt.NDArray[Any]) -> str:
    """SHA-256 of shape, type and content."""
    digest = hashlib.sha256(repr((array.shape, array.dtype.str)).encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _read_all(place: Path, wanted: set[bytes]) -> dict[bytes, Float32s]:
    found: dict[bytes, Float32s] = {}
    for path in sorted(place.glob("*.npy")):
        table = _read(path)
        if table is None:
            with suppress(FileNotFoundError):  # another process removed it first
                path.unlink()
            continue
        for record in table:
            key = record["key"].tobytes()
            if key in wanted:
                found[key] = record["row"].copy()
    return found


def _read(path: Path) -> npt.NDArray[np.void] | None:
    """The table of a shard, None when it is damaged."""
    try:
        table = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    names = getattr(table, "dtype", np.dtype(float)).names
    intact = names == ("key", "row") and _name(table) == path.name
    return table if intact else None


def _write(place: Path, keys: list[bytes], rows: Float32s) -> None:
    layout = [("key", np.uint8, (32,)), ("row", np.float32, rows.shape[1:])]
    table = np.empty(len(keys), layout)
    table["key"] = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 32)
    table["row"] = rows
    partial = place / f".{_name(table)}.{os.getpid()}.tmp"
    try:
        place.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as handle:
            np.save(handle, table, allow_pickle=False)
        partial.replace(place / _name(table))
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise InputError(f"cannot write to the store {place}: {error.strerror or error}") from error


def _name(table: npt.NDArray[np.void]) -> str:
    return hashlib.sha256(table.tobytes()).hexdigest()[:32] + ".npy"
