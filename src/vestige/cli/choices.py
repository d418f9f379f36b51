"""What can be chosen by name, by kind; a table is imported when it is asked for."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from vestige.registry.entries import RegistryEntry

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
