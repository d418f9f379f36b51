"""Many images lie in a file, and look and count the same."""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vestige.features import SPACES, build_space
from vestige.features.rows import LazyRows, rows_of
from vestige.images import spool
from vestige.images.reading import read_images
from vestige.images.spool import blocks, joined, spooled, take
from vestige.registry.entries import InputError
from vestige.types import PairEmbedder

IMAGES = np.random.default_rng(0).random((70, 16, 16), dtype=np.float32)
PARTS = [IMAGES[:1], IMAGES[1:40], IMAGES[40:40], IMAGES[40:]]


@pytest.fixture
def in_a_file(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(spool, "HELD_BYTES", 10 * IMAGES[0].nbytes)
    images = spooled(iter(PARTS), (16, 16))
    assert isinstance(images, np.memmap)
    assert not images.flags.writeable
    return images


def test_in_memory_or_in_a_file_it_is_the_same(in_a_file: Any) -> None:
    np.testing.assert_array_equal(in_a_file, IMAGES)
    np.testing.assert_array_equal(np.concatenate(list(blocks(in_a_file, 9))), IMAGES)
    rows = np.random.default_rng(1).permutation(70)
    for some in (rows[:3], rows):
        np.testing.assert_array_equal(take(in_a_file, some), IMAGES[some])
    assert isinstance(take(in_a_file, rows), np.memmap)
    more = joined(in_a_file, IMAGES[:5])
    assert isinstance(more, np.memmap)
    np.testing.assert_array_equal(more, np.concatenate([IMAGES, IMAGES[:5]]))


def test_few_images_stay_in_memory() -> None:
    images = spooled(iter(PARTS), (16, 16))
    assert not isinstance(images, np.memmap)
    np.testing.assert_array_equal(images, IMAGES)
    assert spooled(iter(()), (16, 16)).shape == (0, 16, 16)


def test_the_file_has_no_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # a folder that nobody else writes to
    monkeypatch.setattr(spool, "HELD_BYTES", 10)
    images = spooled(iter(PARTS), (16, 16))
    assert isinstance(images, np.memmap)
    assert list(tmp_path.iterdir()) == []
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert "(deleted)" in maps.read_text()


@pytest.mark.parametrize("space", SPACES)
def test_rows_made_when_asked_for_are_those_that_are_held(space: str, in_a_file: Any) -> None:
    embed = build_space(space, size=8, dims=4).fit(IMAGES)
    held, lazy = rows_of(embed, IMAGES), rows_of(embed, in_a_file)
    assert isinstance(lazy, LazyRows) != isinstance(embed, PairEmbedder)
    assert lazy.shape == np.shape(held)
    some = np.array([5, 2, 61])
    for rows in (np.s_[3:20], np.s_[:1], some):
        np.testing.assert_array_equal(lazy[rows], held[rows])


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(spool, "HELD_BYTES", 10)
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(InputError, match="No space left on device. Set TMPDIR"):
        spooled(iter(PARTS), (16, 16))


def test_a_large_folder_is_read_into_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for k, image in enumerate(IMAGES):
        Image.fromarray((image * 255).astype(np.uint8)).save(tmp_path / f"{k}.png")
    small = read_images(tmp_path, role="generated", size=8)
    monkeypatch.setattr(spool, "HELD_BYTES", 10 * 8 * 8 * 4)
    large = read_images(tmp_path, role="generated", size=8)
    assert isinstance(large.pixels, np.memmap)
    np.testing.assert_array_equal(small.pixels, large.pixels)
    assert isinstance(large.subset(np.arange(30)).pixels, np.memmap)
