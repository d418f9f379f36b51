"""Grey of DICOM: stored levels, modality units, window, then black is 0 and white is 1.

The truth table stands in docs/formats.md.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.images.dicom_file import is_big_endian
from vestige.images.flags import (
    BAD_WINDOW,
    LUT_NOT_USED,
    NO_HOUNSFIELD,
    NO_NEGATIVE,
    OWN_SCALE,
    PERCENTILES,
)
from vestige.images.frame import Unreadable, Window
from vestige.images.grey_rule import Code, GreyRule
from vestige.images.grey_scale import between, is_hounsfield_scale
from vestige.images.lookup import Table, read_table
from vestige.images.window import LUNG, apply_window, usable
from vestige.images.window import ends as ends_of
from vestige.types import Bools, Float32s

_USUAL_LEVELS = 4096
"""Of 16 bits that are all said to be used, a file that stays below this has a scale of its own."""


@dataclass(frozen=True)
class StoredScale:
    """What the levels of a whole file say of their scale.

    low, high : range of levels that can be stored; from 0 for signed ones without a negative
    usual : their 1 % and 99 % level where that range cannot be meant, else None
    """

    low: int
    high: int
    is_signed: bool
    is_float: bool
    usual: tuple[float, float] | None


@dataclass(frozen=True)
class Units:
    """One frame in modality units, with the units of the lowest and highest storable level.

    start, slope : of the rescale; None with a lookup table
    usual : `StoredScale.usual` in units
    """

    values: Float32s
    padding: Bools
    low: float
    high: float
    start: float = 0.0
    slope: float | None = None
    usual: tuple[float, float] | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shown:
    """One frame in 0..1 before any inversion.

    rule : which rule made it
    ends : units that are 0 and 1, where this file alone decides them
    is_windowed : they are those of a window of the file
    """

    pixels: Float32s
    flags: tuple[str, ...]
    rule: GreyRule
    ends: tuple[float, float] | None = None
    is_windowed: bool = False


def stored_scale(dataset: Any, stack: npt.NDArray[Any]) -> StoredScale:
    """The scale of all frames of a file [n, h, w]."""
    if stack.dtype.kind == "f":
        return StoredScale(0, 1, False, True, None)
    bits = int(dataset.BitsStored)
    is_signed = bool(int(dataset.get("PixelRepresentation") or 0))
    padding = _padding(dataset, stack)
    levels = stack[~padding] if padding.any() and not padding.all() else stack
    lowest, highest = int(levels.min()), int(levels.max())
    low, high = 0, 2**bits - 1
    if is_signed:
        low, high = -(2 ** (bits - 1)) if lowest < 0 else 0, 2 ** (bits - 1) - 1
    usual = None
    if bits == 16 and max(highest, -lowest) < _USUAL_LEVELS:
        usual = tuple(float(level) for level in np.percentile(levels, (1, 99)))
    return StoredScale(low, high, is_signed, False, usual)  # type: ignore[arg-type]  # a pair


def to_units(dataset: Any, stored: npt.NDArray[Any], k: int, scale: StoredScale) -> Units:
    """Frame k [h, w] in modality units."""
    padding = _padding(dataset, stored)
    table = _table(dataset, "ModalityLUTSequence", scale.is_signed)
    if table is not None:
        values = table(stored).astype(np.float32)
        units = Units(values, padding, 0.0, float(table.full))
    else:
        units = _rescaled(dataset, stored, k, scale)
        if dataset.get("ModalityLUTSequence") is not None:
            units = replace(units, flags=(LUT_NOT_USED,))
    if not np.isfinite(units.values).all():
        raise Unreadable("has values that are not finite (NaN or infinity)")
    if padding.any() and not padding.all():
        units.values[padding] = units.values[~padding].min()
    return units


def _rescaled(dataset: Any, stored: npt.NDArray[Any], k: int, scale: StoredScale) -> Units:
    group = "PixelValueTransformationSequence"
    slope = number(lookup(dataset, k, group, "RescaleSlope"), 1)
    start = number(lookup(dataset, k, group, "RescaleIntercept"), 0)
    values = stored.astype(np.float32)
    if slope != 1:
        values *= np.float32(slope)
    if start != 0:
        values += np.float32(start)
    ends = sorted(level * slope + start for level in (scale.low, scale.high))
    usual = None
    if scale.usual is not None:
        low, high = sorted(level * slope + start for level in scale.usual)
        usual = low, high
    return Units(values, _padding(dataset, stored), ends[0], ends[1], start, slope, usual)


def to_grey(dataset: Any, units: Units, k: int, scale: StoredScale, window: Window | None) -> Shown:
    """Frame k in 0..1: the first rule that applies."""
    is_ct = dataset.get("Modality") == "CT"
    is_hounsfield = is_ct and is_hounsfield_scale(
        units.low, units.high, units.start, float(units.values.min())
    )
    flags = units.flags
    strange = (NO_HOUNSFIELD,) if is_ct and not is_hounsfield else ()
    if window is not None:
        rule = GreyRule("window of the user", *ends_of(*window))
        return Shown(apply_window(units.values, *window), (*flags, *strange), rule)
    centre = lookup(dataset, k, "FrameVOILUTSequence", "WindowCenter")
    width = lookup(dataset, k, "FrameVOILUTSequence", "WindowWidth")
    function = str(lookup(dataset, k, "FrameVOILUTSequence", "VOILUTFunction") or "LINEAR")
    if centre is not None and width is not None:
        pair = number(centre, float("nan")), number(width, float("nan"))
        if function in ("LINEAR", "LINEAR_EXACT", "SIGMOID") and usable(*pair, function):
            code: Code = "sigmoid of the file" if function == "SIGMOID" else "window of the file"
            ends = ends_of(*pair, function)
            grey = apply_window(units.values, *pair, function)
            return Shown(grey, flags, GreyRule(code, *ends), ends, True)
        flags = (*flags, BAD_WINDOW)
    if dataset.get("VOILUTSequence"):
        table = _table(dataset, "VOILUTSequence", units.low < 0)
        if table is not None:
            bright = table(units.values) / np.float32(table.full)
            rule = GreyRule("display table of the file", units.low, units.high)
            return Shown(bright.astype(np.float32), flags, rule)
        flags = (*flags, LUT_NOT_USED)
    if is_hounsfield:
        rule = GreyRule("lung window", *ends_of(*LUNG))
        return Shown(apply_window(units.values, *LUNG), flags, rule)
    shown = _on_own_scale(units, scale)
    return replace(shown, flags=(*flags, *strange, *shown.flags))


def _on_own_scale(units: Units, scale: StoredScale) -> Shown:
    """The range of levels that can be stored; percentiles of the file where that says nothing."""
    span = units.high - units.low
    beyond = max(units.low - float(units.values.min()), float(units.values.max()) - units.high)
    if beyond > 1e-5 * span:
        raise Unreadable(
            "has float values outside 0..1 and no window; give one"
            if scale.is_float
            else "has levels beyond the bits that its header says are used; mend the header"
        )
    flags: tuple[str, ...] = (OWN_SCALE,) if units.slope not in (1, None) else ()
    if units.usual is not None:
        rule = GreyRule("percentiles", *units.usual)
        grey = between(units.values, *units.usual)
        return Shown(grey, (*flags, PERCENTILES), rule, units.usual)
    if scale.is_signed and scale.low == 0 and units.slope is not None:
        flags = (*flags, NO_NEGATIVE)
    shown = (units.values - np.float32(units.low)) / np.float32(span)
    # the last digit of a float may lie beyond the end that was computed more exactly
    rule = GreyRule("range of the type", units.low, units.high)
    return Shown(np.clip(shown, 0, 1, out=shown), flags, rule, (units.low, units.high))


def _padding(dataset: Any, stored: npt.NDArray[Any]) -> Bools:
    value = dataset.get("PixelPaddingValue")
    if value is None or stored.dtype.kind not in "iu":
        return np.zeros(stored.shape, np.bool_)
    limit = dataset.get("PixelPaddingRangeLimit")
    ends = np.array([value, value if limit is None else limit], np.int64).astype(stored.dtype)
    return np.asarray((stored >= ends.min()) & (stored <= ends.max()))


def _table(dataset: Any, sequence: str, is_signed: bool) -> Table | None:
    """The first lookup table of a sequence; None where there is none or it is empty."""
    items = dataset.get(sequence)
    item = items[0] if items else None
    descriptor, data = (item and item.get(name) for name in ("LUTDescriptor", "LUTData"))
    if descriptor is None or data is None or len(descriptor) != 3:
        return None
    return read_table(descriptor, data, is_big_endian(dataset), is_signed)


def lookup(dataset: Any, k: int, group: str, name: str) -> Any:
    """A tag of frame k: from the enhanced multi-frame groups, else from the file itself."""
    for sequence, item in (
        ("PerFrameFunctionalGroupsSequence", k),
        ("SharedFunctionalGroupsSequence", 0),
    ):
        groups = dataset.get(sequence)
        inner = groups[item].get(group) if groups and item < len(groups) else None
        if inner and inner[0].get(name) is not None:
            return inner[0].get(name)
    return dataset.get(name)


def number(value: Any, missing: float) -> float:
    """The first of possibly several decimal strings; an empty tag counts as missing."""
    if isinstance(value, str | bytes) or not hasattr(value, "__len__"):
        return missing if value is None or value == "" else float(value)
    return float(value[0]) if len(value) else missing
