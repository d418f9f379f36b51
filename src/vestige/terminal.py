"""What the command line says and where it writes."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vestige.choices import InputError
from vestige.gate import Gate
from vestige.result import AuditResult
from vestige.types import Progress
from vestige.types import quiet as silent


def tell(
    result: AuditResult, report: Path, quiet: bool, as_json: bool, gate: Gate | None = None
) -> None:
    """Print the answer for a person, or as JSON; and what the gate decided, if it was asked."""
    if as_json:
        answer: dict[str, Any] = {"leak": result.verdict.leak, "reason": result.verdict.reason}
        named = sum(f.verdict == "used" for f in result.findings)
        answer |= {"why": result.verdict.why, "used": named, "report": str(report)}
        print(json.dumps(answer | ({"gate": asdict(gate)} if gate else {})))
        return
    if quiet:
        return
    named = sum(finding.verdict == "used" for finding in result.findings)
    print(f"Leak {result.verdict.leak}: {result.verdict.why}")
    print(f"{named} of {len(result.findings)} images judged used. Report: {report}")
    worst = [problem for problem in result.problems if problem.severity == "error"]
    if worst:
        print(f"{len(worst)} file(s) could not be read; see problems in the report.")
    if gate:
        print(gate)


@contextmanager
def output(folder: Path) -> Iterator[None]:
    """Refuse an unwritable folder before hours of work; leave none behind after an error."""
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        _probe(folder)
        yield
    except BaseException:
        for place in made:
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()
        raise


def _probe(folder: Path) -> None:
    file = folder / ".vestige-probe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.touch()
        file.unlink()
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror or error}") from error


@contextmanager
def progress_bars(quiet: bool) -> Iterator[Progress]:
    """Progress bars on stderr when a person is watching."""
    if quiet or not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    layout = (
        TextColumn("{task.description:>18}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*layout, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield progress
