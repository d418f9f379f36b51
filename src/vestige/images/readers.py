"""READERS: one entry per file format, and the way from a file to its reader."""

import gzip
import logging
import os
import stat
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

import numpy.typing as npt

from vestige.images.foreign_words import without_values
from vestige.images.frame import (
    MAX_BYTES,
    Frame,
    NotAnImage,
    Unreadable,
    Window,
    check_size,
)
from vestige.images.other_formats import other_format
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


READERS: dict[str, RegistryEntry[Reader]] = {
    "png": RegistryEntry("PNG: grey, palette, colour; 1, 8 and 16 bit; animated", _raster),
    "jpeg": RegistryEntry("JPEG: grey, colour, CMYK", _raster),
    "tiff": RegistryEntry("TIFF: 8 and 16 bit, float in 0..1, many pages", _tiff),
    "bmp": RegistryEntry("BMP", _raster),
    "webp": RegistryEntry("WebP, animated too", _raster),
    "npy": RegistryEntry("NumPy array [h, w] or [n, h, w]: uint8, uint16, float in 0..1", _npy),
    "npz": RegistryEntry("NumPy archive with one array of images", _npz),
    "dicom": RegistryEntry("DICOM: rescale, window, many frames", _dicom, extra="medical"),
    "nifti": RegistryEntry("NIfTI: axial slices of every volume", _nifti, extra="medical"),
}

SUFFIXES = {
    ".png": "png",
    ".apng": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".jpe": "jpeg",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".bmp": "bmp",
    ".dib": "bmp",
    ".webp": "webp",
    ".npy": "npy",
    ".npz": "npz",
    ".dcm": "dicom",
    ".dicom": "dicom",
    ".ima": "dicom",
    ".nii": "nifti",
    ".nii.gz": "nifti",
}


_TALKATIVE = ("tiff", "dicom", "nifti")
"""Their decoders warn of what they repair; what they say becomes a flag."""
_HEAD = 352  # bytes; all formats show themselves within
_ONE_AT_A_TIME = threading.Lock()


def format_of_name(path: str | os.PathLike[str]) -> str:
    """The format that the suffix promises, "" for an unknown one."""
    name = os.fspath(path).lower()
    if name.endswith(".nii.gz"):
        return "nifti"
    return SUFFIXES.get(os.path.splitext(name)[1], "")


def first_bytes(path: str | os.PathLike[str]) -> bytes:
    """The first 352 bytes of a file, unzipped where it is gzipped."""
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    return _unzipped_head(path) if head[:2] == b"\x1f\x8b" else head


def format_of_content(path: str | os.PathLike[str]) -> str:
    """The format that the first bytes promise, "" where they promise none."""
    head = first_bytes(path)
    starts = {
        b"\x89PNG\r\n\x1a\n": "png",
        b"\xff\xd8\xff": "jpeg",
        b"II*\x00": "tiff",
        b"MM\x00*": "tiff",
        b"II+\x00": "tiff",
        b"MM\x00+": "tiff",
        b"\x93NUMPY": "npy",
        b"PK\x03\x04": "npz",
    }
    for start, name in starts.items():
        if head.startswith(start):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[128:132] == b"DICM":
        return "dicom"
    if head[344:348] == b"n+1\x00" or head[4:8] == b"n+2\x00":
        return "nifti"
    return "bmp" if head[:2] == b"BM" and head[6:10] == bytes(4) else ""


