"""The cache of decoded shards changes nothing but the time."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vestige.images.readers import read_file
from vestige.images.reading import Wanted, read_images
from vestige.registry.entries import InputError

from .picture import dicom


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    images = tmp_path / "images"
    images.mkdir()
    for k in range(70):  # two shards
        pixels = rng.integers(0, 256, (16, 16), dtype=np.uint8)
        Image.fromarray(pixels).save(images / f"{k}.png")
    (images / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return images


def both(folder: Path, cache: Path) -> tuple:
    plain = read_images(folder, role="used", size=8)
    kept = read_images(folder, role="used", size=8, cache=cache)
    np.testing.assert_array_equal(plain.pixels, kept.pixels)
    assert plain.records == kept.records
    assert plain.problems == kept.problems
    assert len(plain.problems) == 1
    return plain, kept


def test_a_second_run_reads_no_image(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    both(folder, cache)
    (folder / "broken.png").unlink()  # what cannot be read is tried again each time
    first = read_images(folder, role="used", size=8, cache=cache)

    def forbidden(*_: object) -> None:
        raise AssertionError("an image was decoded again")

    monkeypatch.setattr("vestige.images.shards.read_file", forbidden)
    again = read_images(folder, role="used", size=8, cache=cache)
    np.testing.assert_array_equal(first.pixels, again.pixels)
    assert first.records == again.records


def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are decoded from now on."""
    names: list[str] = []

    def counted(path: str, *arguments: Any) -> list:
        names.append(Path(os.path.realpath(path)).name)  # of what a descriptor leads to
        return read_file(path, *arguments)

    monkeypatch.setattr("vestige.images.shards.read_file", counted)
    return names


def test_a_file_is_known_by_its_content_wherever_it_lies(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    both(folder, cache)
    (folder / "broken.png").unlink()
    Image.fromarray(np.full((16, 17), 9, np.uint8)).save(folder / "3.png")
    (folder / "5.png").rename(folder / "5a.png")
    shutil.copy(folder / "6.png", folder / "x6.png")
    folder = folder.rename(tmp_path / "elsewhere")
    names = decoded(monkeypatch)
    kept = read_images(folder, role="used", size=8, cache=cache)
    assert names == ["3.png"]
    plain = read_images(folder, role="used", size=8)
    np.testing.assert_array_equal(plain.pixels, kept.pixels)
    assert plain.records == kept.records
    assert {"5a.png", "x6.png"} <= set(kept.ids)


def test_another_size_window_or_name_of_format_is_another_image(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    (folder / "broken.png").unlink()
    read_images(folder, role="used", size=8, cache=cache)
    names = decoded(monkeypatch)
    assert read_images(folder, role="used", size=16, cache=cache).pixels.shape[1] == 16
    read_images(folder, role="used", size=8, window=(40, 400), cache=cache)
    assert len(names) == 140
    (folder / "7.png").rename(folder / "7.bmp")  # read by its content, with another reader's eyes
    read_images(folder, role="used", size=8, cache=cache)
    assert names[140:] == ["7.bmp"]


def test_statistics_that_are_asked_for_later_are_taken_then(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    (folder / "broken.png").unlink()
    part = read_images(folder, role="generated", size=8, cache=cache, wanted=Wanted(measured=35))
    some = [bool(record.statistics) for record in part.records]
    assert 15 < sum(some) < 55
    plain = read_images(folder, role="generated", size=8, wanted=Wanted(measured=35))
    assert plain.records == part.records
    names = decoded(monkeypatch)
    whole = read_images(folder, role="generated", size=8, cache=cache)
    assert len(names) == 70 - sum(some)
    assert whole.records == read_images(folder, role="generated", size=8).records


def test_several_images_in_a_file(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    stack = np.random.default_rng(1).integers(0, 256, (5, 16, 16), dtype=np.uint8)
    np.save(images / "stack.npy", stack)
    np.save(images / "one.npy", stack[0])
    for _ in range(2):
        kept = read_images(images, role="used", size=8, cache=tmp_path / "c")
        assert kept.records == read_images(images, role="used", size=8).records
        assert kept.ids == ("one.npy", *(f"stack.npy#{k}" for k in range(5)))


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "emptied", "removed"])
@pytest.mark.parametrize("kind", ["*.npy", "*.json"])
def test_a_damaged_shard_is_read_anew(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str, kind: str
) -> None:
    cache = tmp_path / "cache"
    both(folder, cache)
    for file in sorted(cache.rglob(kind)):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 4
        half = file.read_bytes()[: len(content) // 2]
        spoilt = {"cut": half, "flipped": content, "foreign": b"[1, 2]", "emptied": b""}
        file.unlink() if damage == "removed" else file.write_bytes(spoilt[damage])
    names = decoded(monkeypatch)
    both(folder, cache)
    assert len(names) == 71 + 71  # all of them, without and with the cache
    names.clear()
    both(folder, cache)
    assert len(names) == 71 + 1  # and kept again; what is no image is looked at each time
    assert not list(cache.rglob("*.tmp"))


def test_a_file_that_changes_while_it_is_read_is_not_kept(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"

    def changing(path: str, *arguments: Any) -> list:
        if Path(path).name == "9.png":
            Image.fromarray(np.full((20, 20), 1, np.uint8)).save(path)
        return read_file(path, *arguments)

    before = (folder / "9.png").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("vestige.images.shards.read_file", changing)
        read_images(folder, role="used", size=8, cache=cache)
    (folder / "9.png").write_bytes(before)
    both(folder, cache)


def test_the_cache_holds_no_pickle_no_path_and_an_unwritable_one_is_an_error(
    folder: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    both(folder, cache)
    for shard in cache.rglob("*.npy"):
        assert np.load(shard, allow_pickle=False).dtype == np.float32
    for shard in cache.rglob("*.json"):
        assert ".png" not in shard.read_text()
        assert str(tmp_path) not in shard.read_text()
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="cannot write to the cache"):
        read_images(folder, role="used", size=8, cache=blocked / "cache")


def test_patients_and_studies_are_kept_sealed(tmp_path: Path) -> None:
    pytest.importorskip("pydicom", reason="needs vestige[medical]")
    folder, cache = tmp_path / "files", tmp_path / "cache"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for k, name in enumerate(("4711", "4711", "4712")):
        levels = rng.integers(0, 1000, (16, 16)).astype(np.int16)
        dicom(folder / f"{k}.dcm", levels, PatientID=name, StudyInstanceUID=f"1.2.{name}")
    plain = read_images(folder, role="used", size=16)
    for _ in range(2):  # written, then read
        found = read_images(folder, role="used", size=16, cache=cache)
        assert found.records == plain.records
    written = b"".join(path.read_bytes() for path in cache.rglob("*") if path.is_file())
    known = [r.patient for r in plain.records] + [r.study for r in plain.records]
    assert all(known)
    assert not [digest for digest in known if digest.encode() in written]
