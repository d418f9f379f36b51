"""`vestige check`: the audit without the audit."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vestige.cli.asking import Asked, asks
from vestige.cli.audit import refuse_without_gate
from vestige.cli.config import Config, ConfigFile, with_file
from vestige.cli.options import OUTPUT, Json, Quiet
from vestige.cli.terminal import say, warn
from vestige.files.places import refuse_inside, refuse_within
from vestige.registry.entries import InputError

if TYPE_CHECKING:
    from vestige.auditing.dry_run import DryRun


@asks
def check_command(
    asked: Asked,
    context: typer.Context,
    *,
    config: ConfigFile = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The folder that the audit would write to; it is looked at and not written to.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="As for an audit: the folder of --out may hold the result of another audit.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    gate: Annotated[
        bool,
        typer.Option(
            "--gate", help="As for an audit; it changes nothing here.", rich_help_panel=OUTPUT
        ),
    ] = False,
    junit: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The file that the audit would write; it is looked at and not written.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Say in seconds what an audit with these options would refuse; read few images, write nothing.

    Exit code 0: it would start. 2: it would be refused, with one line for each reason.
    """
    from vestige.auditing.dry_run import dry_run

    found = dry_run(asked.folders, asked.options)
    plan: Config | None = context.obj
    asked = replace(asked, inputs=with_file(asked.inputs, plan))
    for look in _outputs(asked, out, None if force else out, junit, gate):
        with _kept(found):
            look()
    if as_json:
        say(json.dumps({"passed": not found.refusals} | asdict(found), indent=1))
    else:
        for line in () if quiet else _lines(found, plan):
            say(line)
        for line in found.warnings:
            warn(f"warning: {line}")
        for line in found.refusals:
            warn(line)
    if found.refusals:
        raise typer.Exit(2)
    if not (quiet or as_json):
        say("Nothing would refuse this audit before its images are read.")


@contextmanager
def _kept(found: "DryRun") -> Iterator[None]:
    try:
        yield
    except InputError as error:
        found.refuse(error)


def _outputs(
    asked: Asked, out: Path | None, other: Path | None, junit: Path | None, gate: bool
) -> Iterator[Callable[[], None]]:
    """What an audit asks of the places that it writes to."""
    from vestige.auditing.question import refuse_other_question
    from vestige.auditing.request import open_request
    from vestige.types import quiet

    if junit is not None:
        yield lambda: refuse_inside([("--junit", junit)], asked.inputs)
        yield lambda: _writable_file(junit, out)
        yield lambda: refuse_without_gate(junit, gate)
    if out is None:
        return
    yield lambda: refuse_inside([("--out", out)], asked.inputs)
    yield lambda: _writable(out)
    cache = asked.options.cache
    if cache is not None:
        yield lambda: refuse_within(("--cache", cache), [("--out", out)])
    if other is not None and (other / "result.json").exists():
        yield lambda: refuse_other_question(
            open_request(asked.folders, asked.options, quiet), other
        )


def _writable(folder: Path) -> None:
    """Refuse a folder that cannot be written to, or made."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"cannot write to {folder}: name a folder that you may write to.")


def _writable_file(file: Path, out: Path | None) -> None:
    """Refuse a file in a folder that is not there, unless the audit makes it."""
    if file.is_dir() or not (file.parent.is_dir() or file.parent == out):
        raise InputError(f"cannot write {file}: name a file in a folder that is there.")
    _writable(file.parent)


def _lines(found: "DryRun", plan: Config | None) -> Iterator[str]:
    from vestige.images.kinds import NAMES

    if plan is not None:
        yield f"{plan.path.name}: SHA-256 {plan.sha256}"
        if plan.overruled:
            yield f"Instead of {plan.path.name}: {', '.join(plan.overruled)} of the command line."
    if found.mode:
        what = f" of {NAMES[found.kind]}" if found.kind else ""
        by = f" by {len(found.detectors)} detectors" if found.detectors else ""
        yield f"A {found.mode} audit{what}{by}."
    for role, seen in found.roles.items():
        told = [f"{seen.count} files or images"]
        if seen.patients is not None:
            told.append(f"{seen.patients} patients")
        if seen.formats:
            told.append(f"{', '.join(seen.formats)} of {', '.join(seen.sides[:3]) or '?'}")
        if seen.values is not None:
            whose = "values" if found.kind == "colour" else "grey values"
            told.append(f"{whose} {seen.values[0]:.2f} to {seen.values[1]:.2f}")
        yield f"{role}: {'; '.join(told)}"
