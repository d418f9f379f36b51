"""Feature rows kept on disk by content, so that no network sees the same picture twice."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.cache.shelves import Entry, open_shelf
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
    shelf = open_shelf(folder, fingerprint)
    keys = [array_sha256(image) for image in images]
    known = {key: entry.rows for key, entry in shelf.find(keys).items()}
    todo = list({key: i for i, key in enumerate(keys) if key not in known}.values())
    for start in range(0, len(todo), SHARD):
        chosen = todo[start : start + SHARD]
        rows = compute(images[chosen])
        made = {keys[i]: rows[k : k + 1] for k, i in enumerate(chosen)}
        shelf.keep([Entry(key, row) for key, row in made.items()])
        known.update(made)
    return np.concatenate([known[key] for key in keys])


def array_sha256(array: npt.NDArray[Any]) -> str:
    """SHA-256 of shape, type and content."""
    digest = hashlib.sha256(repr((array.shape, array.dtype.str)).encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
