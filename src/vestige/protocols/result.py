"""What the papers' protocols gave: plain dataclasses that become protocols.json and come back."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vestige.benchmark.cells import Blind, Forensic, Release
from vestige.benchmark.result import BenchmarkWorld
from vestige.schema.records import Estimate
from vestige.stats.agreement import Agreement
from vestige.worlds.record import load_schema

SCHEMA = 1


@dataclass(frozen=True)
class Published:
    """What was printed: the authors' own figure, and the row of the official test.

    own_metric, own : "" and None where no own figure is known
    """

    own_metric: str
    own: float | None
    kappa: float | None
    accuracy: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    source: str
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """A figure of merit: its metric, how it was obtained, and what a constant answer reaches.

    measures : everything the same decisions give; None where only the one metric is known
    """

    metric: str
    value: Estimate
    baseline: float
    how: str
    measures: Agreement | None = None


@dataclass(frozen=True)
class Rule:
    """The paper's decisions on the queries of the world, against the truth.

    optimistic : something was chosen on those queries themselves
    """

    how: str
    optimistic: bool
    measures: Agreement


@dataclass(frozen=True)
class PaperRun:
    """A system evaluated as its paper did, and once more without what flatters it.

    honest : the same figure by group, or with nothing chosen on the images it is computed from
    own : as published
    rules : the nested ones first
    further : other figures of the paper
    files : written beside, relative to the folder of the world and protocol
    """

    honest: Figure | None
    own: Figure
    rules: tuple[Rule, ...]
    further: tuple[Figure, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ours:
    """The same detector under our protocol: cross-fitted by group, calibrated, tested.

    options : those that differ from the detector's defaults
    """

    options: dict[str, Any]
    release: Release | None
    forensic: Forensic | None
    blind: Blind | None


@dataclass(frozen=True)
class System:
    """A paper's system: the detector it became, and the networks it ran with, by weights."""

    name: str
    summary: str
    detector: str
    networks: tuple[str, ...]
    published: Published


@dataclass(frozen=True)
class ProtocolCell:
    """One system on one world; `errors` says which parts were not measured, and why."""

    world: str
    system: str
    paper: PaperRun | None
    published_form: Ours | None
    default_form: Ours | None
    seconds: dict[str, float]
    errors: dict[str, str]


@dataclass(frozen=True)
class Protocols:
    """Everything measured: what protocols.json holds and all tables are made from.

    left_out : system -> why it was not asked for
    """

    schema: int
    systems: tuple[System, ...]
    left_out: dict[str, str]
    worlds: tuple[BenchmarkWorld, ...]
    cells: tuple[ProtocolCell, ...]
    options: dict[str, Any]
    environment: dict[str, str]
    date: str

    def to_json(self) -> str:
        """The text of protocols.json."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @property
    def errors(self) -> tuple[tuple[str, str, str, str], ...]:
        """(world, system, part, why) of everything that could not be measured."""
        return tuple(
            (cell.world, cell.system, part, why)
            for cell in self.cells
            for part, why in cell.errors.items()
        )


def load_protocols(path: str | os.PathLike[str]) -> Protocols:
    """Read a protocols.json strictly.

    Raises
    ------
    InputError
        When it cannot be read or is not one of this version.
    """
    found: Protocols = load_schema(Protocols, Path(path), SCHEMA)
    return found
