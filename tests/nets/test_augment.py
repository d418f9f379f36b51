"""Augmentations: where pixels go, how often, and that a seed repeats them."""

import math

import pytest

torch = pytest.importorskip("torch", reason="needs vestige[deep]")

from vestige.nets import augment as a  # noqa: E402


def chance(seed: int = 0) -> "torch.Generator":
    return torch.Generator().manual_seed(seed)


def test_repeats_with_the_seed_and_stays_in_range() -> None:
    images = torch.rand((6, 32, 32), generator=chance(5))
    first = a.augment(images, chance())
    torch.testing.assert_close(first, a.augment(images, chance()), rtol=0, atol=0)
    assert (first != a.augment(images, chance(1))).any()
    assert first.shape == images.shape
    assert 0 <= first.min() < first.max() <= 1


def test_without_chance_nothing_changes() -> None:
    images = torch.rand((3, 16, 16), generator=chance())
    torch.testing.assert_close(a.augment(images, chance(), chance=0.0), images, atol=1e-5, rtol=0)


def test_each_change_comes_with_its_own_chance() -> None:
    images = torch.full((200, 16, 16), 0.5)
    out = a.augment(images, chance())
    # a black corner shows perspective or rotation; the centre shows brightness or noise
    same = (out - images).abs().amax(dim=(1, 2)) < 1e-5
    assert 0 < int(same.sum()) < 20  # .4 ** 4 of 200 is 5


def test_a_turn_by_90_degrees_turns_the_picture() -> None:
    image = torch.rand((1, 8, 8), generator=chance())
    turn = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
    turned = a.warp(image, turn)
    torch.testing.assert_close(turned, torch.rot90(image, 1, (1, 2)), atol=1e-5, rtol=0)


def test_rotations_stay_within_15_degrees() -> None:
    maps = a._rotations(500, chance())
    angles = torch.rad2deg(torch.atan2(maps[:, 1, 0], maps[:, 0, 0]))
    assert 14 < angles.abs().max() <= 15
    assert angles.min() < -10 < 10 < angles.max()


def test_perspective_moves_the_corners_inwards() -> None:
    maps = a._perspectives(50, chance())
    corners = torch.tensor([[-1.0, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]])
    at = corners @ torch.linalg.inv(maps).transpose(1, 2)
    at = at[..., :2] / at[..., 2:]
    assert (at.abs() <= 1 + 1e-4).all()
    assert (at.abs() >= 0.8 - 1e-4).all()
    assert at.abs().min() < 0.85
    assert (torch.sign(at) == corners[:, :2]).all()


def test_the_gabor_kernel_is_the_formula() -> None:
    angle, length = 0.7, 9.0
    kernel = a.gabor_kernel(angle, length)
    assert kernel.shape == (31, 31)
    x, y = 4, -3
    along = x * math.cos(angle) + y * math.sin(angle)
    across = -x * math.sin(angle) + y * math.cos(angle)
    sigma = 0.56 * length
    wanted = math.exp(-(along**2 + 0.25 * across**2) / (2 * sigma**2)) * math.cos(
        2 * math.pi * along / length
    )
    assert float(kernel[15 + y, 15 + x]) == pytest.approx(wanted, abs=1e-5)


def test_gabor_noise_has_unit_deviation() -> None:
    noise = a.gabor_noise(24, chance())
    assert noise.shape == (24, 24)
    assert float(noise.std()) == pytest.approx(1, abs=1e-3)


def test_a_fifth_of_the_patches_is_blanked() -> None:
    mask = a.patch_mask(50, 196, chance())
    assert mask.shape == (50, 196, 1)
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert float(mask.mean()) == pytest.approx(0.8, abs=0.02)
