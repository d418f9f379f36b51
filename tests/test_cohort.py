"""The cohort: an order that only pixels decide, who calibrates, and what is known already."""

from typing import Any

import numpy as np
import pytest

from image_sets import as_read
from vestige.judging.cohort import Cohort, check_roles, form_cohort, own_reference
from vestige.registry.entries import InputError


def images(n: int, seed: int) -> Any:
    levels = np.random.default_rng([8, seed]).integers(256, size=(n, 16, 16))
    return (levels / 255).astype(np.float32)


def sets_of(**roles: Any) -> tuple[dict[str, Any], dict[str, tuple[str, ...]]]:
    """Every image a group of its own, named after its id."""
    sets = {
        role: as_read(pixels, [f"{role}{k}" for k in range(len(pixels))])
        for role, pixels in roles.items()
    }
    return sets, {role: one.ids for role, one in sets.items()}


def test_the_order_is_that_of_the_pixels_whatever_the_roles() -> None:
    first, second = images(6, 0), images(6, 1)
    one, _ = form_cohort(*sets_of(query=first, unused=second), "forensic")
    other, _ = form_cohort(*sets_of(query=second[::-1], unused=first[::-1]), "forensic")
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_array_equal(one.targets, other.calibration)
    for row, (role, at) in enumerate(zip(one.roles, one.index, strict=True)):
        source = first if role == "query" else second
        np.testing.assert_array_equal(one.images[row], source[at])


def test_the_name_of_a_group_moves_no_number() -> None:
    sets, labels = sets_of(query=images(5, 2), unused=images(5, 3))
    renamed = {
        role: tuple(f"z{9 - int(one[-1])}{one}" for one in own) for role, own in labels.items()
    }
    cohort, _ = form_cohort(sets, labels, "forensic")
    again, _ = form_cohort(sets, renamed, "forensic")
    np.testing.assert_array_equal(cohort.group_index, np.arange(10))
    np.testing.assert_array_equal(again.group_index, cohort.group_index)


def test_unused_images_of_a_judged_patient_do_not_calibrate_the_set() -> None:
    sets, labels = sets_of(query=images(4, 4), unused=images(4, 5))
    labels["unused"] = ("query0", *labels["unused"][1:])
    cohort, [told] = form_cohort(sets, labels, "forensic")
    ids = np.array(cohort.ids)
    assert sorted(ids[cohort.calibration]) == ["unused1", "unused2", "unused3"]
    assert sorted(ids[cohort.mixed]) == ["query0", "unused0"]
    assert sorted(ids[cohort.unused]) == [f"unused{k}" for k in range(4)]
    assert told.what.startswith("1 unused image(s) belong to a group")
    labels["unused"] = labels["query"]
    with pytest.raises(InputError, match="every unused image shares its group with a query image"):
        form_cohort(sets, labels, "forensic")


def test_only_a_judged_image_is_answered_by_its_pixels() -> None:
    used, unused, query = images(4, 6), images(4, 7), images(4, 8)
    query[1], query[3] = used[2], unused[0]
    sets, labels = sets_of(used=used, unused=unused, query=query)
    cohort, _ = form_cohort(sets, labels, "forensic")
    assert {cohort.ids[row]: why for row, why in cohort.resolved.items()} == {
        "query1": "used",
        "query3": "unused",
    }
    assert sorted(np.array(cohort.ids)[cohort.answered]) == ["query1", "query3"]
    told = check_roles(sets | {"generated": as_read(images(2, 9), ["a", "b"])}, "forensic")
    assert [(p.path, "used/used2" in p.what, "unused/unused0" in p.what) for p in told] == [
        ("query/query1", True, False),
        ("query/query3", False, True),
    ]


def test_an_image_has_one_status() -> None:
    used, unused = images(3, 10), images(3, 11)
    unused[2] = used[1]
    sets, _ = sets_of(generated=images(2, 12), used=used, unused=unused)
    with pytest.raises(InputError, match=r"share 1 image.*used/used1 = unused/unused2"):
        check_roles(sets, "release")


@pytest.mark.parametrize(("used", "folds"), [(1, None), (2, 2), (3, 3), (30, 5)])
def test_labels_need_two_groups_a_side(used: int, folds: int | None) -> None:
    cohort: Cohort
    cohort, _ = form_cohort(
        *sets_of(used=images(used, 13), query=images(20, 14), unused=images(20, 15)), "forensic"
    )
    if folds is None:
        assert cohort.folds is None
        return
    assert cohort.folds is not None and len(np.unique(cohort.folds)) == folds
    shares = np.bincount(cohort.folds[cohort.known_used])
    assert len(shares) == folds and shares.max() - shares.min() <= 1


def test_a_reference_keeps_the_patients_that_are_its_own() -> None:
    labels = {"query": ("a", "b"), "unused": ("c",), "reference": ("x", "c", "y", "a")}
    stays, own, [told] = own_reference(labels)
    assert stays == {**labels, "reference": ("x", "y")}
    assert own is not None and own.tolist() == [True, False, True, False]
    assert told.what.startswith("2 of 4 reference image(s)") and "the others stay" in told.what
    alone = {"query": ("a",), "unused": ("c",), "reference": ("x",)}
    assert own_reference(alone) == (alone, None, [])
