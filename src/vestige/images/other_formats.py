"""Images in formats that are not read, known by their first bytes."""

import re

_STARTS = {
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"\x00\x00\x00\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"NRRD000": "NRRD",
    b"ObjectType = Image": "MetaImage",
    b"\x76\x2f\x31\x01": "OpenEXR",
    b"8BPS": "Photoshop",
}
_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")
_NETPBM = re.compile(rb"P[1-6]\s(\s|#[^\n]*\n)*\d+\s+(#[^\n]*\n)*\d+\s")


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
    return "PGM, PPM or PBM" if _NETPBM.match(head) else ""
