"""Grey scale of DICOM: one truth table, and a flag wherever the scale is not known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian

from vestige.images.flags import (
    COLOUR,
    LUT_NOT_USED,
    NO_HOUNSFIELD,
    NO_NEGATIVE,
    OWN_SCALE,
    PERCENTILES,
)
from vestige.images.frame import Unreadable
from vestige.images.readers import read_file
from vestige.images.window import apply_window

from .picture import dicom, grey

MR = {"Modality": "MR"}
LEVELS = np.random.default_rng(3).integers(0, 1500, (12, 10)).astype(np.uint16)


def only(path: Path) -> Any:
    [frame] = read_file(path)
    return frame


def table(descriptor: list[int], data: bytes) -> Sequence:
    item = Dataset()
    item.add_new(0x00283002, "US", descriptor)
    item.add_new(0x00283006, "OW", data)
    return Sequence([item])


def test_signed_and_unsigned_levels_are_one_picture(tmp_path: Path) -> None:
    one = only(dicom(tmp_path / "u.dcm", LEVELS, **MR))
    other = only(dicom(tmp_path / "s.dcm", LEVELS.astype(np.int16), **MR))
    np.testing.assert_array_equal(one.pixels, other.pixels)
    assert one.flags == other.flags == (PERCENTILES,)
    low, high = np.percentile(LEVELS, (1, 99))
    np.testing.assert_allclose(one.pixels, np.clip((LEVELS - low) / (high - low), 0, 1), atol=1e-6)


def test_frames_of_one_file_share_one_scale(tmp_path: Path) -> None:
    stack = np.stack([LEVELS // 10, LEVELS])
    frames = read_file(dicom(tmp_path / "a.dcm", stack, **MR))
    low, high = np.percentile(stack, (1, 99))
    for frame, stored in zip(frames, stack, strict=True):
        expected = np.clip((stored - low) / (high - low), 0, 1)
        np.testing.assert_allclose(frame.pixels, expected, atol=1e-6)


def test_bits_of_the_header_are_believed(tmp_path: Path) -> None:
    tags = MR | {"BitsStored": 12, "HighBit": 11}
    frame = only(dicom(tmp_path / "u.dcm", LEVELS, **tags))
    np.testing.assert_allclose(frame.pixels, LEVELS / 4095, atol=1e-6)
    assert frame.flags == ()
    frame = only(dicom(tmp_path / "s.dcm", LEVELS.astype(np.int16), **tags))
    np.testing.assert_allclose(frame.pixels, LEVELS / 2047, atol=1e-6)
    assert frame.flags == (NO_NEGATIVE,)


@pytest.mark.parametrize("slope", [2.52554, 1.66673, 5.76896, 0.1])
def test_the_top_level_is_white_whatever_the_slope(tmp_path: Path, slope: float) -> None:
    stored = np.arange(120, dtype=np.int16).reshape(12, 10) * 270
    stored[0, 0] = 32767
    tags = {"Modality": "PT", "RescaleSlope": slope, "RescaleIntercept": 0}
    frame = only(dicom(tmp_path / "a.dcm", stored, **tags))
    np.testing.assert_allclose(frame.pixels, stored / 32767, atol=1e-6)
    assert frame.flags == (OWN_SCALE, NO_NEGATIVE)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_ct_without_hounsfield_units_is_read_on_its_stored_levels(tmp_path, bits: int) -> None:
    full = 2**bits - 1
    stored = np.linspace(0, full, 120).reshape(12, 10).astype(np.uint8 if bits == 8 else np.uint16)
    path = dicom(tmp_path / "a.dcm", stored, BitsStored=bits, HighBit=bits - 1)
    dataset = dcmread(path)
    del dataset.RescaleSlope, dataset.RescaleIntercept
    dataset.save_as(path)
    frame = only(path)
    np.testing.assert_allclose(frame.pixels, stored / full, atol=1e-6)
    assert frame.flags == (NO_HOUNSFIELD,)


def test_a_rescale_makes_hounsfield_units(tmp_path: Path) -> None:
    stored = np.linspace(0, 4095, 120).reshape(12, 10).astype(np.uint16)
    tags = {"BitsStored": 12, "HighBit": 11, "RescaleIntercept": -1024}
    frame = only(dicom(tmp_path / "a.dcm", stored, **tags))
    hounsfield = stored.astype(np.float32) - 1024
    np.testing.assert_array_equal(frame.pixels, apply_window(hounsfield, -600, 1500))
    assert frame.flags == ()


def test_presentation_shape_inverse_is_inverted_once(tmp_path: Path) -> None:
    tags = MR | {"BitsStored": 12, "HighBit": 11}
    plain = only(dicom(tmp_path / "a.dcm", LEVELS, **tags))
    for k, photometric in enumerate(("MONOCHROME1", "MONOCHROME2")):
        tags |= {"PhotometricInterpretation": photometric, "PresentationLUTShape": "INVERSE"}
        inverse = only(dicom(tmp_path / f"{k}.dcm", LEVELS, **tags))
        np.testing.assert_array_equal(inverse.pixels, 1 - plain.pixels)


@pytest.mark.parametrize("form", ["bytes", "words", "8 bits in 16"])
@pytest.mark.parametrize("sequence", ["ModalityLUTSequence", "VOILUTSequence"])
def test_tables_of_8_bits_in_every_packing(tmp_path: Path, form: str, sequence: str) -> None:
    entries = np.linspace(255, 0, 4096).astype(np.uint8)
    packed = entries.tobytes() if form == "bytes" else entries.astype("<u2").tobytes()
    stored = np.linspace(0, 4095, 120).reshape(12, 10).astype(np.uint16)
    lut = table([4096, 0, 16 if form == "8 bits in 16" else 8], packed)
    tags = MR | {"BitsStored": 12, "HighBit": 11, sequence: lut}
    frame = only(dicom(tmp_path / "a.dcm", stored, **tags))
    np.testing.assert_allclose(frame.pixels, entries[stored] / 255, atol=1e-6)


@pytest.mark.parametrize("sequence", ["ModalityLUTSequence", "VOILUTSequence"])
def test_an_empty_table_is_flagged_and_not_used(tmp_path: Path, sequence: str) -> None:
    tags = MR | {"BitsStored": 12, "HighBit": 11, sequence: Sequence([Dataset()])}
    frame = only(dicom(tmp_path / "a.dcm", LEVELS, **tags))
    np.testing.assert_allclose(frame.pixels, LEVELS / 4095, atol=1e-6)
    assert frame.flags == (LUT_NOT_USED,)


def palette(path: Path, tables: list[bytes], bits: int, big: bool = False) -> Path:
    dicom(path, grey(), Modality="US", PhotometricInterpretation="PALETTE COLOR")
    dataset = dcmread(path)
    for k, data in enumerate(tables):
        dataset.add_new(0x00281101 + k, "US", [256, 0, bits])
        dataset.add_new(0x00281201 + k, "OW", data)
    if big:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        dataset["PixelData"].VR = "OW"
        levels = np.frombuffer(dataset.PixelData, "<u2").astype(">u2")
        dataset.PixelData = levels.tobytes()
        dcmwrite(path, dataset, little_endian=False, implicit_vr=False, force_encoding=True)
    else:
        dataset.save_as(path)
    return path


@pytest.mark.parametrize("form", ["bytes", "8 bits in 16", "words", "high bytes", "16", "big"])
def test_every_packing_of_a_palette_is_one_picture(tmp_path: Path, form: str) -> None:
    colours = np.random.default_rng(5).integers(0, 256, (3, 256)).astype(np.uint16)
    full, kind = colours * np.uint16(257), "<u2"
    stored, bits = {
        "bytes": (colours.astype(np.uint8), 8),
        "8 bits in 16": (colours.astype(kind), 16),
        "words": (colours.astype(kind), 8),
        "high bytes": ((colours << 8).astype(kind), 8),
        "16": (full.astype(kind), 16),
        "big": (colours.astype(">u2") * 256, 16),
    }[form]
    path = palette(tmp_path / "a.dcm", [one.tobytes() for one in stored], bits, form == "big")
    frame = only(path)
    luma = (0.299, 0.587, 0.114) @ (colours / 255).reshape(3, -1)
    np.testing.assert_allclose(frame.pixels, luma[grey()], atol=0.004)
    assert frame.flags == (COLOUR,)


def test_a_palette_that_is_too_short_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="lookup table that is shorter"):
        read_file(palette(tmp_path / "a.dcm", [bytes(100)] * 3, 8))


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1", "RGB"])
def test_three_samples_are_colour_whatever_the_tag_says(tmp_path, photometric: str) -> None:
    rgb = np.random.default_rng(6).integers(0, 256, (12, 10, 3)).astype(np.uint8)
    path = dicom(tmp_path / "a.dcm", rgb[..., 0])
    dataset = dcmread(path)
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    dataset.PhotometricInterpretation = photometric
    dataset.PixelData = rgb.tobytes()
    dataset.save_as(path)
    frame = only(path)
    luma = rgb @ (0.299, 0.587, 0.114) / 255
    expected = 1 - luma if photometric == "MONOCHROME1" else luma
    np.testing.assert_allclose(frame.pixels, expected, atol=1e-6)


def test_colour_of_12_bits_in_16(tmp_path: Path) -> None:
    rgb = np.random.default_rng(7).integers(0, 4096, (12, 10, 3)).astype(np.uint16)
    path = dicom(tmp_path / "a.dcm", rgb[..., 0])
    dataset = dcmread(path)
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    dataset.PhotometricInterpretation, dataset.BitsStored, dataset.HighBit = "RGB", 12, 11
    dataset.PixelData = rgb.astype("<u2").tobytes()
    dataset.save_as(path)
    np.testing.assert_allclose(only(path).pixels, rgb @ (0.299, 0.587, 0.114) / 4095, atol=1e-6)
