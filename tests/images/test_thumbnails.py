"""Thumbnails of grey images, colour images and volumes."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from image_sets import as_read
from vestige.images.imageset import ImageSet
from vestige.images.kinds import KINDS, Kind
from vestige.images.thumbnails import (
    EXACT,
    SIDE,
    as_jpeg,
    as_picture,
    as_png,
    drawn,
    shown,
    three_planes,
)
from vestige.registry.entries import InputError
from vestige.testing.phantoms import PHANTOMS


def of_kind(kind: Kind, side: int, n: int = 2) -> ImageSet:
    """Phantoms whose files have gone, so that what was judged is shown."""
    pixels = PHANTOMS[kind](n, np.random.default_rng(3), side)
    flat = pixels.reshape(n, side, -1)[:, :, :side]
    return replace(as_read(flat, [f"{k}.png" for k in range(n)]), pixels=pixels, arrays=None)


def opened(png: bytes) -> Any:
    return Image.open(io.BytesIO(png))


@pytest.mark.parametrize("side", [16, 64])
@pytest.mark.parametrize("kind", KINDS)
def test_a_thumbnail_shows_the_image_in_its_kind(kind: Kind, side: int) -> None:
    images = of_kind(kind, side)
    picture = opened(as_png(drawn(shown(images, 1, SIDE))))
    wide = 2 * side + 1 if kind == "volume" else side
    assert picture.mode == ("RGB" if kind == "colour" else "L")
    assert picture.size == (wide, wide)
    assert not picture.info
    one = images.pixels[1]
    wanted = three_planes(one) if kind == "volume" else one
    assert np.abs(np.asarray(picture) / 255 - wanted).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize(("kind", "side"), [("grey", 200), ("colour", 200), ("volume", 80)])
def test_a_large_image_becomes_small(kind: Kind, side: int) -> None:
    width, height = opened(as_png(drawn(shown(of_kind(kind, side, n=1), 0, SIDE)))).size
    assert width == height == SIDE + (kind == "volume")


@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_a_wide_picture_is_padded_and_not_stretched(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = of_kind(kind, 16)
    full = np.ones((20, 40, 3) if kind == "colour" else (20, 40), np.float32)
    monkeypatch.setattr(ImageSet, "original", lambda self, i: full)
    found = shown(images, 0, 64)
    assert found.shape[:2] == (40, 40)
    assert not found[:10].any() and found[10:30].min() == 1 and not found[30:].any()


def test_an_original_of_another_kind_or_none_gives_what_was_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(self: ImageSet, i: int) -> Any:
        raise InputError("gone")

    images = of_kind("colour", 16)
    for original in (gone, lambda self, i: np.zeros((40, 40), np.float32)):
        monkeypatch.setattr(ImageSet, "original", original)
        np.testing.assert_array_equal(shown(images, 1, 64), images.pixels[1])


def test_planes_stand_as_a_reader_expects_them() -> None:
    """A mark at the head, at the front, on the patient's right."""
    volume = np.zeros((8, 8, 8), np.float32)
    volume[6, 1, 2] = 1
    picture = three_planes(volume, (6, 1, 2))
    assert picture.shape == (17, 17)
    coronal, sagittal, axial = picture[:8, :8], picture[:8, 9:], picture[9:, :8]
    assert np.argwhere(coronal).tolist() == [[1, 2]]  # head up, right on the left
    assert np.argwhere(sagittal).tolist() == [[1, 1]]  # head up, front on the left
    assert np.argwhere(axial).tolist() == [[1, 2]]  # front up, right on the left
    assert picture.sum() == 3
    assert not three_planes(volume).any()  # the middle shows nothing of it


@pytest.mark.parametrize("kind", KINDS)
def test_no_file_is_read_for_a_small_picture(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(self: ImageSet, i: int) -> Any:
        raise AssertionError(i)

    monkeypatch.setattr(ImageSet, "original", never)
    images = of_kind(kind, 16)
    np.testing.assert_array_equal(shown(images, 1, 64, again=False), images.pixels[1])


@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_large_pictures_are_jpeg_and_small_ones_exact(kind: Kind) -> None:
    rng = np.random.default_rng(0)
    small, large = (PHANTOMS[kind](1, rng, side)[0] for side in (EXACT, 2 * EXACT))
    for picture, form in ((as_picture(small), "PNG"), (as_picture(large), "JPEG")):
        assert opened(picture).format == form
        assert not opened(picture).getexif()
    found = np.asarray(opened(as_jpeg(large))) / 255
    assert found.shape == large.shape and np.abs(found - large).mean() < 0.02
    assert len(as_jpeg(large)) < len(as_png(large)) / 2
