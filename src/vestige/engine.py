"""Where shards are computed: in this process, in a process pool, or on a Dask cluster.

The seam is `concurrent.futures.Executor`. Work sent is a module-level pure function on a shard;
results come back in the order of the shards, so the engine cannot change a result.
"""

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from vestige.choices import Choice, InputError, choose

S = TypeVar("S")
T = TypeVar("T")


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _local(argument: str) -> Executor | None:
    try:
        workers = int(argument) if argument else cores()
    except ValueError:
        workers = 0
    if workers < 1:
        raise InputError(f"engine local:N needs a number of processes, not {argument!r}.")
    if workers == 1:
        return None
    # forkserver: safe beside threaded BLAS, and workers import the readers only once
    context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
    if os.name == "posix":
        context.set_forkserver_preload(["vestige.images.reading"])
    return ProcessPoolExecutor(workers, mp_context=context)


def _dask(argument: str) -> Executor:
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError("engine dask needs: pip install 'vestige[cluster]'") from error
    try:
        client = Client(argument, timeout="10s")
    except (OSError, ValueError) as error:
        raise InputError(f"no Dask scheduler answers at {argument!r}: {error}") from error
    executor: Executor = client.get_executor()
    return executor


ENGINES: dict[str, Choice[Executor | None]] = {
    "local": Choice("processes on this machine: local (all cores) or local:N", _local),
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
    executor = choose(ENGINES, name, "engine").build(argument)
    if executor is None:
        yield None
        return
    with executor:
        yield executor


def map_shards(
    executor: Executor | None,
    function: Callable[..., T],
    shards: Iterable[S],
    *arguments: Any,
    in_flight: int = 16,
) -> Iterator[T]:
    """Results of ``function(shard, *arguments)`` in the order of the shards, bounded in memory."""
    if executor is None:
        for shard in shards:
            yield function(shard, *arguments)
        return
    waiting: deque[Future[T]] = deque()
    try:
        for shard in shards:
            waiting.append(executor.submit(function, shard, *arguments))
            if len(waiting) >= in_flight:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
