"""JSON that says one thing: no key twice, no NaN, no infinity."""

import json
import math
from typing import Any


def parse_json(text: str) -> Any:
    """Parse JSON text.

    Raises
    ------
    ValueError, RecursionError
        For anything but one JSON value; for a key that stands twice in an object, since readers
        differ in which of the two they take.
    """
    return json.loads(text, parse_float=_finite, parse_constant=_finite, object_pairs_hook=_once)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text!s:.40} is not a finite number")
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!r:.60} stands twice in one object")
    return found
