"""What the command line says and where it writes."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vestige.registry.entries import InputError
from vestige.types import Progress
from vestige.types import quiet as silent

if TYPE_CHECKING:
    from vestige.result import AuditResult


def tell(
    result: "AuditResult", report: Path, quiet: bool, as_json: bool, gate: bool = False
) -> None:
    """Print the decision for a person, or as JSON; with `gate` the way of the gate before it."""
    from vestige.decision.sentences import gate_line, plural

    decision = result.decision
    if as_json:
        used = sum(f.verdict == "used" for f in result.findings)
        stand_out = sum(f.stands_out for f in result.findings)
        answer: dict[str, Any] = {
            "decision": asdict(decision), "used": used, "stand_out": stand_out
        }  # fmt: skip
        print(json.dumps(answer | {"report": str(report)}))
        return
    if quiet:
        return
    print(gate_line(decision) if gate else decision.text)
    if unread := sum(problem.severity == "error" for problem in result.problems):
        print(f"{unread} file(s) could not be read; see problems in the report.")
    both = {f.group for f in result.findings} & set(result.calibration.groups)
    if both:
        whose = "patient" if result.question.patient_ids else "group"
        has = f"{plural(len(both), whose)} {'has' if len(both) == 1 else 'have'}"
        print(f"{has} target and unused images and no part in the test of the set.")
    print(f"Report: {report}")


def warn(text: str) -> None:
    """Print one line on stderr."""
    print(f"vestige: {text}", file=sys.stderr)


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
