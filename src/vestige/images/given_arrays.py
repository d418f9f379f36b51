"""Arrays that a program holds, or that a name such as file.npz::images means."""

import os
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.images.arrays import MEMBER, from_archive
from vestige.images.cage import caged
from vestige.images.formats import HDF5_SUFFIXES
from vestige.images.frame import Unreadable
from vestige.images.hdf5 import read_dataset
from vestige.registry.entries import InputError


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
    """The array of "file.npz::name" or "file.h5::name"; None where a source is not written so.

    Raises
    ------
    InputError
        When the file has no such array, or one that holds no images.
    """
    path, sign, name = os.fspath(source).rpartition(MEMBER)
    suffix = os.path.splitext(path)[1].lower()
    if not sign or suffix not in (".npz", *HDF5_SUFFIXES):
        return None
    read: Any = from_archive if suffix == ".npz" else read_dataset
    try:
        values: npt.NDArray[Any] = caged(read, path, name)
        return values
    except FileNotFoundError as error:
        raise InputError(f"no such file: {path}") from error
    except (Unreadable, OSError, ValueError, zipfile.BadZipFile) as error:
        what = error if isinstance(error, Unreadable) else "is damaged, or no file of arrays"
        raise InputError(f"{path} {what}") from error
