"""A shard: some files, read into images of the working size and their records."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vestige.images.cage import caged
from vestige.images.flags import COLOUR
from vestige.images.frame import BLACK, Colour, Frame, Unreadable, Window
from vestige.images.imageset import Record, pixel_digest
from vestige.images.kinds import Kind
from vestige.images.preprocess import area_average, to_working
from vestige.images.readers import read_file
from vestige.images.series import Series, paths_of
from vestige.images.stored_statistics import stored_statistics
from vestige.images.unread import fault_of
from vestige.images.working_grid import CUBES, on_grid
from vestige.schema.records import Problem
from vestige.types import Images

Stored: TypeAlias = npt.NDArray[Any]
"""An image [h, w] or [h, w, 3] as its file stores it: uint8, uint16 or float32."""
VOLUME_FILES = 8
"""A file with a volume takes as long as so many with a picture."""
RECORD_BYTES = 500
"""Of memory that a record takes, about."""
BATCH = 8
"""Images shrunk at once: half a megabyte of 256 x 256 levels stays in the cache."""


@dataclass(frozen=True)
class Decoding:
    """How files become images.

    window : (centre, width) or None
    share : of the images, 0..1, those whose statistics as stored are taken: `is_measured`
    layout : of arrays; "" where it is plain
    kind : what the images become
    background : what lies behind transparent colour images
    """

    window: Window | None = None
    share: float = 1.0
    layout: str = ""
    kind: Kind = "grey"
    background: Colour = BLACK

    def shape(self, size: int) -> tuple[int, ...]:
        """Of one image of this size."""
        return {"grey": (size, size), "colour": (size, size, 3), "volume": (size,) * 3}[self.kind]

    def together(self, files: int) -> int:
        """How many files make a shard, where so many do of pictures."""
        return max(1, files // VOLUME_FILES) if self.kind == "volume" else files

    def read(self, path: str | os.PathLike[str]) -> list[Frame]:
        """The images of one file, or the volume of one series, of which each file is caged."""
        whole = self.kind == "volume"
        if isinstance(path, Series):
            return read_file(path, self.window, self.layout, whole)
        return caged(read_file, path, self.window, self.layout, whole)


PLAIN = Decoding()


@dataclass(frozen=True, eq=False)
class Shard:
    """The images of some files; rows of `pixels` [n, size, size] belong to `records`.

    counts : number of images of each file; 0 where `problems` says why there is none
    unreached : ids of files that the system did not give: gone, closed, or a fault of the storage
    held : where the pixels are if a worker keeps them (`vestige.images.holding`); `pixels` [n, 2]
        then are the places of the images there
    """

    pixels: Images
    records: tuple[Record, ...]
    problems: tuple[Problem, ...]
    counts: tuple[int, ...]
    unreached: tuple[str, ...] = ()
    held: str = ""

    def __sizeof__(self) -> int:
        """Bytes: a worker of Dask that holds shards writes some to its disk when it has many."""
        return self.pixels.nbytes + RECORD_BYTES * len(self.records)

    @property
    def files(self) -> int:
        """Number of files."""
        return len(self.counts)

    def answers(self, identifiers: Sequence[str]) -> bool:
        """Whether each of these files, in this order, has its images or a row in `problems`."""
        if len(self.counts) != len(identifiers):
            return False
        files = zip(identifiers, self.counts, strict=True)
        expected = [(i, k) for i, count in files for k in range(count)]
        told = {problem.path for problem in self.problems}
        return (
            len(self.pixels) == len(self.records) == len(expected)
            and all(
                record.frame == k and record.id in (i, f"{i}#{k}")
                for record, (i, k) in zip(self.records, expected, strict=True)
            )
            and all(i in told for i, n in zip(identifiers, self.counts, strict=True) if not n)
        )


def read_shard(
    paths: Sequence[tuple[str, str | os.PathLike[str]]], size: int, how: Decoding = PLAIN
) -> Shard:
    """Read some files; pure, so that any worker process can do it.

    Parameters
    ----------
    paths : sequence of (id, path)
    size : int
        Working size in pixels.
    how : Decoding

    Returns
    -------
    Shard
        A file that cannot be read is a row in `problems` (path = id), never an exception.

    Raises
    ------
    InputError
        Only where no file of that kind could be read: a package is missing.
    """
    pixels: list[Images] = []
    records: list[Record] = []
    problems: list[Problem] = []
    waiting: list[tuple[Frame, Stored]] = []
    counts: list[int] = []
    unreached: list[str] = []

    def shrink() -> None:
        batch = len(records) - len(waiting)
        asked = [
            k for k in range(len(waiting)) if is_measured(records[batch + k].sha256, how.share)
        ]
        if asked:
            pictures = [picture_of(waiting[k][0]) for k in asked]
            rows = stored_statistics(np.stack(pictures)).tolist()
            for k, row in zip(asked, rows, strict=True):
                records[batch + k] = replace(records[batch + k], statistics=tuple(row))
        pixels.append(at_working_size(waiting, size))
        waiting.clear()

    for identifier, path in paths:
        try:
            frames = how.read(path)
        except OSError as error:  # no such file, or the storage does not answer
            why = error.strerror or "does not open"
            problems.append(fault_of(identifier, f"cannot be decoded: {why}", "not reached"))
            counts.append(0)
            unreached.append(identifier)
            continue
        except Unreadable as error:
            problems.append(fault_of(identifier, str(error), error.kind))
            counts.append(0)
            if _is_of_system(error):
                unreached.append(identifier)
            continue
        counts.append(len(frames))
        for k, frame in enumerate(frames):
            shown = frame.shown_as(how.kind, how.background)
            full = len(waiting) == (1 if how.kind == "volume" else BATCH)
            if full or (waiting and not _alike(waiting[0], (frame, shown))):
                shrink()
            records.append(record_of(frame, shown, identifier, path, (k, len(frames))))
            waiting.append((frame, shown))
    if waiting:
        shrink()
    made = np.concatenate(pixels) if pixels else np.zeros((0, *how.shape(size)), np.float32)
    return Shard(made, tuple(records), tuple(problems), tuple(counts), tuple(unreached))


def _is_of_system(error: BaseException) -> bool:
    """Whether the system said it: decoders raise errors of the same type, but without a number."""
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno is not None


def is_measured(sha256: str, share: float) -> bool:
    """Whether an image of this digest is in a share that only its pixels choose."""
    return int(sha256[:12], 16) < share * 16**12


def joined(parts: Sequence[Shard]) -> Shard:
    """Shards, at least one, one after another."""
    images = [part.pixels for part in parts if len(part.pixels)]
    return Shard(
        np.concatenate(images) if images else parts[0].pixels,
        tuple(record for part in parts for record in part.records),
        tuple(problem for part in parts for problem in part.problems),
        tuple(count for part in parts for count in part.counts),
        tuple(identifier for part in parts for identifier in part.unreached),
    )


def picture_of(frame: Frame) -> Stored:
    """The picture whose statistics are taken as stored: of a volume the middle axial slice."""
    return frame.stored if frame.spacing is None else frame.stored[len(frame.stored) // 2]


def at_working_size(images: Sequence[tuple[Frame, Stored]], size: int) -> Images:
    """Images of one shape and type, each as it is shown, at the working size."""
    if images[0][0].spacing is None:
        return to_working_batch([shown for _, shown in images], size)
    return np.stack([on_grid(frame.pixels, frame.spacing or CUBES, size) for frame, _ in images])


def to_working_batch(images: Sequence[Stored], size: int) -> Images:
    """`to_working` of images of one shape and type, [h, w] or [h, w, 3] -> [n, size, size, ...].

    The common case, a square image and an integer factor, is one step for all: few calls of NumPy
    on much memory leave the interpreter lock to the other decoding threads.
    """
    if images[0].ndim == 3:
        channels = ([image[:, :, k] for image in images] for k in range(3))
        return np.stack([to_working_batch(one, size) for one in channels], axis=3)
    height, width = images[0].shape
    if height == width and height != size and height % size == 0:
        return area_average(np.stack(images), height // size)
    return np.stack([to_working(image, size) for image in images])


def _alike(one: tuple[Frame, Stored], other: tuple[Frame, Stored]) -> bool:
    (grey, shown), (next_grey, next_shown) = one, other
    same_type = shown.dtype == next_shown.dtype and grey.stored.dtype == next_grey.stored.dtype
    return shown.shape == next_shown.shape and same_type


def _told(frame: Frame, shown: Stored) -> tuple[str, ...]:
    """The flags of a frame; in colour it was not turned to grey."""
    return tuple(flag for flag in frame.flags if flag != COLOUR or shown.ndim == 2)


def _size_now(path: str) -> int:
    """Bytes of a file as it is now; 0 where it is gone."""
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return 0


def record_of(
    frame: Frame,
    shown: Stored,
    identifier: str,
    path: str | os.PathLike[str],
    place: tuple[int, int],
) -> Record:
    """The record of a frame that is shown so, at its place (number, of how many) in one file."""
    k, count = place
    size = sum(_size_now(part) for part in paths_of(path) if part)
    return Record(
        id=identifier if count == 1 else f"{identifier}#{k}",
        path=str(path),
        frame=k,
        sha256=pixel_digest(shown),
        shape=frame.stored.shape,
        bits=frame.bits,
        mode=frame.mode,
        flags=_told(frame, shown),
        patient=frame.patient,
        alias=frame.alias,
        issuer=frame.issuer,
        series=frame.series,
        study=frame.study,
        position=frame.position,
        coding=frame.coding,
        ends=frame.ends,
        is_windowed=frame.is_windowed,
        bytes_per_pixel=size / (count * frame.stored.size),
        spacing=frame.spacing,
        orientation=frame.orientation,
        further=paths_of(path)[1:],
    )
