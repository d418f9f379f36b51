"""A shard: some files, read into images of the working size and their records."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vestige.images.frame import Frame, NotAnImage, Unreadable, Window
from vestige.images.imageset import Record, pixel_digest
from vestige.images.preprocess import to_working
from vestige.images.readers import read_file
from vestige.result import Problem
from vestige.types import Images


@dataclass(frozen=True, eq=False)
class Shard:
    """The images of some files; rows of `pixels` [n, size, size] belong to `records`."""

    pixels: Images
    records: tuple[Record, ...]
    problems: tuple[Problem, ...]
    files: int


def read_shard(
    paths: Sequence[tuple[str, str | Path]], size: int, window: Window | None = None
) -> Shard:
    """Read some files; pure, so that any worker process can do it.

    Parameters
    ----------
    paths : sequence of (id, path)
    size : int
        Working size in pixels.
    window : (centre, width) or None

    Returns
    -------
    Shard
        A file that cannot be read is a row in `problems` (path = id), never an exception.

    Raises
    ------
    InputError
        Only where no file of that kind could be read: a package is missing.
    """
    pixels, records, problems = [], [], []
    for identifier, path in paths:
        try:
            frames = read_file(path, window)
            rows = [
                record_of(f, identifier, str(path), k, len(frames)) for k, f in enumerate(frames)
            ]
            small = [to_working(frame.stored, size) for frame in frames]
        except Unreadable as error:
            harmless = isinstance(error, NotAnImage)
            problems.append(Problem(identifier, str(error), "warning" if harmless else "error"))
            continue
        records += rows
        pixels += small
    return Shard(stacked(pixels, size), tuple(records), tuple(problems), len(paths))


def record_of(frame: Frame, identifier: str, path: str, k: int, count: int) -> Record:
    """The record of frame k of `count` in one file."""
    height, width = frame.stored.shape
    return Record(
        id=identifier if count == 1 else f"{identifier}#{k}",
        path=path,
        frame=k,
        sha256=pixel_digest(frame),
        shape=(height, width),
        bits=frame.bits,
        mode=frame.mode,
        flags=frame.flags,
        patient=frame.patient,
        series=frame.series,
        position=frame.position,
    )


def stacked(images: list[Any], size: int) -> Images:
    """Images of one size as one array, also when there are none."""
    return np.stack(images) if images else np.zeros((0, size, size), np.float32)
