"""Copies put into the generated set must be found again; the levels say which ones are."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from small_audits import QUICK, small_audit, small_world, strangers
from vestige.checks.levels import LEVELS
from vestige.checks.planted import (
    Planted,
    judge_planted,
    plant,
    planted_check,
    with_sources,
)
from vestige.checks.rerun import AuditRerun
from vestige.detectors import DETECTORS
from vestige.registry.entries import InputError, create
from vestige.schema.records import LevelCode, PlantedLevel
from vestige.scoring.plan import plan_columns
from vestige.scoring.score_cache import open_kept_scores
from vestige.types import Bools, Detector, Images, Ints, PoolDetector


@pytest.mark.parametrize("reference", [True, False])
@pytest.mark.parametrize("name", ["null", "copy"])
def test_verbatim_copies_are_found(name: str, reference: bool) -> None:
    comparison = small_world(name, reference=reference)
    rerun = comparison.audited
    before = rerun.columns.copy(), rerun.generated.copy()
    row = planted_check(comparison)
    assert row.state == "passed"
    assert list(row.details) == [level.name for level in LEVELS.values()]
    verbatim = row.details["unchanged"]
    assert (verbatim.value, verbatim.n) == (1.0, 20)
    assert verbatim.low == pytest.approx(0.025 ** (1 / 20))  # Clopper-Pearson, all of 20
    assert {share.n for share in row.details.values()} == {20}
    # the verdict rests on the audit's own columns and generated set: they are as they were
    np.testing.assert_array_equal(rerun.columns, before[0])
    np.testing.assert_array_equal(rerun.generated, before[1])


def test_an_audit_that_sees_no_copies_is_insensitive() -> None:
    # a logistic regression on 64 components does not look at single images
    row = planted_check(small_world("null", detectors=["two_sample_classifier"]))
    assert row.state == "failed"
    assert row.details["unchanged"].value < 0.9
    assert row.vetoes.startswith("that nothing was found: only ")


def sources_of(rerun: AuditRerun, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Groups of the sources, of the unused that are left, and of all that is in the cohort."""
    cohort = with_sources(rerun, np.random.default_rng(seed)).cohort
    return cohort.groups[cohort.targets], cohort.groups[cohort.calibration], cohort.groups


def test_sources_from_the_controls_calibrate_no_longer_and_are_one_per_group() -> None:
    groups = np.r_[np.repeat(np.arange(30), 2), 100 + np.arange(60)]
    groups[60:80] = 100 + np.arange(20) // 2  # ten calibration patients of two images
    rerun = small_world("null", groups=groups).audited
    sources, calibration, everyone = sources_of(rerun)
    assert len(sources) == len(set(sources)) == 20
    assert not set(sources) & set(calibration)
    assert len(set(sources) | set(calibration)) == 50
    assert len(everyone) == len(rerun.cohort.groups)  # a source's other images stay in the cohort
    assert np.isin(everyone, sources).sum() > 20  # but neither are judged nor calibrate
    again = sources_of(rerun)[0]
    np.testing.assert_array_equal(sources, again)
    assert set(sources) != set(sources_of(rerun, 1)[0])


def test_sources_from_the_reference_leave_it() -> None:
    rerun = small_world("null", reference=True).audited
    assert rerun.reference is not None
    chosen = with_sources(rerun, np.random.default_rng(0))
    cohort, left = chosen.cohort, chosen.reference
    assert left is not None
    reals = np.concatenate([rerun.cohort.images, rerun.reference])
    np.testing.assert_array_equal(reals[chosen.rows], cohort.images[cohort.targets])
    assert (cohort.targets.sum(), len(left), cohort.calibration.sum()) == (20, 40, 60)
    stayed = {image.tobytes() for image in left}
    for source in cohort.images[cohort.targets]:
        assert source.tobytes() not in stayed
        assert source.tobytes() in {image.tobytes() for image in rerun.reference}
    assert len(np.unique(cohort.groups)) == 140
    # a reference of the candidates' own patients has no groups of its own: unused are taken
    shared = replace(rerun, reference_groups=np.arange(60))
    chosen = with_sources(shared, np.random.default_rng(0))
    assert chosen.reference is rerun.reference
    assert chosen.cohort.calibration.sum() == 40
    np.testing.assert_array_equal(chosen.rows, np.flatnonzero(chosen.cohort.targets))


