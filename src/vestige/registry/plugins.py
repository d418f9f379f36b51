"""Things that other packages add: objects of a user, and plug-ins by entry point.

Metadata alone tells which plug-ins there are; the code of one runs only when it is asked for by
name.
"""

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, is_dataclass, replace
from functools import cache
from inspect import getattr_static
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from vestige.registry.contract import ContractError, no_other_error, require, shown
from vestige.registry.entries import InputError, RegistryEntry, choose
from vestige.registry.origin import Origin, object_origin, thing

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint  # heavy, and rarely needed

E = TypeVar("E", bound=RegistryEntry[Any])


@dataclass(frozen=True)
class Plugged(Generic[E]):
    """A table of what is built in, and what other packages add to it.

    Parameters
    ----------
    kind, group : str
        What it holds, for messages ("detector"), and the group of entry points.
    table : mapping
        Name -> entry of what is built in.
    taken : collection of str
        Names that no plug-in may take.
    members : sequence of str
        What each thing must have.
    rule : str
        The rule of the contract that says so.
    entry : callable
        (a thing as made without options, what makes it) -> its entry, where a plug-in gives none.
    """

    kind: str
    group: str
    table: Mapping[str, E]
    taken: Collection[str]
    members: Sequence[str]
    rule: str
    entry: Callable[[Any, Callable[..., Any]], E]

    def find(self, name: str) -> E:
        """The entry of this name, built in or of a plug-in, which is imported now.

        Raises
        ------
        InputError
            An unknown name; a plug-in that takes the name of what is built in, that two packages
            have, that is broken, or that lacks a member.
        """
        points = self._plugins().get(name, ())
        if not points:
            names: Mapping[str, Any] = dict.fromkeys(self._plugins()) | dict(self.table)
            found: E = choose(names, name, self.kind)
            return found
        origin = _origin(points[0])
        if name in self.taken:
            raise InputError(
                f"the plug-in {name!r} ({origin}) takes the name of a built-in {self.kind}: rename "
                "its entry point, or uninstall it."
            )
        if len(points) > 1:
            held = " and ".join(sorted(str(_origin(point)) for point in points))
            raise InputError(f"two plug-ins are named {name!r}, {held}: uninstall one.")
        return self._load(points[0], origin)

    def of_object(self, made: Any) -> E:
        """The entry of an object of a user; it gives copies, so that the object is never fitted.

        Raises
        ------
        InputError
            It is a class, or lacks a member.
        """
        if isinstance(made, type):
            raise InputError(f"{made.__name__} is a class: give an object of it.")
        self.check(made, thing(self.kind, type(made).__name__))
        entry = self.entry(made, lambda **options: deepcopy(made))
        return replace(entry, origin=object_origin(made))

    def rows(self) -> dict[str, RegistryEntry[Any]]:
        """What ``vestige list`` says of plug-ins; no code of theirs runs."""
        rows: dict[str, RegistryEntry[Any]] = {}
        for name, points in self._plugins().items():
            summary = f"plug-in {_origin(points[0])}"
            if name in self.taken:
                name, summary = f"{name} (refused)", f"{summary}: takes the name of a built-in one"
            rows[name] = RegistryEntry(summary, points[0].load)
        return rows

    def check(self, made: Any, what: str) -> None:
        """Refuse what lacks a member, and what is no dataclass.

        Raises
        ------
        ContractError
        """
        name = type(made).__name__
        for member in self.members:  # a property need not work before `fit`
            there = getattr_static(made, member, None) is not None
            require(there, what, self.rule, f"{name} has no {member}")
        require(is_dataclass(made), what, self.rule, f"{name} is no dataclass")

    def _load(self, point: "EntryPoint", origin: Origin) -> E:
        what = thing(self.kind, point.name, origin)
        try:
            held = point.load()
        except (Exception, SystemExit) as error:
            raise ContractError(what, self.rule, shown(error)) from error
        whole = isinstance(held, RegistryEntry)
        factory = held.factory if whole else held
        with no_other_error(what, self.rule):
            made = factory()
        self.check(made, what)
        own = self.entry(made, factory)
        require(isinstance(held, type(own)) or not whole, what, self.rule, "its entry is another's")
        return replace(held if whole else own, origin=origin)

    def _plugins(self) -> Mapping[str, Sequence["EntryPoint"]]:
        """Name -> the entry points of this name; nothing is imported."""
        found: dict[str, list[EntryPoint]] = {}
        for point in _points(self.group, tuple(sys.path)):
            found.setdefault(point.name, []).append(point)
        return found


def summary_of(made: Any) -> str:
    """The first line of what the class of a thing says of itself."""
    kind = type(made)
    return (kind.__doc__ or "").strip().partition("\n")[0] or kind.__name__


def _origin(point: "EntryPoint") -> Origin:
    package, version = (point.dist.name, point.dist.version) if point.dist else ("", "")
    return Origin(point.value, package, version, plugin=True)


@cache
def _points(group: str, path: tuple[str, ...]) -> tuple["EntryPoint", ...]:
    """The entry points of a group on this path."""
    from importlib.metadata import entry_points

    return tuple(entry_points(group=group))
