"""Where a detector or a generator comes from that is no part of vestige."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from math import isfinite
from typing import Any


@dataclass(frozen=True)
class Origin:
    """Where a thing comes from that is no part of vestige.

    path : its class, "module:Class"
    package, version : the distribution that holds it, "" where none does
    plugin : whether an entry point names it, so that another process finds it again
    options : of an object, its fields as far as JSON can hold them
    """

    path: str
    package: str
    version: str
    plugin: bool
    options: dict[str, Any] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        held = f"{self.package} {self.version}".strip()
        return f"{self.path} of {held}" if held else self.path


def object_origin(made: Any) -> Origin:
    """Where an object of a dataclass comes from, and its options."""
    from importlib.metadata import version  # heavy, and rarely needed

    kind = type(made)
    package = _packages(tuple(sys.path)).get(kind.__module__.partition(".")[0], ("",))[0]
    held = version(package) if package else ""
    return Origin(f"{kind.__module__}:{kind.__qualname__}", package, held, False, options_of(made))


def options_of(made: Any) -> dict[str, Any]:
    """The fields with which a dataclass was made, as far as JSON can hold them."""
    return {f.name: _plain(getattr(made, f.name)) for f in fields(made) if f.init}


def thing(kind: str, name: str, origin: Origin | None = None) -> str:
    """What messages call a detector or a generator."""
    return f"{kind} {name!r}" + (f" ({origin})" if origin else "")


def name_of(made: Any) -> str:
    """The name of a class or function, or of the class of an object."""
    name = getattr(made, "__name__", None)
    return name if isinstance(name, str) else type(made).__name__


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float) and isfinite(value):
        return value
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return f"{value!r:.200}"


@cache
def _packages(path: tuple[str, ...]) -> Mapping[str, Sequence[str]]:
    """Module -> the distributions that hold it, on this path."""
    from importlib.metadata import packages_distributions

    return packages_distributions()