def read_file(path: str | os.PathLike[str], window: Window | None = None) -> list[Frame]:
    """Decode every image of one file.

    The suffix names the reader; where it fails or is unknown, the content does.

    Parameters
    ----------
    path : path of a file
    window : (centre, width) or None
        In modality units; only DICOM and NIfTI are in such units.

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
        return _decoded(path, window)
    except InputError:
        raise
    except Unreadable as error:  # some name what stands in the file, which may be anything
        raise type(error)(_line(error, path)) from error
    except Exception as error:  # hostile files make decoders raise almost anything
        raise Unreadable(f"cannot be decoded: {_line(error, path)}") from error


def peek_shape(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width of the images of one file, from its header alone."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise NotAnImage("is not a regular file")  # a pipe would be waited for
    kind = format_of_name(path) or format_of_content(path)
    if kind in ("npy", "npz"):
        from vestige.images.arrays import array_shape

        return array_shape(path)
    if kind == "dicom":
        from vestige.images.dicom import dicom_shape

        return dicom_shape(path)
    if kind == "nifti":
        from vestige.images.nifti import nifti_shape

        return nifti_shape(path)
    from PIL import Image

    from vestige.images.raster import FORMATS

    with Image.open(path, formats=(*FORMATS, "TIFF")) as image:
        return image.height, image.width


def _decoded(path: str | os.PathLike[str], window: Window | None) -> list[Frame]:
    info = os.stat(path)
    if not stat.S_ISREG(info.st_mode):
        raise NotAnImage("is not a regular file")
    if info.st_size == 0:
        raise Unreadable("is empty (0 bytes)")
    if info.st_size > MAX_BYTES:
        raise Unreadable(f"has {info.st_size} bytes, more than {MAX_BYTES}; split it")
    named = format_of_name(path)
    if named:
        try:
            return _read_as(named, path, window)
        except (InputError, NotAnImage):
            raise
        except Exception as error:
            found = format_of_content(path)
            if not found:
                raise Unreadable(f"is no {named.upper()} file: {_line(error, path)}") from error
            if _same_reader(found, named):
                raise
    else:
        found = format_of_content(path)
        if not found:
            other = other_format(first_bytes(path))
            raise NotAnImage(
                f"is a {other} file, which is not read; save it as PNG"
                if other
                else "is not an image"
            )
    return _read_as(found, path, window)


def _same_reader(one: str, other: str) -> bool:
    return READERS[one].factory is READERS[other].factory


def _read_as(name: str, path: str | os.PathLike[str], window: Window | None) -> list[Frame]:
    reader = READERS[name].factory()
    if name not in _TALKATIVE:
        return _checked(reader(path, window))
    # catch_warnings is not thread-safe, and a cluster may run shards in threads
    with _ONE_AT_A_TIME, _silent_logs(), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        warnings.simplefilter("always", RuntimeWarning)
        frames = _checked(reader(path, window))
    told = tuple(dict.fromkeys(f"decoder: {_line(w.message, path)}" for w in said))
    return [replace(f, flags=(*f.flags, *told)) for f in frames] if told else frames


@contextmanager
def _silent_logs() -> Iterator[None]:
    """Nothing on the terminal of what the same decoders say a second way, for every bad tag."""
    logs = [logging.getLogger(name) for name in ("tifffile", "nibabel.global", "PIL")]
    before = [log.disabled for log in logs]
    for log in logs:
        log.disabled = True
    try:
        yield
    finally:
        for log, was in zip(logs, before, strict=True):
            log.disabled = was


def _checked(frames: list[Frame]) -> list[Frame]:
    if not frames:
        raise Unreadable("holds no image")
    for frame in frames:
        if frame.stored.ndim != 2:
            raise Unreadable(f"holds an image of shape {frame.stored.shape}; save [h, w]")
        check_size(*frame.stored.shape)
        if frame.stored.dtype.kind == "f" and not _in_range(frame.stored):
            raise Unreadable("has values that cannot be put on a grey scale of 0 to 1")
    return frames


def _in_range(values: npt.NDArray[Any]) -> bool:
    """Whether all lie in 0..1; NaN lies nowhere."""
    return bool(values.min() >= 0 and values.max() <= 1)


def _unzipped_head(path: str | os.PathLike[str]) -> bytes:
    try:
        with gzip.open(path, "rb") as file:
            return file.read(_HEAD)
    except (OSError, EOFError, zlib.error):
        return b""  # a broken archive promises nothing


def _line(error: object, path: str | os.PathLike[str]) -> str:
    """One line without the path of the file, which stands beside it in the row."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = " ".join(text.replace(os.fspath(path), os.path.basename(path)).split())
    text = text if isinstance(error, Unreadable) else without_values(text)
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return (text if len(text) <= 200 else text[:197] + "...") or type(error).__name__
