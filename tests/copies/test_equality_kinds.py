"""Equal colour images and volumes are found in every view, and nothing else is."""

from itertools import product

import numpy as np
import pytest

from image_sets import of_kind
from vestige.copies.equality import Equal, Equality, find_equal
from vestige.copies.invariants import probe_order, summary_of
from vestige.images.imageset import ImageSet
from vestige.images.kinds import KINDS, LUMA, Kind, in_view
from vestige.images.preprocess import coverage
from vestige.symmetries import SYMMETRIES
from vestige.testing.phantoms import PHANTOMS
from vestige.types import Images

KIND = pytest.mark.parametrize("kind", KINDS)


def phantoms(kind: Kind, n: int, seed: int = 0, side: int = 20) -> Images:
    """Phantoms of full contrast, none of them blank."""
    return PHANTOMS[kind](n, np.random.default_rng(seed), side)


def as_set(images: Images) -> ImageSet:
    return of_kind(np.ascontiguousarray(images), [f"{k}" for k in range(len(images))])


def equal(made: Images, reals: Images) -> Equality:
    return find_equal({"generated": as_set(made), "used": as_set(reals)})


@KIND
def test_a_copy_is_found_in_every_view_and_the_view_is_told(kind: Kind) -> None:
    reals = phantoms(kind, 20)
    views = list(product((False, True), SYMMETRIES))
    seen = [in_view(reals[k : k + 1], symmetry) for k, (_, symmetry) in enumerate(views)]
    copies = [1 - x if inverted else x for x, (inverted, _) in zip(seen, views, strict=True)]
    made = np.concatenate([phantoms(kind, 5, seed=1), *copies])
    assert list(equal(made, reals).equal) == [
        Equal(5 + k, "used", k, symmetry, inverted, symmetry == "identity" and not inverted)
        for k, (inverted, symmetry) in enumerate(views)
    ]


@KIND
def test_rounding_is_forgiven_and_two_levels_are_not(kind: Kind) -> None:
    reals = phantoms(kind, 6)
    for levels, found in ((1, 1), (2, 0)):
        made = np.asarray(in_view(reals[3:4], "mirrored")).copy()
        at = (0, 7, 7, -1)[: reals.ndim]
        made[at] += np.float32(levels / 255)
        assert len(equal(made, reals).equal) == found


def test_colour_twins_are_not_equal() -> None:
    reals = phantoms("colour", 8)
    change = np.array([0.587, -0.299, 0], np.float32) * np.float32(0.05)
    twins = reals + change * (reals.max(axis=3, keepdims=True) > 0.1)
    assert np.abs((twins - reals) @ LUMA).max() < 1e-6
    assert equal(twins, reals).equal == ()
    assert len(equal(twins, twins).equal) == 8


def test_a_volume_keeps_the_order_of_its_slices() -> None:
    volumes = phantoms("volume", 6)
    assert equal(volumes[:, ::-1], volumes).equal == ()
    assert [e.symmetry for e in equal(volumes[..., ::-1], volumes).equal] == ["mirrored"] * 6


@KIND
def test_no_number_moves_by_more_than_a_pixel_does(kind: Kind) -> None:
    rng = np.random.default_rng(3)
    images = phantoms(kind, 3)
    for amount in (0.0, 0.01, 0.2):
        changed = images + np.float32(amount) * rng.uniform(-1, 1, images.shape).astype(np.float32)
        before = summary_of(images).numbers
        for inverted, symmetry in product((False, True), SYMMETRIES):
            seen = np.ascontiguousarray(in_view(changed, symmetry))
            after = summary_of(1 - seen if inverted else seen).numbers
            assert np.abs(after - before).max() <= np.abs(changed - images).max() + 1e-5


@KIND
@pytest.mark.parametrize("side", [4, 5, 8, 20])
def test_probes_are_moved_as_the_image_is(kind: Kind, side: int) -> None:
    shape = (side,) * (3 if kind == "volume" else 2)
    images = np.random.default_rng(0).random((2, *shape, *(3,) * (kind == "colour")))
    images = images.astype(np.float32)
    for symmetry in SYMMETRIES:
        seen = summary_of(np.ascontiguousarray(in_view(images, symmetry))).probes
        moved = summary_of(images).probes[:, probe_order(shape, symmetry)]
        np.testing.assert_array_equal(seen, moved)


@KIND
def test_order_moves_nothing_but_the_rows(kind: Kind) -> None:
    reals, order = phantoms(kind, 12), np.random.default_rng(0).permutation(12)
    made = np.concatenate([reals[:4], in_view(1 - reals[4:7], "mirrored"), phantoms(kind, 5, 2)])
    straight = {(e.generated, e.real, e.symmetry, e.inverted) for e in equal(made, reals).equal}
    turned = {
        (int(order[e.generated]), int(order[e.real]), e.symmetry, e.inverted)
        for e in equal(made[order], reals[order]).equal
    }
    assert straight == turned
    assert len(straight) == 7


@KIND
def test_blank_images_are_counted_and_are_no_evidence(kind: Kind) -> None:
    reals = phantoms(kind, 20)
    blank = np.zeros((2, *reals.shape[1:]), np.float32)
    blank[1] = 0.5
    made = np.concatenate([blank, reals[:1], blank[:1], reals[:1]])
    found = equal(made, np.concatenate([reals, blank]))
    assert found.plain == {"generated": 3, "used": 2}
    assert found.duplicates == 1
    assert [(e.generated, e.real) for e in found.equal] == [(2, 0), (4, 0)]


def test_a_colour_picture_that_is_not_square_is_found_inverted() -> None:
    from dataclasses import replace

    reals = phantoms("colour", 6)
    filled = coverage((20, 12), 20)[..., np.newaxis]
    padded = as_set(reals * filled)
    records = tuple(replace(record, shape=(20, 12)) for record in padded.records)
    sets = {
        "generated": as_set((1 - reals[2:3]) * filled),
        "used": replace(padded, records=records),
    }
    assert [(e.real, e.inverted) for e in find_equal(sets).equal] == [(2, True)]


@KIND
def test_images_in_a_file_are_read_block_by_block(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    reals = phantoms(kind, 10, side=16)
    made = as_set(np.concatenate([phantoms(kind, 10, 5, 16), in_view(reals, "mirrored")]))
    monkeypatch.setattr("vestige.images.spool.HELD_BYTES", 4 * reals[:6].size)
    monkeypatch.setattr("vestige.images.spool.VOLUME_BLOCK_FLOATS", reals[:3].size)
    mapped = made.subset(np.arange(20))
    assert isinstance(mapped.pixels, np.memmap)
    found = find_equal({"generated": mapped, "used": as_set(reals)}).equal
    plain = find_equal({"generated": made, "used": as_set(reals)}).equal
    assert found == plain
    assert [(e.generated, e.real) for e in found][-1] == (19, 9)
