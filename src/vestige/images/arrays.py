"""NPY and NPZ: [h, w] or [n, h, w], uint8, uint16 or float in 0..1. Nothing is unpickled."""

import math
import os
import zipfile
from typing import IO, Any

import numpy as np

from vestige.images.frame import MAX_BYTES, Frame, Unreadable, Window, check_size, from_any

_PREFERRED = "images"
_LONGEST_HEADER = 10_000  # NumPy's own limit, which it applies after reading


def read_npy(path: str | os.PathLike[str], window: Window | None = None) -> list[Frame]:
    """Every image of one .npy file."""
    del window
    with open(path, "rb") as file:
        shape = _checked_header(file, os.fstat(file.fileno()).st_size)
        file.seek(0)
        values: np.ndarray[Any, Any] = np.lib.format.read_array(file, allow_pickle=False)
    return split(values.reshape(shape), "NPY")


def read_npz(path: str | os.PathLike[str], window: Window | None = None) -> list[Frame]:
    """Every image of the one array of a .npz file, or of its array named "images"."""
    del window
    with zipfile.ZipFile(path) as archive:
        name = _member(archive)
        with archive.open(name) as file:
            shape = _checked_header(file, archive.getinfo(name).file_size)
        with archive.open(name) as file:
            values: np.ndarray[Any, Any] = np.lib.format.read_array(file, allow_pickle=False)
    return split(values.reshape(shape), "NPZ")


def array_shape(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width from the header of a .npy or .npz file."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive, archive.open(_member(archive)) as file:
            return _checked_header(file, MAX_BYTES)[1:]
    with open(path, "rb") as file:
        return _checked_header(file, MAX_BYTES)[1:]


def split(values: np.ndarray[Any, Any], mode: str) -> list[Frame]:
    """Images [n, h, w] of any accepted type as frames."""
    return [from_any(np.ascontiguousarray(image), mode) for image in values]


def as_stack(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """The shape [n, h, w] of an array of images, [h, w] being one image."""
    if len(shape) == 2:
        shape = (1, *shape)
    if len(shape) != 3:
        raise Unreadable(f"has shape {shape}; images come as [h, w] or [n, h, w]")
    n, height, width = shape
    if width in (3, 4) and height > 16:
        raise Unreadable(f"has shape {shape}, which looks like colour; images come as [n, h, w]")
    check_size(height, width, n)
    return n, height, width


def _checked_header(file: IO[bytes], size: int) -> tuple[int, int, int]:
    """The stack that the header of an array promises and `size` bytes of file can hold."""
    shape, dtype = _header(file)
    if dtype.hasobject:
        raise Unreadable("holds pickled objects, which are never loaded; save plain numbers")
    from_any(np.empty((0, 0), dtype), "")  # refuses what else has no range, before it is read
    stack = as_stack(shape)
    if file.tell() + math.prod(stack) * dtype.itemsize > size:
        raise Unreadable(f"is truncated: shape {shape} of {dtype.name} needs more than its bytes")
    return stack


def _member(archive: zipfile.ZipFile) -> str:
    names = [name for name in archive.namelist() if name.endswith(".npy")]
    if not names:
        raise Unreadable("holds no array")
    wanted = names[0] if len(names) == 1 else f"{_PREFERRED}.npy"
    if wanted not in names:
        listed = ", ".join(name.removesuffix(".npy") for name in names[:6])
        raise Unreadable(f"holds several arrays ({listed}); keep one, or name one {_PREFERRED!r}")
    if archive.getinfo(wanted).file_size > MAX_BYTES:
        raise Unreadable("unfolds to more than the largest accepted array; split it")
    return wanted


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    place, wide = file.tell(), version != (1, 0)
    if int.from_bytes(file.read(4 if wide else 2), "little") > _LONGEST_HEADER:
        raise Unreadable(f"has a header of more than {_LONGEST_HEADER} bytes; save it again")
    file.seek(place)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise Unreadable(f"is of NPY version {version}; save plain numbers with numpy.save")
    return shape, dtype
