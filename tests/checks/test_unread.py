"""Files that were not read, by role."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from vestige.checks.unread import unread_by_role, unread_p_value
from vestige.decision.records import Unread
from vestige.images.imageset import ImageSet
from vestige.images.reading import read_images
from vestige.images.unread import Ledger
from vestige.judging.cohort import Mode


def role(files: int, unread: int) -> ImageSet:
    images = read_images(np.zeros((2, 8, 8), np.uint8), role="any", size=8)
    return replace(images, files=Ledger(files, unread, "a.gif" if unread else ""))


@given(*[st.integers(0, 30)] * 4)
def test_the_p_value_is_the_chance_of_a_table_as_unlikely(a: int, b: int, c: int, d: int) -> None:
    if not (a + b and c + d):
        return
    tables = hypergeom(a + b + c + d, a + c, a + b).pmf(np.arange(a + c + 1))
    expected = tables[tables <= tables[a] * (1 + 1e-7)].sum()
    assert unread_p_value((a, b), (c, d)) == pytest.approx(min(expected, 1))


def told(sets: dict[str, ImageSet], mode: Mode = "release") -> dict[str, Unread]:
    return {one.role: one for one in unread_by_role(sets, mode)}


def test_a_tenth_of_the_used_unread_and_no_unused_differ() -> None:
    sets = {"generated": role(500, 0), "used": role(100, 10), "unused": role(100, 0)}
    rows = told(sets)
    assert rows["used"].p_value == pytest.approx(0.00153, rel=0.01)
    assert (rows["used"].listed, rows["used"].unread, rows["used"].example) == (100, 10, "a.gif")
    assert rows["generated"].p_value is None
    # the used ones are not judged where queries are
    rows = told({**sets, "query": role(100, 2)}, "forensic")
    assert rows["query"].p_value > 0.1
    assert rows["used"].p_value is None


def test_the_same_share_on_both_sides_is_chance() -> None:
    sets = {"generated": role(500, 0), "used": role(200, 10), "unused": role(100, 4)}
    assert told(sets)["used"].p_value > 0.5


def test_without_files_or_without_unused_nothing_is_tested() -> None:
    assert told({name: role(0, 0) for name in ("generated", "used", "unused")}) == {}
    queries = {"generated": role(10, 0), "query": role(10, 5)}
    assert told(queries, "forensic")["query"].p_value is None


def test_copies_in_a_format_that_is_not_read_are_unread_files(cases: Path, tmp_path: Path) -> None:
    names = {"generated": "gen_copies_in_pgm", "used": "used", "unused": "unused"}
    sets = {name: read_images(cases / folder, role=name) for name, folder in names.items()}
    assert sets["generated"].files == Ledger(240)
    unread = tmp_path / "generated"
    shutil.copytree(cases / names["generated"], unread)
    for path in unread.glob("*.pgm"):
        path.write_bytes(b"SIMPLE  =" + path.read_bytes())
    sets["generated"] = read_images(unread, role="generated")
    kinds = (("format not read", 60),)
    assert sets["generated"].files == Ledger(240, 60, "img_000.pgm", kinds, 60)
    assert told(sets) == {
        "generated": Unread("generated", 240, 60, "img_000.pgm", left_aside=60),
        "used": Unread("used", 120, 0, "", 1.0),
        "unused": Unread("unused", 120, 0, ""),
    }
