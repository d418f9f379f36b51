"""Equal images are found in every view, whatever their role, and nothing else is."""

from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from vestige.copies.equality import Equal, find_equal
from vestige.copies.invariants import summary_of
from vestige.images.imageset import ImageSet
from vestige.images.preprocess import area_average
from vestige.images.reading import read_images
from vestige.symmetries import SYMMETRIES, seen_as
from vestige.types import Images


def pictures(n: int, size: int = 16, seed: int = 0) -> Images:
    """Smooth pictures of full contrast in 8-bit greys."""
    rough = np.random.default_rng(seed).normal(size=(n, size, size))
    smooth = gaussian_filter(rough, (0, 1.2, 1.2))
    return eight_bits(0.5 + 0.15 * smooth / smooth.std(axis=(1, 2), keepdims=True))


def eight_bits(images: npt.NDArray[np.floating]) -> Images:
    return (np.rint(np.clip(images, 0, 1) * 255) / 255).astype(np.float32)


def as_set(images: npt.NDArray[np.generic], size: int = 16) -> ImageSet:
    return read_images(np.ascontiguousarray(images), role="any", size=size)


def pairs(made: npt.NDArray[np.generic], reals: npt.NDArray[np.generic]) -> list[Equal]:
    return list(find_equal({"generated": as_set(made), "used": as_set(reals)}).equal)


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_a_copy_is_found_in_every_view_and_the_view_is_told(symmetry, inverted) -> None:
    reals = pictures(30)
    seen = seen_as(reals[7:8], symmetry)
    made = np.concatenate([pictures(20, seed=1), eight_bits(1 - seen if inverted else seen)])
    exact = symmetry == "identity" and not inverted
    assert pairs(made, reals) == [Equal(20, "used", 7, symmetry, inverted, exact)]


@settings(max_examples=30)
@given(st.data())
def test_the_pairs_are_those_that_comparing_everything_finds(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    size = data.draw(st.sampled_from([8, 9, 16]))
    kind = data.draw(st.sampled_from(["plain", "dark", "one orbit"]))
    reals = pictures(12, size, seed)
    if kind == "dark":
        reals = (reals / 8).astype(np.float32)
    if kind == "one orbit":  # the reals themselves look alike in some view
        reals = np.stack([seen_as(reals[k % 2], SYMMETRIES[k % 8]) for k in range(12)])
    made = [pictures(5, size, seed + 1)]
    for k, amount in enumerate((0.0, 0.5, 0.8, 1.6, 3.0)):
        copy = seen_as(reals[k], SYMMETRIES[rng.integers(8)])
        copy = 1 - copy if rng.random() < 0.5 else copy
        level = min(1 / 255, reals[k].std() / 12)
        made.append(np.clip(copy + level * amount * rng.choice([-1, 1], copy.shape), 0, 1)[None])
    generated = np.concatenate(made).astype(np.float32)

    expected = {}
    for (g, one), (r, real) in product(enumerate(generated), enumerate(reals)):
        limit = min(1.5 / 255, real.std(dtype=np.float64) / 8)
        for inverted, symmetry in product((False, True), SYMMETRIES):
            seen = seen_as(real, symmetry)
            if np.abs(one - (1 - seen if inverted else seen)).max() <= limit + 1e-6:
                expected.setdefault((g, r), (symmetry, inverted))
    sets = {"generated": as_set(generated, size), "used": as_set(reals, size)}
    found = {(e.generated, e.real): (e.symmetry, e.inverted) for e in find_equal(sets).equal}
    assert found == expected


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from([8, 11, 16, 64]), st.floats(0, 0.2))
def test_no_number_moves_by_more_than_a_pixel_does(seed: int, size: int, amount: float) -> None:
    rng = np.random.default_rng(seed)
    images = rng.random((3, size, size)).astype(np.float32)
    changed = images + np.float32(amount) * rng.uniform(-1, 1, images.shape).astype(np.float32)
    before = summary_of(images).numbers
    for inverted, symmetry in product((False, True), SYMMETRIES):
        seen = np.ascontiguousarray(seen_as(changed, symmetry))
        after = summary_of(1 - seen if inverted else seen).numbers
        assert np.abs(after - before).max() <= np.abs(changed - images).max() + 1e-5


