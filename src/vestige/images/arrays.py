"""NPY, NPZ and arrays of programs: grey or colour; uint8, uint16 or float. Nothing is unpickled."""

import math
import os
import zipfile
from dataclasses import replace
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from vestige.images.frame import (
    COLOUR,
    MAX_BYTES,
    Frame,
    Unreadable,
    Window,
    from_any,
    from_colour,
    over_black,
    unit_floats,
)
from vestige.images.layouts import Layout, layout_of
from vestige.registry.entries import InputError
from vestige.types import Float32s

PREFERRED = "images"
"""The array that is read where an archive holds several."""
_LONGEST_HEADER = 10_000  # NumPy's own limit, which it applies after reading
MEMBER = "::"
"""Between an archive and the array that is meant: medmnist.npz::train_images."""


def read_npy(path: str | os.PathLike[str], window: Window | None = None) -> list[Frame]:
    """Every image of one .npy file."""
    del window
    with open(path, "rb") as file:
        layout = _checked_header(file, os.fstat(file.fileno()).st_size)
        file.seek(0)
        values: np.ndarray[Any, Any] = np.lib.format.read_array(file, allow_pickle=False)
    return split(layout.apply(values), "NPY")


def read_npz(path: str | os.PathLike[str], window: Window | None = None) -> list[Frame]:
    """Every image of the one array of a .npz file, or of its array named "images"."""
    del window
    layout, values = _from_archive(path)
    return split(layout.apply(values), "NPZ")


def given_array(source: Any) -> npt.NDArray[Any] | None:
    """Images that a program holds: a tensor, a Pillow image, or a list of either; None for else.

    Raises
    ------
    InputError
        For pictures of a list that differ in size or type.
    """
    if isinstance(source, str | os.PathLike):
        return named_array(source)
    parts = source if isinstance(source, list | tuple) else None
    if parts is None:
        return _picture(source) if _is_held(source) else None
    if not parts or not all(map(_is_held, parts)):
        return None
    arrays = [_picture(part) for part in parts]
    kinds = sorted({(str(one.shape), one.dtype.name) for one in arrays})
    if len(kinds) > 1:
        raise InputError(
            f"a list of pictures has {' and '.join(map(' of '.join, kinds[:2]))}; give all in one "
            "size and type, or save them as files"
        )
    return np.stack(arrays)[:, None] if arrays[0].ndim == 2 else np.stack(arrays)


def _is_held(source: Any) -> bool:
    return hasattr(source, "__array__") or hasattr(source, "__array_interface__")


def _picture(part: Any) -> npt.NDArray[Any]:
    """One element of a list; palettes and other codings of Pillow become colour."""
    mode = getattr(part, "mode", None)
    if isinstance(mode, str) and mode not in ("1", "L", "F", "I;16", "RGB", "RGBA"):
        part = part.convert("RGB")
    return np.asarray(part)


def named_array(source: str | os.PathLike[str]) -> npt.NDArray[Any] | None:
    """The array of "file.npz::name"; None where a source is not written so.

    Raises
    ------
    InputError
        When the archive has no such array, or one that holds no images.
    """
    path, sign, name = os.fspath(source).rpartition(MEMBER)
    if not sign or not path.lower().endswith(".npz"):
        return None
    try:
        return _from_archive(path, name)[1]
    except FileNotFoundError as error:
        raise InputError(f"no such file: {path}") from error
    except (Unreadable, OSError, ValueError, zipfile.BadZipFile) as error:
        what = error if isinstance(error, Unreadable) else "is no archive of NumPy arrays"
        raise InputError(f"{path} {what}") from error


def _from_archive(
    path: str | os.PathLike[str], name: str | None = None
) -> tuple[Layout, np.ndarray[Any, Any]]:
    with zipfile.ZipFile(path) as archive:
        member = _member(archive, os.path.basename(path), name)
        with archive.open(member) as file:
            layout = _checked_header(file, archive.getinfo(member).file_size)
        with archive.open(member) as file:
            values: np.ndarray[Any, Any] = np.lib.format.read_array(file, allow_pickle=False)
    return layout, values


def array_shape(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width from the header of a .npy or .npz file."""
    if zipfile.is_zipfile(path):
        name = os.path.basename(path)
        with zipfile.ZipFile(path) as archive, archive.open(_member(archive, name)) as file:
            layout = _checked_header(file, MAX_BYTES)
    else:
        with open(path, "rb") as file:
            layout = _checked_header(file, MAX_BYTES)
    return layout.height, layout.width


def split(values: np.ndarray[Any, Any], mode: str) -> list[Frame]:
    """Images [n, h, w] or [n, h, w, channels] of any accepted type as frames.

    The range of floats is found for all of them together.
    """
    bits, flags = 8 * values.dtype.itemsize, tuple[str, ...]()
    if values.dtype.kind == "f":
        values, flags = unit_floats(values)
    frames = [
        _colour(image, mode) if values.ndim == 4 else from_any(np.ascontiguousarray(image), mode)
        for image in values
    ]
    if values.dtype.kind != "f":
        return frames
    return [replace(one, bits=bits, flags=(*flags, *one.flags)) for one in frames]


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
    return Frame(np.minimum(luma, np.float32(1)), 32, mode, (COLOUR,))


def _checked_header(file: IO[bytes], size: int) -> Layout:
    """The layout that the header of an array promises and `size` bytes of file can hold."""
    shape, dtype = _header(file)
    if dtype.hasobject:
        raise Unreadable("holds pickled objects, which are never loaded; save plain numbers")
    from_any(np.empty((0, 0), dtype), "")  # refuses what else has no range, before it is read
    layout = layout_of(shape)
    if file.tell() + math.prod(shape) * dtype.itemsize > size:
        raise Unreadable(f"is truncated: shape {shape} of {dtype.name} needs more than its bytes")
    return layout


def _member(archive: zipfile.ZipFile, file: str, wanted: str | None = None) -> str:
    names = [name for name in archive.namelist() if name.endswith(".npy")]
    if not names:
        raise Unreadable("is a ZIP archive that holds no array; unpack it")
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
