"""Principal components against scikit-learn, and two sets of equal weight."""

from functools import partial, reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA as REFERENCE

from reference_worlds import reference_world
from vestige.features import pca
from vestige.features.pca import PCA, WhitenedPCA
from vestige.images.passes import folded
from vestige.registry.entries import InputError
from vestige.stats.moments import (
    Sums,
    add_sums,
    components_of_wide,
    fold_sums,
    leading_components,
    mean_of,
    moments,
    moments_from,
)
from vestige.testing.phantoms import phantom_volumes

IMAGES = reference_world("null", 1).reference[:, ::2, ::2]  # 200 of 16 px
FLAT = IMAGES.reshape(200, -1).astype(np.float64)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(n=st.integers(1, 40), d=st.integers(1, 6), block=st.integers(1, 50), seed=st.integers(0, 9))
def test_moments_equal_numpy_for_every_block_size(n: int, d: int, block: int, seed: int) -> None:
    rows = np.random.default_rng(seed).normal(3, 1, (n, d)).astype(np.float32)
    shift, whole = mean_of(rows[:5]), (slice(None),)
    fold = partial(fold_sums, shift, whole)
    sums = folded(rows.__getitem__, n, block, fold, add_sums, spread=True)
    assert sums.n == n
    for mean, covariance in (moments(rows), *(moments_of_one(sums, shift, whole),)):
        np.testing.assert_allclose(mean, rows.mean(axis=0, dtype=float), rtol=1e-6)
        wanted = np.cov(rows.T.astype(float), bias=True).reshape(d, d)
        np.testing.assert_allclose(covariance, wanted, rtol=1e-5, atol=1e-6)


def moments_of_one(
    sums: Sums, shift: np.ndarray, whole: tuple[slice]
) -> tuple[np.ndarray, np.ndarray]:
    mean, (covariance,) = moments_from(sums, shift, whole)
    return mean, covariance


@settings(deadline=None, derandomize=True, max_examples=20)
@given(order=st.permutations(range(7)), seed=st.integers(0, 9))
def test_sums_of_blocks_are_the_same_bytes_in_any_order(order: list[int], seed: int) -> None:
    rows = np.random.default_rng(seed).normal(0.5, 0.3, (7, 9, 4)).astype(np.float32)
    fold = partial(fold_sums, np.full(4, 0.5, np.float32), (slice(0, 2), slice(2, 4)))
    parts = [fold(None, 0, block) for block in rows]
    left = reduce(add_sums, parts)
    other = reduce(add_sums, (parts[k] for k in order[:3]))
    other = add_sums(other, reduce(add_sums, (parts[k] for k in order[3:])))
    assert left.total.tobytes() == other.total.tobytes()
    for one, two in zip(left.products, other.products, strict=True):
        assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("dims", [1, 5, 30])
def test_equals_scikit_learn(dims: int) -> None:
    ours = PCA(dims=dims, size=16).fit(IMAGES)
    theirs = REFERENCE(n_components=dims, svd_solver="full").fit(FLAT)
    np.testing.assert_allclose(ours.mean_, theirs.mean_, atol=1e-7)
    np.testing.assert_allclose(ours.values_ * 200 / 199, theirs.explained_variance_, rtol=1e-5)
    overlap = np.abs(np.sum(ours.components_ * theirs.components_.T, axis=0))
    np.testing.assert_allclose(overlap, 1, atol=1e-5)
    signs = np.sign(np.sum(ours.components_ * theirs.components_.T, axis=0))
    np.testing.assert_allclose(ours.transform(IMAGES), theirs.transform(FLAT) * signs, atol=1e-4)


def test_components_are_orthonormal_with_a_fixed_sign() -> None:
    components = PCA(dims=20, size=16).fit(IMAGES).components_
    np.testing.assert_allclose(components.T @ components, np.eye(20), atol=1e-10)
    largest = np.abs(components).argmax(axis=0)
    assert (components[largest, np.arange(20)] > 0).all()
    again = PCA(dims=20, size=16).fit(IMAGES[::-1]).components_
    np.testing.assert_allclose(again, components, atol=1e-3)


def test_two_sets_count_equally_whatever_their_sizes() -> None:
    few, many = IMAGES[:20] + np.float32(0.1), IMAGES[50:]
    found = PCA(dims=4, size=16).fit_pair(few, many)
    repeated = np.concatenate([np.tile(few, (15, 1, 1)), np.tile(many, (2, 1, 1))])  # 300 + 300
    wanted = PCA(dims=4, size=16).fit(repeated)
    np.testing.assert_allclose(found.mean_, wanted.mean_, atol=1e-7)
    np.testing.assert_allclose(found.values_, wanted.values_, rtol=1e-5)
    np.testing.assert_allclose(found.components_, wanted.components_, atol=1e-4)
    swapped = PCA(dims=4, size=16).fit_pair(many, few)
    np.testing.assert_allclose(swapped.components_, found.components_, atol=1e-9)


def test_the_difference_of_two_sets_is_in_their_space() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(0, 0.01, (40, 4, 4)).astype(np.float32)
    second = first + np.float32(1)
    leading = PCA(dims=1, size=4).fit_pair(first, second)
    np.testing.assert_allclose(leading.components_[:, 0], 0.25, atol=0.01)
    assert leading.values_[0] == pytest.approx(16 / 4, rel=0.01)


