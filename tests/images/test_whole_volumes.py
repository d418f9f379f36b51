"""Whole volumes of every format: the same image, its facts, and one row for what cannot be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from vestige.engine.engines import open_executor
from vestige.images.flags import NO_SPACING
from vestige.images.imageset import ImageSet
from vestige.images.reading import Wanted, read_images
from vestige.images.working_grid import on_grid
from vestige.registry.entries import InputError
from vestige.release.folder import copy_kept

from .picture import dicom, grey, save
from .test_volumes import meta, mgh, nrrd
from .test_working_grid import stored

RNG = np.random.default_rng(3)
RAS = RNG.integers(0, 256, (12, 14, 10)).astype(np.uint8)
RAS[0, 0, 0], RAS[1, 1, 1] = 0, 255
STEPS = (0.8, 0.9, 2.0)
AFFINE = np.diag([*STEPS, 1.0])
SIZE = 12
WHOLE = Wanted(kind="volume")
UPRIGHT = np.ascontiguousarray(RAS[::-1, ::-1].T)
"""Feet to head, front to back, right to left."""


def read(source: Any, **options: Any) -> ImageSet:
    return read_images(source, role="used", size=SIZE, wanted=WHOLE, **options)


def series(folder: Path, volume: Any = RAS, number: str = "1.2.3", **tags: Any) -> list[Path]:
    """A volume [right, front, head] as axial DICOM slices, named in no order of their places."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for k in range(volume.shape[2]):
        paths.append(
            dicom(
                folder / f"{(7 * k) % 11}-{k}.dcm",
                np.ascontiguousarray(volume[::-1, ::-1, k].T),
                SeriesInstanceUID=number,
                Modality="MR",
                PatientID="P7",
                ImagePositionPatient=[-5.0, -6.0, STEPS[2] * k],
                ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
                PixelSpacing=[STEPS[1], STEPS[0]],
                **tags,
            )
        )
    return paths


def nifti(path: Path, values: Any, affine: Any) -> None:
    nib.save(nib.Nifti1Image(values, affine), path)


WRITERS: dict[str, Callable[[Path], Any]] = {
    "a.nii": lambda p: nifti(p, RAS, AFFINE),
    "turned.nii.gz": lambda p: nifti(p, *stored("PSL", RAS, AFFINE)),
    "a.nrrd": lambda p: nrrd(p, RAS, AFFINE[:3, :3]),
    "apart.nhdr": lambda p: nrrd(p, RAS, AFFINE[:3, :3], "raw", "apart.raw"),
    "a.mha": lambda p: meta(p, RAS, AFFINE[:3, :3]),
    "a.mgh": lambda p: mgh(p, RAS, AFFINE[:3, :3]),
    "series": lambda p: series(p),
}


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_volume_in_every_format(tmp_path: Path, name: str) -> None:
    root = tmp_path / "set"
    root.mkdir()
    WRITERS[name](root / name)
    images = read(root)
    assert (images.ids, images.kind, images.problems) == ((name,), "volume", ())
    [record] = images.records
    assert record.spacing == pytest.approx((2.0, 0.9, 0.8), abs=1e-6)
    assert (record.shape, images.shapes.tolist()) == ((10, 14, 12), [[10, 14, 12]])
    assert record.orientation == {"turned.nii.gz": "PSL", "series": "LPS"}.get(name, "RAS")
    assert (images.files.files, images.files.unread) == (1, 0)
    expected = on_grid((UPRIGHT / 255).astype(np.float32), (2.0, 0.9, 0.8), SIZE)
    np.testing.assert_allclose(images.pixels[0], expected, atol=1e-5)
    np.testing.assert_array_equal(images.original(0), images.pixels[0])
    # one digest for all of them, and the same with workers and from a cache
    array = read(UPRIGHT[None])
    assert images.sha256 == array.sha256
    for _ in range(2):
        kept = read(root, cache=tmp_path / "cache")
        assert kept.records == images.records
        np.testing.assert_array_equal(kept.pixels, images.pixels)


@pytest.mark.parametrize("suffix", ["npy", "npz", "h5"])
@pytest.mark.parametrize(
    "shape", [(2, 10, 14, 12), (2, 1, 10, 14, 12), (2, 10, 14, 12, 1)], ids=str
)
def test_arrays_are_read_as_their_slices_lie(
    tmp_path: Path, suffix: str, shape: tuple[int, ...]
) -> None:
    volumes = np.stack([UPRIGHT, UPRIGHT[:, :, ::-1]])
    path = tmp_path / f"a.{suffix}"
    if suffix == "npy":
        np.save(path, volumes.reshape(shape))
    elif suffix == "npz":
        np.savez(path, images=volumes.reshape(shape))
    else:
        import h5py

        with h5py.File(path, "w") as file:
            file["images"] = volumes.reshape(shape)
    images = read(path)
    assert images.ids == (f"a.{suffix}#0", f"a.{suffix}#1")
    assert images.records[0].spacing == (1, 1, 1)
    assert all(NO_SPACING in flags for flags in images.flags)
    assert any("state no spacing" in problem.what for problem in images.problems)
    held = read(volumes.reshape(shape))
    np.testing.assert_array_equal(images.pixels, held.pixels)
    np.testing.assert_allclose(images.pixels[1], images.pixels[0][:, :, ::-1], atol=1e-6)
    assert images.sha256 == held.sha256


