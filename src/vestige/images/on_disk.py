"""The files that a list means, also where letters, slashes or suffixes are written otherwise."""

import os
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

from vestige.images.tables import without_suffix
from vestige.registry.entries import InputError

_Index = dict[str, list[str]]


def files_on_disk(folder: Path, names: Sequence[str], table: str) -> list[Path]:
    """The file of each name of a list.

    Parameters
    ----------
    folder : what paths of the list are relative to
    table : the list, for a message

    Returns
    -------
    list of Path
        As written where there is no such file.

    Raises
    ------
    InputError
        When a name may mean several files.
    """
    seen: dict[tuple[Path, Callable[[str], str]], _Index] = {}
    try:
        found = [_on_disk(folder, name, seen) for name in names]
    except InputError as error:
        raise InputError(f"{table} {error.for_command}") from error
    return found


def refuse_absent(paths: Sequence[Path], table: str) -> None:
    """Refuse a list of which no file is there, and name the first."""
    if any("\0" in str(path) or os.path.lexists(path) for path in paths):
        return
    raise InputError(
        f"{table}: none of its {len(paths)} files is there, the first is looked for at {paths[0]}. "
        "Write paths of this machine, or relative to the folder of the list"
    )


def _on_disk(
    folder: Path, name: str, seen: dict[tuple[Path, Callable[[str], str]], _Index]
) -> Path:
    as_told = folder / name
    if "\0" in name or os.path.lexists(as_told):
        return as_told

    def like(place: Path, part: str, way: Callable[[str], str]) -> list[str]:
        if (place, way) not in seen:
            seen[place, way] = _index(place, way)
        found = seen[place, way].get(_composed(part), [])
        if len(found) > 1:
            raise InputError(f"names {name}, which may be {found[0]} or {found[1]}; write which")
        return found

    place = folder
    *above, last = Path(name.replace("\\", "/")).parts
    for part in above:
        place = place / next(iter(like(place, part, _composed)), part)
    same = like(place, last, _composed) or like(place, last, _bare)
    return place / same[0] if same else as_told


def _index(folder: Path, way: Callable[[str], str]) -> _Index:
    """What lies in a folder, by another way to write it."""
    index: _Index = {}
    try:
        names = sorted(os.listdir(folder))
    except OSError:  # reading the file itself reports it
        return index
    for name in names:
        index.setdefault(way(name), []).append(name)
    return index


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _bare(name: str) -> str:
    return without_suffix(_composed(name))
