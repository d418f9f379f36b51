"""NPY and NPZ: grey or colour; uint8, uint16 or float. Nothing is unpickled."""

import math
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import IO, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vestige.images.flags import COLOUR, MINUS_ONE_TO_ONE
from vestige.images.frame import (
    MAX_BYTES,
    MAX_PIXELS,
    UNIT,
    Frame,
    OtherFormat,
    Unreadable,
    Window,
    from_any,
    from_colour,
    over_black,
    unit_floats,
)
from vestige.images.layouts import layout_of
from vestige.types import Float32s

Stack: TypeAlias = npt.NDArray[Any] | tuple[npt.NDArray[Any], ...]
"""Images one after the other: one array, or one array for each where their sizes differ."""

PREFERRED = "images"
"""The array that is read where an archive holds several."""
_LONGEST_HEADER = 10_000  # NumPy's own limit, which it applies after reading
MEMBER = "::"
"""Between a file and the array that is meant: medmnist.npz::train_images, slices.h5::scans/t1."""


def read_npy(
    path: str | os.PathLike[str], window: Window | None = None, layout: str = ""
) -> list[Frame]:
    """Every image of one .npy file; layout : what `parse_layout` gives."""
    del window
    values = npy_values(path, lambda shape: layout_of(shape, layout))
    return split(layout_of(values.shape, layout).apply(values), "NPY")


def read_npz(
    path: str | os.PathLike[str], window: Window | None = None, layout: str = ""
) -> list[Frame]:
    """Every image of the one array of a .npz file, or of its array named "images"."""
    del window
    values = npz_values(path, lambda shape: layout_of(shape, layout))
    return split(layout_of(values.shape, layout).apply(values), "NPZ")


def npy_values(
    path: str | os.PathLike[str], accept: Callable[[tuple[int, ...]], object]
) -> npt.NDArray[Any]:
    """The array of a .npy file, once `accept` has not refused its shape."""
    with open(path, "rb") as file:
        accept(_checked_header(file, os.fstat(file.fileno()).st_size))
        file.seek(0)
        values: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return values


def npz_values(
    path: str | os.PathLike[str],
    accept: Callable[[tuple[int, ...]], object],
    name: str | None = None,
) -> npt.NDArray[Any]:
    """An array of an archive, as `npy_values`; without a name the only one."""
    with zipfile.ZipFile(path) as archive:
        member = _member(archive, os.path.basename(path), name)
        with archive.open(member) as file:
            accept(_checked_header(file, archive.getinfo(member).file_size))
        with archive.open(member) as file:
            values: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return values


def from_archive(path: str | os.PathLike[str], name: str) -> npt.NDArray[Any]:
    """The array of this name in an archive, of any shape."""
    return npz_values(path, lambda shape: None, name)


def array_shape(path: str | os.PathLike[str], layout: str = "") -> tuple[int, int]:
    """Height and width from the header of a .npy or .npz file."""
    if zipfile.is_zipfile(path):
        name = os.path.basename(path)
        with zipfile.ZipFile(path) as archive, archive.open(_member(archive, name)) as file:
            reading = layout_of(_checked_header(file, MAX_BYTES), layout)
    else:
        with open(path, "rb") as file:
            reading = layout_of(_checked_header(file, MAX_BYTES), layout)
    return reading.height, reading.width


def split(values: Stack, mode: str) -> list[Frame]:
    """Images [n, h, w] or [n, h, w, channels] of any accepted type as frames.

    The range of floats is found for all of them together.
    """
    bits = [8 * image.dtype.itemsize for image in values]
    values, flags = on_one_range(values)
    frames = [
        _colour(image, mode) if image.ndim == 3 else from_any(np.ascontiguousarray(image), mode)
        for image in values
    ]
    if not len(values) or values[0].dtype.kind != "f":
        return frames
    rule = UNIT if MINUS_ONE_TO_ONE not in flags else replace(UNIT, low=-1)
    return [
        replace(one, bits=own, flags=(*flags, *one.flags), rule=rule)
        for one, own in zip(frames, bits, strict=True)
    ]


def on_one_range(values: Stack) -> tuple[Stack, tuple[str, ...]]:
    """Float images on 0..1 by one rule for all of them, and what was done; others as they are."""
    if isinstance(values, np.ndarray):
        return unit_floats(values) if values.dtype.kind == "f" else (values, ())
    if values[0].dtype.kind != "f":
        return values, ()
    flat, flags = unit_floats(np.concatenate([image.ravel() for image in values]))
    ends = np.cumsum([image.size for image in values])[:-1]
    parts = zip(np.split(flat, ends), values, strict=True)
    return tuple(part.reshape(image.shape) for part, image in parts), flags


def _colour(image: npt.NDArray[Any], mode: str) -> Frame:
    """One picture [h, w, 3 or 4]."""
    if image.dtype == np.bool_:
        image = image.astype(np.uint8) * np.uint8(255)
    if image.dtype.kind == "f":
        frame = _from_unit_colour(image, mode)
    else:
        frame = from_colour(image[..., :3].astype(image.dtype.newbyteorder("=")), mode)
    if image.shape[-1] == 3:
        return frame
    alpha = image[..., 3]
    if alpha.dtype.kind == "f":
        alpha = np.rint(alpha * 65535).astype(np.uint16)
    return over_black(frame, alpha)


def _from_unit_colour(image: Float32s, mode: str) -> Frame:
    red, green, blue = (image[..., k] for k in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return from_any(np.ascontiguousarray(red), mode)
    luma = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
    grey = np.minimum(luma, np.float32(1))
    return Frame(grey, 32, mode, (COLOUR,), rule=UNIT, colours=image[..., :3])


def _checked_header(file: IO[bytes], size: int) -> tuple[int, ...]:
    """The shape that the header of an array promises and `size` bytes of file can hold."""
    shape, dtype = _header(file)
    if dtype.hasobject:
        raise Unreadable("holds pickled objects, which are never loaded; save plain numbers")
    from_any(np.empty((0, 0), dtype), "")  # refuses what else has no range, before it is read
    if math.prod(shape) > MAX_PIXELS:
        raise Unreadable(
            f"unfolds to an array of {shape}, more than {MAX_PIXELS} numbers; split it"
        )
    if file.tell() + math.prod(shape) * dtype.itemsize > size:
        raise Unreadable(f"is truncated: shape {shape} of {dtype.name} needs more than its bytes")
    return shape


def _member(archive: zipfile.ZipFile, file: str, wanted: str | None = None) -> str:
    names = [name for name in archive.namelist() if name.endswith(".npy")]
    if not names:
        raise OtherFormat("is a ZIP archive that holds no array; unpack it")
    listed = ", ".join(name.removesuffix(".npy") for name in names[:6])
    if wanted is not None and f"{wanted}.npy" not in names:
        raise Unreadable(f"holds no array {wanted!r}; it holds {listed}")
    chosen = names[0] if len(names) == 1 else f"{wanted or PREFERRED}.npy"
    if chosen not in names:
        raise Unreadable(
            f"holds several arrays ({listed}). Give one of them as the images: "
            f"{file}{MEMBER}{names[0].removesuffix('.npy')}"
        )
    if archive.getinfo(chosen).file_size > MAX_BYTES:
        raise Unreadable("unfolds to more than the largest accepted array; split it")
    return chosen


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
