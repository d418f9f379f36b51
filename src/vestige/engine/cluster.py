"""Shards on a Dask cluster: connected again when its scheduler is back, never waiting in vain.

The workers need this version of vestige and of the packages that decode images. Each shard is
checked where it is computed, so that a worker that joins late is checked too.
"""

import logging
import platform
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from functools import cache
from pkgutil import resolve_name
from time import monotonic, sleep
from typing import Any, Self, TypeVar
from weakref import WeakSet

from vestige.engine.machine import keep_freed_memory
from vestige.engine.shards import Workers, sendable
from vestige.engine.waiting import on_interrupt, within
from vestige.packages import DECODERS, installed
from vestige.registry.entries import InputError
from vestige.version import __version__

CONNECT_SECONDS = 10.0
RETURN_SECONDS = 60.0
"""A scheduler that was lost may come back within this time."""
WORKER_SECONDS = 60.0
"""A cluster may be without any worker for this time."""
ASK_SECONDS = 5.0
"""The scheduler is asked for its workers so often, and may take so long to answer."""
MAX_BATCH = 4
"""Most shards in one message."""
_LOGGERS = ("distributed", "distributed.client", "tornado.application")

R = TypeVar("R")


class Cluster(Workers):
    """An executor on the workers of a Dask scheduler; to be entered.

    Parameters
    ----------
    address : str
        Such as "tcp://host:port", or "tls://host:port" with certificates in Dask's configuration.

    Raises
    ------
    InputError
        When no scheduler answers there, or one that was lost does not come back within
        `RETURN_SECONDS`, or no worker is there for `WORKER_SECONDS`.
    """

    is_remote = True

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client, KilledWorker
        except ImportError as error:
            raise InputError("engine dask needs: pip install 'vestige[cluster]'") from error
        from distributed.comm.core import CommClosedError

        if "://" not in address:
            raise InputError(
                f"engine dask needs an address as in dask:tcp://host:port, not {address!r}."
            )
        self._open: Callable[..., Any] = Client
        self.lost_exceptions = (*self.lost_exceptions, KilledWorker, CommClosedError)
        self._killed: type[BaseException] = KilledWorker
        self._address = address
        self._client: Any = None
        self._executor: Any = None
        self._lock = threading.RLock()
        self._sent: WeakSet[Future[Any]] = WeakSet()
        self._known: set[str] = set()
        self._threads = 0
        self._asked = float("-inf")
        self._unmanned: float | None = None
        self._gone = ""
        self.stopped = threading.Event()  # by Ctrl-C: nobody waits for what is under way
        self._forget: Callable[[], None] = lambda: None
        self._levels: dict[str, int] = {}

    def __enter__(self) -> Self:
        # what Dask has to say of a lost connection is said by us, in one line
        self._levels = {name: logging.getLogger(name).level for name in _LOGGERS}
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        # it reaches the main thread only; others that wait for the cluster would go on waiting
        self._forget = on_interrupt(self.stopped.set)
        try:
            self._connect(CONNECT_SECONDS)
        except BaseException:
            self.shutdown()
            raise
        return self

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> "Future[R]":
        """Have some worker compute ``fn(*args, **kwargs)``."""
        with self._lock:
            self.connected()
            future: Future[R] = self._executor.submit(run_checked, versions(), fn, args, kwargs)
            self._sent.add(future)
        return future

    def start(
        self, key: str, fn: Callable[..., Any], /, *args: Any, near: Sequence[str] = ()
    ) -> Any:
        """Have a worker compute ``fn(*args)`` and keep the result: Dask's own future.

        Among the arguments may be such futures, also in lists. One of the workers `near` is asked
        first, if there are any.
        """
        where: dict[str, Any] = {"workers": list(near), "allow_other_workers": True} if near else {}
        where |= {"key": key, "pure": False}
        return self.connected().submit(run_checked, versions(), fn, args, {}, **where)

    def holders(self, futures: Sequence[Any]) -> Sequence[Sequence[str]]:
        """The workers that hold what futures of `start` stand for; none where that is unknown."""
        keys = [future.key for future in futures]
        found = self._told("who_has", keys=keys)
        return [found.get(key) or () for key in keys]

    def holds(self, future: Any) -> bool:
        """Whether a future of `start` is known to the scheduler of now."""
        client = self.connected()
        return future is not None and future.client is client and not future.cancelled()

    def has_lost(self, client: Any) -> bool:
        """Whether a client of `connected` is of no use any more: what was asked of it failed."""
        return client is not self._client or client.status != "running"

    def is_killed(self, error: BaseException) -> bool:
        """Whether workers died of the work itself, so that it would be in vain to ask again."""
        return isinstance(error, self._killed)

    def spread(self, value: Any) -> Any:
        """A future of a value that is sent to one worker, and by it to each that needs it, once.

        Dask's broadcast does not end where a worker cannot take the value or has just left.
        """
        since = monotonic()
        while True:
            self.max_in_flight()  # waits for the first worker
            try:
                return self.connected().scatter(value, hash=False)
            except OSError as error:  # the worker that was to take it has left, or the scheduler
                if monotonic() - since > 2 * WORKER_SECONDS:
                    raise CancelledError from error
                sleep(ASK_SECONDS / 10)
            except Exception:
                self.look_at_workers()  # whoever joined just now may not know what it is sent
                raise

    def max_in_flight(self) -> int:
        """One at work and two ready for each thread of the cluster; it may grow meanwhile."""
        while True:
            self.connected()
            now = monotonic()
            if not self._threads or now - self._asked >= ASK_SECONDS:
                self._threads, self._asked = self._ask(), now
            if self._threads:
                self._unmanned = None
                return 3 * self._threads
            # counted from when it was first seen: who computes at home does not ask meanwhile
            since = self._unmanned = now if self._unmanned is None else self._unmanned
            if now - since > WORKER_SECONDS:
                raise InputError(
                    f"the Dask scheduler at {self._address!r} has had no worker for "
                    f"{now - since:.0f} s, or none with memory left: start some with: "
                    f"dask worker {self._address}"
                )
            sleep(ASK_SECONDS / 10)  # nothing is sent before a worker was asked for its vestige

    def batch_size(self, shards: int) -> int:
        """A few, because each message costs the scheduler, the worker and us some 10 ms together.

        But each thread has several to do, so that all end at about the same time.
        """
        return max(1, min(MAX_BATCH, shards // (4 * self.max_in_flight())))

    def translate_error(self, error: Exception) -> Exception:
        """A scheduler without vestige cannot even read what it is to pass on."""
        if "deserialization of the task graph" in str(error):
            return InputError(
                f"the Dask scheduler at {self._address!r} cannot import what it was sent: install "
                "vestige, and all it needs, in the same versions there and on the workers."
            )
        return error

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster; what it still computes for us is dropped."""
        self._leave()
        self._forget()
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)

    def look_at_workers(self) -> None:
        """Raise an InputError if one of them cannot import vestige."""
        self._known = set()
        self._ask()

    def _told(self, ask: str, **about: Any) -> Mapping[str, Any]:
        """What the scheduler answers; nothing where it does not in time."""
        client = self.connected()
        with suppress(OSError, TimeoutError, AttributeError):  # the last: it is just closing
            found: Mapping[str, Any] = client.sync(
                getattr(client.scheduler, ask), **about, callback_timeout=ASK_SECONDS
            )
            return found
        return {}

    def _ask(self) -> int:
        there = self._told("ncores_running")  # those that wait for memory do nothing
        self._probe(set(there) - self._known)
        self._known = set(there)
        return sum(there.values())

    def _probe(self, workers: set[str]) -> None:
        """A worker that cannot import vestige would end, without a word, when it is sent work."""
        if not workers:
            return
        # a function of the standard library: it is found everywhere
        asked = (resolve_name, "vestige.version:__version__")
        try:
            told = within(
                WORKER_SECONDS,
                self.connected().run,
                *asked,
                workers=sorted(workers),
                on_error="return",
            )
        except TimeoutError as error:
            raise InputError(
                f"the workers of the Dask scheduler at {self._address!r} have not answered for "
                f"{WORKER_SECONDS:.0f} s: start them and the scheduler anew."
            ) from error
        except OSError:  # one left meanwhile: the others are asked again
            return
        for worker, version in told.items():
            if isinstance(version, ImportError):
                raise InputError(
                    f"the worker {worker} of the cluster cannot import vestige ({version}): "
                    "install it, and all it needs, in the same versions everywhere."
                )

    def connected(self) -> Any:
        """The client of the cluster, which may be another than before."""
        if self.stopped.is_set():
            raise CancelledError
        with self._lock:  # of several columns that have lost it, one connects again
            if self._gone:
                raise InputError(self._gone)
            if self._executor is None or self._client.status != "running":
                self._leave()
                self._connect(RETURN_SECONDS, lost_exceptions=True)
            return self._client

    def _connect(self, seconds: float, lost_exceptions: bool = False) -> None:
        from distributed.versions import VersionMismatchWarning

        start = monotonic()
        while True:
            left = max(seconds - (monotonic() - start), 0.1)
            try:
                with warnings.catch_warnings():  # `run_checked` looks for itself
                    warnings.simplefilter("ignore", VersionMismatchWarning)
                    client = within(
                        min(left, CONNECT_SECONDS) + CONNECT_SECONDS,
                        self._open,
                        self._address,
                        timeout=min(left, CONNECT_SECONDS),
                        set_as_default=False,
                    )
                break
            # the last two: certificates that are missing, or asked for and not used
            except (OSError, ValueError, TypeError, RuntimeError) as error:
                if not lost_exceptions:
                    raise InputError(
                        f"no Dask scheduler answers at {self._address!r}: is it running, and is "
                        "this its address? With tls:// it also needs certificates that it trusts "
                        "(docs/cluster.md)."
                    ) from error
                if monotonic() - start > seconds:
                    self._gone = (
                        f"the Dask scheduler at {self._address!r} was lost and did not come back "
                        f"within {seconds:.0f} s; nothing was written. Start it and its workers, "
                        "then this command again."
                    )
                    raise InputError(self._gone) from error
                if self.stopped.wait(0.5):
                    raise CancelledError from error
        self._client, self._executor = client, client.get_executor(pure=False)
        self._unmanned = None

    def _leave(self) -> None:
        client, self._client, self._executor = self._client, None, None
        if client is not None:
            with suppress(OSError, TimeoutError):
                within(CONNECT_SECONDS, client.close, timeout=2)
        for future in self._sent:  # those of a client that has gone never come
            if not future.done() and future.cancel():
                future.set_running_or_notify_cancel()
        self._sent.clear()


def run_checked(
    expected: Mapping[str, str], fn: Callable[..., R], args: Any, kwargs: Mapping[str, Any]
) -> R:
    """On a worker: ``fn(*args, **kwargs)``, if it would give the same here as where it was sent.

    Raises
    ------
    InputError
        When vestige or a package that decodes images has another version here.
    """
    found = versions()
    for name, version in expected.items():
        if found[name] != version:
            raise InputError(
                f"a worker of the cluster ({platform.node()}) has {name} {found[name] or 'missing'}"
                f", this process has {version or 'none'}: install the same versions everywhere."
            )
    with _prepared().limit(limits=1):
        try:
            return fn(*args, **kwargs)
        except InputError as error:
            found_error: Exception = InputError(f"on {platform.node()} of the cluster: {error}")
        except Exception as error:
            found_error = sendable(error)
    raise found_error  # without the frames of a deep recursion, which Dask cannot send


@cache
def _prepared() -> Any:
    """What limits the threads of matrix products; made once in a worker."""
    from threadpoolctl import ThreadpoolController

    # Dask starts its workers so that they return every few pages at once: 1.7 times as slow
    keep_freed_memory()
    return ThreadpoolController()


def versions() -> Mapping[str, str]:
    """Versions of whatever a decoded image depends on, "" for a missing package."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"vestige": __version__, "python": python, **installed(*DECODERS)}
