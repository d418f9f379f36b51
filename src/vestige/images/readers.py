"""READERS: one entry per file format, and the way from a file to its reader."""

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import numpy.typing as npt

from vestige.files.printable import printable
from vestige.images.derived import KINDS, has_few_levels
from vestige.images.flags import FEW_LEVELS
from vestige.images.foreign_words import own_words
from vestige.images.formats import (
    GZIP,
    VOLUMES,
    first_bytes,
    format_of_bytes,
    format_of_content,
    format_of_name,
    raw_bytes,
)
from vestige.images.frame import (
    MAX_BYTES,
    Frame,
    NotAnImage,
    NotJudged,
    OfAnother,
    OtherFormat,
    Unreadable,
    Window,
    check_size,
)
from vestige.images.other_formats import archive, other_format
from vestige.images.pairs import is_part_of_pair
from vestige.images.talkative import heard
from vestige.registry.entries import InputError, RegistryEntry


class Reader(Protocol):
    """A file, and a window for the formats in physical units, to its images."""

    def __call__(self, path: str | os.PathLike[str], window: Window | None = None) -> list[Frame]:
        """Decode every image of one file."""
        ...


def _raster() -> Reader:
    from vestige.images.raster import read_raster

    return read_raster


def _tiff() -> Reader:
    from vestige.images.tiff import read_tiff

    return read_tiff


def _npy() -> Reader:
    from vestige.images.arrays import read_npy

    return read_npy


def _npz() -> Reader:
    from vestige.images.arrays import read_npz

    return read_npz


def _dicom() -> Reader:
    from vestige.images.dicom import read_dicom

    return read_dicom


def _nifti() -> Reader:
    from vestige.images.nifti import read_nifti

    return read_nifti


def _nrrd() -> Reader:
    from vestige.images.nrrd import read_nrrd

    return read_nrrd


def _metaimage() -> Reader:
    from vestige.images.metaimage import read_metaimage

    return read_metaimage


def _mgh() -> Reader:
    from vestige.images.mgh import read_mgh

    return read_mgh


def _hdf5() -> Reader:
    from vestige.images.hdf5 import read_hdf5

    return read_hdf5


READERS: dict[str, RegistryEntry[Reader]] = {
    "png": RegistryEntry("PNG: grey, palette, colour; 1, 8 and 16 bit; animated", _raster),
    "jpeg": RegistryEntry("JPEG: grey, colour, CMYK", _raster),
    "tiff": RegistryEntry("TIFF: 8 and 16 bit, float in 0..1, many pages", _tiff),
    "bmp": RegistryEntry("BMP", _raster),
    "webp": RegistryEntry("WebP, animated too", _raster),
    "gif": RegistryEntry("GIF, animated too", _raster),
    "pnm": RegistryEntry("PGM, PPM, PBM: 8 and 16 bit", _raster),
    "jpeg2000": RegistryEntry("JPEG 2000: 8 and 16 bit", _raster),
    "npy": RegistryEntry("NumPy array [h, w] or [n, h, w]: uint8, uint16, float in 0..1", _npy),
    "npz": RegistryEntry("NumPy archive with one array of images", _npz),
    "dicom": RegistryEntry("DICOM: rescale, window, many frames", _dicom, extra="medical"),
    "nifti": RegistryEntry(
        "NIfTI, in one file or a pair: whole, or the axial slices of every volume",
        _nifti,
        extra="medical",
    ),
    "nrrd": RegistryEntry(
        "NRRD, in one file or with its voxels beside it: whole, or axial slices",
        _nrrd,
        extra="medical",
    ),
    "metaimage": RegistryEntry(
        "MetaImage (MHA, or MHD with its voxels beside it): whole, or axial slices",
        _metaimage,
        extra="medical",
    ),
    "mgh": RegistryEntry(
        "MGH and MGZ of FreeSurfer: whole, or axial slices", _mgh, extra="medical"
    ),
    "hdf5": RegistryEntry(
        "HDF5 with one dataset of images, or file.h5::name", _hdf5, extra="medical"
    ),
}

ARRAYS = ("npy", "npz", "hdf5")
"""Their readers also take a layout."""
_ZIPPED = ("nifti", "mgh")
"""May be gzipped as a whole."""


def read_file(
    path: str | os.PathLike[str],
    window: Window | None = None,
    layout: str = "",
    whole: bool = False,
) -> list[Frame]:
    """Decode every image of one file.

    The content names the reader, and the suffix only where the content is of no known format.

    Parameters
    ----------
    path : path of a file
    window : (centre, width) or None
        In modality units; only DICOM and volumes are in such units.
    layout : str
        Of arrays, as `vestige.images.layouts.parse_layout` gives it; "" where it is plain.
    whole : bool
        Volumes are one image each, and the path may be a `Series`; else they are slices.

    Returns
    -------
    list of Frame
        At least one. What a decoder warned of stands in the flags.

    Raises
    ------
    Unreadable
        One line: what is wrong with this file. `NotAnImage` if it never was one.
    InputError
        When the package that reads this format is not installed.
    """
    try:
        return _decoded(path, partial(_read_whole if whole else _read_as, window, layout))
    except InputError:
        raise
    except Unreadable as error:  # some name what stands in the file, which may be anything
        raise type(error)(_line(error)) from error
    except Exception as error:  # hostile files make decoders raise almost anything
        raise Unreadable(f"cannot be decoded: {_line(error)}") from error


