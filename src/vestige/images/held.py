"""Files that are opened once and known by their descriptor, so that a name cannot be swapped.

Readers take a path, because its suffix names the format. On Linux they are given a link of our own
to the descriptor; elsewhere the path itself, and the stamp alone shows that a file was swapped.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from vestige.files.regular import regular_descriptor

_DESCRIPTORS = Path("/proc/self/fd")


@dataclass(frozen=True)
class Held:
    """A file that is held open.

    name : what readers are given
    descriptor : None where the file cannot be opened; the reader says why
    """

    name: str
    descriptor: int | None

    def stamp(self) -> tuple[int, ...]:
        """As `stamp_of`, of the file as it is now; () if it is not open."""
        return () if self.descriptor is None else stamp_of(os.fstat(self.descriptor))


def stamp_of(status: os.stat_result) -> tuple[int, ...]:
    """What changes when a file is written to, renamed or replaced."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@contextmanager
def held(paths: Sequence[str | os.PathLike[str]]) -> Iterator[list[Held]]:
    """Files held open within the block, each under a name that leads to its descriptor."""
    with ExitStack() as stack:
        descriptors = [_opened(path, stack) for path in paths]
        if not _DESCRIPTORS.is_dir():
            yield [Held(os.fspath(p), d) for p, d in zip(paths, descriptors, strict=True)]
            return
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vestige-")))
        files = []
        for k, (path, descriptor) in enumerate(zip(paths, descriptors, strict=True)):
            name = os.fspath(path)
            if descriptor is not None:
                # the process by its number: a name that any thread or decoder may follow
                link = folder / str(k) / os.path.basename(name)
                link.parent.mkdir()
                link.symlink_to(f"/proc/{os.getpid()}/fd/{descriptor}")
                name = str(link)
            files.append(Held(name, descriptor))
        yield files


def _opened(path: str | os.PathLike[str], stack: ExitStack) -> int | None:
    try:
        descriptor = regular_descriptor(path, link=True)
    except (OSError, ValueError):
        return None
    stack.callback(os.close, descriptor)
    return descriptor
