"""`vestige audit`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vestige.cli.asking import Asked, asks
from vestige.cli.config import Config, ConfigFile, with_file
from vestige.cli.options import OUTPUT, Json, Quiet
from vestige.cli.terminal import output, probe, progress_bars, say, tell
from vestige.files.places import refuse_inside, refuse_within
from vestige.files.whole import write_together
from vestige.registry.entries import InputError


@asks
def audit_command(
    asked: Asked,
    context: typer.Context,
    *,
    config: ConfigFile = None,
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="The folder for result.json, findings.csv and report.html.",
            rich_help_panel=OUTPUT,
        ),
    ],
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Replace the result of another audit in the folder of --out.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    gate: Annotated[
        bool,
        typer.Option(
            "--gate",
            help="End with the exit code of the gate: 0 for open, 3 for closed, 4 for undecided.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    junit: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --gate, also write the decision, the criteria of the gate and the validity "
            "checks as JUnit XML. A closed or undecided gate is a failure.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Judge real images against a generated set, with error rates."""
    from vestige.auditing.audit import run_audit
    from vestige.auditing.question import refuse_other_question
    from vestige.auditing.request import open_request
    from vestige.report.junit import to_junit
    from vestige.types import quiet as silent

    plan: Config | None = context.obj
    folders, options = asked.folders, asked.options
    inputs = with_file(asked.inputs, plan)
    refuse_without_gate(junit, gate)
    if options.cache is not None:
        refuse_within(("--cache", options.cache), [("--out", out)])
    if junit is not None:
        refuse_inside([("--junit", junit)], inputs)
    if not force and (out / "result.json").exists():
        refuse_other_question(open_request(folders, options, silent), out)
    if plan is not None and plan.overruled and not (quiet or as_json):
        say(f"Instead of {plan.path.name}: {', '.join(plan.overruled)} of the command line.")
    with output(out, inputs), progress_bars(quiet) as progress:
        if junit is not None:
            probe(junit)
        result = run_audit(folders, options, progress)
        if plan is not None:
            made = replace(result.manifest, config_sha256=plan.sha256, overruled=plan.overruled)
            result = replace(result, manifest=made)
        report = result.save(out, overwrite=force)
        if junit is not None:
            write_together({junit: to_junit(result)})
    tell(result, report, quiet, as_json, gate)
    return result.decision.exit_code if gate else 0


def refuse_without_gate(junit: Path | None, gate: bool) -> None:
    """Refuse --junit alone.

    Raises
    ------
    InputError
    """
    if junit is not None and not gate:
        raise InputError("--junit writes what the gate decides: give --gate as well.")
