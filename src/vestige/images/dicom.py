"""DICOM through pydicom: modality units first, then the window, then black is 0 and white is 1."""

import os
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.images.derived import KINDS, kind_of_dicom
from vestige.images.dicom_file import is_big_endian, open_dicom, read_header
from vestige.images.dicom_grey import lookup, number, stored_scale, to_grey, to_units
from vestige.images.flags import MOSAIC, NOT_SQUARE, PADDED
from vestige.images.frame import NOBODY, Frame, NotJudged, Unreadable, Window, from_colour, scaled
from vestige.images.lookup import check_segments, palette_levels, read_table
from vestige.images.patient_ids import digest, folded, is_placeholder
from vestige.images.talkative import unheard
from vestige.types import Float32s

_MONOCHROME = ("MONOCHROME1", "MONOCHROME2")


def read_dicom(path: str | os.PathLike[str], window: Window | None = None) -> list[Frame]:
    """Decode every frame of one DICOM file.

    The window is `window`, else the first pair of the file's tags, else its display table, else for
    CT in Hounsfield units the lung window, else the full stored range. Padding is black.
    MONOCHROME1 is inverted. What is no image of the patient is flagged so
    (`vestige.images.derived`).
    """
    return frames_of_dataset(open_dicom(path), window)


def frames_of_dataset(dataset: Any, window: Window | None) -> list[Frame]:
    """Every frame of an opened file, as `read_dicom`."""
    kind = kind_of_dicom(dataset)
    try:
        frames = _frames(dataset, window)
    except Exception as error:
        if kind:  # it would not be judged anyhow
            raise NotJudged(f"is {KINDS[kind]}; not judged") from error
        raise
    if kind:
        frames = [replace(frame, flags=(*frame.flags, kind)) for frame in frames]
    return [
        _identified(replace(frame, flags=(*frame.flags, *_odd_grid(dataset, k))), dataset, k)
        for k, frame in enumerate(frames)
    ]


def _frames(dataset: Any, window: Window | None) -> list[Frame]:
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    inverted = photometric == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE"
    if not _is_grey(dataset):
        return [_inverse(one) if inverted else one for one in _colour(dataset, photometric)]
    stack, frames = _stack(dataset), []
    scale = stored_scale(dataset, stack)
    for k, stored in enumerate(stack):
        units = to_units(dataset, stored, k, scale)
        shown = to_grey(dataset, units, k, scale, window)
        pixels, flags, ends = shown.pixels, shown.flags, shown.ends
        if inverted:
            pixels, ends = 1 - pixels, ends and ends[::-1]
        if units.padding.any():
            pixels[units.padding] = 0
            flags = (*flags, PADDED)
        bits = int(dataset.get("BitsStored", 32))
        rule = replace(shown.rule, is_inverted=inverted)
        frames.append(
            Frame(
                pixels,
                bits,
                photometric,
                flags,
                ends=ends,
                is_windowed=shown.is_windowed,
                rule=rule,
            )
        )
    return frames


def _odd_grid(dataset: Any, k: int) -> tuple[str, ...]:
    """What makes the pixels of frame k another grid than that of one slice."""
    told = dataset.get("ImageType") or ()
    kinds = [told] if isinstance(told, str) else [str(value).strip().upper() for value in told]
    flags: tuple[str, ...] = (MOSAIC,) if "MOSAIC" in kinds else ()
    spacing = lookup(dataset, k, "PixelMeasuresSequence", "PixelSpacing")
    spacing = spacing or dataset.get("ImagerPixelSpacing") or dataset.get("PixelAspectRatio")
    if isinstance(spacing, str) or not hasattr(spacing, "__len__") or len(spacing) != 2:
        return flags
    high, wide = (number(side, 0) for side in spacing)
    if min(high, wide) > 0 and abs(high - wide) > 0.01 * max(high, wide):
        flags = (*flags, NOT_SQUARE)
    return flags


def _is_grey(dataset: Any) -> bool:
    """One sample a pixel; three are colour, whatever the photometric tag says."""
    grey = str(dataset.get("PhotometricInterpretation", "")) in _MONOCHROME
    return grey and int(dataset.get("SamplesPerPixel") or 1) == 1


