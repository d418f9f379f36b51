"""DICOM: units, windows, padding, frames, order; real slices with known Hounsfield units."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vestige.images.dicom import dicom_values
from vestige.images.frame import Unreadable
from vestige.images.imageset import ImageSet
from vestige.images.preprocess import to_working
from vestige.images.readers import read_file
from vestige.images.reading import read_images
from vestige.images.window import apply_window
from vestige.registry.entries import InputError

from .picture import dicom, grey

REAL = Path(__file__).resolve().parents[3] / "shared/data/dicom_lung_pet_ct_dx"


def hounsfield() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(-1024, 2000, (12, 10)).astype(np.int16)


class TestWindow:
    """PS3.3 C.11.2, worked out by hand."""

    def test_linear(self) -> None:
        got = apply_window(np.array([-160.0, 40.0, 239.0, 300.0, -2000.0]), 40, 400)
        np.testing.assert_allclose(got, [0, 0.501253, 1, 1, 0], atol=1e-6)
        assert got.dtype == np.float32

    def test_linear_exact(self) -> None:
        got = apply_window(np.array([-160.0, 40.0, 140.0, 240.0]), 40, 400, "LINEAR_EXACT")
        np.testing.assert_allclose(got, [0, 0.5, 0.75, 1], atol=1e-6)

    def test_sigmoid(self) -> None:
        got = apply_window(np.array([40.0, 140.0, -1e5, 1e5]), 40, 400, "SIGMOID")
        np.testing.assert_allclose(got, [0.5, 1 / (1 + np.exp(-1)), 0, 1], atol=1e-6)

    def test_a_width_of_one_is_a_threshold(self) -> None:
        assert apply_window(np.array([9.0, 10.0]), 10, 1).tolist() == [0, 1]

    @pytest.mark.parametrize("width", [0, -5, 0.5, float("nan"), float("inf")])
    def test_an_impossible_width_is_refused(self, width: float) -> None:
        with pytest.raises(InputError, match="width"):
            apply_window(np.zeros(3), 40, width)

    def test_an_unknown_function_is_refused(self) -> None:
        with pytest.raises(InputError, match="unknown window function 'CUBIC'"):
            apply_window(np.zeros(3), 40, 400, "CUBIC")


def test_slope_and_intercept_give_modality_units(tmp_path: Path) -> None:
    stored = np.arange(120, dtype=np.uint16).reshape(12, 10)
    path = dicom(tmp_path / "a.dcm", stored, RescaleSlope=2.5, RescaleIntercept=-1024)
    got = dicom_values(path)
    assert (got.dtype, got.shape) == (np.float32, (1, 12, 10))
    np.testing.assert_array_equal(got[0], stored * 2.5 - 1024)


def test_the_window_comes_from_the_user_then_the_tags_then_the_lung(tmp_path: Path) -> None:
    values = hounsfield()
    bare = dicom(tmp_path / "bare.dcm", values)
    tagged = dicom(tmp_path / "tags.dcm", values, WindowCenter=[40, -600], WindowWidth=[400, 1500])
    np.testing.assert_array_equal(read_file(bare)[0].pixels, apply_window(values, -600, 1500))
    np.testing.assert_array_equal(read_file(tagged)[0].pixels, apply_window(values, 40, 400))
    given = read_file(tagged, (300.0, 800.0))[0].pixels
    np.testing.assert_array_equal(given, apply_window(values, 300, 800))


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_the_function_of_the_file_is_used(tmp_path: Path, function: str) -> None:
    values = hounsfield()
    tags = {"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": function}
    [frame] = read_file(dicom(tmp_path / "a.dcm", values, **tags))
    np.testing.assert_array_equal(frame.pixels, apply_window(values, 40, 400, function))


def test_unusable_window_tags_are_flagged(tmp_path: Path) -> None:
    [frame] = read_file(
        dicom(tmp_path / "a.dcm", hounsfield(), WindowCenter=40, WindowWidth=0),
    )
    assert frame.flags == ("unusable window tags",)
    np.testing.assert_array_equal(frame.pixels, apply_window(hounsfield(), -600, 1500))


def test_without_a_window_other_modalities_show_the_full_stored_range(tmp_path: Path) -> None:
    stored = np.random.default_rng(1).integers(0, 4096, (8, 8)).astype(np.uint16)
    tags = {"Modality": "MR", "BitsStored": 12, "HighBit": 11}
    [frame] = read_file(dicom(tmp_path / "a.dcm", stored, **tags))
    np.testing.assert_allclose(frame.pixels, stored / 4095, atol=1e-6)
    signed = (stored.astype(np.int32) - 2048).astype(np.int16)
    [frame] = read_file(dicom(tmp_path / "b.dcm", signed, RescaleSlope=3, **tags))
    np.testing.assert_allclose(frame.pixels, stored / 4095, atol=1e-6)


def test_monochrome1_is_inverted(tmp_path: Path) -> None:
    tags = {"WindowCenter": 40, "WindowWidth": 400}
    [plain] = read_file(dicom(tmp_path / "2.dcm", hounsfield(), **tags))
    tags |= {"PhotometricInterpretation": "MONOCHROME1"}
    [inverse] = read_file(dicom(tmp_path / "1.dcm", hounsfield(), **tags))
    np.testing.assert_array_equal(inverse.pixels, 1 - plain.pixels)


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_takes_the_lowest_value(tmp_path: Path, kind: str) -> None:
    values = hounsfield()
    values[:3] = 3000
    tags = {"PixelPaddingValue": 3000, "PhotometricInterpretation": kind}
    path = dicom(tmp_path / "a.dcm", values, **tags)
    assert (dicom_values(path)[0, :3] == values[3:].min()).all()
    [frame] = read_file(path)
    assert (frame.pixels[:3] == 0).all()
    assert "padding set to black" in frame.flags
    expected = apply_window(values[3:], -600, 1500)
    expected = 1 - expected if kind == "MONOCHROME1" else expected
    np.testing.assert_array_equal(frame.pixels[3:], expected)


def test_every_frame_is_an_image(tmp_path: Path) -> None:
    stack = np.stack([hounsfield() + np.int16(k) for k in range(3)])
    frames = read_file(dicom(tmp_path / "a.dcm", stack))
    for frame, values in zip(frames, stack, strict=True):
        np.testing.assert_array_equal(frame.pixels, apply_window(values, -600, 1500))
    images = read_images(tmp_path, role="used", size=8)
    assert images.ids == ("a.dcm#0", "a.dcm#1", "a.dcm#2")


def test_enhanced_files_give_each_frame_its_own_tags(tmp_path: Path) -> None:
    from pydicom.dataset import Dataset

    def functional(k: int) -> Dataset:
        item, scale, plane, axes = Dataset(), Dataset(), Dataset(), Dataset()
        scale.RescaleSlope, scale.RescaleIntercept, scale.RescaleType = 1, -100 * k, "HU"
        plane.ImagePositionPatient = [0, 0, -5 * k]
        axes.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        item.PixelValueTransformationSequence = [scale]
        item.PlanePositionSequence = [plane]
        item.PlaneOrientationSequence = [axes]
        return item

    stack = np.stack([hounsfield()] * 3)
    path = dicom(
        tmp_path / "a.dcm",
        stack,
        SeriesInstanceUID="1.2.3",
        PerFrameFunctionalGroupsSequence=[functional(k) for k in range(3)],
    )
    np.testing.assert_array_equal(dicom_values(path), [stack[0] - 100 * k for k in range(3)])
    assert [frame.position for frame in read_file(path)] == [0, -5, -10]
    assert read_images(tmp_path, role="used", size=8).ids == ("a.dcm#2", "a.dcm#1", "a.dcm#0")


def test_colour_becomes_luma(tmp_path: Path) -> None:
    from pydicom import dcmread

    rgb = np.dstack([grey(seed=k) for k in range(3)])
    path = dicom(tmp_path / "a.dcm", grey())
    dataset = dcmread(path)
    dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "RGB", 3
    dataset.PlanarConfiguration, dataset.PixelData = 0, rgb.tobytes()
    dataset.save_as(path)
    [frame] = read_file(path)
    np.testing.assert_allclose(frame.pixels, rgb @ [0.299, 0.587, 0.114] / 255, atol=1e-6)
    assert frame.flags == ("colour",)
    with pytest.raises(Unreadable, match="no modality units"):
        dicom_values(path)


@pytest.mark.parametrize("syntax", ["RLELossless", "JPEG2000Lossless"])
def test_lossless_compression_changes_nothing(tmp_path: Path, syntax: str) -> None:
    import pydicom.uid
    from pydicom import dcmread

    path = dicom(tmp_path / "a.dcm", np.tile(hounsfield(), (6, 7)))
    expected = read_file(path)[0].pixels
    dataset = dcmread(path)
    dataset.compress(getattr(pydicom.uid, syntax))
    dataset.save_as(path)
    np.testing.assert_array_equal(read_file(path)[0].pixels, expected)


def test_jpeg_is_decoded_by_pillow_whatever_else_is_installed(tmp_path: Path) -> None:
    import io

    from PIL import Image
    from pydicom import dcmread
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEGBaseline8Bit

    rgb = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    packed = io.BytesIO()
    Image.fromarray(rgb).resize((48, 48)).save(packed, "JPEG", quality=60)
    path = dicom(tmp_path / "a.dcm", np.zeros((48, 48), np.uint8))
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "YBR_FULL_422", 3
    dataset.PlanarConfiguration = 0
    dataset.PixelData = encapsulate([packed.getvalue()])
    dataset["PixelData"].VR = "OB"
    dataset.save_as(path)
    with Image.open(packed) as image:
        luma = np.asarray(image.convert("RGB")) @ [0.299, 0.587, 0.114]
    assert np.abs(255 * read_file(path)[0].pixels - luma).max() < 1.01


def test_a_number_that_is_none_is_told_without_words_of_python(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", hounsfield(), SamplesPerPixel=2)
    content = path.read_bytes()
    place = content.index(b"US\x02\x00\x02\x00")  # becomes a decimal string, which is no number
    path.write_bytes(content[:place] + b"IS\x02\x00ab" + content[place + 6 :])
    with pytest.raises(Unreadable, match=r"decoded: its header or its data are damaged; copy it"):
        read_file(path)


@pytest.mark.parametrize("name", ["IM0001", "a.img", "a.png"])
def test_dicom_is_known_by_its_content(tmp_path: Path, name: str) -> None:
    expected = read_file(dicom(tmp_path / "a.dcm", hounsfield()))[0].pixels
    (tmp_path / "a.dcm").rename(tmp_path / name)
    np.testing.assert_array_equal(read_file(tmp_path / name)[0].pixels, expected)


def test_a_file_without_preamble_is_read(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", hounsfield())
    expected = read_file(path)[0].pixels
    path.write_bytes(path.read_bytes()[132:])
    np.testing.assert_array_equal(read_file(path)[0].pixels, expected)


def series(folder: Path, heights: list[float], series: str = "1.2.3") -> ImageSet:
    for k, z in enumerate(heights):
        dicom(
            folder / f"{k}.dcm",
            hounsfield() + np.int16(k),
            SeriesInstanceUID=series,
            ImagePositionPatient=[3, 4, z],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            PatientID="Jane Doe",
        )
    return read_images(folder, role="used", size=8)


def test_a_series_is_in_order_of_position_not_of_name(tmp_path: Path) -> None:
    images = series(tmp_path, [5, -20, 100, 0.5])
    assert images.ids == ("1.dcm", "3.dcm", "0.dcm", "2.dcm")
    for k, name in enumerate((1, 3, 0, 2)):
        expected = apply_window(hounsfield() + name, -600, 1500)
        np.testing.assert_array_equal(images.original(k), expected)
        np.testing.assert_array_equal(images.pixels[k], to_working(expected, 8))


def test_a_localiser_of_the_same_series_keeps_its_place(tmp_path: Path) -> None:
    dicom(
        tmp_path / "1b.dcm",
        hounsfield(),
        SeriesInstanceUID="1.2.3",
        ImagePositionPatient=[0, -50, 0],
        ImageOrientationPatient=[1, 0, 0, 0, 0, -1],
    )
    assert series(tmp_path, [5, -20, 1]).ids == ("1.dcm", "2.dcm", "1b.dcm", "0.dcm")


def test_the_patient_id_leaves_as_a_digest_only(tmp_path: Path) -> None:
    images = series(tmp_path, [0, 1])
    assert len(set(images.patients)) == 1
    assert len(images.patients[0]) == 64
    assert "Jane" not in repr(images.records)
    [anonymous] = read_file(dicom(tmp_path / "x.dcm", hounsfield(), PatientID=""))
    assert anonymous.patient == ""


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the real DICOM slices are not at {REAL}")
def test_real_slices_have_the_published_hounsfield_units() -> None:
    with open(REAL / "index.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20
    for row in rows:
        values = dicom_values(REAL / row["file"])
        got = values.min(), values.max(), values.mean(dtype=np.float64)
        expected = [float(row[name]) for name in ("hu_min", "hu_max", "hu_mean")]
        np.testing.assert_allclose(got, expected, atol=1e-3)
    images = read_images(REAL, role="used", size=64)
    by_height = sorted(rows, key=lambda row: float(row["z_mm"]))
    assert list(images.ids) == [row["file"] for row in by_height]
    assert images.problems == ()
    first = dicom_values(REAL / images.ids[0])[0]
    np.testing.assert_array_equal(images.original(0), apply_window(first, -600, 1600))


@pytest.mark.parametrize(
    ("syntax", "extra"),
    [("JPEGLosslessSV1", "gpl"), ("JPEGLSLossless", "gpl"), ("HTJ2KLossless", "medical")],
)
def test_a_missing_decoder_is_told_with_the_extra_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, syntax: str, extra: str
) -> None:
    import pydicom.uid
    from pydicom import dcmread
    from pydicom.pixels.decoders.base import Decoder

    path = dicom(tmp_path / "a.dcm", np.tile(hounsfield(), (6, 7)))
    dataset = dcmread(path)
    dataset.compress(pydicom.uid.RLELossless)  # its pixels are never looked at
    dataset.file_meta.TransferSyntaxUID = getattr(pydicom.uid, syntax)
    dataset.save_as(path)
    monkeypatch.setattr("vestige.images.dicom_file._check_packed", lambda *given: None)
    monkeypatch.setattr(Decoder, "is_available", False)
    with pytest.raises(Unreadable, match=rf"needs a decoder: pip install 'vestige\[{extra}\]'"):
        read_file(path)