@pytest.mark.parametrize(
    ("generated", "sources"), [(100, 20), (2_900, 29), (20_000, 50)]
)  # 1 % of the set, not below 20 (nor above 50)
def test_number_of_sources(generated: int, sources: int) -> None:
    rerun = small_audit(
        strangers(10, 1), strangers(90, 2), strangers(20, 3), detectors=QUICK
    ).audited
    many = np.broadcast_to(rerun.generated[:1], (generated, 16, 16))
    assert len(sources_of(replace(rerun, generated=many))[0]) == sources


@pytest.mark.parametrize(
    ("calibration", "says"),
    [
        (18, "19 groups of calibration images or more"),
        (21, "22 groups of calibration images"),
        (22, ""),
    ],
)
def test_few_controls(calibration: int, says: str) -> None:
    rerun = small_world("null").audited
    few = rerun.cohort.calibration & (np.arange(120) >= 120 - calibration)
    rerun = replace(rerun, cohort=replace(rerun.cohort, calibration=few))
    if says:
        with pytest.raises(InputError, match=says):
            sources_of(rerun)
    else:
        sources, left, _ = sources_of(rerun)
        assert (len(sources), len(left)) == (3, 19)
        row = planted_check(replace(small_world("null"), rerun=rerun))
        assert row.details["unchanged"].n == 3
        assert len(row.details) == len(LEVELS)


def test_only_cheap_columns_are_asked_again() -> None:
    def cheap(*names: str, trained: tuple[str, ...] = ()) -> list[str]:
        plan = plan_columns(names, has_reference=True)
        rerun = replace(small_world("null").audited, plan=plan, trained=trained)
        return [column.name for column in rerun.cheap_plan]

    assert cheap("calibrated_distance_5", "density_ratio") == ["calibrated_distance_5"]
    assert cheap("density_ratio", "nearest_distance") == ["density_ratio", "nearest_distance"]
    model = ("density_ratio",)
    assert cheap("density_ratio", "nearest_distance", trained=model) == ["nearest_distance"]
    with pytest.raises(InputError, match="a trained model compares only with"):
        cheap("density_ratio", trained=model)


def test_repeats_with_the_seed() -> None:
    null = small_world("null", 1)
    assert plant(null) == plant(null)


def test_names_of_groups_move_nothing() -> None:
    comparison = small_world("copy", 1, reference=True)
    rerun, words = comparison.audited, np.array([f"patient {997 - g}" for g in range(60)])
    renamed = replace(
        rerun,
        cohort=replace(rerun.cohort, groups=rerun.cohort.groups[::-1]),
        reference_groups=words,
    )
    assert plant(replace(comparison, rerun=renamed)) == plant(comparison)


def test_every_level_has_all_sources_and_is_planted_alone() -> None:
    comparison = small_world("null", reference=True)
    rerun = comparison.audited
    reals = np.concatenate([rerun.cohort.images, rerun.reference])
    asked: list[np.ndarray] = []

    def named(copies: Images, rows: Ints) -> Bools:
        asked.append(copies)
        assert copies.shape == (20, 16, 16)
        if len(asked) == 1:
            np.testing.assert_array_equal(copies, reals[rows])
        if len(asked) == 3:
            np.testing.assert_array_equal(copies, reals[rows][:, :, ::-1])
        return np.arange(20) < len(asked)

    planted = plant(comparison, named)
    assert [row.level for row in planted.levels] == list(LEVELS)
    assert {row.sources for row in planted.levels} == {20}
    assert [row.named for row in planted.levels] == list(range(1, 12))
    assert planted.copies == 1
    assert plant(comparison) == replace(
        planted, levels=tuple(replace(row, named=0) for row in planted.levels)
    )
    # what is found is what an audit of the grown set would find
    assert planted.levels[0].found == 20


def test_columns_that_search_the_whole_set_share_the_sources_in_one_pass() -> None:
    comparison = small_world("null", detectors=["two_sample_classifier"])
    rows = plant(comparison, required=("verbatim", "mirrored")).levels
    assert [row.level for row in rows] == list(LEVELS)
    assert [row.sources for row in rows[:3:2]] == [20, 20]
    assert sum(row.sources for row in rows) == 60


