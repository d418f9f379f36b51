"""What every detector must do; one that enters the dict is under test from that moment."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import vestige.detectors
from reference_worlds import ReferenceWorld, reference_world
from vestige.detectors import DETECTORS
from vestige.detectors.columns import Column, plan_columns, score_columns
from vestige.stats.intervals import auc
from vestige.stats.power import null_sd
from vestige.types import Detector, Floats, Images, PoolDetector

SEEDS = range(3)
# METHODS 0.4 gives these two less than .9 when each image is scored against a reference: in
# W-copy every generated image has one source, and most sources are met five times only
WEAKER = {"retrieval_count": 0.843 - 0.06, "mean_rank": 0.801 - 0.06}

by_reference = [name for name, choice in DETECTORS.items() if not choice.pool]
by_bag = [n for n, choice in DETECTORS.items() if isinstance(choice.build(), PoolDetector)]
every_detector = pytest.mark.parametrize("name", DETECTORS)
in_a_bag = pytest.mark.parametrize("name", by_bag)


def scores_of(name: str, world: ReferenceWorld, images: Images) -> Floats:
    """Reference form; the bag of the images alone where there is no other."""
    detector = DETECTORS[name].build().fit(world.generated, unused=world.reference)
    return detector.score_samples(images)


def bag_scores(name: str, generated: Images, bag: Images, groups: Any = None) -> Floats:
    detector = DETECTORS[name].build().fit(generated)
    assert isinstance(detector, PoolDetector)
    return detector.score_pool(bag, groups)


def mean_auc(world_name: str, score: Callable[[ReferenceWorld, Images], Floats]) -> float:
    found = []
    for seed in SEEDS:
        world = reference_world(world_name, seed)
        scores = score(world, np.concatenate([world.used, world.unused]))
        found.append(auc(scores[:100], scores[100:]))
    return float(np.mean(found))


@pytest.fixture(scope="module")
def small() -> ReferenceWorld:
    """A world of 16 used, 16 unused, 40 reference and 80 generated images of 16 px."""
    w = reference_world("copy", 7)
    used, unused, reference, generated = (
        np.ascontiguousarray(images[:n, ::2, ::2])
        for images, n in ((w.used, 16), (w.unused, 16), (w.reference, 40), (w.generated, 80))
    )
    return ReferenceWorld(used, unused, reference, generated)


@pytest.fixture(scope="module")
def bag(small: ReferenceWorld) -> Images:
    return np.concatenate([small.used, small.unused])


def assert_same(found: Floats, wanted: Floats) -> None:
    """Equal up to what another order of float32 sums can do."""
    scale = max(float(np.abs(wanted).max()), 1e-6)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5 * scale)


@pytest.mark.parametrize("name", by_reference)
def test_finds_what_a_copier_used(name: str) -> None:
    assert mean_auc("copy", lambda w, x: scores_of(name, w, x)) > WEAKER.get(name, 0.9)


@in_a_bag
def test_finds_what_a_copier_used_in_a_bag(name: str) -> None:
    assert mean_auc("copy", lambda w, x: bag_scores(name, w.generated, x)) > 0.9


# Four standard deviations of the mean of independent seeds under chance: a right detector fails
# with probability 6e-5, per detector and form.
CHANCE = 4 * null_sd(100, 100) / np.sqrt(len(SEEDS))


@pytest.mark.parametrize("name", by_reference)
def test_finds_nothing_where_nothing_is(name: str) -> None:
    assert abs(mean_auc("null", lambda w, x: scores_of(name, w, x)) - 0.5) < CHANCE


@in_a_bag
def test_finds_nothing_in_a_bag_where_nothing_is(name: str) -> None:
    assert abs(mean_auc("null", lambda w, x: bag_scores(name, w.generated, x)) - 0.5) < CHANCE


@pytest.mark.parametrize("name", by_reference)
def test_a_score_ignores_the_other_queries(name: str, small: ReferenceWorld, bag: Images) -> None:
    together = scores_of(name, small, bag)
    assert np.ptp(together) > 0
    assert_same(scores_of(name, small, bag[3:4]), together[3:4])
    assert_same(scores_of(name, small, bag[::-1]), together[::-1])
    assert_same(scores_of(name, small, np.concatenate([bag[3:5]] * 2))[2:], together[3:5])


@in_a_bag
def test_reordering_the_bag_reorders_the_scores(
    name: str, small: ReferenceWorld, bag: Images
) -> None:
    groups = np.arange(len(bag)) // 2
    order = np.random.default_rng(1).permutation(len(bag))
    scores = bag_scores(name, small.generated, bag, groups)
    assert np.ptp(scores) > 0
    assert_same(bag_scores(name, small.generated, bag[order], groups[order]), scores[order])


@in_a_bag
def test_names_of_groups_do_not_matter(name: str, small: ReferenceWorld, bag: Images) -> None:
    numbers = np.arange(len(bag)) // 2
    words = np.array([f"patient {97 - g}" for g in numbers])
    assert_same(
        bag_scores(name, small.generated, bag, words),
        bag_scores(name, small.generated, bag, numbers),
    )


@every_detector
def test_reordering_the_generated_set_changes_nothing(
    name: str, small: ReferenceWorld, bag: Images
) -> None:
    turned = ReferenceWorld(small.used, small.unused, small.reference[::-1], small.generated[::-1])
    assert_same(scores_of(name, turned, bag), scores_of(name, small, bag))


@every_detector
def test_repeats_bit_for_bit(name: str, small: ReferenceWorld, bag: Images) -> None:
    np.testing.assert_array_equal(scores_of(name, small, bag), scores_of(name, small, bag))
    if name in by_bag:
        np.testing.assert_array_equal(
            bag_scores(name, small.generated, bag), bag_scores(name, small.generated, bag)
        )


@every_detector
def test_gives_one_float_per_image_and_leaves_its_input_alone(
    name: str, small: ReferenceWorld, bag: Images
) -> None:
    before = [x.copy() for x in (small.generated, small.reference, bag)]
    detector = DETECTORS[name].build()
    assert detector.fit(small.generated, unused=small.reference) is detector
    scores = detector.score_samples(bag)
    assert scores.dtype == np.float64
    assert scores.shape == (len(bag),)
    if name in by_bag:
        in_bag = bag_scores(name, small.generated, bag)
        assert in_bag.dtype == np.float64
        assert in_bag.shape == (len(bag),)
    for array, copy in zip((small.generated, small.reference, bag), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@in_a_bag
def test_a_bag_changed_in_place_is_scored_anew(
    name: str, small: ReferenceWorld, bag: Images
) -> None:
    detector = DETECTORS[name].build().fit(small.generated)
    assert isinstance(detector, PoolDetector)
    changing = bag.copy()
    detector.score_pool(changing)
    changing[:] = bag[::-1]
    np.testing.assert_array_equal(
        detector.score_pool(changing), bag_scores(name, small.generated, bag[::-1].copy())
    )


@every_detector
def test_fitting_again_forgets(name: str, small: ReferenceWorld, bag: Images) -> None:
    detector = DETECTORS[name].build().fit(small.generated[:40], unused=small.unused)
    detector.score_samples(bag)
    detector.fit(small.generated, unused=small.reference)
    np.testing.assert_array_equal(detector.score_samples(bag), scores_of(name, small, bag))


@every_detector
def test_label_free_detectors_ignore_the_used(
    name: str, small: ReferenceWorld, bag: Images
) -> None:
    assert not DETECTORS[name].needs_labels
    detector = DETECTORS[name].build().fit(small.generated, small.used, small.reference)
    np.testing.assert_array_equal(detector.score_samples(bag), scores_of(name, small, bag))


@every_detector
def test_survives_pickling(name: str, small: ReferenceWorld, bag: Images) -> None:
    fresh = pickle.loads(pickle.dumps(DETECTORS[name].build()))  # noqa: S301
    assert fresh == DETECTORS[name].build()
    detector = DETECTORS[name].build().fit(small.generated, unused=small.reference)
    copy = pickle.loads(pickle.dumps(detector))  # noqa: S301
    np.testing.assert_array_equal(copy.score_samples(bag), detector.score_samples(bag))


@every_detector
def test_building_only_stores(name: str, small: ReferenceWorld) -> None:
    first, second = DETECTORS[name].build(), DETECTORS[name].build()
    assert first == second
    shown = repr(first)
    assert "_=" not in shown
    first.fit(small.generated, unused=small.reference)
    assert repr(first) == shown
    assert first == second  # equal settings; what was learned is not compared
    assert DETECTORS[name].build(size=24) != second


@every_detector
def test_follows_its_protocol(name: str) -> None:
    choice = DETECTORS[name]
    detector = choice.build()
    assert isinstance(detector, Detector)
    assert isinstance(detector, PoolDetector) or not choice.pool
    assert choice.summary
    assert choice.weight > 0
    assert choice.columns


@pytest.mark.parametrize("name", vestige.detectors.__all__)
def test_every_public_name_loads(name: str) -> None:
    assert getattr(vestige.detectors, name) is not None


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Nearest"):
        _ = vestige.detectors.Nearest


@every_detector
def test_every_column_can_be_built_and_scored(
    name: str, small: ReferenceWorld, bag: Images
) -> None:
    for reference in (None, small.reference):
        if reference is None and DETECTORS[name].needs_reference and name not in by_bag:
            continue
        plan = plan_columns([name], has_reference=reference is not None)
        seen: dict[str, float] = {}
        columns, fitted = score_columns(
            plan, small.generated, reference, bag, np.arange(len(bag)), seen.__setitem__
        )
        assert columns.shape == (len(bag), len(plan))
        names = [column.name for column in plan]
        assert sorted(seen) == sorted(names)  # columns may be computed side by side
        assert sorted(fitted) == sorted(names)
        assert np.isfinite(columns).all()


def test_a_score_that_is_not_finite_is_refused(
    small: ReferenceWorld, bag: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def fit(self, generated: Any, used: Any = None, unused: Any = None) -> "Broken":
            return self

        def score_samples(self, images: Any) -> Floats:
            return np.append(np.ones(len(images) - 1), np.nan)

    broken = vestige.detectors.DetectorChoice("broken", Broken)
    monkeypatch.setitem(vestige.detectors.DETECTORS, "broken", broken)
    plan = [Column("broken", "broken", {}, 1.0, False)]
    with pytest.raises(ValueError, match="broken gave a score that is not finite for 1 of 32"):
        score_columns(plan, small.generated, None, bag, np.arange(32), lambda c, s: None)
