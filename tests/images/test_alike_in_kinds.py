"""Which images are blank, near copies or of one group: grey, in colour and volumes."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from image_sets import of_kind
from vestige.images.anatomy import slice_clusters
from vestige.images.blank import blank_images
from vestige.images.duplicates import content_order, near_duplicate_groups
from vestige.images.groups import assign_groups
from vestige.images.kinds import KINDS, Kind, in_view, inside
from vestige.registry.entries import InputError
from vestige.testing.phantoms import NOISE, PHANTOMS
from vestige.types import Images

KIND = pytest.mark.parametrize("kind", KINDS)
SIDE = 24


def phantoms(kind: Kind, n: int, seed: int = 0) -> Images:
    return PHANTOMS[kind](n, np.random.default_rng(seed), SIDE)


def textures(kind: Kind, n: int) -> Images:
    """Images of fine structure that have nothing in common."""
    shape = PHANTOMS[kind](1, np.random.default_rng(0), SIDE).shape[1:]
    rough = np.random.default_rng(4).normal(size=(n, *shape))
    smooth = gaussian_filter(rough, (0, *(0 if side == 3 else 0.6 for side in shape)))
    smooth /= smooth.std(axis=inside(smooth), keepdims=True)
    return np.clip(0.5 + 0.15 * smooth, 0, 1).astype(np.float32)


def noisy(images: Images, amount: float = NOISE) -> Images:
    noise = np.random.default_rng(9).normal(0, amount, images.shape)
    return np.clip(images + noise, 0, 1).astype(np.float32)


def colour_twins(images: Images) -> Images:
    """The same luma with other chroma."""
    change = np.array([0.587, -0.299, 0], np.float32) * np.float32(0.2)
    return images + change * images.max(axis=3, keepdims=True)


def same_partition(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(((one[:, None] == one) == (other[:, None] == other)).all())


@KIND
def test_blank_images_are_those_that_show_nothing(kind: Kind) -> None:
    images = phantoms(kind, 20)
    blank = np.zeros((3, *images.shape[1:]), np.float32)
    blank[1] = 0.5
    blank[(2, *[slice(1, 5)] * (3 if kind == "volume" else 2))] = 0.9  # a burnt-in mark
    everyone = np.concatenate([images, blank])
    wanted = np.arange(23) >= 20
    np.testing.assert_array_equal(blank_images(everyone), wanted)
    np.testing.assert_array_equal(blank_images(in_view(everyone, "mirrored")), wanted)
    np.testing.assert_array_equal(blank_images(everyone[::-1]), wanted[::-1])


def test_a_small_body_in_a_volume_shows_something() -> None:
    """It fills an eighth of each side less than it would fill of a picture."""
    around = np.linalg.norm(np.indices((32, 32, 32)) - 15.5, axis=0) < 9
    texture = np.random.default_rng(0).uniform(0.3, 0.7, around.shape)
    volume = (around * texture).astype(np.float32)
    assert around.mean() < 0.1
    assert not blank_images(volume[np.newaxis])[0]
    assert blank_images(np.where(around, np.float32(0.5), 0)[np.newaxis])[0]


@KIND
def test_near_copies_are_found_and_strangers_are_not(kind: Kind) -> None:
    images = phantoms(kind, 12)
    everyone = np.concatenate([images, noisy(images[:4]), images[4:6]])
    truth = np.array([*range(12), *range(6)])
    assert same_partition(near_duplicate_groups(everyone), truth)
    order = np.random.default_rng(1).permutation(len(everyone))
    assert same_partition(near_duplicate_groups(everyone[order]), truth[order])


@KIND
def test_mirrored_copies_are_found_where_asked(kind: Kind) -> None:
    images = phantoms(kind, 8)
    everyone = np.concatenate([images, noisy(np.asarray(in_view(images[:3], "mirrored")))])
    assert len(set(near_duplicate_groups(everyone))) == 11
    found = near_duplicate_groups(everyone, mirrored=True)
    assert same_partition(found, np.array([*range(8), *range(3)]))


def test_a_volume_mirrored_along_another_axis_is_another() -> None:
    volumes = phantoms("volume", 4)
    everyone = np.concatenate([volumes, volumes[:, ::-1]])
    assert len(set(near_duplicate_groups(everyone, mirrored=True))) == 8


def test_colour_twins_differ_in_content_and_are_of_one_group() -> None:
    images = phantoms("colour", 5)
    everyone = np.concatenate([images, colour_twins(images)])
    firsts, _ = content_order(everyone)
    assert len(firsts) == 10
    assert same_partition(near_duplicate_groups(everyone), np.array([*range(5), *range(5)]))


def test_originals_confirm_in_colour_and_in_volumes() -> None:
    for kind in ("colour", "volume"):
        images = noisy(np.repeat(phantoms(kind, 1), 2, axis=0))
        others = PHANTOMS[kind](2, np.random.default_rng(5), 48)
        assert len(set(near_duplicate_groups(images, lambda i, same=others: same[0]))) == 1
        assert len(set(near_duplicate_groups(images, lambda i, own=others: own[i]))) == 2


@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_what_has_the_same_structure_stands_together(kind: Kind) -> None:
    images = textures(kind, 30)
    again = noisy(images[:5], NOISE / 4)
    everyone = np.concatenate([images, again, images[7:8]])
    labels = slice_clusters(everyone)
    assert same_partition(labels, np.array([*range(30), *range(5), 7]))
    order = np.random.default_rng(2).permutation(len(everyone))
    assert same_partition(slice_clusters(everyone[order]), labels[order])


def test_volumes_have_no_neighbouring_slices() -> None:
    volumes = phantoms("volume", 10)
    with pytest.raises(InputError, match="3-D volumes of shape"):
        slice_clusters(volumes)
    again = noisy(0.8 * volumes[:3])  # of the same persons, but no near copies
    sets = {"used": of_kind(np.concatenate([volumes, again]), [f"{k}" for k in range(13)])}
    assert len(set(assign_groups(sets).labels["used"])) == 13


@KIND
def test_groups_of_images_of_any_kind(kind: Kind) -> None:
    images = phantoms(kind, 8)
    images[7] = 0
    copies = np.asarray(in_view(images[[0, 7]], "mirrored"))
    sets = {
        "used": of_kind(images, [f"a{k}" for k in range(8)]),
        "unused": of_kind(np.concatenate([phantoms(kind, 5, 1), copies]), list("bcdefgh")),
    }
    found = assign_groups(sets)
    used, unused = found.labels["used"], found.labels["unused"]
    assert used[0] == unused[5]
    assert len({*used, *unused}) == 13  # the two blank images are one
    noun = {"grey": "slices", "colour": "images", "volume": "volumes"}[kind]
    assert found.source.endswith(f"{noun} of one patient that look unlike count as several")
    told = assign_groups(sets, regex="(.*)").labels
    assert told["used"][0] == told["unused"][5]


def test_volumes_in_files_of_arrays_are_of_several_patients() -> None:
    volumes = of_kind(phantoms("volume", 6), list("abcdef"))
    paths = ["x.npy", "x.npy", "x.npy", "y.npy", "y.npy", "z.npy"]
    records = tuple(
        replace(record, path=path) for record, path in zip(volumes.records, paths, strict=True)
    )
    found = assign_groups({"used": replace(volumes, records=records)})
    assert len(set(found.labels["used"])) == 6
    assert [problem.path for problem in found.problems] == ["used/x.npy", "used/y.npy"]
    assert found.problems[0].what.startswith("holds 3 images of which nothing says the patients")
    assert found.problems[0].what.endswith("if some are of one patient")


@KIND
def test_spread_is_over_the_whole_image(kind: Kind) -> None:
    """What is flat in each slice but differs from slice to slice is no blank volume."""
    images = phantoms(kind, 3)
    faint = images * np.float32(1e-3)
    assert blank_images(faint).all()
    assert (faint.std(axis=inside(faint)) < 2 / 255).all()
