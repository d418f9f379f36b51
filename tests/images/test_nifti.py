"""NIfTI: one picture of the body, whatever the order of the axes in the file."""

import struct
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform

from vestige.images.flags import DISPLAY_NOT_USED, NAN_BACKGROUND, PERCENTILES
from vestige.images.frame import Unreadable
from vestige.images.listing import peek_size
from vestige.images.readers import peek_shape, read_file
from vestige.images.window import apply_window

RAS = np.random.default_rng(0).integers(0, 256, (7, 6, 5)).astype(np.uint8)
"""[right, front, head], the canonical order."""


def store(path: Path, ras: np.ndarray[Any, Any], codes: str = "RAS", **header: float) -> Path:
    """Save a canonical volume [x, y, z, ...] with axes in the order of `codes`."""
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    values = nib.orientations.apply_orientation(ras, turn)
    image = nib.Nifti1Image(values, inv_ornt_aff(turn, ras.shape[:3]), dtype=ras.dtype)
    for name, value in header.items():
        image.header[name] = value
    nib.save(image, path)
    return path


@pytest.mark.parametrize("codes", ["RAS", "LPS", "LAS", "PIR", "SAL", "IPR"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_every_orientation_gives_the_same_slices(tmp_path: Path, codes: str, suffix: str) -> None:
    path = store(tmp_path / f"a{suffix}", RAS, codes)
    frames = read_file(path)
    assert len(frames) == 5
    for k, frame in enumerate(frames):
        assert frame.flags == ()
        # first row: front; first column: the patient's right, as in DICOM
        assert frame.pixels[0, 0] == np.float32(RAS[-1, -1, k]) / np.float32(255)
        np.testing.assert_array_equal(frame.pixels, RAS[::-1, ::-1, k].T / np.float32(255))
    assert peek_shape(path) == (6, 7)
    assert peek_size([path]) == 8


def test_every_volume_of_a_series_is_read(tmp_path: Path) -> None:
    series = np.stack([RAS, RAS[::-1]], axis=3)
    frames = read_file(store(tmp_path / "a.nii", series))
    assert len(frames) == 10
    np.testing.assert_array_equal(frames[5].pixels, RAS[:, ::-1, 0].T / np.float32(255))


def test_a_single_slice_is_one_image(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(RAS[:, :, 0], np.eye(4)), tmp_path / "a.nii")
    [frame] = read_file(tmp_path / "a.nii")
    np.testing.assert_array_equal(frame.pixels, RAS[::-1, ::-1, 0].T / np.float32(255))


def test_nifti2_and_content_without_a_name(tmp_path: Path) -> None:
    nib.save(nib.Nifti2Image(RAS, np.eye(4)), tmp_path / "a.nii")
    (tmp_path / "a.nii").rename(tmp_path / "volume")
    second = read_file(tmp_path / "volume")
    first = read_file(store(tmp_path / "b.nii.gz", RAS).rename(tmp_path / "other"))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)


class TestScale:
    """Window, display range, data type, Hounsfield units, percentiles: the first that applies."""

    hu = np.random.default_rng(1).integers(-1024, 3000, (7, 6, 5)).astype(np.int16)

    def slices(self, path: Path, window: tuple[float, float] | None = None) -> Any:
        frames = read_file(path, window)
        return np.stack([f.pixels for f in frames]), {flag for f in frames for flag in f.flags}

    def shown(self, canonical: np.ndarray[Any, Any]) -> Any:
        return canonical[::-1, ::-1].transpose(2, 1, 0)

    def test_window(self, tmp_path: Path) -> None:
        path = store(tmp_path / "a.nii", self.hu, cal_min=0, cal_max=100)
        pixels, flags = self.slices(path, (40.0, 400.0))
        np.testing.assert_array_equal(pixels, self.shown(apply_window(self.hu, 40, 400)))
        assert not flags

    def test_display_range(self, tmp_path: Path) -> None:
        path = store(tmp_path / "a.nii", self.hu, cal_min=-500, cal_max=2500)
        pixels, flags = self.slices(path)
        expected = np.clip((self.hu + 500) / 3000, 0, 1)
        np.testing.assert_allclose(pixels, self.shown(expected), atol=1e-6)
        assert not flags

    def test_a_display_range_that_cuts_off_the_body_is_not_used(self, tmp_path: Path) -> None:
        path = store(tmp_path / "a.nii", self.hu, cal_min=0, cal_max=1)
        pixels, flags = self.slices(path)
        np.testing.assert_array_equal(pixels, self.shown(apply_window(self.hu, -600, 1500)))
        assert flags == {DISPLAY_NOT_USED}

    def test_hounsfield_units(self, tmp_path: Path) -> None:
        for values in (self.hu, self.hu.astype(np.float32)):
            pixels, flags = self.slices(store(tmp_path / "a.nii", values))
            np.testing.assert_array_equal(pixels, self.shown(apply_window(self.hu, -600, 1500)))
            assert not flags

    def test_unsigned_16_bit_on_a_part_of_its_range_is_read_as_signed(self, tmp_path: Path) -> None:
        values = np.abs(self.hu)
        signed = self.slices(store(tmp_path / "a.nii", values))
        pixels, flags = self.slices(store(tmp_path / "b.nii", values.astype(np.uint16)))
        np.testing.assert_array_equal(pixels, signed[0])
        assert flags == signed[1] == {PERCENTILES}

    def test_unsigned_16_bit_on_all_of_its_range(self, tmp_path: Path) -> None:
        values = (np.abs(self.hu).astype(np.uint16) * 20).astype(np.uint16)
        pixels, flags = self.slices(store(tmp_path / "a.nii", values))
        np.testing.assert_allclose(pixels, self.shown(values / 65535), atol=1e-6)
        assert not flags

    def test_unsigned_hounsfield_units_with_an_intercept(self, tmp_path: Path) -> None:
        path = store(tmp_path / "a.nii", (self.hu + np.int16(1024)).astype(np.uint16))
        content = bytearray(path.read_bytes())
        content[112:120] = struct.pack("<2f", 1, -1024)  # nibabel itself would undo them
        path.write_bytes(content)
        pixels, flags = self.slices(path)
        np.testing.assert_array_equal(pixels, self.shown(apply_window(self.hu, -600, 1500)))
        assert not flags

    @pytest.mark.parametrize("kind", ["ringing", "phase", "z-scores"])
    def test_negative_values_alone_are_no_hounsfield_units(self, tmp_path, kind: str) -> None:
        rng = np.random.default_rng(2)
        values = {
            "ringing": rng.integers(-260, 3000, (7, 6, 5)),
            "phase": rng.integers(-4096, 4096, (7, 6, 5)),
            "z-scores": 1000 * rng.normal(size=(7, 6, 5)),
        }[kind].astype(np.int16)
        pixels, flags = self.slices(store(tmp_path / "a.nii", values))
        low, high = np.percentile(values, (1, 99))
        expected = np.clip((values - low) / (high - low), 0, 1)
        np.testing.assert_allclose(pixels, self.shown(expected), atol=1e-5)
        assert flags == {PERCENTILES}

    def test_nan_is_background(self, tmp_path: Path) -> None:
        values = np.abs(self.hu).astype(np.float32)
        values[:2] = np.nan
        pixels, flags = self.slices(store(tmp_path / "a.nii", values))
        assert (pixels[:, :, -2:] == 0).all()
        assert pixels.max() == 1
        assert flags == {PERCENTILES, NAN_BACKGROUND}

    def test_percentiles_are_the_last_resort_and_flagged(self, tmp_path: Path) -> None:
        values = np.abs(self.hu)
        pixels, flags = self.slices(store(tmp_path / "a.nii", values))
        low, high = np.percentile(values, (1, 99))
        expected = np.clip((values - low) / (high - low), 0, 1)
        np.testing.assert_allclose(pixels, self.shown(expected), atol=1e-5)
        assert flags == {"scaled by percentiles"}

    def test_a_constant_volume_is_black(self, tmp_path: Path) -> None:
        pixels, _ = self.slices(store(tmp_path / "a.nii", np.full((3, 4, 5), 7, np.int16)))
        assert (pixels == 0).all()


def test_a_header_without_orientation_is_flagged(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(RAS, None), tmp_path / "a.nii")
    assert read_file(tmp_path / "a.nii")[0].flags == ("no orientation",)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_faults_are_named(tmp_path: Path, suffix: str) -> None:
    path = store(tmp_path / f"nan{suffix}", np.full((3, 4, 5), np.nan, np.float32))
    with pytest.raises(Unreadable, match="not finite"):
        read_file(path)
    path = store(tmp_path / f"cut{suffix}", RAS)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(Unreadable):
        read_file(path)
    complex_values = nib.Nifti1Image(np.ones((3, 4, 5), np.complex64), np.eye(4))
    nib.save(complex_values, tmp_path / f"complex{suffix}")
    with pytest.raises(Unreadable, match="complex64 voxels"):
        read_file(tmp_path / f"complex{suffix}")
