"""One decoded image, and the few rules by which stored levels become grey in 0..1."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from vestige.images.flags import (
    COLOUR,
    MINUS_ONE_TO_ONE,
    ROTATED,
    ROUNDED,
    TRANSPARENT,
    TWELVE_OF_SIXTEEN,
)
from vestige.images.grey_rule import GreyRule
from vestige.images.kinds import Kind
from vestige.images.unread import FaultKind
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

UNIT = GreyRule("floats from 0 to 1", 0, 1)
_ROUNDING = 1e-5
"""Of a float level in 0..1."""

Colour: TypeAlias = tuple[float, float, float]
"""Red, green and blue, 0..1."""
BLACK: Colour = (0.0, 0.0, 0.0)

NOBODY = hashlib.sha256(b"").hexdigest()
"""Patient of a DICOM file whose id is a placeholder."""


class Unreadable(ValueError):
    """This file cannot be used; becomes an error row, never a dropped image."""

    kind: ClassVar[FaultKind] = "damaged"


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
    stored : uint8, uint16 or float32 [h, w], of a volume [d, h, w]
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
    ends : (float, float) or None
        Modality units that are shown as 0 and as 1; None where nothing depends on the file alone.
    is_windowed : bool
        Whether the ends are those of a window, beyond which values are cut off.
    rule : GreyRule or None
        Which rule made the grey values; None where the reader does not say it.
    colours : uint8, uint16 or float32 [h, w, 3], or None
        Of a coloured image, red, green and blue on the scale of their type; `stored` is its luma.
    alpha : bool, uint8 or uint16 [h, w], or None
        Share of each pixel that the image covers, on the scale of its type; None where it covers
        all. `stored` lies over black.
    is_multiplied : bool
        Whether `colours` lie over black already.
    spacing : (float, float, float) or None
        Of a volume: millimetres between voxels along its axes, 1 where the file does not say it.
    orientation : str
        Of a volume: where its axes as stored lead to, such as "LPS"; "" where nothing says it.
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
    ends: tuple[float, float] | None = None
    is_windowed: bool = False
    rule: GreyRule | None = None
    colours: Levels | Float32s | None = None
    alpha: npt.NDArray[Any] | None = None
    is_multiplied: bool = True
    spacing: tuple[float, float, float] | None = None
    orientation: str = ""

    @cached_property
    def pixels(self) -> Float32s:
        """The image in grey as float32 [h, w] in 0..1."""
        return scaled(self.stored)

    def shown_as(self, kind: Kind, background: Colour = BLACK) -> npt.NDArray[Any]:
        """Levels of the image: grey [h, w] over black, or colour [h, w, 3] over a background.

        A volume [d, h, w] is shown as it is stored.
        """
        if kind != "colour":
            return self.stored
        colours: Any = self.colours
        if colours is None:
            colours = np.stack([self.stored] * 3, axis=2)
        if self.alpha is None:
            return np.asarray(colours)
        share = _share(self.alpha)[:, :, np.newaxis]
        over: Float32s = scaled(colours)
        if self.colours is not None and not self.is_multiplied:
            over = over * share
        beside = (1 - share) * np.array(background, np.float32)
        over = np.minimum(over + beside, np.float32(1))
        return over


def from_levels(
    levels: npt.NDArray[Any], mode: str, flags: tuple[str, ...] = (), coding: str = ""
) -> Frame:
    """Grey integer levels [h, w] (bool, uint8 or uint16) on the scale of their type."""
    if levels.dtype == np.bool_:
        # Pillow's booleans are bytes 0 and 255, NumPy's own are 0 and 1
        white = np.minimum(levels.view(np.uint8), 1) * np.uint8(255)
        return _of_type(white, 1, mode, flags, coding)
    if levels.dtype.itemsize == 1:
        return _of_type(levels, 8, mode, flags, coding)
    levels = levels.astype(np.uint16, copy=False)  # native byte order
    if levels.size and levels.max() <= 4095:
        flags = (*flags, TWELVE_OF_SIXTEEN)
    return _of_type(levels, 16, mode, flags, coding)


def _of_type(levels: Levels, bits: int, mode: str, flags: tuple[str, ...], coding: str) -> Frame:
    rule = GreyRule("levels of the type", 0, 2**bits - 1)
    return Frame(levels, bits, mode, flags, coding=coding, rule=rule)


def from_bits(levels: npt.NDArray[Any], bits: int, mode: str, flags: tuple[str, ...] = ()) -> Frame:
    """Grey levels [h, w] whose header says how many of their bits are used."""
    if bits == 8 * levels.dtype.itemsize:
        return from_levels(levels, mode, flags)
    shown = np.minimum(levels / np.float32(2**bits - 1), np.float32(1))
    rule = GreyRule("bits of the header", 0, 2**bits - 1)
    return Frame(shown.astype(np.float32), bits, mode, flags, rule=rule)


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
    is_whole = known == 8 * levels.dtype.itemsize
    colours = levels if is_whole else np.minimum(levels / np.float32(2**known - 1), np.float32(1))
    rule = GreyRule("levels of the type" if is_whole else "bits of the header", 0, 2**known - 1)
    grey = luma.astype(np.float32)
    return Frame(grey, known, mode, (*flags, COLOUR), rule=rule, colours=colours)


def from_floats(values: npt.NDArray[Any], mode: str) -> Frame:
    """Float pixels [h, w] as `unit_floats` puts them on 0..1."""
    unit, flags = unit_floats(values)
    rule = UNIT if MINUS_ONE_TO_ONE not in flags else replace(UNIT, low=-1)
    return Frame(unit, 8 * values.dtype.itemsize, mode, flags, rule=rule)


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
    if (alpha == _full(alpha)).all():
        return frame
    flags = (*frame.flags, TRANSPARENT)
    frame = replace(frame, alpha=alpha, is_multiplied=is_multiplied, flags=flags)
    return frame if is_multiplied else replace(frame, stored=frame.pixels * _share(alpha))


def _full(alpha: npt.NDArray[Any]) -> int:
    return 1 if alpha.dtype == np.bool_ else int(np.iinfo(alpha.dtype).max)


def _share(alpha: npt.NDArray[Any]) -> Float32s:
    return alpha.astype(np.float32) / np.float32(_full(alpha))


def oriented(frame: Frame, tag: int) -> Frame:
    """Turn the image as the EXIF/TIFF orientation tag (1 to 8) says."""
    if tag not in _TURNS:
        return frame
    turn = _TURNS[tag]
    return replace(
        frame,
        stored=np.ascontiguousarray(turn(frame.stored)),
        colours=None if frame.colours is None else np.ascontiguousarray(turn(frame.colours)),
        alpha=None if frame.alpha is None else turn(frame.alpha),
        flags=(*frame.flags, ROTATED),
    )


_TURNS: dict[int, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    2: np.fliplr,
    3: lambda a: a[::-1, ::-1],
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
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
