"""Several DICOM files that are one volume: they are known by their series, and read as one file."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from vestige.engine.shards import map_shards
from vestige.images.cage import caged
from vestige.images.derived import kind_of_dicom
from vestige.images.formats import format_of_content, format_of_name
from vestige.images.frame import Unreadable
from vestige.images.listing import Files, Listing
from vestige.images.remote import is_address
from vestige.images.series import Series
from vestige.images.talkative import unheard
from vestige.registry.entries import InputError

AT_ROOT = "series"
"""Id of a series whose files lie in the folder that was given."""
_AT_ONCE = 256
"""Files whose headers are looked at together."""
_TAGS = (
    *("SOPClassUID", "Modality", "ImageType", "BurnedInAnnotation", "SeriesInstanceUID"),
    *("Rows", "BitsAllocated", "NumberOfFrames", "ImagePositionPatient", "ImageOrientationPatient"),
    *("SharedFunctionalGroupsSequence",),
)


@dataclass(frozen=True)
class Header:
    """What the header of a DICOM file says of its place in a volume.

    series : SeriesInstanceUID; "" where a file names none, or shows no patient
    is_placed : whether it says where in the patient its slices lie
    frames : number of its slices
    """

    series: str = ""
    is_placed: bool = False
    frames: int = 1


def in_series(listing: Listing, executor: Executor | None = None) -> Listing:
    """A listing in which the files of each DICOM series are one entry.

    The id of a series is the folder of its files; where a folder holds several, "folder#k" in the
    order of their first files. Files that name no series, and those that show no patient, stay
    entries of their own.

    Raises
    ------
    InputError
        For DICOM files at an address, of which all headers would have to be fetched first.
    """
    asked = [k for k, (identifier, path) in enumerate(listing.files) if may_be_dicom(path)]
    if not asked:
        return listing
    if is_address(listing.files[asked[0]][1]):
        raise InputError(
            f"{listing.name} holds DICOM files, whose series are put together on this machine "
            "only: copy the folder here, or read all as pictures with --slices."
        )
    members: dict[str, list[int]] = {}
    some = [listing.files[k] for k in asked]
    for k, header in zip(asked, headers_of(some, executor), strict=True):
        members.setdefault(header.series or f"alone {k}", []).append(k)
    groups = {rows[0]: rows for rows in members.values()}
    folders = {first: _folder(listing.files, rows) for first, rows in groups.items()}
    several, seen = Counter(folders.values()), Counter[str]()
    files: list[tuple[str, str | os.PathLike[str]]] = []
    inner = {k for rows in groups.values() for k in rows[1:]}
    for k, (identifier, path) in enumerate(listing.files):
        if k in inner:
            continue
        rows = groups.get(k, [])
        if len(rows) > 1:
            folder = folders[k]
            identifier = folder if several[folder] == 1 else f"{folder}#{seen[folder]}"
            path = Series(tuple(str(listing.files[row][1]) for row in rows))
            seen[folder] += 1
        files.append((identifier, path))
    return replace(listing, files=tuple(files), entries=listing.entries - len(inner))


def headers_of(files: Files, executor: Executor | None = None) -> Iterator[Header]:
    """`header_of` each of these files, in their order."""
    paths = [str(path) for _, path in files]
    parts = [paths[k : k + _AT_ONCE] for k in range(0, len(paths), _AT_ONCE)]
    read: Callable[[Sequence[str]], list[Header]] = _headers
    for found in map_shards(executor, read, parts, name=lambda part: part[0]):
        yield from found


def may_be_dicom(path: str | os.PathLike[str]) -> bool:
    """Whether a file is DICOM by its content; one that cannot be opened, by its name."""
    if is_address(path):
        return format_of_name(path) == "dicom"
    try:
        return format_of_content(path) == "dicom" if Path(path).is_file() else False
    except (OSError, ValueError):
        return False


def header_of(path: str | os.PathLike[str]) -> Header:
    """What the header of a file says of its place in a volume.

    Nothing where it cannot be read: the reader says why.
    """
    try:
        return caged(_header, path)
    except InputError:
        raise
    except Exception:  # not silent: reading the file itself reports the fault
        return Header()


def _headers(paths: Sequence[str]) -> list[Header]:
    return [header_of(path) for path in paths]


def _header(path: str | os.PathLike[str]) -> Header:
    from vestige.images.dicom_file import read_header

    with unheard():
        dataset = read_header(path, stop_before_pixels=True, specific_tags=list(_TAGS))
        if kind_of_dicom(dataset):
            return Header()
        if "Rows" not in dataset:
            raise Unreadable("holds no image")
        frames = int(dataset.get("NumberOfFrames") or 1)
        alone = bool(dataset.get("ImagePositionPatient") and dataset.get("ImageOrientationPatient"))
        is_placed = alone or (frames > 1 and "SharedFunctionalGroupsSequence" in dataset)
        return Header(str(dataset.get("SeriesInstanceUID") or ""), is_placed, frames)


def _folder(files: Files, rows: Sequence[int]) -> str:
    """The folder that all files of a series lie in, by their ids."""
    parents = [str(PurePosixPath(files[k][0]).parent) for k in rows]
    return os.path.commonpath(parents).removeprefix(".") or AT_ROOT