def test_floats_of_an_array_have_one_range() -> None:
    volumes = RNG.random((3, SIZE, SIZE, SIZE)).astype(np.float32)
    np.testing.assert_array_equal(read(volumes).pixels, volumes)
    np.testing.assert_allclose(read(volumes * 2 - 1).pixels, volumes, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ((2, 2, 8, 8, 8), "2 channels"),
        ((5, 3, 8, 8), "4 and more voxels"),
        ((5, 8, 8, 3), "4 and more voxels"),
        ((3, 8, 8), "3 x 8 x 8 voxels"),
        ((8, 8), "has shape"),
        ((2, 2, 2, 8, 8, 8), "has shape"),
    ],
    ids=str,
)
def test_arrays_that_hold_no_volumes(shape: tuple[int, ...], told: str) -> None:
    with pytest.raises(InputError, match=told):
        read(np.zeros(shape, np.uint8))


def test_several_series_of_one_folder_and_files_at_the_root(tmp_path: Path) -> None:
    for number in ("1.1", "1.2"):
        series(tmp_path / "deep" / "both" / number[-1], RAS, number)
    series(tmp_path / "flat", RAS, "1.3")
    for k, path in enumerate(series(tmp_path / "flat2", RAS[:, :, ::-1], "1.4")):
        path.rename(tmp_path / "flat" / f"z{k}.dcm")
    (tmp_path / "flat2").rmdir()
    series(tmp_path, RAS[::-1], "1.5")
    images = read(tmp_path)
    assert set(images.ids) == {"deep/both/1", "deep/both/2", "flat#0", "flat#1", "series"}
    assert images.problems == ()
    assert len(set(images.patients)) == 1
    assert len(images.records[0].further) == 9
    with open_executor("local:2") as executor:
        np.testing.assert_array_equal(read(tmp_path, executor=executor).pixels, images.pixels)


def test_an_enhanced_file_is_one_volume(tmp_path: Path) -> None:
    from pydicom.dataset import Dataset

    def item(**tags: Any) -> Dataset:
        made = Dataset()
        for name, value in tags.items():
            setattr(made, name, value)
        return made

    shared = item(
        PixelMeasuresSequence=[item(PixelSpacing=[STEPS[1], STEPS[0]])],
        PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
    )
    order = np.argsort(RNG.random(10))
    places = [
        item(PlanePositionSequence=[item(ImagePositionPatient=[0, 0, float(2 * k)])]) for k in order
    ]
    dicom(
        tmp_path / "a.dcm",
        UPRIGHT[order],
        Modality="MR",
        SeriesInstanceUID="1.2",
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=places,
    )
    images = read(tmp_path)
    nifti(tmp_path / "b.nii", RAS, AFFINE)
    np.testing.assert_allclose(images.pixels[0], read(tmp_path / "b.nii").pixels[0], atol=1e-5)


