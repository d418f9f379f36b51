"""Copies put into the generated set must be found again; the ladder says down to which."""

from dataclasses import replace

import numpy as np
import pytest

from small_audits import QUICK, small_audit, small_world, strangers
from vestige.choices import InputError, build
from vestige.controls.pipeline import Pipeline
from vestige.controls.planted import (
    LADDER,
    blended,
    planted_control,
    saved_again,
    shifted,
    turned,
    with_sources,
)
from vestige.detectors import DETECTORS
from vestige.detectors.columns import plan_columns
from vestige.types import Detector, PoolDetector


@pytest.mark.parametrize("reference", [True, False])
@pytest.mark.parametrize("name", ["null", "copy"])
def test_verbatim_copies_are_found(name: str, reference: bool) -> None:
    comparison = small_world(name, reference=reference)
    pipeline = comparison.audited
    before = pipeline.columns.copy(), pipeline.generated.copy()
    row = planted_control(comparison)
    assert row.state == "passed"
    assert list(row.details) == ["verbatim", *LADDER]
    verbatim = row.details["verbatim"]
    assert (verbatim.value, verbatim.n) == (1.0, 20)
    assert verbatim.low == pytest.approx(0.025 ** (1 / 20))  # Clopper-Pearson, all of 20
    assert sum(row.details[rung].n for rung in LADDER) == 20
    # the verdict rests on the audit's own columns and generated set: they are as they were
    np.testing.assert_array_equal(pipeline.columns, before[0])
    np.testing.assert_array_equal(pipeline.generated, before[1])


def test_an_audit_that_sees_no_copies_is_insensitive() -> None:
    # a logistic regression on 64 components does not look at single images
    row = planted_control(small_world("null", detectors=["two_sample_classifier"]))
    assert row.state == "failed"
    assert row.details["verbatim"].value < 0.9
    assert row.vetoes.startswith("that nothing was found: only ")


