"""Results that stay with the workers of a cluster: passes go to them, and what they found returns.

A worker that is lost costs what it held; Dask has that computed again from the files, up to its own
limit. A scheduler that is lost costs all: when it is back, all is computed again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Executor, Future
from functools import reduce
from threading import Event, Lock
from typing import Any, TypeAlias, TypeVar
from uuid import uuid4

from vestige.engine.cluster import Cluster
from vestige.engine.shards import IN_FLIGHT, LOOK_SECONDS, MAX_ATTEMPTS, Workers
from vestige.engine.together import Together
from vestige.registry.entries import InputError
from vestige.types import Ints

R = TypeVar("R")
S = TypeVar("S")
_Pass: TypeAlias = tuple[Callable[..., Any], Callable[[Any, Any], Any]]
"""A fold and a merge."""
MANY = 1
"""Passes are made as one from so many blocks on for each task under way, three a thread."""
MERGED = 8
"""What so many passes found is merged by one task."""
FETCH_SECONDS = 600.0
"""What a task has found is here within this time."""


class Keeping(Workers):
    """The workers of a cluster, as an executor whose results they keep.

    Of each result comes back only what ``tell(key, result)`` says of it; the result itself is known
    by its key.
    """

    def __init__(self, cluster: Cluster, tell: Callable[[str, Any], Any]) -> None:
        self._cluster, self._tell = cluster, tell
        self.lost_exceptions, self.is_remote = cluster.lost_exceptions, cluster.is_remote
        self.max_in_flight = cluster.max_in_flight  # type: ignore[method-assign]
        self.batch_size = cluster.batch_size  # type: ignore[method-assign]
        self.translate_error = cluster.translate_error  # type: ignore[method-assign]
        self._kept: dict[str, tuple[Any, Callable[..., Any], Any]] = {}

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Have some worker compute ``fn(*args)``, and tell of it."""
        key = _name()
        kept = self._cluster.start(key, fn, *args)
        self._kept[key] = kept, fn, args
        return self._cluster.submit(self._tell, key, kept)

    def arranged(
        self, function: Callable[..., Any], pieces: Sequence[Sequence[tuple[str, Any]]]
    ) -> "Kept":
        """``function([(result, what), ...])`` for each list of pieces (key, what), kept as well.

        The cluster then drops the results themselves.
        """
        results, start = {}, self._cluster.start
        for key in {key for own in pieces for key, _ in own}:
            result, fn, args = self._kept[key]
            results[key] = result if self._cluster.holds(result) else start(_name(), fn, *args)
        blocks = [
            start(_name(), function, [(results[key], what) for key, what in own]) for own in pieces
        ]
        self._kept = {key: (None, fn, args) for key, (_, fn, args) in self._kept.items()}
        return Kept(self._cluster, blocks, lambda: self.arranged(function, pieces)._blocks)


def open_keeping(executor: Executor | None, tell: Callable[[str, Any], Any]) -> Keeping | None:
    """The executor, of which results are kept by workers; None if it is no cluster."""
    return Keeping(executor, tell) if isinstance(executor, Cluster) else None


