"""Regular files only: opened once, never waited for, their size known before a byte is read."""

import os
import stat
from pathlib import Path
from typing import IO

from vestige.registry.entries import InputError

TEXT_BYTES = 2**30
"""The largest text (a result, a world, a card) that is read."""
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


class NotRegular(OSError):
    """A folder, pipe or device, or a file that is larger than what is read of its kind."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.strerror = what


def open_regular(path: str | os.PathLike[str], most: int, link: bool = False) -> IO[bytes]:
    """Open a file for reading; a pipe is not waited for.

    Parameters
    ----------
    most : int
        Bytes that it may hold.
    link : bool
        Whether the path may be a symbolic link.

    Raises
    ------
    OSError
        `NotRegular` for anything but a regular file of that size.
    """
    descriptor = regular_descriptor(path, link)
    size = os.fstat(descriptor).st_size
    if size > most:
        os.close(descriptor)
        raise NotRegular(f"it has {size} bytes, more than the {most} that are read")
    return open(descriptor, "rb")


def regular_descriptor(path: str | os.PathLike[str], link: bool = False) -> int:
    """A descriptor of a regular file, open for reading; a pipe or a device is not opened.

    Raises
    ------
    OSError
        `NotRegular` for anything else.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise NotRegular("it is not a regular file")  # opening some devices has effects
    descriptor = os.open(path, os.O_RDONLY | _AT_ONCE | (0 if link else _NO_LINK))
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)  # another file was put in its place
    raise NotRegular("it is not a regular file")


def read_text(path: str | os.PathLike[str], most: int = TEXT_BYTES) -> str:
    """The UTF-8 text of a file.

    Raises
    ------
    InputError
        When it cannot be read, is too large or is no text.
    """
    try:
        with open_regular(path, most, link=True) as file:
            return file.read(most + 1).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read {os.fspath(path)}: it is not a UTF-8 text") from error
    except OSError as error:
        raise InputError(f"cannot read {Path(path)}: {error.strerror or error}") from error
