import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import ndimage

from vestige.registry.entries import InputError
from vestige.types import Float32s, Images
from vestige.worlds.phantom import chest_phantoms, window


@pytest.fixture(scope="module")
def chests() -> Images:
    return chest_phantoms(40, 128, seed=7)[0]


def correlations(a: Images, b: Images) -> Float32s:
    """Correlation of fine detail (finer than about 2 pixels' sigma) between all pairs."""

    def detail(images: Images) -> Float32s:
        rows = images - ndimage.gaussian_filter(images, (0, 2, 2))
        rows = rows.reshape(len(rows), -1)
        rows = rows - rows.mean(axis=1, keepdims=True)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    return detail(a) @ detail(b).T


def test_same_seed_same_bytes_other_seed_other_patients() -> None:
    one, again, other = (chest_phantoms(2, 64, seed)[0] for seed in (3, 3, 4))
    assert one.tobytes() == again.tobytes()
    assert correlations(one, other).max() < 0.9


def test_a_patient_does_not_depend_on_how_many_are_asked_for() -> None:
    few, many = chest_phantoms(2, 64, 5)[0], chest_phantoms(4, 64, 5)[0]
    np.testing.assert_array_equal(few, many[:2])


def test_workers_paint_the_same_patients() -> None:
    with ThreadPoolExecutor(2) as executor:
        found = chest_phantoms(23, 32, 5, slices_per_patient=2, executor=executor)
    for mine, theirs in zip(found, chest_phantoms(23, 32, 5, 2), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_slices_of_a_patient_are_grouped_and_start_alike() -> None:
    images, groups = chest_phantoms(8, 64, 5, slices_per_patient=3)
    assert groups.dtype == np.int64
    assert groups.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    np.testing.assert_array_equal(images[::3], chest_phantoms(3, 64, 5)[0])


def test_neighbouring_slices_resemble_each_other_more_than_other_patients() -> None:
    images, groups = chest_phantoms(24, 64, 2, slices_per_patient=4)
    alike = correlations(images, images)
    same = groups[:, None] == groups
    neighbours = np.diagonal(alike, 1)[np.diff(groups) == 0]
    assert neighbours.min() > np.quantile(alike[~same], 0.95)
    assert neighbours.max() < 0.999  # and yet they are not the same slice


def test_many_slices_stay_inside_the_chest() -> None:
    images, _ = chest_phantoms(60, 32, 1, slices_per_patient=60)
    assert (np.abs(np.diff(images, axis=0)).mean(axis=(1, 2)) > 1e-4).all()
    assert _lungs(images).mean() > 0.04


@pytest.mark.parametrize("size", [32, 61, 128, 200])
def test_any_size_gives_finite_grey_values(size: int) -> None:
    images, groups = chest_phantoms(2, size, 1)
    assert images.shape == (2, size, size)
    assert images.dtype == np.float32
    assert groups.shape == (2,)
    assert np.isfinite(images).all()
    assert images.min() >= 0
    assert images.max() <= 1
    assert images.std() > 0.1


def _lungs(images: Images) -> np.ndarray:
    """Dark regions that do not reach the border, as a mask per image."""
    found = np.zeros(images.shape, bool)
    for image, mask in zip(images, found, strict=True):
        labels, _ = ndimage.label(image < 0.5)
        border = np.unique(np.r_[labels[0], labels[-1], labels[:, 0], labels[:, -1]])
        mask[:] = (labels > 0) & ~np.isin(labels, border)
    return found


def test_it_is_a_chest(chests: Images) -> None:
    """Air outside dark, two grey lungs inside, a bright body around them; in every single one."""
    lungs = _lungs(chests)
    corners = chests[:, :6, :6].mean(axis=(1, 2))
    air = window(np.array([-1000], np.float32))
    assert np.abs(corners - air).max() < 0.09
    for side in (lungs[:, :, :64], lungs[:, :, 64:]):
        assert side.mean(axis=(1, 2)).min() > 0.03  # share of half the picture
    lung_grey = np.array([np.median(c[m]) for c, m in zip(chests, lungs, strict=True)])
    assert lung_grey.min() > corners.max() - 0.02
    assert lung_grey.max() < 0.5
    body = chests > 0.7
    assert body.mean(axis=(1, 2)).min() > 0.15
    assert body.mean(axis=(1, 2)).max() < 0.75
    # bone and blood saturate, fat does not
    assert (chests[body] > 0.99).mean() > 0.03
    assert ((chests > 0.78) & (chests < 0.88)).mean(axis=(1, 2)).min() > 0.02


def test_lungs_hold_individual_vessels(chests: Images) -> None:
    lungs = ndimage.binary_erosion(_lungs(chests), np.ones((1, 3, 3)))
    bright = np.array([(c[m] > 0.42).mean() for c, m in zip(chests, lungs, strict=True)])
    assert np.median(bright) > 0.02
    alike = correlations(chests, chests)
    np.fill_diagonal(alike, 0)
    assert alike.max() < 0.8


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"n": 0}, "n must"),
        ({"size": 16}, "size"),
        ({"seed": -1}, "seed"),
        ({"slices_per_patient": 0}, "slices_per_patient"),
    ],
)
def test_bad_arguments_are_named(options: dict[str, int], word: str) -> None:
    with pytest.raises(InputError, match=word):
        chest_phantoms(**({"n": 1} | options))


def test_a_thousand_take_seconds_not_minutes() -> None:
    chest_phantoms(2)
    start = time.process_time()
    chest_phantoms(20)
    # 10 to 14 ms each where this was written; CPU time, so that other work does not count
    assert (time.process_time() - start) / 20 < 0.08
