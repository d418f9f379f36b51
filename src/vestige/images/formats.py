"""What a file is: by its first bytes, and by its name only where they say nothing."""

import gzip
import os
import re
import struct
import zlib
from typing import Literal

HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf")
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
    ".gif": "gif",
    ".pgm": "pnm",
    ".ppm": "pnm",
    ".pbm": "pnm",
    ".pnm": "pnm",
    ".jp2": "jpeg2000",
    ".j2k": "jpeg2000",
    ".j2c": "jpeg2000",
    ".jpx": "jpeg2000",
    ".npy": "npy",
    ".npz": "npz",
    ".dcm": "dicom",
    ".dicom": "dicom",
    ".ima": "dicom",
    ".nii": "nifti",
    ".nii.gz": "nifti",
    ".hdr": "nifti",
    ".img": "nifti",
    ".nrrd": "nrrd",
    ".nhdr": "nrrd",
    ".mha": "metaimage",
    ".mhd": "metaimage",
    ".mgh": "mgh",
    ".mgz": "mgh",
    **dict.fromkeys(HDF5_SUFFIXES, "hdf5"),
}
VOLUMES = ("nifti", "nrrd", "metaimage", "mgh")
"""Formats of volumes."""
_STARTS = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"II*\x00": "tiff",
    b"MM\x00*": "tiff",
    b"II+\x00": "tiff",
    b"MM\x00+": "tiff",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"\x00\x00\x00\x0cjP  ": "jpeg2000",
    b"\xff\x4f\xff\x51": "jpeg2000",
    b"\x93NUMPY": "npy",
    b"PK\x03\x04": "npz",
    b"NRRD000": "nrrd",
    b"\x89HDF\r\n\x1a\n": "hdf5",
}
_NETPBM = re.compile(rb"P[1-6]\s(\s|#[^\n]*\n)*\d+\s+(#[^\n]*\n)*\d+\s")
_META = re.compile(rb"\s*(ObjectType|NDims|DimSize|BinaryData|Comment)\s*=")
_MGH_TYPES = (0, 1, 3, 4, 10)
GZIP = b"\x1f\x8b"

_SHORT = (b"CS", b"DA", b"IS", b"LO", b"PN", b"SH", b"TM", b"UI", b"UL", b"DT", b"ST")
_LONG = (b"OB", b"OW", b"SQ", b"UN", b"UT")
"""Types of the elements that a DICOM file begins with, by the size of their length."""
HEAD = 352  # bytes; all formats show themselves within


def format_of_name(path: str | os.PathLike[str]) -> str:
    """The format that the suffix promises, "" for an unknown one."""
    name = os.fspath(path).lower()
    if name.endswith(".nii.gz"):
        return "nifti"
    return SUFFIXES.get(os.path.splitext(name)[1], "")


def first_bytes(path: str | os.PathLike[str]) -> bytes:
    """The first 352 bytes of a file, unzipped where it is gzipped."""
    head = raw_bytes(path)
    return _unzipped_head(path) if head.startswith(GZIP) else head


def raw_bytes(path: str | os.PathLike[str]) -> bytes:
    """The first 352 bytes of a file as they lie in it."""
    with open(path, "rb") as file:
        return file.read(HEAD)


def format_of_content(path: str | os.PathLike[str]) -> str:
    """The format that the first bytes promise, "" where they promise none."""
    return format_of_bytes(first_bytes(path))


def format_of_bytes(head: bytes) -> str:
    """`format_of_content` of a file with these first bytes."""
    if head[128:132] == b"DICM":  # first: its preamble may look like a TIFF
        return "dicom"
    for start, name in _STARTS.items():
        if head.startswith(start):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[344:348] in (b"n+1\x00", b"ni1\x00") or head[4:8] in (b"n+2\x00", b"ni2\x00"):
        return "nifti"
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return "bmp"
    if _NETPBM.match(head):
        return "pnm"
    if _META.match(head):
        return "metaimage"
    if _is_mgh(head):
        return "mgh"
    return "dicom" if _is_bare_dicom(head, "little") or _is_bare_dicom(head, "big") else ""


def _is_mgh(head: bytes) -> bool:
    """FreeSurfer volumes: version 1, four sizes, a type."""
    if len(head) < 28 or head[:4] != b"\0\0\0\1":
        return False
    *sizes, kind = struct.unpack_from(">5i", head, 4)
    return all(0 < size < 2**16 for size in sizes) and kind in _MGH_TYPES


def _is_bare_dicom(head: bytes, order: Literal["little", "big"]) -> bool:
    """Whether bytes are two elements of DICOM one after the other, without preamble.

    Files from before 1993, and some exports, start with group 8 at once. Big endian ones name the
    type of each element.
    """
    place, before = 0, -1
    for _ in range(2):
        if len(head) < place + 12:
            return False
        group, element = (int.from_bytes(head[at : at + 2], order) for at in (place, place + 2))
        if group not in (2, 8) or (group << 16) + element <= before:
            return False
        before = (group << 16) + element
        kind = head[place + 4 : place + 6]
        if kind in _LONG:
            size = 12 + int.from_bytes(head[place + 8 : place + 12], order)
        elif kind in _SHORT:
            size = 8 + int.from_bytes(head[place + 6 : place + 8], order)
        elif order == "little":
            size = 8 + int.from_bytes(head[place + 4 : place + 8], order)
        else:
            return False
        place += size
    return True


def _unzipped_head(path: str | os.PathLike[str]) -> bytes:
    try:
        with gzip.open(path, "rb") as file:
            return file.read(HEAD)
    except (OSError, EOFError, zlib.error):
        return b""  # a broken archive promises nothing
