"""NRRD: a header of text, then the voxels, in one file or beside it.

Read here rather than by a library, because a header may name any file, and its sizes must be known
to be within the limits before anything is unpacked.
"""

import gzip
import os
import sys
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from vestige.images.derived import SEGMENTATION
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
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(
        ("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"
    ),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    "float": "f4",
    "double": "f8",
}
_TO_RAS = {
    **dict.fromkeys(("right-anterior-superior", "ras"), (1, 1, 1)),
    **dict.fromkeys(("left-anterior-superior", "las"), (-1, 1, 1)),
    **dict.fromkeys(("left-posterior-superior", "lps"), (-1, -1, 1)),
}
_IN_TIME = ("", "list", "time", "???", "none", "domain", "space")
"""Kinds of an axis without direction along which whole volumes follow each other."""
_MOST_LINES, _LONGEST_LINE = 10_000, 2**16
_SKIPPED = 16 * 2**20
_SEGMENTS = ("segment0_", "segmentation_")
"""What names of keys begin with where a program of segmentation wrote the file."""


@dataclass(frozen=True, eq=False)
class _Header:
    """sizes as stored; axis : the one that is no direction of space, None without."""

    fields: dict[str, str]
    is_segmentation: bool
    sizes: tuple[int, ...]
    axis: int | None
    affine: npt.NDArray[Any]
    is_oriented: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Sides of the volume, with the axis without direction last."""
        if self.axis is None:
            return self.sizes
        rest = [n for k, n in enumerate(self.sizes) if k != self.axis]
        return (*rest, *[1] * (3 - len(rest)), self.sizes[self.axis])


def read_nrrd(path: str | os.PathLike[str], window: Window | None = None) -> list[Frame]:
    """Decode every axial slice of one file as `vestige.images.volumes.frames_of` says."""
    return frames_of(nrrd_volume(path), window)


def nrrd_volume(path: str | os.PathLike[str]) -> Volume:
    """What one NRRD file holds, before any scale."""
    need_nibabel(path, "NRRD")
    with open(path, "rb") as file:
        header = _header(file)
        dtype = _dtype(header.fields)
        sides = volume_shape(header.shape, dtype)
        named = header.fields.get("data file") or header.fields.get("datafile")
        if named:
            with open(open_voxels(path, named), "rb") as voxels:
                levels = _levels(voxels, header, dtype, is_detached=True)
        else:
            levels = _levels(file, header, dtype)
    if header.axis is not None:
        levels = np.moveaxis(levels, header.axis, -1)
    flags = () if header.is_oriented else (NO_ORIENTATION,)
    if header.is_segmentation:
        flags = (*flags, SEGMENTATION)
    values = levels.reshape(sides).astype(np.float32)
    return Volume(values, header.affine, dtype, f"NRRD {dtype.name}", flags=flags)


def nrrd_grid(path: str | os.PathLike[str]) -> Grid:
    """Sides and affine, from the header."""
    with open(path, "rb") as file:
        header = _header(file)
    return header.shape, header.affine


def _levels(
    file: BinaryIO, header: _Header, dtype: np.dtype[Any], is_detached: bool = False
) -> npt.NDArray[Any]:
    fields = header.fields
    lines = whole_number(fields.get("line skip", fields.get("lineskip", "0")))
    skipped = whole_number(fields.get("byte skip", fields.get("byteskip", "0")))
    if lines or not 0 <= skipped <= _SKIPPED:
        raise Unreadable("skips lines or bytes before its voxels; save it again without")
    coding = fields.get("encoding", "").lower()
    if coding in ("gzip", "gz"):
        with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
            unpacked.read(skipped)
            return read_levels(unpacked, header.sizes, dtype, is_detached)
    if coding == "raw":
        file.read(skipped)
        return read_levels(file, header.sizes, dtype, is_detached)
    raise Unreadable(f"is NRRD in the encoding {coding[:20]!r}; save it raw or gzip")


def _header(file: BinaryIO) -> _Header:
    if not file.readline(_LONGEST_LINE).startswith(b"NRRD000"):
        raise Unreadable("has no header of NRRD")
    fields: dict[str, str] = {}
    is_segmentation = False
    for _ in range(_MOST_LINES):
        text = file.readline(_LONGEST_LINE).decode("utf-8", "replace")
        if not text.strip("\r\n"):
            break
        if text.startswith("#"):
            continue
        key, sign, value = text.partition(":")
        if value.startswith("="):
            is_segmentation |= key.lower().startswith(_SEGMENTS)
        elif sign:
            fields[key.strip().lower()] = value.strip()
    else:
        raise Unreadable(f"has a header of more than {_MOST_LINES} lines; save it again")
    sizes = tuple(map(whole_number, fields.get("sizes", "").split()))
    if len(sizes) != whole_number(fields.get("dimension", "0")) or not sizes or len(sizes) > 4:
        raise Unreadable("does not say its 2 to 4 sides; mend the lines dimension and sizes")
    directions = _directions(fields.get("space directions", ""), len(sizes))
    kinds = fields.get("kinds", "").lower().split()
    axis = _other_axis(directions, kinds, len(sizes))
    affine, is_oriented = _affine(fields.get("space", ""), directions, len(sizes))
    if not is_oriented:
        steps = [abs(real_number(n)) for n in fields.get("spacings", "").split()]
        affine = affine @ scale_of([n for k, n in enumerate(steps) if k != axis])
    return _Header(fields, is_segmentation, sizes, axis, affine, is_oriented)


def _other_axis(directions: list[list[float] | None], kinds: list[str], count: int) -> int | None:
    """The axis that is no direction of space; refused where it holds channels."""
    without = [k for k, one in enumerate(directions) if one is None]
    if not without:
        without = [k for k, kind in enumerate(kinds[:count]) if kind not in ("domain", "space")]
        without = [k for k in without if kinds[k] not in ("???", "none")]
    if not without and count == 4:
        without = [3]
    if len(without) > 1:
        raise Unreadable("has several axes that are no directions of space; save one volume")
    for k in without:
        if k < len(kinds) and kinds[k] not in _IN_TIME:
            raise Unreadable(f"has an axis of the kind {kinds[k][:20]}; save one grey channel")
    return without[0] if without else None


def _directions(text: str, count: int) -> list[list[float] | None]:
    """One vector for each axis, None for one that is no direction; [] where none is stated."""
    found: list[list[float] | None] = []
    for part in text.replace("none", "(none)").replace(", ", ",").split(")"):
        inner = part.strip().removeprefix("(")
        if inner == "none":
            found.append(None)
        elif inner:
            found.append([real_number(n) for n in inner.split(",")])
    if found and len(found) != count:
        raise Unreadable("states not one direction for each axis; mend the line space directions")
    return found


def _affine(
    space: str, directions: list[list[float] | None], count: int
) -> tuple[npt.NDArray[Any], bool]:
    """From indices to RAS, and whether the header states it."""
    signs = _TO_RAS.get(space.lower().removesuffix("-time"))
    vectors = [one[:3] for one in directions if one is not None]
    if signs is None or len(vectors) != 3 or any(len(one) != 3 for one in vectors):
        return AS_STORED, False
    affine = np.eye(4)
    affine[:3, :3] = np.array(vectors, np.float64).T * np.array(signs)[:, None]
    return affine, True


def _dtype(fields: dict[str, str]) -> np.dtype[Any]:
    kind = _TYPES.get(fields.get("type", "").lower())
    if kind is None:
        raise Unreadable(
            f"holds {fields.get('type', 'no type')[:20]!r} voxels; save as 8 or 16 bit"
        )
    order = fields.get("endian", sys.byteorder).lower()
    if order not in ("little", "big") or (kind[1] != "1" and "endian" not in fields):
        raise Unreadable("does not say the order of its bytes; mend the line endian")
    return np.dtype(("<" if order == "little" else ">") + kind)