def sources_of(pipeline: Pipeline, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Groups of the sources, of the controls that are left, and of all that is in the bag."""
    bag, _ = with_sources(pipeline, np.random.default_rng(seed))
    return bag.groups[bag.judged], bag.groups[bag.control], bag.groups


def test_sources_from_the_controls_calibrate_no_longer_and_are_one_per_group() -> None:
    groups = np.r_[np.repeat(np.arange(30), 2), 100 + np.arange(60)]
    groups[60:80] = 100 + np.arange(20) // 2  # ten control patients of two images
    pipeline = small_world("null", groups=groups).audited
    sources, controls, everyone = sources_of(pipeline)
    assert len(sources) == len(set(sources)) == 20
    assert not set(sources) & set(controls)
    assert len(set(sources) | set(controls)) == 50
    assert len(everyone) == len(pipeline.bag.groups)  # a source's other images stay in the bag
    assert np.isin(everyone, sources).sum() > 20  # but neither are judged nor calibrate
    again = sources_of(pipeline)[0]
    np.testing.assert_array_equal(sources, again)
    assert set(sources) != set(sources_of(pipeline, 1)[0])


def test_sources_from_the_reference_leave_it() -> None:
    pipeline = small_world("null", reference=True).audited
    assert pipeline.reference is not None
    bag, left = with_sources(pipeline, np.random.default_rng(0))
    assert left is not None
    assert (bag.judged.sum(), len(left), bag.control.sum()) == (20, 40, 60)
    stayed = {image.tobytes() for image in left}
    for source in bag.images[bag.judged]:
        assert source.tobytes() not in stayed
        assert source.tobytes() in {image.tobytes() for image in pipeline.reference}
    assert len(np.unique(bag.groups)) == 140
    # a reference of the suspects' own patients has no groups of its own: controls are taken
    shared = replace(pipeline, reference_groups=np.arange(60))
    bag, left = with_sources(shared, np.random.default_rng(0))
    assert left is pipeline.reference
    assert bag.control.sum() == 40


@pytest.mark.parametrize(
    ("generated", "sources"), [(100, 20), (2_900, 29), (20_000, 50)]
)  # 1 % of the set, not below 20 (nor above 50)
def test_number_of_sources(generated: int, sources: int) -> None:
    pipeline = small_audit(
        strangers(10, 1), strangers(90, 2), strangers(20, 3), detectors=QUICK
    ).audited
    many = np.broadcast_to(pipeline.generated[:1], (generated, 16, 16))
    assert len(sources_of(replace(pipeline, generated=many))[0]) == sources


@pytest.mark.parametrize(
    ("controls", "says"),
    [(18, "19 groups of controls or more"), (21, "22 groups of controls"), (22, "")],
)
def test_few_controls(controls: int, says: str) -> None:
    pipeline = small_world("null").audited
    few = pipeline.bag.control & (np.arange(120) >= 120 - controls)
    pipeline = replace(pipeline, bag=replace(pipeline.bag, control=few))
    if says:
        with pytest.raises(InputError, match=says):
            sources_of(pipeline)
    else:
        sources, left, _ = sources_of(pipeline)
        assert (len(sources), len(left)) == (3, 19)
        row = planted_control(replace(small_world("null"), pipeline=pipeline))
        assert row.details["verbatim"].n == 3
        assert set(row.details) < {"verbatim", *LADDER}  # a rung that got no image has no share


def test_only_cheap_columns_are_asked_again() -> None:
    def cheap(*names: str, trained: tuple[str, ...] = ()) -> list[str]:
        plan = plan_columns(names, has_reference=True)
        pipeline = replace(small_world("null").audited, plan=plan, trained=trained)
        return [column.name for column in pipeline.cheap_plan]

    assert cheap("calibrated_distance_5", "density_ratio") == ["calibrated_distance_5"]
    assert cheap("density_ratio", "nearest_distance") == ["density_ratio", "nearest_distance"]
    model = ("density_ratio",)
    assert cheap("density_ratio", "nearest_distance", trained=model) == ["nearest_distance"]
    with pytest.raises(InputError, match="a trained model compares only with"):
        cheap("density_ratio", trained=model)


def test_the_ladder() -> None:
    images, partners = strangers(3, 7), strangers(3, 8)
    moved = shifted(images, partners)
    np.testing.assert_array_equal(moved[:, 2:, 2:], images[:, :-2, :-2])
    np.testing.assert_array_equal(moved[:, 0, 2:], images[:, 0, :-2])
    np.testing.assert_allclose(blended(images, partners), 0.7 * images + 0.3 * partners, atol=1e-6)
    saved = saved_again(images, partners)
    assert 0 < np.abs(saved - images).max() < 0.2
    np.testing.assert_allclose(saved * 255, np.rint(saved * 255), atol=1e-4)  # 8 bits
    there = turned(images, partners)
    middle = images[:, 7:9, 7:9].mean(axis=(1, 2))  # turned about it
    np.testing.assert_allclose(there[:, 7:9, 7:9].mean(axis=(1, 2)), middle, atol=0.02)
    assert np.abs(there - images).max() > 0.02
    for copy in LADDER.values():
        assert copy(images, partners).dtype == np.float32
        assert copy(images[:0], partners[:0]).shape == (0, 16, 16)


def test_repeats_with_the_seed() -> None:
    null = small_world("null", 1)
    assert planted_control(null) == planted_control(null)


def test_what_the_audit_has_found_is_not_searched_again() -> None:
    """The same bits, whether a detector comes from the audit or scores again (a resumed audit)."""
    comparison = small_world("null", 2)
    pipeline = comparison.audited
    fitted: dict[str, Detector] = {}
    for column in pipeline.plan:
        detector = build(DETECTORS, column.detector, "detector", **column.options)
        detector.fit(pipeline.generated)
        if isinstance(detector, PoolDetector):
            detector.score_pool(pipeline.bag.images, pipeline.bag.units)
        else:
            detector.score_samples(pipeline.bag.images)
        fitted[column.name] = detector
    bag, _ = with_sources(pipeline, np.random.default_rng(0))
    copies = bag.images[bag.judged]
    again = pipeline.scorer(bag, None)(copies)
    ready = replace(pipeline, fitted=fitted).scorer(bag, None)
    np.testing.assert_array_equal(ready(copies), again)
    np.testing.assert_array_equal(ready(copies), again)  # copies of one pass are not in the next
    whole = np.concatenate([pipeline.generated, copies])
    np.testing.assert_allclose(again, pipeline.score(whole, bag, None, copies), atol=1e-5)
