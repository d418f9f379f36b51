"""Options given in Python have the declared types, or one line says which do not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vestige
from vestige.auditing.options import AuditOptions
from vestige.registry.entries import InputError
from vestige.scoring.plan import plan_columns

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"harmonize": "false"}, "harmonize must be True or False, not 'false'."),
    ({"checks": "no"}, "checks must be True or False"),
    ({"assigned_by_lot": 1}, "assigned_by_lot must be True or False, not 1."),
    ({"false_alarm_rate": "0.1"}, "false_alarm_rate must be a number, not '0.1'."),
    ({"false_alarm_rate": None}, "false_alarm_rate must be a number"),
    ({"false_alarm_rate": True}, "false_alarm_rate must be a number"),
    ({"seed": 1.5}, "seed must be a whole number, not 1.5."),
    ({"seed": "1"}, "seed must be a whole number"),
    ({"max_auc": "x"}, "max_auc must be a number"),
    ({"models": None}, "models must be a list, each text or a path"),
    ({"models": "m.safetensors"}, "models must be a list"),
    ({"options": [1]}, "options must be a dict"),
    ({"options": {"siamese": 5}}, "options must be a dict"),
    ({"window": 5}, "window must be 2 of: a number, not 5."),
    ({"window": (1, 2, 3)}, "window must be 2 of: a number"),
    ({"engine": 4}, "engine must be text, not 4."),
    ({"cache": 5}, "cache must be text or a path, not 5."),
    ({"groups": 5}, "the groups must be a list or a dict, not 5"),
    ({"effort": ["low"]}, "effort must be one of low, normal, high"),
]


@pytest.mark.parametrize(("given", "said"), WRONG, ids=str)
def test_another_type_is_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        AuditOptions(**given)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_declared_types_pass() -> None:
    AuditOptions(
        groups=Path("g.csv"), detectors=["auto", "mc_ball"], options={"mc_ball": {"dims": 4}},
        effort="low", models=(Path("m"), "n"), false_alarm_rate=np.float64(0.1), seed=np.int64(3),
        window=(40, 400.0), cache="c", cache_limit=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("detector", "own", "said"),
    [
        ("neighbour_share", {"k": "3"}, "neighbour_share: k must be a whole number, not '3'."),
        ("matched_filter_pool", {"size": "abc"}, "size must be a whole number, not 'abc'."),
        ("matched_filter_pool", {"size": 0}, "size must be 2 to 4,096 pixels a side, 0 was given."),
        ("mc_ball", {"size": 99_999}, "size must be 2 to 4,096 pixels a side"),
        ("mc_ball", {"dims": 0}, "mc_ball: dims must be 1 or more, 0 was given."),
        ("nearest_distance", {"dims": 0}, "nearest_distance: dims must be 1 or more"),
    ],
)
def test_options_of_detectors(detector: str, own: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        plan_columns([detector], True, {detector: own})
    assert said in str(caught.value)


@pytest.mark.parametrize("seed", [2**63, 10**23, -1])
def test_seeds_that_no_file_could_hold(seed: int) -> None:
    with pytest.raises(InputError, match=r"is not between 0 and 2\^63"):
        AuditOptions(seed=seed)


def test_a_folder_without_a_name_is_not_the_current_one() -> None:
    with pytest.raises(InputError, match="the folder of the generated images has an empty name"):
        vestige.audit(generated="", used="a", unused="b")
