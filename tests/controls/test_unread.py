"""Files that were not read, by role."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from vestige.controls.unread import unread_facts, unread_p_value
from vestige.images.imageset import ImageSet
from vestige.images.reading import read_images
from vestige.images.unread import FilesRead


def role(files: int, unread: int) -> ImageSet:
    images = read_images(np.zeros((2, 8, 8), np.uint8), role="any", size=8)
    return replace(images, files=FilesRead(files, unread, "a.gif" if unread else ""))


@given(*[st.integers(0, 30)] * 4)
def test_the_p_value_is_the_chance_of_a_table_as_unlikely(a: int, b: int, c: int, d: int) -> None:
    if not (a + b and c + d):
        return
    tables = hypergeom(a + b + c + d, a + c, a + b).pmf(np.arange(a + c + 1))
    expected = tables[tables <= tables[a] * (1 + 1e-7)].sum()
    assert unread_p_value((a, b), (c, d)) == pytest.approx(min(expected, 1))


def test_a_tenth_of_the_used_unread_and_no_unused_is_a_failed_check() -> None:
    sets = {"generated": role(500, 0), "used": role(100, 10), "unused": role(100, 0)}
    facts = unread_facts(sets, "release")
    assert facts.failed
    assert facts.p_value == pytest.approx(0.00153, rel=0.01)
    assert facts.roles["used"].share == 0.1
    assert not facts.too_many
    # the used ones are not judged where queries are
    assert not unread_facts({**sets, "query": role(100, 2)}, "forensic").failed


def test_the_same_share_on_both_sides_passes() -> None:
    sets = {"generated": role(500, 0), "used": role(200, 10), "unused": role(100, 4)}
    assert not unread_facts(sets, "release").failed


@pytest.mark.parametrize(("unread", "too_many"), [(0, False), (2, False), (3, True), (60, True)])
def test_more_than_one_percent_of_the_generated_is_too_many(unread: int, too_many: bool) -> None:
    sets = {"generated": role(240, unread), "used": role(100, 0), "unused": role(100, 0)}
    facts = unread_facts(sets, "release")
    assert (facts.too_many, facts.generated_share) == (too_many, unread / 240)


def test_without_files_or_without_unused_nothing_is_tested() -> None:
    arrays = {name: role(0, 0) for name in ("generated", "used", "unused")}
    assert unread_facts(arrays, "release").p_value is None
    queries = {"generated": role(10, 0), "query": role(10, 5)}
    assert unread_facts(queries, "forensic").p_value is None


def test_copies_in_a_format_that_is_not_read_are_unread_files(cases: Path) -> None:
    names = {"generated": "gen_copies_in_pgm", "used": "used", "unused": "unused"}
    sets = {name: read_images(cases / folder, role=name) for name, folder in names.items()}
    facts = unread_facts(sets, "release")
    assert facts.roles["generated"] == FilesRead(240, 60, "img_000.pgm", (("no image", 60),))
    assert facts.too_many
    assert not facts.failed
