"""The preparation check: sees another preparation, names it, and does not see patients."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binom

import vestige
from vestige.checks import CHECKS, Comparison
from vestige.checks.kind_statistics import AXES, COLOUR, VOLUME
from vestige.checks.preparation import FEW_PATIENTS, mismatch_problems, without_patients
from vestige.checks.preparation_comparison import (
    CAUSES,
    Facts,
    compare,
    facts_of,
    facts_of_pixels,
    what_differs,
)
from vestige.images.reading import read_images
from vestige.images.stored_statistics import STATISTICS
from vestige.result import AuditResult
from vestige.schema.records import PreparationComparison
from vestige.types import Images
from vestige.worlds.phantom import chest_phantoms

PHANTOMS, PATIENTS = chest_phantoms(200, 96, seed=6)


def levels(images: Images) -> np.ndarray[Any, Any]:
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)


def resized(images: Images, kernel: Image.Resampling) -> np.ndarray[Any, Any]:
    small = [Image.fromarray(image).resize((64, 64), kernel) for image in levels(images)]
    return np.stack([np.asarray(image) for image in small])


def likeness(first: Any, second: Any, seed: int = 0) -> PreparationComparison:
    sides = facts_of_pixels(first), facts_of_pixels(second)
    return compare(*sides, None, ("used", "unused"), seed)


def test_the_26_statistics_and_three_facts_of_files_each_have_a_cause() -> None:
    of_files = {"mode", "bytes per pixel", "bit depth", "coding", "grey scale"}
    grey = set(STATISTICS) | of_files
    assert len(grey) == 29
    of_volumes = {
        f"{what} {axis}" for what in ("voxels", "spacing", "field of view") for axis in AXES
    }
    assert grey | {*COLOUR, *VOLUME, *of_volumes, "orientation"} == set(CAUSES)


def test_a_grey_scale_that_was_guessed_is_told(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 4096, (16, 16)).astype(np.uint16)
    Image.fromarray(picture).save(tmp_path / "12 of 16.png")
    guessed = facts_of(read_images(tmp_path, role="used", size=16)).words["grey scale"]
    assert guessed.tolist() == ["12 of 16 bits used?"]
    told = facts_of_pixels(levels(PHANTOMS[:20]))
    other = replace(told, words={"grey scale": guessed.repeat(20)})
    found = compare(told, other, None, ("used", "unused"))
    worst = found.differences[0]
    assert (worst.statistic, worst.first, worst.second) == ("grey scale", "as told", guessed[0])
    assert found.passed  # only pixels make two sets differ


def test_another_resize_kernel_is_seen_at_100_and_100() -> None:
    box = resized(PHANTOMS[:100], Image.Resampling.BOX)
    found = likeness(resized(PHANTOMS[100:], Image.Resampling.BICUBIC), box)
    assert found.p_value is not None
    assert found.p_value < 0.01
    assert not found.passed
    kernel = [d for d in found.differences if d.cause == CAUSES["spectral slope"]]
    assert any(d.p_adjusted is not None and d.p_adjusted < 0.01 for d in kernel)
    assert CAUSES["spectral slope"] in what_differs(found)
    same = likeness(resized(PHANTOMS[100:], Image.Resampling.BOX), box)
    assert same.passed


@pytest.mark.parametrize(
    ("splits", "most"), [(30, 4), pytest.param(300, 11, marks=pytest.mark.slow)]
)
def test_random_halves_of_one_set_fail_in_at_most_one_of_a_hundred(splits: int, most: int) -> None:
    """Splits by patient; by the test's guarantee one in 100 fails, P(more than `most`) < 1e-4."""
    facts = facts_of_pixels(levels(PHANTOMS))
    names, failed = np.unique(PATIENTS), 0
    for seed in range(splits):
        chosen = np.random.default_rng(seed).permutation(names)[: len(names) // 2]
        first = np.isin(PATIENTS, chosen)
        sides = facts.take(np.flatnonzero(first)), facts.take(np.flatnonzero(~first))
        groups = np.concatenate([PATIENTS[first], PATIENTS[~first]])
        failed += not compare(*sides, groups, ("used", "unused"), seed).passed
    assert binom.sf(most, splits, 0.01) < 1e-4
    assert failed <= most


def test_the_order_of_images_and_the_names_of_groups_move_nothing() -> None:
    one, other = facts_of_pixels(levels(PHANTOMS[:80])), facts_of_pixels(levels(PHANTOMS[80:150]))
    one = replace(one, sha256=np.array([f"a{k * 7 % 80:02d}" for k in range(80)]))
    groups = np.concatenate([np.arange(80) // 2, 50 + np.arange(70) // 3])
    found = compare(one, other, groups, ("used", "unused"), 3)
    order = np.random.default_rng(0).permutation(80)
    moved = np.concatenate([groups[:80][order], groups[80:]])
    renamed = np.array([f"p{97 * g % 101}" for g in moved])
    assert compare(one.take(order), other, renamed, ("used", "unused"), 3) == found


def words(n: int, **given: str) -> Facts:
    """Facts of n like images, with words of their files."""
    facts = facts_of_pixels(levels(PHANTOMS[:n]))
    all_words = {"mode": "L", "bit depth": "8", "coding": "PNG"} | given
    return replace(facts, words={name: np.repeat(word, n) for name, word in all_words.items()})


@pytest.mark.parametrize(
    ("name", "other"), [("mode", "P"), ("bit depth", "16"), ("coding", "JPEG 0a1b2c3d")]
)
def test_a_field_that_separates_perfectly_is_named_first(name: str, other: str) -> None:
    second = facts_of_pixels(levels(PHANTOMS[40:80] * 0.5))  # much else differs too
    second = replace(second, words=words(40, **{name: other}).words)
    found = compare(words(40), second, None, ("used", "unused"))
    assert found.separated_by == (name,)
    assert found.differences[0].statistic == name
    assert found.differences[0].second == other
    assert found.p_value == 0.0001
    assert what_differs(found).startswith(f"{name} alone tells")


def test_facts_that_no_detector_sees_are_told_and_no_fault() -> None:
    second = facts_of_pixels(levels(PHANTOMS[40:80]))
    second = replace(second, words=words(40, mode="P", coding="TIFF NONE").words)
    found = compare(words(40), second, None, ("used", "unused"))
    assert found.separated_by == ("mode", "coding")
    assert {d.statistic for d in found.differences[:2]} == {"mode", "coding"}
    assert [d.p_adjusted for d in found.differences[:2]] == [0.0001, 0.0001]
    assert found.passed
    assert found.p_value is not None
    assert found.p_value >= 0.01


def test_another_size_is_named_first() -> None:
    found = likeness(levels(PHANTOMS[:40]), levels(PHANTOMS[40:80])[:, :90, :90])
    assert found.separated_by == ("size",)
    assert [d.statistic for d in found.differences[:2]] == ["height", "width"]
    assert (found.differences[0].first, found.differences[0].second) == ("96", "90")


def test_the_least_cases() -> None:
    alike = likeness(levels(PHANTOMS[:2]), levels(PHANTOMS[2:4]))
    assert alike.p_value is not None
    assert alike.p_value >= 1 / 6
    black = np.zeros((5, 16, 16), np.uint8)
    same = likeness(black, black)
    assert (same.p_value, same.passed) == (1, True)
    row = CHECKS["preparation"].factory(
        Comparison(np.zeros((8, 16, 16), np.float32), np.arange(8) < 4, np.arange(8), 0)
    )
    assert (row.passed, row.p_value) == (True, 1)


def test_a_control_without_facts_looks_at_its_images() -> None:
    images = np.concatenate([PHANTOMS[:50], PHANTOMS[50:100] * np.float32(0.7)])
    row = CHECKS["preparation"].factory(Comparison(images, np.arange(100) < 50, np.arange(100), 0))
    assert not row.passed
    assert row.vetoes.startswith(
        "any verdict: candidates and calibration images were not prepared alike; "
    )


def test_facts_of_files_count_only_where_both_sides_are_files(tmp_path: Path) -> None:
    for k, picture in enumerate(levels(PHANTOMS[:40])):
        Image.fromarray(picture).convert("RGB").save(tmp_path / f"{k:02d}.png")
    files = facts_of(read_images(tmp_path, role="used", size=32))
    arrays = facts_of(read_images(levels(PHANTOMS[40:80]), role="unused", size=32))
    assert set(files.words) == {"mode", "bit depth", "coding"}
    assert arrays.words == {}
    found = compare(files, arrays, None, ("used", "unused"))
    assert found.passed
    assert found.separated_by == ()


# --- in an audit
def audited(**sets: Any) -> AuditResult:
    return vestige.audit(detectors=["nearest_distance"], **sets)


def jpeg(images: Any, quality: int) -> np.ndarray[Any, Any]:
    out = []
    for image in images:
        packed = io.BytesIO()
        Image.fromarray(image).save(packed, "JPEG", quality=quality)
        with Image.open(packed) as picture:
            out.append(np.asarray(picture))
    return np.stack(out)


def test_a_mismatched_reference_is_a_warning_and_no_veto() -> None:
    pictures = levels(PHANTOMS)
    result = audited(
        generated=pictures[150:],
        used=pictures[:40],
        unused=pictures[40:80],
        reference=jpeg(pictures[80:140], 40),
    )
    by_sets = {(one.first, one.second): one for one in result.preparation}
    assert set(by_sets) == {("used", "unused"), ("reference", "unused"), ("generated", "used")}
    assert by_sets["used", "unused"].passed
    assert not by_sets["reference", "unused"].passed
    assert by_sets["generated", "used"].p_value is None
    (problem,) = (p for p in result.problems if p.path == "reference")
    assert "blockiness (JPEG" in problem.what
    assert next(c for c in result.checks if c.name == "preparation").passed
    assert mismatch_problems(result.preparation, "release") == [problem]


def test_forensic_mode_compares_queries_and_the_known_with_controls() -> None:
    pictures = levels(PHANTOMS)
    sets = {"generated": pictures[150:], "query": pictures[:30], "unused": pictures[60:110]}
    result = audited(**sets, used=jpeg(pictures[30:60], 40))
    pairs = [(one.first, one.second, one.passed) for one in result.preparation]
    assert pairs == [
        ("query", "unused", True),
        ("used", "unused", False),
        ("generated", "query", True),
    ]
    assert [p.path for p in result.problems] == ["used"]
    assert "check_failed" not in result.decision.codes
    vetoed = audited(**(sets | {"query": jpeg(pictures[:30], 40)}))
    assert vetoed.decision.codes == ("check_failed",)
    assert vetoed.decision.facts.checks[0] == "preparation"
    assert vetoed.decision.remedy[-2:] == ("harmonize", "report_no_conclusion")
    (row,) = (c for c in vetoed.checks if c.name == "preparation")
    assert "blockiness" in row.vetoes
    bare = audited(generated=pictures[150:], query=pictures[:30])
    assert [(one.first, one.second) for one in bare.preparation] == [("generated", "query")]


def test_without_patients_nobody_is_sent_to_look_for_windows() -> None:
    box = resized(PHANTOMS[:60], Image.Resampling.BOX)
    found = (likeness(box, np.uint8(0.8 * box)),)
    sets = {role: read_images(box, role=role, size=64) for role in ("used", "unused")}
    [row] = mismatch_problems(found, "forensic")
    assert FEW_PATIENTS not in row.what
    assert "Prepare all sets by the same steps" in row.what
    [row] = mismatch_problems(without_patients(found, sets), "forensic")
    assert "window" not in row.what
    assert "JPEG" not in row.what
    assert "used and unused differ: " in row.what
    assert FEW_PATIENTS in row.what
    assert row.what.endswith("Give --groups or --group-regex")
    records = tuple(replace(r, coding="JPEG abc") for r in sets["used"].records)
    sets["used"] = replace(sets["used"], records=records)
    assert without_patients(found, sets) == found
