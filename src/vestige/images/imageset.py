"""ImageSet: all images of one role at the working size, with what is known of each."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.images.arrays import Stack, split
from vestige.images.cage import caged
from vestige.images.flags import FLAG_WARNINGS
from vestige.images.frame import BLACK, Colour, Frame, Unreadable, Window, scaled
from vestige.images.kinds import Kind, kind_of
from vestige.images.one_scale import rescaled
from vestige.images.readers import read_file
from vestige.images.remote import is_address, local_copy
from vestige.images.spool import take
from vestige.images.unread import Ledger
from vestige.registry.entries import InputError
from vestige.schema.records import Problem
from vestige.types import Bools, Float32s, Images, Ints

_CHANGED = "has changed since it was read. Leave the folders alone while an audit runs; start again"


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of one image besides its pixels; see `ImageSet` and `Frame`."""

    id: str
    path: str
    frame: int
    sha256: str
    shape: tuple[int, ...]
    """Height and width; of a volume slices, height and width as it is shown."""
    bits: int
    mode: str
    flags: tuple[str, ...] = ()
    patient: str = ""
    series: str = ""
    study: str = ""
    position: float | None = None
    coding: str = ""
    bytes_per_pixel: float = 0.0
    """Of the file; 0 for an array."""
    statistics: tuple[float, ...] = ()
    """`vestige.images.stored_statistics.STATISTICS` of the image as stored; () where not taken."""
    ends: tuple[float, float] | None = None
    is_windowed: bool = False
    scale: tuple[float, float] | None = None
    """Factor and offset by which the image was put on the scale of its series."""
    alias: str = ""
    issuer: str = ""
    spacing: tuple[float, float, float] | None = None
    """Of a volume: millimetres between voxels along the axes of its shape."""
    orientation: str = ""
    """Of a volume: where its axes as stored lead to, such as "LPS"; "" where nothing says it."""
    further: tuple[str, ...] = ()
    """Of a DICOM series that is one volume: its files after the first, which is the path."""


_VALUES = attrgetter(*(field.name for field in fields(Record)))
_PLACE, _FURTHER = (Record.__match_args__.index(name) for name in ("path", "further"))


def at_place(record: Record, path: str, further: tuple[str, ...]) -> Record:
    """The record with another path; four times as fast as `replace`, and asked for each file."""
    values = list(_VALUES(record))
    values[_PLACE], values[_FURTHER] = path, further
    return Record(*values)


