"""The folder that may be released: whole files, unchanged, and nothing else."""

import zipfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from vestige.images.imageset import ImageSet
from vestige.images.reading import read_images
from vestige.registry.entries import InputError
from vestige.release.folder import check_folder, copy_kept, write_kept


def png(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.random.default_rng(seed).integers(0, 255, (16, 16), dtype=np.uint8)
    Image.fromarray(grey).save(path)


@pytest.fixture
def made(tmp_path: Path) -> ImageSet:
    for k in range(4):
        png(tmp_path / "made" / f"ward/{k}.png", k)
    stack = np.random.default_rng(9).integers(0, 255, (3, 16, 16), dtype=np.uint8)
    np.save(tmp_path / "made" / "stack.npy", stack)
    (tmp_path / "made" / "notes.txt").write_text("no image")
    return read_images(tmp_path / "made", role="generated", size=16)


def below(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_kept_files_are_copied_byte_by_byte(made: ImageSet, tmp_path: Path) -> None:
    keep = [id_ for id_ in made.ids if id_ != "ward/2.png"]
    assert copy_kept(made, keep, tmp_path / "out") == (4, ())
    assert below(tmp_path / "out") == ["stack.npy", "ward/0.png", "ward/1.png", "ward/3.png"]
    for name in below(tmp_path / "out"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "made" / name).read_bytes()


def test_a_file_of_which_a_part_must_stay_behind_stays_behind(
    made: ImageSet, tmp_path: Path
) -> None:
    frames = [Image.fromarray(np.full((16, 16), 60 * k, np.uint8)) for k in range(3)]
    frames[0].save(tmp_path / "made/pages.tif", save_all=True, append_images=frames[1:])
    made = read_images(tmp_path / "made", role="generated", size=16)
    keep = [id_ for id_ in made.ids if id_ != "pages.tif#1"]
    assert copy_kept(made, keep, tmp_path / "out") == (5, ("pages.tif",))
    assert "pages.tif" not in below(tmp_path / "out")


@pytest.mark.parametrize("dtype", ["u1", ">u2", "<f4", "f8"])
@pytest.mark.parametrize("shape", [(5, 16, 12), (5, 16, 12, 3), (5, 1, 16, 12)])
def test_an_array_is_written_without_what_must_stay_behind(
    tmp_path: Path, dtype: str, shape: tuple[int, ...]
) -> None:
    values = np.random.default_rng(1).random(shape)
    values = (values if "f" in dtype else 255 * values).astype(dtype)
    (tmp_path / "made").mkdir()
    np.save(tmp_path / "made/a.npy", values)
    made = read_images(tmp_path / "made", role="generated", size=16)
    keep = [f"a.npy#{k}" for k in (0, 2, 4)]
    assert copy_kept(made, keep, tmp_path / "out") == (1, ())
    found = np.load(tmp_path / "out/a.npy")
    assert found.dtype == values.dtype and found.dtype.byteorder == values.dtype.byteorder
    assert np.array_equal(found, values[[0, 2, 4]])
    again = read_images(tmp_path / "out", role="generated", size=16)
    assert again.sha256 == tuple(made.sha256[k] for k in (0, 2, 4))


def test_an_archive_loses_the_same_entries_of_its_labels(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    images = np.random.default_rng(1).integers(0, 255, (4, 16, 16), dtype=np.uint8)
    values = {"images": images, "file": np.arange(4), "note": np.array(7)}
    with zipfile.ZipFile(tmp_path / "made/a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in values.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.save(file, array)
    made = read_images(tmp_path / "made", role="generated", size=16)
    assert copy_kept(made, ["a.npz#1", "a.npz#3"], tmp_path / "out") == (1, ())
    with np.load(tmp_path / "out/a.npz") as found:
        assert np.array_equal(found["images"], images[[1, 3]])
        assert found["file"].tolist() == [1, 3] and found["note"] == 7


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1)])
@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1)])
@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_a_volume_is_written_without_slices(
    tmp_path: Path, signs: tuple[int, ...], axes: tuple[int, ...], suffix: str
) -> None:
    voxels = np.random.default_rng(1).integers(1, 2000, (10, 12, 5)).astype("<i2")
    affine = np.diag([*signs, 1.0])[[*axes, 3]]
    volume = nib.Nifti1Image(voxels.transpose(np.argsort(axes)[[*axes]]), affine)
    volume.header.set_slope_inter(2, -7)
    (tmp_path / "made").mkdir()
    nib.save(volume, tmp_path / f"made/v.{suffix}")
    made = read_images(tmp_path / "made", role="generated", size=16, window=(1000, 4000))
    keep = [id_ for id_ in made.ids if not id_.endswith(("#1", "#3"))]
    assert copy_kept(made, keep, tmp_path / "out") == (1, ())
    again = read_images(tmp_path / "out", role="generated", size=16, window=(1000, 4000))
    stays = [made.ids.index(id_) for id_ in keep]
    assert again.sha256 == tuple(made.sha256[k] for k in stays)
    found = nib.load(tmp_path / f"out/v.{suffix}")
    assert found.get_data_dtype() == np.dtype("<i2")
    assert (found.dataobj.slope, found.dataobj.inter) == (2, -7)
    assert np.array_equal(found.affine, affine)


