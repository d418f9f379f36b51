"""Groups that the user names, in a table or by an expression on the ids."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from vestige.images.imageset import ImageSet
from vestige.images.listing import LIST_COLUMNS, read_rows
from vestige.registry.entries import InputError

GROUP_COLUMNS = ("group", "person", "patient")


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
    return {
        role: tuple(find_group(pattern, name, f"{role}/{name}") for name in images.ids)
        for role, images in real.items()
    }


def compile_groups(regex: str) -> re.Pattern[str]:
    """The expression that finds a group in an id, or an InputError."""
    try:
        return re.compile(regex)
    except re.error as error:
        raise InputError(f"the group expression {regex!r} is not valid: {error}") from error


def find_group(pattern: re.Pattern[str], identifier: str, shown: str) -> str:
    """The first capture group, or the whole match; an InputError names `shown` without any."""
    match = pattern.search(identifier)
    group = match and (match[1] if pattern.groups else match[0])
    if not group:
        raise InputError(
            f"the group expression {pattern.pattern!r} finds no group in {shown}; "
            "change it so that it fits every id"
        )
    return group
