"""reconstruction_ratio against the singular value decomposition of numpy."""

import numpy as np
import pytest

from reference_worlds import reference_world
from vestige.detectors import ReconstructionRatio
from vestige.types import Floats, Images

WORLD = reference_world("copy", 5)
G, R = WORLD.generated[:120], WORLD.reference[:80]
X = np.concatenate([WORLD.used[:10], WORLD.unused[:10]])


def residual(train: Images, images: Images, rank: int) -> Floats:
    rows = train.reshape(len(train), -1).astype(np.float64)
    mean = rows.mean(axis=0)
    span = np.linalg.svd(rows - mean, full_matrices=False)[2][:rank]
    centred = images.reshape(len(images), -1).astype(np.float64) - mean
    return np.asarray(((centred - centred @ span.T @ span) ** 2).sum(axis=1))


@pytest.mark.parametrize("dims", [1, 8, 32])
def test_equals_two_decompositions(dims: int) -> None:
    wanted = np.log(residual(R, X, dims)) - np.log(residual(G, X, dims))
    found = ReconstructionRatio(dims=dims).fit(G, unused=R).score_samples(X)
    # the covariance is summed in float32; the spaces then differ by a few 1e-6
    np.testing.assert_allclose(found, wanted, atol=2e-5)


@pytest.mark.parametrize(("m", "r", "rank"), [(120, 30, 15), (20, 80, 10), (3, 2, 1)])
def test_the_rank_is_half_of_the_smaller_set_at_most(m: int, r: int, rank: int) -> None:
    wanted = np.log(residual(R[:r], X, rank)) - np.log(residual(G[:m], X, rank))
    found = ReconstructionRatio().fit(G[:m], unused=R[:r]).score_samples(X)
    np.testing.assert_allclose(found, wanted, atol=2e-5)


def test_the_bag_is_its_own_reference() -> None:
    wanted = np.log(residual(X, X, 10)) - np.log(residual(G, X, 10))
    found = ReconstructionRatio().fit(G).score_pool(X)
    np.testing.assert_allclose(found, wanted, atol=2e-5)


def test_swapping_flips_the_sign() -> None:
    forward = ReconstructionRatio().fit(G, unused=R).score_samples(X)
    backward = ReconstructionRatio().fit(R, unused=G).score_samples(X)
    np.testing.assert_allclose(backward, -forward, rtol=1e-9)


def test_an_image_in_the_span_of_the_generated_set_alone_scores_high() -> None:
    rng = np.random.default_rng(0)
    parts = rng.normal(size=(2, 256)).astype(np.float32) / 16
    generated = (rng.normal(size=(40, 2)).astype(np.float32) @ parts).reshape(40, 16, 16)
    inside = (np.array([[1.0, -1.0]], np.float32) @ parts).reshape(1, 16, 16)
    reference = rng.normal(size=(40, 16, 16)).astype(np.float32) / 16
    found = ReconstructionRatio(dims=2).fit(generated, unused=reference).score_samples(inside)
    assert found[0] > 15
    assert np.isfinite(found).all()
