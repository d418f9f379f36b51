"""Groups and ids that a program gives: by id, by role, or one for each image."""

import os
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy.typing as npt

from vestige.images.given_arrays import Given
from vestige.images.listing import Listing, Source
from vestige.images.tables import written
from vestige.registry.entries import InputError

Place: TypeAlias = str | os.PathLike[str]
Column: TypeAlias = Sequence[Any] | npt.NDArray[Any]
Groups: TypeAlias = Place | Mapping[Any, Any] | Column
"""A CSV file; id -> group; role -> groups of its images; or the groups of all real images."""
Ids: TypeAlias = Mapping[str, Column]
"""Role -> the ids of its images, which a program holds."""
Names: TypeAlias = Mapping[str, str]
"""Role and id of an image -> its group."""
ORDER = ("used", "unused", "query", "reference")
"""The order of the real images in one list of groups: that of the arguments of an audit."""


def told_groups(groups: Any) -> Any:
    """Groups as plain texts, which nobody can change later: a path, a dict or a tuple.

    Raises
    ------
    InputError
        For a group that is missing (None, NaN, empty), and for one that is no text or number.
    """
    if groups is None or isinstance(groups, str | os.PathLike):
        return groups
    if isinstance(groups, Mapping):
        return {_text(key, "id"): _told(value, key) for key, value in groups.items()}
    if _has_named_rows(groups):
        return told_groups(_by_row(groups))
    return _column(groups, "groups")


def told_ids(ids: Any) -> dict[str, tuple[str, ...]] | None:
    """Ids by role as plain texts.

    Raises
    ------
    InputError
        For an id that is missing or stands twice in a role.
    """
    if ids is None:
        return None
    if not isinstance(ids, Mapping):
        raise InputError("ids are a dict: role -> the ids of its images, such as {'used': [...]}")
    told = {str(role): _column(column, f"ids of {role}") for role, column in ids.items()}
    for role, own in told.items():
        seen: set[str] = set()
        for one in own:
            if "\0" in one or written(one) in seen:
                raise InputError(
                    f"the ids of {role} name {one!r:.60} twice; give each image its own"
                )
            seen.add(written(one))
    return told


def with_ids(
    sources: Mapping[str, Source], ids: Mapping[str, Sequence[str]] | None
) -> dict[str, Source]:
    """The same sources, where what a program holds goes by these ids.

    Raises
    ------
    InputError
        For a role without images in memory; their number is compared when they are read.
    """
    named = dict(sources)
    for role, own in (ids or {}).items():
        source = sources.get(role)
        if not isinstance(source, Given):
            what = "is given" if source is None else "is in memory: files go by their names"
            raise InputError(f"ids were given for {role!r}, but no image of it {what}")
        named[role] = source.named(own)
    return named


def by_name(groups: Any, sources: Mapping[str, Source], layout: str = "") -> Place | Names | None:
    """Groups by the names of the images; a CSV file stays what it is.

    Parameters
    ----------
    groups : what `told_groups` gives
    sources : role -> files or images, as `vestige.images.listing.listed` and `with_ids` give them
    layout : of arrays

    Raises
    ------
    InputError
        For another number of groups than of images, for a list of groups beside a folder, and for
        a role without groups where others have some.
    """
    if groups is None or isinstance(groups, str | os.PathLike):
        return groups
    real = {role: sources[role] for role in ORDER if role in sources}
    if isinstance(groups, tuple):
        return _of_all(groups, real, layout)
    found: dict[str, str] = {}
    for key, value in groups.items():
        if isinstance(value, str):
            found[written(key)] = value
            continue
        if key not in real:
            raise InputError(
                f"groups were given for {key!r}, but there is no such role with real images "
                f"({', '.join(real)})"
            )
        if isinstance(value, dict):
            found |= {written(f"{key}/{name}"): group for name, group in value.items()}
        else:
            found |= _named(key, value, _names_of(key, real[key], layout))
    by_role = [role for role in real if role in groups]
    if by_role and len(by_role) == len(groups) < len(real):
        missing = " and ".join(role for role in real if role not in groups)
        raise InputError(
            f"groups were given for {' and '.join(by_role)} only: give those of {missing}, too"
        )
    if not found:
        raise InputError("the dict of groups is empty: give id -> group, or role -> groups")
    return found


def _of_all(groups: tuple[str, ...], real: Mapping[str, Source], layout: str) -> Names:
    names = {role: _names_of(role, source, layout) for role, source in real.items()}
    counts = " + ".join(f"{len(own)} {role}" for role, own in names.items())
    if len(groups) != sum(map(len, names.values())):
        raise InputError(
            f"{len(groups)} groups were given for {counts} images; give one for each in this "
            "order, or a dict: role -> groups"
        )
    found: dict[str, str] = {}
    start = 0
    for role, own in names.items():
        found |= _named(role, groups[start : start + len(own)], own)
        start += len(own)
    return found


def _named(role: str, groups: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    if len(groups) != len(names):
        raise InputError(
            f"{len(groups)} groups were given for {len(names)} {role} images; give one for each"
        )
    return {written(f"{role}/{name}"): one for name, one in zip(names, groups, strict=True)}


def _names_of(role: str, source: Source, layout: str) -> Sequence[str]:
    """Names of the images in the order in which the program gave them."""
    if isinstance(source, Given):
        return source.ids or [f"{k:06d}" for k in range(source.count(layout))]
    if isinstance(source, Listing) and source.is_list:
        return [identifier for identifier, _ in source.files]
    raise InputError(
        f"the groups of {role} are a list, but its images are no list: give a dict, id -> group, "
        "or a CSV file"
    )


def _told(value: Any, key: Any) -> Any:
    if isinstance(value, Mapping):
        return {_text(name, "id"): _text(own, f"group of {name}") for name, own in value.items()}
    if _has_named_rows(value):
        return _told(_by_row(value), key)
    if isinstance(value, str | Real) or not isinstance(value, Iterable):
        return _text(value, f"group of {key}")
    return _column(value, f"groups of {key}")


def _has_named_rows(column: Any) -> bool:
    """Whether this is a column of pandas whose rows have names, not numbers."""
    if not hasattr(column, "to_numpy") or not hasattr(column, "index"):
        return False
    rows = list(column.index)
    return bool(rows) and all(isinstance(row, str) for row in rows)


def _by_row(column: Any) -> dict[str, Any]:
    return dict(zip(column.index.tolist(), column.tolist(), strict=True))


def _column(values: Any, what: str) -> tuple[str, ...]:
    """One column of texts."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise InputError(f"the {what} must be a list or a dict, not {values!r:.60}")
    own = values.tolist() if hasattr(values, "tolist") else list(values)
    if not isinstance(own, list) or not own:
        raise InputError(f"the {what} are empty: give one for each image")
    return tuple(_text(value, f"{what}, entry {k}") for k, value in enumerate(own))


def _text(value: Any, what: str) -> str:
    """A group or an id as text; whole numbers without decimals, as a table writes them."""
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()  # a number or text of NumPy, or a tensor of one number
    if isinstance(value, str) and value.strip():
        return value.strip()
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real) and value == value and abs(value) != float("inf"):
        plain = float(value)
        return str(int(plain)) if plain.is_integer() else str(plain)
    kind = "missing" if value is None or value != value or value == "" else f"{value!r:.40}"
    raise InputError(f"{what}: a name is {kind}; give a text or a number for each")
