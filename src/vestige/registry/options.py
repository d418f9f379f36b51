"""Options as text, NAME=VALUE, in the types that a dataclass declares for them."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from vestige.registry.entries import InputError

WANTED = {bool: "true or false", int: "a whole number", float: "a number"}


def split_options(texts: Sequence[str]) -> dict[str, str]:
    """["share=0.2"] -> {"share": "0.2"}.

    Raises
    ------
    InputError
        For a text without "=", and for a name given twice.
    """
    given: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or name in given:
            raise InputError(f"--option takes NAME=VALUE, each name once, not {text!r}.")
        given[name] = value
    return given


def typed_options(made: Any, given: Mapping[str, str], kind: str, name: str) -> dict[str, Any]:
    """Texts in the types of the fields of `made`.

    Parameters
    ----------
    made : dataclass instance
        Built without options. Its fields may be bool, int, float, str, words (Literal), sequences
        of these (text: a,b,c), or several of them.
    given : mapping
        Option -> text.
    kind, name : str
        What was chosen, for messages: "generator", "gan".

    Raises
    ------
    InputError
        For an unknown option, and for a value of another type.
    """
    hints = get_type_hints(type(made))
    known = {f.name: hints[f.name] for f in fields(made) if f.init}
    unknown = sorted(given.keys() - known.keys())
    if unknown:
        raise InputError(
            f"{kind} {name!r} has no option {unknown[0]!r}. Known: {', '.join(known)}."
        )
    return {option: _parse(option, text, known[option]) for option, text in given.items()}


def parse_window(text: str) -> tuple[float, float]:
    """A DICOM or NIfTI window such as "-600,1500"."""
    try:
        centre, width = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"--window takes CENTRE,WIDTH such as -600,1500, not {text!r}.") from error
    if width <= 0:
        raise InputError(f"--window needs a positive width, not {width:g}.")
    return centre, width


def _parse(name: str, text: str, kind: Any) -> Any:
    parts = get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        return _first_fit(name, text, parts)
    if get_origin(kind) is Sequence:
        return tuple(_parse(name, part.strip(), parts[0]) for part in text.strip("[]()").split(","))
    if kind is str:
        return text
    if get_origin(kind) is Literal:
        if text in parts:
            return text
        raise InputError(f"option {name} must be one of {', '.join(parts)}, not {text!r}.")
    if kind is NoneType and text.lower() == "none":
        return None
    if kind is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind in (int, float) and _is_number(text, kind):
        return kind(text)
    raise InputError(f"option {name} must be {WANTED.get(kind, 'none')}, not {text!r}.")


def _first_fit(name: str, text: str, kinds: Sequence[Any]) -> Any:
    """A value of `int | None`, `str | Sequence[int]`, ...; str comes last, since any text fits."""
    *others, last = sorted(kinds, key=lambda kind: (kind is not NoneType, kind is str))
    for kind in others:
        try:
            return _parse(name, text, kind)
        except InputError:
            continue
    return _parse(name, text, last)


def _is_number(text: str, kind: type[int] | type[float]) -> bool:
    try:
        return isfinite(kind(text))
    except ValueError:
        return False
