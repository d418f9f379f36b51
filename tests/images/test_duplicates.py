"""Copies and near copies against brute force, and independence of the order."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from vestige.images.duplicates import content_clusters, near_duplicate_groups, repeats
from vestige.images.preprocess import area_average
from vestige.registry.entries import InputError


def textures(n: int, side: int = 64, seed: int = 0) -> np.ndarray[Any, Any]:
    """Smooth pictures that have nothing in common."""
    noise = np.random.default_rng(seed).normal(size=(n, side, side))
    smooth = gaussian_filter(noise, (0, side / 20, side / 20))
    smooth /= smooth.std(axis=(1, 2), keepdims=True)
    return np.clip(0.5 + 0.15 * smooth, 0, 1).astype(np.float32)


def family(seed: int = 0) -> np.ndarray[Any, Any]:
    """Twelve pictures: three originals with close copies, chains of copies, six loners."""
    base = textures(9, seed=seed)
    rng = np.random.default_rng(seed + 1)
    out = [base[0], base[0].copy(), base[1], base[1] * np.float32(0.9)]
    out += [np.clip(base[2] + rng.normal(0, 0.004, (64, 64)), 0, 1), base[2], *base[3:9]]
    return np.stack(out).astype(np.float32)


TRUTH = [0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8]


def brute_force(pixels: np.ndarray[Any, Any]) -> list[int]:
    """Every pair by np.corrcoef and scikit-image, then flood filling."""
    small = area_average(pixels, pixels.shape[1] // 32).reshape(len(pixels), -1)
    near = np.corrcoef(small.astype(np.float64)) >= 0.98
    labels = [-1] * len(pixels)
    for start in range(len(pixels)):
        todo = [start] if labels[start] < 0 else []
        label = max(labels) + 1
        while todo:
            i = todo.pop()
            labels[i] = label
            todo += [
                j
                for j in np.flatnonzero(near[i])
                if labels[j] < 0
                and structural_similarity(pixels[i], pixels[j], data_range=1.0) >= 0.95
            ]
    return labels


def test_content_clusters() -> None:
    assert content_clusters(["b", "a", "b", "c", "a"]).tolist() == [0, 1, 0, 2, 1]
    assert content_clusters([]).tolist() == []


def test_copies_are_found_and_strangers_are_not() -> None:
    assert near_duplicate_groups(family()).tolist() == TRUTH


@pytest.mark.parametrize("amount", [0.02, 0.05, 0.1])
def test_agrees_with_brute_force_near_the_thresholds(amount: float) -> None:
    base = textures(6, seed=3)
    rng = np.random.default_rng(4)
    noise = gaussian_filter(rng.normal(size=(24, 64, 64)), (0, 1.5, 1.5)) * 6
    scale = rng.uniform(0, amount, (24, 1, 1))
    pixels = np.clip(np.tile(base, (4, 1, 1)) + noise * scale, 0, 1).astype(np.float32)
    expected = brute_force(pixels)
    assert 6 <= max(expected) + 1 < 24
    assert near_duplicate_groups(pixels).tolist() == expected


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(12)), st.integers(0, 2))
def test_the_partition_does_not_depend_on_the_order(order: list[int], seed: int) -> None:
    pixels = family(seed)
    first = near_duplicate_groups(pixels)
    second = near_duplicate_groups(pixels[order])
    same_first = first[order][:, None] == first[order]
    np.testing.assert_array_equal(second[:, None] == second, same_first)
    assert second[0] == 0
    assert (np.diff(np.unique(second)) == 1).all()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from vestige.images import duplicates

    monkeypatch.setattr(duplicates, "_BLOCK_FLOATS", 30)
    assert near_duplicate_groups(family()).tolist() == TRUTH


def test_a_high_correlation_alone_is_not_enough() -> None:
    """Fine structure that 32 x 32 cannot show tells two pictures apart."""
    base = textures(1)[0] * np.float32(0.8) + np.float32(0.1)
    fine = np.indices((64, 64)).sum(axis=0) % 2 * np.float32(0.1) - np.float32(0.05)
    pair = np.stack([base + fine, base - fine])
    assert np.corrcoef(area_average(pair, 2).reshape(2, -1))[0, 1] > 0.98
    assert near_duplicate_groups(pair).tolist() == [0, 1]
    assert near_duplicate_groups(pair, confirm=-1.0).tolist() == [0, 0]


def test_originals_are_what_confirms() -> None:
    base = textures(1, side=256)[0] * np.float32(0.8) + np.float32(0.1)
    coarse = np.indices((256, 256)).sum(axis=0) // 2 % 2  # gone at 64, visible at 128
    fine = coarse * np.float32(0.1) - np.float32(0.05)
    originals = [base + fine, base - fine]
    small = np.stack([area_average(image, 4) for image in originals])
    assert near_duplicate_groups(small).tolist() == [0, 0]
    asked: list[int] = []

    def original(i: int) -> Any:
        asked.append(i)
        return originals[i]

    labels = near_duplicate_groups(small, original)
    assert sorted(asked) == [0, 1]
    ssim = structural_similarity(*(area_average(o, 2) for o in originals), data_range=1.0)
    assert labels.tolist() == ([0, 0] if ssim >= 0.95 else [0, 1])
    assert ssim < 0.95


def test_constant_images_are_copies_only_of_their_like() -> None:
    flat = np.zeros((4, 16, 16), np.float32)
    flat[2:] = 0.5
    assert near_duplicate_groups(flat).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("side", [8, 32, 48, 64])
def test_every_working_size(side: int) -> None:
    base = textures(5, side)
    pixels = np.concatenate([base, base * np.float32(0.97)])
    assert near_duplicate_groups(pixels).tolist() == [*range(5), *range(5)]


def test_images_that_are_not_square_are_refused() -> None:
    with pytest.raises(InputError, match=r"\[n, s, s\]"):
        near_duplicate_groups(np.zeros((2, 4, 5), np.float32))


def test_mirrored_copies_are_found_where_asked() -> None:
    """Of 12 images, the last four are mirrored near copies of the first four."""
    rng = np.random.default_rng(5)
    faces = rng.random((8, 4, 4)).repeat(8, axis=1).repeat(8, axis=2).astype(np.float32)
    noise = rng.normal(0, 0.004, (4, 32, 32)).astype(np.float32)
    pixels = np.concatenate([faces, faces[:4, :, ::-1] + noise])
    assert near_duplicate_groups(pixels).tolist() == list(range(12))
    order = rng.permutation(12)
    found = near_duplicate_groups(pixels[order], mirrored=True)
    truth = np.array([*range(8), *range(4)])[order]
    assert ((found[:, None] == found) == (truth[:, None] == truth)).all()


def test_repeated_images_are_counted_and_told() -> None:
    assert repeats(["a", "b"], ["1", "2"], "generated") == []
    [row] = repeats(["a", "b", "c", "d", "e"], ["1", "2", "1", "1", "2"], "generated")
    assert (row.path, row.severity) == ("generated/c", "warning")
    assert row.what.startswith("3 of 5 generated images, e.g. this one, repeat others of the set")
    assert row.what.endswith("the same pixels: it holds 2 different images")
    [row] = repeats(["a", "b"], ["1", "1"], "generated", "volume")
    assert row.what.endswith("the same voxels: it holds 1 different images")