class Kept:
    """Blocks that the workers of a cluster hold, one after another.

    Parameters
    ----------
    again : callable
        Has the blocks computed once more, by a cluster that has lost them with its scheduler.
    """

    def __init__(
        self, cluster: Cluster, blocks: Sequence[Any], again: Callable[[], Sequence[Any]]
    ) -> None:
        self._cluster, self._blocks, self._again = cluster, blocks, again
        self._lock = Lock()
        self._starts: Sequence[int] = ()
        self._together: Together[_Pass, Any] = Together(self._passed)

    def folded(
        self, fold: Callable[..., S], merge: Callable[[S, S], S], starts: Sequence[int]
    ) -> S:
        """What ``fold(None, start, block)`` of all blocks gives, merged by the workers in order.

        Passes that several threads ask for at about the same time are one where there are many
        blocks: a task for each block, whatever it is asked.

        Raises
        ------
        InputError
            When the blocks were lost and cannot be had again.
        """
        self._starts = starts
        many = len(starts) >= MANY * self._cluster.max_in_flight()
        found: S = self._together.ask((fold, merge)) if many else self._passed([(fold, merge)])[0]
        return found

    def _passed(self, passes: Sequence[_Pass]) -> Sequence[Any]:
        """What some passes find, made as one."""

        def asked() -> Sequence[Any]:
            start, blocks = self._cluster.start, self._held()
            sent = self._cluster.spread(list(passes))
            # where a block is, for what is sent may be larger than it
            near = self._cluster.holders(blocks)
            states = [
                start(_name(), _fold_one, sent, first, block, near=own)
                for first, block, own in zip(self._starts, blocks, near, strict=True)
            ]
            while len(states) > 1:
                groups = [states[k : k + MERGED] for k in range(0, len(states), MERGED)]
                states = [
                    start(_name(), _merge_some, sent, some) if len(some) > 1 else some[0]
                    for some in groups
                ]
            found: Sequence[Any] = self._come(states[0])
            return found

        return self._tried(asked)

    def parts(self, asked: Mapping[int, Ints]) -> Iterator[tuple[int, Any]]:
        """Some rows of some blocks, with the number of the block, in the order asked."""
        numbers = list(asked)
        for first in range(0, len(numbers), IN_FLIGHT):
            some = numbers[first : first + IN_FLIGHT]

            def rows(some: list[int] = some) -> list[Any]:
                blocks = self._held()
                sent = [
                    self._cluster.start(_name(), _rows, blocks[number], asked[number])
                    for number in some
                ]
                return [self._come(future) for future in sent]

            yield from zip(some, self._tried(rows), strict=True)

    def _held(self) -> Sequence[Any]:
        """The blocks, by whichever scheduler they are known now."""
        with self._lock:
            if not self._cluster.holds(self._blocks[0]):
                self._blocks = self._again()
            return self._blocks

    def _tried(self, asked: Callable[[], R]) -> R:
        """What is found once nothing was lost on the way."""
        cluster = self._cluster
        lost: tuple[type[BaseException], ...] = (*cluster.lost_exceptions, CancelledError)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            client = cluster.connected()
            try:
                return asked()
            except InputError:
                raise
            except Exception as error:
                if cluster.stopped.is_set():
                    raise
                # a client that is closing meanwhile fails in many ways
                if not (isinstance(error, lost) or cluster.has_lost(client)):
                    raise cluster.translate_error(error) from error.__cause__
                if attempt == MAX_ATTEMPTS or cluster.is_killed(error):
                    cluster.look_at_workers()  # one without vestige ends as if for memory
                    raise InputError(
                        "the Dask cluster lost images that it had read, again and again, with "
                        "its workers or its scheduler; nothing was written. Give the workers more "
                        "memory, or take fewer of them on one machine, and start again."
                    ) from error
        raise AssertionError("returned, or raised")

    def _come(self, future: Any) -> Any:
        """What a task has found, once it is there; workers may be started meanwhile."""
        there = Event()
        future.add_done_callback(lambda _: there.set())
        while not there.wait(LOOK_SECONDS):
            self._cluster.max_in_flight()  # says so if there is no worker any more
            if not self._cluster.holds(future):
                raise CancelledError
        try:  # not waited for above: Dask would fetch it again
            return future.result(FETCH_SECONDS)
        except TimeoutError as error:
            if future.status == "error":  # the function itself raised it
                raise
            raise CancelledError from error


def _name() -> str:
    return f"vestige-{uuid4().hex}"


def _fold_one(passes: Sequence[_Pass], start: int, block: Any) -> list[Any]:
    return [fold(None, start, block) for fold, _ in passes]


def _merge_some(passes: Sequence[_Pass], states: Sequence[list[Any]]) -> list[Any]:
    each = zip(*states, strict=True)
    return [reduce(merge, own) for (_, merge), own in zip(passes, each, strict=True)]


def _rows(block: Any, rows: Ints) -> Any:
    return block[rows]