def test_every_role_is_searched_and_an_image_may_have_several() -> None:
    reals = pictures(40)
    sets = {
        "generated": as_set(np.concatenate([pictures(3, seed=9), reals[[4, 15, 25, 35]]])),
        "query": as_set(reals[:10]),
        "used": as_set(reals[10:20]),
        "unused": as_set(reals[20:30]),
        "reference": as_set(np.concatenate([reals[30:], reals[4:5, ::-1]])),
    }
    found = find_equal(sets)
    assert {role: found.generated_in(role) for role in ("query", "used", "unused")} == {
        "query": (3,), "used": (4,), "unused": (5,),
    }  # fmt: skip
    assert found.generated_in("reference") == (3, 6)
    assert found.reals_in("reference") == (5, 10)
    assert [e.symmetry for e in found.equal if e.real == 10] == ["upside down"]


def test_equal_images_of_a_set_are_counted_and_all_of_them_told() -> None:
    reals = pictures(10)
    made = np.concatenate([pictures(5, seed=3), reals[[2, 2, 2]], pictures(1, seed=4)])
    found = find_equal({"generated": as_set(made), "used": as_set(reals[[0, 2, 5, 2]])})
    assert found.duplicates == 2
    assert [(e.generated, e.real) for e in found.equal] == list(product((5, 6, 7), (1, 3)))


def test_order_moves_nothing_but_the_rows() -> None:
    reals, order = pictures(30), np.random.default_rng(0).permutation(30)
    made = np.concatenate([reals[:10], 1 - reals[10:15, ::-1], pictures(15, seed=2)])
    straight = {(e.generated, e.real, e.symmetry, e.inverted) for e in pairs(made, reals)}
    turned = {
        (int(order[e.generated]), int(order[e.real]), e.symmetry, e.inverted)
        for e in pairs(made[order], reals[order])
    }
    assert straight == turned
    assert len(straight) == 15


@pytest.mark.parametrize("cut", ["rounded", "cut off"])
def test_sixteen_bits_are_compared_with_eight(cut: str) -> None:
    fine = np.random.default_rng(5).random((20, 16, 16))
    levels = np.rint(gaussian_filter(fine, (0, 1, 1)) * 65535).astype(np.uint16)
    coarse = np.rint(levels / 257) if cut == "rounded" else levels >> 8
    found = pairs(coarse.astype(np.uint8)[:6], levels)
    assert [(e.generated, e.real, e.exact) for e in found] == [(k, k, False) for k in range(6)]


@pytest.mark.parametrize("shrunk", ["generated", "used"])
def test_one_of_the_two_may_have_been_shrunk(shrunk: str) -> None:
    large = pictures(20, 64, 6)
    small = eight_bits(area_average(large, 2))[:, ::-1, ::-1]
    sets = {"generated": as_set(large[:8]), "used": as_set(small)}
    if shrunk == "generated":
        sets = {"generated": as_set(small[:8]), "used": as_set(large)}
    found = find_equal(sets).equal
    assert [(e.generated, e.real) for e in found] == [(k, k) for k in range(8)]
    assert {e.symmetry for e in found} == {"half turn"}


def test_what_differs_by_two_levels_somewhere_is_not_equal() -> None:
    reals = pictures(10)
    for levels, equal in ((1, 1), (2, 0)):
        made = reals[3:4].copy()
        made[0, 5, 5] += np.float32(levels / 255) * (1 if made[0, 5, 5] < 0.5 else -1)
        assert len(pairs(made, reals)) == equal


def test_blank_images_are_counted_and_are_no_evidence() -> None:
    field = np.hypot(*np.meshgrid(np.arange(32) - 15.5, np.arange(32) - 15.5)) < 13
    mark = np.zeros((32, 32))
    mark[2:6, 3:8] = 0.9
    blank = np.stack([np.zeros((32, 32)), np.full((32, 32), 0.5), 0.3 * field, mark])
    noisy = eight_bits(blank + np.random.default_rng(0).normal(0, 0.3 / 255, blank.shape))
    real = pictures(5, 32)
    sets = {
        "generated": as_set(np.concatenate([blank, noisy, blank, real[:1]]), 32),
        "unused": as_set(np.concatenate([real, blank]), 32),
    }
    found = find_equal(sets)
    assert found.plain == {"generated": 12, "unused": 4}
    assert found.duplicates == 0
    assert [(e.generated, e.real) for e in found.equal] == [(12, 0)]