def _inverse(frame: Frame) -> Frame:
    rule = frame.rule and replace(frame.rule, is_inverted=True)
    colours = None if frame.colours is None else 1 - scaled(frame.colours)
    return replace(frame, stored=1 - frame.pixels, rule=rule, colours=colours)


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
    dataset = open_dicom(path)
    if not _is_grey(dataset):
        raise Unreadable("is a colour DICOM, which has no modality units")
    stack = _stack(dataset)
    scale = stored_scale(dataset, stack)
    return np.stack([to_units(dataset, one, k, scale).values for k, one in enumerate(stack)])


def dicom_is_grey(path: str | os.PathLike[str]) -> bool:
    """Whether a file has one grey sample a pixel, from the header."""
    with unheard():
        return _is_grey(read_header(path, stop_before_pixels=True))


def dicom_shape(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width from the header."""
    dataset = read_header(path, stop_before_pixels=True)
    return int(dataset.Rows), int(dataset.Columns)


def _stack(dataset: Any) -> npt.NDArray[Any]:
    stored = _levels(dataset)
    return stored.reshape(-1, int(dataset.Rows), int(dataset.Columns))


def _levels(dataset: Any) -> npt.NDArray[Any]:
    try:
        levels: npt.NDArray[Any] = dataset.pixel_array
    except RuntimeError as error:  # it names every decoder and what each says
        raise Unreadable(
            "has pixels that no decoder can undo; they are damaged, or packed in another way than "
            "the file says"
        ) from error
    return levels


def _colour(dataset: Any, photometric: str) -> list[Frame]:
    levels = _levels(dataset)  # pydicom turns YBR into RGB
    bits: int | None = int(dataset.BitsStored)
    if photometric == "PALETTE COLOR":
        levels, bits = _through_palette(dataset, levels), None
    elif int(dataset.get("SamplesPerPixel") or 1) != 3:
        raise Unreadable("is a DICOM in a colour space that is not read; save as grey or RGB")
    if levels.dtype.kind != "u":
        raise Unreadable(f"holds colours of {levels.dtype.name}; save as 8 or 16 bit RGB")
    levels = levels.reshape(-1, int(dataset.Rows), int(dataset.Columns), levels.shape[-1])
    told = int(dataset.BitsStored)
    return [replace(from_colour(one[..., :3], photometric, (), bits), bits=told) for one in levels]


def _through_palette(dataset: Any, indices: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if "SegmentedRedPaletteColorLookupTableData" in dataset:
        from pydicom.pixels.processing import apply_color_lut

        for colour in ("Red", "Green", "Blue"):
            descriptor = dataset.get(f"{colour}PaletteColorLookupTableDescriptor")
            data = dataset.get(f"Segmented{colour}PaletteColorLookupTableData")
            if descriptor is None or len(descriptor) != 3 or data is None:
                raise Unreadable("has no complete palette for its colours; save as grey")
            check_segments(data, int(descriptor[2]), is_big_endian(dataset))
        coloured: npt.NDArray[Any] = apply_color_lut(indices, dataset)[..., :3]
        return coloured
    is_signed = bool(int(dataset.get("PixelRepresentation") or 0))
    tables = []
    for colour in ("Red", "Green", "Blue"):
        name = f"{colour}PaletteColorLookupTable"
        descriptor, data = dataset.get(f"{name}Descriptor"), dataset.get(f"{name}Data")
        if descriptor is None or len(descriptor) != 3 or data is None:
            raise Unreadable("has no complete palette for its colours; save as grey")
        tables.append(read_table(descriptor, data, is_big_endian(dataset), is_signed))
    return palette_levels(tables, indices)


def _identified(frame: Frame, dataset: Any, k: int) -> Frame:
    """Add patient, series and place along the slice normal; ids leave only as digests."""
    patient = str(dataset.get("PatientID") or "").strip("\0 \t\r\n")
    study = str(dataset.get("StudyInstanceUID") or dataset.get("SeriesInstanceUID") or "")
    series = str(dataset.get("SeriesInstanceUID") or "")
    place = lookup(dataset, k, "PlanePositionSequence", "ImagePositionPatient")
    axes = lookup(dataset, k, "PlaneOrientationSequence", "ImageOrientationPatient")
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
        patient=NOBODY if is_placeholder(patient) else digest(patient),
        alias=digest(folded(patient)),
        issuer=digest(folded(str(dataset.get("IssuerOfPatientID") or ""))),
        series=digest(series),
        study=digest(study),
        position=position,
        coding=f"DICOM {getattr(syntax, 'name', 'unknown')}",
    )
