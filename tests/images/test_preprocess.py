"""One kernel for all sets: identity, area average, padding, bilinear."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vestige.images.preprocess import area_average, to_working
from vestige.registry.entries import InputError

from .picture import grey


def test_the_same_size_is_the_identity_bit_for_bit() -> None:
    image = np.random.default_rng(0).random((64, 64), np.float32)
    assert to_working(image, 64).tobytes() == image.tobytes()
    levels = grey(64, 64)
    np.testing.assert_array_equal(to_working(levels, 64), levels / np.float32(255))


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_an_integer_factor_is_the_mean_of_each_block(factor: int, kind: type) -> None:
    rng = np.random.default_rng(factor)
    full = 1 if kind is np.float32 else np.iinfo(kind).max
    values = rng.random((16 * factor, 16 * factor)) * full
    image = values.astype(kind)
    expected = image.astype(np.float64).reshape(16, factor, 16, factor).mean(axis=(1, 3)) / full
    got = to_working(image, 16)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("factor", [4, 40, 300])
def test_sums_of_levels_do_not_overflow(factor: int) -> None:
    for kind in (np.uint8, np.uint16):
        white = np.full((factor, factor), np.iinfo(kind).max, kind)
        assert to_working(white, 1).tolist() == [[1.0]]


def test_eight_and_sixteen_bits_give_the_same_bits() -> None:
    picture = grey(64, 64)
    deep = picture.astype(np.uint16) * 257
    for size in (16, 64, 24):
        assert to_working(picture, size).tobytes() == to_working(deep, size).tobytes()


def test_other_factors_are_antialiased_bilinear_in_float() -> None:
    image = np.random.default_rng(1).random((50, 50), np.float32)
    for size in (16, 80):
        expected = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(to_working(image, size), np.asarray(expected), atol=1e-6)
    stripes = np.tile(np.array([0, 1], np.float32), (50, 25))
    assert to_working(stripes, 16)[:, 1:-1].std() < 0.1  # without antialiasing: about 0.5


@pytest.mark.parametrize("shape", [(40, 20), (20, 40), (40, 39)])
def test_other_shapes_are_padded_and_never_stretched(shape: tuple[int, int]) -> None:
    image = np.ones(shape, np.float32)
    square = to_working(image, 40)
    height, width = shape
    top, left = (40 - height) // 2, (40 - width) // 2
    assert square[top : top + height, left : left + width].all()
    assert square.sum() == height * width
    assert to_working(image, 20).mean() == pytest.approx(height * width / 1600, abs=1e-6)


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 40), st.integers(0, 10))
def test_any_shape_stays_in_range(height: int, width: int, size: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 2, (height, width)).astype(np.float32)
    got = to_working(image, size)
    assert got.shape == (size, size)
    assert 0 <= got.min() <= got.max() <= 1
    if height == width:  # a white image stays white; padding is the only source of black
        np.testing.assert_allclose(to_working(np.ones_like(image), size), 1, atol=1e-6)


def test_area_average_of_a_stack_is_that_of_each_image() -> None:
    stack = np.random.default_rng(2).random((3, 8, 12), np.float32)
    expected = [area_average(image, 4) for image in stack]
    np.testing.assert_array_equal(area_average(stack, 4), expected)


def test_double_precision_is_accepted_and_other_types_are_not() -> None:
    image = np.random.default_rng(3).random((32, 32))
    for size in (8, 20, 32):
        got = to_working(image, size)
        np.testing.assert_array_equal(got, to_working(image.astype(np.float32), size))
        assert got.dtype == np.float32
    with pytest.raises(InputError, match="found int64"):
        to_working(np.ones((4, 4), np.int64), 2)


def test_a_size_of_zero_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1 pixel"):
        to_working(np.ones((4, 4), np.float32), 0)
