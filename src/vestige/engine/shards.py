"""Shards sent to workers, and their results in the order of the shards.

The seam is `concurrent.futures.Executor`. Work sent is a module-level pure function on a shard;
results come back in the order of the shards, so the engine cannot change a result. A worker that
dies costs its shard, which is sent again.
"""

import pickle
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from dataclasses import dataclass
from itertools import islice
from time import monotonic
from typing import Any, Generic, TypeVar

from vestige.registry.entries import InputError

MAX_ATTEMPTS = 3
"""A shard is sent at most so often."""
LOOK_SECONDS = 1.0
"""While a result is waited for, the workers are looked at so often."""
IN_FLIGHT = 128
"""Shards sent and not yet fetched, on an executor that does not say how many it can use."""

S = TypeVar("S")
R = TypeVar("R")


class Workers(Executor):
    """An executor whose workers can die, and what `map_shards` wants to know of it."""

    lost_exceptions: tuple[type[BaseException], ...] = (BrokenExecutor,)
    """What the future of a shard raises whose worker died."""

    is_remote = False
    """Whether they may be on other machines, which see other files."""

    def start_seconds(self) -> float:
        """Work that lasts no longer is not worth starting them; 0 when they are there."""
        return 0.0

    def max_in_flight(self) -> int:
        """How many shards may be on their way; an InputError if no result will ever come."""
        return IN_FLIGHT

    def batch_size(self, shards: int) -> int:
        """How many shards to send at once, of so many."""
        return 1

    def rest(self) -> None:
        """Nothing is sent for a while: what only waits may end."""

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
