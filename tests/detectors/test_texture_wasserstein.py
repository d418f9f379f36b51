"""Texture distances find copies, are the formula they claim to be, and keep the manners."""

import pickle

import numpy as np
import pytest
from numpy.typing import NDArray

from reference_worlds import ReferenceWorld, reference_world
from vestige.detectors.texture_wasserstein import (
    CalibratedTexture,
    TexturePairs,
    TextureWasserstein,
)
from vestige.features.texture import STARTS, Texture
from vestige.registry.entries import InputError
from vestige.stats.intervals import auc
from vestige.stats.power import null_sd
from vestige.stats.wasserstein import l1_parts
from vestige.types import Images

N = 24
"""Images to judge, per class; as many again are of known status."""


def small_world(name: str) -> ReferenceWorld:
    """48 used, 48 unused, 24 reference, 96 generated: noisy copies of the used, or fresh."""
    full = reference_world(name, 0)
    generated = full.generated[:96]
    if name == "copy":
        noise = np.random.default_rng(1).normal(0, 4 / 255, (96, 32, 32))
        generated = np.clip(np.tile(full.used[:48], (2, 1, 1)) + noise, 0, 1).astype(np.float32)
    return ReferenceWorld(full.used[:48], full.unused[:48], full.reference[:24], generated)


@pytest.fixture(scope="module")
def copied() -> ReferenceWorld:
    return small_world("copy")


@pytest.fixture(scope="module")
def fresh() -> ReferenceWorld:
    return small_world("null")


def judged(world: ReferenceWorld) -> Images:
    return np.concatenate([world.used[:N], world.unused[:N]])


def separation(scores: NDArray[np.float64]) -> float:
    assert scores.dtype == np.float64
    assert scores.shape == (2 * N,)
    assert np.isfinite(scores).all()
    return auc(scores[:N], scores[N:])


# the label-free forms meet fresh images in the contract tests, 100 against 100
CHANCE = 4 * null_sd(N, N)


def test_the_nearest_texture_finds_copies(copied: ReferenceWorld) -> None:
    found = TextureWasserstein().fit(copied.generated).score_samples(judged(copied))
    assert separation(found) > 0.95
    assert found.max() < 0


def test_calibration_by_a_reference_and_by_the_bag_finds_copies(copied: ReferenceWorld) -> None:
    detector = CalibratedTexture().fit(copied.generated, unused=copied.reference)
    assert separation(detector.score_samples(judged(copied))) > 0.95
    assert separation(detector.score_pool(judged(copied))) > 0.95


def test_the_pair_classifier_judges_images_it_did_not_learn_from(
    copied: ReferenceWorld, fresh: ReferenceWorld
) -> None:
    for world, least, most in ((copied, 0.9, 1.0), (fresh, 0.5 - CHANCE, 0.5 + CHANCE)):
        detector = TexturePairs(k=2).fit(world.generated, world.used[N:], world.unused[N:])
        assert least <= separation(detector.score_samples(judged(world))) <= most


# ---- the score is the formula


@pytest.fixture(scope="module")
def few() -> ReferenceWorld:
    world = reference_world("copy", 2)
    return ReferenceWorld(
        world.used[:6], world.unused[:6], world.reference[:5], world.generated[:20]
    )


def test_the_score_is_minus_the_smallest_mean_distance(few: ReferenceWorld) -> None:
    texture = Texture()
    pool, rows = texture.fit_transform(few.generated), texture.transform(few.used)
    means = np.array([l1_parts(row, pool, STARTS).mean(axis=1) * 19 for row in rows])
    detector = TextureWasserstein().fit(few.generated)
    np.testing.assert_allclose(detector.score_samples(few.used), -means.min(axis=1), rtol=1e-6)
    similarity, nearest = detector.nearest(few.used, 3)
    np.testing.assert_array_equal(nearest, np.argsort(means, axis=1)[:, :3])
    np.testing.assert_allclose(similarity, -np.sort(means, axis=1)[:, :3], rtol=1e-6)


def test_a_verbatim_copy_scores_zero(few: ReferenceWorld) -> None:
    generated = np.concatenate([few.generated, few.used[2:3]])
    scores = TextureWasserstein().fit(generated).score_samples(few.used)
    assert scores[2] == 0
    assert (np.delete(scores, 2) < 0).all()


def test_calibration_adds_the_distance_to_the_nearest_unused(few: ReferenceWorld) -> None:
    detector = CalibratedTexture().fit(few.generated, unused=few.reference)
    plain = TextureWasserstein().fit(few.generated).score_samples(few.used)
    rows, pool = (detector.texture_.transform(x) for x in (few.used, few.reference))
    usual = np.abs(rows[:, None].astype(float) - pool).sum(axis=2).min(axis=1)
    np.testing.assert_allclose(detector.score_samples(few.used), usual + plain, rtol=1e-6)


