"""What lies in a study and shows no patient: one row each, not judged, unless it is asked for."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread

from vestige.images.derived import has_few_levels, is_label_map
from vestige.images.flags import FEW_LEVELS
from vestige.images.frame import NotJudged
from vestige.images.readers import read_file
from vestige.images.reading import Wanted, read_images
from vestige.images.unread import Ledger
from vestige.registry.entries import InputError

from .picture import dicom, grey, save

CLASS = "1.2.840.10008.5.1.4.1.1."
CAPTURE = CLASS + "7"
DERIVED: dict[str, dict[str, Any]] = {
    "segmentation": {"SOPClassUID": CLASS + "66.4"},
    "label map segmentation": {"SOPClassUID": CLASS + "66.7"},
    "dose": {"SOPClassUID": CLASS + "481.2"},
    "dose by modality": {"Modality": "RTDOSE"},
    "localiser": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
    "screen save": {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]},
    "text in the pixels": {"SOPClassUID": CAPTURE, "BurnedInAnnotation": "YES"},
}
JUDGED: dict[str, dict[str, Any]] = {
    "axial": {"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]},
    "radiograph kept as a capture": {"SOPClassUID": CAPTURE, "Modality": "CR"},
    "portal image": {"SOPClassUID": CLASS + "481.1", "Modality": "RTIMAGE"},
    "ultrasound with text": {"BurnedInAnnotation": "YES", "Modality": "US"},
}


def read(folder: Path, role: str = "used", **options: Any) -> Any:
    return read_images(folder, role=role, size=16, **options)


@pytest.mark.parametrize("case", DERIVED)
def test_what_shows_no_patient_is_a_row(tmp_path: Path, case: str) -> None:
    save(tmp_path, "good.png", grey())
    dicom(tmp_path / "other.dcm", np.stack([grey(), grey(seed=1)]), **DERIVED[case])
    images = read(tmp_path)
    assert images.ids == ("good.png",)
    assert images.files == Ledger(1, ignored=(("not judged", 1),))
    [problem] = [p for p in images.problems if p.path == "used/other.dcm"]
    assert problem.severity == "warning" and problem.what.endswith("; not judged")
    assert len(read(tmp_path, wanted=Wanted(include_derived=True))) == 3


@pytest.mark.parametrize("case", JUDGED)
def test_what_may_show_a_patient_is_judged(tmp_path: Path, case: str) -> None:
    dicom(tmp_path / "a.dcm", grey(), **JUDGED[case])
    assert len(read(tmp_path)) == 1


def test_a_generated_file_that_is_not_judged_is_unread(tmp_path: Path) -> None:
    # it would be released with the others
    save(tmp_path, "good.png", grey())
    dicom(tmp_path / "other.dcm", grey(), **DERIVED["localiser"])
    images = read(tmp_path, "generated")
    assert images.files == Ledger(2, 1, "other.dcm", (("not judged", 1),), 1)
    assert [p.severity for p in images.problems if "not judged" in p.what] == ["error"]


def test_the_cache_leaves_out_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    save(folder, "good.png", grey())
    dicom(folder / "other.dcm", grey(), **DERIVED["dose"])
    for _ in range(2):
        images = read(folder, cache=tmp_path / "cache")
        assert (images.ids, images.files) == (
            ("good.png",),
            Ledger(1, ignored=(("not judged", 1),)),
        )
    assert len(read(folder, cache=tmp_path / "cache", wanted=Wanted(include_derived=True))) == 2


@pytest.mark.parametrize("kind", ["88.11", "481.3", "481.5", "11.1", "104.1"])
def test_documents_of_a_study_are_not_judged(tmp_path: Path, kind: str) -> None:
    path = dicom(tmp_path / "a.dcm", grey(), SOPClassUID=CLASS + kind)
    dataset = dcmread(path)
    del dataset.PixelData, dataset.Rows
    dataset.save_as(path)
    with pytest.raises(NotJudged, match="DICOM document"):
        read_file(path)
    path.write_bytes(path.read_bytes()[132:])  # without preamble
    with pytest.raises(NotJudged, match="DICOM document"):
        read_file(path)
    save(tmp_path, "good.png", grey())
    assert read(tmp_path).files == Ledger(1, ignored=(("not judged", 1),))


def test_a_label_map_is_not_judged(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 4, (16, 16, 4)).astype(np.uint8)
    for name, values in (("mask", labels), ("float", labels.astype(np.float32))):
        nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / f"{name}.nii.gz")
    save(tmp_path, "good.png", grey())
    images = read(tmp_path)
    assert images.ids == ("good.png",)
    assert images.files == Ledger(1, ignored=(("not judged", 2),))
    rows = {p.path for p in images.problems if p.what.endswith("; not judged")}
    assert rows == {"used/mask.nii.gz", "used/float.nii.gz"}


MASKS = {
    "0 to 3": np.random.default_rng(0).integers(0, 4, (24, 20)).astype(np.uint8),
    "black and white": np.random.default_rng(0).integers(0, 2, (24, 20)).astype(np.uint8) * 255,
}


@pytest.mark.parametrize("case", MASKS)
@pytest.mark.parametrize("suffix", ["png", "tif", "npy", "dcm"])
def test_a_mask_beside_images_is_flagged_and_judged(tmp_path: Path, case: str, suffix: str) -> None:
    # an image of few levels may be one of a patient: it is not thrown away
    save(tmp_path, "good.png", grey())
    path = tmp_path / f"mask.{suffix}"
    if suffix == "npy":
        np.save(path, MASKS[case])
    elif suffix == "dcm":
        dicom(path, MASKS[case], Modality="OT")
    else:
        save(tmp_path, path.name, MASKS[case])
    images = read(tmp_path)
    assert images.ids == ("good.png", path.name)
    assert [FEW_LEVELS in flags for flags in images.flags] == [False, True]
    (row,) = [problem for problem in images.problems if "may be masks" in problem.what]
    assert (row.path, row.severity) == (f"used/{path.name}", "warning")
    assert row.what.startswith("1 of 2 images")


def test_a_folder_with_nothing_but_masks_is_an_error(tmp_path: Path) -> None:
    for k, mask in enumerate(MASKS.values()):
        save(tmp_path, f"{k}.png", mask)
    dicom(tmp_path / "seg.dcm", grey(), SOPClassUID=CLASS + "66.4")
    with pytest.raises(InputError, match="holds nothing but masks"):
        read(tmp_path)
    assert len(read(tmp_path, wanted=Wanted(include_derived=True))) == 3
    for k in range(2):
        (tmp_path / f"{k}.png").unlink()
    with pytest.raises(InputError, match="holds nothing but masks"):
        read(tmp_path)
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match=r"no readable image .* First fault: used/cut.png"):
        read(tmp_path)


def test_what_has_few_levels() -> None:
    rng = np.random.default_rng(0)
    assert has_few_levels(rng.integers(0, 4, (64, 64)).astype(np.uint8))
    assert has_few_levels(rng.integers(0, 2, (64, 64)).astype(np.float32))
    assert not has_few_levels(rng.integers(0, 5, (64, 64)).astype(np.uint8))
    assert not has_few_levels(np.full((64, 64), 7, np.uint8))  # blank
    assert not has_few_levels(rng.integers(0, 2, (8, 8)).astype(np.uint8))  # an icon
    speck = np.zeros((64, 64), np.uint8)
    speck[3, 5] = 255
    assert not has_few_levels(speck)


def test_few_whole_numbers_on_many_voxels_are_labels() -> None:
    rng = np.random.default_rng(0)
    assert is_label_map(rng.integers(0, 20, 5000).astype(np.float32))
    assert not is_label_map(rng.integers(0, 200, 5000).astype(np.float32))
    assert not is_label_map(rng.integers(-1, 3, 5000).astype(np.float32))
    assert not is_label_map(rng.integers(0, 4, 5000).astype(np.float32) / 3)
    assert not is_label_map(np.full(5000, 7, np.float32))  # a blank slice
    assert not is_label_map(np.arange(20, dtype=np.float32))
