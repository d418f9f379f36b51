"""Groups and ids from a program: each form gives those of the CSV file; faults are one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import vestige
from reference_worlds import reference_world
from small_audits import small
from vestige import AuditOptions, InputError
from vestige.auditing.request import open_request
from vestige.images.given_groups import told_groups
from vestige.types import quiet

N = 24
WORLD = reference_world("copy", 0)
IMAGES: dict[str, Any] = {
    "generated": small(WORLD.generated[:60]),
    "used": small(WORLD.used[:N]),
    "unused": small(WORLD.unused[:N]),
}
PATIENTS = {role: [f"{role}-{k // 2}" for k in range(N)] for role in ("used", "unused")}
ALL = PATIENTS["used"] + PATIENTS["unused"]
IDS = {role: [f"{role}_{k}.png" for k in range(N)] for role in IMAGES if role != "generated"}
BY_ID = {
    id_: one for role, own in IDS.items() for id_, one in zip(own, PATIENTS[role], strict=True)
}
QUICK: dict[str, Any] = {"detectors": "nearest_distance", "checks": False, "false_alarm_rate": 0.1}


def asked(groups: Any, **more: Any) -> Any:
    """Group by name, as the request gives them to whatever follows."""
    options = AuditOptions(groups=groups, **more)
    return open_request(IMAGES, options, quiet).groups


FORMS: dict[str, Callable[[], Any]] = {
    "one list": lambda: ALL,
    "one tuple": lambda: tuple(ALL),
    "one array": lambda: np.array(ALL),
    "an array of objects": lambda: np.array(ALL, object),
    "role -> list": lambda: PATIENTS,
    "role -> array": lambda: {role: np.array(own) for role, own in PATIENTS.items()},
    "role -> number -> group": lambda: {
        role: {f"{k:06d}": one for k, one in enumerate(own)} for role, own in PATIENTS.items()
    },
    "id -> group": lambda: {
        f"{role}/{k:06d}": one for role, own in PATIENTS.items() for k, one in enumerate(own)
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_names_the_same_groups(form: str) -> None:
    assert asked(FORMS[form]()) == asked(PATIENTS)
    assert asked(FORMS[form]())["unused/000003"] == "unused-1"


def test_numbers_are_written_as_a_table_writes_them() -> None:
    numbers = [k // 2 for k in range(2 * N)]
    plain = asked(numbers)
    assert plain["used/000004"] == "2"
    for form in (np.array(numbers), np.array(numbers, float), list(np.array(numbers, np.int8))):
        assert asked(form) == plain


def test_columns_of_pandas_go_by_their_rows_or_their_order() -> None:
    pandas = pytest.importorskip("pandas", reason="needs vestige[table]")
    assert asked(pandas.Series(ALL)) == asked(PATIENTS)
    assert asked({role: pandas.Series(own) for role, own in PATIENTS.items()}) == asked(PATIENTS)
    named = pandas.Series(BY_ID)
    assert asked(named, ids={r: pandas.Series(own) for r, own in IDS.items()}) == BY_ID
    with pytest.raises(InputError, match="groups, entry 1: a name is missing"):
        told_groups(pandas.Series(["a", None]))


def test_ids_and_groups_give_the_answer_of_files(tmp_path: Path) -> None:
    """The same pixels as arrays under the names of the files: the same findings."""
    levels = {role: np.round(255 * images).astype(np.uint8) for role, images in IMAGES.items()}
    names = IDS | {"generated": [f"g{k:02d}.png" for k in range(60)]}
    for role, images in levels.items():
        (tmp_path / role).mkdir()
        for name, one in zip(names[role], images, strict=True):
            Image.fromarray(one).save(tmp_path / role / name)
    table = tmp_path / "patients.csv"
    table.write_text("id,group\n" + "".join(f"{i},{g}\n" for i, g in BY_ID.items()))
    folders = {role: tmp_path / role for role in IMAGES}
    files = vestige.audit(**folders, groups=table, **QUICK)
    # folders are read in natural order, and so are the names of these arrays
    arrays = vestige.audit(**levels, groups=BY_ID, ids=names, **QUICK)
    assert arrays.findings == files.findings
    assert arrays.copies == files.copies
    assert arrays.set_test == files.set_test
    assert arrays.patients == files.patients
    assert arrays.manifest.inputs_sha256 == files.manifest.inputs_sha256
    assert arrays.question.groups_from == (
        "the groups that were given: 48 images in 24 groups"
        + files.question.groups_from.partition("in 24 groups")[2]
    )
    lists = {role: sorted((tmp_path / role).iterdir()) for role in IMAGES}
    order = {role: [BY_ID[path.name] for path in lists[role]] for role in IDS}
    listed = vestige.audit(**lists, groups=order, **QUICK)
    assert {f.id: f.group for f in listed.findings} == {f.id: f.group for f in files.findings}
    assert "used-1" not in str(arrays.manifest)


def test_scrub_takes_arrays_with_their_ids_and_groups_again() -> None:
    given: dict[str, Any] = {**IMAGES, "groups": PATIENTS, "ids": IDS}
    before = vestige.audit(**given, detectors="nearest_distance", false_alarm_rate=0.1)
    after = vestige.scrub(before, **given)
    assert {one.real for one in after.withheld} <= set(IDS["used"])
    assert len(after.keep) + len(after.withheld) == 60
    with pytest.raises(InputError, match="the groups are not those of the result"):
        vestige.scrub(before, **{**given, "groups": [one + "-1" for one in ALL]})


WRONG: dict[str, tuple[Any, str]] = {
    "too few": (ALL[:-1], "47 groups were given for 24 used \\+ 24 unused images"),
    "too few of a role": ({**PATIENTS, "used": ["a"]}, "1 groups were given for 24 used images"),
    "one role": ({"used": PATIENTS["used"]}, "for used only: give those of unused, too"),
    "no such role": ({"train": ALL}, "for 'train', but there is no such role with real images"),
    "generated": ({"generated": ALL}, "for 'generated', but there is no such role"),
    "an empty list": ([], "the groups are empty: give one for each image"),
    "an empty list of a role": ({"used": []}, "the groups of used are empty"),
    "an empty dict": ({}, "the dict of groups is empty: give id -> group, or role -> groups"),
    "an empty group": (["", *ALL[1:]], "groups, entry 0: a name is missing; give a text"),
    "None": ([None, *ALL[1:]], "groups, entry 0: a name is missing"),
    "NaN": (np.where(np.arange(2 * N) == 7, np.nan, 1.0), "groups, entry 7: a name is missing"),
    "None of an id": ({"used/000000": None}, "group of used/000000: a name is missing"),
    "rows missing": ({"used/000000": "a"}, "the dict of groups has no group for 47 of 48 images"),
    "a table of numbers": (np.zeros((2 * N, 2)), "groups, entry 0: a name is"),
    "a number": (7, "the groups must be a list or a dict, not 7"),
    "bytes": (b"abc", "the groups must be a list or a dict, not b'abc'"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_groups_are_refused_in_one_line(what: str) -> None:
    groups, said = WRONG[what]
    with pytest.raises(InputError, match=said) as error:
        vestige.audit(**IMAGES, groups=groups, **QUICK)
    assert "\n" not in str(error.value)


WRONG_IDS: dict[str, tuple[Any, str]] = {
    "too few": ({"used": ["a"]}, "1 ids were given for 24 used images"),
    "twice": ({"used": ["a", "a", *IDS["used"][2:]]}, "the ids of used name 'a' twice"),
    "none": ({"used": [None] * N}, "ids of used, entry 0: a name is missing"),
    "no such role": ({"query": ["a"]}, "ids were given for 'query', but no image of it is given"),
    "a list": (IDS["used"], "ids are a dict: role -> the ids of its images"),
}


@pytest.mark.parametrize("what", WRONG_IDS)
def test_wrong_ids_are_refused_in_one_line(what: str) -> None:
    ids, said = WRONG_IDS[what]
    with pytest.raises(InputError, match=said) as error:
        vestige.audit(**IMAGES, ids=ids, **QUICK)
    assert "\n" not in str(error.value)


def test_files_go_by_their_names_and_folders_have_no_order(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "a.png")
    given = {**IMAGES, "used": tmp_path}
    with pytest.raises(InputError, match="'used', but no image of it is in memory: files go by th"):
        vestige.audit(**given, ids={"used": ["a"]})
    with pytest.raises(InputError, match="groups of used are a list, but its images are no list"):
        vestige.audit(**given, groups=["a"] * 25)
