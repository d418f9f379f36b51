"""Files that were not read as images: what their bytes say, whatever their names say."""

import os
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Literal

import numpy as np

from vestige.images.cage import within_budget
from vestige.images.formats import first_bytes, format_of_content, format_of_name
from vestige.images.frame import Unreadable
from vestige.images.layouts import may_be_pictures
from vestige.images.listing import Files
from vestige.images.names import is_hidden
from vestige.images.other_formats import other_format
from vestige.images.remote import local_copy
from vestige.images.unread import FaultKind, Ignored
from vestige.schema.records import Problem

Content = Literal["image", "no image", "unknown"]
_DIRECTORY = b"1.2.840.10008.1.3.10"  # SOP class of a DICOMDIR, which lists images
_TEXT_BYTES = 4096
_READ = "images"
"""The array that is read where an archive holds several."""
_DOCUMENTS = (
    b"%PDF-",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",  # Office before 2007, thumbnails of Windows
    b"SQLite format 3\0",
    b"\x00\x05\x16\x07",  # the second half of a file of a Macintosh
    b"\x00\x00\x00\x01Bud1",
)
_OFFICE = ("[Content_Types].xml", "mimetype")
"""Members of a zip that is one document."""
_OF_THE_SYSTEM = frozenset(
    [".ds_store", "thumbs.db", "desktop.ini", ".git", ".svn", ".hg", ".dvc", "__pycache__"]
)
"""Names of files, and of folders whose files, are of a program unless they are images."""
_ADVICE: dict[FaultKind, str] = {
    "hidden": "hidden file(s), or files in hidden folders, are images or cannot be looked at, and "
    "were not read, e.g. this one. Take the dot off their names, or move them away",
    "named as a document": "file(s) named as documents are images or cannot be looked at, and were "
    "not read, e.g. this one. Give them the suffix of their format, or move them away",
    "unknown content": "file(s) that are hidden or named as documents hold something that is not "
    "known, and were not read, e.g. this one. Move them away",
}


def images_left_out(left_out: Files) -> tuple[dict[FaultKind, list[str]], list[Problem]]:
    """Which of these files are images by their content, or may be.

    Parameters
    ----------
    left_out : sequence of (id, path or address)
        What `vestige.images.listing` leaves out.

    Returns
    -------
    kind -> ids, and rows for `problems` with ids as paths
        One error for each kind, and one for each file that cannot be looked at.
    """
    found: dict[FaultKind, list[str]] = {
        "hidden": [],
        "named as a document": [],
        "unknown content": [],
    }
    problems = []
    for identifier, path in left_out:
        named: FaultKind = "hidden" if is_hidden(identifier) else "named as a document"
        try:
            content = content_of(identifier, path)
        except (OSError, Unreadable) as error:
            what = (isinstance(error, OSError) and error.strerror) or str(error)
            problems.append(Problem(identifier, f"cannot be looked at: {what}", "error"))
            found[named].append(identifier)
            continue
        if content != "no image":
            found[named if content == "image" else "unknown content"].append(identifier)
    problems += [
        Problem(ids[0], f"{len(ids)} {_ADVICE[kind]}", "error")
        for kind, ids in found.items()
        if ids
    ]
    return found, problems


def ignored_entries(
    left_out: Files, unread: set[str], skipped: Sequence[str]
) -> tuple[dict[Ignored, int], list[Problem]]:
    """How many entries are no images, and one warning for links that were not followed."""
    hidden = [is_hidden(identifier) for identifier, _ in left_out if identifier not in unread]
    counts: dict[Ignored, int] = {
        "document": len(hidden) - sum(hidden),
        "hidden": sum(hidden),
        "link to a folder read elsewhere": len(skipped),
    }
    what = (
        f"{len(skipped)} link(s) to folders that are read under another name, or that lie above "
        "this one, were not followed, e.g. this one"
    )
    rows = [Problem(skipped[0], what, "warning")] if skipped else []
    return {kind: count for kind, count in counts.items() if count}, rows


def content_of(identifier: str, path: str | os.PathLike[str]) -> Content:
    """What the bytes of a file say; "unknown" where neither an image nor a document is seen.

    Raises
    ------
    OSError, Unreadable
        When it may not be looked at, or not within the budget of one file.
    """
    with local_copy(path) as here:
        content = within_budget(lambda: _content(here))
    parts = PurePosixPath(identifier.lower()).parts
    if content == "unknown" and not _OF_THE_SYSTEM.isdisjoint(parts):
        return "no image"
    return content


def may_hold_picture(identifier: str, path: str | os.PathLike[str]) -> bool:
    """Whether a listed file without an image may be one of a format that no reader looked into.

    Raises
    ------
    OSError, Unreadable
        As `content_of`.
    """
    content = content_of(identifier, path)
    if content != "image":
        return content == "unknown"
    with local_copy(path) as here:
        return format_of_content(here) in ("", "npz", "hdf5")  # these hold anything


def further_arrays(path: str | os.PathLike[str]) -> list[str]:
    """Names of the arrays of an NPZ file, beside the one that is read, that may be pictures."""
    with local_copy(path) as here:
        return within_budget(lambda: _further_arrays(here))


def _further_arrays(path: str | os.PathLike[str]) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".npy")]
            others = [name for name in names if name != f"{_READ}.npy"] if len(names) > 1 else []
            return [name.removesuffix(".npy") for name in others if _is_picture(archive, name)]
    except (zipfile.BadZipFile, NotImplementedError, zlib.error, EOFError):
        return []


def _is_picture(archive: zipfile.ZipFile, name: str) -> bool:
    """Whether two of the sides of an array are those of an image; a table of labels has none."""
    with archive.open(name) as file:
        try:
            version = np.lib.format.read_magic(file)
            old = version == (1, 0)
            read = (
                np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
            )
            shape = read(file)[0]
        except ValueError:
            return True  # nobody knows
    return may_be_pictures(shape)


def _content(path: str | os.PathLike[str]) -> Content:
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        os.listdir(path)  # it is here because it could not be listed; this says why
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        return "no image"
    kind, head = format_of_content(path), first_bytes(path)
    if kind == "npz":  # so does every zip begin
        names = list(_names(path))
        office = any(name in _OFFICE for name in names)
        images = any(format_of_name(name) for name in names)
        return "image" if images and not office else "no image"
    if kind or other_format(head):
        return "no image" if _DIRECTORY in head else "image"
    return "no image" if head.startswith(_DOCUMENTS) or _is_text(path) else "unknown"


def _is_text(path: str | os.PathLike[str]) -> bool:
    with open(path, "rb") as file:
        begin = file.read(_TEXT_BYTES)
    if b"\0" in begin:
        return False
    try:
        begin.decode("utf-8")
    except UnicodeDecodeError as error:
        return len(begin) - error.start < 4 and len(begin) == _TEXT_BYTES  # cut within a letter
    return True


def _names(path: str | os.PathLike[str]) -> Iterator[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield from archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError):
        return  # a broken archive promises nothing
