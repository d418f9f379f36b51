"""One run at a time writes to a folder."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vestige.registry.entries import InputError

try:
    import fcntl
except ImportError:  # Windows: runs are not kept apart there
    fcntl = None  # type: ignore[assignment]

_held: set[tuple[int, int]] = set()
"""Folders (device, inode) that this process has locked for a whole run."""
_turn = threading.RLock()


@contextmanager
def locked(folder: Path, wait: bool = False) -> Iterator[None]:
    """Keep a folder to this run; the lock is on the folder itself and ends with the process.

    Parameters
    ----------
    wait : bool
        For a moment's work: wait for one's turn. Else another run is an error.

    Raises
    ------
    InputError
        When another run has the folder.
    """
    if wait:
        with _turn, _lock(folder, wait):
            yield
    else:
        with _lock(folder, wait):
            yield


@contextmanager
def _lock(folder: Path, wait: bool) -> Iterator[None]:
    descriptor = _opened(folder)
    if fcntl is None or descriptor is None:
        yield
        return
    try:
        status = os.fstat(descriptor)
        place = (status.st_dev, status.st_ino)
        if place in _held and wait:
            yield
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise InputError(
                f"another run writes to {folder}: wait for its end, or name another folder."
            ) from error
        except OSError:  # a file system without locks
            yield
            return
        if wait:
            yield
            return
        _held.add(place)
        try:
            yield
        finally:
            _held.discard(place)
    finally:
        os.close(descriptor)


def _opened(folder: Path) -> int | None:
    with suppress(OSError):
        return os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    return None
