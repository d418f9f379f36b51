"""A long axis, a piece at a time."""

from collections.abc import Iterator


def slices(length: int, step: int) -> Iterator[slice]:
    """Slices of `step` that cover 0 to `length` in order; the last may be shorter."""
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))
