"""The shape of every dict entry, and the one exception a user can mend.

Every kind of choice (detectors, embedders, generators, ...) is one literal ``dict[str,
RegistryEntry]``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Generic, TypeVar

from vestige.registry.origin import Origin
from vestige.registry.spelling import in_python

T = TypeVar("T")
C = TypeVar("C", bound="RegistryEntry[Any]")


class InputError(ValueError):
    """Data or options that cannot be audited; the message says what to change.

    It is written with the options of the command line (`--used`). As text it has the keywords of
    Python (`used=`); the command line and records take `for_command`.
    """

    def __str__(self) -> str:
        return in_python(self.for_command)

    @property
    def for_command(self) -> str:
        """The message with options, as it was written."""
        return super().__str__()


@dataclass(frozen=True)
class RegistryEntry(Generic[T]):
    """One entry of a registry, which is a dict.

    Parameters
    ----------
    summary : str
        One line for ``vestige list`` and the documentation.
    factory : callable
        Makes the thing; imports what it needs only when called.
    needs_labels : bool
        Learns from used and unused images.
    needs_reference : bool
        Compares the generated set with unused reals of the same source.
    pool : bool
        Treats queries and calibration images as one unordered cohort (docs/methods.md 0.2).
    extra : str
        The optional dependency group it needs ("deep", "faiss", ...), "" for none.
    origin : Origin or None
        Where it comes from; None: it is part of vestige.
    """

    summary: str
    factory: Callable[..., T]
    needs_labels: bool = False
    needs_reference: bool = False
    pool: bool = False
    extra: str = ""
    origin: Origin | None = None


def choose(table: Mapping[str, C], name: str, kind: str) -> C:
    """Look up `name`, or say which names exist."""
    if name in table:
        return table[name]
    near = get_close_matches(name, table, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise InputError(f"unknown {kind} {name!r}.{hint} Known: {', '.join(sorted(table))}.")


def create(table: Mapping[str, RegistryEntry[T]], name: str, kind: str, **options: Any) -> T:
    """Build the choice `name`; an unknown name or option is an :class:`InputError`."""
    choice = choose(table, name, kind)
    try:
        return choice.factory(**options)
    except ImportError as error:
        if not choice.extra:
            raise
        raise InputError(
            f"{kind} {name!r} needs {error.name}: pip install 'vestige[{choice.extra}]'."
        ) from error
    except TypeError as error:
        given = ", ".join(options) or "none"
        raise InputError(f"{kind} {name!r} does not take these options: {given}.") from error
