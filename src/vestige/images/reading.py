"""From a source to an ImageSet: files in shards, through worker processes or not."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.choices import InputError
from vestige.engine import map_shards
from vestige.images.arrays import as_stack, split
from vestige.images.cache import read_shard_cached
from vestige.images.conformity import stored_statistics
from vestige.images.fetching import read_fetched
from vestige.images.frame import Frame, Unreadable, Window
from vestige.images.imageset import ImageSet, flag_problems, in_series_order
from vestige.images.listing import Source, list_files, source_root
from vestige.images.remote import is_address, lives_here
from vestige.images.shards import Shard, read_shard, record_of, to_working_batch, with_statistics
from vestige.result import Problem

SHARD_FILES = 64


def read_images(
    source: Source,
    *,
    role: str,
    size: int = 64,
    window: Window | None = None,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> ImageSet:
    """Read all images of a source at the working size.

    Parameters
    ----------
    source : folder, file, CSV list, list of paths, address, array [n, h, w], or ImageSet
        Arrays are uint8, uint16 or float in 0..1; an ImageSet of this size is returned as it is.
    role : str
        Name of the set in messages and in the paths of problems ("used", "generated", ...).
    size : int
        Working size in pixels.
    window : (centre, width) or None
        For DICOM and NIfTI, in modality units.
    executor : Executor or None
        Where to decode; the result does not depend on it.
    cache : folder or None
        Where decoded shards are kept between runs.
    progress : callable or None
        Called with the number of files done so far and in all.

    Returns
    -------
    ImageSet
        In natural order of the ids; slices of one DICOM series by position.

    Raises
    ------
    InputError
        For a missing or empty source, or one without a single readable image.
    """
    if window is not None and not (np.isfinite(window).all() and window[1] >= 1):
        raise InputError(f"the window {window} is (centre, width) with a width of at least 1")
    if isinstance(source, ImageSet):
        if source.pixels.shape[1:] != (size, size):
            raise InputError(
                f"the {role} images were read at {source.pixels.shape[1]} pixels, {size} are "
                "needed: read them again."
            )
        return source
    if isinstance(source, np.ndarray):
        return _from_array(source, role, size)
    files = list_files(source)
    if lives_here(files[0][1]):
        executor = None
    shards = []
    done = 0
    for shard in _read_shards(files, size, window, executor, cache):
        shards.append(shard)
        done += shard.files
        if progress is not None:
            progress(done, len(files))
    faults = [
        Problem(f"{role}/{p.path}", p.what, p.severity) for shard in shards for p in shard.problems
    ]
    records = [record for shard in shards for record in shard.records]
    if not records:
        raise InputError(
            f"no readable image among the {len(files)} files of {role} "
            f"({_name(source)}). First fault: {faults[0].path} {faults[0].what}"
        )
    order = in_series_order(records)
    pixels = np.concatenate([shard.pixels for shard in shards])
    if (order != np.arange(len(order))).any():
        pixels, records = pixels[order], [records[k] for k in order]
    problems = (*faults, *flag_problems(records, role))
    return ImageSet(pixels, tuple(records), problems, source_root(source), window)


def _read_shards(
    files: list[tuple[str, str | Path]],
    size: int,
    window: Window | None,
    executor: Executor | None,
    cache: str | os.PathLike[str] | None,
) -> Iterator[Shard]:
    """Shards in the order of the files, with a bounded number on their way."""
    read: Callable[..., Shard] = read_shard
    arguments: tuple[Any, ...] = (size, window)
    if cache is not None:
        read, arguments = read_shard_cached, (size, window, os.fspath(cache))
    if is_address(files[0][1]):
        read, arguments = read_fetched, (read, *arguments)
    parts = [files[k : k + SHARD_FILES] for k in range(0, len(files), SHARD_FILES)]
    return map_shards(executor, read, parts, *arguments, name=lambda part: part[0][0])


def _from_array(source: npt.NDArray[Any], role: str, size: int) -> ImageSet:
    try:
        stack = source.reshape(as_stack(source.shape))
        frames = split(stack, "array")
    except Unreadable as error:
        raise InputError(f"the array of {role} images {error}") from error
    bare = [record_of(f, f"{k:06d}", "", k, 1) for k, f in enumerate(frames)]
    records = with_statistics(bare, [stored_statistics(_stored(frames))])
    pixels = to_working_batch([frame.stored for frame in frames], size)
    problems = tuple(flag_problems(records, role))
    return ImageSet(pixels, records, problems, arrays=stack)


def _stored(frames: Sequence[Frame]) -> npt.NDArray[Any]:
    return np.stack([frame.stored for frame in frames])


def _name(source: Source) -> str:
    return str(source) if isinstance(source, str | Path) else "a list of paths"
