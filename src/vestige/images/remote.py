"""Files at an address that fsspec understands: found, and copied for the readers, which take paths.

An address with a password or a signature in it is refused: it would stand in the process list, and
sooner or later in a message. fsspec takes both from the environment or its own configuration.
"""

import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeGuard

from vestige.images.frame import Unreadable
from vestige.registry.entries import InputError

MAX_BYTES = 4 * 2**30
"""Of one file: what is larger is not fetched."""
_BLOCK = 2**20
_LOCAL = ("file://", "local://")
_OF_THIS_FILE = (
    *(FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError),
    *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError),
)
"""What says that one file is at fault; anything else is the storage, and ends the audit."""


def is_address(source: object) -> TypeGuard[str]:
    """Whether this is an address for fsspec, as s3://bucket/folder or zip://folder::file.zip."""
    return isinstance(source, str) and "://" in source and not source.startswith(_LOCAL)


def without_scheme(source: Any) -> Any:
    """The path of a file:// address; anything else as it is."""
    if isinstance(source, str) and source.startswith(_LOCAL):
        return source.partition("://")[2]
    return source


def redacted(text: str) -> str:
    """A text without the passwords and signatures of the addresses in it."""
    text = re.sub(r"://[^:@\s]*:\S*@", "://***@", text)
    return re.sub(r"(://[^?\s]*)\?\S*", r"\1?***", text)


def find(address: str) -> list[tuple[str, str]]:
    """All files below an address as (path relative to it, own address), in no order.

    Raises
    ------
    InputError
        When there is nothing, or no way to it; or when the address holds a password.
    """
    if redacted(address) != address:
        raise InputError(
            f"the address {redacted(address)} holds a password or a signature: leave it out, and "
            "give it to fsspec by its configuration or the environment."
        )
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise InputError(f"{address} needs: pip install 'vestige[cluster]'") from error
    parts = [p if "://" in p or k == 0 else _absolute(p) for k, p in enumerate(address.split("::"))]
    holder = next(k for k, part in enumerate(parts) if "://" in part)
    scheme = parts[holder].partition("://")[0]
    try:
        system, root = url_to_fs("::".join(parts))
        paths = [str(path) for path in system.find(root)]
        if not paths:
            system.info(root)  # a web server that does not answer has an empty list, and no info
    except FileNotFoundError as error:
        if error.__cause__ is not None:
            raise InputError(f"cannot list {address}: {_line(error.__cause__)}") from error
        raise InputError(f"no such folder or file: {address}") from error
    except Exception as error:  # fsspec stands for many packages
        raise InputError(f"cannot list {address}: {_line(error)}") from error
    found = []
    for path in paths:
        own = path if "://" in path else f"{scheme}://{path}"
        inner = path.removeprefix(root).lstrip("/") or path.rpartition("/")[2]
        found.append((inner, "::".join([*parts[:holder], own, *parts[holder + 1 :]])))
    return found


def lives_here(address: object) -> bool:
    """Whether the file lies in the memory of this process, where no worker can see it."""
    return isinstance(address, str) and "memory://" in address


@contextmanager
def local_copy(path: str | os.PathLike[str]) -> Iterator[str | os.PathLike[str]]:
    """The path of a file; for an address, of a copy that is there within the block only."""
    if not is_address(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="vestige-") as folder:
        yield fetch(path, Path(folder))


def fetch(address: str, folder: Path) -> Path:
    """Copy a file into a folder, under its own name.

    Raises
    ------
    Unreadable
        When it has gone, or is damaged or too large.
    InputError
        When the storage does not answer, or the copy cannot be written.
    """
    import fsspec

    # the name of a file in an archive is anybody's: its last part alone is used
    name = re.split(r"[/\\\0]", address.partition("::")[0])[-1][-100:]
    place = folder / (name if name.strip(".") else "file")
    count = 0
    try:
        with fsspec.open(address, "rb") as source, place.open("wb") as copy:
            while block := source.read(_BLOCK):
                count += len(block)
                if count > MAX_BYTES:
                    raise Unreadable(f"is larger than {MAX_BYTES // 2**30} GiB; not fetched")
                _write(copy, block)
    except (Unreadable, InputError):
        raise
    except _OF_THIS_FILE as error:
        raise Unreadable(f"cannot be fetched: {_line(error)}") from error
    except Exception as error:
        raise InputError(f"cannot fetch {redacted(address)}: {_line(error)}") from error
    return place


def _write(copy: Any, block: bytes) -> None:
    try:
        copy.write(block)
    except OSError as error:
        raise InputError(
            f"cannot copy files to {tempfile.gettempdir()}: {error.strerror or error}. "
            "Set TMPDIR to a folder with more space."
        ) from error


def _absolute(path: str) -> str:
    """Workers of a cluster stand in other folders."""
    return os.path.abspath(path) if path else path


def _line(error: BaseException) -> str:
    """Why, in our words: those of the many packages are for programmers, and may hold secrets."""
    if isinstance(error, ImportError):
        return (
            "the package for such addresses is missing; install it (s3fs for s3://, gcsfs for "
            "gs://, aiohttp and requests for http://)"
        )
    if isinstance(error, zipfile.BadZipFile | zlib.error | EOFError | NotImplementedError):
        return "the archive is damaged, or packed in a way that is not read"
    if isinstance(error, OSError) and error.strerror:
        return redacted(error.strerror)
    if isinstance(error, ValueError):
        return "fsspec knows no such address"
    return "the storage does not answer, or refuses"
