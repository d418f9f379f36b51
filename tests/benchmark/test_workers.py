"""Cells side by side: what goes wrong in one costs that one only."""

from collections.abc import Callable

import psutil
import pytest

from benchmark_worlds import cluster, odd_cell, plain_cell
from vestige.benchmark.cells import Cell, Task
from vestige.benchmark.workers import measured
from vestige.registry.entries import InputError

ROWS = ("fine", "killed", "refused", "broken", "killed", "good", "last")


def tasks(*rows: str) -> list[Task]:
    return [Task("nowhere.npz", "w", "00", row, False, seed) for seed, row in enumerate(rows)]


def children() -> list[psutil.Process]:
    return [p for p in psutil.Process().children(recursive=True) if "serve()" in str(p.cmdline())]


def answers(cell: Callable[[Task], Cell], workers: int, engine: str = "local") -> dict[Task, Cell]:
    return dict(measured(tasks(*ROWS), workers, engine, cell))


@pytest.mark.parametrize("workers", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_cell_that_fails_or_dies_costs_no_other(workers: int) -> None:
    found = answers(odd_cell, workers)
    assert sorted(found, key=lambda task: task.seed) == tasks(*ROWS)
    for task, cell in found.items():
        assert (cell.row, cell.seed, cell.world) == (task.row, task.seed, "w")
        if task.row in ("fine", "good", "last"):
            assert cell == plain_cell(task)
        elif task.row == "killed":
            assert cell.error == "its process died (killed by signal 9); was there enough memory?"
        elif task.row == "refused":
            assert cell.error == "too few images: add some."
        else:
            assert cell.error.startswith("ValueError: nobody foresaw this (")
            assert "benchmark_worlds.py" in cell.error
    assert not children()


def test_whoever_stops_listening_leaves_no_process_behind() -> None:
    going = measured(tasks(*ROWS), 2, "local", plain_cell)
    next(going)
    assert children()
    going.close()  # type: ignore[attr-defined]
    assert not children()


def test_no_cell_starts_no_process() -> None:
    assert list(measured([], 2, "local", odd_cell)) == []


@pytest.mark.parametrize("engine", ["local:1", "local:2"])
def test_threads_are_refused(engine: str) -> None:
    with pytest.raises(InputError, match=r"local or dask:ADDRESS, not 'local:"):
        list(measured(tasks("fine"), 1, engine, plain_cell))


@pytest.mark.slow
def test_cells_on_a_cluster() -> None:
    pytest.importorskip("distributed")
    with cluster() as engine:
        found = dict(measured(tasks("fine", "refused", "good"), 1, engine, odd_cell))
    assert [cell.error for cell in found.values() if cell.error] == ["too few images: add some."]
    assert {task.row for task in found} == {"fine", "refused", "good"}
