"""Slopes and bands against numpy and scipy in float64, image by image."""

import numpy as np
import pytest
from scipy import ndimage

from reference_worlds import reference_world
from vestige.features.filters import BandPass, Gradients
from vestige.features.pixels import shrink
from vestige.registry.entries import InputError
from vestige.types import Images

IMAGES = reference_world("null", 0).unused[:7]


@pytest.mark.parametrize("size", [32, 16, 8])
def test_slopes_are_the_sobel_filter(size: int) -> None:
    small = shrink(IMAGES, size).astype(np.float64)
    wanted = [[ndimage.sobel(x, axis, mode="nearest") / 8 for axis in (0, 1)] for x in small]
    found = Gradients(size).transform(IMAGES)
    np.testing.assert_allclose(found, np.reshape(wanted, (7, -1)), atol=1e-6)


def test_inside_slopes_are_central_differences_of_smoothed_neighbours() -> None:
    down, across = Gradients(32).transform(IMAGES).reshape(7, 2, 32, 32)[3]
    image = IMAGES[3].astype(np.float64)
    smooth_across = (image[:, :-2] + 2 * image[:, 1:-1] + image[:, 2:]) / 4
    np.testing.assert_allclose(
        down[1:-1, 1:-1], np.gradient(smooth_across, axis=0)[1:-1], atol=1e-6
    )
    smooth_down = (image[:-2] + 2 * image[1:-1] + image[2:]) / 4
    np.testing.assert_allclose(
        across[1:-1, 1:-1], np.gradient(smooth_down, axis=1)[:, 1:-1], atol=1e-6
    )


def test_a_ramp_has_its_slope_and_its_sign() -> None:
    ramp: Images = np.tile(np.linspace(0, 1, 11, dtype=np.float32), (1, 11, 1))
    for image, slope in ((ramp, 0.1), (ramp[:, :, ::-1], -0.1)):
        down, across = Gradients(11).transform(np.ascontiguousarray(image)).reshape(2, 11, 11)
        np.testing.assert_allclose(down, 0, atol=1e-7)
        np.testing.assert_allclose(across[:, 1:-1], slope, rtol=1e-5)


@pytest.mark.parametrize(("low", "high"), [(1, 4), (0, 2), (0.5, 1.5)])
@pytest.mark.parametrize("size", [32, 16])
def test_a_band_is_the_difference_of_two_gaussian_blurs(size: int, low: float, high: float) -> None:
    scale = size / 32  # widths are parts of the side
    wanted = [
        ndimage.gaussian_filter(x, low * scale) - ndimage.gaussian_filter(x, high * scale)
        for x in shrink(IMAGES, size).astype(np.float64)
    ]
    found = BandPass(size, low, high).transform(IMAGES)
    np.testing.assert_allclose(found, np.reshape(wanted, (7, -1)), atol=2e-6)


def test_a_band_is_the_same_at_every_size() -> None:
    x = np.arange(128) / 128
    large = np.sin(2 * np.pi * (2 * x[:, None] + 4 * x[None, :]))[None].astype(np.float32)
    small = shrink(large, 32)
    coarse = BandPass(32).transform(small).reshape(32, 32)
    fine = shrink(BandPass(128).transform(large).reshape(1, 128, 128), 32)[0]
    np.testing.assert_allclose(fine, coarse, atol=0.02 * np.abs(coarse).max())
    # in pixels instead of parts of the side it would not be
    other = shrink(BandPass(128, 0.25, 1).transform(large).reshape(1, 128, 128), 32)[0]
    assert np.abs(other - coarse).max() > 0.2 * np.abs(coarse).max()


def test_brightness_is_neither_slope_nor_band() -> None:
    brighter = IMAGES * np.float32(0.5) + np.float32(0.25)
    for space in (Gradients(), BandPass()):
        half = np.float32(0.5) * space.transform(IMAGES)
        np.testing.assert_allclose(space.transform(brighter), half, atol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(2, 2), (4, 1), (-1, 2), (1, np.inf), (1, np.nan)])
def test_what_is_no_band_is_refused(low: float, high: float) -> None:
    with pytest.raises(InputError, match="a band needs 0 <= low < high"):
        BandPass(low=low, high=high)
