"""What a number or a word may be: one line per option, one message per rule."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from math import inf
from numbers import Integral, Real
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
        if not isinstance(value, str) or value not in self.known:
            raise InputError(f"unknown {self.kind} {value!r}. Known: {', '.join(self.known)}.")


SEED = Within("seed {} is not between 0 and 2^63.", least=0, below=2**63)


def whole_number(name: str, value: Any) -> int:
    """`value` as an int: a whole number of Python or NumPy, or a tensor of one.

    Raises
    ------
    InputError
        For a decimal number, True or False, and what is no number.
    """
    value = _of_python(value)
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError(f"{name} must be a whole number, {value!r:.40} was given.")
    return int(value)


def real_number(name: str, value: Any) -> float:
    """`value` as a float: a number of Python or NumPy, or a tensor of one.

    Raises
    ------
    InputError
        For True or False, and what is no number.
    """
    value = _of_python(value)
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(f"{name} must be a number, {value!r:.40} was given.")
    return float(value)


def _of_python(value: Any) -> Any:
    is_single = hasattr(value, "item") and getattr(value, "ndim", 1) == 0
    return value.item() if is_single else value


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
