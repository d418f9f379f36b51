"""What a benchmark found: plain dataclasses that become benchmark.json and come back from it."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vestige.benchmark.cells import RANDOM, RATE, Blind, Cell
from vestige.worlds.record import Recipe, load_schema

SCHEMA = 1
BLIND = "blind"
CONTROL_ROWS = (RANDOM, BLIND)
CONFIDENCE = 0.99
"""Null rows may reject more often than asked with a probability of 1 %."""


@dataclass(frozen=True)
class Row:
    """A row of the table: the default run, one detector alone, or what must see nothing."""

    name: str
    kind: Literal["detector", "default", "control"]
    label_free: bool


@dataclass(frozen=True)
class BenchmarkWorld:
    """A world of the benchmark, as its world.json tells it; `sha256` is that of world.json."""

    name: str
    sha256: str
    recipe: Recipe
    counts: dict[str, int]
    groups: dict[str, int]
    figures: dict[str, Any]


@dataclass(frozen=True)
class NullRate:
    """Null set tests with p <= .05: `rejected` of `of`; more than `allowed` has a chance of 1 %.

    world : "" for all worlds together
    """

    world: str
    row: str
    rejected: int
    of: int
    allowed: int


@dataclass(frozen=True)
class Benchmark:
    """Everything measured: what benchmark.json holds and all tables are made from."""

    schema: int
    rows: tuple[Row, ...]
    worlds: tuple[BenchmarkWorld, ...]
    cells: tuple[Cell, ...]
    nulls: tuple[NullRate, ...]
    options: dict[str, Any]
    environment: dict[str, str]
    date: str

    def to_json(self) -> str:
        """The text of benchmark.json."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def measured(self, world: str, row: str) -> tuple[Cell, ...]:
        """The cells of a world and a row that ask a real question and have an answer, by seed."""
        return tuple(
            cell
            for cell in self.cells
            if cell.world == world and cell.row == row and not cell.null and not cell.error
        )

    def blind(self, world: str) -> Blind | None:
        """The blind check of a world; it does not see the generated set, so any row tells it."""
        for row in self.rows:
            for cell in self.measured(world, row.name):
                if cell.blind is not None:
                    return cell.blind
        return None

    @property
    def errors(self) -> tuple[Cell, ...]:
        """The cells that could not be measured."""
        return tuple(cell for cell in self.cells if cell.error)


def load_benchmark(path: str | os.PathLike[str]) -> Benchmark:
    """Read a benchmark.json strictly.

    Raises
    ------
    InputError
        When it cannot be read or is not one of this version.
    """
    benchmark: Benchmark = load_schema(Benchmark, Path(path), SCHEMA)
    return benchmark


def null_rates(cells: Sequence[Cell]) -> tuple[NullRate, ...]:
    """Per row the rejections over all worlds (first), then those of each world.

    The splits of one world are independent lots over fixed images, and p-values by permutation
    hold for each, so that rejections are at most binomial with chance .05.
    """
    from scipy.stats import binom

    asked = [cell for cell in cells if cell.null and cell.release is not None]
    rates = []
    for row in dict.fromkeys(cell.row for cell in asked):
        for world in ("", *dict.fromkeys(cell.world for cell in asked)):
            p = [
                cell.release.p_value
                for cell in asked
                if cell.release is not None and cell.row == row and world in ("", cell.world)
            ]
            if p:
                rejected = int((np.array(p) <= RATE).sum())
                allowed = int(binom.ppf(CONFIDENCE, len(p), RATE))
                rates.append(NullRate(world, row, rejected, len(p), allowed))
    return tuple(rates)
