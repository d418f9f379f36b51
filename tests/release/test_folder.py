"""The folder that may be released: whole files, unchanged, and nothing else."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vestige.images.imageset import ImageSet
from vestige.images.reading import read_images
from vestige.registry.entries import InputError
from vestige.release.folder import check_folder, copy_kept


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
    keep = [id_ for id_ in made.ids if id_ != "stack.npy#1"]
    assert copy_kept(made, keep, tmp_path / "out") == (4, ("stack.npy",))
    assert "stack.npy" not in below(tmp_path / "out")


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
    with pytest.raises(InputError, match="--copy-to copies files"):
        check_folder(tmp_path / "new", arrays)
    png(tmp_path / "elsewhere" / "x.png", 3)
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "files.csv").write_text("file\n../elsewhere/x.png\n../made/ward/1.png\n")
    listed = read_images(tmp_path / "list" / "files.csv", role="generated", size=16)
    with pytest.raises(InputError, match="lies outside the folder of the list"):
        check_folder(tmp_path / "new", listed)
