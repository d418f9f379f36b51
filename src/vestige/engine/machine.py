"""This machine: its cores, its threads, its memory."""

import ctypes
import gc
import os
import platform
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -2, -3, -8  # glibc's malloc.h

S = TypeVar("S")
R = TypeVar("R")
P = ParamSpec("P")


class Threads(ThreadPoolExecutor):
    """Threads in the context of whoever submits: products are made where it has them made."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> "Future[R]":
        """Have some thread compute ``fn(*args, **kwargs)``."""
        context = copy_context()
        return super().submit(lambda: context.run(fn, *args, **kwargs))


def side_by_side(*functions: Callable[[], Any]) -> list[Any]:
    """What functions return that do not need each other, a core each."""
    with Threads(min(cores(), len(functions))) as threads:
        try:
            return [future.result() for future in [threads.submit(f) for f in functions]]
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise


def in_threads(function: Callable[[S], R], items: Iterable[S]) -> Iterator[R]:
    """What a function makes of each item, in the order of the items; a few at a time, a core each.

    For functions that spend their time in matrix products, which hold no lock.
    """
    waiting: deque[Future[R]] = deque()
    with Threads(cores()) as threads:
        try:
            for item in items:
                waiting.append(threads.submit(function, item))
                if len(waiting) > 2 * cores():
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise


def collect_rarely() -> None:
    """Look for cycles among objects rarely: records by the thousand are none, and stay.

    For a process of our own: a fifth of the time of reading what is kept in the cache.
    """
    gc.set_threshold(100_000, 20, 20)


def keep_freed_memory() -> None:
    """Let glibc reuse the memory of one image for the next instead of returning it each time.

    Decoding frees a few buffers per image; giving them back to the kernel and faulting them in
    again costs a quarter of the time. For a process of our own (the command line): it holds on to
    its memory until it ends. Elsewhere than on glibc nothing is changed.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    library.mallopt(M_ARENA_MAX, 1)
    library.mallopt(M_MMAP_THRESHOLD, 16 * 2**20)
    library.mallopt(M_TRIM_THRESHOLD, 2**30)
    library.mallopt(M_TOP_PAD, 64 * 2**20)


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
