"""Nearest patches against brute force, and a pasted patch that must be found."""

from typing import Any

import numpy as np
import pytest

import vestige.detectors.patch_nearest as patch_nearest
from reference_worlds import ReferenceWorld, patch_world, reference_world
from vestige.detectors import MatchedFilterPool, NearestDistance, PatchNearest
from vestige.registry.entries import InputError
from vestige.stats.intervals import auc
from vestige.types import Floats, Images

WORLD = reference_world("copy", 5)
G, R = WORLD.generated[:30], WORLD.reference[:20]
X = np.concatenate([WORLD.used[:5], WORLD.unused[:5]])


def rows_at(images: Images, top: int, left: int, size: int) -> tuple[Floats, Floats]:
    cut = images[:, top : top + size, left : left + size].reshape(len(images), -1)
    rows = cut.astype(np.float64)
    rows = rows - rows.mean(axis=1, keepdims=True)
    deviation = rows.std(axis=1, keepdims=True)
    return rows / (np.maximum(deviation, 0.02) * size), deviation[:, 0]


def by_hand(images: Images, pool: Images, usual: Images, groups: Any, dims: int = 16) -> Floats:
    """The formula with every patch in memory and the components by SVD of weighted rows."""
    side = images.shape[1]
    size, stride, step = side // 4, side // 8, side // 32
    alone = np.zeros((len(images), len(usual)), dtype=bool)
    if groups is not None:
        alone = groups[:, None] == groups[None, :]
    evidence: list[list[float]] = [[] for _ in images]
    for top in range(0, side - size + 1, stride):
        for left in range(0, side - size + 1, stride):
            a, b = (rows_at(s, top, left, size)[0] for s in (pool, usual))
            centre = (a.mean(axis=0) + b.mean(axis=0)) / 2
            weighted = [(x - centre) / np.sqrt(2 * len(x)) for x in (a, b)]
            span = np.linalg.svd(np.concatenate(weighted), full_matrices=False)[2][:dims]
            rows, deviation = rows_at(images, top, left, size)
            best = {"pool": np.full(len(images), np.inf), "usual": np.full(len(images), np.inf)}
            for dy in (-step, 0, step):
                for dx in (-step, 0, step):
                    y, x = top + dy, left + dx
                    if min(y, x) < 0 or max(y, x) > side - size:
                        continue
                    for name, others in (("pool", pool), ("usual", usual)):
                        near = rows_at(others, y, x, size)[0] @ span.T
                        gaps = np.linalg.norm((rows @ span.T)[:, None] - near, axis=2)
                        if name == "usual":
                            gaps[alone] = np.inf
                        best[name] = np.minimum(best[name], gaps.min(axis=1))
            ratio = np.log(best["usual"] + 1e-6) - np.log(best["pool"] + 1e-6)
            for own, value, sd in zip(evidence, ratio, deviation, strict=True):
                if sd > 0.02:
                    own.append(value)
    return np.array(
        [np.mean(np.sort(own)[-int(np.ceil(len(own) / 4)) :]) if own else 0.0 for own in evidence]
    )


@pytest.mark.parametrize("block", [16 * 2**20, 8 * 64 * 7])  # all at once; seven images
def test_reference_form_equals_brute_force(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patch_nearest, "BLOCK_BYTES", block)
    found = PatchNearest().fit(G, unused=R).score_samples(X)
    np.testing.assert_allclose(found, by_hand(X, G, R, None), rtol=1e-6)


@pytest.mark.parametrize("block", [16 * 2**20, 8 * 64 * 3])
def test_bag_form_equals_brute_force(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patch_nearest, "BLOCK_BYTES", block)
    groups = np.array([0, 0, 1, 2, 2, 2, 3, 4, 5, 6])
    found = PatchNearest(dims=8).fit(G).score_pool(X, groups)
    np.testing.assert_allclose(found, by_hand(X, G, X, groups, dims=8), rtol=1e-6)


def aucs(detector: Any, world: ReferenceWorld) -> list[float]:
    cohort = np.concatenate([world.used, world.unused])
    both = (
        detector.fit(world.generated, unused=world.reference).score_samples(cohort),
        detector.fit(world.generated).score_pool(cohort),
    )
    return [auc(scores[:100], scores[100:]) for scores in both]


def test_finds_a_pasted_patch() -> None:
    assert min(aucs(PatchNearest(), patch_world(0))) > 0.9
    world = patch_world(0)  # which the detectors of whole images miss
    cohort = np.concatenate([world.used, world.unused])
    for whole in (NearestDistance().fit(world.generated), MatchedFilterPool().fit(world.generated)):
        scores = whole.score_samples(cohort)
        assert auc(scores[:100], scores[100:]) < 0.65


@pytest.mark.slow
def test_finds_a_pasted_patch_at_its_own_size() -> None:
    assert min(aucs(PatchNearest(), patch_world(0, side=128))) > 0.9


def test_a_patch_moved_by_one_step_is_found() -> None:
    pool = R[:10].copy()
    pool[0, 9:17, 13:21] = X[0, 8:16, 12:20]  # one pixel down, one to the right
    plain, found = (
        PatchNearest().fit(p, unused=R[10:]).score_samples(X[:1]) for p in (R[:10], pool)
    )
    assert found > plain + 0.5


def test_an_image_of_background_only_scores_zero() -> None:
    noise = np.random.default_rng(0).normal(0.5, 0.01, (1, 32, 32)).astype(np.float32)
    blank = np.concatenate([np.zeros((1, 32, 32), np.float32), noise])
    found = PatchNearest().fit(G, unused=R).score_samples(np.concatenate([blank, X]))
    np.testing.assert_array_equal(found[:2], 0)
    assert (found[2:] != 0).all()
    cohort = PatchNearest().fit(G).score_pool(np.concatenate([blank, X]))
    np.testing.assert_array_equal(cohort[:2], 0)


def test_swapping_generated_and_reference_turns_the_evidence_round() -> None:
    # only a corner is foreground: one place, so the score is its t
    sets = [images.copy() for images in (G, R, X)]
    for images in sets:
        images[:] = 0
    rng = np.random.default_rng(2)
    for images in sets:
        images[:, :4, :4] = rng.random((len(images), 4, 4))
    g, r, x = sets
    there = PatchNearest().fit(g, unused=r).score_samples(x)
    back = PatchNearest().fit(r, unused=g).score_samples(x)
    np.testing.assert_allclose(there, -back, rtol=1e-6)


def test_grey_levels_of_the_foreground_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    sets = [rng.random((n, 16, 16)).astype(np.float32) for n in (12, 10, 4)]
    turned = [np.float32(0.5) * images + np.float32(0.25) for images in sets]
    scores = [PatchNearest().fit(g, unused=r).score_samples(x) for g, r, x in (sets, turned)]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5)


def test_a_verbatim_copy_is_finite_and_far_above() -> None:
    found = PatchNearest().fit(np.concatenate([G, X[:1]]), unused=R).score_samples(X)
    assert np.isfinite(found).all()
    assert found[0] > found[1:].max() + 3


def test_small_images_and_bags_of_one_group_are_refused() -> None:
    with pytest.raises(InputError, match=r"at least 16 px, got \(15, 15\)"):
        PatchNearest().fit(G[:, :15, :15])
    with pytest.raises(InputError, match="two groups"):
        PatchNearest().fit(G).score_pool(X, np.zeros(len(X)))