@dataclass(frozen=True, eq=False)
class ImageSet:
    """All readable images of one source.

    Parameters
    ----------
    pixels : float32 [n, size, size], 0..1
        At the working size, black is 0; colour [n, size, size, 3], volumes [n, size, size, size].
    records : tuple of Record, length n
        What is known of each image.
    problems : tuple of Problem
        Files that could not be read, and warnings; paths are "role/id".
    root : Path or None
        The folder that ids are relative to; None for arrays and lists of paths.
    window : (centre, width) or None
        As given to the readers.
    layout : str
        Of arrays in files, as given to the readers.
    background : red, green and blue, 0..1
        What lies behind transparent colour images.
    arrays : array [n, h, w] or [n, h, w, 3], one array for each image, or None
        The source itself, if a program held it.
    files : Ledger
        How many files the source has, and how many gave no image.
    """

    pixels: Images = field(repr=False)
    records: tuple[Record, ...] = field(repr=False)
    problems: tuple[Problem, ...] = ()
    root: Path | None = None
    window: Window | None = None
    layout: str = ""
    background: Colour = BLACK
    arrays: Stack | None = field(default=None, repr=False)
    files: Ledger = field(default_factory=Ledger)

    def __len__(self) -> int:
        return len(self.records)

    @cached_property
    def kind(self) -> Kind:
        """Whether these are grey images, colour images or volumes."""
        return kind_of(self.pixels.shape)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Path relative to the folder, with "#k" for image k of a file that holds several."""
        return tuple(r.id for r in self.records)

    @cached_property
    def sha256(self) -> tuple[str, ...]:
        """Digest of the decoded full-size pixels; the same for every lossless format."""
        return tuple(r.sha256 for r in self.records)

    @cached_property
    def shapes(self) -> Ints:
        """Height and width in the file, int [n, 2]; of volumes slices, height, width [n, 3]."""
        axes = len(self.records[0].shape) if self.records else 2
        return np.array([r.shape for r in self.records], np.int64).reshape(-1, axes)

    @cached_property
    def bits(self) -> tuple[int, ...]:
        """Bits per level in the file."""
        return tuple(r.bits for r in self.records)

    @cached_property
    def modes(self) -> tuple[str, ...]:
        """How the file stores a pixel ("L", "P", "MONOCHROME2", ...)."""
        return tuple(r.mode for r in self.records)

    @cached_property
    def flags(self) -> tuple[tuple[str, ...], ...]:
        """What was done or noticed while reading each image."""
        return tuple(r.flags for r in self.records)

    @cached_property
    def patients(self) -> tuple[str, ...]:
        """sha256 of the DICOM patient id, "" where there is none, `NOBODY` for a placeholder."""
        return tuple(r.patient for r in self.records)

    @cached_property
    def inputs_sha256(self) -> str:
        """One digest of ids and pixels of the whole set."""
        text = "".join(f"{r.id}\0{r.sha256}\n" for r in self.records)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    def subset(self, indices: Ints | Bools | Sequence[int]) -> "ImageSet":
        """The images at `indices` (or where a mask is true), in that order.

        Problems and the count of files stay those of the whole source.
        """
        rows = np.arange(len(self))[np.asarray(indices, None if len(indices) else np.int64)]
        return replace(
            self,
            pixels=take(self.pixels, rows),
            records=tuple(self.records[k] for k in rows),
        )

    def original(self, i: int) -> Float32s:
        """Image i in full size, float32 [h, w] or [h, w, 3], read again from its file.

        Of a volume the cube at the working grid, for which nothing is read.

        Raises
        ------
        InputError
            When the file has gone or shows something else since it was read.
        """
        if self.kind == "volume":
            return np.array(self.pixels[i])
        record = self.records[i]
        if self.arrays is not None:
            frame = _array_frame(self.arrays, record.frame)
            return scaled(frame.shown_as(self.kind, self.background))
        try:
            # what lies at an address has no stamp here; its digest is compared below
            stamp = 0 if is_address(record.path) else os.stat(record.path).st_mtime_ns
            frame = _frames_of(record.path, self.window, self.layout, stamp)[record.frame]
        except (OSError, Unreadable, IndexError) as error:
            raise InputError(f"{record.id} {_CHANGED}") from error
        shown = frame.shown_as(self.kind, self.background)
        if pixel_digest(shown) != record.sha256:
            raise InputError(f"{record.id} {_CHANGED}")
        return rescaled(scaled(shown), record.scale)


@lru_cache(maxsize=1)
def _frames_of(path: str, window: Window | None, layout: str, stamp: int) -> list[Frame]:
    # one file is kept, because the slices of a volume are asked for one after another
    with local_copy(path) as here:
        return caged(read_file, here, window, layout)


def _array_frame(arrays: Stack, k: int) -> Frame:
    return split(arrays[k : k + 1], "array")[0]


def pixel_digest(levels: npt.NDArray[Any]) -> str:
    """Digest of what an image shows, whatever stores it.

    sha256 over the lengths of its axes and the levels round(65535 x pixel), which are written as
    single bytes where all are multiples of 257, that is, where the image has 8 bits. So 8-bit,
    palette and 16-bit files of the same picture agree.

    Parameters
    ----------
    levels : uint8, uint16, or float32 in 0..1
        As `Frame.shown_as` gives them.
    """
    if levels.dtype == np.float32:
        levels = np.rint(levels * np.float32(65535)).astype(np.uint16)
    if levels.dtype == np.uint16 and not (levels % 257).any():
        levels = (levels // 257).astype(np.uint8)
    sides = "x".join(map(str, levels.shape))
    digest = hashlib.sha256(f"{sides}:{levels.itemsize}:".encode())
    digest.update(np.ascontiguousarray(levels, levels.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def in_series_order(records: Sequence[Record]) -> Ints:
    """Order in which the slices of one DICOM series follow their position, not their name.

    The places that a series holds among the others stay; images without a position stay too.
    """
    order = np.arange(len(records), dtype=np.int64)
    members: dict[str, list[int]] = {}
    for k, record in enumerate(records):
        if record.series and record.position is not None:
            members.setdefault(record.series, []).append(k)
    for places in members.values():
        order[places] = sorted(places, key=lambda k: (records[k].position, k))
    return order


def flag_problems(records: Sequence[Record], role: str) -> Iterator[Problem]:
    """One warning per kind of flag that the user should know of, with its first image."""
    counts = Counter(flag for record in records for flag in set(record.flags))
    for flag in sorted(counts):
        if flag in FLAG_WARNINGS or flag.startswith("decoder: "):
            first = next(record.id for record in records if flag in record.flags)
            what = f"{counts[flag]} of {len(records)} images: {FLAG_WARNINGS.get(flag, flag)}"
            yield Problem(f"{role}/{first}", what, "warning")
