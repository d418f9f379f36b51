"""Every entry below a folder, each real folder once, whatever links and depths there are."""

import os
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from vestige.images.names import may_be_image, natural_key
from vestige.registry.entries import InputError

MAX_ENTRIES = 10**7
"""Below one folder: more are not listed, because a list of them would fill the memory."""


@dataclass
class Walked:
    """What lies below a folder.

    files : (id, path), in no order
    skipped : ids of links to folders that are read elsewhere, or that lie above
    entries : everything that was met but folders, counted when it was met
    """

    files: list[tuple[str, Path]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    entries: int = 0


def walk(root: Path) -> Walked:
    """All files below a folder, links included; each real folder is entered once.

    Real folders come first, so that a file keeps the id that it has without links. A link to a
    folder above is not followed: it would lead to the whole machine, and back here.

    Raises
    ------
    InputError
        For a folder that may not be read (one that is hidden is listed instead, as a file), and
        for more than `MAX_ENTRIES` entries.
    """
    found = Walked()
    place = root.resolve()
    above = {identity for folder in place.parents if (identity := _identity(folder))}
    entered: set[tuple[int, int]] = set()
    waiting: deque[tuple[str, Path]] = deque([("", root)])
    links: list[tuple[str, Path]] = []
    while waiting or links:
        if not waiting:
            links.sort(key=lambda item: natural_key(item[0]), reverse=True)
            waiting.append(links.pop())
        prefix, folder = waiting.popleft()
        identity = _identity(folder)
        if identity is not None and (identity in entered or identity in above):
            found.entries += 1
            found.skipped.append(prefix)
            continue
        if identity is not None:
            entered.add(identity)
        _enter(prefix, folder, found, (waiting, links))
    return found


def _enter(
    prefix: str,
    folder: Path,
    found: Walked,
    folders: tuple[deque[tuple[str, Path]], list[tuple[str, Path]]],
) -> None:
    waiting, links = folders
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                identifier = f"{prefix}/{entry.name}" if prefix else entry.name
                item = identifier, Path(entry.path)
                if not _is_folder(entry):
                    found.entries += 1
                    found.files.append(item)
                elif entry.is_symlink():
                    links.append(item)
                else:
                    waiting.append(item)
                if found.entries + len(waiting) + len(links) > MAX_ENTRIES:
                    raise InputError(
                        f"folder {_short(folder)} and those above it hold more than "
                        f"{MAX_ENTRIES:,} entries; give the folders of the images one by one"
                    )
    except OSError as error:
        if may_be_image(prefix):
            raise InputError(f"cannot read folder {_short(folder)}: {error.strerror}") from error
        found.entries += 1
        found.files.append((prefix, folder))  # a folder of the system's own, such as .Trash


def _identity(folder: Path) -> tuple[int, int] | None:
    """Device and number of a folder, which all its names share; None if it cannot be asked."""
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: listed, so that reading it reports the fault
        return False


def _short(folder: Path) -> str:
    text = str(folder)
    return text if len(text) <= 300 else f"{text[:200]}...{text[-90:]}"
