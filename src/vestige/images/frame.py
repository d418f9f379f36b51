"""One decoded image, and the few rules by which stored levels become grey in 0..1."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

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
FLAG_WARNINGS = {
    COLOUR: "colour images, turned to grey (Rec. 601 luma)",
    TRANSPARENT: "partly transparent images, put on black",
    CMYK: "CMYK images, turned to grey through RGB",
    TWELVE_OF_SIXTEEN: "16-bit files with no level above 4095, so perhaps 12-bit data; they were "
    "read on the 16-bit scale and look dark. If they are 12-bit, multiply by 16 and save again",
    CUT_TO_EIGHT: "16-bit colour or alpha files, of which the decoder keeps 8 bits",
    PERCENTILES: "volumes without a known grey scale, scaled from their 1 % to their 99 % level. "
    "Give a window to put all sets on one scale",
    NO_ORIENTATION: "volumes whose header states no orientation, read as stored",
    BAD_WINDOW: "DICOM files whose window tags cannot be used; the default scale was taken",
    LUT_NOT_USED: "DICOM files with a display lookup table, which is not applied",
}


class Unreadable(ValueError):
    """This file cannot be used; becomes an error row, never a dropped image."""


class NotAnImage(Unreadable):
    """This file never was an image; becomes a warning row."""


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
        sha256 (hex) of the DICOM patient id, "" if there is none.
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


def from_colour(levels: npt.NDArray[Any], mode: str, flags: tuple[str, ...] = ()) -> Frame:
    """RGB levels [h, w, 3] (uint8 or uint16): the one channel if all agree, else 601 luma."""
    red, green, blue = (levels[..., k] for k in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return from_levels(np.ascontiguousarray(red), mode, flags)
    # float32 throughout: rounding the luma to 8 bits would cost levels
    luma = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
    luma = np.minimum(luma / np.float32(np.iinfo(levels.dtype).max), np.float32(1))
    return Frame(luma.astype(np.float32), 8 * levels.dtype.itemsize, mode, (*flags, COLOUR))


def from_floats(values: npt.NDArray[Any], mode: str) -> Frame:
    """Float pixels [h, w] that already lie in 0..1; any other range must be declared first."""
    if not np.isfinite(values).all():
        raise Unreadable("has values that are not finite (NaN or infinity); mend or remove them")
    if values.size and (values.min() < 0 or values.max() > 1):
        raise Unreadable(
            f"has float values from {values.min():g} to {values.max():g}, whose range is not "
            "known. Rescale all sets by one rule to 0..1, or save as uint8 or uint16"
        )
    return Frame(values.astype(np.float32), 8 * values.dtype.itemsize, mode)


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


def over_black(frame: Frame, alpha: npt.NDArray[Any]) -> Frame:
    """Composite over black; alpha [h, w] is bool, uint8 or uint16."""
    full = 1 if alpha.dtype == np.bool_ else np.iinfo(alpha.dtype).max
    if (alpha == full).all():
        return frame
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
