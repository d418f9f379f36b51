"""Files written whole or not at all: beside their place first, then renamed."""

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from vestige.registry.entries import InputError


def beside(target: Path) -> Path:
    """A name beside `target` that no other thread or process writes to."""
    return target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}.tmp")


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Where to write what becomes `target` when this ends well; else nothing is left of it."""
    partial = beside(target)
    try:
        yield partial
        partial.replace(target)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def write_together(texts: Mapping[Path, str]) -> None:
    """Write text files; the last one appears last and says that the others are complete.

    When renaming breaks off midway the last file is removed, so that an older one never stands
    beside newer others.

    Raises
    ------
    InputError
        When a file cannot be written.
    """
    partial = {target: beside(target) for target in texts}
    moved = 0
    try:
        try:
            for target, text in texts.items():
                # a file name that is not UTF-8 becomes \udcXX: in JSON its own escape
                partial[target].write_bytes(text.encode("utf-8", errors="backslashreplace"))
            for target in texts:
                partial[target].replace(target)
                moved += 1
        finally:
            for leftover in partial.values():
                leftover.unlink(missing_ok=True)
            if 0 < moved < len(texts):
                list(texts)[-1].unlink(missing_ok=True)
    except OSError as error:
        place = os.fspath(next(iter(texts)) if len(texts) == 1 else next(iter(texts)).parent)
        raise InputError(f"cannot write {place}: {error.strerror or error}") from error


def file_sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {os.fspath(path)}: {error.strerror or error}") from error
