"""Shards of files that are fetched for it, a few at a time, and removed afterwards."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vestige.images.frame import Unreadable
from vestige.images.remote import fetch
from vestige.images.shards import Shard, joined
from vestige.schema.records import Problem

TOGETHER_BYTES = 256 * 2**20
"""Copies on disk at once, of one worker; at least one file."""


def read_fetched(
    paths: Sequence[tuple[str, str]], read: Callable[..., Shard], *arguments: Any
) -> Shard:
    """``read(paths, *arguments)`` of files at addresses; pure, like `read_shard`.

    Parameters
    ----------
    paths : sequence of (id, address)
    read : callable
        `read_shard` or `read_shard_cached`; it is given paths of copies.

    Raises
    ------
    InputError
        When the storage does not answer. A single file that cannot be fetched is a row in
        `problems`.
    """
    parts: list[Shard] = []
    waiting = list(paths)
    while waiting:
        with tempfile.TemporaryDirectory(prefix="vestige-") as folder:
            copies: dict[str, str] = {}
            named: list[tuple[str, str]] = []
            told: dict[str, Problem] = {}
            asked: list[str] = []
            size = 0
            while waiting and size < TOGETHER_BYTES:
                identifier, address = waiting.pop(0)
                place = Path(folder) / str(len(waiting))  # names may be equal
                place.mkdir()
                asked.append(identifier)
                try:
                    copy = fetch(address, place)
                except Unreadable as error:
                    told[identifier] = Problem(identifier, str(error), "error")
                    continue
                size += copy.stat().st_size
                copies[str(copy)] = address
                named.append((identifier, str(copy)))
            part = read(named, *arguments)
            records = tuple(replace(r, path=copies[r.path]) for r in part.records)
            told |= {problem.path: problem for problem in part.problems}
            problems = tuple(told[i] for i in asked if i in told)
            numbers = dict(zip([i for i, _ in named], part.counts, strict=True))
            counts = tuple(numbers.get(i, 0) for i in asked)
            unreached = tuple(i for i in asked if i not in numbers or i in part.unreached)
            parts.append(Shard(part.pixels, records, problems, counts, unreached))
    return joined(parts)
