"""Files written whole or not at all: beside their place first, then renamed."""

import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from vestige.files.locked import locked
from vestige.registry.entries import InputError

PRIVATE, SHARED = 0o600, 0o666
"""Modes of new files: for their owner alone, or as the umask says."""


def beside(target: Path) -> Path:
    """A name beside `target` that nobody can guess; at most 255 bytes long, whatever its name."""
    start = os.fsdecode(os.fsencode(target.name)[:200])
    return target.with_name(f".{start}.{secrets.token_hex(8)}.tmp")


def created(target: Path, mode: int = PRIVATE, partial: Path | None = None) -> Path:
    """A new empty file beside `target`: what lies there already, a link too, is never opened."""
    partial = partial or beside(target)
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
    return partial


@contextmanager
def whole(target: Path, mode: int = PRIVATE, partial: Path | None = None) -> Iterator[Path]:
    """Where to write what becomes `target` when this ends well; else nothing is left of it."""
    partial = created(target, mode, partial)
    try:
        yield partial
        partial.replace(target)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def write_together(texts: Mapping[Path, str | bytes], mode: int = PRIVATE) -> None:
    """Write files; the last one appears last and says that the others are complete.

    When renaming breaks off midway the last file is removed, so that an older one never stands
    beside newer others. Two that write to one folder take turns.

    Raises
    ------
    InputError
        When a file cannot be written.
    """
    partial: dict[Path, Path] = {}
    moved = 0
    try:
        try:
            for target, text in texts.items():
                partial[target] = created(target, mode)
                if isinstance(text, str):
                    # a file name that is not UTF-8 becomes \udcXX: in JSON its own escape
                    text = text.encode("utf-8", errors="backslashreplace")
                partial[target].write_bytes(text)
            with locked(next(iter(texts)).parent, wait=True):
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
