"""What holds for every registry: generators, checks, engines, feature spaces."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from reference_worlds import reference_world
from small_audits import small_world
from small_generators import TINY
from vestige.checks import CHECKS, Comparison, run_named_checks
from vestige.detectors import DETECTORS
from vestige.engine.engines import ENGINES
from vestige.features import EMBEDDERS
from vestige.features.index import INDEXES
from vestige.images.kinds import KINDS, NAMES, Kind
from vestige.measures import SET_MEASURES, SetComparison
from vestige.registry.entries import InputError, RegistryEntry, create
from vestige.schema.records import Check, SetMeasure
from vestige.testing import check_generator
from vestige.testing.phantoms import PHANTOMS
from vestige.worlds import GENERATORS

TABLES: dict[str, Mapping[str, RegistryEntry[Any]]] = {
    "detector": DETECTORS,
    "feature space": EMBEDDERS,
    "engine": ENGINES,
    "index": INDEXES,
    "check": CHECKS,
    "set measure": SET_MEASURES,
    "generator": GENERATORS,
}
EXTRAS = {"", "deep", "faiss", "cluster", "medical", "table"}
IMAGES = reference_world("null", 0).used[:20]


@pytest.mark.parametrize("kind", TABLES)
def test_every_choice_is_described_in_one_line(kind: str) -> None:
    for name, choice in TABLES[kind].items():
        assert name == name.lower()
        assert choice.summary
        assert "\n" not in choice.summary
        assert choice.extra in EXTRAS


@pytest.mark.parametrize("kind", TABLES)
def test_a_misspelt_name_gets_a_hint(kind: str) -> None:
    name = next(iter(TABLES[kind]))
    with pytest.raises(InputError, match=f"unknown {kind} '{name}x'. Did you mean '{name}'"):
        create(TABLES[kind], name + "x", kind)


@pytest.mark.parametrize("kind", ["detector", "feature space", "generator"])
def test_an_unknown_option_is_named(kind: str) -> None:
    for name in TABLES[kind]:
        with pytest.raises(InputError, match=f"{kind} '{name}' does not take.*no_such_option"):
            create(TABLES[kind], name, kind, no_such_option=1)


LEARNT = [
    (name, kind) for name, entry in GENERATORS.items() for kind in KINDS if entry.learns(kind)
]


@pytest.mark.parametrize(("name", "kind"), LEARNT)
def test_a_generator_keeps_its_contract_for_every_kind_that_it_takes(name: str, kind: Kind) -> None:
    made = create(GENERATORS, name, "generator", **TINY.get(name, {}))
    check_generator(made, name=name, side=16 if kind == "volume" else IMAGES.shape[1], kind=kind)


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name in GENERATORS for kind in KINDS if (name, kind) not in LEARNT],
)
def test_a_generator_refuses_by_name_what_it_does_not_take(name: str, kind: Kind) -> None:
    made = create(GENERATORS, name, "generator", **TINY.get(name, {}))
    images = PHANTOMS[kind](20, np.random.default_rng(0), 16)
    with pytest.raises(InputError, match=f"{name} .*{NAMES[kind]} were given"):
        made.fit(images)


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_gives_its_row(name: str) -> None:
    row = CHECKS[name].factory(small_world("copy", reference=True))
    assert isinstance(row, Check)
    assert row.name == name
    assert row.vetoes
    assert row.state == "passed"


def test_a_check_that_cannot_run_is_a_row() -> None:
    rows = run_named_checks(Comparison(IMAGES, np.arange(20) < 10, np.arange(20), 0))
    assert [row.name for row in rows] == list(CHECKS)
    assert [row.name for row in rows[:2]] == ["blind", "preparation"]  # these ask no audit again
    for row in rows[2:]:
        assert (row.state, row.passed) == ("not possible", False)
        assert row.vetoes == "not possible: there is no audit to ask again"
    for row in rows:  # what the entry says is what the decision reads
        assert (row.question, row.takes_back) == (
            CHECKS[row.name].summary,
            CHECKS[row.name].takes_back,
        )


def test_what_each_check_takes_back() -> None:
    """A failure of planted, smooth and clean_calibration takes no finding back: see decide.py."""
    assert {name: entry.takes_back for name, entry in CHECKS.items()} == {
        "blind": "any",
        "preparation": "any",
        "member_only": "finding",
        "swapped": "finding",
        "planted": "none",
        "smooth": "none",
        "clean_calibration": "none",
    }


@pytest.mark.parametrize("name", SET_MEASURES)
def test_a_set_measure_gives_its_row(name: str) -> None:
    rows = np.arange(20)
    generated = reference_world("null", 0).generated[:30]
    row = SET_MEASURES[name].factory(SetComparison(generated, IMAGES, rows < 10, rows, 0))
    assert isinstance(row, SetMeasure)
    assert row.name == name
    assert row.says
