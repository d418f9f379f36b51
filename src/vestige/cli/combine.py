"""`vestige combine`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from vestige.cli.options import OUTPUT, QUESTION, Json, Quiet
from vestige.cli.terminal import output, say
from vestige.registry.entries import InputError


def combine(
    results: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RESULT.json",
            help="The result.json of each site. A site is called by the folder of its result.",
        ),
    ] = None,
    *,
    site: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=RESULT.json",
            help="The name of a site and its result.json; repeat the option for several.",
            rich_help_panel=QUESTION,
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="The folder for combined.json and combined.html.",
            rich_help_panel=OUTPUT,
        ),
    ],
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Replace the answer of other sites in the folder of --out.",
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
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Combine the audits of one generated set by several sites, without their images.

    Each site audits with its own real images and gives its result.json away, or a redacted one.
    """
    from vestige.decision.sentences_sites import combined_gate_line
    from vestige.sites.combine import combine_named

    given = _named(results or [], site or [])
    with output(out, [("a result", path) for _, path in given]):
        found = combine_named(given)
        page = found.save(out, overwrite=force)
    if as_json:
        answer: dict[str, Any] = {
            "state": found.state, "gate": found.gate, "text": found.text,
            "p_value": found.test.p_value if found.test else None,
            "decision": asdict(found.decision), "report": str(page),
        }  # fmt: skip
        say(json.dumps(answer))
    elif not quiet:
        say(combined_gate_line(found) if gate else found.text)
        say(f"Report: {page}")
    return found.exit_code if gate else 0


def _named(results: list[Path], sites: list[str]) -> list[tuple[str, Path]]:
    """Name and file of each site, in the order of the command line: arguments first."""
    from vestige.sites.combine import folder_name

    given = [(folder_name(path), path) for path in results]
    for one in sites:
        name, equals, path = one.partition("=")
        if not (name and equals and path):
            raise InputError(
                f"--site {one} is not a name and a file: give --site NAME=RESULT.json, such as "
                "--site north=north/result.json."
            )
        given.append((name, Path(path)))
    return given