def test_both_files_of_a_pair_are_copied_or_none(tmp_path: Path) -> None:
    voxels = np.random.default_rng(1).integers(1, 200, (10, 12, 3)).astype(np.uint8)
    (tmp_path / "made").mkdir()
    nib.save(nib.Nifti1Pair(voxels, np.eye(4)), tmp_path / "made/v.hdr")
    made = read_images(tmp_path / "made", role="generated", size=16)
    assert copy_kept(made, made.ids, tmp_path / "out") == (1, ())
    assert below(tmp_path / "out") == ["v.hdr", "v.img"]
    assert copy_kept(made, made.ids[:2], tmp_path / "part") == (0, ("v.hdr",))


def test_an_array_of_a_program_becomes_one_file(tmp_path: Path) -> None:
    values = np.random.default_rng(1).random((4, 16, 16)).astype(np.float32)
    kept = np.array([True, False, True, True])
    assert write_kept(values, kept, tmp_path / "out") == 1
    found = np.load(tmp_path / "out/images.npy")
    assert found.dtype == np.float32 and np.array_equal(found, values[kept])
    with pytest.raises(InputError, match="not an empty folder"):
        write_kept(values, kept, tmp_path / "out")


def test_a_file_that_changed_ends_it_with_nothing_written(made: ImageSet, tmp_path: Path) -> None:
    png(tmp_path / "made" / "ward/1.png", 77)
    with pytest.raises(InputError, match=r"ward/1.png has changed since it was audited"):
        copy_kept(made, made.ids, tmp_path / "out")
    (tmp_path / "made" / "ward/1.png").unlink()
    with pytest.raises(InputError, match="cannot write"):
        copy_kept(made, made.ids, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["made"]


@pytest.mark.parametrize("place", ["made", "made/within", "."])
def test_a_folder_within_or_around_the_generated_one_is_refused(
    made: ImageSet, tmp_path: Path, place: str
) -> None:
    with pytest.raises(InputError, match="not an empty folder|lie within one another"):
        check_folder(tmp_path / place, made)


def test_a_full_folder_a_file_arrays_and_names_that_lead_outside_are_refused(
    made: ImageSet, tmp_path: Path
) -> None:
    png(tmp_path / "full" / "a.png", 1)
    for place in ("full", "full/a.png"):
        with pytest.raises(InputError, match="not an empty folder"):
            check_folder(tmp_path / place, made)
    arrays: Any = read_images(np.zeros((2, 8, 8), np.uint8), role="generated", size=8)
    with pytest.raises(InputError, match="copy_to= copies files"):
        check_folder(tmp_path / "new", arrays)
    png(tmp_path / "elsewhere" / "x.png", 3)
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "files.csv").write_text("file\n../elsewhere/x.png\n../made/ward/1.png\n")
    listed = read_images(tmp_path / "list" / "files.csv", role="generated", size=16)
    with pytest.raises(InputError, match="lies outside the folder of the list"):
        check_folder(tmp_path / "new", listed)
