"""One file may take so much memory and so much of the processor, whatever its bytes say.

The readers look at what a file promises before they unpack it. This is for the promises that they
do not know: in the cage an allocation beyond the budget fails, and work beyond it is broken off,
both as one row for the file. Peeking at a header is caged like reading.
"""

import ctypes
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, TypeVar

from vestige.images.formats import format_of_name
from vestige.images.frame import MAX_BYTES, NotAnImage, Unreadable

MEMORY_BYTES = 3 * 2**29
"""Address space that one file may add to the process: 1.5 GiB."""
CPU_SECONDS = 20.0
"""Time of the processor for one file."""
_LOOK_SECONDS, _IDLE_LOOKS = 0.25, 8
_DECODERS = {
    "dicom": "pydicom.pixels",
    "tiff": "tifffile",
    "hdf5": "h5py",
    **dict.fromkeys(("nifti", "nrrd", "metaimage", "mgh"), "nibabel"),
}
_PILLOW = "vestige.images.raster"
"""Loaded before the limit holds: their own libraries are not the file's."""

R = TypeVar("R")


class OutOfTime(Exception):
    """Raised in the thread whose file has used up its time."""


def caged(read: Callable[..., R], path: str | os.PathLike[str], *arguments: Any) -> R:
    """``read(path, *arguments)`` of one file, within the budget.

    Raises
    ------
    Unreadable, ...
        For what is no regular file, which is not opened; for a file that is too large, or needs
        more memory or time; and whatever `read` raises.
    """
    try:
        status = os.stat(path)
    except ValueError as error:  # a zero byte in the name
        raise Unreadable("cannot be opened: its name holds a zero byte") from error
    if not stat.S_ISREG(status.st_mode):
        raise NotAnImage("is not a regular file")
    if status.st_size > MAX_BYTES:
        raise Unreadable(f"has {status.st_size} bytes, more than {MAX_BYTES}; split it")
    for package in (_PILLOW, _DECODERS.get(format_of_name(path), _PILLOW)):
        if package not in sys.modules:
            with suppress(ImportError):  # the reader says what to install
                import_module(package)
    return within_budget(lambda: read(path, *arguments))


def within_budget(work: Callable[[], R]) -> R:
    """What `work` on one file gives, within `MEMORY_BYTES` and `CPU_SECONDS`.

    Raises
    ------
    Unreadable
        Where it needs more; whatever else the work raises.
    """
    try:
        with _MEMORY.limited():
            return _watched(work)
    except OutOfTime:
        raise Unreadable(
            f"keeps the processor busy for more than {CPU_SECONDS:g} s; save it again, or split it"
        ) from None
    except MemoryError:
        raise Unreadable(
            f"needs more than {MEMORY_BYTES / 2**30:g} GiB of memory; save it again, or split it"
        ) from None


def _watched(work: Callable[[], R]) -> R:
    watch = _CLOCK.start()
    try:
        return work()
    except Exception as error:
        if watch.rung:  # readers wrap what decoders raise
            raise OutOfTime from error
        if _is_memory(error):
            raise MemoryError from error
        raise
    finally:
        try:
            _CLOCK.stop(watch)
        except OutOfTime:  # it rang just now; it does not ring again so soon
            _CLOCK.stop(watch)


def _is_memory(error: BaseException | None) -> bool:
    """Whether an allocation failed somewhere below."""
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


class _Memory:
    """The soft limit of the address space, lowered while files are read; several threads may."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: tuple[int, int] = (-1, -1)

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Within this, the process may not grow by more than the budget."""
        held = _address_space()
        if held is None:
            yield
            return
        import resource

        with self._lock:
            soft, hard = resource.getrlimit(resource.RLIMIT_AS)
            if not self._inside:
                self._before = soft, hard
            first, self._inside = not self._inside, self._inside + 1
            most = held + MEMORY_BYTES
            if not first:  # each file of another thread has a budget of its own
                most = max(most, soft)
            ends = [end for end in (self._before[0], hard) if end != resource.RLIM_INFINITY]
            resource.setrlimit(resource.RLIMIT_AS, (min([most, *ends]), hard))
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    resource.setrlimit(resource.RLIMIT_AS, self._before)


def _address_space() -> int | None:
    """Bytes that this process has mapped; None where the system does not say, or sets no limit."""
    if sys.platform != "linux":
        return None
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


class _Watch:
    """The work of one thread on one file; its time counts from the first look at it."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.rung = False
        self._begun: float | None = None

    def used(self) -> float:
        """Seconds of the processor so far; of all threads where one is not told apart."""
        now = _cpu_seconds(self.thread)
        if self._begun is None:  # most files are read before it: their clock is not asked for
            self._begun = now
        return now - self._begun


def _cpu_seconds(thread: int) -> float:
    if not hasattr(time, "pthread_getcpuclockid"):
        return time.process_time()
    return time.clock_gettime(time.pthread_getcpuclockid(thread))


class _Clock:
    """One thread that looks at the time of the others; it ends when nothing is watched."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watches: set[_Watch] = set()
        self._process = 0

    def start(self) -> _Watch:
        """From now on `OutOfTime` is raised in the calling thread when its time is used up."""
        watch = _Watch()
        with self._lock:
            self._watches.add(watch)
            if self._process != os.getpid():  # a fork has no thread but its own
                self._process = os.getpid()
                threading.Thread(target=self._look, name="vestige-cage", daemon=True).start()
        return watch

    def stop(self, watch: _Watch) -> None:
        """The work is done: what was raised and has not come yet does not come any more."""
        with self._lock:
            self._watches.discard(watch)
            if watch.rung:
                _raise_in(watch.thread, None)

    def _look(self) -> None:
        idle = 0
        while True:
            time.sleep(_LOOK_SECONDS)
            with self._lock:
                idle = 0 if self._watches else idle + 1
                if idle == _IDLE_LOOKS:
                    self._process = 0
                    return
                for watch in self._watches:
                    if watch.used() > CPU_SECONDS:  # again and again: some decoders go on
                        watch.rung = True
                        _raise_in(watch.thread, OutOfTime)


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), ctypes.py_object(error) if error else None
    )


_MEMORY, _CLOCK = _Memory(), _Clock()
