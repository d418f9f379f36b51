"""Texture maps against slow definitions, and rows whose L1 distance is a mean of W_k / w_k."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import wasserstein_distance
from skimage.feature import graycomatrix, graycoprops
from skimage.filters.rank import entropy
from skimage.morphology import disk

from vestige.features import texture, texture_maps
from vestige.features.texture import STARTS, Texture
from vestige.features.texture_maps import (
    ANGLES,
    DIRECTIONS,
    FREQUENCIES,
    NAMES,
    PATTERNS,
    Levels,
    binary_pattern,
    body_mask,
    co_occurrence,
    gabor,
    local_entropy,
    sobel,
    to_levels,
)
from vestige.registry.entries import InputError
from vestige.stats.wasserstein import l1_parts
from vestige.types import Images

SIZE = 24


def cloth(n: int, seed: int = 0) -> Images:
    """Smooth random images [n, 24, 24], 0..1, each with a dark corner."""
    noise = np.random.default_rng(seed).standard_normal((n, SIZE, SIZE))
    smooth = gaussian_filter(noise, (0, 1, 1))
    images = np.clip(0.5 + 0.5 * smooth, 0, 1).astype(np.float32)
    images[:, :7, :7] = 0
    return images


LEVELS: Levels = to_levels(cloth(1)[0])


def test_the_nineteen_maps_have_names() -> None:
    patterns, others = texture_maps.texture_maps(LEVELS)
    assert len(set(NAMES)) == len(NAMES) == len(patterns) + len(others) == 19
    assert patterns.max(axis=(1, 2)).tolist() == [9, 17]
    assert patterns.shape[1:] == others.shape[1:] == (SIZE, SIZE)
    assert np.isfinite(others).all()


# ---- binary patterns


def test_binary_patterns_are_those_of_the_definition() -> None:
    ring = [(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)]
    found = binary_pattern(LEVELS, 8, 1)
    for y in range(1, SIZE - 1):
        for x in range(1, SIZE - 1):
            bits = [int(LEVELS[y + i, x + j] >= LEVELS[y, x]) for i, j in ring]
            changes = sum(a != b for a, b in zip(bits, bits[1:] + bits[:1], strict=True))
            assert found[y, x] == (sum(bits) if changes <= 2 else 9)


@pytest.mark.parametrize(("points", "radius"), PATTERNS)
def test_binary_patterns_ignore_every_increasing_change_of_grey(points: int, radius: int) -> None:
    few = LEVELS // 3
    rng = np.random.default_rng(0)
    plain = binary_pattern(few, points, radius)
    for _ in range(5):
        curve = np.sort(rng.choice(256, 86, replace=False)).astype(np.uint8)
        np.testing.assert_array_equal(binary_pattern(curve[few], points, radius), plain)
    assert (binary_pattern(255 - few, points, radius) != plain).mean() > 0.3


@pytest.mark.parametrize(("points", "radius"), PATTERNS)
def test_binary_patterns_of_a_flat_image_are_all_ones(points: int, radius: int) -> None:
    assert (binary_pattern(np.zeros((5, 6), np.uint8), points, radius) == points).all()


# ---- co-occurrence


@pytest.mark.parametrize("step", DIRECTIONS)
def test_co_occurrence_equals_the_matrix_of_each_window(step: tuple[int, int]) -> None:
    greys = LEVELS // 16
    found = texture_maps._pair_statistics(greys, step, 15)
    angle = {(0, 1): 0, (1, 1): np.pi / 4, (1, 0): np.pi / 2, (1, -1): 3 * np.pi / 4}[step]
    padded = np.pad(greys, 7, mode="symmetric")
    for y, x in [(7, 7), (12, 12), (10, 16), (0, 0), (23, 4)]:
        window = padded[y : y + 15, x : x + 15]
        matrix = graycomatrix(window, [1], [angle], levels=16, normed=True)
        for value, name in zip(
            found[:, y, x], ("contrast", "homogeneity", "correlation"), strict=True
        ):
            assert value == pytest.approx(graycoprops(matrix, name)[0, 0], abs=1e-6)


def test_co_occurrence_is_the_mean_of_four_directions() -> None:
    greys = LEVELS // 16
    each = [texture_maps._pair_statistics(greys, step, 15) for step in DIRECTIONS]
    np.testing.assert_allclose(co_occurrence(greys), np.mean(each, axis=0), atol=1e-6)


def test_a_window_without_variance_correlates_fully() -> None:
    flat = co_occurrence(np.full((9, 9), 3, np.uint8))
    np.testing.assert_array_equal(flat[0], 0)
    np.testing.assert_allclose(flat[1:], 1)


# ---- Gabor, Sobel, entropy


@pytest.mark.parametrize("frequency", FREQUENCIES)
@pytest.mark.parametrize("angle", ANGLES)
def test_a_wave_answers_most_in_its_own_filter_with_its_amplitude(
    frequency: float, angle: int
) -> None:
    y, x = np.mgrid[:64, :64]
    turn = np.deg2rad(angle)
    phase = 2 * np.pi * frequency * (x * np.cos(turn) + y * np.sin(turn))
    middle = gabor((0.5 + 0.2 * np.cos(phase)).astype(np.float32))[:, 24:40, 24:40].mean(
        axis=(1, 2)
    )
    own = FREQUENCIES.index(frequency) * 4 + ANGLES.index(angle)
    assert middle.argmax() == own
    assert middle[own] == pytest.approx(0.2, rel=0.05)


def test_gabor_sobel_and_entropy_of_a_flat_image_are_zero() -> None:
    flat = np.full((20, 20), 0.7, np.float32)
    np.testing.assert_allclose(gabor(flat), 0, atol=1e-6)
    np.testing.assert_allclose(sobel(flat), 0, atol=1e-6)
    np.testing.assert_array_equal(local_entropy(np.full((20, 20), 3, np.uint8)), 0)


def test_sobel_gives_the_slope_of_a_ramp() -> None:
    y, x = np.mgrid[:9, :9].astype(np.float32)
    np.testing.assert_allclose(sobel(0.03 * x + 0.04 * y)[1:-1, 1:-1], 0.05, rtol=1e-5)


def test_local_entropy_equals_that_of_the_disk() -> None:
    greys = LEVELS // 16
    wanted = entropy(greys, disk(5))[5:-5, 5:-5]
    np.testing.assert_allclose(local_entropy(greys)[5:-5, 5:-5], wanted, atol=1e-5)


def test_maps_turn_with_the_image() -> None:
    patterns, others = texture_maps.texture_maps(LEVELS)
    turned_patterns, turned = texture_maps.texture_maps(np.rot90(LEVELS).copy())
    np.testing.assert_array_equal(turned_patterns, np.rot90(patterns, axes=(1, 2)))
    # a quarter turn exchanges the Gabor angles 0 and 90, 45 and 135
    gabors = [3 + 4 * f + a for f in range(3) for a in (2, 3, 0, 1)]
    order = [0, 1, 2, *gabors, 15, 16]
    np.testing.assert_allclose(turned, np.rot90(others[order], axes=(1, 2)), atol=1e-6)


# ---- levels and mask


def test_levels_survive_a_way_through_floats() -> None:
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_levels(every / np.float32(255)), every)
    halves = (np.arange(255) + 0.5) / 255
    for nudge in (0.0, 1e-7, -1e-7):  # the last bit of an average does not decide
        np.testing.assert_array_equal(to_levels((halves + nudge).astype(np.float32)), every[:-1])


def test_the_mask_is_the_largest_bright_part() -> None:
    levels = np.zeros((12, 12), np.uint8)
    levels[2:8, 2:9] = 200
    levels[10, 10] = 255
    wanted = np.zeros((12, 12), bool)
    wanted[2:8, 2:9] = True
    np.testing.assert_array_equal(body_mask(levels, 12), wanted)
    assert body_mask(np.zeros((4, 4), np.uint8), 12).all()


# ---- rows


@pytest.fixture(scope="module")
def images() -> Images:
    return cloth(8, seed=1)


def plain_maps(image: Images) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    return texture_maps.texture_maps(to_levels(image))


def test_distances_are_those_of_the_raw_maps_within_one_bin(images: Images) -> None:
    fitted = Texture(harmonise=False, lbp_distance="cdf").fit(images)
    first, second = fitted.transform(images[:2])
    parts = l1_parts(first, second[None], STARTS)[0]
    width = np.append([1.0, 1.0], (fitted.high_ - fitted.low_) / 256)
    found = parts * width / fitted.factor_[STARTS]
    (patterns_a, a), (patterns_b, b) = plain_maps(images[0]), plain_maps(images[1])
    for k in range(2):
        wanted = wasserstein_distance(patterns_a[k].ravel(), patterns_b[k].ravel())
        assert found[k] == pytest.approx(wanted, abs=1e-5)
    for k in range(17):
        low, high = fitted.low_[k], fitted.high_[k]
        raw = [np.clip(values[k].ravel(), low, high) for values in (a, b)]
        assert abs(found[2 + k] - wasserstein_distance(*raw)) <= width[2 + k]


def test_binary_patterns_compare_by_total_variation(images: Images) -> None:
    fitted = Texture(harmonise=False).fit(images)
    first, second = fitted.transform(images[:2])
    found = l1_parts(first, second[None], STARTS)[0] / fitted.factor_[STARTS]
    codes = [plain_maps(image)[0][1] for image in images[:2]]
    masses = [np.bincount(c.ravel(), minlength=18) / c.size for c in codes]
    assert found[1] == pytest.approx(0.5 * np.abs(masses[0] - masses[1]).sum(), abs=1e-6)


def test_the_unit_of_each_map_is_its_median_over_the_fitted_pairs(images: Images) -> None:
    rows = Texture().fit_transform(images)
    first, second = np.triu_indices(len(rows), 1)
    medians = np.median(l1_parts(rows[first], rows[second], STARTS), axis=0) * 19
    np.testing.assert_allclose(medians, 1, atol=1e-4)


def test_rows_depend_neither_on_company_nor_on_the_order_of_the_fitted_set(images: Images) -> None:
    fitted = Texture()
    rows = fitted.fit_transform(images)
    np.testing.assert_array_equal(fitted.transform(images[3:4]), rows[3:4])
    turned = Texture()
    np.testing.assert_allclose(turned.fit_transform(images[::-1])[::-1], rows, rtol=1e-6)
    np.testing.assert_array_equal(turned.order_, len(images) - 1 - fitted.order_)
    assert (Texture(seed=1).fit(images).order_ != fitted.order_).any()


def test_units_of_a_large_set_come_from_drawn_pairs(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = Texture().fit(images).factor_
    monkeypatch.setattr(texture, "SCALE_PAIRS", 20)
    assert (Texture().fit(images).factor_ != every).any()
    first, second = texture._pairs(8, 0)
    assert len(first) == 20
    assert (first != second).all()
    np.testing.assert_allclose(
        Texture().fit(images[::-1]).factor_, Texture().fit(images).factor_, rtol=1e-6
    )


def test_a_quarter_turn_moves_only_the_gabor_laws(images: Images) -> None:
    fitted = Texture(harmonise=False).fit(images)
    rows = fitted.transform(np.stack([images[0], np.rot90(images[0])]))
    parts = l1_parts(rows[0], rows[1:], STARTS)[0] * 19
    is_gabor = np.array([name.startswith("gabor") for name in NAMES])
    assert parts[~is_gabor].max() < 0.01
    assert parts[is_gabor].max() > 0.1


def test_a_coarser_level_set_is_no_texture_after_harmonisation(images: Images) -> None:
    reduced = (to_levels(images) // 4 * 4) / np.float32(255)
    harmonised, raw = Texture().fit(images), Texture(harmonise=False).fit(images)
    np.testing.assert_array_equal(harmonised.transform(reduced), harmonised.transform(images))
    assert (raw.transform(reduced) != raw.transform(images)).any()


def test_larger_images_are_compared_at_the_given_size(images: Images) -> None:
    twice = images.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(
        Texture(size=SIZE).fit_transform(twice), Texture(size=SIZE).fit_transform(images)
    )


def test_the_mask_leaves_the_background_out(images: Images) -> None:
    inside = Texture(mask=True).fit(images)
    assert inside.fit_transform(images).shape == (8, 4380)
    share = inside.transform(images[:1])[0, : STARTS[1]].sum() / inside.factor_[0]
    assert share == pytest.approx(0.5, abs=1e-6)  # half of a law that sums to 1
    assert (inside.transform(images) != Texture().fit_transform(images)).any()
    assert np.isfinite(inside.transform(np.zeros_like(images))).all()


def test_one_image_and_equal_images_give_finite_rows(images: Images) -> None:
    for few in (images[:1], np.repeat(images[:1], 4, axis=0), np.zeros((3, 9, 9), np.float32)):
        assert np.isfinite(Texture().fit_transform(few)).all()


def test_what_cannot_be_done_is_refused(images: Images) -> None:
    with pytest.raises(InputError, match="unknown lbp_distance 'l2'. Known: tv, cdf"):
        Texture(lbp_distance="l2").fit(images)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="size must be 1 or more"):
        Texture(size=0).fit(images)
    with pytest.raises(InputError, match="different sizes"):
        Texture().fit(images).transform(images[:, :12, :12])
    with pytest.raises(RuntimeError, match=r"call fit\(images\) before"):
        Texture().transform(images)
