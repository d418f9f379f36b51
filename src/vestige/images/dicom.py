"""DICOM through pydicom: modality units first, then the window, then black is 0 and white is 1."""

import hashlib
import math
import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.images.frame import (
    BAD_WINDOW,
    LUT_NOT_USED,
    NOBODY,
    PADDED,
    Frame,
    NotAnImage,
    Unreadable,
    Window,
    check_size,
    from_colour,
)
from vestige.images.packed import check_deflated, check_unfolds, stream_shape
from vestige.images.window import LUNG, apply_window, usable
from vestige.registry.entries import InputError
from vestige.types import Bools, Float32s

PLACEHOLDERS = frozenset(
    [
        "ANON",
        "ANONYM",
        "ANONYMISED",
        "ANONYMIZED",
        "ANONYMOUS",
        "DE-IDENTIFIED",
        "DEIDENTIFIED",
        "N/A",
        "NA",
        "NO ID",
        "NOID",
        "NONE",
        "NULL",
        "PATIENT",
        "PATIENTID",
        "REMOVED",
        "UNDEFINED",
        "UNKNOWN",
    ]
)
"""Patient ids that name nobody."""
_MONOCHROME = ("MONOCHROME1", "MONOCHROME2")


@dataclass(frozen=True)
class _Units:
    """One frame in modality units, with the units of the lowest and highest storable level."""

    values: Float32s
    padding: Bools
    low: float
    high: float


_GPL = frozenset(f"1.2.840.10008.1.2.4.{last}" for last in (57, 70, 80, 81))
"""JPEG lossless and JPEG-LS, which only a GPL package or GDCM decode (docs/medical-formats.md)."""


def read_dicom(path: str | os.PathLike[str], window: Window | None = None) -> list[Frame]:
    """Decode every frame of one DICOM file.

    The window is `window`, else the first pair of the file's tags, else for CT the lung window,
    else the full stored range. Padding is black. MONOCHROME1 is inverted.
    """
    dataset = _open(path)
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    if photometric not in _MONOCHROME:
        return [_identified(f, dataset, k) for k, f in enumerate(_colour(dataset, photometric))]
    frames = []
    for k, stored in enumerate(_stack(dataset)):
        units = _units(dataset, stored, k)
        pixels, flags = _shown(dataset, units, k, window)
        if photometric == "MONOCHROME1":
            pixels = 1 - pixels
        if units.padding.any():
            pixels[units.padding] = 0
            flags = (*flags, PADDED)
        frame = Frame(pixels, int(dataset.get("BitsStored", 32)), photometric, flags)
        frames.append(_identified(frame, dataset, k))
    return frames


def dicom_values(path: str | os.PathLike[str]) -> Float32s:
    """Modality units (CT: Hounsfield units) of one file before any window.

    Returns
    -------
    Float32s, shape (frames, h, w)
        Stored level x slope + intercept; padding takes the lowest other value.

    Raises
    ------
    Unreadable
        For colour, which has no units.
    """
    dataset = _open(path)
    if str(dataset.get("PhotometricInterpretation", "")) not in _MONOCHROME:
        raise Unreadable("is a colour DICOM, which has no modality units")
    stack = _stack(dataset)
    return np.stack([_units(dataset, stored, k).values for k, stored in enumerate(stack)])


