"""Where shards are computed: in processes of this machine, or on a Dask cluster.

The seam is `concurrent.futures.Executor`. Work sent is a module-level pure function on a shard;
results come back in the order of the shards, so the engine cannot change a result. A worker that
dies costs its shard, which is sent again.
"""

import ctypes
import gc
import os
import pickle
import platform
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
)
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from time import monotonic
from typing import Any, Generic, TypeVar

from vestige.registry.entries import InputError, RegistryEntry, choose

MAX_ATTEMPTS = 3
"""A shard is sent at most so often."""
LOOK_SECONDS = 1.0
"""While a result is waited for, the workers are looked at so often."""
IN_FLIGHT = 128
"""Shards sent and not yet fetched, on an executor that does not say how many it can use."""
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -2, -3, -8  # glibc's malloc.h

S = TypeVar("S")
R = TypeVar("R")


class Workers(Executor):
    """An executor whose workers can die, and what `map_shards` wants to know of it."""

    lost_exceptions: tuple[type[BaseException], ...] = (BrokenExecutor,)
    """What the future of a shard raises whose worker died."""

    def start_seconds(self) -> float:
        """Work that lasts no longer is not worth starting them; 0 when they are there."""
        return 0.0

    def max_in_flight(self) -> int:
        """How many shards may be on their way; an InputError if no result will ever come."""
        return IN_FLIGHT

    def batch_size(self, shards: int) -> int:
        """How many shards to send at once, of so many."""
        return 1

    def translate_error(self, error: Exception) -> Exception:
        """What is raised for an error of a shard; an InputError where the user can mend it."""
        return error


@dataclass
class _Sent(Generic[S, R]):
    shards: Sequence[S]
    future: Future[list[R]]
    times: int = 1


def map_shards(
    executor: Executor | None,
    function: Callable[..., R],
    shards: Sequence[S],
    *arguments: Any,
    name: Callable[[S], str] = str,
) -> Iterator[R]:
    """The results of ``function(shard, *arguments)`` in the order of the shards.

    A bounded number of shards is on its way. One whose worker died, or whose scheduler was lost,
    is sent again; what the function itself raises is raised here.

    Parameters
    ----------
    executor : Executor or None
        As `open_executor` gives it; None: in this process.
    function : callable
        Of a module that workers can import; pure.
    shards : sequence
    name : callable
        What a message calls a shard.

    Raises
    ------
    InputError
        When a shard was lost `MAX_ATTEMPTS` times, or no worker is left and none comes.
    """
    workers = executor if isinstance(executor, Workers) else Workers()
    worth = float("inf") if executor is None else workers.start_seconds()
    coming, spent = iter(shards), 0.0
    for done in range(1, len(shards) + 1 if worth > 0 else 1):
        start = monotonic()
        result = function(next(coming), *arguments)
        spent += monotonic() - start
        yield result
        if spent / done * (len(shards) - done) > worth:
            break
    if executor is None:
        return
    rest = list(coming)
    step = workers.batch_size(len(rest)) if rest else 1
    groups = (rest[k : k + step] for k in range(0, len(rest), step))
    waiting: deque[_Sent[S, R]] = deque()
    lost_exceptions: tuple[type[BaseException], ...] = (*workers.lost_exceptions, CancelledError)
    try:
        while True:
            for group in islice(
                groups, max(workers.max_in_flight() - len(waiting), 0) if rest else 0
            ):
                waiting.append(_Sent(group, executor.submit(each, function, group, arguments)))
            if not waiting:
                return
            first = waiting[0]
            try:
                results = first.future.result(LOOK_SECONDS)
            except TimeoutError:
                if not first.future.done():
                    continue
                results = first.future.result()  # it came just now, or the function raised it
            except lost_exceptions as error:
                for sent in waiting:  # with a scheduler all are lost at once
                    if _is_lost(sent.future, lost_exceptions):
                        if sent.times == MAX_ATTEMPTS:
                            raise _given_up(name(sent.shards[0]), error) from error
                        sent.future = executor.submit(each, function, sent.shards, arguments)
                        sent.times += 1
                continue
            except Exception as error:
                raise workers.translate_error(error) from error.__cause__
            waiting.popleft()
            yield from results
    finally:
        for sent in waiting:
            sent.future.cancel()


def each(function: Callable[..., R], shards: Sequence[S], arguments: Sequence[Any]) -> list[R]:
    """On a worker: the results of some shards."""
    return [function(shard, *arguments) for shard in shards]


def sendable(error: Exception) -> Exception:
    """This error, or one that says the same and can be sent to another process.

    What cannot be written there, or is too deep, would leave the asking process without an answer.
    """
    error.__traceback__ = error.__context__ = error.__cause__ = None
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  # some can be written but not read
    except Exception:
        try:
            return RuntimeError(f"{type(error).__name__}: {error}")
        except RecursionError:
            return RuntimeError(f"{type(error).__name__}, whose words are too deep to be sent")
    return error


def _is_lost(future: Future[Any], lost_exceptions: tuple[type[BaseException], ...]) -> bool:
    if not future.done():
        return False
    return future.cancelled() or isinstance(future.exception(), lost_exceptions)


def _given_up(shard: str, error: BaseException) -> InputError:
    why = " ".join(str(error).split()) or type(error).__name__
    return InputError(
        f"the work on {shard} was lost {MAX_ATTEMPTS} times with its worker ({why}). Was there "
        "enough memory? Else take that file, or one of those that follow it, out and start again."
    )


def side_by_side(*functions: Callable[[], Any]) -> list[Any]:
    """What functions return that do not need each other, a core each."""
    with ThreadPoolExecutor(min(cores(), len(functions))) as threads:
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
    with ThreadPoolExecutor(cores()) as threads:
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


def _local(argument: str) -> AbstractContextManager[Executor | None]:
    from vestige.engine.processes import Processes

    try:
        workers = int(argument) if argument else cores()
    except ValueError:
        workers = 0
    if workers < 1:
        raise InputError(f"engine local:N needs a number of processes, not {argument!r}.")
    return nullcontext() if workers == 1 else Processes(workers)


def _dask(argument: str) -> AbstractContextManager[Executor | None]:
    from vestige.engine.cluster import Cluster

    return Cluster(argument)


ENGINES: dict[str, RegistryEntry[AbstractContextManager[Executor | None]]] = {
    "local": RegistryEntry("processes of this machine: local (all cores) or local:N", _local),
    "dask": RegistryEntry("a running Dask cluster: dask:tcp://host:port", _dask, extra="cluster"),
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
    with choose(ENGINES, name, "engine").factory(argument) as executor:
        yield executor
