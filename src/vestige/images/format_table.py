"""The table of formats: what is read and how its grey values come about, what is refused and why.

`vestige list formats` prints it, and docs/formats.md holds it.
"""

from dataclasses import dataclass
from typing import Literal

from vestige.images.formats import SUFFIXES
from vestige.images.readers import READERS


@dataclass(frozen=True)
class Format:
    """One row.

    Parameters
    ----------
    name : str
        For what is read, the key in `vestige.images.readers.READERS`.
    what : str
        What of the format is read or written, or why it is not read.
    suffixes : tuple of str
        By which a file is known whose first bytes say nothing.
    state : "read", "refused" or "written"
    extra : str
        The extra that decodes it, "" where none is needed.
    grey : str
        How grey values come about.
    """

    name: str
    what: str
    suffixes: tuple[str, ...] = ()
    state: Literal["read", "refused", "written"] = "read"
    extra: str = ""
    grey: str = ""


_LEVELS = "0 is black and the highest level of 8 or 16 bits is white; colours become Rec. 601 luma."
_VOLUME = (
    "Rescaled by the file, then the first of: your window, the range of an unsigned type, the lung "
    "window for Hounsfield units, percentiles."
)
GREY = {
    "png": _LEVELS,
    "jpeg": "0 is black and 255 is white; colours become Rec. 601 luma, CMYK through RGB.",
    "tiff": _LEVELS + " Floats are taken as they are.",
    "bmp": _LEVELS,
    "webp": _LEVELS,
    "gif": "The colours of the palette become Rec. 601 luma.",
    "pnm": _LEVELS,
    "jpeg2000": _LEVELS,
    "npy": _LEVELS + " Floats are taken as they are, and -1..1 is put on 0..1.",
    "npz": _LEVELS + " Floats are taken as they are, and -1..1 is put on 0..1.",
    "dicom": "Rescaled by the file, then the first of: your window, the window of the file, its "
    "display table, the lung window for Hounsfield units, the range of its bits.",
    "nifti": "Rescaled by the file, then the first of: your window, the display range of the file, "
    "the range of an unsigned type, the lung window for Hounsfield units, percentiles.",
    "nrrd": _VOLUME,
    "metaimage": _VOLUME,
    "mgh": _VOLUME,
    "hdf5": _LEVELS + " Floats are taken as they are, and -1..1 is put on 0..1.",
}
"""Of each reader, how the grey values of its images come about."""

_UNREAD = "No reader: save as PNG or NIfTI."
_PACKED = "An archive: unpack it."
REFUSED = {
    "JPEG XL": _UNREAD,
    "HEIC or AVIF": _UNREAD,
    "MINC": _UNREAD,
    "FITS": _UNREAD,
    "OpenEXR": _UNREAD,
    "Photoshop": _UNREAD,
    "Analyze 7.5": "It does not say which side of the body is left: save as NIfTI.",
    "ZIP": _PACKED,
    "gzip": "An archive, but for NIfTI: unpack it.",
    "7z archive": _PACKED,
    "RAR archive": _PACKED,
}
"""Formats that are known by their first bytes and not read, each with the reason."""


def formats() -> tuple[Format, ...]:
    """All rows: what is read, in the order of the readers, then what is refused."""
    read = [
        Format(
            name,
            entry.summary,
            tuple(suffix for suffix, reader in SUFFIXES.items() if reader == name),
            extra=entry.extra,
            grey=GREY[name],
        )
        for name, entry in READERS.items()
    ]
    refused = [Format(name, why, state="refused") for name, why in REFUSED.items()]
    return (*read, *refused)


def described(row: Format) -> str:
    """What a row says of its format, after the word that says whether it is read."""
    return row.what if row.state == "read" else f"{row.state.capitalize()}. {row.what}"