def test_in_a_bag_the_own_patient_is_no_reference(few: ReferenceWorld) -> None:
    cohort = np.concatenate([few.used, few.unused])
    groups = np.arange(len(cohort))
    detector = CalibratedTexture().fit(few.generated)
    alone = detector.score_pool(cohort, groups)
    near = np.clip(cohort[:1] + np.float32(2 / 255), 0, 1)
    more = np.concatenate([cohort, near])
    assert detector.score_pool(more, np.append(groups, 0))[0] == alone[0]
    assert detector.score_pool(more, np.append(groups, 99))[0] < alone[0] - 0.1
    order = np.random.default_rng(0).permutation(len(cohort))
    np.testing.assert_array_equal(detector.score_pool(cohort[order], groups[order]), alone[order])
    with pytest.raises(InputError, match="at least two groups"):
        detector.score_pool(cohort[:3], np.zeros(3))


# ---- pairs


@pytest.fixture(scope="module")
def pairs(few: ReferenceWorld) -> TexturePairs:
    return TexturePairs(pairs="random").fit(few.generated, few.used, few.unused)


def test_every_real_meets_the_same_drawn_images(few: ReferenceWorld, pairs: TexturePairs) -> None:
    values = pairs.pair_logits(few.used)
    assert values.shape == (6, 20)
    np.testing.assert_array_equal(pairs.score_samples(few.used), values.mean(axis=1))
    probability = (1 / (1 + np.exp(-values))).mean(axis=1)
    np.testing.assert_array_equal(pairs.paper_rule(few.used), probability > 0.5)
    assert pairs.paper_rule(np.concatenate([few.used, few.unused])).std() > 0


def test_the_largest_logit_is_an_option(few: ReferenceWorld) -> None:
    detector = TexturePairs(k=2, aggregate="max").fit(few.generated, few.used, few.unused)
    values = detector.pair_logits(few.unused)
    assert values.shape == (6, 2)
    np.testing.assert_array_equal(detector.score_samples(few.unused), values.max(axis=1))
    with pytest.raises(InputError, match="the paper's rule is over random pairs"):
        detector.paper_rule(few.used)


def test_the_order_of_what_is_learned_changes_nothing(
    few: ReferenceWorld, pairs: TexturePairs
) -> None:
    turned = TexturePairs(pairs="random").fit(few.generated[::-1], few.used[::-1], few.unused[::-1])
    np.testing.assert_allclose(
        turned.score_samples(few.reference[::-1])[::-1],
        pairs.score_samples(few.reference),
        rtol=1e-4,
    )


def test_labels_are_used(few: ReferenceWorld, pairs: TexturePairs) -> None:
    swapped = TexturePairs(pairs="random").fit(few.generated, few.unused, few.used)
    np.testing.assert_allclose(
        swapped.score_samples(few.reference), -pairs.score_samples(few.reference), atol=1e-5
    )


@pytest.mark.parametrize("missing", ["used", "unused"])
def test_pairs_need_both_labels(few: ReferenceWorld, missing: str) -> None:
    known = {"used": few.used, "unused": few.unused} | {missing: None}
    with pytest.raises(InputError, match=f"texture_pairs learns .* got no {missing} ones"):
        TexturePairs().fit(few.generated, **known)


# ---- manners


def test_scores_ignore_company_and_survive_pickling(
    few: ReferenceWorld, pairs: TexturePairs
) -> None:
    for detector in (pairs, TextureWasserstein().fit(few.generated)):
        together = detector.score_samples(few.used)
        assert np.ptp(together) > 0
        np.testing.assert_array_equal(detector.score_samples(few.used[3:4]), together[3:4])
        copy = pickle.loads(pickle.dumps(detector))  # noqa: S301
        np.testing.assert_array_equal(copy.score_samples(few.used), together)
        assert "_=" not in repr(detector)


def test_one_generated_image_is_enough(few: ReferenceWorld) -> None:
    one = few.generated[:1]
    assert np.isfinite(TextureWasserstein().fit(one).score_samples(few.used)).all()
    learned = TexturePairs().fit(one, few.used, few.unused)
    assert np.isfinite(learned.score_samples(few.reference)).all()


def test_what_cannot_be_done_is_refused(few: ReferenceWorld) -> None:
    with pytest.raises(InputError, match="unknown pairs 'all'. Known: nearest, random"):
        TexturePairs(pairs="all")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="unknown aggregate 'sum'. Known: mean, max"):
        TexturePairs(aggregate="sum")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="k must be 1 or more"):
        TexturePairs(k=0).fit(few.generated, few.used, few.unused)
    with pytest.raises(InputError, match=r"unused real images .* fit\(generated, unused"):
        CalibratedTexture().fit(few.generated).score_samples(few.used)
    for detector in (TextureWasserstein(), CalibratedTexture(), TexturePairs()):
        with pytest.raises(RuntimeError, match=r"call fit\(generated\) before scoring"):
            detector.score_samples(few.used)
