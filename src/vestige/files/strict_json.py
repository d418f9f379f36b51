"""JSON that says one thing: no key twice, no NaN, no infinity."""

import json
import math
from typing import Any


def parse_json(text: str) -> Any:
    """Parse JSON text.

    Raises
    ------
    ValueError
        In plain words. For anything but one JSON value; for a key that stands twice in a record,
        since readers differ in which of the two they take.
    """
    try:
        return json.loads(
            text, parse_float=_finite, parse_constant=_finite, object_pairs_hook=_once
        )
    except _NotStrict:
        raise
    except json.JSONDecodeError as error:
        raise ValueError(f"from line {error.lineno} on it is no JSON, or it is cut off") from error
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    except ValueError as error:  # a whole number of more digits than Python reads
        raise ValueError("it holds a number of too many digits") from error


class _NotStrict(ValueError):
    """What other readers of JSON would let pass."""


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _NotStrict(f"{text!s:.40} is not a finite number")
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _NotStrict(f"the key {twice!r:.60} stands twice in one record")
    return found
