"""NIfTI through nibabel: one file, or a header with its voxels beside it."""

import gzip
import math
import os
from collections.abc import Sequence
from contextlib import nullcontext
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np

from vestige.images.flags import NO_ORIENTATION
from vestige.images.frame import Frame, Unreadable, Window
from vestige.images.pairs import open_voxels
from vestige.images.volumes import (
    Grid,
    Volume,
    frames_of,
    need_nibabel,
    open_unzipped,
    volume_shape,
)

_MAX_OFFSET = 16 * 2**20
_PAIRED = (b"ni1", b"ni2")
"""Magic of a header whose voxels are in a file of their own."""


def read_nifti(path: str | os.PathLike[str], window: Window | None = None) -> list[Frame]:
    """Decode every axial slice of one NIfTI file as `vestige.images.volumes.frames_of` says."""
    return frames_of(nifti_volume(path), window)


def nifti_volume(path: str | os.PathLike[str]) -> Volume:
    """What one NIfTI file holds, before any scale."""
    with open_unzipped(path) as file:
        header, kind = _header(file, path)
        shape, dtype = tuple(int(n) for n in header.get_data_shape()), header.get_data_dtype()
        is_paired = header["magic"].item() in _PAIRED
        pair = open_unzipped(open_voxels(path)) if is_paired else None
        with pair or nullcontext(file) as holder:
            sides = volume_shape(shape, dtype)
            start = int(header.get_data_offset())
            if start > _MAX_OFFSET:
                raise Unreadable(f"has {start} bytes before its voxels, more than {_MAX_OFFSET}")
            # straight to the voxels: extensions, which may claim anything, are never read
            voxels = kind.ImageArrayProxy(holder, header, mmap=False)
            values = np.asarray(voxels, np.float32).reshape(sides)
    codes = int(header["sform_code"]), int(header["qform_code"])
    return Volume(
        values,
        header.get_best_affine(),
        dtype,
        f"NIfTI {dtype.name}",
        float(voxels.slope),
        float(voxels.inter),
        (float(header["cal_min"]), float(header["cal_max"])),
        () if any(codes) else (NO_ORIENTATION,),
    )


def nifti_grid(path: str | os.PathLike[str]) -> Grid:
    """Sides and affine, from the header."""
    with open_unzipped(path) as file:
        header, _ = _header(file, path)
    return tuple(int(n) for n in header.get_data_shape()), header.get_best_affine()


def slices_of(data: bytes, kept: Sequence[int]) -> bytes | None:
    """The bytes of one NIfTI file with some of its axial slices, and all else as it is.

    The slices close up, so that their places in space hold no longer.

    Parameters
    ----------
    kept : numbers of slices, in the order of `read_nifti`

    Returns
    -------
    bytes or None
        None for several volumes.
    """
    from nibabel import orientations

    untyped: Any = orientations
    header = _header(BytesIO(data), "the volume")[0]
    told = tuple(int(n) for n in header.get_data_shape())
    if len(told) < 3 or any(n != 1 for n in told[3:]):
        return None
    dtype, start = header.get_data_dtype(), int(header.get_data_offset())
    voxels = np.frombuffer(data, dtype, math.prod(told), start).reshape(told, order="F")
    axes = untyped.io_orientation(header.get_best_affine())
    [axis] = np.flatnonzero(axes[:, 0] == 2)
    last = told[axis] - 1
    chosen = sorted(last - k if axes[axis, 1] < 0 else k for k in kept)
    header.set_data_shape((*told[:axis], len(chosen), *told[axis + 1 :]))
    head = header.binaryblock
    return b"".join([head, data[len(head) : start], voxels.take(chosen, axis).tobytes(order="F")])


def _header(file: gzip.GzipFile | BinaryIO, path: str | os.PathLike[str]) -> tuple[Any, Any]:
    """The header without its extensions, and the class of its images; the file is at its start."""
    nib = need_nibabel(path, "NIfTI")
    block = file.read(540)
    file.seek(0)
    second = block[:4] in (b"\x1c\x02\x00\x00", b"\x00\x00\x02\x1c")  # 540: NIfTI-2
    kind: Any = nib.Nifti2Image if second else nib.Nifti1Image
    return kind.header_class(block[: 540 if second else 348]), kind


def nifti_facts(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Type, rescale and display range, from the header."""
    with open_unzipped(path) as file:
        header, _ = _header(file, path)
    slope, start = header.get_slope_inter()  # None and None: as stored
    dtype = header.get_data_dtype()
    return {
        "bits_allocated": 8 * dtype.itemsize,
        "is_signed": dtype.kind != "u",
        "slope": 1.0 if slope is None else float(slope),
        "intercept": float(start or 0),
        "display": (float(header["cal_min"]), float(header["cal_max"])),
    }
