"""What a number or a word may be: one line per option, one message per rule."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from math import inf
from typing import Any, Literal, Protocol, get_args, get_origin

from vestige.registry.entries import InputError


class Rule(Protocol):
    """Refuses a value with one line."""

    def check(self, value: Any) -> None:
        """Raise an InputError unless the value is allowed."""
        ...


@dataclass(frozen=True)
class Within:
    """A number between limits; `above` and `below` are not allowed themselves. NaN never is.

    message : with one slot for the value
    """

    message: str
    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def check(self, value: float) -> None:
        """Raise an InputError unless the number lies inside."""
        inside = (
            value == value
            and (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )
        if not inside:
            raise InputError(self.message.format(value))


@dataclass(frozen=True)
class OneOf:
    """One of the words of a table."""

    kind: str
    known: Collection[str]

    def check(self, value: str) -> None:
        """Raise an InputError for another word."""
        if value not in self.known:
            raise InputError(f"unknown {self.kind} {value!r}. Known: {', '.join(self.known)}.")


SEED = Within("seed {} is not between 0 and 2^63.", least=0, below=2**63)


def check_words(made: Any) -> None:
    """Refuse a word that the Literal of a dataclass field does not list."""
    for one in fields(made):
        if get_origin(one.type) is Literal:
            OneOf(one.name, get_args(one.type)).check(getattr(made, one.name))


def at_least(least: float, made: Any, *names: str, of: str = "") -> None:
    """Refuse an option, of whatever `of` names, that is below a number or not finite."""
    for name in names:
        message = f"{of}{name} must be {least:g} or more, {{:g}} was given."
        Within(message, least=least, below=inf).check(getattr(made, name))


def above_zero(made: Any, *names: str, of: str = "") -> None:
    """Refuse an option, of whatever `of` names, that is not above 0 or not finite."""
    for name in names:
        message = f"{of}{name} must be above 0, {{:g}} was given."
        Within(message, above=0, below=inf).check(getattr(made, name))


def check_fields(made: Any, rules: Mapping[str, Rule]) -> None:
    """Check the fields that a table names, in its order; None means that nothing was asked for."""
    for name, rule in rules.items():
        value = getattr(made, name)
        if value is not None:
            rule.check(value)
