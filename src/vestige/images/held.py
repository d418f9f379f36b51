"""Files that are opened once and known by their descriptor, so that a name cannot be swapped.

Readers take a path, because its suffix names the format. On Linux they are given the descriptor's
own, or a link to it where the name matters; elsewhere the path itself, and the stamp alone shows
that a file was swapped.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from vestige.files.regular import regular_descriptor
from vestige.images.formats import HEAD, format_of_bytes
from vestige.images.pairs import voxel_files
from vestige.images.series import Series

_DESCRIPTORS = Path("/proc/self/fd")
_BY_CONTENT = ("png", "jpeg", "bmp", "webp", "gif", "pnm", "jpeg2000")
"""Formats that Pillow reads, which asks for no name."""


@dataclass(frozen=True)
class Held:
    """A file that is held open.

    name : what readers are given
    descriptors : of the file and of those with its voxels; none where the file cannot be opened,
        and the reader says why
    """

    name: str | os.PathLike[str]
    descriptors: tuple[int, ...]

    def stamp(self) -> tuple[int, ...]:
        """As `stamp_of`, of the files as they are now; () if they are not open.

        The files of a series are too many to be held: they are looked up by their names.
        """
        own: Sequence[int | str] = self.descriptors
        if isinstance(self.name, Series):
            own = self.name.paths
        try:
            return tuple(part for one in own for part in stamp_of(os.stat(one)))
        except OSError:
            return ()


def stamp_of(status: os.stat_result) -> tuple[int, ...]:
    """What changes when a file is written to, renamed or replaced."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@contextmanager
def held(paths: Sequence[str | os.PathLike[str]]) -> Iterator[list[Held]]:
    """Files held open within the block, each under a name that leads to its descriptor."""
    with ExitStack() as stack:
        parts = [_parts(path, stack) for path in paths]
        if not _DESCRIPTORS.is_dir():
            yield [
                Held(_name(path), tuple(some.values()))
                for path, some in zip(paths, parts, strict=True)
            ]
            return
        folder: Path | None = None
        files = []
        for k, (path, some) in enumerate(zip(paths, parts, strict=True)):
            name = _name(path)
            # the process by its number: a name that any thread or decoder may follow
            links = {part: f"/proc/{os.getpid()}/fd/{one}" for part, one in some.items()}
            if len(some) == 1 and _tells_itself(*some.values()):
                (name,) = links.values()
            elif some:
                if folder is None:
                    own_folder = tempfile.TemporaryDirectory(prefix="vestige-")
                    folder = Path(stack.enter_context(own_folder))
                own = folder / str(k)
                own.mkdir()
                for part, link in links.items():
                    (own / part).symlink_to(link)
                name = str(own / os.path.basename(name))
            files.append(Held(name, tuple(some.values())))
        yield files


def _tells_itself(descriptor: int) -> bool:
    """Whether a file is read by what is in it alone: a folder and a link cost as much as a PNG."""
    try:
        return format_of_bytes(os.pread(descriptor, HEAD, 0)) in _BY_CONTENT
    except OSError:
        return False  # the reader says why


def _name(path: str | os.PathLike[str]) -> str | os.PathLike[str]:
    return path if isinstance(path, Series) else os.fspath(path)


def _parts(path: str | os.PathLike[str], stack: ExitStack) -> dict[str, int]:
    """Names and descriptors of a file and of those beside it that hold its voxels."""
    found: dict[str, int] = {}
    if isinstance(path, Series):
        return found
    for part in (path, *voxel_files(path)):
        # voxels are a link only where their header is one, too: `vestige.images.pairs`
        link = part is path or os.path.islink(path)
        try:
            descriptor = regular_descriptor(part, link=link)
        except (OSError, ValueError):
            continue
        stack.callback(os.close, descriptor)
        found[os.path.basename(os.fspath(part))] = descriptor
    return found if os.path.basename(os.fspath(path)) in found else {}
