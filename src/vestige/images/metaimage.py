"""MetaImage: MHA in one file, MHD with its voxels beside it.

Read here rather than by a library, because a header may name any file, and its sizes must be known
to be within the limits before anything is unpacked.
"""

import os
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from vestige.images.flags import NO_ORIENTATION
from vestige.images.frame import Frame, Unreadable, Window
from vestige.images.header_numbers import real_number, scale_of, whole_number
from vestige.images.pairs import open_voxels
from vestige.images.volumes import (
    AS_STORED,
    Grid,
    Volume,
    frames_of,
    need_nibabel,
    read_levels,
    volume_shape,
)

_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_MOST_LINES, _LONGEST_LINE = 1000, 2**16
_STEP = 2**20


@dataclass(frozen=True, eq=False)
class _Header:
    fields: dict[str, str]
    shape: tuple[int, ...]
    affine: npt.NDArray[Any]
    is_oriented: bool


def read_metaimage(path: str | os.PathLike[str], window: Window | None = None) -> list[Frame]:
    """Decode every axial slice of one file as `vestige.images.volumes.frames_of` says."""
    return frames_of(metaimage_volume(path), window)


def metaimage_volume(path: str | os.PathLike[str]) -> Volume:
    """What one MetaImage file holds, before any scale."""
    need_nibabel(path, "MetaImage")
    with open(path, "rb") as file:
        header = _header(file)
        dtype = _dtype(header.fields)
        sides = volume_shape(header.shape, dtype)
        named = header.fields["elementdatafile"]
        if named.upper() == "LOCAL":
            levels = _levels(file, header, dtype, sides)
        else:
            with open(open_voxels(path, named), "rb") as voxels:
                levels = _levels(voxels, header, dtype, sides, is_detached=True)
    flags = () if header.is_oriented else (NO_ORIENTATION,)
    mode = f"MetaImage {dtype.name}"
    return Volume(levels.astype(np.float32), header.affine, dtype, mode, flags=flags)


def metaimage_grid(path: str | os.PathLike[str]) -> Grid:
    """Sides and affine, from the header."""
    with open(path, "rb") as file:
        header = _header(file)
    return header.shape, header.affine


class _Unpacked:
    """A zlib or gzip stream, of which no more is unpacked than is asked for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._waiting = file, b""
        self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; b"" at the end."""
        while not self._unpacker.eof:
            self._waiting = self._waiting or self._file.read(_STEP)
            if not self._waiting:
                return b""
            part = self._unpacker.decompress(self._waiting, min(size, _STEP))
            self._waiting = self._unpacker.unconsumed_tail
            if part:
                return part
        return b""


def _levels(
    file: BinaryIO,
    header: _Header,
    dtype: np.dtype[Any],
    sides: tuple[int, ...],
    is_detached: bool = False,
) -> npt.NDArray[Any]:
    fields = header.fields
    if whole_number(fields.get("headersize", "0")) != 0:
        raise Unreadable("has bytes before its voxels (HeaderSize); save it again without")
    source: Any = _Unpacked(file) if _is_true(fields.get("compresseddata", "")) else file
    return read_levels(source, sides, dtype, is_detached)


def _header(file: BinaryIO) -> _Header:
    fields: dict[str, str] = {}
    for _ in range(_MOST_LINES):
        text = file.readline(_LONGEST_LINE).decode("utf-8", "replace")
        key, sign, value = text.partition("=")
        if not sign:
            break
        fields[key.strip().lower()] = value.strip()
        if key.strip().lower() == "elementdatafile":
            break
    if not fields.get("elementdatafile"):
        raise Unreadable("has a header that does not say where its voxels are; save it again")
    shape = tuple(map(whole_number, fields.get("dimsize", "").split()))
    if len(shape) != whole_number(fields.get("ndims", "0")) or not 2 <= len(shape) <= 4:
        raise Unreadable("does not say its 2 to 4 sides; mend the lines NDims and DimSize")
    if fields.get("elementnumberofchannels", "1") != "1":
        raise Unreadable("holds several channels; save one grey channel")
    slope = fields.get("elementtointensityfunctionslope", "1")
    start = fields.get("elementtointensityfunctionoffset", "0")
    if (real_number(slope), real_number(start)) != (1, 0):
        raise Unreadable("states a scale that programs read differently; save its values as shown")
    if not _is_true(fields.get("binarydata", "true")):
        raise Unreadable("holds its voxels as text; save them as binary data")
    return _Header(fields, shape, *_affine(fields, len(shape)))


def _affine(fields: dict[str, str], count: int) -> tuple[npt.NDArray[Any], bool]:
    """From indices to RAS, and whether the header states it."""
    names = ("transformmatrix", "orientation", "rotation")
    stated = next((fields[name] for name in names if name in fields), "")
    told = fields.get("elementspacing", fields.get("elementsize", ""))
    scale = scale_of([abs(real_number(n)) for n in told.split()])
    numbers = [real_number(n) for n in stated.split()]
    if count < 3 or len(numbers) != count**2:
        return AS_STORED @ scale, False
    affine = np.eye(4)
    # a line of numbers for each axis, to the left, to the back and to the head
    affine[:3, :3] = np.array(numbers).reshape(count, count)[:3, :3].T
    return AS_STORED @ affine @ scale, True


def _dtype(fields: dict[str, str]) -> np.dtype[Any]:
    kind = _TYPES.get(fields.get("elementtype", "").upper())
    if kind is None:
        told = fields.get("elementtype", "no type")[:20]
        raise Unreadable(f"holds {told!r} voxels; save as 8 or 16 bit")
    order = fields.get("binarydatabyteordermsb", fields.get("elementbyteordermsb", "false"))
    return np.dtype((">" if _is_true(order) else "<") + kind)


def _is_true(text: str) -> bool:
    return text[:1].upper() in ("T", "Y", "1")
