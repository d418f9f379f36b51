"""What each control takes back, by table (METHODS 5)."""

import numpy as np
import pytest

from vestige.bag import Bag
from vestige.judge import decide
from vestige.records import Control, ControlState, Estimate, SetTest

STATES: dict[str, ControlState] = {
    "ok": "passed", "no": "failed", "--": "not possible", "..": "not needed"
}  # fmt: skip
NAMES = ("blind", "member_only", "swapped", "planted")
TABLE = [
    # p, blind, member_only, swapped, planted -> leak, reason
    (0.01, "ok ok ok ok", "found", "found"),
    (0.01, "no ok ok ok", "undecided", "confounded"),
    (0.01, "ok no ok ok", "undecided", "confounded"),
    (0.01, "ok ok no ok", "undecided", "not specific"),
    (0.01, "ok no no ok", "undecided", "confounded"),
    (0.01, "ok ok ok no", "found", "found"),  # a missed copy does not undo what was found
    (0.01, "ok -- -- --", "found", "found"),  # what could not run vetoes nothing
    (0.01, "-- ok ok ok", "found", "found"),
    (0.40, "ok .. .. ok", "not found", "nothing found"),
    (0.40, "no .. .. ok", "undecided", "confounded"),
    (0.40, "ok .. .. no", "undecided", "insensitive"),
    (0.40, "no .. .. no", "undecided", "confounded"),
    (0.40, "ok .. .. --", "undecided", "insensitive"),  # nobody knows what it could have seen
    (0.40, "ok no no ok", "not found", "nothing found"),  # they qualify findings only
]
BAG = Bag(
    np.zeros((4, 2, 2), np.float32), ("a", "b", "c", "d"), np.arange(4), np.array(list("uunn")),
    np.arange(4), np.arange(4) < 2, np.arange(4) >= 2, np.arange(4) < 2, {},
)  # fmt: skip


def verdict(p: float, states: str, smallest: float = 0.6) -> tuple[str, str, str]:
    rows = [
        Control(name, None, 0.004, STATES[s] == "passed", f"what {name} vetoes", STATES[s])
        for name, s in zip(NAMES, states.split(), strict=False)
    ]
    test = SetTest("used", Estimate(0.7, 0.6, 0.8, 4), p, smallest)
    said = decide(test, rows, BAG, "release", 0.05)
    return said.leak, said.reason, said.why


@pytest.mark.parametrize(("p", "states", "leak", "reason"), TABLE)
def test_table(p: float, states: str, leak: str, reason: str) -> None:
    assert verdict(p, states)[:2] == (leak, reason)
    why = verdict(p, states)[2]
    if leak == "undecided":
        assert any(f"what {name} vetoes" in why for name in NAMES)
    assert "switched off" not in why


def test_a_veto_can_only_weaken() -> None:
    rank = {"found": 2, "undecided": 1, "not found": 0}
    for p in (0.01, 0.4):
        best = verdict(p, "ok ok ok ok")[0]
        for states in (row[1] for row in TABLE):
            leak = verdict(p, states)[0]
            assert leak in (best, "undecided"), (p, states, rank)


def test_too_few_images_come_before_a_copy_that_could_not_be_planted() -> None:
    assert verdict(0.4, "ok .. .. --", 0.95)[1] == "underpowered"
    assert verdict(0.4, "ok .. .. no", 0.95)[1] == "insensitive"


def test_controls_that_were_switched_off_are_named() -> None:
    for p, leak in ((0.01, "found"), (0.4, "not found")):
        found = verdict(p, "ok")
        assert found[0] == leak
        assert "were switched off" in found[2]
    assert verdict(0.4, "no")[1] == "confounded"
