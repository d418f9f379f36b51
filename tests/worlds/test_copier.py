import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vestige.images.kinds import Kind
from vestige.registry.entries import InputError, create
from vestige.testing.phantoms import PHANTOMS
from vestige.types import Float32s, Images
from vestige.worlds import GENERATORS
from vestige.worlds.copier import Copier, _turn
from vestige.worlds.phantom import chest_phantoms


@pytest.fixture(scope="module")
def chests() -> Images:
    return chest_phantoms(50, 64, seed=21)[0]


@pytest.fixture(scope="module")
def used(chests: Images) -> Images:
    return chests[:20]


@pytest.fixture(scope="module")
def strangers(chests: Images) -> Images:
    return chests[20:]


def ncc(a: Images, b: Images) -> Float32s:
    def unit(images: Images) -> Float32s:
        rows = images.reshape(len(images), -1)
        rows = rows - rows.mean(axis=1, keepdims=True)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    return unit(a) @ unit(b).T


@given(share=st.floats(0, 1), m=st.integers(1, 60), seed=st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_the_share_is_exact_and_dealt_out_evenly(share: float, m: int, seed: int) -> None:
    tiny = np.random.default_rng(0).random((7, 8, 8), dtype=np.float32)
    images, sources = Copier(share=share).fit(tiny).sample_with_sources(m, seed)
    assert len(images) == len(sources) == m
    assert (sources >= 0).sum() == round(share * m)
    times = np.bincount(sources[sources >= 0], minlength=7)
    assert times.max() - times.min() <= 1


def test_a_copy_is_closest_to_its_source(used: Images, strangers: Images) -> None:
    images, sources = Copier(share=0.5).fit(used, strangers=strangers).sample_with_sources(60, 1)
    copies = sources >= 0
    alike = ncc(images[copies], used)
    np.testing.assert_array_equal(alike.argmax(axis=1), sources[copies])
    others = alike.copy()
    others[np.arange(len(alike)), sources[copies]] = -1
    assert (alike.max(axis=1) - others.max(axis=1)).min() > 0.01


def test_a_copy_is_near_but_not_verbatim(used: Images) -> None:
    images, sources = Copier(share=1).fit(used).sample_with_sources(20)
    away = np.abs(images - used[sources]).mean(axis=(1, 2))
    assert away.min() > 0.003
    assert away.max() < 0.12


def test_without_any_change_a_copy_is_its_source_in_8_bits(used: Images) -> None:
    plain = Copier(share=1, rotation=0, shift=0, blur=0, noise=0).fit(used)
    images, sources = plain.sample_with_sources(20)
    assert np.abs(images - used[sources]).max() <= 0.5 / 255 + 1e-5


def test_fresh_images_of_strangers_know_nothing_of_the_training_set(
    chests: Images, strangers: Images
) -> None:
    """Whoever was trained on, the fresh images are the same bytes at the same places."""
    one, places = Copier().fit(chests[:10], strangers=strangers).sample_with_sources(30, 4)
    two, same = Copier().fit(chests[10:20], strangers=strangers).sample_with_sources(30, 4)
    np.testing.assert_array_equal(places < 0, same < 0)
    np.testing.assert_array_equal(one[places < 0], two[same < 0])
    assert (one[places >= 0] != two[same >= 0]).any(axis=(1, 2)).all()


def test_fresh_images_without_strangers_vary_around_the_mean(used: Images) -> None:
    images = Copier(share=0, noise=0).fit(used).sample(200, 3)
    assert np.abs(images.mean(axis=0) - used.mean(axis=0)).mean() < 0.03
    assert images.std(axis=0).mean() == pytest.approx(used.std(axis=0).mean(), rel=0.25)


@pytest.mark.parametrize("with_strangers", [False, True])
def test_samples_are_8_bit_and_repeat_by_seed(
    used: Images, strangers: Images, with_strangers: bool
) -> None:
    copier = Copier(share=0.3).fit(used, strangers=strangers if with_strangers else None)
    images = copier.sample(12, 5)
    assert images.dtype == np.float32
    assert images.shape == (12, 64, 64)
    assert images.min() >= 0
    assert images.max() <= 1
    np.testing.assert_allclose(images * 255, np.rint(images * 255), atol=1e-4)
    np.testing.assert_array_equal(images, copier.sample(12, 5))
    assert (images != copier.sample(12, 6)).any()


def test_bytes_and_floats_are_the_same_training_set(used: Images) -> None:
    grey = np.rint(used * 255).astype(np.uint8)
    before = grey.copy()
    one = Copier(share=0.5).fit(grey).sample(6)
    np.testing.assert_array_equal(grey, before)
    np.testing.assert_array_equal(one, Copier(share=0.5).fit(grey / np.float32(255)).sample(6))


@pytest.mark.parametrize(
    ("images", "word"),
    [
        (np.zeros((4, 4), np.float32), "shape"),
        (np.zeros((2, 4, 5, 6), np.float32), "shape"),
        (np.zeros((0, 4, 4), np.float32), "shape"),
        (np.full((2, 4, 4), 2.0, np.float32), "0..1"),
        (np.full((2, 4, 4), np.nan, np.float32), "0..1"),
        (np.zeros((2, 4, 4), np.int64), "uint8"),
        (np.zeros((1, 4, 4), np.float32), "strangers"),
    ],
)
def test_unfit_training_images_are_refused(images: Images, word: str) -> None:
    with pytest.raises(InputError, match=word):
        Copier().fit(images)


def test_unfit_options_and_strangers_are_refused(used: Images) -> None:
    for options in (
        {"share": 1.5},
        {"share": float("nan")},
        {"rotation": -1.0},
        {"noise": -1.0},
    ):
        with pytest.raises(InputError, match=next(iter(options))):
            Copier(**options).fit(used)
    with pytest.raises(InputError, match="strangers"):
        Copier().fit(used, strangers=used[:2])
    with pytest.raises(InputError, match="strangers"):
        Copier().fit(used, strangers=np.zeros((5, 32, 32), np.float32))
    with pytest.raises(InputError, match="samples"):
        Copier().fit(used).sample(0)
    with pytest.raises(RuntimeError, match="fit"):
        Copier().sample(1)


@pytest.mark.parametrize("kind", ["colour", "volume"])
def test_a_copy_in_colour_or_in_three_axes_is_closest_to_its_source(kind: Kind) -> None:
    reals = PHANTOMS[kind](20, np.random.default_rng(0), 24)
    copier = Copier(share=0.5).fit(reals[:10], strangers=reals[10:])
    images, sources = copier.sample_with_sources(40, 1)
    assert images.shape == (40, *reals.shape[1:])
    copies = sources >= 0
    alike = ncc(images[copies], reals[:10])
    np.testing.assert_array_equal(alike.argmax(axis=1), sources[copies])
    assert alike.max(axis=1).min() > 0.9
    assert alike.max() < 0.9999
    assert ncc(images[~copies], reals[:10]).max() < alike.max(axis=1).min()


def test_all_channels_of_a_copy_are_changed_alike(used: Images, strangers: Images) -> None:
    """Grey pictures in three channels stay grey, and are those of the grey copier."""

    def coloured(images: Images) -> Images:
        return np.repeat(images[..., np.newaxis], 3, axis=3)

    for share in (0, 1):
        grey = Copier(share=share, noise=0).fit(used, strangers=strangers).sample(1, 2)
        colour = Copier(share=share, noise=0).fit(coloured(used), strangers=coloured(strangers))
        np.testing.assert_array_equal(colour.sample(1, 2), coloured(grey))


def test_a_volume_turns_about_an_axis_of_its_own_and_keeps_its_middle() -> None:
    turns = [_turn(np.deg2rad(2.0), 3, np.random.default_rng(seed)) for seed in range(5)]
    for turn in turns:
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(turn) == pytest.approx(1)
        assert np.trace(turn) == pytest.approx(1 + 2 * np.cos(np.deg2rad(2.0)))
    assert np.ptp([turn[0, 1] for turn in turns]) > 0.01
    ball = np.zeros((1, 15, 15, 15), np.float32)
    ball[0, 5:10, 5:10, 5:10] = 1
    copy = Copier(share=1, rotation=45, shift=0, noise=0).fit(ball).sample(1)[0]
    places = np.stack(np.meshgrid(*[np.arange(15)] * 3, indexing="ij")).reshape(3, -1)
    np.testing.assert_allclose(places @ copy.ravel() / copy.sum(), 7, atol=0.05)


def test_every_generator_that_does_not_train_samples(used: Images) -> None:
    for name in (name for name, choice in GENERATORS.items() if not choice.trains):
        images = create(GENERATORS, name, "generator").fit(used, seed=1).sample(3, seed=2)
        assert images.shape == (3, 64, 64)
    with pytest.raises(InputError, match="options"):
        create(GENERATORS, "copier", "generator", shares=1)
