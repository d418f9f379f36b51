"""Who belongs together: patients, or near-duplicate clusters where no patient is known."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vestige.choices import InputError
from vestige.images.duplicates import content_clusters, near_duplicate_groups
from vestige.images.imageset import ImageSet
from vestige.images.listing import LIST_COLUMNS, natural_key, read_rows
from vestige.types import Ints

GROUP_COLUMNS = ("group", "person", "patient")
_GENERATED = "generated"


@dataclass(frozen=True)
class Grouping:
    """Group label per image and role, and a sentence on where the labels come from."""

    labels: dict[str, tuple[str, ...]]
    source: str
    patients: bool = True
    """False where nobody told the patients and near-duplicates stand together."""


def assign_groups(
    sets: Mapping[str, ImageSet],
    csv: str | os.PathLike[str] | None = None,
    regex: str | None = None,
) -> Grouping:
    """Group the real images, across all roles.

    The first that applies: a CSV file, a regular expression on the id, DICOM patient ids (if
    every image has one), else near-duplicate clusters.

    Parameters
    ----------
    sets : role -> ImageSet
        "generated" is left out.
    csv : path or None
        First column id, file or path, second group, person or patient. Ids are relative to the
        folder of the role and may be prefixed by the role or the name of that folder. A file
        with several images may have one row for all of them.
    regex : str or None
        The group is its first capture group, or the whole match; searched in the id.

    Returns
    -------
    Grouping

    Raises
    ------
    InputError
        When an image gets no group, or the CSV contradicts itself.
    """
    if csv is not None and regex is not None:
        raise InputError("groups were given twice, as CSV and as regular expression; give one")
    real = {role: images for role, images in sets.items() if role != _GENERATED}
    if not any(map(len, real.values())):
        raise InputError("there is no real image to group; give a query, used or unused set")
    if csv is not None:
        return _counted(_from_csv(real, Path(csv)), f"the CSV file {Path(csv).name}")
    if regex is not None:
        return _counted(_from_regex(real, regex), f"the regular expression {regex!r} on the ids")
    keys = {role: images.patients for role, images in real.items()}
    if all(p for k in keys.values() for p in k):
        labels = _renamed(real, keys, "patient")
        return _counted(labels, "DICOM patient ids")
    labels = _renamed(real, _clusters(real), "cluster")
    return _counted(labels, "near-duplicate clustering (no patient ids were given)", False)


def _from_csv(real: Mapping[str, ImageSet], table: Path) -> dict[str, tuple[str, ...]]:
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
            key = next((k for k in _keys(role, images, identifier) if k in groups), None)
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


def _keys(role: str, images: ImageSet, identifier: str) -> Iterator[str]:
    """Ways in which a CSV may name an image, the most specific first."""
    for name in dict.fromkeys((identifier, identifier.rpartition("#")[0] or identifier)):
        yield f"{role}/{name}"
        if images.root is not None:
            yield f"{images.root.resolve().name}/{name}"
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


def _from_regex(real: Mapping[str, ImageSet], regex: str) -> dict[str, tuple[str, ...]]:
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


def _clusters(real: Mapping[str, ImageSet]) -> dict[str, tuple[str, ...]]:
    sizes = {images.pixels.shape[1:] for images in real.values()}
    if len(sizes) > 1:
        raise InputError(f"the sets have several working sizes ({sizes}); read all at one size")
    near = near_duplicate_groups(np.concatenate([images.pixels for images in real.values()]))
    same = content_clusters([digest for images in real.values() for digest in images.sha256])
    joined = _joined(near, same)
    labels, start = {}, 0
    for role, images in real.items():
        labels[role] = tuple(str(k) for k in joined[start : start + len(images)])
        start += len(images)
    return labels


def _joined(one: Ints, other: Ints) -> Ints:
    """The finest labels in which whatever shares a label in either, shares one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first = int(one.max(initial=-1)) + 1
    size = first + int(other.max(initial=-1)) + 1
    links = coo_array((np.ones(len(one)), (one, first + other)), shape=(size, size))
    _, labels = connected_components(links, directed=False)
    return np.asarray(labels[one], np.int64)


def _renamed(
    real: Mapping[str, ImageSet], keys: Mapping[str, tuple[str, ...]], prefix: str
) -> dict[str, tuple[str, ...]]:
    """Labels prefix-0001, ... by the first id of each group, so that no order or hash shows."""
    first: dict[str, tuple[tuple[Any, ...], str]] = {}
    for role, images in real.items():
        for identifier, key in zip(images.ids, keys[role], strict=True):
            place = natural_key(identifier), role
            first[key] = min(first.get(key, place), place)
    ordered = sorted(first, key=lambda key: first[key])
    names = {key: f"{prefix}-{k:04d}" for k, key in enumerate(ordered, 1)}
    return {role: tuple(names[key] for key in keys[role]) for role in real}


def _counted(labels: dict[str, tuple[str, ...]], where: str, patients: bool = True) -> Grouping:
    images = sum(map(len, labels.values()))
    groups = len({label for found in labels.values() for label in found})
    return Grouping(labels, f"{where}: {images} images in {groups} groups", patients)
