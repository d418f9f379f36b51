"""Which row of a table means which image: names are written in many ways, and none is guessed."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from vestige.images.tables import without_suffix, written


@dataclass(frozen=True)
class Place:
    """The files of a role.

    root : folder that ids are relative to
    ids : of images or files
    paths : file or address of each
    """

    role: str
    root: Path | None
    ids: Sequence[str]
    paths: Sequence[str]


@dataclass(frozen=True)
class Matched:
    """The row of each image, by role; "" where none means it.

    clash : what cannot be told, "" for nothing
    """

    rows: Mapping[str, tuple[str, ...]]
    clash: str = ""

    @property
    def missing(self) -> list[tuple[str, int]]:
        """Role and place of each image without a row."""
        return [(r, k) for r, found in self.rows.items() for k, row in enumerate(found) if not row]


def match(groups: Mapping[str, str], places: Iterable[Place]) -> Matched:
    """The row of each image in a table, by the most specific way in which one names it.

    In this order: id, with the role or the folder before it or bare; the path of the file, or its
    last parts; a path of another machine that ends with the id. Then all of these without the
    suffix of the format.

    Parameters
    ----------
    groups : name as `vestige.images.tables.written` -> group
    places : the roles
    """
    places = list(places)
    tails = _tails(groups)
    found: dict[str, tuple[str, ...]] = {}
    users: dict[str, dict[str, None]] = defaultdict(dict)
    clash = ""
    for place in places:
        own = []
        for identifier, path in zip(place.ids, place.paths, strict=True):
            rows = next((r for r in _ways(place, identifier, path, groups, tails) if r), [])
            if len({groups[row] for row in rows}) > 1:
                clash = clash or (
                    f"has several rows that may mean {place.role}/{identifier} ({rows[0]} and "
                    f"{rows[1]}), of several groups; write {place.role}/{identifier}"
                )
            row = rows[0] if rows else ""
            own.append(row)
            if row:
                users[row][f"{place.role}/{_of_file(identifier)}"] = None
        found[place.role] = tuple(own)
    clash = clash or next((_shared(row, own) for row, own in users.items() if len(own) > 1), "")
    return Matched(found, clash)


def _shared(row: str, images: Iterable[str]) -> str:
    first, second = list(images)[:2]
    roles = {name.partition("/")[0] for name in images}
    if len(roles) > 1:
        return f"has one row {row!r}, but that id is in several roles; write {first} and so on"
    return f"has one row {row!r}, but it fits {first} and {second}; write a row for each file"


def _ways(
    place: Place,
    identifier: str,
    path: str,
    groups: Mapping[str, str],
    tails: Mapping[str, Sequence[str]],
) -> Iterator[list[str]]:
    """Rows that name the image, from the most specific way to the least."""
    of_file = _of_file(identifier)
    names = [written(name) for name in dict.fromkeys((identifier, of_file))]
    number = identifier[len(of_file) :]
    for strip in (str, without_suffix):
        named = [way for name in names for way in _plain(place, strip(name))]
        for way in named:
            if way in groups:
                yield [way]
        whole = [written(one) for one in dict.fromkeys((path, _real(path))) if one]
        for one in (strip(f"{w}{n}") for w in whole for n in dict.fromkeys((number, ""))):
            if one in groups:
                yield [one]
            parts = one.split("/")
            yield [row for k in range(1, len(parts) - 1) if (row := "/".join(parts[k:])) in groups]
        for way in named:
            # a path that leads to something else here is not meant
            yield [row for row in tails.get(way, ()) if not os.path.exists(row)]


def _of_file(identifier: str) -> str:
    """The id of the file of an image: without "#k", where the file holds several."""
    base, mark, number = identifier.rpartition("#")
    return base if mark and number.isdigit() else identifier


def _plain(place: Place, name: str) -> tuple[str, ...]:
    """An id, with the role and the folder before it."""
    if place.root is None:
        return f"{place.role}/{name}", name
    return f"{place.role}/{name}", f"{written(place.root.resolve().name)}/{name}", name


def _tails(groups: Mapping[str, str]) -> dict[str, list[str]]:
    """Last parts of absolute paths -> the paths."""
    tails: dict[str, list[str]] = defaultdict(list)
    for row in groups:
        if PurePosixPath(row).is_absolute() or PureWindowsPath(row).is_absolute():
            parts = row.split("/")
            for k in range(1, len(parts)):
                tails["/".join(parts[k:])].append(row)
    return tails


def _real(path: str) -> str:
    return os.path.realpath(path) if os.path.isabs(path) else ""


def why_missing(groups: Mapping[str, str], names: Sequence[str]) -> str:
    """What keeps the rows of a table and the names of images apart, "" where nothing is seen."""
    ways = (
        ("upper and lower case differ", str.casefold),
        ("the suffixes differ", _bare),
        ("the folders differ", lambda name: name.rpartition("/")[2]),
        ("folders and suffixes differ", lambda name: _bare(name.rpartition("/")[2])),
    )
    for what, way in ways:
        rows = {way(row): row for row in reversed(list(groups))}
        for name in names:
            if (row := rows.get(way(written(name)))) is not None:
                return f"{what}: the table has {row}, the image is {name}"
    first = next(iter(groups), "")
    return f"no row resembles it: the first is {first}" if first else "the table has no row"


def _bare(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    plain = without_suffix(name)
    return plain if plain != name or not dot or "/" in suffix else stem
