"""`vestige list`: what can be chosen by name."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from typing import Annotated, Any

import typer

from vestige.cli.completing import names_of
from vestige.cli.options import Json
from vestige.cli.terminal import say
from vestige.registry.entries import InputError, RegistryEntry, choose

Table = Mapping[str, RegistryEntry[Any]]


def _tables(*places: str) -> Any:
    """A function that joins tables, "module:NAME" below vestige; it imports them when it is called.

    A table of plug-ins gives its rows by name alone: no plug-in is imported.
    """

    def load() -> Table:
        found: dict[str, RegistryEntry[Any]] = {}
        for place in places:
            module, _, name = place.partition(":")
            table = getattr(import_module(f"vestige.{module}"), name)
            found |= table if isinstance(table, Mapping) else table.rows()
        return found

    return load


def _named(place: str) -> Any:
    """A function that makes a table of choices that are no registry entries: name -> what it is."""

    def load() -> Table:
        module, _, name = place.partition(":")
        choices = getattr(import_module(f"vestige.{module}"), name)
        return {
            one: RegistryEntry(told if isinstance(told, str) else ", ".join(told), dict)
            for one, told in choices.items()
        }

    return load


KINDS: dict[str, RegistryEntry[Table]] = {
    "detectors": RegistryEntry(
        "Methods that score real images (--detector).",
        _tables("detectors:DETECTORS", "detectors.plugins:DETECTORS_AND_PLUGINS"),
    ),
    "checks": RegistryEntry("Validity checks of an audit (--checks).", _tables("checks:CHECKS")),
    "measures": RegistryEntry(
        "Published measures of the whole set, for information.", _tables("measures:SET_MEASURES")
    ),
    "generators": RegistryEntry(
        "Generators of `vestige world build`.",
        _tables("worlds:GENERATORS", "worlds.plugins:GENERATORS_AND_PLUGINS"),
    ),
    "protocols": RegistryEntry(
        "Evaluations of the papers (vestige benchmark --protocol).", _tables("protocols:PROTOCOLS")
    ),
    "backbones": RegistryEntry(
        "Networks that give features, whose weights you name.", _tables("features:BACKBONES")
    ),
    "formats": RegistryEntry(
        "Formats of images that are read or refused, and of run files that are written.",
        _tables("images.readers:READERS", "imageclef.runfile:FORMATS"),
    ),
    "efforts": RegistryEntry(
        "What the detectors of `auto` may cost (--effort).", _named("detectors.entry:EFFORTS")
    ),
    "views": RegistryEntry(
        "Symmetries in which copies are looked for (--views).", _named("symmetries:VIEWS")
    ),
    "engines": RegistryEntry(
        "Where the work is done (--engine).", _tables("engine.engines:ENGINES")
    ),
}
"""Name -> what `vestige list NAME` lists."""
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
