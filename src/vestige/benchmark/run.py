"""Worlds x detectors: cells planned, measured, kept, and gathered; read it from top to bottom.

A finished cell is one small file, so that a benchmark that was killed goes on where it was.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vestige.benchmark.arrays import WorldArrays
from vestige.benchmark.asked import ask_detectors
from vestige.benchmark.cells import RATE, Cell, Task
from vestige.benchmark.ground import arrays_file, clear_cache, environment, open_worlds
from vestige.benchmark.result import (
    BLIND,
    SCHEMA,
    Benchmark,
    Row,
    null_rates,
)
from vestige.benchmark.table_files import to_csv, to_html, to_latex, to_markdown
from vestige.benchmark.workers import check_engine, measured
from vestige.engine.machine import cores
from vestige.files.places import told_place
from vestige.files.whole import write_together
from vestige.registry.entries import InputError
from vestige.registry.rules import Rule, Within, check_fields
from vestige.schema.decode import decode
from vestige.scoring.plan import (
    Options,
)
from vestige.types import Detector, Progress, quiet
from vestige.version import __version__

CELL_SCHEMA = 2


REPEATS: dict[str, Rule] = {
    "seeds": Within("--seeds must be 1 or more, not {}.", least=1),
    "null_seeds": Within("--null-seeds must be 0 or more, not {}.", least=0),
}


@dataclass(frozen=True)
class Repeats:
    """How many audits there are of each world.

    seeds : per row, 1 or more; most rows differ in permutations only
    null_seeds : in which there is nothing to find; 0 for none
    null_all : null audits for every detector, not for the default run only
    """

    seeds: int = 1
    null_seeds: int = 10
    null_all: bool = False

    def __post_init__(self) -> None:
        check_fields(self, REPEATS)


def run_benchmark(
    worlds: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    detectors: Sequence[str | Detector] | None = None,
    options: Options | None = None,
    repeats: Repeats = Repeats(),  # frozen
    workers: int | None = None,
    engine: str = "local",
    progress: Progress = quiet,
) -> Benchmark:
    """Audit every world by every detector, and write tables of what was found.

    Writes benchmark.json, table.md, table.csv and table.html to `out`, and a file per finished
    cell to ``out/cells``. The same call again measures what is missing: a cell is known by the
    digest of its world.json, its row with its options, its seed and the version of vestige.

    Parameters
    ----------
    worlds : folders
        As `vestige.worlds.build.build_world` leaves them; the order is kept.
    out : folder
    detectors : names or objects, optional
        Rows besides `auto`, the random scores and the blind check, which are always there ("auto"
        alone: no others): names of `vestige.detectors.DETECTORS` or of plug-ins, and objects of a
        class of yours (docs/adding-a-detector.md). The cells of an object are measured again by
        each call, since its code may have changed, in this process. Default: all built-in ones but
        those with a network that were given no option.
    options : detector -> its options, optional
    repeats : Repeats
        How many audits there are of each world.
    workers : int, optional
        Cells side by side; default: one per core.
    engine : "local" or "dask:ADDRESS"
    progress : callable
        Called as progress(stage, done, total).

    Returns
    -------
    Benchmark
        Cells that failed hold their `error`.

    Raises
    ------
    InputError
        For a folder that is no finished world or was changed, an option out of range, a named
        detector that does not compare images of the worlds' kind, a folder that cannot be written.
        A cell that fails raises nothing.
    """
    workers = cores() if workers is None else workers
    if workers < 1:
        raise InputError(f"--workers must be 1 or more, not {workers}.")
    check_engine(engine)
    asked_options = {name: dict(own) for name, own in (options or {}).items()}
    known = open_worlds(worlds)
    kinds = frozenset(world.recipe.kind for world in known.values())
    asked = ask_detectors(detectors, asked_options, kinds)
    rows, weights = asked.rows(), asked.weights(asked_options)
    place = Path(out).absolute()  # workers of a cluster stand elsewhere
    try:
        (place / "cells").mkdir(parents=True, exist_ok=True)
        (place / "cache").mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {place}: {error.strerror or error}") from error

    # 1. what is asked, and what an earlier call has answered
    nulled = [
        row for row in rows if row.kind == "default" or (repeats.null_all and row.kind != "control")
    ]
    tasks = [
        Task(
            str(arrays_file(place, world)),
            world.name,
            world.sha256,
            row.name,
            null,
            seed,
            _own(row, asked_options),
            asked.objects.get(row.name),
        )
        for world in known.values()
        for null, own, count in ((False, rows, repeats.seeds), (True, nulled, repeats.null_seeds))
        for seed in range(count)
        for row in own
        if row.name != BLIND  # every audit holds its blind check
    ]
    found = {task: cell for task in tasks if (cell := _kept(place, task, weights)) is not None}
    missing = [task for task in tasks if task not in found]

    # 2. files are decoded once per world
    wanted = {task.world for task in missing}
    for done, (folder, world) in enumerate(known.items()):
        progress("reading worlds", done, len(known))
        if world.name in wanted and not arrays_file(place, world).exists():
            WorldArrays.read(folder).save(arrays_file(place, world))
    progress("reading worlds", len(known), len(known))

    # 3. cells side by side, each kept as soon as it is there
    progress("cells", len(found), len(tasks))
    for task, cell in measured(missing, workers, engine):
        found[task] = cell
        if not cell.error and task.detector is None:
            write_together(
                {_cell_file(place, task, weights): json.dumps(asdict(cell), indent=1) + "\n"}
            )
        progress("cells", len(found), len(tasks))

    # 4. one file with everything, and tables made from it alone
    cells = tuple(found[task] for task in tasks)
    benchmark = Benchmark(
        schema=SCHEMA,
        rows=rows,
        worlds=tuple(known.values()),
        cells=cells,
        nulls=null_rates(cells),
        options={
            **asdict(repeats),
            "workers": workers,
            "engine": engine,
            "detector_options": {
                name: {option: told_place(value) for option, value in own.items()}
                for name, own in asked_options.items()
            },
            "weights_sha256": weights,
        },
        environment=environment(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_together(
        {
            place / "table.md": to_markdown(benchmark),
            place / "table.csv": to_csv(benchmark),
            place / "table.tex": to_latex(benchmark),
            place / "table.html": to_html(benchmark),
            place / "benchmark.json": benchmark.to_json(),
        }
    )
    clear_cache(place, known.values())
    return benchmark


def _own(row: Row, options: Options) -> dict[str, dict[str, Any]]:
    return {row.name: dict(options[row.name])} if row.name in options else {}


def _cell_file(place: Path, task: Task, weights: Mapping[str, str]) -> Path:
    """Weights are known by their digest, wherever their file lies."""
    own = {
        name: weights.get(f"{task.row}.{name}", value)
        for name, value in task.options.get(task.row, {}).items()
    }
    asked = [CELL_SCHEMA, __version__, RATE, task.digest, task.row, own, task.null, task.seed]
    asked += [weights[task.row]] if task.row in weights else []
    return place / "cells" / f"{hashlib.sha256(json.dumps(asked).encode()).hexdigest()}.json"


def _kept(place: Path, task: Task, weights: Mapping[str, str]) -> Cell | None:
    path = _cell_file(place, task, weights)
    if task.detector is not None or not path.exists():
        return None
    try:
        cell: Cell = decode(Cell, json.loads(path.read_text(encoding="utf-8")), "cell")
    except (OSError, ValueError):
        return None  # damaged: measured again and replaced
    return replace(cell, world=task.world)  # the folder may have been renamed
