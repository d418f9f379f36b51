"""One decoded image, and the few rules by which stored levels become grey in 0..1."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from vestige.images.unread import Kind
from vestige.types import Float32s

Window: TypeAlias = tuple[float, float]
"""(centre, width) in modality units, for CT: Hounsfield units."""
Levels: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

MAX_PIXELS = 256 * 2**20
"""A file that unfolds to more than this is refused before it is decoded."""
MAX_BYTES = 8 * MAX_PIXELS
"""Of one file, packed or not: pixels of 8 bytes are the widest that are read."""
MAX_SIDE, MAX_RATIO = 10_000, 64
"""Longest side of an image, and longest by shortest: each is padded to a square."""
MAX_PAGES = 50_000
"""Of a TIFF or an animation, each of which has a header of its own."""
SMALLEST_SHARE = 1024
"""Pixels that an image counts as at least, so that a file holds at most 262,144 images."""

_ROUNDING = 1e-5
"""Of a float level in 0..1."""

NOBODY = hashlib.sha256(b"").hexdigest()
"""Patient of a DICOM file whose id is a placeholder."""

# A flag that the user should see has a sentence here; the others are only recorded.
COLOUR = "colour"
TRANSPARENT = "transparent"
CMYK = "cmyk"
ROTATED = "rotated by orientation tag"
TWELVE_OF_SIXTEEN = "12 of 16 bits used?"
CUT_TO_EIGHT = "16-bit colour cut to 8"
PERCENTILES = "scaled by percentiles"
NO_ORIENTATION = "no orientation"
BAD_WINDOW = "unusable window tags"
LUT_NOT_USED = "lookup table not used"
PADDED = "padding set to black"
NO_HOUNSFIELD = "CT without Hounsfield units"
OWN_SCALE = "scale of its own"
NO_NEGATIVE = "signed without negative levels"
DISPLAY_NOT_USED = "display range not used"
NAN_BACKGROUND = "NaN taken for background"
NO_PHOTOMETRIC = "no photometric interpretation"
FIRST_PICTURE = "first of several pictures"
MINUS_ONE_TO_ONE = "floats from -1 to 1"
ROUNDED = "floats cut to 0..1"
FLAG_WARNINGS = {
    COLOUR: "colour images, turned to grey (Rec. 601 luma)",
    TRANSPARENT: "partly transparent images, put on black",
    CMYK: "CMYK images, turned to grey through RGB",
    TWELVE_OF_SIXTEEN: "16-bit files with no level above 4095, so perhaps 12-bit data; they were "
    "read on the 16-bit scale and look dark. If they are 12-bit, multiply by 16 and save again",
    CUT_TO_EIGHT: "16-bit colour or alpha files, of which the decoder keeps 8 bits",
    PERCENTILES: "images of files without a known grey scale, scaled from the 1 % to the 99 % "
    "level of their file. Give a window to put all sets on one scale",
    NO_ORIENTATION: "volumes whose header states no orientation, read as stored",
    BAD_WINDOW: "DICOM files whose window tags cannot be used; the default scale was taken",
    LUT_NOT_USED: "DICOM files with a lookup table that is empty or cannot be used; read without",
    NO_HOUNSFIELD: "CT files whose levels are not Hounsfield units (water near 0, air near -1000); "
    "read on the scale of their stored levels",
    OWN_SCALE: "DICOM files without a window whose levels are multiplied by a slope; each is "
    "scaled by itself, so slices of one series may differ. Give a window for one scale",
    NO_NEGATIVE: "signed DICOM files without a window and without a negative level; 0 is black",
    DISPLAY_NOT_USED: "volumes whose header names a display range that would cut off most of the "
    "body; it was not used",
    NAN_BACKGROUND: "volumes with voxels that are not numbers (NaN), which were taken for "
    "background",
    NO_PHOTOMETRIC: "TIFF files that do not say whether 0 is black or white; read as black",
    FIRST_PICTURE: "JPEG files with further pictures behind the first (previews, gain maps), of "
    "which only the first was read",
    MINUS_ONE_TO_ONE: "float images from -1 to 1, put on 0 to 1. Save all sets by one rule",
    ROUNDED: "float images beyond 0 to 1 by rounding only; cut to that range",
}
GUESSED_SCALE = frozenset(
    [
        TWELVE_OF_SIXTEEN,
        PERCENTILES,
        BAD_WINDOW,
        LUT_NOT_USED,
        NO_HOUNSFIELD,
        OWN_SCALE,
        NO_NEGATIVE,
        DISPLAY_NOT_USED,
        NO_PHOTOMETRIC,
        MINUS_ONE_TO_ONE,
    ]
)
"""Flags of images whose grey scale the file does not say, or not well."""


class Unreadable(ValueError):
    """This file cannot be used; becomes an error row, never a dropped image."""

    kind: ClassVar[Kind] = "damaged"


class OtherFormat(Unreadable):
    """This file is an image of a format that is not read; counted like a damaged one."""

    kind = "format not read"


class NotAnImage(Unreadable):
    """This file never was an image; becomes a warning row."""

    kind = "no image"


class NotJudged(Unreadable):
    """This file belongs to a study but shows no patient; becomes a warning row, not counted."""

    kind = "not judged"


class OfAnother(Unreadable):
    """This file holds the voxels of another one, which is read with it; becomes no row."""

    kind = "part of another file"


@dataclass(frozen=True, eq=False)
class Frame:
    """One image as it is in its file.

    Parameters
    ----------
    stored : uint8, uint16 or float32 [h, w]
        Levels on the scale of their type, or float32 in 0..1; black is 0.
    bits : int
        Bits per level in the file.
    mode : str
        How the file stores a pixel ("L", "P", "MONOCHROME2", ...).
    flags : tuple of str
        What was done or noticed on the way; see `FLAG_WARNINGS`.
    patient : str
        sha256 (hex) of the DICOM patient id, "" if there is none, `NOBODY` for a placeholder.
    alias, issuer : str
        sha256 (hex) of the DICOM patient id as it is compared (no capitals, single blanks) and of
        who issued it, "" if there is none.
    series : str
        sha256 (hex) of the DICOM series, "" if there is none.
    study : str
        sha256 (hex) of the DICOM study, else of the series, "" if there is neither.
    position : float or None
        Millimetres along the slice normal.
    coding : str
        How the file packs its pixels, as far as it leaves a trace: "PNG", "JPEG" with a digest of
        its quantisation tables, a DICOM transfer syntax; "" where nothing is known.
    """

    stored: Levels | Float32s
    bits: int
    mode: str
    flags: tuple[str, ...] = ()
    patient: str = ""
    alias: str = ""
    issuer: str = ""
    series: str = ""
    study: str = ""
    position: float | None = None
    coding: str = ""

    @cached_property
    def pixels(self) -> Float32s:
        """The image as float32 [h, w] in 0..1."""
        return scaled(self.stored)


def from_levels(levels: npt.NDArray[Any], mode: str, flags: tuple[str, ...] = ()) -> Frame:
    """Grey integer levels [h, w] (bool, uint8 or uint16) on the scale of their type."""
    if levels.dtype == np.bool_:
        # Pillow's booleans are bytes 0 and 255, NumPy's own are 0 and 1
        white = np.minimum(levels.view(np.uint8), 1) * np.uint8(255)
        return Frame(white, 1, mode, flags)
    if levels.dtype.itemsize == 1:
        return Frame(levels, 8, mode, flags)
    levels = levels.astype(np.uint16, copy=False)  # native byte order
    if levels.size and levels.max() <= 4095:
        flags = (*flags, TWELVE_OF_SIXTEEN)
    return Frame(levels, 16, mode, flags)


def from_bits(levels: npt.NDArray[Any], bits: int, mode: str, flags: tuple[str, ...] = ()) -> Frame:
    """Grey levels [h, w] whose header says how many of their bits are used."""
    if bits == 8 * levels.dtype.itemsize:
        return from_levels(levels, mode, flags)
    shown = np.minimum(levels / np.float32(2**bits - 1), np.float32(1))
    return Frame(shown.astype(np.float32), bits, mode, flags)


def from_colour(
    levels: npt.NDArray[Any], mode: str, flags: tuple[str, ...] = (), bits: int | None = None
) -> Frame:
    """RGB levels [h, w, 3] (uint8 or uint16): the one channel if all agree, else 601 luma.

    bits : of the levels that are used; default: all, and 12 of 16 are flagged
    """
    red, green, blue = (levels[..., k] for k in range(3))
    known = bits or 8 * levels.dtype.itemsize
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return from_bits(np.ascontiguousarray(red), known, mode, flags)
    if bits is None and levels.dtype.itemsize == 2 and levels.max() <= 4095:
        flags = (*flags, TWELVE_OF_SIXTEEN)
    # float32 throughout: rounding the luma to 8 bits would cost levels
    luma = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
    luma = np.minimum(luma / np.float32(2**known - 1), np.float32(1))
    return Frame(luma.astype(np.float32), known, mode, (*flags, COLOUR))


def from_floats(values: npt.NDArray[Any], mode: str) -> Frame:
    """Float pixels [h, w] as `unit_floats` puts them on 0..1."""
    unit, flags = unit_floats(values)
    return Frame(unit, 8 * values.dtype.itemsize, mode, flags)


def unit_floats(values: npt.NDArray[Any]) -> tuple[Float32s, tuple[str, ...]]:
    """Float pixels on 0..1, and what was done: they lie there, or in -1..1 and use most of it.

    Rounding beyond the ends is cut off. Any other range must be declared first.
    """
    if not np.isfinite(values).all():
        raise Unreadable("has values that are not finite (NaN or infinity); mend or remove them")
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if low >= 0 and high <= 1:
        return values.astype(np.float32, copy=False), ()
    if low >= -_ROUNDING and high <= 1 + _ROUNDING:
        return np.clip(values, 0, 1).astype(np.float32), (ROUNDED,)
    if -1 - _ROUNDING <= low <= -0.5 and high <= 1 + _ROUNDING:
        half = values.astype(np.float32) * np.float32(0.5) + np.float32(0.5)
        return np.clip(half, 0, 1), (MINUS_ONE_TO_ONE,)
    raise Unreadable(
        f"has float values from {low:g} to {high:g}, whose range is not known. Rescale all sets by "
        "one rule to 0..1, or save as uint8 or uint16"
    )


def from_any(values: npt.NDArray[Any], mode: str) -> Frame:
    """Grey pixels [h, w] of the types that carry their range: bool, uint8, uint16, float."""
    if values.dtype.kind == "b" or (values.dtype.kind == "u" and values.dtype.itemsize <= 2):
        return from_levels(values, mode)
    if values.dtype.kind == "f":
        return from_floats(values, mode)
    raise Unreadable(
        f"holds {values.dtype.name} values, whose range is not known. "
        "Save as uint8, uint16 or float in 0..1"
    )


def over_black(frame: Frame, alpha: npt.NDArray[Any], is_multiplied: bool = False) -> Frame:
    """Composite over black; alpha [h, w] is bool, uint8 or uint16.

    is_multiplied : the levels are multiplied by alpha already
    """
    full = 1 if alpha.dtype == np.bool_ else np.iinfo(alpha.dtype).max
    if (alpha == full).all():
        return frame
    if is_multiplied:
        return replace(frame, flags=(*frame.flags, TRANSPARENT))
    covered = frame.pixels * (alpha.astype(np.float32) / np.float32(full))
    return replace(frame, stored=covered, flags=(*frame.flags, TRANSPARENT))


def oriented(frame: Frame, tag: int) -> Frame:
    """Turn the image as the EXIF/TIFF orientation tag (1 to 8) says."""
    if tag not in _TURNS:
        return frame
    turned = np.ascontiguousarray(_TURNS[tag](frame.stored))
    return replace(frame, stored=turned, flags=(*frame.flags, ROTATED))


_TURNS: dict[int, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    2: np.fliplr,
    3: lambda a: a[::-1, ::-1],
    4: np.flipud,
    5: np.transpose,
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].T,
    8: np.rot90,
}


def scaled(stored: npt.NDArray[Any]) -> Float32s:
    """Stored levels as float32 in 0..1 by one correctly rounded division; floats as they are."""
    if stored.dtype.kind == "f":
        return np.asarray(stored, np.float32)
    full = np.float32(np.iinfo(stored.dtype).max)
    pixels: Float32s = np.divide(stored, full, dtype=np.float32)
    return pixels


def check_pages(count: int) -> None:
    """Refuse a TIFF or an animation of more than `MAX_PAGES` before they are looked at."""
    if count > MAX_PAGES:
        raise Unreadable(f"has {count} pages, more than {MAX_PAGES}; split it")


def check_size(height: int, width: int, frames: int = 1) -> None:
    """Refuse what has no pixels or goes beyond the limits above, before it is decoded."""
    if height < 1 or width < 1 or frames < 1:
        raise Unreadable(f"has no pixels ({frames} x {height} x {width})")
    if max(height * width, SMALLEST_SHARE) * frames > MAX_PIXELS:
        raise Unreadable(
            f"unfolds to {frames} image(s) of {height} x {width}, more than "
            f"{MAX_PIXELS / 1e6:.0f} million pixels; split or shrink it"
        )
    if max(height, width) > MAX_SIDE:
        raise Unreadable(f"is {height} x {width}, longer than {MAX_SIDE}; cut or shrink it")
    if max(height, width) > MAX_RATIO * min(height, width):
        raise Unreadable(f"is {height} x {width}, more a line than a picture; cut it")
