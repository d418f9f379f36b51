"""Shrinking and local contrast."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_worlds import reference_world
from vestige.features import EMBEDDERS
from vestige.features.pixels import (
    CHROMA_WEIGHT,
    Pixels,
    as_images,
    local_contrast,
    shrink,
    sides_of,
    stacks_of,
)
from vestige.images.kinds import planes_of
from vestige.registry.entries import InputError, create
from vestige.testing.phantoms import colour_phantoms

CHECK = settings(deadline=None, derandomize=True, max_examples=60)
IMAGES = reference_world("null", 0).unused[:30]


@CHECK
@given(
    n=st.integers(1, 5), size=st.integers(1, 9), factor=st.integers(1, 6), seed=st.integers(0, 9)
)
def test_an_integer_factor_is_the_mean_over_blocks(
    n: int, size: int, factor: int, seed: int
) -> None:
    images = np.random.default_rng(seed).uniform(size=(n, size * factor, size * factor))
    wanted = images.reshape(n, size, factor, size, factor).mean(axis=(2, 4))
    found = shrink(images.astype(np.float32), size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def test_more_images_than_a_block_are_all_shrunk() -> None:
    images = np.random.default_rng(0).uniform(size=(600, 4, 4)).astype(np.float32)
    wanted = images.reshape(600, 2, 2, 2, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(shrink(images, 2), wanted, rtol=1e-6)


@pytest.mark.parametrize("size", [32, 33, 64])
def test_small_images_stay_as_they_are(size: int) -> None:
    np.testing.assert_array_equal(shrink(IMAGES, size), IMAGES)


@pytest.mark.parametrize("size", [20, 31])
def test_other_factors_give_the_size_and_keep_the_mean(size: int) -> None:
    small = shrink(IMAGES, size)
    assert small.shape == (30, size, size)
    np.testing.assert_allclose(small.mean(axis=(1, 2)), IMAGES.mean(axis=(1, 2)), atol=0.01)


def test_images_that_are_not_square_are_padded_not_stretched() -> None:
    tall = np.ones((1, 8, 4), np.float32)
    np.testing.assert_array_equal(shrink(tall, 4)[0], [[0, 1, 1, 0]] * 4)


def test_local_contrast_by_hand() -> None:
    images = np.array([[[0.0, 1.0], [0.0, 1.0]], [[0.3, 0.3], [0.3, 0.3]]], np.float32)
    found = local_contrast(images)
    np.testing.assert_allclose(found[0], np.array([[-0.5, 0.5]] * 2) / 0.52, rtol=1e-6)
    np.testing.assert_allclose(found[1], 0, atol=1e-5)


def test_levels_become_shares_of_their_type() -> None:
    levels = np.array([[[0, 51], [102, 255]]])
    for kind, scale in ((np.uint8, 1), (np.uint16, 257)):
        found = as_images((levels * scale).astype(kind))
        np.testing.assert_allclose(found, levels / 255, rtol=1e-6)
        assert found.dtype == np.float32


@pytest.mark.parametrize("kind", [np.int64, np.bool_, np.complex128, np.int8])
def test_other_types_are_refused(kind: type) -> None:
    with pytest.raises(InputError, match="uint8, uint16 or float"):
        as_images(np.zeros((2, 4, 4), kind))


def test_an_unknown_option_of_a_feature_space_is_refused() -> None:
    with pytest.raises(InputError, match="does not take these options"):
        create(EMBEDDERS, "pixels", "feature space", colour=True)


def test_pixels_are_the_grey_values() -> None:
    np.testing.assert_array_equal(Pixels(size=32).transform(IMAGES), IMAGES.reshape(30, -1))


@pytest.mark.parametrize(("side", "size"), [(32, 32), (32, 16), (16, 32), (20, 8), (12, 3)])
def test_colour_is_luma_and_small_chroma_planes_that_count_more(side: int, size: int) -> None:
    images = np.random.default_rng(0).uniform(size=(3, side, side, 3)).astype(np.float32)
    luma, chroma = stacks_of(images, size)
    (long, one), (short, two) = sides_of(images.shape, size)
    assert luma.shape == (3, one, long, long)
    assert chroma.shape == (3, two, short, short)
    assert (one, two, short) == (1, 2, max(1, long // 4))
    np.testing.assert_array_equal(luma[:, 0], shrink(planes_of(images)[0], size))
    means = planes_of(images)[1].mean(axis=(2, 3))
    np.testing.assert_allclose(chroma.mean(axis=(2, 3)), CHROMA_WEIGHT * means, atol=0.05)
    grey = np.repeat(images[..., :1], 3, axis=3)
    np.testing.assert_allclose(stacks_of(grey, size)[1], 0, atol=1e-5)


@pytest.mark.parametrize("name", ["pixels", "contrast", "gradients", "band_pass"])
@pytest.mark.parametrize("size", [2, 3, 5, 8])
def test_every_flat_space_takes_colour_at_small_sizes(name: str, size: int) -> None:
    images = colour_phantoms(4, np.random.default_rng(0), 16)
    rows = create(EMBEDDERS, name, "feature space", size=size).fit(images).transform(images)
    assert len(rows) == 4
    assert np.isfinite(rows).all()
