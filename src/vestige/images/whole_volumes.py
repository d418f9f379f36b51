"""The way from a file, or the files of a DICOM series, to whole volumes."""

import os
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any

from vestige.images.array_volumes import split_volumes, volume_layout_of
from vestige.images.formats import VOLUMES, format_of_content, format_of_name
from vestige.images.frame import Frame, OtherFormat, Unreadable, Window
from vestige.images.pairs import is_part_of_pair
from vestige.images.volumes import shown_sides, whole_of

ARRAYS = {"npy": "arrays", "npz": "arrays", "hdf5": "hdf5"}
"""Formats of arrays -> module with the function that reads their values."""


def read_whole(
    name: str, path: str | os.PathLike[str], window: Window | None, layout: str
) -> list[Frame]:
    """Every volume of one file of the format `name`, as frames [d, h, w].

    Raises
    ------
    Unreadable
        As of `whole_of`, `read_series` and `volume_layout_of`.
    OtherFormat
        For a picture.
    """
    if name == "dicom":
        from vestige.images.dicom_series import read_series

        return [read_series(path, window)]
    if name in ARRAYS:
        accept = partial(volume_layout_of, told=layout)
        module: Any = import_module(f"vestige.images.{ARRAYS[name]}")
        values = getattr(module, f"{name}_values")(path, accept)
        return split_volumes(accept(values.shape).apply(values), name.upper())
    if name in VOLUMES:
        module = import_module(f"vestige.images.{name}")
        return [whole_of(getattr(module, f"{name}_volume")(path), window)]
    raise OtherFormat(
        "is a picture where volumes are compared; leave it out, or read all as pictures with "
        "--slices"
    )


def peek_sides(path: str | os.PathLike[str]) -> tuple[str, tuple[int, ...]]:
    """The format of a file and, from its header, the sides of what it holds.

    Of volumes (slices, height, width), of arrays their shape, of DICOM (height, width), of other
    pictures (); format "" where the file is of none that is read.
    """
    name = format_of_content(path) or format_of_name(path)
    if not name or is_part_of_pair(path):
        return "", ()
    if name in ARRAYS:
        return name, _array_shape(name, path)
    if name in VOLUMES:
        return name, volume_sides(path, name)
    if name == "dicom":
        from vestige.images.dicom import dicom_shape

        return name, dicom_shape(path)
    return name, ()


def longest_side(path: str | os.PathLike[str], layout: str = "") -> int:
    """Voxels along the longest side of the volumes of one file, from its header; 0 for pictures."""
    name, sides = peek_sides(path)
    if name in ARRAYS:
        return max(volume_layout_of(sides, layout).sides)
    return max(sides, default=0)


def _array_shape(name: str, path: str | os.PathLike[str]) -> tuple[int, ...]:
    shapes: list[tuple[int, ...]] = []

    def note(shape: tuple[int, ...]) -> None:
        shapes.append(shape)
        raise _Enough

    module: Any = import_module(f"vestige.images.{ARRAYS[name]}")
    with suppress(_Enough):
        getattr(module, f"{name}_values")(path, note)
    return shapes[0]


class _Enough(Unreadable):
    """The shape is known; nothing more is read."""


def volume_sides(path: str | os.PathLike[str], kind: str) -> tuple[int, int, int]:
    """Slices, height and width of the volumes of one file of `VOLUMES`, from its header."""
    module: Any = import_module(f"vestige.images.{kind}")
    return shown_sides(getattr(module, f"{kind}_grid")(path))
