"""Whole volumes or pictures: decided once for all roles, and told where they are mixed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vestige.images.choosing import choose_kind
from vestige.images.dimensions import Volumes, hold_volumes
from vestige.images.listing import listed, peek_size
from vestige.images.reading import read_images
from vestige.registry.entries import InputError
from vestige.testing.phantoms import phantom_volumes

from .picture import dicom, grey, save
from .test_volumes import meta, mgh, nrrd
from .test_whole_volumes import AFFINE, RAS, WHOLE, changed, nifti, series


def fill(root: Path, what: str) -> Any:
    """A role of this kind: a folder, or an array."""
    root.mkdir()
    if what == "array of volumes":
        return np.zeros((3, 9, 8, 8), np.uint8)
    if what == "array of pictures":
        return np.zeros((3, 9, 8), np.uint8)
    if what == "volumes":
        nifti(root / "a.nii.gz", RAS, AFFINE)
        nrrd(root / "b.nrrd", RAS, AFFINE[:3, :3])
        meta(root / "c.mha", RAS, AFFINE[:3, :3])
        mgh(root / "d.mgz", RAS, AFFINE[:3, :3])
        (root / "notes.txt").write_text("volumes of two scanners")
    elif what == "array file":
        np.save(root / "a.npy", np.zeros((3, 9, 8, 8), np.uint8))
    elif what == "series":
        series(root / "one", RAS, "1.1")
        series(root / "two", RAS, "1.2")
    elif what in ("single slices", "three slices"):
        for k in range(4):
            series(root / str(k), RAS[:, :, : 1 if what[0] == "s" else 3], f"1.{k}")
    elif what == "radiographs":
        for k in range(4):
            path = dicom(root / f"{k}.dcm", grey(), SeriesInstanceUID="1.9", Modality="DX")
            assert path.exists()
    elif what == "flat volumes":
        nifti(root / "a.nii", RAS[:, :, :1], AFFINE)
    elif what == "pictures":
        save(root, "a.png", grey())
    elif what == "photographs":
        for k in range(3):
            colours = np.random.default_rng(k).integers(0, 256, (9, 8, 3))
            save(root, f"{k}.png", colours.astype(np.uint8))
    elif what == "both":
        nifti(root / "a.nii", RAS, AFFINE)
        save(root, "b.png", grey())
    return root


VOLUMES = ["volumes", "series", "array of volumes", "array file"]
PICTURES = [
    "single slices",
    "three slices",
    "radiographs",
    "flat volumes",
    "pictures",
    "array of pictures",
]


@pytest.mark.parametrize("what", VOLUMES)
def test_volumes_on_both_sides_are_compared_whole(tmp_path: Path, what: str) -> None:
    sources = {"generated": listed(fill(tmp_path / "g", "volumes"))}
    sources["used"] = listed(fill(tmp_path / "u", what))
    assert hold_volumes(sources) == Volumes(True, ("generated", "used"))
    assert choose_kind(sources).kind == "volume"
    assert choose_kind(sources, dimensions="3d").kind == "volume"
    if "array" not in what:
        assert choose_kind(sources, dimensions="2d").kind == "grey"
    with pytest.raises(InputError, match='leave colour= out, or give dimensions="2d"'):
        choose_kind(sources, "rgb")


@pytest.mark.parametrize("what", [*PICTURES, "both"])
def test_volumes_beside_pictures_are_slices_and_a_row(tmp_path: Path, what: str) -> None:
    sources = {"generated": listed(fill(tmp_path / "g", "volumes"))}
    sources["used"] = listed(fill(tmp_path / "u", what))
    chosen = choose_kind(sources)
    assert chosen.kind == "grey"
    assert "lie beside pictures (of used): all are compared as pictures" in chosen.problems[0].what
    assert choose_kind(sources, dimensions="2d").problems == ()


@pytest.mark.parametrize("of_volumes", ["generated", "used"])
def test_volumes_beside_photographs_are_refused_for_what_they_are(
    tmp_path: Path, of_volumes: str
) -> None:
    kinds = {
        role: "volumes" if role == of_volumes else "photographs" for role in ("generated", "used")
    }
    sources = {role: listed(fill(tmp_path / role, what)) for role, what in kinds.items()}
    other = {"generated": "used", "used": "generated"}[of_volumes]
    told = rf"volumes \({of_volumes}\) cannot be compared with colour pictures \({other}\)"
    with pytest.raises(InputError, match=told):
        choose_kind(sources)
    assert choose_kind(sources, "grey").kind == "grey"
    assert choose_kind(sources, dimensions="3d").kind == "volume"


def test_a_role_of_volumes_and_photographs_has_one_row(tmp_path: Path) -> None:
    mixed = fill(tmp_path / "g", "photographs")
    nifti(mixed / "a.nii", RAS, AFFINE)
    sources = {"generated": listed(mixed), "used": listed(fill(tmp_path / "u", "photographs"))}
    (row,) = choose_kind(sources).problems
    assert row.what.startswith("volumes (of generated) lie beside pictures (of generated and used)")


@pytest.mark.parametrize("what", PICTURES)
def test_pictures_stay_pictures(tmp_path: Path, what: str) -> None:
    sources = {role: listed(fill(tmp_path / role, what)) for role in ("generated", "used")}
    assert choose_kind(sources).kind == "grey"
    assert not any("volumes" in problem.what for problem in choose_kind(sources).problems)


def test_the_grid_is_as_fine_as_the_volumes_and_never_more_than_64(tmp_path: Path) -> None:
    folder = listed(fill(tmp_path / "v", "volumes"))
    assert peek_size([folder], 256, kind="volume") == 14
    assert peek_size([np.zeros((2, 9, 100, 90), np.uint8)], 256, kind="volume") == 64
    assert peek_size([listed(fill(tmp_path / "s", "series"))], kind="volume") == 14


def test_only_pictures_where_volumes_are_asked_for(tmp_path: Path) -> None:
    save(tmp_path, "a.png", grey())
    with pytest.raises(InputError, match=r"no readable image.*is a picture where volumes"):
        read_images(tmp_path, role="used", size=8, wanted=WHOLE)


def test_the_same_volumes_by_every_way_are_the_same_images(tmp_path: Path) -> None:
    volumes = np.rint(phantom_volumes(5, np.random.default_rng(4), 12) * 255).astype(np.uint8)
    ways: dict[str, Any] = {"array": volumes, "npy": tmp_path / "a.npy"}
    np.save(tmp_path / "a.npy", volumes)
    for name in ("nifti", "series"):
        ways[name] = tmp_path / name
        ways[name].mkdir()
    for k, volume in enumerate(volumes):
        ras = np.ascontiguousarray(volume.T[::-1, ::-1])
        nifti(ways["nifti"] / f"{k}.nii.gz", ras, np.diag([2.0, 2, 2, 1]))
        for path in series(ways["series"] / str(k), ras, f"1.{k + 1}", PatientName="x"):
            z = 2.0 * int(path.stem.split("-")[1])
            changed(PixelSpacing=[2, 2], ImagePositionPatient=[0, 0, z])(path)
    sets = {
        name: read_images(source, role="used", size=12, wanted=WHOLE)
        for name, source in ways.items()
    }
    for images in sets.values():
        np.testing.assert_array_equal(images.pixels, (volumes / 255).astype(np.float32))
        assert images.sha256 == sets["array"].sha256
