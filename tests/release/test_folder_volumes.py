"""Colour images and volumes in the folder that may be released."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from images.test_whole_volumes import RAS, SIZE, WHOLE, WRITERS, series
from vestige.images.imageset import ImageSet
from vestige.images.reading import Wanted, read_images
from vestige.registry.entries import InputError
from vestige.release.folder import check_folder, copy_kept, write_kept


def read(folder: Path, wanted: Wanted = WHOLE) -> ImageSet:
    return read_images(folder, role="generated", size=SIZE, wanted=wanted)


def below(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", WRITERS)
def test_a_volume_is_copied_with_all_its_files(tmp_path: Path, name: str) -> None:
    (tmp_path / "made/kept").mkdir(parents=True)
    WRITERS[name](tmp_path / "made/kept" / name)
    series(tmp_path / "made/gone", RAS[::-1], "9.9")
    made = read(tmp_path / "made")
    keep = [id_ for id_ in made.ids if id_.startswith("kept")]
    assert len(made) == 2 and len(keep) == 1
    assert copy_kept(made, keep, tmp_path / "out") == (1, ())
    left = {file for file in below(tmp_path / "made") if file.startswith("kept")}
    assert below(tmp_path / "out") == left
    for file in left:
        assert (tmp_path / "out" / file).read_bytes() == (tmp_path / "made" / file).read_bytes()
    assert read(tmp_path / "out").sha256[0] == made.sha256[made.ids.index(keep[0])]


def test_one_of_several_series_of_a_folder(tmp_path: Path) -> None:
    first = series(tmp_path / "made/a", RAS, "1.1")
    for k, path in enumerate(series(tmp_path / "other", RAS[:, :, ::-1], "1.2")):
        path.rename(tmp_path / "made/a" / f"z{k}.dcm")
    made = read(tmp_path / "made")
    assert made.ids == ("a#0", "a#1")
    assert copy_kept(made, ["a#0"], tmp_path / "out") == (1, ())
    assert below(tmp_path / "out") == {f"a/{path.name}" for path in first}


def test_a_series_of_a_list_lies_in_a_folder_of_its_name(tmp_path: Path) -> None:
    paths = series(tmp_path / "made", RAS, "1.1")
    made = read_images(paths, role="generated", size=SIZE, wanted=WHOLE)
    assert made.root is None
    check_folder(tmp_path / "out", made)
    copy_kept(made, made.ids, tmp_path / "out")
    assert {Path(file).name for file in below(tmp_path / "out")} == {path.name for path in paths}
    assert read(tmp_path / "out").sha256 == made.sha256


def test_a_series_of_which_a_slice_changed_ends_it(tmp_path: Path) -> None:
    series(tmp_path / "made/a", RAS, "1.1")
    made = read(tmp_path / "made")
    series(tmp_path / "made/a", RAS[:, ::-1], "1.1")
    with pytest.raises(InputError, match="has changed since it was audited"):
        copy_kept(made, made.ids, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["colour", "volume"])
def test_arrays_lose_the_images_that_must_stay_behind(tmp_path: Path, kind: str) -> None:
    shape = (5, 12, 10, 3) if kind == "colour" else (5, 12, 10, 14)
    values = np.random.default_rng(1).integers(0, 255, shape, dtype=np.uint8)
    (tmp_path / "made").mkdir()
    np.save(tmp_path / "made/a.npy", values)
    wanted = Wanted(kind="colour") if kind == "colour" else WHOLE
    made = read(tmp_path / "made", wanted)
    assert made.kind == kind
    assert copy_kept(made, ["a.npy#0", "a.npy#3"], tmp_path / "out") == (1, ())
    assert np.array_equal(np.load(tmp_path / "out/a.npy"), values[[0, 3]])
    kept = np.array([True, False, False, True, False])
    assert write_kept(values, kept, tmp_path / "given") == 1
    assert np.array_equal(np.load(tmp_path / "given/images.npy"), values[[0, 3]])


def test_colour_files_are_copied_byte_by_byte(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    for k in range(3):
        levels = np.random.default_rng(k).integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(levels).save(tmp_path / "made" / f"{k}.png")
    made = read(tmp_path / "made", Wanted(kind="colour"))
    assert made.kind == "colour"
    assert copy_kept(made, ["0.png", "2.png"], tmp_path / "out") == (2, ())
    for name in ("0.png", "2.png"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "made" / name).read_bytes()
