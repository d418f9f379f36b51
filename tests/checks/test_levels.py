"""The levels of planted copies are what they say, pixel by pixel."""

from io import BytesIO
from typing import get_args

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import map_coordinates, rotate

from small_audits import strangers
from vestige.checks.levels import LEVELS
from vestige.schema.records import LevelCode
from vestige.types import Floats, Images

N, SIDE = 6, 16
IMAGES, PARTNERS = strangers(N, 7), strangers(N, 8)


def copies(code: LevelCode, images: Images = IMAGES, seed: int = 0) -> Images:
    return LEVELS[code].degrade(images, PARTNERS[: len(images)], np.random.default_rng(seed))


def brute(rule: str) -> Floats:
    """Every pixel of every image by its own formula."""
    out = np.empty((N, SIDE, SIDE))
    for n, y, x in np.ndindex(N, SIDE, SIDE):
        place = {
            "mirrored": (y, SIDE - 1 - x),
            "quarter_turn": (x, SIDE - 1 - y),  # counter-clockwise: the right edge becomes the top
            "shift_2_px": (max(y - 2, 0), max(x - 2, 0)),
            "shift_10": (max(y - 2, 0), max(x - 2, 0)),  # 1.6 of 16 px
            "verbatim": (y, x),
            "inverted": (y, x),
        }[rule]
        value = float(IMAGES[n][place])
        out[n, y, x] = 1 - value if rule == "inverted" else value
    return out


@pytest.mark.parametrize(
    "code", ["verbatim", "mirrored", "quarter_turn", "shift_10", "shift_2_px", "inverted"]
)
def test_pixels_go_where_they_should(code: LevelCode) -> None:
    np.testing.assert_allclose(copies(code), brute(code), atol=1e-6)


def test_a_shift_by_a_tenth_depends_on_the_side() -> None:
    large = np.random.default_rng(0).random((2, 64, 64)).astype(np.float32)
    np.testing.assert_array_equal(copies("shift_10", large)[:, 6:, 6:], large[:, :-6, :-6])
    np.testing.assert_array_equal(copies("shift_2_px", large)[:, 2:, 2:], large[:, :-2, :-2])


def test_jpeg_is_what_pillow_saves() -> None:
    saved = copies("jpeg_75")
    for image, copy in zip(IMAGES, saved, strict=True):
        file = BytesIO()
        Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(file, "JPEG", quality=75)
        np.testing.assert_array_equal(np.rint(copy * 255), np.asarray(Image.open(file)))
    np.testing.assert_allclose(saved * 255, np.rint(saved * 255), atol=1e-4)
    assert 0 < np.abs(saved - IMAGES).max() < 0.2


def test_a_turn_is_that_of_scipy() -> None:
    wanted = rotate(IMAGES, 3.0, axes=(1, 2), reshape=False, order=1, mode="nearest")
    np.testing.assert_allclose(copies("turn_3"), wanted, atol=1e-5)
    assert np.abs(wanted - IMAGES).max() > 0.02


def test_a_crop_is_the_middle_enlarged() -> None:
    place = np.indices((SIDE, SIDE)) - 7.5
    wanted = [map_coordinates(image, 7.5 + 0.8 * place, order=1) for image in IMAGES]
    np.testing.assert_allclose(copies("crop_80"), wanted, atol=1e-5)
    # a ramp shows what is left: .8 of its range about the middle
    ramp = np.broadcast_to(np.arange(10, dtype=np.float32) / 9, (1, 10, 10))
    found = copies("crop_80", np.ascontiguousarray(ramp))[0]
    np.testing.assert_allclose(found[:, [0, -1]], [[0.1, 0.9]] * 10, atol=1e-6)


def test_gamma_is_one_of_two_per_image_by_the_seed() -> None:
    images = np.random.default_rng(1).uniform(0.1, 0.9, (30, 4, 4)).astype(np.float32)
    partners = images
    degrade = LEVELS["gamma"].degrade
    found = degrade(images, partners, np.random.default_rng(0))
    powers = np.log(found) / np.log(images)
    np.testing.assert_allclose(powers, np.broadcast_to(powers[:, :1, :1], powers.shape), rtol=1e-4)
    assert sorted(set(np.round(powers[:, 0, 0], 3))) == [0.8, 1.25]  # all alike: once in 2^29
    np.testing.assert_array_equal(degrade(images, partners, np.random.default_rng(0)), found)


def test_a_blend_has_three_parts_of_its_partner() -> None:
    np.testing.assert_allclose(copies("blend_70"), 0.7 * IMAGES + 0.3 * PARTNERS, atol=1e-6)


@pytest.mark.parametrize("code", LEVELS)
def test_every_level_gives_new_images_of_the_same_kind(code: LevelCode) -> None:
    assert list(LEVELS) == list(get_args(LevelCode))
    assert LEVELS[code].code == code
    before = IMAGES.copy()
    found = copies(code)
    assert (found.dtype, found.shape) == (np.float32, IMAGES.shape)
    assert found.flags.c_contiguous and found.flags.owndata
    assert found.min() >= 0 and found.max() <= 1
    found[:] = 0
    np.testing.assert_array_equal(IMAGES, before)
    assert copies(code, IMAGES[:0]).shape == (0, SIDE, SIDE)
    # what is done to an image depends on no other one
    order = np.arange(N)[::-1]
    if code not in ("gamma", "blend_70"):
        np.testing.assert_array_equal(copies(code, IMAGES[order]), copies(code)[order])