@pytest.mark.parametrize(
    ("mirrored", "required", "says"),
    [
        (18, ("verbatim", "mirrored"), "none: 18 of 20 images with 1 copy (mirrored)"),
        (17, ("verbatim", "mirrored"), "that nothing was found: only 17 of 20 images with 1 copy"),
        (0, ("verbatim",), "none: 20 of 20 images with 1 copy (unchanged)"),
    ],
)
def test_required_levels_decide(mirrored: int, required: tuple[LevelCode, ...], says: str) -> None:
    levels = PlantedLevel("verbatim", 20, 20, 20), PlantedLevel("mirrored", 20, mirrored, 0)
    row = judge_planted(Planted(levels, 1), required)
    assert row.vetoes.startswith(says)
    assert row.passed == says.startswith("none")
    assert row.details["mirrored"].value == mirrored / 20


@pytest.mark.parametrize("reference", [True, False])
def test_plain_and_equal_images_are_no_sources(reference: bool) -> None:
    comparison = small_world("null", reference=reference)
    rerun = comparison.audited
    source = rerun.reference if reference else rerun.cohort.images
    assert source is not None
    given = source.copy()
    unused = np.flatnonzero(rerun.cohort.calibration) if not reference else np.arange(60)
    given[unused[:25]] = 0.25  # blank, all equal
    given[unused[25:50]] = given[unused[50]]  # equal to the next
    few = (
        replace(rerun, reference=given)
        if reference
        else replace(rerun, cohort=replace(rerun.cohort, images=given))
    )
    cohort = with_sources(few, np.random.default_rng(0)).cohort
    chosen = cohort.images[cohort.targets]
    assert len(np.unique(chosen.reshape(len(chosen), -1), axis=0)) == len(chosen) == 10
    assert (chosen.std(axis=(1, 2)) > 2 / 255).all()
    # where all are plain, plain ones are better than none
    given[unused] = np.linspace(0.1, 0.9, 60, dtype=np.float32)[:, None, None]
    cohort = with_sources(few, np.random.default_rng(0)).cohort
    assert cohort.targets.sum() == 20
    given[unused[4:]] = given[unused[0]]
    assert with_sources(few, np.random.default_rng(0)).cohort.targets.sum() == 4
    given[unused[2:]] = given[unused[0]]
    with pytest.raises(InputError, match="3 unused images that differ.*found 2"):
        with_sources(few, np.random.default_rng(0))


def test_sources_are_one_per_group_where_nearly_all_are_plain() -> None:
    groups = np.r_[np.arange(60), 100 + np.arange(60) // 2]
    rerun = small_world("null", groups=groups).audited
    images = rerun.cohort.images.copy()
    images[61:] = np.linspace(0.1, 0.9, 59, dtype=np.float32)[:, None, None]
    cohort = with_sources(
        replace(rerun, cohort=replace(rerun.cohort, images=images)), np.random.default_rng(0)
    ).cohort
    chosen = cohort.groups[cohort.targets]
    assert len(chosen) == len(set(chosen)) == 11


def test_what_the_cache_keeps_is_recalled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = small_world("copy", 3)
    kept = open_kept_scores(tmp_path, "question")
    comparison = replace(comparison, rerun=replace(comparison.audited, kept=kept))
    first = plant(comparison)
    assert first == plant(small_world("copy", 3))

    def refuse(*given: object, **more: object) -> Any:
        raise AssertionError("computed again")

    with monkeypatch.context() as patch:
        patch.setattr("vestige.checks.rerun.score_columns", refuse)
        assert plant(comparison) == first
        with pytest.raises(AssertionError, match="computed again"):
            plant(replace(comparison, seed=1))  # other sources


def test_what_the_audit_has_found_is_not_searched_again() -> None:
    """The same bits, whether a detector comes from the audit or scores again (a resumed audit)."""
    comparison = small_world("null", 2)
    rerun = comparison.audited
    fitted: dict[str, Detector] = {}
    for column in rerun.plan:
        detector = create(DETECTORS, column.detector, "detector", **column.options)
        detector.fit(rerun.generated)
        if isinstance(detector, PoolDetector):
            detector.score_pool(rerun.cohort.images, rerun.cohort.group_index)
        else:
            detector.score_samples(rerun.cohort.images)
        fitted[column.name] = detector
    cohort = with_sources(rerun, np.random.default_rng(0)).cohort
    copies = cohort.images[cohort.targets]
    again = rerun.scorer(cohort, None)(copies)
    ready = replace(rerun, fitted=fitted).scorer(cohort, None)
    np.testing.assert_array_equal(ready(copies), again)
    np.testing.assert_array_equal(ready(copies), again)  # copies of one pass are not in the next
    whole = np.concatenate([rerun.generated, copies])
    np.testing.assert_allclose(again, rerun.score(whole, cohort, None, copies), atol=1e-5)
