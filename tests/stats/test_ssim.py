"""SSIM against scikit-image; the shift against a search by brute force."""

from typing import Any

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from vestige.stats.ssim import WINDOWS, Moments, best_shift, ssim
from vestige.types import Floats

RNG = np.random.default_rng(0)
IMAGES = RNG.random((6, 40, 33))
IMAGES[1] = 0.9 * IMAGES[0] + 0.05
IMAGES[2] = 1 - IMAGES[0]
IMAGES[3] = 0.5
OPTIONS: dict[str, dict[str, Any]] = {
    "gaussian": {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False},
    "uniform7": {"win_size": 7},
}


@pytest.mark.parametrize("window", OPTIONS)
def test_equals_scikit_image(window: str) -> None:
    wanted = [
        [structural_similarity(a, b, data_range=1, **OPTIONS[window]) for b in IMAGES]
        for a in IMAGES
    ]
    found = [ssim(Moments.of(image, WINDOWS[window]), IMAGES) for image in IMAGES]
    np.testing.assert_allclose(found, wanted, atol=1e-10)


@pytest.mark.parametrize("window", OPTIONS)
def test_equals_scikit_image_on_grey_levels(window: str) -> None:
    levels = np.round(IMAGES * 255).astype(np.uint8)  # constants scale with the range
    wanted = [
        structural_similarity(levels[0], b, data_range=255, **OPTIONS[window]) for b in levels
    ]
    found = ssim(Moments.of(levels[0] / 255, WINDOWS[window]), levels / 255)
    np.testing.assert_allclose(found, wanted, atol=1e-10)


def test_an_image_is_like_itself() -> None:
    for window in WINDOWS.values():
        for image in IMAGES:
            np.testing.assert_allclose(ssim(Moments.of(image, window), image[None]), 1, atol=1e-12)


def correlation(a: Floats, b: Floats) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


@pytest.mark.parametrize("reach", [0, 1, 2])
def test_the_best_shift_is_the_best_of_all(reach: int) -> None:
    image, others = RNG.random((20, 17)), RNG.random((5, 20, 17))
    h, w = 20 - 2 * reach, 17 - 2 * reach
    inner = image[reach : reach + h, reach : reach + w]
    corners = list(np.ndindex(2 * reach + 1, 2 * reach + 1))
    found, where = best_shift(image, others, reach)
    for other, value, corner in zip(others, found, where, strict=True):
        every = [correlation(inner, other[y : y + h, x : x + w]) for y, x in corners]
        assert value == pytest.approx(max(every), abs=1e-12)
        assert tuple(corner) == corners[int(np.argmax(every))]


def test_flat_images_do_not_correlate_and_do_not_move() -> None:
    flat = np.stack([np.zeros((20, 20)), np.full((20, 20), 0.1), np.full((20, 20), 1 / 3)])
    for image, others in ((RNG.random((20, 20)), flat), (flat[1], RNG.random((3, 20, 20)))):
        found, where = best_shift(image, others, 2)
        np.testing.assert_array_equal(found, 0)
        np.testing.assert_array_equal(where, 2)
