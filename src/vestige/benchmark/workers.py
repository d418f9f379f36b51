"""Cells side by side: in processes of this machine, or on a Dask cluster.

Each process has a pipe and one cell at a time: one that dies costs its cell and no other. A pool
of `concurrent.futures` would lose all cells under way, and not say which of them killed it.
"""

import json
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import suppress
from dataclasses import asdict
from multiprocessing import connection, get_context
from multiprocessing.process import BaseProcess
from typing import Any

from vestige.benchmark.cells import Cell, Task, measure
from vestige.engine.engines import ENGINES, open_executor
from vestige.engine.threads import one_core
from vestige.registry.entries import InputError, choose
from vestige.schema.decode import decode

Measure = Callable[[Task], Cell]


def measured(
    tasks: Sequence[Task], workers: int, engine: str = "local", cell: Measure = measure
) -> Iterator[tuple[Task, Cell]]:
    """Measure all cells, `workers` at a time; each comes when it is ready.

    A cell that fails, or whose process dies, comes with its `error`.

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
    if engine == "local":
        yield from _in_processes(tasks, workers, cell)
        return
    check_engine(engine)
    with open_executor(engine) as executor:
        if executor is None:
            raise AssertionError("a cluster has an executor")
        running = {executor.submit(_guarded, cell, task): task for task in tasks}
        for future in as_completed(running):
            task = running[future]
            try:
                yield task, future.result()
            except Exception as error:  # the cluster gave up on this cell: a row, not the end
                yield task, failed(task, _one_line(error))


def check_engine(engine: str) -> None:
    """Refuse what cannot run cells: unknown engines, and a number, which --workers gives."""
    name = engine.partition(":")[0]
    choose(ENGINES, name, "engine")
    if name == "local" and engine != "local":
        raise InputError(f"cells run on --engine local or dask:ADDRESS, not {engine!r}.")


def failed(task: Task, error: str) -> Cell:
    """The cell of a task that was not measured."""
    return Cell(task.world, task.row, task.null, task.seed, error=error)


def _in_processes(
    tasks: Sequence[Task], workers: int, cell: Measure
) -> Iterator[tuple[Task, Cell]]:
    waiting = deque(tasks)
    idle: list[tuple[Any, BaseProcess]] = []
    busy: dict[Any, tuple[Task, BaseProcess]] = {}
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                pipe, process = idle.pop() if idle else _start(cell)
                busy[pipe] = waiting.popleft(), process
                with suppress(BrokenPipeError):  # it died: seen below
                    pipe.send_bytes(json.dumps(asdict(busy[pipe][0])).encode())
            for pipe in connection.wait(list(busy)):
                task, process = busy.pop(pipe)
                try:
                    made: Cell = decode(Cell, json.loads(pipe.recv_bytes()), "cell")  # type: ignore[union-attr]
                    idle.append((pipe, process))
                except (EOFError, ConnectionError):
                    made = _died(task, process)
                yield task, made
    finally:
        for process in (*(p for _, p in idle), *(p for _, p in busy.values())):
            process.terminate()
            process.join()


def _start(cell: Measure) -> tuple[Any, BaseProcess]:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, cell), daemon=True)
    process.start()
    theirs.close()  # the worker's is the only one left, so that its death is seen
    return ours, process


def _died(task: Task, process: BaseProcess) -> Cell:
    process.join()
    code = process.exitcode or 0
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return failed(task, f"its process died ({how}); was there enough memory?")


def _work(pipe: Any, cell: Measure) -> None:
    """In the worker: one cell after the other, with one thread per matrix product."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: the first process ends the others
    with one_core(), suppress(EOFError, ConnectionError):  # it is gone: nothing to do
        while True:
            task: Task = decode(Task, json.loads(pipe.recv_bytes()), "task")
            pipe.send_bytes(json.dumps(asdict(_guarded(cell, task))).encode())


def _guarded(cell: Measure, task: Task) -> Cell:
    try:
        return cell(task)
    except InputError as error:
        return failed(task, " ".join(str(error).split()))
    except Exception as error:
        return failed(task, _one_line(error))


def _one_line(error: Exception) -> str:
    """An error nobody foresaw, with the place it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return " ".join(f"{type(error).__name__}: {error}{where}".split())
