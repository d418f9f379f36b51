"""Cells side by side: in processes of this machine, or on a Dask cluster."""

import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import AbstractContextManager
from typing import Any

from vestige.benchmark.cells import Cell, Task, measure
from vestige.engine.engines import ENGINES, open_executor
from vestige.engine.processes import Processes, WorkerDied
from vestige.files.places import without_places
from vestige.registry.entries import InputError, choose

Measure = Callable[[Task], Cell]


def measured(
    tasks: Sequence[Task], workers: int, engine: str = "local", cell: Measure = measure
) -> Iterator[tuple[Task, Cell]]:
    """Measure all cells, `workers` at a time; each comes when it is ready.

    A cell that fails, or whose process dies, comes with its `error`. Those of detectors that are
    objects come first, from this process, one by one.

    Parameters
    ----------
    tasks : sequence of Task
    workers : int
        Processes at a time, 1 or more; a Dask cluster decides for itself.
    engine : "local" or "dask:ADDRESS"
        Where; workers of a cluster must see the same files.
    cell : callable
        Module-level function that measures.
    """
    for task in tasks:
        if task.detector is not None:  # its class may be known to this process alone
            yield task, _guarded(cell, task)
    with _open(engine, workers) as executor:
        named = [task for task in tasks if task.detector is None]
        running = {executor.submit(_guarded, cell, task): task for task in named}
        for future in as_completed(running):
            task = running[future]
            try:
                yield task, future.result()
            except WorkerDied as error:
                yield task, failed(task, f"its process died ({error}); was there enough memory?")
            except Exception as error:  # the cluster gave up on this cell: a row, not the end
                yield task, failed(task, _one_line(error))


def _open(engine: str, workers: int) -> AbstractContextManager[Any]:
    check_engine(engine)
    return Processes(workers) if engine == "local" else open_executor(engine)


def check_engine(engine: str) -> None:
    """Refuse what cannot run cells: unknown engines, a GPU, and a number, which --workers gives."""
    name = engine.partition(":")[0]
    choose(ENGINES, name, "engine")
    if name == "cuda" or (name == "local" and engine != "local"):
        raise InputError(f"cells run on --engine local or dask:ADDRESS, not {engine!r}.")


def failed(task: Task, error: str) -> Cell:
    """The cell of a task that was not measured."""
    return Cell(task.world, task.row, task.null, task.seed, error=error)


def _guarded(cell: Measure, task: Task) -> Cell:
    try:
        return cell(task)
    except InputError as error:
        return failed(task, without_places(error.for_command))
    except Exception as error:
        return failed(task, _one_line(error))


def _one_line(error: Exception) -> str:
    """An error nobody foresaw, with the place in the program that it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return without_places(f"{type(error).__name__}: {error}{where}")