def test_a_set_of_blank_images_has_no_equal_ones() -> None:
    black = as_set(np.zeros((4, 16, 16), np.uint8))
    found = find_equal({"generated": black, "used": as_set(pictures(5))})
    assert (found.equal, found.plain) == ((), {"generated": 4, "used": 0})
    assert find_equal({"generated": as_set(pictures(5)), "used": black}).equal == ()


@pytest.mark.parametrize("padding", [0, 255])
def test_a_picture_that_is_not_square_is_found_inverted(padding: int) -> None:
    levels = np.rint(pictures(10, 16, 7) * 255).astype(np.uint8)[:, :, 3:13]
    made = np.full((1, 16, 16), padding, np.uint8)
    made[0, :, 3:13] = 255 - levels[4]
    found = pairs(
        np.concatenate([made, np.rint(pictures(3, seed=8) * 255).astype(np.uint8)]), levels
    )
    assert [(e.generated, e.real, e.inverted) for e in found] == [(0, 4, True)]
    assert [(e.real, e.inverted) for e in pairs(255 - levels[4:5], levels)] == [(4, True)]


def test_images_in_a_file_are_read_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    reals = pictures(40)
    made = np.concatenate([pictures(300, seed=11), reals[::-1, :, ::-1]])
    monkeypatch.setattr("vestige.images.spool.HELD_BYTES", 4 * 16 * 16 * 64)
    monkeypatch.setattr("vestige.copies.equality._BLOCK", 32)
    generated = as_set(made)
    mapped = generated.subset(np.arange(340))
    assert isinstance(mapped.pixels, np.memmap)
    sets = {"generated": mapped, "used": as_set(reals)}
    assert [(e.generated, e.real) for e in find_equal(sets).equal] == [
        (300 + k, 39 - k) for k in range(40)
    ]


def test_where_every_generated_image_is_a_copy_all_are_found() -> None:
    reals = np.rint(pictures(100) * 255).astype(np.uint8)
    made = np.concatenate([reals[:, ::-1]] * 10)
    made = np.minimum(made, 254) + np.random.default_rng(0).integers(0, 2, made.shape, np.uint8)
    found = pairs(made, reals)
    assert [(e.generated, e.real) for e in found] == [(k, k % 100) for k in range(1000)]


@pytest.mark.parametrize(
    ("generated", "used", "unused", "equal"),
    [
        ("gen_copies", "used", "unused", {"used": 60}),
        ("gen_copies_inverted", "used", "unused", {"used": 60}),
        ("gen_clean", "used", "gen_clean_first_120", {"unused": 120}),
        ("gen_copies", "unused", "used", {"unused": 60}),
        ("gen_clean", "gen_clean", "unused", {"used": 240}),
    ],
)
def test_roles_that_contradict_the_pixels(cases: Path, generated, used, unused, equal) -> None:
    names = {"generated": generated, "used": used, "unused": unused}
    sets = {role: read_images(cases / name, role=role) for role, name in names.items()}
    found = find_equal(sets)
    told = {role: len(found.generated_in(role)) for role in ("used", "unused")}
    assert {role: count for role, count in told.items() if count} == equal


def test_a_turned_copy_of_a_photograph_is_found(tmp_path: Path) -> None:
    levels = np.rint(pictures(6, 128, 3) * 255).astype(np.uint8)
    for k, image in enumerate(levels):
        (tmp_path / "used").mkdir(exist_ok=True)
        (tmp_path / "generated").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / "used" / f"{k}.png")
        Image.fromarray(np.rot90(image)).save(tmp_path / "generated" / f"{5 - k}.png")
    sets = {role: read_images(tmp_path / role, role=role) for role in ("used", "generated")}
    found = find_equal(sets).equal
    assert [(e.generated, e.real) for e in found] == [(k, 5 - k) for k in range(6)]
    assert {e.symmetry for e in found} == {"quarter turn"}
