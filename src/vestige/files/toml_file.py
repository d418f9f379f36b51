"""A TOML file, read whole and strictly: every fault is one line that names the place."""

import os
import tomllib
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from vestige.files.printable import printable
from vestige.files.regular import read_text
from vestige.registry.entries import InputError

MOST_BYTES = 2**20


def read_toml(path: str | os.PathLike[str]) -> tuple[dict[str, Any], str]:
    """What a TOML file of at most 1 MiB holds, and its text.

    Raises
    ------
    InputError
        When it cannot be read, or is not TOML.
    """
    text = read_text(path, MOST_BYTES)
    try:
        return tomllib.loads(text), text
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise InputError(f"{Path(path).name} is not valid TOML: {one_line(error)}.") from error


def tables_of(where: str, raw: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The tables of a file, all of which are known.

    Raises
    ------
    InputError
    """
    refuse_unknown(where, raw, known, "table")
    for name, own in raw.items():
        if not isinstance(own, dict):
            raise InputError(f"{where}: {name} is a table: write [{name}] and its keys below it.")
    return dict(raw)


def refuse_unknown(where: str, own: Mapping[str, Any], known: Collection[str], what: str) -> None:
    """Refuse a name that nothing has, with the nearest one that something has."""
    for key in own:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            meant = f" (did you mean {near[0]}?)" if near else ""
            raise InputError(
                f"{where} has the unknown {what} {one_line(key)}{meant}. "
                f"Allowed: {', '.join(known)}."
            )


def one_line(text: object) -> str:
    """A text of a file as a message may hold it."""
    return printable(" ".join(str(text).split())).rstrip(".")