def dicom_shape(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width from the header."""
    dataset = _dcmread(path, stop_before_pixels=True)
    return int(dataset.Rows), int(dataset.Columns)


def _dcmread(path: str | os.PathLike[str], **options: Any) -> Any:
    try:
        import pydicom
    except ImportError as error:
        raise InputError(
            f"{os.fspath(path)} is DICOM, which needs pydicom: pip install 'vestige[medical]'"
        ) from error
    _check_deflated(path)
    try:
        return pydicom.dcmread(path, **options)
    except pydicom.errors.InvalidDicomError:
        # files from before 1993, and some exports, have no preamble
        dataset = pydicom.dcmread(path, force=True, **options)
        if "Rows" not in dataset or "SOPClassUID" not in dataset:
            raise
        return dataset


def _check_deflated(path: str | os.PathLike[str]) -> None:
    """Refuse a deflated file that is a bomb; pydicom unfolds it whole, whatever it becomes."""
    from pydicom.filereader import read_dataset
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    with open(path, "rb") as file:
        if file.read(132)[128:] != b"DICM":
            return
        start = read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag >= 0x30000)
        if start.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            check_deflated(file)


def _open(path: str | os.PathLike[str]) -> Any:
    dataset = _dcmread(path)
    if not any(k in dataset for k in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        # cut off within the pixels, pydicom gives back nothing at all
        if "Rows" in dataset or not ("SOPClassUID" in dataset or "FileSetID" in dataset):
            raise Unreadable("is a DICOM file without its pixel data (truncated?)")
        raise NotAnImage("is a DICOM file without pixels (report, structure set or directory)")
    frames = int(dataset.get("NumberOfFrames") or 1)
    height, width = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
    check_size(height, width, frames)
    channels = int(dataset.get("SamplesPerPixel") or 1)
    if channels not in (1, 3):
        raise Unreadable(f"has {channels} samples a pixel; save as grey or RGB")
    check_size(height, width, frames * channels)
    if "PixelData" in dataset and dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        _check_packed(dataset, frames, (height, width, channels))
        _check_decoder(dataset.file_meta.TransferSyntaxUID)
    return dataset


def _check_decoder(syntax: Any) -> None:
    """Say what to install where no installed package decodes a transfer syntax."""
    from pydicom.pixels.decoders.base import get_decoder

    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:  # unknown to pydicom, which says so
        return
    if not decoder.is_available:
        extra = "gpl" if syntax in _GPL else "medical"
        raise Unreadable(
            f"is DICOM in {syntax.name}, which needs a decoder: pip install 'vestige[{extra}]'"
        )


def _check_packed(dataset: Any, frames: int, shape: tuple[int, int, int]) -> None:
    """Refuse frames whose own header, which decoders follow, claims another size than the file."""
    from pydicom.encaps import generate_frames
    from pydicom.uid import RLELossless

    is_runs = dataset.file_meta.TransferSyntaxUID == RLELossless
    for packed in generate_frames(dataset.PixelData, number_of_frames=frames):
        if is_runs:
            check_unfolds(packed[64:], "runs", 2 * math.prod(shape) * dataset.BitsAllocated // 8)
            continue
        found = stream_shape(packed)
        if found is not None and found != shape:
            raise Unreadable(f"has a frame of {found} where {shape} is promised (h, w, channels)")


def _stack(dataset: Any) -> npt.NDArray[Any]:
    stored: npt.NDArray[Any] = dataset.pixel_array
    return stored.reshape(-1, int(dataset.Rows), int(dataset.Columns))


def _units(dataset: Any, stored: npt.NDArray[Any], k: int) -> _Units:
    padding = _padding(dataset, stored)
    if dataset.get("ModalityLUTSequence"):
        from pydicom.pixels.processing import apply_modality_lut

        values = np.asarray(apply_modality_lut(stored, dataset), np.float32)
        bits = int(dataset.ModalityLUTSequence[0].LUTDescriptor[2])
        low, high = 0.0, 2.0**bits - 1
    else:
        slope = _number(_lookup(dataset, k, "PixelValueTransformationSequence", "RescaleSlope"), 1)
        start = _number(
            _lookup(dataset, k, "PixelValueTransformationSequence", "RescaleIntercept"), 0
        )
        values = stored.astype(np.float32)
        if slope != 1:
            values *= np.float32(slope)
        if start != 0:
            values += np.float32(start)
        ends = [level * slope + start for level in _stored_range(dataset, stored)]
        low, high = min(ends), max(ends)
    if not np.isfinite(values).all():
        raise Unreadable("has values that are not finite (NaN or infinity)")
    if padding.any() and not padding.all():
        values[padding] = values[~padding].min()
    return _Units(values, padding, low, high)


def _padding(dataset: Any, stored: npt.NDArray[Any]) -> Bools:
    value = dataset.get("PixelPaddingValue")
    if value is None or stored.dtype.kind not in "iu":
        return np.zeros(stored.shape, np.bool_)
    limit = dataset.get("PixelPaddingRangeLimit")
    ends = np.array([value, value if limit is None else limit], np.int64).astype(stored.dtype)
    return np.asarray((stored >= ends.min()) & (stored <= ends.max()))


def _stored_range(dataset: Any, stored: npt.NDArray[Any]) -> tuple[int, int]:
    if stored.dtype.kind == "f":
        return 0, 1
    bits = int(dataset.BitsStored)
    if int(dataset.get("PixelRepresentation") or 0):
        return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return 0, 2**bits - 1


def _shown(
    dataset: Any, units: _Units, k: int, window: Window | None
) -> tuple[Float32s, tuple[str, ...]]:
    if window is not None:
        return apply_window(units.values, *window), ()
    centre = _lookup(dataset, k, "FrameVOILUTSequence", "WindowCenter")
    width = _lookup(dataset, k, "FrameVOILUTSequence", "WindowWidth")
    function = str(_lookup(dataset, k, "FrameVOILUTSequence", "VOILUTFunction") or "LINEAR")
    flags: tuple[str, ...] = ()
    if centre is not None and width is not None:
        pair = _number(centre, float("nan")), _number(width, float("nan"))
        if function in ("LINEAR", "LINEAR_EXACT", "SIGMOID") and usable(*pair, function):
            return apply_window(units.values, *pair, function), ()
        flags = (BAD_WINDOW,)
    elif dataset.get("VOILUTSequence"):
        flags = (LUT_NOT_USED,)
    if dataset.get("Modality") == "CT":
        return apply_window(units.values, *LUNG), flags
    if units.values.min() < units.low or units.values.max() > units.high:
        raise Unreadable("has float values outside 0..1 and no window; give one")
    span = np.float32(units.high - units.low)
    return (units.values - np.float32(units.low)) / span, flags


def _colour(dataset: Any, photometric: str) -> list[Frame]:
    levels: npt.NDArray[Any] = dataset.pixel_array  # pydicom turns YBR into RGB
    if photometric == "PALETTE COLOR":
        from pydicom.pixels.processing import apply_color_lut

        levels = apply_color_lut(levels, dataset)
    elif int(dataset.get("SamplesPerPixel") or 1) != 3:
        raise Unreadable(f"is a DICOM of photometric interpretation {photometric!r}")
    levels = levels.reshape(-1, int(dataset.Rows), int(dataset.Columns), levels.shape[-1])
    bits = int(dataset.BitsStored)
    return [replace(from_colour(one[..., :3], photometric), bits=bits) for one in levels]


def _identified(frame: Frame, dataset: Any, k: int) -> Frame:
    """Add patient, series and place along the slice normal; ids leave only as digests."""
    patient = str(dataset.get("PatientID") or "").strip()
    study = str(dataset.get("StudyInstanceUID") or dataset.get("SeriesInstanceUID") or "")
    series = str(dataset.get("SeriesInstanceUID") or "")
    place = _lookup(dataset, k, "PlanePositionSequence", "ImagePositionPatient")
    axes = _lookup(dataset, k, "PlaneOrientationSequence", "ImageOrientationPatient")
    position = None
    if series and place is not None and axes is not None and len(place) == 3 and len(axes) == 6:
        row, column = np.array(axes[:3], np.float64), np.array(axes[3:], np.float64)
        normal = np.cross(row, column)
        position = round(float(np.array(place, np.float64) @ normal), 4)
        # a series may hold a localiser in another plane, which has an order of its own
        series += "|" + ",".join(f"{v:.2f}" for v in normal)
    syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    return replace(
        frame,
        patient=NOBODY if patient.upper() in PLACEHOLDERS else _digest(patient),
        series=_digest(series),
        study=_digest(study),
        position=position,
        coding=f"DICOM {getattr(syntax, 'name', 'unknown')}",
    )


def _lookup(dataset: Any, k: int, group: str, name: str) -> Any:
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


def _number(value: Any, missing: float) -> float:
    """The first of possibly several decimal strings; an empty tag counts as missing."""
    if isinstance(value, str | bytes) or not hasattr(value, "__len__"):
        return missing if value is None or value == "" else float(value)
    return float(value[0]) if len(value) else missing


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest() if text else ""
