"""Images in formats that are not read, known by their first bytes."""

_STARTS = {
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"\x76\x2f\x31\x01": "OpenEXR",
    b"8BPS": "Photoshop",
    b"SIMPLE  =": "FITS",
    b"MINC": "MINC",
    b"MATLAB 5.0 MAT-file": "MATLAB",
    b"MATLAB 7.3 MAT-file": "MATLAB",
    b"7z\xbc\xaf\x27\x1c": "7z archive",
    b"Rar!\x1a\x07": "RAR archive",
}
_ARCHIVES = {b"PK\x03\x04": "ZIP", b"PK\x05\x06": "ZIP", b"\x1f\x8b": "gzip"}
_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")
_ANALYZE = (b"\x5c\x01\0\0", b"\0\0\x01\x5c")
"""Size of a header, 348: that of NIfTI, which has a magic at its end."""


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
    if head[:4] in _ANALYZE and len(head) >= 348 and not head[344:348].strip(b"\0"):
        return "Analyze 7.5"
    return ""


def archive(head: bytes) -> str:
    """The kind of an archive by the first bytes as they lie in the file; "" for none."""
    return next((name for start, name in _ARCHIVES.items() if head.startswith(start)), "")
