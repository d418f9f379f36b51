"""Inputs, cache and outputs lie apart: nothing that is read is written to."""

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from vestige.registry.entries import InputError

Named = tuple[str, str | os.PathLike[str]]
"""What a place is for ("--used"), and where it is."""
_SEPARATOR = re.compile(r"[/\\]")
_FOLDERS = re.compile(r"""(?<![\w.:/*])(?:/(?=\S)|[A-Za-z]:[/\\])(?:[^:'"(),;\n]*[/\\])?""")


def refuse_inside(outputs: Iterable[Named], inputs: Iterable[Named]) -> None:
    """Refuse an output that is an input, or lies in a folder of inputs.

    Raises
    ------
    InputError
    """
    read = [(name, given, _real(given)) for name, given in inputs]
    for what, output in outputs:
        place = _real(output)
        for name, given, real in read:
            if place == real or (real in place.parents and real.is_dir()):
                where = "is" if place == real else "lies in"
                raise InputError(
                    f"{what} {os.fspath(output)} {where} {os.fspath(given)}, which is read as "
                    f"{name}: name a place outside of all inputs."
                )


def refuse_within(one: Named, others: Iterable[Named]) -> None:
    """Refuse a place that lies in another one, is it, or holds it.

    Raises
    ------
    InputError
    """
    place = _real(one[1])
    for name, given in others:
        real = _real(given)
        if place == real or real in place.parents or place in real.parents:
            raise InputError(
                f"{one[0]} {os.fspath(one[1])} and {name} {os.fspath(given)} lie within one "
                f"another: name a folder of its own for {one[0]}."
            )


def told_place(value: object) -> object:
    """A path as a shared file may tell it: its name, and a digest that tells two folders apart.

    What is no path stays as it is, and so does what was told already.
    """
    if not isinstance(value, str) or not _SEPARATOR.search(value):
        return value
    name = _SEPARATOR.split(value.rstrip("/\\"))[-1]
    return f"{name}@{hashlib.sha256(value.encode(errors='surrogateescape')).hexdigest()[:8]}"


def without_places(text: str) -> str:
    """A message on one line, as a shared file may tell it: each absolute path is its last part.

    A folder may have blanks in its name, so what stands between two slashes goes with them.
    """
    return " ".join(_FOLDERS.sub("", text).split())


def _real(path: str | os.PathLike[str]) -> Path:
    try:
        return Path(os.path.realpath(path))
    except ValueError as error:
        raise InputError("a path holds a zero byte, which no path does.") from error
