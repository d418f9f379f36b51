"""Pictures of pairs: in one view, of every kind, and slices of volumes."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from image_sets import as_read
from vestige.copies.maps import Maps
from vestige.copies.pictures import DRAWN, LARGE, LEAFED, SLICES, best_voxel, draw, draw_pairs
from vestige.decision.records import Copy, Shown
from vestige.features.explanation import Explainer
from vestige.images.imageset import ImageSet
from vestige.images.kinds import KINDS, Kind, in_view
from vestige.images.preprocess import window_average
from vestige.images.thumbnails import as_png
from vestige.schema.records import Evidence, Finding
from vestige.symmetries import SYMMETRIES, VIEWS, Symmetry
from vestige.testing.phantoms import PHANTOMS, phantom_volumes
from vestige.types import Images

PARTS = ("real", "generated", "difference")


def images_of(pixels: Images, start: str) -> ImageSet:
    side = pixels.shape[1]
    flat = pixels.reshape(len(pixels), side, -1)[:, :, :side]
    ids = [f"{start}{k}.png" for k in range(len(pixels))]
    return replace(as_read(flat, ids), pixels=pixels, arrays=None)


def pair(k: int = 0, view: Symmetry = "identity", inverted: bool = False) -> Copy:
    return Copy(f"g{k}.png", f"r{k}.png", "used", "p", 0.9, 1.0, view, inverted, "near copy")


def levels(png: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(png)), int)


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("view", SYMMETRIES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_is_turned_back_into_the_view_of_the_real_image(
    kind: Kind, view: Symmetry, inverted: bool
) -> None:
    real = PHANTOMS[kind](1, np.random.default_rng(1), 16)
    generated = np.ascontiguousarray(in_view(real, view))
    generated = 1 - generated if inverted else generated
    sets = {"used": images_of(real, "r"), "generated": images_of(generated, "g")}
    drawn = draw_pairs([pair(0, view, inverted)], sets)
    shown = {name: levels(drawn[f"copy:0:{name}"]) for name in ("real", "generated", "difference")}
    assert shown["real"].any()
    assert np.abs(shown["real"] - shown["generated"]).max() <= 1
    assert shown["difference"].max() <= 2
    assert shown["real"].ndim == (3 if kind == "colour" else 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_difference_is_white_from_half_the_scale_on(kind: Kind) -> None:
    real = np.zeros_like(PHANTOMS[kind](1, np.random.default_rng(1), 16))
    generated = real.copy()
    generated[0, :8] = 0.5
    generated[..., 0] /= 2  # one channel, or one column
    sets = {"used": images_of(real, "r"), "generated": images_of(generated, "g")}
    difference = levels(draw_pairs([pair()], sets)["copy:0:difference"])
    assert difference.max() == 255 and difference.min() == 0
    assert (difference == 128).any() or (difference == 127).any()


@pytest.mark.parametrize("kind", KINDS)
def test_two_sizes_are_shown_in_one(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = PHANTOMS[kind](1, np.random.default_rng(1), 16)
    sets = {"used": images_of(pixels, "r"), "generated": images_of(pixels, "g")}
    doubled = pixels[0].repeat(2, 0).repeat(2, 1)
    doubled = doubled.repeat(2, 2) if kind == "volume" else doubled
    for larger in sets.values():
        monkeypatch.setattr(
            ImageSet,
            "original",
            lambda self, i, larger=larger: doubled if self is larger else self.pixels[i],
        )
        drawn = draw_pairs([pair()], sets)
        found = {levels(drawn[f"copy:0:{name}"]).shape for name in ("real", "generated")}
        assert len(found) == 1
        assert levels(drawn["copy:0:difference"]).mean() < 20  # the edges of enlarged pixels


@pytest.mark.parametrize("side", [8, 16, 32, 64])
def test_slices_of_the_first_pairs_of_volumes(side: int) -> None:
    n = LEAFED + 2
    real = phantom_volumes(n, np.random.default_rng(2), side)
    sets = {"used": images_of(real, "r"), "generated": images_of(real, "g")}
    drawn = draw_pairs([pair(k) for k in range(n)], sets)
    for k in range(n):
        numbers = [int(key.split(":")[3]) for key in drawn if key.startswith(f"copy:{k}:slice:")]
        assert len(numbers) == (min(side, SLICES) if k < LEAFED else 0)
        if not numbers:
            continue
        through = best_voxel(real[k], real[k])
        assert numbers[0] == through[0]
        gaps = np.diff(sorted(numbers))
        assert len(set(gaps)) == 1 and min(numbers) >= 0 and max(numbers) < side
        picture = levels(drawn[f"copy:{k}:slice:{numbers[0]}"])
        assert picture.shape == (side, 3 * side)
        left, middle, right = (picture[:, side * j : side * (j + 1)] for j in range(3))
        assert left.any() and not right.any()
        np.testing.assert_array_equal(left, middle)


@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_pictures_have_no_slices_and_their_number_is_bounded(kind: Kind) -> None:
    real = PHANTOMS[kind](2, np.random.default_rng(2), 8)
    sets = {"used": images_of(real, "r"), "generated": images_of(real, "g")}
    drawn = draw_pairs([pair(k % 2) for k in range(DRAWN + 3)], sets)
    assert len(drawn) == 3 * DRAWN
    forms = [drawn[f"copy:{k}:real"][:2] for k in (0, LARGE - 1, LARGE, DRAWN - 1)]
    assert forms == [b"\x89P", b"\x89P", b"\xff\xd8", b"\xff\xd8"]
    assert not [key for key in drawn if "slice" in key]


@pytest.mark.parametrize("place", [(3, 4, 11), (12, 3, 5), (8, 8, 8)])
def test_the_planes_go_where_both_volumes_show_the_same_structure(
    place: tuple[int, int, int],
) -> None:
    rng = np.random.default_rng(0)
    real, generated = rng.normal(0.5, 0.05, (2, 16, 16, 16))
    common = tuple(slice(max(0, p - 2), p + 3) for p in place)
    shape = real[common].shape
    real[common] = generated[common] = rng.random(shape)
    found = best_voxel(real.astype(np.float32), generated.astype(np.float32))
    assert np.abs(np.subtract(found, place)).max() <= 2


def with_maps(kind: Kind, n: int = 40) -> tuple[dict[str, ImageSet], Maps]:
    """Image 0 copied, 1 copied and mirrored, 2 inverted; of image 3 only the left half."""
    rng = np.random.default_rng(4)
    real, made = (PHANTOMS[kind](n, rng, 16) for _ in range(2))
    made[0], made[1], made[2] = real[0], in_view(real[1:2], "mirrored")[0], 1 - real[2]
    left = np.s_[:, :8] if kind == "colour" else np.s_[..., :8]
    made[3][left] = real[3][left]
    sets = {"used": images_of(real, "r"), "generated": images_of(made, "g")}
    rows = {("used", f"r{k}.png"): k for k in range(n)}
    numbers = {f"g{k}.png": k for k in range(n)}
    return sets, Maps(Explainer(real, np.arange(n)), rows, sets["generated"], numbers)


def coloured(png: bytes) -> Any:
    """How much each pixel of a map is covered by colour."""
    picture = levels(png)
    return picture.max(axis=2) - picture.min(axis=2)


@pytest.mark.parametrize("kind", KINDS)
def test_each_pair_has_the_map_of_its_own_view(kind: Kind) -> None:
    sets, maps = with_maps(kind)
    pairs = [pair(0), pair(1, "mirrored"), pair(2, inverted=True), pair(3)]
    drawn = draw_pairs([*pairs, replace(pair(4), moved=True)], sets, maps)
    assert "copy:4:map" not in drawn  # moved, and no record says where to
    for k in range(4):
        found = coloured(drawn[f"copy:{k}:map"])
        assert found.shape == levels(drawn[f"copy:{k}:generated"]).shape[:2]
        assert found.max() > 40
    half = coloured(drawn["copy:3:map"])
    if kind != "volume":
        assert half[:, :8].sum() > 2 * half[:, 8:].sum()
    right, wrong = (maps.places("used", "r1.png", "g1.png", view) for view in VIEWS["mirror"][::-1])
    assert right is not None
    assert wrong is None or wrong.sum() < 0.8 * right.sum()  # the outline matches
    assert not [key for key in draw_pairs(pairs, sets) if key.endswith(":map")]


@pytest.mark.parametrize("view", ["identity", "mirrored", "quarter turn"])
@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_a_shifted_copy_is_drawn_where_it_was(kind: Kind, view: Symmetry) -> None:
    sets, maps = with_maps(kind)
    used, made = sets["used"].pixels, sets["generated"].pixels
    made[0] = in_view(np.roll(used[:1], (2, -3), (1, 2)), view)[0]
    here = replace(pair(0, view), moved=True, shown=Shown(-2 / 16, 3 / 16, 1.0))
    wrong = replace(here, shown=Shown(2 / 16, -3 / 16, 1.0))
    drawn = draw_pairs([here, wrong], sets, maps)
    real, generated, difference = (levels(drawn[f"copy:0:{p}"]) for p in PARTS)
    seen = np.s_[:14, 3:]
    np.testing.assert_allclose(generated[seen], real[seen], atol=1)
    assert difference.max() <= 2 and levels(drawn["copy:1:difference"]).max() > 50
    unseen = np.ones((16, 16), bool)
    unseen[seen] = False
    assert not generated[unseen].any()
    shown, misplaced = (coloured(drawn[f"copy:{k}:map"]) for k in (0, 1))
    assert not shown[unseen].any() and shown[seen].max() > 40
    assert shown.sum() > 2 * misplaced.sum()


def test_a_crop_is_drawn_smaller_in_its_place() -> None:
    sets, maps = with_maps("grey")
    used, made = sets["used"].pixels, sets["generated"].pixels
    down = window_average(16, 0.2, 0.8, 16)
    made[0] = down @ used[0] @ down.T
    drawn = draw_pairs([replace(pair(0), moved=True, shown=Shown(0.2, 0.2, 0.8))], sets, maps)
    real, generated, difference = (levels(drawn[f"copy:0:{p}"]) for p in PARTS)
    assert not generated[:3].any() and not difference[:, :3].any()
    assert difference[3:, 3:].mean() < 0.5 * np.abs(real - levels(as_png(made[0])))[3:, 3:].mean()
    assert coloured(drawn["copy:0:map"])[4:, 4:].max() > 40


def test_reference_images_have_no_map() -> None:
    sets, maps = with_maps("grey")
    copy = replace(pair(0), role="reference")
    sets["reference"] = sets["used"]
    assert set(draw_pairs([copy], sets, maps)) == {
        f"copy:0:{name}" for name in ("real", "generated", "difference")
    }
    assert maps.view("reference", "r0.png", "g0.png") == "identity"


def finding(k: int, evidence: tuple[int, ...], **told: Any) -> Finding:
    near = tuple(Evidence(f"g{g}.png", 0.9) for g in evidence)
    return Finding(f"r{k}.png", f"p{k}", "used", 1.0, 0.01, 0.05, "used", {}, near, **told)


@pytest.mark.parametrize("kind", KINDS)
def test_named_images_have_pictures_and_rows_of_relatives(kind: Kind) -> None:
    sets, maps = with_maps(kind)
    findings = (finding(0, (0, 5, 6), copied=True), finding(1, (1, 7)), finding(8, (1,)))
    drawn = draw([replace(pair(0), group="p0")], findings, sets, maps)
    starts = {key.rpartition(":")[0] for key in drawn} - {"copy:0:slice"}
    assert starts == {"copy:0", "named:r1.png", "named:r8.png", "small:generated", "small:used"}
    small = {key.removeprefix("small:") for key in drawn if key.startswith("small:")}
    assert small == {
        *(f"generated:g{k}.png" for k in (0, 1, 5, 6, 7)),
        "used:r0.png",
        "used:r1.png",
        "used:r8.png",
    }
    # the mirrored copy is shown as the real image stands
    shown = {name: levels(drawn[f"named:r1.png:{name}"]) for name in ("real", "generated")}
    assert np.abs(shown["real"] - shown["generated"]).max() <= 1
    assert coloured(drawn["named:r1.png:map"]).max() > 40
