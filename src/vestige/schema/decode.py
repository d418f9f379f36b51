"""Strict reading of parsed JSON into frozen dataclasses, led by their type hints."""

from dataclasses import fields, is_dataclass
from functools import cache
from sys import float_info
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from vestige.registry.entries import InputError

MAX_DEPTH = 32
"""Free-form values (options) may not nest deeper; hostile files would exhaust the stack."""

MAX_SHOWN = 12
"""Words of a list of allowed ones that a message shows."""


def decode(kind: Any, value: Any, where: str) -> Any:
    """Turn a parsed JSON value into `kind`, or say which place holds something else.

    Parameters
    ----------
    kind : type
        A dataclass, str, bool, int, float, Any, Literal, ``T | None``, ``tuple[T, ...]`` or
        ``dict[str, T]``. Dataclass fields with ``compare=False`` are not part of the JSON, and
        those with ``init=False`` are made, not read.
    value : object
        What ``json.loads`` gave.
    where : str
        The place, for messages ("findings[3].score").

    Raises
    ------
    InputError
        Wrong type, missing or unknown key, unknown word, number out of range, deep nesting.
    """
    if kind is Any:
        return _shallow(value, where, MAX_DEPTH)
    if is_dataclass(kind):
        return _decode_dataclass(kind, value, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        _demand(isinstance(value, str) and value in arguments, where, value, _either(arguments))
        return value
    if origin is tuple:
        _demand(isinstance(value, list), where, value, "a list")
        return tuple(decode(arguments[0], v, f"{where}[{i}]") for i, v in enumerate(value))
    if origin is dict:
        _demand(isinstance(value, dict), where, value, "a record")
        return {key: decode(arguments[1], v, f"{where}[{key!r:.40}]") for key, v in value.items()}
    if origin in (Union, UnionType):
        (inner,) = (a for a in arguments if a is not type(None))
        return None if value is None else decode(inner, value, where)
    return _decode_scalar(kind, value, where)


def _decode_dataclass(kind: Any, value: Any, where: str) -> Any:
    _demand(isinstance(value, dict), where, value, "a record")
    hints = _json_fields(kind)
    missing = [name for name in hints if name not in value]
    unknown = [name for name in value if name not in hints]
    if missing or unknown:
        what = f"lacks {missing[0]!r}" if missing else f"has the unknown key {unknown[0]!r:.60}"
        raise InputError(f"{where} {what}. Give a file written by this version of vestige.")
    return kind(
        **{name: decode(hint, value[name], f"{where}.{name}") for name, hint in hints.items()}
    )


def _decode_scalar(kind: Any, value: Any, where: str) -> Any:
    if kind is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        _demand(number and abs(value) <= float_info.max, where, value, "a finite number")
        return float(value)
    if kind is int:
        whole = isinstance(value, int) and not isinstance(value, bool)
        _demand(whole and abs(value) < 2**63, where, value, "a whole number below 2^63")
        return value
    _demand(isinstance(value, kind), where, value, {str: "a text", bool: "true or false"}[kind])
    return value


@cache
def _json_fields(kind: Any) -> dict[str, Any]:
    """Fields with their types."""
    hints = get_type_hints(kind)
    return {f.name: hints[f.name] for f in fields(kind) if f.compare and f.init}


def _shallow(value: Any, where: str, depth: int) -> Any:
    if depth == 0:
        raise InputError(f"{where:.80} is nested deeper than {MAX_DEPTH} levels.")
    if isinstance(value, dict):
        return {k: _shallow(v, where, depth - 1) for k, v in value.items()}
    if isinstance(value, list):
        return [_shallow(v, where, depth - 1) for v in value]
    if isinstance(value, int):
        _demand(abs(value) < 2**63, where, value, "a number below 2^63")
    return value


def _either(words: tuple[Any, ...]) -> str:
    shown = ", ".join(repr(word) for word in words[:MAX_SHOWN])
    more = len(words) - MAX_SHOWN
    return f"one of {shown}" + (f" and {more} more words" if more > 0 else "")


def _demand(condition: bool, where: str, value: Any, wanted: str) -> None:
    if not condition:
        raise InputError(f"{where:.80} must be {wanted}, found {_shown(value)}.")


def _shown(value: Any) -> str:
    """A value as it stands in the file; of what may be long only its kind."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | float):
        return f"{value!r:.60}"
    if isinstance(value, dict):
        return "a record"
    return "a list" if isinstance(value, list) else "another number"