def peek_shape(path: str | os.PathLike[str], layout: str = "") -> tuple[int, int]:
    """Height and width of the images of one file, from its header alone."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise NotAnImage("is not a regular file")  # a pipe would be waited for
    kind = format_of_content(path) or format_of_name(path)
    if kind in ("npy", "npz"):
        from vestige.images.arrays import array_shape

        return array_shape(path, layout)
    if kind == "hdf5":
        from vestige.images.hdf5 import hdf5_shape

        return hdf5_shape(path, layout)
    if kind == "dicom":
        from vestige.images.dicom import dicom_shape

        return dicom_shape(path)
    if kind in VOLUMES:
        from vestige.images.whole_volumes import volume_sides

        return volume_sides(path, kind)[1:]
    from PIL import Image

    from vestige.images.raster import FORMATS

    with Image.open(path, formats=(*FORMATS, "TIFF")) as image:
        return image.height, image.width


def may_be_colour(path: str | os.PathLike[str]) -> bool:
    """Whether the images of one file may be in colour, from its header alone."""
    kind = format_of_content(path) or format_of_name(path)
    if kind in VOLUMES:
        return False
    if not kind or kind in ARRAYS:
        return True
    try:
        return not (_dicom_is_grey(path) if kind == "dicom" else _raster_is_grey(path))
    except Exception:  # what cannot be opened so may be read in another way, or is told then
        return True


def _dicom_is_grey(path: str | os.PathLike[str]) -> bool:
    from vestige.images.dicom import dicom_is_grey

    return dicom_is_grey(path)


def _raster_is_grey(path: str | os.PathLike[str]) -> bool:
    from PIL import Image

    from vestige.images.raster import FORMATS

    with Image.open(path, formats=(*FORMATS, "TIFF")) as image:
        return image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode[:2] == "I;"


def _decoded(
    path: str | os.PathLike[str], read: Callable[[str, str | os.PathLike[str]], list[Frame]]
) -> list[Frame]:
    """What `read` makes of a file, given the name of its format."""
    info = os.stat(path)
    if not stat.S_ISREG(info.st_mode):
        raise NotAnImage("is not a regular file")
    if info.st_size == 0:
        raise Unreadable("is empty (0 bytes)")
    if info.st_size > MAX_BYTES:
        raise Unreadable(f"has {info.st_size} bytes, more than {MAX_BYTES}; split it")
    raw = raw_bytes(path)
    head = first_bytes(path) if raw.startswith(GZIP) else raw
    found, named = format_of_bytes(head), format_of_name(path)
    is_packed = raw.startswith(GZIP) and not {found, named} & {*_ZIPPED}
    if found and not is_packed:
        return read(found, path)
    if is_part_of_pair(path):
        raise OfAnother("holds the voxels of a pair, which is read by its header")
    other = other_format(head)
    if other:
        raise OtherFormat(f"is of the format {other}, which is not read; save it as PNG or NIfTI")
    packing = archive(raw)
    if is_packed or (packing and not named):
        raise OtherFormat(f"is a {packing} archive; unpack it")
    if not named:
        raise NotAnImage("is not an image")
    try:
        return read(named, path)
    except (InputError, NotAnImage, NotJudged):
        raise
    except Exception as error:
        raise Unreadable(f"is no {named.upper()} file: {_line(error)}") from error


def _read_as(
    window: Window | None, layout: str, name: str, path: str | os.PathLike[str]
) -> list[Frame]:
    reader: Any = READERS[name].factory()
    if name in ARRAYS:
        return _checked(reader(path, window, layout))
    return heard(name, lambda: _checked(reader(path, window)))


def _read_whole(
    window: Window | None, layout: str, name: str, path: str | os.PathLike[str]
) -> list[Frame]:
    from vestige.images.whole_volumes import read_whole

    return heard(name, lambda: _checked(read_whole(name, path, window, layout)))


def _checked(frames: list[Frame]) -> list[Frame]:
    if not frames:
        raise Unreadable("holds no image")
    for frame in frames:
        axes = 2 if frame.spacing is None else 3
        if frame.stored.ndim != axes:
            raise Unreadable(f"holds an image of shape {frame.stored.shape}; save [h, w]")
        *slices, height, width = frame.stored.shape
        check_size(height, width, *slices)
        if frame.stored.dtype.kind == "f" and not _in_range(frame.stored):
            raise Unreadable("has values that cannot be put on a grey scale of 0 to 1")
    return [
        replace(frame, flags=(*frame.flags, FEW_LEVELS))
        if has_few_levels(frame.stored) and KINDS.keys().isdisjoint(frame.flags)
        else frame
        for frame in frames
    ]


def _in_range(values: npt.NDArray[Any]) -> bool:
    """Whether all lie in 0..1; NaN lies nowhere."""
    return bool(values.min() >= 0 and values.max() <= 1)


def _line(error: BaseException) -> str:
    """One line that says why: of a library never its own words, of the system its reason."""
    if isinstance(error, Unreadable):
        text = printable(" ".join(str(error).split()))
        return text if len(text) <= 200 else text[:197] + "..."
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return error.strerror
    return own_words(str(error))
