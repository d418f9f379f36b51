"""What the command line says and where it writes.

All text goes through `say` and `warn`: names of files and tags may hold codes that a terminal
obeys, and letters that it cannot show.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vestige.files.locked import locked
from vestige.files.places import Named, refuse_inside
from vestige.files.printable import printable
from vestige.files.temporary import check_temporary
from vestige.files.whole import created
from vestige.registry.entries import InputError

if TYPE_CHECKING:  # heavy, and needed by commands that work only
    from vestige.result import AuditResult
    from vestige.types import Progress


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
        say(json.dumps(answer | {"report": str(report)}))
        return
    if quiet:
        return
    say(gate_line(decision) if gate else decision.text)
    if unread := sum(problem.severity == "error" for problem in result.problems):
        say(f"{unread} file(s) could not be read; see problems in the report.")
    both = {f.group for f in result.findings} & set(result.calibration.groups)
    if both:
        whose = "patient" if result.question.patient_ids else "group"
        has = f"{plural(len(both), whose)} {'has' if len(both) == 1 else 'have'}"
        say(f"{has} target and unused images and no part in the test of the set.")
    say(f"Report: {report}")


def say(text: str) -> None:
    """Print lines on stdout."""
    _print(text, sys.stdout)


def warn(text: str) -> None:
    """Print one line on stderr."""
    _print(f"vestige: {' '.join(text.split())}", sys.stderr)


def shown(text: str) -> str:
    """A text of lines in which whatever is not printable is an escape."""
    return printable(text, keep="\n")


def _print(text: str, stream: Any) -> None:
    if stream is None or stream.closed:  # nobody listens
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    plain = shown(text).encode(encoding, errors="backslashreplace").decode(encoding)
    print(plain, file=stream)


@contextmanager
def output(
    folder: Path, inputs: Iterable[Named] = (), files: Iterable[Path] = ()
) -> Iterator[None]:
    """Refuse what cannot be written before hours of work; leave nothing behind after an error.

    Parameters
    ----------
    inputs : (option, path)
        Nothing is written into one of these.
    files : paths, optional
        Written instead of `folder` as a whole, which other runs may then write to as well.

    Raises
    ------
    InputError
    """
    refuse_inside([("--out", place) for place in files or (folder,)], inputs)
    check_temporary()
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        _probe_folder(folder)
        with nullcontext() if files else locked(folder):
            yield
    except BaseException:
        for place in made:
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()
        raise


def given(**options: object) -> list[Named]:
    """Places that options name: ("--used", path); addresses and what was not given are left out."""
    from vestige.images.remote import is_address, without_scheme

    return [
        (f"--{name.replace('_', '-')}", without_scheme(value))
        for name, value in options.items()
        if value is not None and not is_address(value)
    ]


def probe(file: Path) -> None:
    """Refuse a file that cannot be written, before hours of work; its folder must be there.

    Raises
    ------
    InputError
    """
    if file.is_dir():
        raise InputError(f"cannot write {file}: it is a folder; name a file.")
    try:
        created(file).unlink()
    except OSError as error:
        raise InputError(f"cannot write {file}: {error.strerror or error}") from error


def _probe_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        created(folder / "probe").unlink()
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror or error}") from error


@contextmanager
def progress_bars(quiet: bool) -> "Iterator[Progress]":
    """Progress bars on stderr when a person is watching."""
    from vestige.types import quiet as silent

    if quiet or sys.stderr is None or sys.stderr.closed or not sys.stderr.isatty():
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
