"""SSIM reranking against scikit-image over every pair and every shift."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from reference_worlds import population, reference_world
from vestige.detectors import SsimRerank
from vestige.registry.entries import InputError
from vestige.types import Floats, Images

WORLD = reference_world("copy", 4)
G, R = WORLD.generated[:25], WORLD.reference[:12]
X = np.concatenate([WORLD.used[:4], WORLD.unused[:4]])
OPTIONS: dict[str, dict[str, Any]] = {
    "gaussian": {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False},
    "uniform7": {"win_size": 7},
}


def slope(image: Floats) -> Floats:
    return np.asarray(np.hypot(*np.gradient(image)))


def compare(image: Images, other: Images, kind: str) -> float:
    """Similarity at the shift of the largest correlation, all in float64."""
    a, b = image.astype(np.float64), other.astype(np.float64)
    if kind == "gradient":
        a, b = slope(a), slope(b)
    h, w = a.shape[0] - 4, a.shape[1] - 4
    a = a[2:-2, 2:-2]
    parts = [b[y : y + h, x : x + w] for y, x in np.ndindex(5, 5)]
    correlations = [np.corrcoef(a.ravel(), part.ravel())[0, 1] for part in parts]
    if kind == "gradient":
        return float(max(correlations))
    best = parts[int(np.argmax(correlations))]
    return float(structural_similarity(a, best, data_range=1, **OPTIONS[kind]))


@cache
def table(kind: str, others: str) -> Floats:
    pool = {"G": G, "R": R, "X": X}[others]
    return np.array([[compare(x, other, kind) for other in pool] for x in X])


def build(kind: str, k: int = 1000) -> SsimRerank:
    if kind == "gradient":
        return SsimRerank(k=k, similarity="gradient")
    return SsimRerank(k=k, window=kind)  # type: ignore[arg-type]


every_kind = pytest.mark.parametrize("kind", ["gaussian", "uniform7", "gradient"])


@every_kind
def test_all_candidates_are_the_full_search(kind: str) -> None:
    wanted = table(kind, "G").max(axis=1)
    found = build(kind).fit(G).score_samples(X)
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
    found = build(kind).fit(G, unused=R).score_samples(X)
    np.testing.assert_allclose(found, wanted - table(kind, "R").max(axis=1), rtol=1e-6, atol=1e-9)
    assert SsimRerank(k=len(G)).fit(G).score_samples(X) == pytest.approx(
        SsimRerank(k=1000).fit(G).score_samples(X), abs=1e-12
    )


@every_kind
def test_bag_form_leaves_the_own_group_out(kind: str) -> None:
    groups = np.array([0, 0, 1, 2, 2, 2, 3, 4])
    others = np.where(groups[:, None] == groups, -np.inf, table(kind, "X"))
    wanted = table(kind, "G").max(axis=1) - others.max(axis=1)
    found = build(kind).fit(G).score_pool(X, groups)
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-9)


def test_few_candidates_are_the_nearest_small_ones() -> None:
    k = 3
    rows = [images.reshape(len(images), -1).astype(np.float64) for images in (X, G, R)]
    scores = []
    for pool, name in ((rows[1], "G"), (rows[2], "R")):
        near = np.argsort(((rows[0][:, None] - pool) ** 2).sum(axis=2), axis=1)[:, :k]
        scores.append(np.take_along_axis(table("gaussian", name), near, axis=1).max(axis=1))
    found = SsimRerank(k=k).fit(G, unused=R).score_samples(X)
    np.testing.assert_allclose(found, scores[0] - scores[1], rtol=1e-6, atol=1e-9)
    assert not np.allclose(found, SsimRerank().fit(G, unused=R).score_samples(X), atol=1e-6)


@pytest.mark.parametrize("window", OPTIONS)
def test_a_verbatim_copy_has_similarity_one(window: Any) -> None:
    found = SsimRerank(window=window).fit(np.concatenate([G, X[:3]])).score_samples(X)
    np.testing.assert_allclose(found[:3], 1, atol=1e-12)
    assert (found[3:] < 0.99).all()


@pytest.mark.parametrize("shift", [(2, 0), (0, -2), (-2, 2), (1, 2)])
def test_a_shifted_copy_is_found_and_a_farther_one_is_not(shift: tuple[int, int]) -> None:
    image = X[:1]
    for similarity in ("ssim", "gradient"):
        one = SsimRerank(similarity=similarity)  # type: ignore[arg-type]
        near = one.fit(np.roll(image, shift, (1, 2))).score_samples(image)
        far = one.fit(np.roll(image, (3, 0), (1, 2))).score_samples(image)
        assert near > 0.999 or similarity == "gradient"
        assert near > far + 0.005
    without = compare(np.pad(image[0], 2), np.pad(np.roll(image, (3, 3), (1, 2))[0], 2), "gaussian")
    assert without < 0.99  # what 3 px cost


def test_compares_at_its_size() -> None:
    rng = np.random.default_rng(3)
    large = [population(n, rng, 64)[0] for n in (12, 4)]
    half = [
        (x.reshape(len(x), 32, 2, 32, 2).astype(np.float64).mean(axis=(2, 4))).astype(np.float32)
        for x in large
    ]
    found = SsimRerank(size=32).fit(large[0]).score_samples(large[1])
    np.testing.assert_allclose(found, SsimRerank().fit(half[0]).score_samples(half[1]), atol=1e-5)
    assert not np.allclose(found, SsimRerank().fit(large[0]).score_samples(large[1]), atol=1e-3)


def test_evidence_is_the_most_similar_by_brute_force() -> None:
    found, rows = SsimRerank().fit(G).nearest(X, 4)
    wanted = table("gaussian", "G")
    np.testing.assert_array_equal(rows, np.argsort(-wanted, axis=1)[:, :4])
    np.testing.assert_allclose(found, -np.sort(-wanted, axis=1)[:, :4], rtol=1e-9)


def test_flat_images_get_what_the_formula_gives() -> None:
    flat = np.stack([np.full((32, 32), level, np.float32) for level in (0.0, 0.5, 1.0)])
    np.testing.assert_allclose(SsimRerank().fit(flat).score_samples(flat), 1)
    # luminance term alone: (2 a b + C1) / (a^2 + b^2 + C1)
    found = SsimRerank().fit(flat[2:]).score_samples(flat)
    np.testing.assert_allclose(found, [1e-4 / 1.0001, 1.0001 / 1.2501, 1], rtol=1e-9)
    np.testing.assert_array_equal(
        SsimRerank(similarity="gradient").fit(flat).score_samples(flat), 0
    )


def test_images_without_room_for_the_window_are_refused() -> None:
    with pytest.raises(InputError, match=r"at least 15 px, got \(14, 14\)"):
        SsimRerank().fit(G[:, :14, :14])
    assert np.isfinite(SsimRerank().fit(G[:, :15, :15]).score_samples(X[:, :15, :15])).all()


def test_a_bag_of_one_group_is_refused() -> None:
    with pytest.raises(InputError, match="two groups"):
        SsimRerank().fit(G).score_pool(X, np.zeros(len(X)))
