"""Files that a folder hides or names as documents, and whose content is an image all the same."""

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

from vestige.images.formats import first_bytes, format_of_content
from vestige.images.frame import Unreadable
from vestige.images.listing import Files, is_hidden
from vestige.images.other_formats import other_format
from vestige.images.remote import local_copy
from vestige.images.unread import Kind
from vestige.schema.records import Problem

_DIRECTORY = b"1.2.840.10008.1.3.10"  # SOP class of a DICOMDIR, which lists images
_ADVICE: dict[Kind, str] = {
    "hidden": "hidden file(s), or files in hidden folders, are images and were not read, e.g. this "
    "one. Take the dot off their names, or move them away",
    "named as a document": "file(s) named as documents are images and were not read, e.g. this "
    "one. Give them the suffix of their format, or move them away",
}


def images_left_out(left_out: Files) -> tuple[dict[Kind, list[str]], list[Problem]]:
    """Which of these files are images by their content.

    Parameters
    ----------
    left_out : sequence of (id, path or address)
        What `vestige.images.listing` leaves out.

    Returns
    -------
    kind -> ids, and rows for `problems` with ids as paths
        One error for each kind; a warning for each file that may not be looked at.
    """
    found: dict[Kind, list[str]] = {"hidden": [], "named as a document": []}
    problems = []
    for identifier, path in left_out:
        try:
            with local_copy(path) as here:
                is_image = _is_image(here)
        except (OSError, Unreadable) as error:
            what = (isinstance(error, OSError) and error.strerror) or str(error)
            problems.append(Problem(identifier, f"cannot be looked at: {what}", "warning"))
            continue
        if is_image:
            kind: Kind = "hidden" if is_hidden(identifier) else "named as a document"
            found[kind].append(identifier)
    problems += [
        Problem(ids[0], f"{len(ids)} {_ADVICE[kind]}", "error")
        for kind, ids in found.items()
        if ids
    ]
    return found, problems


def _is_image(path: str | os.PathLike[str]) -> bool:
    """Whether the first bytes are those of an image; what is no regular file is none."""
    if Path(path).is_dir():
        os.listdir(path)  # it is here because it could not be listed; this says why
    if Path(path).is_file():
        kind, head = format_of_content(path), first_bytes(path)
        if kind == "npz":  # so do office files begin
            return any(name.endswith(".npy") for name in _names(path))
        return bool(kind or other_format(head)) and _DIRECTORY not in head
    return False


def _names(path: str | os.PathLike[str]) -> Iterator[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield from archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError):
        return  # a broken archive promises nothing
