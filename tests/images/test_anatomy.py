"""Neighbouring slices of one patient stand together, unrelated images do not."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from vestige.images.anatomy import slice_clusters
from vestige.images.preprocess import to_working

from .test_duplicates import textures

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def volumes(n: int, slices: int, seed: int = 0) -> tuple[np.ndarray[Any, Any], np.ndarray]:
    """n volumes that change slowly from slice to slice, all around one mean picture."""
    rng = np.random.default_rng(seed)
    inside = gaussian_filter(rng.normal(size=(n, 4 * slices, 32, 32)), (0, 12, 1, 1))[:, ::4]
    inside /= inside.std(axis=(2, 3), keepdims=True)
    mean = gaussian_filter(rng.normal(size=(32, 32)), 4)
    pixels = 0.5 + 0.2 * mean / mean.std() + 0.05 * inside
    pixels = np.clip(pixels, 0, 1).reshape(-1, 32, 32).astype(np.float32)
    return pixels, np.repeat(np.arange(n), slices)


def pairs(labels: np.ndarray, truth: np.ndarray) -> tuple[int, int, int]:
    """Pairs that stand together, those of one patient among them, and all of one patient."""
    above = np.triu(np.ones((len(labels), len(labels)), bool), 1)
    together, same = (x[:, None] == x[None] for x in (labels, truth))
    return (together & above).sum(), (together & same & above).sum(), (same & above).sum()


def test_slices_hang_together_through_their_neighbours() -> None:
    pixels, truth = volumes(20, 6)
    joined, right, same = pairs(slice_clusters(pixels), truth)
    assert joined == right > 0.5 * same


def test_the_order_changes_nothing() -> None:
    pixels, _ = volumes(12, 5, seed=1)
    pixels[7] = pixels[3]
    first = slice_clusters(pixels)
    assert first[7] == first[3]
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(pixels))
        again = slice_clusters(pixels[order])
        assert len(set(zip(first[order], again, strict=True))) == len(set(first)) == len(set(again))


@pytest.mark.parametrize("n", [1, 2, 60])
def test_unrelated_images_stay_alone(n: int) -> None:
    assert len(set(slice_clusters(textures(n)))) == n


def test_the_same_image_twice() -> None:
    assert len(set(slice_clusters(np.repeat(textures(1), 3, axis=0)))) == 1


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the shared images are not at {DATA}")
@pytest.mark.parametrize(
    ("folder", "column", "share"), [("ct_iqoth", "group", 0.15), ("skin_pad_ufes", "group", 0.0)]
)
def test_real_slices_are_joined_to_their_own(folder: str, column: str, share: float) -> None:
    with open(DATA / folder / "index.csv", newline="") as file:
        rows = list(csv.DictReader(file))[::2]
    shown = [Image.open(DATA / folder / row["file"]).convert("L") for row in rows]
    pixels = np.stack([to_working(np.asarray(x, np.float32) / 255, 32) for x in shown])
    labels = slice_clusters(pixels)
    joined, right, same = pairs(labels, np.array([row[column] for row in rows]))
    assert joined == right >= share * same
    assert np.bincount(labels).max() < 0.1 * len(labels)
