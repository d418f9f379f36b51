"""`vestige list`: what can be chosen by name."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from vestige.cli.choices import KINDS, Table
from vestige.cli.completing import names_of
from vestige.cli.options import Json
from vestige.cli.terminal import say
from vestige.registry.entries import InputError, choose

_TAKES = {"colour": "  [colour]", "all": "  [colour, volumes]"}
"""What an entry takes beside grey images."""


def list_choices(
    kind: Annotated[
        str,
        typer.Argument(
            autocompletion=names_of(""),
            help="The kind of thing to list; without it, the kinds are listed.",
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """List what can be chosen by name, which detectors know --views, and which take what.

    Every detector takes grey images, and of others the luma of colour images; [colour] and
    [colour, volumes] compare these as they are.
    """
    table: Table = KINDS
    if kind:
        table = choose(KINDS, kind, "kind").factory()
    elif as_json:
        raise InputError(f"name what to list. Known: {', '.join(KINDS)}.")
    if kind == "formats":
        _list_formats(as_json)
        return
    if as_json:
        say(json.dumps({name: choice.summary for name, choice in table.items()}, indent=1))
        return
    width = max(map(len, table), default=0)
    for name, choice in table.items():
        extra = f"  [needs vestige[{choice.extra}]]" if choice.extra else ""
        views = "  [views]" if getattr(choice, "views", False) else ""
        kinds = _TAKES.get(getattr(choice, "takes", "grey"), "")
        say(f"{name:{width}}  {choice.summary}{extra}{views}{kinds}")


def _list_formats(as_json: bool) -> None:
    """Up to three lines each: what is read or why it is not, suffixes, how grey comes about."""
    from vestige.imageclef.runfile import FORMATS
    from vestige.images.format_table import Format, described, formats

    written = (Format(name, run.summary, state="written") for name, run in FORMATS.items())
    rows = (*formats(), *written)
    if as_json:
        say(json.dumps({row.name: asdict(row) for row in rows}, indent=1))
        return
    width = max(len(row.name) for row in rows) + 2
    for row in rows:
        extra = f"  [needs vestige[{row.extra}]]" if row.extra else ""
        say(f"{row.name:{width}}{described(row)}{extra}")
        for title, told in (("Suffixes", " ".join(row.suffixes)), ("Grey", row.grey)):
            if told:
                say(f"{'':{width}}{title}: {told}")