@pytest.mark.parametrize(("n", "dims", "kept"), [(200, 500, 199), (2, 64, 1), (1, 64, 1)])
def test_there_are_fewer_components_than_images(n: int, dims: int, kept: int) -> None:
    space = PCA(dims=dims, size=16).fit(IMAGES[:n])
    assert space.transform(IMAGES[:3]).shape == (3, kept)


def test_eigenvalues_come_in_falling_order_and_never_negative() -> None:
    values, vectors = leading_components(np.diag([1.0, 4.0, -1e-17]), 3)
    np.testing.assert_allclose(values, [4.0, 1.0, 0.0])
    np.testing.assert_allclose(vectors, [[0, 1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-15)


@pytest.mark.parametrize("dims", [1, 5, 30])
def test_whitened_components_equal_numpy_and_have_identity_covariance(dims: int) -> None:
    found = WhitenedPCA(dims=dims, size=16).fit(IMAGES).transform(IMAGES)
    left = np.linalg.svd(FLAT - FLAT.mean(axis=0), full_matrices=False)[0][:, :dims]
    wanted = left * np.sqrt(len(FLAT))  # unit variance
    signs = np.sign(np.sum(found * wanted, axis=0))
    np.testing.assert_allclose(found * signs, wanted, atol=2e-3)
    np.testing.assert_allclose(found.T @ found / len(found), np.eye(dims), atol=1e-3)


def test_whitening_does_not_blow_up_what_is_only_rounding() -> None:
    flat = IMAGES[:1] + np.linspace(0, 0.1, 30, dtype=np.float32)[:, None, None]  # one direction
    rows = WhitenedPCA(dims=10, size=16).fit(flat).transform(IMAGES)
    assert (rows[:, 1:] == 0).all()
    centred = IMAGES.reshape(200, -1) - flat.reshape(30, -1).mean(axis=0)
    values, vectors = leading_components(np.cov(flat.reshape(30, -1).T, bias=True), 10)
    with np.errstate(divide="ignore", invalid="ignore"):
        naive = (centred @ vectors / np.sqrt(values))[:, 1:]
    assert not np.abs(naive).max() < 1e3  # the trap


VOLUMES = phantom_volumes(60, np.random.default_rng(0), 8)


@pytest.mark.parametrize("pair", [False, True])
def test_volumes_have_the_components_of_their_covariance(pair: bool) -> None:
    """60 volumes of 512 voxels go through the Gram matrix."""
    wide = PCA(dims=20, size=8)
    if pair:
        wide.fit_pair(VOLUMES[:20], VOLUMES[20:])
        mean_a, mean_b = (part.reshape(len(part), -1).mean(0) for part in np.split(VOLUMES, [20]))
        np.testing.assert_allclose(wide.mean_, (mean_a + mean_b) / 2, atol=1e-6)
        rows = VOLUMES.reshape(60, -1).astype(float)
        shares = np.repeat([1 / 40, 1 / 80], [20, 40])
    else:
        wide.fit(VOLUMES)
        rows, shares = VOLUMES.reshape(60, -1).astype(float), np.full(60, 1 / 60)
    centred = rows - shares @ rows
    values, vectors = leading_components((centred.T * shares) @ centred, 20)
    np.testing.assert_allclose(wide.values_, values, rtol=1e-4)
    np.testing.assert_allclose(wide.components_, vectors, atol=2e-3)
    np.testing.assert_allclose(wide.components_.T @ wide.components_, np.eye(20), atol=1e-4)
    np.testing.assert_allclose(wide.transform(VOLUMES), centred @ vectors, atol=2e-3)


def test_directions_of_volumes_that_are_only_rounding_are_zero() -> None:
    twice = np.repeat(VOLUMES[:6], 2, axis=0)
    space = PCA(dims=11, size=8).fit(twice)
    assert (space.components_[:, 5:] == 0).all()
    assert np.isfinite(WhitenedPCA(dims=11, size=8).fit(twice).transform(VOLUMES)).all()


def test_wide_rows_whose_columns_come_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = VOLUMES.reshape(60, -1)
    shares = np.full(60, 1 / 60)
    whole = components_of_wide(rows.copy(), shares, 9)
    monkeypatch.setattr("vestige.stats.moments.WIDE_COLUMNS", 100)
    for found, wanted in zip(components_of_wide(rows.copy(), shares, 9), whole, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_many_volumes_are_represented_by_some_whatever_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More rows than may be held: as many of either set, chosen by what they show."""
    monkeypatch.setattr(pca, "HELD_ROWS", 4 * 512 * 24)
    first, second = VOLUMES[:20], VOLUMES[20:]
    space = PCA(dims=8, size=8).fit_pair(first, second)
    again = PCA(dims=8, size=8).fit_pair(
        first[::-1], second[np.random.default_rng(1).permutation(40)]
    )
    np.testing.assert_allclose(again.values_, space.values_, rtol=1e-4)
    held = PCA(dims=23, size=8).fit_pair(first, second)
    assert held.components_.shape[1] == 23  # of 12 + 12 volumes
    assert PCA(dims=30, size=8).fit_pair(first, second).components_.shape[1] == 23


def test_misuse_is_refused() -> None:
    with pytest.raises(RuntimeError, match="call fit"):
        PCA().transform(IMAGES)
    with pytest.raises(InputError, match="different sizes"):
        PCA(size=16).fit(IMAGES).transform(IMAGES[:, :8, :8])
    with pytest.raises(InputError, match="different sizes"):
        PCA(size=16).fit_pair(IMAGES, IMAGES[:, :8, :8])
