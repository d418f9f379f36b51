"""Images in formats that are not read, known by their first bytes."""

import re
import struct

_STARTS = {
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"NRRD000": "NRRD",
    b"ObjectType = Image": "MetaImage",
    b"\x89HDF\r\n\x1a\n": "HDF5",
    b"\x76\x2f\x31\x01": "OpenEXR",
    b"8BPS": "Photoshop",
    b"SIMPLE  =": "FITS",
    b"MINC": "MINC",
    b"7z\xbc\xaf\x27\x1c": "7z archive",
    b"Rar!\x1a\x07": "RAR archive",
}
_ARCHIVES = {b"PK\x03\x04": "ZIP", b"PK\x05\x06": "ZIP", b"\x1f\x8b": "gzip"}
_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")
_META = re.compile(rb"\s*(ObjectType|NDims|DimSize|BinaryData|Comment)\s*=")
_ANALYZE = (b"\x5c\x01\0\0", b"\0\0\x01\x5c")
"""Size of a header, 348: that of NIfTI, which has a magic at its end."""
_MGH_TYPES = (0, 1, 3, 4)


def other_format(head: bytes) -> str:
    """The format of an image that no reader knows, "" where the bytes promise none.

    Parameters
    ----------
    head : the first 352 bytes, or all if there are fewer
    """
    for start, name in _STARTS.items():
        if head.startswith(start):
            return name
    if head[4:8] == b"ftyp" and head[8:12] in _BRANDS:
        return "HEIC or AVIF"
    if _META.match(head):
        return "MetaImage"
    if head[:4] in _ANALYZE and len(head) >= 348 and not head[344:348].strip(b"\0"):
        return "Analyze 7.5"
    return "MGH" if _is_mgh(head) else ""


def archive(head: bytes) -> str:
    """The kind of an archive by the first bytes as they lie in the file; "" for none."""
    return next((name for start, name in _ARCHIVES.items() if head.startswith(start)), "")


def _is_mgh(head: bytes) -> bool:
    """FreeSurfer volumes: version 1, four sizes, a type."""
    if len(head) < 28 or head[:4] != b"\0\0\0\1":
        return False
    *sizes, kind = struct.unpack_from(">5i", head, 4)
    return all(0 < size < 2**16 for size in sizes) and kind in _MGH_TYPES
