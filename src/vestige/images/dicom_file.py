"""Opening DICOM: with or without its header, within the limits, with a decoder for its pixels."""

import math
import os
from typing import Any

from vestige.images.derived import KINDS, kind_of_dicom
from vestige.images.frame import NotAnImage, NotJudged, Unreadable, check_size
from vestige.images.packed import check_deflated, check_unfolds, stream_shape
from vestige.registry.entries import InputError

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_DIRECTORY = "1.2.840.10008.1.3.10"
_GPL = frozenset(f"1.2.840.10008.1.2.4.{last}" for last in (57, 70, 80, 81))
"""JPEG lossless and JPEG-LS, which only a GPL package or GDCM decode (docs/formats.md)."""


def open_dicom(path: str | os.PathLike[str]) -> Any:
    """The dataset of a file with pixels that may be decoded.

    Raises
    ------
    NotJudged
        For a report, structure set, plan or display settings.
    NotAnImage
        For another file without pixels.
    Unreadable
        For one that is damaged, goes beyond a limit, or needs a decoder.
    """
    dataset = read_header(path)
    if not any(name in dataset for name in _PIXELS):
        if _is_directory(dataset):
            raise NotAnImage("is a directory of a DICOM study (DICOMDIR); it holds no image itself")
        kind = kind_of_dicom(dataset)
        if kind and "Rows" not in dataset:
            raise NotJudged(f"is {KINDS[kind]}; not judged")
        # cut off within the pixels, pydicom gives back nothing at all
        if "Rows" in dataset or "SOPClassUID" not in dataset:
            raise Unreadable("is a DICOM file without its pixel data (truncated?)")
        raise NotAnImage("is a DICOM file without pixels, of a class of its own")
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
        _choose_decoder(dataset)
    elif "PixelData" in dataset:
        _check_complete(dataset, frames * height * width * channels)
    return dataset


def read_header(path: str | os.PathLike[str], **options: Any) -> Any:
    """What pydicom reads of one file, with a transfer syntax: its own, or the one that fits."""
    try:
        import pydicom
    except ImportError as error:
        raise InputError(
            f"{os.fspath(path)} is DICOM, which needs pydicom: pip install 'vestige[medical]'"
        ) from error
    _check_deflated(path)
    try:
        dataset = pydicom.dcmread(path, **options)
    except pydicom.errors.InvalidDicomError as error:
        # files from before 1993, and some exports, have no preamble
        try:
            dataset = pydicom.dcmread(path, force=True, **options)
        except MemoryError:  # other bytes, taken for the length of an element
            raise Unreadable("holds no image, or lacks its header") from error
        if not ("Rows" in dataset and "BitsAllocated" in dataset) and not kind_of_dicom(dataset):
            raise Unreadable("holds no image, or lacks its header") from error
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = _encoding(dataset)
    return dataset


def _is_directory(dataset: Any) -> bool:
    own = str(dataset.file_meta.get("MediaStorageSOPClassUID") or "")
    return own == _DIRECTORY or "DirectoryRecordSequence" in dataset


def is_big_endian(dataset: Any) -> bool:
    """Whether the words of a file have their high byte first."""
    from pydicom.uid import ExplicitVRBigEndian

    return bool(dataset.file_meta.TransferSyntaxUID == ExplicitVRBigEndian)


def _encoding(dataset: Any) -> Any:
    """The transfer syntax in which pydicom could read a file that names none."""
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if "PixelData" in dataset and dataset["PixelData"].is_undefined_length:
        raise Unreadable("does not say how its pixels are packed (no transfer syntax)")
    is_implicit, is_little = dataset.original_encoding
    if is_implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if is_little else ExplicitVRBigEndian


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


def _check_complete(dataset: Any, samples: int) -> None:
    size = math.ceil(samples * int(dataset.get("BitsAllocated") or 0) / 8)
    if str(dataset.get("PhotometricInterpretation", "")) == "YBR_FULL_422":
        size = size * 2 // 3  # two pixels share their colour
    found = len(dataset.PixelData or b"")
    if found < size:
        raise Unreadable(f"is truncated: {found} of {size} bytes of its pixels are there")


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


def _choose_decoder(dataset: Any) -> None:
    """Pillow for JPEG of 8 bits, whatever else is installed: decoders round it differently."""
    last = str(dataset.file_meta.TransferSyntaxUID).removeprefix("1.2.840.10008.1.2.4.")
    if last in ("50", "51") and int(dataset.get("BitsStored") or 0) == 8:
        dataset.pixel_array_options(decoding_plugin="pillow")


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
        if found is None:  # decoders look for it behind anything
            raise Unreadable("has a frame that does not begin as a packed picture; save it again")
        if found != shape:
            raise Unreadable(f"has a frame of {found} where {shape} is promised (h, w, channels)")
