"""Copies of colour images and of volumes are named with their view, as those of grey images are."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, rotate

from image_sets import of_kind
from vestige.copies.naming import Copies, find_copies
from vestige.copies.search import search_copies
from vestige.decision.records import Copy
from vestige.images.blank import blank_images
from vestige.images.imageset import ImageSet
from vestige.images.kinds import KINDS, Kind, chroma_added, in_view, luma_of, planes_of, told_of
from vestige.judging.cohort import check_roles, form_cohort
from vestige.registry.entries import InputError
from vestige.testing.phantoms import NOISE, PHANTOMS
from vestige.types import Images

KIND = pytest.mark.parametrize("kind", KINDS)
SIDE, USED = 16, 14


def phantoms(kind: Kind, n: int, seed: int) -> Images:
    """Phantoms that say something: at 16 pixels some are as flat as a blank image."""
    made = PHANTOMS[kind](2 * n, np.random.default_rng(seed), SIDE)
    return made[~blank_images(made)][:n]


def degraded(images: Images) -> Images:
    """Turned by two degrees, blurred and noisy."""
    axes = (1, 2) if images.ndim == 3 or images.shape[3] == 3 else (2, 3)
    spread = [0.5 if side == SIDE else 0 for side in images.shape[1:]]
    turned = rotate(images, 2, axes=axes, reshape=False, order=1, mode="nearest")
    noise = np.random.default_rng(9).normal(0, NOISE, images.shape)
    return np.clip(gaussian_filter(turned, (0, *spread)) + noise, 0, 1).astype(np.float32)


def as_set(images: Images, prefix: str = "") -> ImageSet:
    ids = [f"{prefix}{k:03d}" for k in range(len(images))]
    return of_kind(np.ascontiguousarray(images), ids)


def sets_of(kind: Kind) -> dict[str, ImageSet]:
    """Used image 0 as it is, 1 mirrored, 2 degraded, 3 degraded and mirrored among strangers."""
    used, made = phantoms(kind, USED, 1), phantoms(kind, 40, 2)
    made[3], made[5] = used[0], in_view(used[1:2], "mirrored")[0]
    made[8] = degraded(used[2:3])[0]
    made[12] = in_view(degraded(used[3:4]), "mirrored")[0]
    return {
        "generated": as_set(made),
        "used": as_set(used, "u"),
        "unused": as_set(phantoms(kind, USED, 3), "c"),
    }


def copies_of(sets: dict[str, ImageSet]) -> Copies:
    labels = {role: images.ids for role, images in sets.items() if role != "generated"}
    cohort, _ = form_cohort(sets, labels, "release")
    return find_copies(sets, sets, labels, cohort, "mirror", False)


def named(copies: tuple[Copy, ...]) -> set[tuple[str, str, str, str]]:
    return {(c.generated, c.real, c.by, c.view) for c in copies}


@KIND
def test_every_copy_is_named_once_with_its_view(kind: Kind) -> None:
    found = copies_of(sets_of(kind))
    assert named(found.copies) == {
        ("003", "u000", "same pixels", "identity"),
        ("005", "u001", "same pixels", "mirrored"),
        ("008", "u002", "near copy", "identity"),
        ("012", "u003", "near copy", "mirrored"),
    }
    assert found.search.plain == 0


@KIND
def test_no_stranger_is_named_and_planted_copies_would_be(kind: Kind) -> None:
    sets = sets_of(kind)
    sets["generated"] = as_set(phantoms(kind, 40, 2))
    found = copies_of(sets)
    assert found.copies == ()
    labels = {role: sets[role].ids for role in ("used", "unused")}
    cohort, _ = form_cohort(sets, labels, "release")
    rows = np.arange(6)
    assert found.named(degraded(cohort.images[rows]), rows).all()
    assert not found.named(phantoms(kind, 6, 7), rows).any()
    more = phantoms(kind, 2, 8)
    assert found.named(degraded(more), len(cohort.ids) + np.arange(2), more).all()


@KIND
def test_order_and_roles_of_others_move_no_copy(kind: Kind) -> None:
    sets = sets_of(kind)
    order = np.random.default_rng(0).permutation(40)
    turned = sets | {"generated": sets["generated"].subset(order)}
    turned["used"] = sets["used"].subset(np.arange(USED)[::-1])
    assert named(copies_of(turned).copies) == named(copies_of(sets).copies)


@KIND
def test_equal_pixels_contradict_roles(kind: Kind) -> None:
    sets = sets_of(kind)
    [told] = check_roles(sets, "release")
    assert told.path == "generated/003"
    pixels = told_of(kind, "pixels")
    assert f"1 generated image(s) have exactly the {pixels} of a used image" in told.what
    sets["unused"] = replace(sets["used"])
    with pytest.raises(InputError, match="used and unused share 14 image"):
        check_roles(sets, "release")


def test_plain_volumes_and_colour_images_take_no_part() -> None:
    for kind in ("colour", "volume"):
        sets = sets_of(kind)
        pixels = sets["unused"].pixels.copy()
        pixels[4] = 0.5
        sets["unused"] = as_set(pixels, "c")
        labels = {role: sets[role].ids for role in ("used", "unused")}
        cohort, [told] = form_cohort(sets, labels, "release")
        assert len(cohort.ids) == 2 * USED - 1
        assert told.what.startswith("1 image is plain (1 unused")


def test_a_copy_with_another_white_balance_is_a_near_copy_and_no_equal_one() -> None:
    sets = sets_of("colour")
    made, used = phantoms("colour", 40, 2), sets["used"].pixels
    made[:6] = np.clip(used[:6] * np.array([1.05, 1, 0.95], np.float32), 0, 1)
    found = copies_of(sets | {"generated": as_set(made)}).copies
    assert {(c.generated, c.real) for c in found} == {(f"{k:03d}", f"u{k:03d}") for k in range(6)}
    assert {c.by for c in found} == {"near copy"}


def test_a_volume_is_mirrored_and_not_turned() -> None:
    volumes, made = phantoms("volume", 24, 1), phantoms("volume", 10, 2)
    calibration = np.arange(24) >= 12
    with pytest.raises(InputError, match="choose the views none or mirror"):
        search_copies(volumes, np.arange(24), calibration, ~calibration, made, "all")
    made[0] = volumes[0, ::-1]  # feet and head exchanged: no view of a volume
    found = search_copies(volumes, np.arange(24), calibration, ~calibration, made)
    assert len(found.targets.real) == 0


def test_a_copy_that_lost_or_changed_its_colours_is_named() -> None:
    sets = sets_of("colour")
    used, strangers = sets["used"].pixels, phantoms("colour", 6, 11)
    made = phantoms("colour", 40, 2)
    luma = luma_of(degraded(used[:6]))
    made[:3] = luma[:3, :, :, None]
    made[3:6] = np.clip(chroma_added(luma[3:6], planes_of(strangers[3:6])[1]), 0, 1)
    found = copies_of(sets | {"generated": as_set(made)})
    pairs = {(c.generated, c.real) for c in found.copies}
    assert pairs == {(f"{k:03d}", f"u{k:03d}") for k in range(6)}
