"""Slices of one series are on one scale, in whatever order, engine or cache they are read."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from vestige.engine.engines import open_executor
from vestige.images.flags import ONE_SCALE, PERCENTILES, SEVERAL_WINDOWS
from vestige.images.imageset import ImageSet
from vestige.images.readers import read_file
from vestige.images.reading import read_images

from .picture import dicom

PET = {"Modality": "PT", "SeriesInstanceUID": "1.2.9"}
SLOPES = (0.5, 2.0, 1.0)
BODY = np.random.default_rng(0).integers(0, 1000, (16, 16)).astype(np.uint16)
"""Levels of all slices: only the slope tells them apart."""


def read(folder: Path, size: int = 16, **options: Any) -> ImageSet:
    return read_images(folder, role="used", size=size, **options)


def pet(path: Path, slope: float, levels: Any = BODY, **tags: Any) -> Path:
    told = {"BitsStored": 12, "RescaleSlope": slope} | PET | tags
    return dicom(path, levels, **told)


@pytest.fixture
def series(tmp_path: Path) -> Path:
    folder = tmp_path / "series"
    folder.mkdir()
    for k, slope in enumerate(SLOPES):
        pet(folder / f"{k}.dcm", slope)
    pet(folder / "other.dcm", 8.0, SeriesInstanceUID="1.2.10")
    return folder


def test_slopes_do_not_cancel(series: Path) -> None:
    images = read(series)
    for k, slope in enumerate(SLOPES):  # 0 to the highest level at the largest slope of the series
        np.testing.assert_allclose(images.pixels[k], BODY * slope / (4095 * 2), atol=1e-6)
        np.testing.assert_allclose(images.original(k), BODY * slope / (4095 * 2), atol=1e-6)
        assert ONE_SCALE in images.flags[k]
    np.testing.assert_allclose(images.pixels[3], BODY / 4095, atol=1e-6)
    assert ONE_SCALE not in images.flags[3]
    assert any("one scale for each series" in problem.what for problem in images.problems)


def test_order_engine_and_cache_do_not_matter(series: Path, tmp_path: Path) -> None:
    plain = read(series)
    turned = tmp_path / "turned"
    turned.mkdir()
    for k, name in enumerate(("2.dcm", "0.dcm", "other.dcm", "1.dcm")):
        shutil.copy(series / name, turned / f"{k}.dcm")
    np.testing.assert_array_equal(read(turned).pixels, plain.pixels[[2, 0, 3, 1]])
    for _ in range(2):
        kept = read(series, cache=tmp_path / "cache")
        np.testing.assert_array_equal(kept.pixels, plain.pixels)
        assert kept.records == plain.records
    (series / "1.dcm").unlink()  # what is kept of the others is as they were read
    alone = read(series, cache=tmp_path / "cache")
    np.testing.assert_array_equal(alone.pixels, read(series).pixels)
    assert alone.pixels[0].max() > plain.pixels[0].max()


def test_two_processes_give_the_same(series: Path) -> None:
    with open_executor("local:2") as executor:
        there = read(series, executor=executor)
    np.testing.assert_array_equal(there.pixels, read(series).pixels)


def test_many_images_on_disk_give_the_same(series: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = read(series)
    monkeypatch.setattr("vestige.images.spool.HELD_BYTES", 2048)
    spooled = read(series)
    assert isinstance(spooled.pixels, np.memmap)
    np.testing.assert_array_equal(spooled.pixels, plain.pixels)


def test_intercepts_and_inversion(tmp_path: Path) -> None:
    pet(tmp_path / "0.dcm", 1.0, RescaleIntercept=-1000, PhotometricInterpretation="MONOCHROME1")
    pet(tmp_path / "1.dcm", 2.0, RescaleIntercept=0, PhotometricInterpretation="MONOCHROME1")
    images = read(tmp_path)
    for k, units in enumerate((BODY - 1000.0, BODY * 2.0)):
        np.testing.assert_allclose(images.pixels[k], (8190 - units) / 9190, atol=1e-6)


def test_frames_of_one_file_are_a_series(tmp_path: Path) -> None:
    groups = []
    for slope in SLOPES:
        inner, outer = Dataset(), Dataset()
        inner.RescaleSlope, inner.RescaleIntercept = slope, 0
        outer.PixelValueTransformationSequence = Sequence([inner])
        groups.append(outer)
    path = pet(tmp_path / "a.dcm", 1.0, np.stack([BODY] * 3))
    from pydicom import dcmread

    dataset = dcmread(path)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(groups)
    dataset.save_as(path)
    images = read(tmp_path)
    for k, slope in enumerate(SLOPES):
        np.testing.assert_allclose(images.pixels[k], BODY * slope / (4095 * 2), atol=1e-6)


def test_slices_that_fill_little_of_16_bits_share_their_percentiles(tmp_path: Path) -> None:
    pet(tmp_path / "0.dcm", 1.0, BODY, BitsStored=16)
    pet(tmp_path / "1.dcm", 1.0, BODY * 3, BitsStored=16)
    high = BODY * 2
    high[0, 0] = 5000  # above what 12 bits hold: this one alone would be put on all 16
    pet(tmp_path / "2.dcm", 1.0, high, BitsStored=16)
    images = read(tmp_path)
    assert [PERCENTILES in flags for flags in images.flags] == [True, True, False]
    low = np.percentile(BODY, 1)
    top = np.percentile(BODY * 3, 99)
    first, last = np.percentile(BODY, (2, 98))
    inside = (first < BODY) & (last > BODY)
    inside[0, 0] = False
    for k, factor in enumerate((1, 3, 2)):
        expected = np.clip((BODY * factor - low) / (top - low), 0, 1)
        np.testing.assert_allclose(images.pixels[k][inside], expected[inside], atol=1e-5)


def test_several_windows_in_one_series_are_flagged(tmp_path: Path) -> None:
    for k, centre in enumerate((400, 400, 900)):
        pet(tmp_path / f"{k}.dcm", 1.0, WindowCenter=centre, WindowWidth=800)
    pet(tmp_path / "other.dcm", 1.0, WindowCenter=5, WindowWidth=9, SeriesInstanceUID="1.2.10")
    images = read(tmp_path)
    assert [SEVERAL_WINDOWS in flags for flags in images.flags] == [True, True, True, False]
    for k in range(3):  # nothing else happens to them
        np.testing.assert_array_equal(images.pixels[k], read_file(tmp_path / f"{k}.dcm")[0].pixels)
    assert all(SEVERAL_WINDOWS not in f for f in read(tmp_path, window=(400.0, 800.0)).flags)


def test_one_scale_needs_nothing(tmp_path: Path) -> None:
    for k in range(2):
        pet(tmp_path / f"{k}.dcm", 1.5, BODY + np.uint16(k))
    images = read(tmp_path)
    assert all(record.scale is None for record in images.records)
    assert all(ONE_SCALE not in flags for flags in images.flags)
