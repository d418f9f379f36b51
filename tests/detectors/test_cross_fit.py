"""Detectors that learn from labels: fitted without the group they score, tested within folds."""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pytest
from scipy.stats import binom

import vestige
from reference_worlds import reference_world
from small_detectors import small_detector
from vestige.detectors import DETECTORS, DetectorEntry
from vestige.registry.entries import InputError
from vestige.stats.permutation import set_tests, set_tests_in_folds
from vestige.stats.splits import group_folds
from vestige.types import Floats, Progress, quiet

FITS: list[set[bytes]] = []
SCORED: list[set[bytes]] = []


def digests(images: Any) -> set[bytes]:
    return {image.tobytes() for image in images}


@dataclass
class Centroids:
    """Which of two mean images is nearer: the simplest detector that learns from labels."""

    means_: tuple[Any, Any] | None = field(init=False, default=None)

    def fit(
        self,
        generated: Any,
        used: Any = None,
        unused: Any = None,
        *,
        groups_used: Any = None,
        groups_unused: Any = None,
        progress: Progress = quiet,
    ) -> Self:
        assert len(groups_used) == len(used)
        assert len(groups_unused) == len(unused)
        progress("learning", 1, 1)
        FITS.append(digests(used) | digests(unused))
        self.means_ = (used.mean(axis=0), unused.mean(axis=0))
        return self

    def score_samples(self, images: Any) -> Floats:
        SCORED.append(digests(images))
        assert self.means_ is not None
        far = [((images - mean) ** 2).sum(axis=(1, 2)) for mean in self.means_]
        return np.asarray(far[1] - far[0], np.float64)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = DetectorEntry("test", lambda **o: Centroids(), needs_labels=True)
    monkeypatch.setitem(DETECTORS, "centroids", choice)
    FITS.clear()
    SCORED.clear()


def test_no_image_is_scored_by_a_model_that_saw_its_group() -> None:
    world = reference_world("copy", 0)
    stages: set[str] = set()
    result = vestige.audit(
        generated=world.generated[:100],
        used=world.used[:30],
        unused=world.unused[:30],
        query=np.concatenate([world.used[30:40], world.unused[30:40]]),
        detectors=["centroids"],
        checks=False,  # those that ask the audit again fit it again
        progress=lambda stage, done, total: stages.add(stage),
    )
    assert {f"centroids, fold {n} of 5: learning" for n in range(1, 6)} <= stages
    assert len(FITS) == len(SCORED) == 5
    for fitted, scored in zip(FITS, SCORED, strict=True):
        assert scored
        assert not fitted & scored
    assert len(set.union(*SCORED)) == 80
    assert result.set_test is not None


def test_brighter_used_images_are_found_and_the_set_test_says_so() -> None:
    """(It is split bias, which the blind check then vetoes.)"""
    world = reference_world("shift", 0)
    result = vestige.audit(
        generated=world.generated[:50],
        used=np.clip(world.used + 0.15, 0, 1),
        unused=world.unused,
        detectors=["centroids"],
    )
    assert result.set_test is not None
    assert result.set_test.auc.value > 0.8
    assert result.set_test.p_value < 0.01
    assert result.decision.codes == ("check_failed",)


def test_what_has_learned_does_not_enter_the_label_free_set_test() -> None:
    world = reference_world("null", 1)

    def tested(*detectors: str) -> Any:
        test = vestige.audit(
            generated=world.generated[:100],
            used=world.used[:40],
            unused=world.unused[:40],
            detectors=list(detectors),
        ).set_test
        assert test is not None
        return test

    alone, beside = tested("nearest_distance"), tested("nearest_distance", "centroids")
    assert beside.auc == alone.auc
    assert beside.p_value == alone.p_value
    assert [d.name for d in beside.detectors] == ["nearest_distance", "centroids"]


def test_without_labels_the_user_is_told_what_to_give() -> None:
    world = reference_world("null", 0)
    with pytest.raises(InputError, match="centroids learns from labelled.*used= and unused="):
        vestige.audit(
            generated=world.generated[:50],
            query=world.used[:20],
            unused=world.unused[:30],
            detectors=["centroids"],
        )


def test_p_values_of_cross_fitted_scores_hold_where_nothing_is() -> None:
    """200 null data sets; more than 23 rejections at .05 come by chance with less than 1e-4."""
    allowed = int(binom.ppf(1 - 1e-4, 200, 0.05))
    rejected = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((60, 6))
        candidate = np.arange(60) < 30
        folds = group_folds(np.arange(60), 5, seed, candidate)
        scores = np.empty(60)
        for fold in range(5):
            inside = folds == fold
            direction = x[candidate & ~inside].mean(axis=0) - x[~candidate & ~inside].mean(axis=0)
            scores[inside] = x[inside] @ direction
        p = set_tests_in_folds(scores[:, None], candidate, folds, None, 199, seed)
        rejected += int(p[0] <= 0.05)
    assert rejected <= allowed


def test_one_fold_gives_twice_the_p_value_of_the_plain_test() -> None:
    rng = np.random.default_rng(3)
    columns, candidate = rng.standard_normal((40, 2)), np.arange(40) < 20
    plain = set_tests(columns, candidate, None, 999, 1)[0]
    folded = set_tests_in_folds(columns, candidate, np.zeros(40, int), None, 999, 1)
    np.testing.assert_allclose(folded, np.minimum(1, 2 * plain))


@pytest.mark.parametrize("name", ["texture_pairs", "cosine_logistic"])
def test_folds_share_what_was_made_of_the_generated_set(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, seen = reference_world("copy", 0), []
    generated = world.generated[:12]
    module = "features.texture" if name == "texture_pairs" else "features.backbones"
    owner = pytest.importorskip(f"vestige.{module}", reason="needs vestige[deep]")
    kind = owner.Texture if name == "texture_pairs" else owner.Backbone
    plain = kind.transform

    def transform(self: Any, images: Any) -> Any:
        seen.append(images.shape[0])
        return plain(self, images)

    monkeypatch.setattr(kind, "transform", transform)
    detector = small_detector(name, size=16 if name == "texture_pairs" else 32)
    for start in (0, 6):
        rows = slice(start, start + 6)
        detector.fit(generated, world.used[rows], world.unused[rows])
    assert seen.count(12) <= 1
    scores = detector.score_samples(world.used[20:24])
    again = small_detector(name, size=detector.size)
    again.fit(generated, world.used[6:12], world.unused[6:12])
    np.testing.assert_array_equal(again.score_samples(world.used[20:24]), scores)
    other = generated.copy()
    other[0] = 1 - other[0]
    detector.fit(other, world.used[6:12], world.unused[6:12])
    assert (detector.score_samples(world.used[20:24]) != scores).any()
