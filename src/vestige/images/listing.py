"""Which files a source names, and under which ids."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vestige.images.array_volumes import volume_layout_of
from vestige.images.cage import caged
from vestige.images.frame import Unreadable
from vestige.images.given_arrays import DataSet, Given, Picture, held
from vestige.images.imageset import ImageSet
from vestige.images.kinds import LARGEST_CUBE, Kind
from vestige.images.layouts import layout_of
from vestige.images.names import may_be_image, natural_key
from vestige.images.on_disk import files_on_disk, refuse_absent
from vestige.images.readers import peek_shape
from vestige.images.remote import find, is_address, local_copy, without_scheme
from vestige.images.tables import LIST_COLUMNS, column, read_rows
from vestige.images.walking import walk
from vestige.images.whole_volumes import longest_side
from vestige.registry.entries import InputError

Files: TypeAlias = Sequence[tuple[str, str | os.PathLike[str]]]
"""(id, path, address, or the files of one series)."""


@dataclass(frozen=True)
class Listing:
    """The files of a source: asked for twice, it is walked once.

    left_out : files of a folder that are hidden, or documents by their names
    skipped : ids of links to folders that are read elsewhere, or that lie above
    entries : everything that was met while the source was walked, counted when it was met
    is_list : whether a program named the files, in an order of its own
    """

    files: Files
    root: Path | None
    name: str
    left_out: Files = ()
    skipped: tuple[str, ...] = ()
    entries: int = 0
    is_list: bool = False


Source: TypeAlias = (
    str
    | os.PathLike[str]
    | Sequence[str | os.PathLike[str]]
    | npt.NDArray[Any]
    | Iterable[Any]
    | Picture
    | DataSet
    | Given
    | ImageSet
    | Listing
)
"""A folder, a file, a CSV list of paths, a list of paths, an address for fsspec (s3://...), images
in memory (`vestige.images.given_arrays.held`), images as read, or the files of one of these."""

_PEEKED_FILES = 16
SMALLEST_SIDE, USUAL_SIDE = 8, 64


def listed(source: Source) -> Source:
    """The files of a source, or the images that a program holds; images as read stay so.

    Raises
    ------
    InputError
        As `list_files` and `vestige.images.given_arrays.held`.
    """
    source = held(source)
    if isinstance(source, Given | ImageSet | Listing):
        return source
    name = str(source) if isinstance(source, str | os.PathLike) else "a list of paths"
    return _listing(source, name)


def list_files(source: Source) -> Files:
    """Files of a source that may be images, as (id, path or address).

    Ids are POSIX paths relative to the folder (a CSV's folder; the common folder of a list of
    paths). A folder is walked with its subfolders in natural order (2 before 10), links included,
    but no folder twice (`vestige.images.walking`). Paths are absolute, for workers stand elsewhere.
    Hidden files and files that by name are documents or tables are left out (`listed` keeps them,
    because some may be images all the same); anything else is listed, so that what is no image is
    noticed when it is read.

    Raises
    ------
    InputError
        For a missing or empty source, and for a file that a list names twice.
    """
    if isinstance(source, Listing):
        return source.files
    if isinstance(source, np.ndarray | Given | ImageSet):
        raise InputError("an array has no files; read it with read_images")
    return _listing(source, "").files


def _listing(source: Any, name: str) -> Listing:
    if is_address(source):
        found = find(source)
        files, left_out = _parted(found)
        if not files:
            raise InputError(f"no image at {source}: it is empty or holds documents only")
        return Listing(files, None, name, left_out, entries=len(found))
    if not isinstance(source, str | os.PathLike):
        files = _named(_paths(source))
        return Listing(files, None, name, entries=len(files), is_list=True)
    root = Path(without_scheme(source))
    if root.is_dir():
        walked = walk(root.absolute())
        files, left_out = _parted(walked.files)
        if not files:
            raise InputError(f"no image in folder {root}: it is empty or holds documents only")
        skipped = tuple(walked.skipped)
        return Listing(files, source_root(source), name, left_out, skipped, walked.entries)
    if not root.exists():
        raise InputError(f"no such folder or file: {root}")
    files = _listed(root) if root.suffix.lower() == ".csv" else [(root.name, root.absolute())]
    return Listing(files, source_root(source), name, entries=len(files))


def source_root(source: Source) -> Path | None:
    """The folder that ids are relative to; None for arrays, lists of paths and addresses."""
    if not isinstance(source, str | os.PathLike) or is_address(source):
        return None
    root = Path(without_scheme(source))
    return root if root.is_dir() else root.parent


def peek_size(
    sources: Iterable[Source],
    required_resolution: int = USUAL_SIDE,
    layout: str = "",
    kind: Kind = "grey",
) -> int:
    """Working size that fits these sources, from the headers of up to 16 files of each.

    Parameters
    ----------
    required_resolution : int
        Largest side in pixels at which anything looks at the images.
    layout : str
        Of arrays; "" where it is plain.
    kind : what the images become

    Returns
    -------
    int
        64, or for larger `required_resolution` 128, 256, ..., so that smaller sizes
        stay area averages of it; or the smallest of the images' larger sides if that is less, but
        at least 8. Of volumes 32, or 64 for a larger `required_resolution`.
    """
    high, most = USUAL_SIDE, sys.maxsize
    if kind == "volume":
        high, most = LARGEST_CUBE, USUAL_SIDE
    while high < min(required_resolution, most):
        high *= 2
    sides = [side for source in sources for side in _sides(source, layout, kind)]
    return max(SMALLEST_SIDE, min([high, *sides]))


def _parted(found: Iterable[tuple[str, str | Path]]) -> tuple[Files, Files]:
    """Files to read, and those left out by their names, both in natural order."""
    files = sorted(found, key=lambda item: natural_key(item[0]))
    may_be = [may_be_image(identifier) for identifier, _ in files]
    return (
        [item for item, listed in zip(files, may_be, strict=True) if listed],
        [item for item, listed in zip(files, may_be, strict=True) if not listed],
    )


def _paths(source: Any) -> list[Path]:
    is_list = isinstance(source, Iterable) and not isinstance(source, bytes | Mapping)
    parts: list[Any] = list(source) if is_list else [None]
    if not all(isinstance(part, str | os.PathLike) for part in parts):
        raise InputError(
            "images are given as a folder, a file, an address, a list of paths, or pictures in "
            "memory; this is none of them"
        )
    return [Path(part) for part in parts]


def _named(paths: list[Path]) -> list[tuple[str, str | Path]]:
    if not paths:
        raise InputError("an empty list of images was given; name at least one file")
    common = os.path.commonpath([os.path.abspath(p.parent) for p in paths])
    return _unique([(_relative(p, common), p.absolute()) for p in paths], "the list of paths")


def _listed(table: Path) -> list[tuple[str, str | Path]]:
    """Files of a CSV: the column of images, or the only column of a table without a header."""
    rows = read_rows(table)
    try:
        place = column(rows[0], LIST_COLUMNS, 0) if rows else None
    except InputError as error:
        raise InputError(f"{table} {error.for_command}") from error
    if place is not None:
        rows = rows[1:]
    elif any(len(row) > 1 for row in rows):
        raise InputError(
            f"{table} has several columns but its first is named {rows[0][0]!r}; "
            f"name the one with the files {', '.join(LIST_COLUMNS[:5])} or the like"
        )
    names = [(*row, *[""] * ((place or 0) + 1))[place or 0] for row in rows]
    if not names:
        raise InputError(f"{table} lists no file; put one path in each line")
    if "" in names:
        raise InputError(f"{table}: the path of entry {names.index('') + 1} is empty; fill it in")
    folder = table.absolute().parent
    found = files_on_disk(folder, names, str(table))
    ids = [_relative(path, os.path.abspath(folder)) for path in found]
    files = _unique(list(zip(ids, found, strict=True)), str(table))
    refuse_absent(found, str(table))
    return files


def _relative(path: Path, folder: str) -> str:
    return PurePath(os.path.relpath(path, folder)).as_posix()


def _unique(files: list[tuple[str, Path]], where: str) -> list[tuple[str, str | Path]]:
    seen: set[str] = set()
    for identifier, _ in files:
        if "\0" in identifier:
            raise InputError(f"{where} names {identifier!r}, but no file name holds a zero byte")
        if identifier in seen:
            raise InputError(f"{where} names {identifier} twice; name every file once")
        seen.add(identifier)
    return list(files)


def spread(count: int, most: int) -> list[int]:
    """Places of at most so many of `count` things, evenly spread from the first to the last."""
    return [int(k) for k in np.unique(np.linspace(0, count - 1, most).round().astype(int))]


def _sides(source: Source, told: str, kind: Kind) -> list[int]:
    if isinstance(source, ImageSet):
        return [int(source.pixels.shape[1])]
    source = listed(source)
    if isinstance(source, Given):
        try:
            return [_side(shape, told, kind) for shape in set(source.shapes)]
        except Unreadable as error:
            raise InputError(f"the array of images {error}") from error
    files = list_files(source)
    sides = []
    for k in spread(len(files), _PEEKED_FILES):
        try:
            with local_copy(files[k][1]) as path:
                if kind == "volume":
                    sides.append(caged(longest_side, path, told))
                else:
                    sides.append(max(caged(peek_shape, path, told)))
        except InputError:
            raise
        except Exception:  # noqa: S112 - not silent: reading the file itself reports the fault
            continue
    return [side for side in sides if side > 0]


def _side(shape: tuple[int, ...], told: str, kind: Kind) -> int:
    if kind == "volume":
        return max(volume_layout_of(shape, told).sides)
    layout = layout_of(shape, told)
    return max(layout.height, layout.width)
