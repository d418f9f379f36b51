"""Plain images say nothing: they contradict no role, and are neither judged nor calibrate."""

import numpy as np
import pytest

from image_sets import as_read
from vestige.judging.cohort import check_roles, form_cohort
from vestige.registry.entries import InputError


def sets_of(first: str, black: dict[str, list[int]]):  # type: ignore[no-untyped-def]
    """Four patients a side, some images black."""
    rng = np.random.default_rng(3)
    sets, labels = {"generated": as_read(rng.random((4, 16, 16)), list("abcd"))}, {}
    for role in (first, "unused"):
        images = rng.random((4, 16, 16))
        images[black.get(role, [])] = 0
        sets[role] = as_read(images, [f"{role}{k}" for k in range(4)])
        labels[role] = tuple(f"{role}{k}" for k in range(4))
    return sets, labels


@pytest.mark.parametrize("role", ["query", "used"])
def test_equal_plain_images_contradict_no_role(role: str) -> None:
    sets, _ = sets_of(role, {role: [0], "unused": [1]})
    assert check_roles(sets, "forensic" if role == "query" else "release") == []


def test_plain_images_leave_both_sides() -> None:
    sets, labels = sets_of("query", {"query": [0], "unused": [1, 2]})
    cohort, [row] = form_cohort(sets, labels, "forensic")
    assert sorted(cohort.ids) == ["query0", "query1", "query2", "query3", "unused0", "unused3"]
    assert {cohort.ids[k]: why for k, why in cohort.resolved.items()} == {"query0": "plain"}
    assert sorted(np.array(cohort.ids)[cohort.calibration]) == ["unused0", "unused3"]
    assert row.what.startswith("3 images are plain (1 query, 2 unused: nearly constant")


def test_a_patient_is_on_both_sides_by_what_shows_something() -> None:
    sets, labels = sets_of("query", {"query": [0]})
    labels["unused"] = ("query0", "query1", *labels["unused"][2:])
    cohort, _ = form_cohort(sets, labels, "forensic")
    assert sorted(np.array(cohort.ids)[cohort.mixed]) == ["query1", "unused1"]
    assert sorted(np.array(cohort.ids)[cohort.calibration]) == ["unused0", "unused2", "unused3"]


def test_unused_images_that_are_all_plain_are_refused() -> None:
    sets, labels = sets_of("query", {"unused": [0, 1, 2, 3]})
    with pytest.raises(InputError, match="every unused image is plain"):
        form_cohort(sets, labels, "forensic")


def test_pictures_of_two_levels_are_told_as_such() -> None:
    sets, labels = sets_of("query", {})
    two = (np.random.default_rng(4).random((4, 16, 16)) < 0.5).astype(np.float32)
    sets["unused"] = as_read(two, [f"unused{k}" for k in range(4)])
    with pytest.raises(InputError, match="nearly constant, or of a few grey levels only"):
        form_cohort(sets, labels, "forensic")
