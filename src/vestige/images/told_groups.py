"""Groups that the user names, in a table or by an expression on the ids."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from vestige.images.imageset import ImageSet
from vestige.images.listing import LIST_COLUMNS, read_rows
from vestige.registry.entries import InputError

GROUP_COLUMNS = ("group", "person", "patient")
REGEX_SECONDS = 20.0
"""An expression may look at the names of one list for this time."""
_SEARCH = """
import json, re, sys
expression, ids = json.load(sys.stdin)
pattern = re.compile(expression)
found = [pattern.search(i) for i in ids]
json.dump([m and m[1 if pattern.groups else 0] or "" for m in found], sys.stdout)
"""


def from_csv(real: Mapping[str, ImageSet], table: Path) -> dict[str, tuple[str, ...]]:
    """Group of each image, from a table of ids and groups; see `vestige.images.assign_groups`."""
    groups = read_group_table(table)
    counts: dict[str, int] = {}
    for images in real.values():
        for identifier in set(images.ids):
            counts[identifier] = counts.get(identifier, 0) + 1
    labels: dict[str, tuple[str, ...]] = {}
    missing: list[str] = []
    for role, images in real.items():
        found: list[str] = []
        for identifier in images.ids:
            key = next((k for k in keys_of(role, images.root, identifier) if k in groups), None)
            if key is None:
                missing.append(f"{role}/{identifier}")
                continue
            if key == identifier and counts[identifier] > 1:
                raise InputError(
                    f"{table.name} has one row {identifier!r}, but that id is in several roles; "
                    f"write {role}/{identifier} and so on"
                )
            found.append(groups[key])
        labels[role] = tuple(found)
    if missing:
        raise InputError(
            f"{table.name} has no group for {len(missing)} of {sum(map(len, real.values()))} "
            f"images, the first is {missing[0]}. Add a row for each"
        )
    return labels


def keys_of(role: str, root: Path | None, identifier: str) -> Iterator[str]:
    """Ways in which a CSV may name an image, the most specific first."""
    for name in dict.fromkeys((identifier, identifier.rpartition("#")[0] or identifier)):
        yield f"{role}/{name}"
        if root is not None:
            yield f"{root.resolve().name}/{name}"
        yield name


def read_group_table(table: Path) -> dict[str, str]:
    """Group of each id in a CSV file, or an InputError that says what is wrong with it."""
    rows = read_rows(table)
    header = [cell.strip().lower() for cell in rows[0][:2]] if rows else []
    if len(header) < 2 or header[0] not in LIST_COLUMNS or header[1] not in GROUP_COLUMNS:
        raise InputError(
            f"{table} starts with {','.join(header) or 'nothing'}; its first two columns must be "
            f"named {' or '.join(LIST_COLUMNS)}, and {' or '.join(GROUP_COLUMNS)}"
        )
    groups: dict[str, str] = {}
    for number, row in enumerate(rows[1:], start=2):
        name, group = (cell.strip() for cell in (*row, "")[:2])
        if not name or not group:
            raise InputError(f"{table}: row {number} lacks an id or a group; fill it in")
        name = Path(name.replace("\\", "/")).as_posix()
        if groups.setdefault(name, group) != group:
            raise InputError(
                f"{table}: {name} is in group {groups[name]!r} and in {group!r}; keep one row"
            )
    return groups


def from_regex(real: Mapping[str, ImageSet], regex: str) -> dict[str, tuple[str, ...]]:
    """Group of each image: the first capture group of an expression found in its id."""
    pattern = compile_groups(regex)
    return {role: find_groups(pattern, images.ids, f"{role}/") for role, images in real.items()}


def compile_groups(regex: str) -> re.Pattern[str]:
    """The expression that finds a group in an id, or an InputError."""
    try:
        return re.compile(regex)
    except (re.error, OverflowError, RecursionError) as error:
        place = getattr(error, "pos", None)
        where = "" if place is None else f"; look at its character {place + 1}"
        raise InputError(f"the group expression {regex!r} is not valid{where}") from error


def find_groups(pattern: re.Pattern[str], ids: Sequence[str], prefix: str = "") -> tuple[str, ...]:
    """The first capture group in each id, or the whole match.

    It is looked for in a process of its own, because an expression such as ``(a+)+$`` may take
    longer than the world lasts, and nothing else can end it. `prefix` stands before an id in a
    message.

    Raises
    ------
    InputError
        For an id without a group, and after `REGEX_SECONDS`.
    """
    asked = json.dumps([pattern.pattern, list(ids)])
    try:
        done = subprocess.run(  # noqa: S603  # ourselves
            [sys.executable, "-I", "-S", "-c", _SEARCH],
            input=asked,
            capture_output=True,
            check=True,
            text=True,
            timeout=REGEX_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"the group expression {pattern.pattern!r} has looked at {len(ids)} names for "
            f"{REGEX_SECONDS:g} s: write it without a repetition within a repetition"
        ) from error
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError(
            f"the group expression {pattern.pattern!r} cannot be used on the names: "
            "give the groups as a table (--groups)"
        ) from error
    groups: list[str] = json.loads(done.stdout)
    for identifier, group in zip(ids, groups, strict=True):
        if not group:
            raise InputError(
                f"the group expression {pattern.pattern!r} finds no group in {prefix}{identifier}; "
                "change it so that it fits every id"
            )
    return tuple(groups)
