"""Many images: in memory while they fit, then in a file without a name.

The file is memory-mapped and vanishes with the process. So an array of images looks the same
whatever its size; who goes through all of it does so in `blocks`.
"""

import math
import mmap
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np

from vestige.registry.entries import InputError
from vestige.types import Images, Ints

HELD_BYTES = 2**29
"""Of one set in memory; what is more goes to the folder for temporary files (TMPDIR)."""
BLOCK = 1024
VOLUME_BLOCK_FLOATS = 2**24
"""Of volumes and colour images that are gone through at once: 64 MB."""


def spooled(parts: Iterable[Images], shape: tuple[int, ...], expected: int = 0) -> Images:
    """Images [k, *shape], part after part, as one read-only or ordinary array.

    Space for the `expected` number is made beforehand: memory that is touched for the first time
    is slow, and putting parts together would touch it twice.

    Raises
    ------
    InputError
        When the folder for temporary files is full.
    """
    most = HELD_BYTES // (4 * math.prod(shape))
    held = np.empty((min(expected, most), *shape), np.float32)
    count, file = 0, None
    try:
        for part in parts:
            start, count = count, count + len(part)
            if file is None and count > most:
                file = _opened()
                _write(file, held[:start])
                held = held[:0]
            if file is not None:
                _write(file, part)
                continue
            if count > len(held):
                larger = np.empty((min(max(count, 2 * len(held)), most), *shape), np.float32)
                larger[:start] = held[:start]
                held = larger
            held[start:count] = part
        if file is None:
            return held[:count]
        return np.memmap(file, np.float32, "r", shape=(count, *shape))
    finally:
        if file is not None:
            file.close()


def _opened() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile(buffering=0)
    except OSError as error:
        raise _full(error) from error


def _write(file: IO[bytes], images: Images) -> None:
    if not len(images):
        return  # a view of nothing cannot be cast
    left = np.ascontiguousarray(images, np.float32).data.cast("B")
    try:
        while left:
            left = left[file.write(left) :]
    except OSError as error:
        raise _full(error) from error


def _full(error: OSError) -> InputError:
    return InputError(
        f"cannot keep the images of a large set in {tempfile.gettempdir()}: "
        f"{error.strerror or error}. Set TMPDIR to a folder with more space."
    )


def blocks(images: Images, step: int = BLOCK) -> Iterator[Images]:
    """Images a few at a time, volumes fewer; those of a mapped file leave the memory again."""
    for start in range(0, len(images), step := step_of(images, step)):
        yield images[start : start + step]
        let_go(images)


def step_of(images: Images, step: int = BLOCK) -> int:
    """How many of these images are gone through at once: `step`, of large ones fewer."""
    if images.ndim == 3:
        return step
    return max(1, min(step, VOLUME_BLOCK_FLOATS // max(1, math.prod(images.shape[1:]))))


def take(images: Images, rows: Ints) -> Images:
    """Some images [k, h, w]; where they are many, in a file again."""
    if len(rows) * images[:1].nbytes <= HELD_BYTES:
        return np.asarray(images[rows])
    step = max(1, min(BLOCK, HELD_BYTES // (8 * images[:1].nbytes)))
    parts = (images[rows[k : k + step]] for k in range(0, len(rows), step))
    return spooled(parts, images.shape[1:])


def joined(images: Images, more: Images) -> Images:
    """Images and more of them; where they are many, in a file again."""
    if not isinstance(images, np.memmap):
        return np.concatenate([images, more])
    return spooled((part for both in (images, more) for part in blocks(both)), images.shape[1:])


def let_go(images: Images) -> None:
    """Let the pages of a mapped file leave the memory of this process; they are read again."""
    mapping = getattr(images, "_mmap", None)
    if isinstance(images, np.memmap) and mapping is not None and hasattr(mapping, "madvise"):
        mapping.madvise(mmap.MADV_DONTNEED)
