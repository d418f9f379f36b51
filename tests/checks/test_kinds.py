"""Checks of colour images and of volumes: nothing where nothing is, and what is there is found."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from image_sets import of_kind
from small_audits import claimed, small_audit
from vestige.checks import Comparison
from vestige.checks.blind import blind_check, image_statistics
from vestige.checks.clean_calibration import clean_calibration_check
from vestige.checks.kind_statistics import COLOUR, VOLUME, kind_statistics
from vestige.checks.levels import LEVELS
from vestige.checks.member_only import member_only_check
from vestige.checks.planted import _most, plant, planted_check, spread_of
from vestige.checks.preparation_comparison import compare as compare_facts
from vestige.checks.preparation_comparison import facts_of, facts_of_pixels
from vestige.checks.smooth import smooth_check
from vestige.checks.swapped import gaussian_set, like, most_made, swapped_check
from vestige.checks.unlike import find_unlike
from vestige.images.imageset import ImageSet
from vestige.images.kinds import KINDS, Kind, chroma_added, in_view, kind_of, planes_of
from vestige.schema.records import LevelCode
from vestige.testing.phantoms import PHANTOMS, SmallWorld, small_world
from vestige.types import Images

SIDE = 12
every_kind = pytest.mark.parametrize("kind", KINDS)


def images_of(kind: Kind, n: int, seed: int = 0, side: int = SIDE) -> Images:
    return PHANTOMS[kind](n, np.random.default_rng([seed, 91]), side)


def audit_of(world: SmallWorld, reference: bool = False, seed: int = 0) -> Comparison:
    given = world.reference if reference else None
    return small_audit(world.used, world.unused, world.generated, given, seed=seed)


def against(candidates: Images, calibration: Images, seed: int = 0) -> Comparison:
    n = len(candidates) + len(calibration)
    both = np.concatenate([candidates, calibration])
    return Comparison(both, np.arange(n) < len(candidates), np.arange(n), seed)


# --- levels
@every_kind
@pytest.mark.parametrize("code", LEVELS)
def test_every_level_gives_new_images_of_the_same_kind(code: LevelCode, kind: Kind) -> None:
    images, partners = images_of(kind, 4), images_of(kind, 4, 1)
    before = images.copy()
    found = LEVELS[code].degrade(images, partners, np.random.default_rng(0))
    assert (found.dtype, found.shape) == (np.float32, images.shape)
    assert found.min() >= 0 and found.max() <= 1
    assert not np.shares_memory(found, images) and found.flags.c_contiguous
    np.testing.assert_array_equal(images, before)
    assert (code == "verbatim") == np.array_equal(found, images)
    if code not in ("gamma", "blend_70"):  # what is done to an image depends on no other one
        again = LEVELS[code].degrade(images[::-1], partners, np.random.default_rng(0))
        np.testing.assert_array_equal(again[::-1], found)


@pytest.mark.parametrize("code", ["crop_80", "turn_3", "shift_10", "shift_2_px", "gamma"])
def test_channels_are_moved_alike(code: LevelCode) -> None:
    grey, partners = images_of("grey", 3), images_of("grey", 3, 1)
    want = LEVELS[code].degrade(grey, partners, np.random.default_rng(0))
    colour = np.stack([grey] * 3, axis=3)
    found = LEVELS[code].degrade(colour, colour, np.random.default_rng(0))
    np.testing.assert_allclose(found, np.stack([want] * 3, axis=3), atol=1e-6)


def test_volumes_are_moved_in_space() -> None:
    volumes = images_of("volume", 2)
    rng = np.random.default_rng(0)
    moved = LEVELS["shift_2_px"].degrade(volumes, volumes, rng)
    np.testing.assert_array_equal(moved[:, 2:, 2:, 2:], volumes[:, :-2, :-2, :-2])
    mirrored = LEVELS["mirrored"].degrade(volumes, volumes, rng)
    np.testing.assert_array_equal(mirrored, volumes[:, :, :, ::-1])
    # a turn about the diagonal treats the three axes alike, and a crop any of them
    turned = LEVELS["turn_3"].degrade(volumes, volumes, rng)
    axes = volumes.transpose(0, 2, 3, 1)
    np.testing.assert_allclose(
        LEVELS["turn_3"].degrade(axes, axes, rng), turned.transpose(0, 2, 3, 1), atol=1e-5
    )
    ramp = np.broadcast_to(np.arange(10, dtype=np.float32) / 9, (1, 10, 10, 10))
    for axis in (1, 2, 3):
        along = np.ascontiguousarray(np.moveaxis(ramp, 3, axis))
        found = np.moveaxis(LEVELS["crop_80"].degrade(along, along, rng), axis, 3)
        np.testing.assert_allclose(found[..., 0], 0.1, atol=1e-6)
        np.testing.assert_allclose(found[..., 9], 0.9, atol=1e-6)


# --- planted copies
@every_kind
@pytest.mark.parametrize("reference", [True, False])
def test_planted_copies_are_found(kind: Kind, reference: bool) -> None:
    comparison = audit_of(small_world(False, n=60, kind=kind), reference)
    row = planted_check(comparison)
    assert row.state == "passed"
    assert row.details["unchanged"].value == 1.0
    assert [level.level for level in row.levels] == list(LEVELS)
    assert plant(comparison) == plant(comparison)


def test_a_colour_without_structure_is_plain_and_one_channel_is_enough() -> None:
    images = np.zeros((3, SIDE, SIDE, 3), np.float32)
    images[0] = (0.8, 0.2, 0.1)  # one colour all over
    images[1, ..., 2] = images_of("grey", 1)[0]  # blue alone
    found = spread_of(images)
    assert found[0] == pytest.approx(0, abs=1e-5)
    assert found[1] == pytest.approx(images[1, ..., 2].std(), rel=1e-5)
    assert found[2] == 0


def test_large_volumes_have_fewer_sources() -> None:
    def volumes(side: int) -> Images:
        return np.broadcast_to(np.float32(0), (2, side, side, side))

    assert [_most(volumes(side)) for side in (16, 32, 64)] == [50, 50, 23]
    assert _most(np.broadcast_to(np.float32(0), (2, 512, 512))) == 50


# --- blind
def test_the_names_of_statistics_are_those_of_the_kind() -> None:
    grey = list(image_statistics(images_of("grey", 2)))
    assert list(image_statistics(images_of("colour", 2))) == [*grey, *COLOUR]
    flat = [name for name in grey if "centre" not in name]
    assert list(image_statistics(images_of("volume", 2))) == [*flat, *VOLUME]
    assert kind_statistics(images_of("grey", 2)) == {}


@pytest.mark.parametrize("kind", ["colour", "volume"])
@pytest.mark.parametrize("case", ["black", "white", "noise"])
def test_statistics_are_finite_on_hostile_images(kind: Kind, case: str) -> None:
    shape = images_of(kind, 20, side=7).shape
    noise = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
    images = {"black": np.zeros_like(noise), "white": np.ones_like(noise), "noise": noise}[case]
    for values in image_statistics(images).values():
        assert values.shape == (20,)
        assert np.isfinite(values).all()
    assert blind_check(against(images[::2], images[1::2])).passed


def test_colour_statistics_by_hand() -> None:
    images = np.zeros((1, 4, 4, 3), np.float32)
    images[..., 0], images[..., 1], images[..., 2] = 0.6, 0.3, 0.3
    found = {name: float(values[0]) for name, values in kind_statistics(images).items()}
    assert found["mean red"] == pytest.approx(0.6)
    assert found["white balance"] == pytest.approx(0.3 / 0.4)
    assert found["saturation"] == pytest.approx(0.3)
    assert found["chroma detail"] == pytest.approx(1)  # constant chroma: its resting value
    halved = images_of("colour", 1, side=16)
    luma, chroma = planes_of(halved)
    chroma = chroma.reshape(1, 2, 8, 2, 8, 2).mean(axis=(3, 5)).repeat(2, axis=2).repeat(2, axis=3)
    detail = kind_statistics(np.asarray(chroma_added(luma, chroma), np.float32))["chroma detail"]
    assert detail[0] < 0.01 < kind_statistics(halved)["chroma detail"][0]


def test_volume_statistics_by_hand() -> None:
    volume = np.zeros((1, 4, 4, 4), np.float32)
    volume[0, :, 3] = 1  # a plate at the back
    found = {name: float(values[0]) for name, values in kind_statistics(volume).items()}
    assert found["steps feet to head"] == found["steps right to left"] == 0
    assert found["steps front to back"] == pytest.approx(1 / 3 / volume.std())
    assert found["share of background"] == 0.75
    assert (found["centre feet to head"], found["centre front to back"]) == (0, 1.5)


@pytest.mark.parametrize("kind", ["colour", "volume"])
def test_equal_populations_pass_the_blind_check(kind: Kind) -> None:
    p = []
    for seed in range(12):
        images = images_of(kind, 60, seed)
        p.append(blind_check(against(images[:30], images[30:], seed)).p_value)
    # P(p <= .25) <= .25 and P(p < .01) <= .01: each bound fails with probability < 1e-4
    assert (np.array(p) <= 0.25).sum() <= binom.isf(1e-4, 12, 0.25)
    assert (np.array(p) < 0.01).sum() <= binom.isf(1e-4, 12, 0.01)


def tinted(images: Images) -> Images:
    luma, chroma = planes_of(images)
    return np.asarray(np.clip(chroma_added(luma, chroma + np.float32(0.03)), 0, 1), np.float32)


def thick(volumes: Images) -> Images:
    """Slices of double thickness."""
    return np.repeat((volumes[:, ::2] + volumes[:, 1::2]) / 2, 2, axis=1).astype(np.float32)


PREPARED: dict[str, tuple[Kind, Any, Sequence[str]]] = {
    "another white balance": ("colour", tinted, ("mean red", "mean green", "mean blue",
                                                 "white balance", "saturation")),
    "thick slices": ("volume", thick, ("steps feet to head",)),
    "shifted upwards": (
        "volume", lambda v: np.roll(v, 2, axis=1), ("centre feet to head",)
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PREPARED)
def test_what_only_this_kind_shows_is_seen(case: str) -> None:
    kind, change, names = PREPARED[case]
    images = images_of(kind, 80)
    changed = change(images[:40])
    assert not blind_check(against(changed, images[40:])).passed
    made = compare_facts(
        facts_of_pixels(changed), facts_of_pixels(images[40:]), None, ("used", "unused")
    )
    assert not made.passed
    assert {d.statistic for d in made.differences} & set(names)
    same = compare_facts(
        facts_of_pixels(images[:40]), facts_of_pixels(images[40:]), None, ("used", "unused")
    )
    assert same.passed


# --- preparation of sets as read
def as_set(images: Images) -> ImageSet:
    """Images of any kind as after reading."""
    return of_kind(images, [f"{k:03d}.png" for k in range(len(images))])


@every_kind
def test_sets_of_one_kind_are_compared_as_stored(kind: Kind) -> None:
    images = images_of(kind, 90)
    facts = facts_of(as_set(images))
    assert len(facts) == 90
    assert set(kind_statistics(images)) <= set(facts.numbers)
    few = facts_of(as_set(images), 20)
    assert len(few) == (20 if kind == "volume" else 90)
    one = facts.take(np.arange(45))
    assert compare_facts(one, facts.take(np.arange(45, 90)), None, ("used", "unused")).passed


# --- swapped and smooth sets
@every_kind
def test_a_swapped_set_has_the_mean_and_the_spectrum_of_the_generated(kind: Kind) -> None:
    rerun = audit_of(small_world(False, kind=kind)).audited
    rerun = replace(rerun, generated=np.sqrt(rerun.generated))  # brighter, of another contrast
    drawn = gaussian_set(images_of(kind, 40, 9, 16), 100, np.random.default_rng(0))
    made = like(drawn, rerun)
    assert (made.shape[1:], made.dtype) == (rerun.generated.shape[1:], np.float32)
    assert kind_of(made.shape) == kind
    assert made.min() >= 0 and made.max() <= 1
    assert made.mean() == pytest.approx(rerun.generated.mean(), abs=0.05)

    def steps(images: Images) -> float:
        return float(np.abs(np.diff(images, axis=2)).mean())

    assert steps(made) == pytest.approx(steps(rerun.generated), rel=0.4)
    if kind == "colour":
        for channel in range(3):
            assert made[..., channel].mean() == pytest.approx(
                rerun.generated[..., channel].mean(), abs=0.05
            )


def test_no_more_large_volumes_are_made_than_fit() -> None:
    large = np.broadcast_to(np.float32(0), (5000, 64, 64, 64))
    assert most_made(large) == 64
    assert most_made(np.broadcast_to(np.float32(0), (5000, 64, 64, 3))) == 1365
    assert most_made(np.broadcast_to(np.float32(0), (9000, 512, 512))) == 5000


@every_kind
def test_copies_are_specific_to_their_generator(kind: Kind) -> None:
    comparison = audit_of(small_world(True, kind=kind))
    assert comparison.audited.positive
    row = swapped_check(comparison)
    assert row.state == "passed"
    assert smooth_check(comparison).state == "passed"
    assert member_only_check(comparison).state == "passed"


@every_kind
def test_where_nothing_is_there_the_checks_say_so(kind: Kind) -> None:
    null = audit_of(small_world(False, kind=kind))
    assert swapped_check(claimed(null, 0.55)).p_value is not None
    assert member_only_check(claimed(null, 0.45)).state == "failed"


@every_kind
def test_a_hold_out_that_was_used_is_noticed(kind: Kind) -> None:
    world = small_world(True, kind=kind)  # copies of used images only
    honest = clean_calibration_check(audit_of(world, reference=True))
    assert honest.state == "passed"
    spoilt = replace(world, used=world.unused, unused=world.used)
    row = clean_calibration_check(audit_of(spoilt, reference=True))
    assert row.state == "failed"
    assert row.p_value is not None and row.p_value < 0.01


# --- likeness of the generated set
@every_kind
def test_inverted_and_windowed_sets_are_noticed(kind: Kind) -> None:
    reals, generated = images_of(kind, 60, 1, 16), images_of(kind, 60, 2, 16)

    def found(made: Images) -> str | None:
        sets = {"generated": as_set(np.asarray(made, np.float32)), "used": as_set(reals)}
        told = find_unlike(sets)
        return told.code if told else None

    assert found(generated) is None
    assert found(in_view(generated, "mirrored")) is None
    assert found(1 - generated) == "inverted"
    assert found(generated / 2) == "other range"


def test_exchanged_channels_and_another_white_balance_are_noticed() -> None:
    skin = np.array([0.8, 0.6, 0.5], np.float32)
    rng = np.random.default_rng(8)

    def some(n: int) -> Images:
        tones = skin + rng.normal(0, 0.03, (n, 1, 1, 3)).astype(np.float32)
        texture = rng.normal(0, 0.1, (n, 16, 16, 1)).astype(np.float32)
        return np.clip(tones + texture, 0, 1)

    reals, generated = some(60), some(60)

    def found(made: Images) -> str | None:
        told = find_unlike({"generated": as_set(made), "used": as_set(reals)})
        return told.code if told else None

    assert found(generated) is None
    assert found(np.ascontiguousarray(generated[..., ::-1])) == "other colours"
    blue = np.array([0.85, 1, 1.15], np.float32)
    assert found(np.minimum(generated * blue, 1)) == "other colours"
    assert found(1 - generated) in ("inverted", "other range", "other colours")
