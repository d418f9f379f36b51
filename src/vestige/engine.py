"""Where shards are computed: on the cores of this machine, or on a Dask cluster.

The seam is `concurrent.futures.Executor`. Work sent is a module-level pure function on a shard;
results come back in the order of the shards, so the engine cannot change a result.
"""

import ctypes
import os
import platform
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from vestige.choices import Choice, InputError, choose

DASK_TIMEOUT = "10s"
P = ParamSpec("P")
R = TypeVar("R")


M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -2, -3, -8  # glibc's malloc.h


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


def one_core_each(function: Callable[P, R]) -> Callable[P, R]:
    """Within this function a matrix product uses one core.

    No bit then depends on how many cores there are; and decoding threads, whose many small
    products would each wait for a second core, are four times as fast.
    """

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, user_api="blas"):
            return function(*args, **kwargs)

    return limited


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _local(argument: str) -> AbstractContextManager[Executor | None]:
    try:
        workers = int(argument) if argument else cores()
    except ValueError:
        workers = 0
    if workers < 1:
        raise InputError(f"engine local:N needs a number of threads, not {argument!r}.")
    if workers == 1:
        return nullcontext()
    # Pillow, zlib and NumPy release the interpreter lock while they work: threads decode as fast
    # as processes here, start at once, and need no guarded main module in a user's script
    return ThreadPoolExecutor(workers)


@contextmanager
def _dask(argument: str) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError("engine dask needs: pip install 'vestige[cluster]'") from error
    if "://" not in argument:
        raise InputError(
            f"engine dask needs an address as in dask:tcp://host:port, not {argument!r}."
        )
    try:
        client: Any = Client(argument, timeout=DASK_TIMEOUT)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise InputError(f"no Dask scheduler answers at {argument!r}: {error}") from error
    with client, client.get_executor() as executor:
        yield executor


ENGINES: dict[str, Choice[AbstractContextManager[Executor | None]]] = {
    "local": Choice("threads on this machine: local (all cores) or local:N", _local),
    "dask": Choice("a running Dask cluster: dask:tcp://host:port", _dask, extra="cluster"),
}


@contextmanager
def open_executor(spec: str = "local") -> Iterator[Executor | None]:
    """Open "local", "local:N" or "dask:ADDRESS"; None means: in this process.

    Raises
    ------
    InputError
        Unknown engine, or no scheduler at the address.
    """
    name, _, argument = spec.partition(":")
    with choose(ENGINES, name, "engine").build(argument) as executor:
        yield executor
