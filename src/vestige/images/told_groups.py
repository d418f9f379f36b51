"""Groups that the user names, in a table or by an expression on the ids."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from vestige.images.imageset import ImageSet
from vestige.images.matching import Place, match, why_missing
from vestige.images.names import natural_key
from vestige.images.patient_ids import folded
from vestige.images.tables import GROUP_COLUMNS, LIST_COLUMNS, column, read_rows, written
from vestige.registry.entries import InputError

REGEX_SECONDS = 20.0
"""An expression may look at the names of one list for this time."""
_SEARCH = """
import json, re, sys
expression, ids = json.load(sys.stdin)
pattern = re.compile(expression)
found = [pattern.search(i) for i in ids]
json.dump([m and m[1 if pattern.groups else 0] or "" for m in found], sys.stdout)
"""


def from_table(
    real: Mapping[str, ImageSet], table: Path | Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """Group of each image, from a table of ids and groups; see `vestige.images.assign_groups`."""
    return groups_at(
        table,
        [
            Place(role, images.root, images.ids, [record.path for record in images.records])
            for role, images in real.items()
        ],
    )


def groups_at(
    table: Path | Mapping[str, str], places: Sequence[Place]
) -> dict[str, tuple[str, ...]]:
    """Group of each image of some places, from a table that has a row for all of them.

    Raises
    ------
    InputError
        Images without a row, or with several that contradict each other.
    """
    groups = read_group_table(table) if isinstance(table, Path) else table
    name = table.name if isinstance(table, Path) else "the dict of groups"
    matched = match(groups, places)
    if matched.clash:
        raise InputError(f"{name} {matched.clash}")
    if missing := matched.missing:
        own = {place.role: place.ids for place in places}
        ids = [own[role][k] for role, k in missing]
        raise InputError(
            f"{name} has no group for {len(missing)} of {sum(map(len, own.values()))} "
            f"images, the first is {missing[0][0]}/{ids[0]} ({why_missing(groups, ids)}). "
            "Add a row for each"
        )
    return {role: tuple(groups[row] for row in rows) for role, rows in matched.rows.items()}


def read_group_table(table: Path) -> dict[str, str]:
    """Group of each name in a CSV file, or an InputError that says what is wrong with it.

    Names are as `vestige.images.tables.written` gives them.
    """
    rows = read_rows(table)
    header = rows[0] if rows else []
    try:
        image, group_at = column(header, LIST_COLUMNS, 0), column(header, GROUP_COLUMNS, 1)
    except InputError as error:
        raise InputError(f"{table} {error.for_command}") from error
    if image is None or group_at is None:
        shown = ",".join(header)[:200]
        raise InputError(
            f"{table} starts with {shown or 'nothing'}; one column must be named "
            f"{some(LIST_COLUMNS)}, and one {some(GROUP_COLUMNS)}"
        )
    groups: dict[str, str] = {}
    for number, row in enumerate(rows[1:], start=2):
        cells = (*row, *[""] * len(header))
        name, group = written(cells[image]), cells[group_at]
        if not name or not group:
            raise InputError(f"{table}: row {number} lacks an id or a group; fill it in")
        if folded(groups.setdefault(name, group)) != folded(group):
            raise InputError(
                f"{table}: {name} is in group {groups[name]!r} and in {group!r}; keep one row"
            )
    return groups


def some(names: Sequence[str]) -> str:
    """The first names of columns, for a message."""
    return f"{', '.join(names[:5])} or the like"


def one_spelling(groups: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The same groups, where those that differ in case or blanks only are one.

    Returns
    -------
    groups : the first spelling of each, in natural order
    merged : those that have several spellings
    """
    spellings: dict[str, set[str]] = {}
    for group in groups:
        spellings.setdefault(folded(group), set()).add(group)
    ordered = {key: sorted(own, key=natural_key) for key, own in spellings.items()}
    merged = [own[0] for own in ordered.values() if len(own) > 1]
    return tuple(ordered[folded(group)][0] for group in groups), merged


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
