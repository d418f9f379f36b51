"""Does a value have the type that a dataclass declares for it? For options given in Python."""

import os
from collections.abc import Mapping, Sequence
from functools import cache
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from vestige.registry.entries import InputError

NAMES = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}


def check_values(kind: type, given: Mapping[str, Any], what: str = "") -> None:
    """Refuse values of another type than the fields of a dataclass.

    Parameters
    ----------
    kind : type
        A dataclass.
    given : mapping
        Field -> value; names that are no fields are left to others.
    what : str
        What has the fields, for the message: "detector 'mc_ball': ".

    Raises
    ------
    InputError
        Naming the first value of another type.
    """
    declared = _declared(kind)
    for name, value in given.items():
        if name in declared and not _fits(value, declared[name]):
            wanted = _described(declared[name])
            raise InputError(f"{what}{name} must be {wanted}, not {value!r:.60}.")


@cache
def _declared(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value is of a declared type; types that are not known here hold everything."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return isinstance(value, str)  # which word: the rule of the option
    if origin is tuple and parts[-1] is not ...:
        return (
            isinstance(value, Sequence)
            and len(value) == len(parts)
            and all(map(_fits, value, parts))
        )
    if origin in (Sequence, tuple, list):
        return (
            isinstance(value, Sequence)
            and not isinstance(value, str | bytes)
            and all(_fits(one, parts[0]) for one in value)
        )
    if origin is Mapping:
        return isinstance(value, Mapping) and all(_fits(one, parts[1]) for one in value.values())
    if kind is bool or isinstance(value, bool):
        return isinstance(value, bool) and kind in (bool, Any)
    simple: dict[Any, type] = {int: Integral, float: Real, str: str, NoneType: NoneType}
    if kind in simple:
        return isinstance(value, simple[kind])
    if origin is os.PathLike:
        return isinstance(value, os.PathLike)
    return True


def _described(kind: Any) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_described(part) for part in parts if part != NoneType))
    if origin is Literal:
        return "one of " + ", ".join(map(str, parts))
    if origin is tuple and parts[-1] is not ...:
        return f"{len(parts)} of: {', '.join(dict.fromkeys(map(_described, parts)))}"
    if origin in (Sequence, tuple, list):
        return f"a list, each {_described(parts[0])}"
    if origin is Mapping:
        return f"a dict whose values are {_described(parts[1])}"
    return "a path" if origin is os.PathLike else NAMES.get(kind, "an object")
