"""One common preparation: one rule for all, from all reals together."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from vestige.images.harmonize import Preparation, find_preparation
from vestige.images.imageset import ImageSet
from vestige.images.reading import read_images
from vestige.worlds.phantom import chest_phantoms

PICTURES = np.rint(chest_phantoms(60, 64, seed=8)[0] * 255).astype(np.uint8)


def sets(**arrays: Any) -> dict[str, ImageSet]:
    return {role: read_images(a, role=role, size=32) for role, a in arrays.items()}


def test_the_steps_are_window_levels_gaussian_and_field_of_view() -> None:
    rule = Preparation(0.1, 0.9, 8, 0.7, 2, 3, 4, 5)
    images = np.random.default_rng(0).random((5, 20, 30)).astype(np.float32)
    grey = np.clip((images.astype(np.float64) - 0.1) / 0.8, 0, 1)
    grey = np.rint(grey * 7) / 7
    wanted = np.stack([gaussian_filter(image, 0.7, mode="nearest") for image in grey])
    inside = np.zeros((20, 30), bool)
    inside[2:-3, 4:-5] = True
    found = rule.prepared(images)
    np.testing.assert_allclose(found, wanted * inside, atol=2e-6)
    assert found.dtype == np.float32
    assert 0 <= found.min() <= found.max() <= 1
    np.testing.assert_array_equal(rule.prepared(images[:1]), found[:1])
    whole = replace(rule, top=0, bottom=0, left=0, right=0).prepared(images)
    assert (whole > 0).mean() > 0.9


def test_the_coarsest_narrowest_and_most_cropped_set_the_rule() -> None:
    coarse = PICTURES[:20] // 16 * 17  # 16 levels
    framed = PICTURES[20:40].copy()
    framed[:, :8] = 0  # 4 rows at 32 px
    narrow = np.clip(PICTURES[40:], 40, 200)
    made = find_preparation(sets(generated=narrow, used=coarse, unused=framed))
    assert made.levels <= 16
    assert made.top >= 4
    assert made.low >= 40 / 255
    assert made.high <= 200 / 255
    plain = find_preparation(sets(generated=PICTURES[40:], used=PICTURES[:40]))
    assert plain.levels > 100
    assert plain.top < 4


def test_who_is_judged_and_who_is_a_control_moves_nothing() -> None:
    given = {"generated": PICTURES[40:], "used": PICTURES[:20] // 8 * 8, "unused": PICTURES[20:40]}
    found = find_preparation(sets(**given))
    given["used"], given["unused"] = given["unused"], given["used"]
    assert find_preparation(sets(**given)) == found
    both = np.concatenate([given["used"], given["unused"]])
    assert find_preparation(sets(generated=given["generated"], query=both)) == found


@pytest.mark.parametrize("level", [0, 128, 255])
def test_constant_images_give_a_usable_rule(level: int) -> None:
    blank = np.full((6, 32, 32), level, np.uint8)
    given = sets(generated=blank, used=blank)
    made = find_preparation(given)
    assert (made.low, made.high, made.levels, made.top) == (0, 1, 2, 0)
    assert np.isfinite(made.apply(given["used"]).pixels).all()


def test_a_prepared_set_keeps_what_is_known_of_its_files() -> None:
    given = sets(generated=PICTURES[40:], used=PICTURES[:40])["used"]
    made = Preparation(0.0, 1.0, 16, 0.7, 0, 0, 0, 0).apply(given)
    assert made.records == given.records
    assert made.pixels.shape == given.pixels.shape
    assert (made.pixels != given.pixels).any()
