"""The common preparation of colour images and of volumes."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from image_sets import of_kind
from vestige.images.harmonize import Preparation, find_preparation
from vestige.images.imageset import ImageSet
from vestige.images.kinds import KINDS, Kind, in_view
from vestige.images.stored_statistics import GREY, border_runs, grey_statistics, stored_statistics
from vestige.testing.phantoms import PHANTOMS
from vestige.types import Images

KIND = pytest.mark.parametrize("kind", KINDS)


def phantoms(kind: Kind, n: int, seed: int = 0) -> Images:
    return PHANTOMS[kind](n, np.random.default_rng(seed), 20)


def sets(**given: Images) -> dict[str, ImageSet]:
    return {
        role: of_kind(images, [f"{k}" for k in range(len(images))])
        for role, images in given.items()
    }


def test_every_channel_is_treated_as_a_grey_image() -> None:
    rule = Preparation(0.1, 0.9, 8, 0.7, 2, 3, 4, 5)
    images = np.random.default_rng(0).random((5, 20, 30, 3)).astype(np.float32)
    found = rule.prepared(images)
    for channel in range(3):
        alone = rule.prepared(np.ascontiguousarray(images[..., channel]))
        np.testing.assert_array_equal(found[..., channel], alone)


def test_a_volume_is_smoothed_and_cut_along_three_axes() -> None:
    rule = Preparation(0.1, 0.9, 8, 0.7, 2, 3, 4, 5, first=1, last=6)
    volumes = np.random.default_rng(0).random((3, 20, 20, 20)).astype(np.float32)
    grey = np.rint(np.clip((volumes.astype(np.float64) - 0.1) / 0.8, 0, 1) * 7) / 7
    wanted = np.stack([gaussian_filter(volume, 0.7, mode="nearest") for volume in grey])
    inside = np.zeros((20, 20, 20), bool)
    inside[1:-6, 2:-3, 4:-5] = True
    np.testing.assert_allclose(rule.prepared(volumes), wanted * inside, atol=3e-6)


@KIND
def test_the_coarsest_narrowest_and_most_cropped_set_the_rule(kind: Kind) -> None:
    plain = phantoms(kind, 30)
    framed, coarse = plain.copy(), np.rint(plain * 15) / np.float32(15)
    framed[:, :5] = 0
    framed[:, :, -4:] = 0
    narrow = np.clip(plain, 0.2, 0.6)
    rule = find_preparation(sets(generated=narrow, used=framed, unused=coarse))
    assert rule.low >= 0.2 - 1e-4
    assert rule.high <= 0.6 + 1e-4
    edges = (rule.first, rule.bottom) if kind == "volume" else (rule.top, rule.right)
    assert edges == (5, 4)
    again = find_preparation(sets(generated=narrow, used=coarse, unused=framed))
    assert again == rule


def test_levels_of_volumes_are_counted_on_the_working_grid() -> None:
    volumes = phantoms("volume", 20)
    coarse = (np.rint(volumes * 15) / 15).astype(np.float32)
    assert find_preparation(sets(generated=coarse, used=volumes)).levels <= 16
    assert find_preparation(sets(generated=volumes, used=volumes)).levels == 256


@KIND
def test_the_set_is_prepared_as_its_images_are(kind: Kind) -> None:
    images = phantoms(kind, 6)
    rule = find_preparation(sets(generated=images, used=images))
    [made] = (rule.apply(one) for one in sets(used=images).values())
    assert made.kind == kind
    for k, image in enumerate(images):
        np.testing.assert_array_equal(made.pixels[k], rule.prepared(image[np.newaxis])[0])


@KIND
def test_the_window_knows_no_left_and_right(kind: Kind) -> None:
    images = phantoms(kind, 12)
    images[..., :3, 0 if kind == "colour" else slice(None)] *= np.float32(0.9)
    turned = np.ascontiguousarray(in_view(images, "mirrored"))
    one = find_preparation(sets(generated=images, used=images))
    other = find_preparation(sets(generated=turned, used=turned))
    assert (one.low, one.high, one.levels) == (other.low, other.high, other.levels)
    assert (one.left, one.right, one.top) == (other.right, other.left, other.top)


def test_borders_of_a_volume_are_counted_from_six_faces() -> None:
    volume = np.zeros((1, 12, 12, 12), np.float32)
    volume[0, 1:10, 2:9, 3:8] = np.random.default_rng(0).random((9, 7, 5))
    assert border_runs(volume).tolist() == [[1, 2, 2, 3, 3, 4]]
    assert border_runs(volume[:, ::-1]).tolist() == [[2, 1, 2, 3, 3, 4]]
    assert border_runs(volume[..., ::-1]).tolist() == [[1, 2, 2, 3, 4, 3]]


def test_grey_levels_are_the_same_wherever_they_stand() -> None:
    images = np.random.default_rng(1).integers(256, size=(4, 8, 32)).astype(np.uint8)
    first = GREY.index("distinct levels"), GREY.index("entropy")
    assert first == (0, len(GREY) - 1)
    np.testing.assert_array_equal(grey_statistics(images), stored_statistics(images)[:, 2:13])
    np.testing.assert_array_equal(
        grey_statistics(images.reshape(4, 4, 8, 8)), grey_statistics(images)
    )