def broken(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def changed(**tags: Any) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        import pydicom

        dataset = pydicom.dcmread(path)
        for name, value in tags.items():
            setattr(dataset, name, value)
        dataset.save_as(path)

    return change


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut off": (broken, "has a slice that cannot be read: {name} is truncated"),
    "gone": (Path.unlink, "has slices 2.00 mm apart, but 4.00 mm between"),
    "twice": (
        changed(ImagePositionPatient=[-5.0, -6.0, 8.0]),
        "has two slices at one place: ",
    ),
    "nowhere": (changed(ImagePositionPatient=None), "does not say where it lies: {name}"),
    "turned": (
        changed(ImageOrientationPatient=[1, 0, 0, 0, 0, -1]),
        "lies in another plane than the others: {name}",
    ),
    "scaled": (changed(PixelSpacing=[3, 3]), "has pixels of another size than the others: {name}"),
    "another": (changed(PatientID="P8"), "is of another patient: {name}"),
    "smaller": (
        lambda path: changed(Rows=7, PixelData=bytes(7 * 12))(path),
        "is of another size than the others: {name}",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_series_with_a_bad_slice_is_one_row_that_names_it(tmp_path: Path, fault: str) -> None:
    series(tmp_path / "good", RAS, "1.1")
    paths = series(tmp_path / "bad", RAS, "1.2")
    spoil, told = FAULTS[fault]
    spoil(paths[5])
    images = read(tmp_path)
    assert images.ids == ("good",)
    [problem] = images.problems
    assert (problem.path, problem.severity) == ("used/bad", "error")
    assert told.format(name=paths[5].name) in problem.what
    assert "\n" not in problem.what
    assert (images.files.files, images.files.unread) == (2, 1)


def test_a_series_in_time_and_a_single_slice(tmp_path: Path) -> None:
    series(tmp_path / "good", RAS, "1.1")
    for k, path in enumerate(series(tmp_path / "more", RAS, "1.2")):
        path.rename(tmp_path / "good" / f"again{k}.dcm")
        changed(SeriesInstanceUID="1.1")(tmp_path / "good" / f"again{k}.dcm")
    series(tmp_path / "thin", RAS[:, :, :1], "1.3")
    nifti(tmp_path / "time.nii", np.stack([RAS, RAS], axis=3), AFFINE)
    nifti(tmp_path / "flat.nii", RAS[:, :, :1], AFFINE)
    nifti(tmp_path / "volume.nii", RAS, AFFINE)
    nifti(tmp_path / "labels.nii", (RAS > 200).astype(np.uint8), AFFINE)
    save(tmp_path, "slice.png", grey())
    (tmp_path / "more").rmdir()
    images = read(tmp_path)
    assert images.ids == ("volume.nii",)
    rows = {problem.path.removeprefix("used/"): problem.what for problem in images.problems}
    assert "holds 2 slices at each of 10 places" in rows["good"]
    assert "is a volume of 1 x 14 x 12 voxels" in rows["thin/0-0.dcm"]
    assert "holds 2 volumes, one after the other" in rows["time.nii"]
    assert "is a volume of 1 x 14 x 12 voxels" in rows["flat.nii"]
    assert "a label map" in rows["labels.nii"]
    assert "is a picture where volumes are compared" in rows["slice.png"]
    assert len(rows) == 6
    assert dict(images.files.ignored) == {"not judged": 1}


def test_one_scale_for_a_series_with_a_slope_for_each_slice(tmp_path: Path) -> None:
    units = RAS.astype(np.float64) * np.linspace(0.5, 2, 10)
    for k, path in enumerate(series(tmp_path / "pet", RAS, "1.1")):
        changed(RescaleSlope=float(np.linspace(0.5, 2, 10)[k]))(path)
    volume = np.ascontiguousarray(units[::-1, ::-1].T / 510).astype(np.float32)
    images = read(tmp_path)
    expected = on_grid(volume, (2.0, 0.9, 0.8), SIZE)
    np.testing.assert_allclose(images.pixels[0], expected, atol=1e-5)
    assert "one scale for its series" in images.flags[0]


def test_a_changed_slice_is_no_longer_what_is_kept(tmp_path: Path) -> None:
    paths = series(tmp_path / "set" / "a", RAS, "1.1")
    before = read(tmp_path / "set", cache=tmp_path / "cache")
    changed(PixelData=bytes(12 * 14))(paths[3])
    after = read(tmp_path / "set", cache=tmp_path / "cache")
    assert after.sha256 != before.sha256
    assert after.sha256 == read(tmp_path / "set").sha256


def test_a_window_holds_for_all_formats(tmp_path: Path) -> None:
    nifti(tmp_path / "a.nii", RAS.astype(np.int16), AFFINE)
    series(tmp_path / "b", RAS.astype(np.int16), "1.1")
    images = read(tmp_path, window=(120.0, 101.0))
    np.testing.assert_allclose(images.pixels[0], images.pixels[1], atol=1e-5)
    shown = np.clip((UPRIGHT - 69.5) / 100, 0, 1).astype(np.float32)
    expected = on_grid(shown, (2.0, 0.9, 0.8), SIZE)
    np.testing.assert_allclose(images.pixels[0], expected, atol=1e-5)


def test_kept_volumes_are_copied_with_all_their_files(tmp_path: Path) -> None:
    for name, volume in (("a.nii", RAS), ("b.nii.gz", RAS[::-1])):
        (tmp_path / "files").mkdir(exist_ok=True)
        nifti(tmp_path / "files" / name, volume, AFFINE)
    images = read(tmp_path / "files")
    assert copy_kept(images, ["b.nii.gz"], tmp_path / "out") == (1, ())
    assert read(tmp_path / "out").sha256 == images.sha256[1:]
    series(tmp_path / "series" / "one", RAS, "1.1")
    stacked = read(tmp_path / "series")
    assert copy_kept(stacked, ["one"], tmp_path / "out2") == (1, ())
    assert read(tmp_path / "out2").sha256 == stacked.sha256
