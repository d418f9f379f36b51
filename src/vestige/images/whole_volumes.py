"""The way from a file, or the files of a DICOM series, to whole volumes."""

import os
from functools import partial
from importlib import import_module
from typing import Any

from vestige.images.array_volumes import split_volumes, volume_layout_of
from vestige.images.formats import VOLUMES
from vestige.images.frame import Frame, OtherFormat, Window
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


def volume_sides(path: str | os.PathLike[str], kind: str) -> tuple[int, int, int]:
    """Slices, height and width of the volumes of one file of `VOLUMES`, from its header."""
    module: Any = import_module(f"vestige.images.{kind}")
    return shown_sides(getattr(module, f"{kind}_grid")(path))
