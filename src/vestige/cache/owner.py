"""Whose cache folder this is: a marker with a secret key, and an index of what was made here.

The marker says that a folder is a cache of this user, and holds the key that seals whatever is
kept: without the key nobody can make an entry that is read. The index lists every file before it
is written. Only what it lists is ever deleted, so a folder may hold files of the user, too.
"""

import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from vestige.files.regular import open_regular
from vestige.files.whole import created, whole
from vestige.registry.entries import InputError

try:
    import fcntl
except ImportError:  # Windows: the index only grows there
    fcntl = None  # type: ignore[assignment]

MARKER, INDEX = ".vestige-cache", ".vestige-cache.index"
ADOPTED = "adopted/"
"""Before the name of a file that an earlier version left, in the index."""
OLD_NAMES = re.compile(r"run-[0-9a-f]{24}-[0-9a-f]{24}\.json")
"""What an earlier version left and this one reads."""
PRIVATE_FOLDER = 0o700
_HEAD = "vestige cache 1 "
_KEY_BYTES, _SEAL_BYTES = 32, 16
_INDEX_BYTES = 2**30
_DAY = 24 * 3600.0


@dataclass(frozen=True)
class Owned:
    """A cache folder of this user."""

    folder: Path
    key: bytes = field(repr=False)

    def seal(self, *parts: str | bytes) -> str:
        """A keyed digest of some texts, which only this cache can make."""
        return blake2b(repr(parts).encode(), key=self.key, digest_size=_SEAL_BYTES).hexdigest()

    def add(self, *names: str) -> None:
        """List files that are about to be written, by their paths relative to the folder."""
        now = str(int(time.time()))
        lines = "".join(f"{self.seal(now, name)} {now} {name}\n" for name in names)
        with _locked(self.folder / MARKER):
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            descriptor = os.open(self.folder / INDEX, flags, 0o600)
            try:
                os.write(descriptor, lines.encode())
            finally:
                os.close(descriptor)

    def listed(self) -> dict[str, int]:
        """Own files, each with the time when it was listed last; torn lines are left out."""
        try:
            with open_regular(self.folder / INDEX, _INDEX_BYTES) as file:
                lines = file.read().decode("ascii", errors="replace").splitlines()
        except OSError:
            return {}
        told = (line.split(" ", 2) for line in lines)
        parts = [one for one in told if len(one) == 3 and one[0] == self.seal(one[1], one[2])]
        return {name: int(when) for _, when, name in parts}

    def own_bytes(self) -> int:
        """The size of marker and index."""
        total = 0
        for name in (MARKER, INDEX):
            with suppress(OSError):
                total += (self.folder / name).lstat().st_size
        return total

    def forget(self, is_gone: Callable[[str], bool]) -> None:
        """Write the index again without the files that are gone for more than a day."""
        if fcntl is None:
            return
        with suppress(OSError), _locked(self.folder / MARKER):
            old = self.listed()
            late = time.time() - _DAY
            kept = {n: when for n, when in old.items() if when > late or not is_gone(n)}
            if len(kept) < len(old):
                lines = (f"{self.seal(str(w), name)} {w} {name}\n" for name, w in kept.items())
                with whole(self.folder / INDEX) as partial:
                    partial.write_text("".join(lines), encoding="ascii")


def open_cache(folder: str | os.PathLike[str]) -> Owned:
    """The cache in a folder; the folder and its marker are made if they are missing.

    Raises
    ------
    InputError
        When another user owns the folder or may write to it, or when it cannot be written.
    """
    place = Path(folder)
    try:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.mkdir(mode=PRIVATE_FOLDER)
        except FileExistsError:
            if not place.is_dir():
                raise NotADirectoryError(20, "it is no folder") from None
        _check_folder(place)
        key = _read_key(place)
        if key is None:
            key = _make_marker(place)
    except OSError as error:
        raise unwritable(place, error) from error
    return Owned(place, key)


def unwritable(folder: Path, error: OSError) -> InputError:
    """The line about a cache that cannot be written."""
    return InputError(
        f"cannot write to the cache {folder}: {error.strerror or error}. "
        "Free some space, name another folder, or go without --cache."
    )


def entries_like(owned: Owned, prefixes: tuple[str, ...]) -> list[str]:
    """Names in the folder that start as those of a cache do."""
    try:
        return [name for name in os.listdir(owned.folder) if name.startswith(prefixes)]
    except OSError:
        return []


def _check_folder(place: Path) -> None:
    status = place.stat()
    if not hasattr(os, "geteuid"):  # Windows has rights of another kind
        return
    if status.st_uid != os.geteuid():
        raise InputError(
            f"the cache {place} belongs to another user: give --cache a folder of your own."
        )
    if not any(place.iterdir()):
        place.chmod(PRIVATE_FOLDER)
    elif status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise InputError(
            f"other users may write to the cache {place}, and could forge what is kept there: "
            "give --cache a folder of your own, or take that right away (chmod go-w)."
        )


def _read_key(place: Path) -> bytes | None:
    """The key of the marker; None without a sound marker of this user."""
    try:
        with open_regular(place / MARKER, 1024) as file:
            status = os.fstat(file.fileno())
            text = file.read().decode("ascii", errors="replace")
    except OSError:
        return None
    mine = not hasattr(os, "geteuid") or (
        status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )
    found = re.fullmatch(rf"{_HEAD}([0-9a-f]{{{2 * _KEY_BYTES}}})\n", text)
    return bytes.fromhex(found[1]) if found and mine else None


def _make_marker(place: Path) -> bytes:
    """Make a marker with a new key, and list what an earlier version left and this one reads."""
    was_there = os.path.lexists(place / MARKER)
    if was_there and (key := _read_key(place)) is not None:
        return key  # another run made it just now
    partial = created(place / MARKER)
    try:
        partial.write_text(f"{_HEAD}{secrets.token_hex(_KEY_BYTES)}\n", encoding="ascii")
        try:
            if was_there:  # damaged, or not ours
                raise OSError
            os.link(partial, place / MARKER)  # whoever is first: no key replaces another
        except FileExistsError:
            pass
        except OSError:
            partial.replace(place / MARKER)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    key = _read_key(place)
    if key is None:
        raise OSError(5, "its marker cannot be read")
    owned = Owned(place, key)
    if old := [name for name in sorted(os.listdir(place)) if OLD_NAMES.fullmatch(name)]:
        owned.add(*(ADOPTED + name for name in old))
    return key


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time; without locks (Windows, some network folders) nobody waits."""
    if fcntl is None:
        yield
        return
    descriptor: Any = None
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)
