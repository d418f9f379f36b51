"""MGH and MGZ, the volumes of FreeSurfer: a header of 284 bytes, big endian, then the voxels."""

import os
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.images.flags import NO_ORIENTATION
from vestige.images.formats import format_of_bytes
from vestige.images.frame import Frame, Unreadable, Window
from vestige.images.volumes import (
    Grid,
    Volume,
    frames_of,
    need_nibabel,
    open_unzipped,
    read_levels,
    volume_shape,
)

_TYPES = {0: ">u1", 1: ">i4", 3: ">f4", 4: ">i2", 10: ">u2"}
_BYTES = 284
_CORONAL = np.array([[-1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""Direction of each axis where the header states none, as FreeSurfer takes it."""


@dataclass(frozen=True, eq=False)
class _Header:
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    affine: npt.NDArray[Any]
    is_oriented: bool


def read_mgh(path: str | os.PathLike[str], window: Window | None = None) -> list[Frame]:
    """Decode every axial slice of one file as `vestige.images.volumes.frames_of` says."""
    return frames_of(mgh_volume(path), window)


def mgh_volume(path: str | os.PathLike[str]) -> Volume:
    """What one MGH file holds, before any scale."""
    need_nibabel(path, "MGH")
    with open_unzipped(path) as file:
        header = _header(file.read(_BYTES))
        levels = read_levels(file, volume_shape(header.shape, header.dtype), header.dtype)
    flags = () if header.is_oriented else (NO_ORIENTATION,)
    mode = f"MGH {header.dtype.name}"
    return Volume(levels.astype(np.float32), header.affine, header.dtype, mode, flags=flags)


def mgh_grid(path: str | os.PathLike[str]) -> Grid:
    """Sides and affine, from the header."""
    with open_unzipped(path) as file:
        header = _header(file.read(_BYTES))
    return header.shape, header.affine


def _header(block: bytes) -> _Header:
    if len(block) < _BYTES or format_of_bytes(block) != "mgh":
        raise Unreadable("has no header of an MGH volume")
    shape, kind = struct.unpack_from(">4i", block, 4), struct.unpack_from(">i", block, 20)[0]
    is_oriented = struct.unpack_from(">h", block, 28)[0] > 0
    steps, axes = np.ones(3), _CORONAL
    if is_oriented:
        steps = np.array(struct.unpack_from(">3f", block, 30), np.float64)
        axes = np.array(struct.unpack_from(">9f", block, 42), np.float64).reshape(3, 3)
    if not (np.isfinite(steps).all() and np.isfinite(axes).all()):
        raise Unreadable("has a header whose axes are degenerate; mend its orientation")
    affine = np.eye(4)
    affine[:3, :3] = axes.T * steps  # where the volume lies does not matter, only how
    return _Header(shape, np.dtype(_TYPES[kind]), affine, is_oriented)
