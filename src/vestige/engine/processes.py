"""Worker processes of this machine, each on a pipe of its own: one that dies costs its shard.

A pool of `multiprocessing` runs the caller's script again in every worker, so that a script
without a guarded main module would audit itself for ever, and it loses all shards under way when
one worker dies. These workers import vestige, and end when the process that started them does.
"""

import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import IO, Any, TypeVar

from vestige.engine.machine import keep_freed_memory
from vestige.engine.shards import Workers, sendable

START_SECONDS = 0.7
"""Two workers are there after half of it, and two halve the rest."""
# the caller's path first: a bare -c would look into the current folder
START = (
    "import sys; sys.path[:] = sys.argv[1:]; from vestige.engine.processes import serve; serve()"
)
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_LENGTH = 8

R = TypeVar("R")


class WorkerDied(BrokenExecutor):
    """The process that worked on a shard ended before its answer."""


class Processes(Workers):
    """An executor of a fixed number of processes; each is started when it is first needed.

    A thread per process writes tasks and reads answers. What is sent must be picklable, and its
    function one of a module that can be imported.
    """

    def __init__(self, workers: int) -> None:
        self._count = workers
        self._threads = ThreadPoolExecutor(workers, "vestige")
        self._own = threading.local()
        self._started: set[_Worker] = set()
        self._lock = threading.Lock()
        self._over = False
        self._home = ""

    def start_seconds(self) -> float:
        """What one process does in the time that it takes to start these."""
        return 0.0 if self._started else START_SECONDS

    def max_in_flight(self) -> int:
        """One at work and one ready for each, and one to spare."""
        return 2 * self._count + 1

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> "Future[R]":
        """Have a worker compute ``fn(*args, **kwargs)``."""
        return self._threads.submit(self._ask, fn, args, kwargs)

    def rest(self) -> None:
        """End the workers: they hold memory, and nothing of it is asked for again."""
        self.shutdown()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers; with `wait`, when they have done what was submitted."""
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        self._end()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:  # Ctrl-C, or an error: nobody waits for what is under way
            self._end()
        self.shutdown(cancel_futures=kind is not None)

    def _ask(self, fn: Callable[..., R], args: Any, kwargs: Any) -> R:
        task = pickle.dumps((fn, args, kwargs), pickle.HIGHEST_PROTOCOL)
        worker: _Worker | None = getattr(self._own, "worker", None)
        if worker is None:
            with self._lock:
                if self._over:
                    raise WorkerDied("the workers were ended")
                # a worker that is killed leaves its copies of files here, and this process stays
                self._home = self._home or tempfile.mkdtemp(prefix="vestige-")
                worker = self._own.worker = _Worker(self._home)
                self._started.add(worker)
        try:
            fine, answer = worker.ask(task)
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            self._own.worker = None
            raise WorkerDied(worker.end(patience=1)) from error
        if not fine:
            raise answer
        result: R = answer
        return result

    def _end(self) -> None:
        with self._lock:
            self._over = True
            for worker in self._started:
                worker.end()
            if self._home:
                shutil.rmtree(self._home, ignore_errors=True)
                self._home = ""


class _Worker:
    """One process, which answers one task after the other."""

    def __init__(self, home: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # ourselves
            [sys.executable, "-c", START, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | ONE_THREAD | {"TMPDIR": home},
            process_group=0,  # Ctrl-C is for the process that started it
        )

    def ask(self, task: bytes) -> tuple[bool, Any]:
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise EOFError
        _send(process.stdin, task)
        fine, answer = pickle.loads(_receive(process.stdout))  # noqa: S301  # our own process
        return fine, answer

    def end(self, patience: float = 0.0) -> str:
        """End it, if it does not do so itself in these seconds, and say how it ended."""
        process = self._process
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
        code = process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):  # what was not written yet is for nobody
                if pipe is not None:
                    pipe.close()
        return f"killed by signal {-code}" if code < 0 else f"exit code {code}"


def serve() -> None:
    """Be a worker: read tasks from stdin and write answers to stdout until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory()
    tasks, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a decoder prints is no answer
    with suppress(EOFError, BrokenPipeError):  # the process that asked has ended
        while True:
            _send(answers, _answer(_receive(tasks)))
    os._exit(0)


def _answer(task: bytes) -> bytes:
    try:
        function, args, kwargs = pickle.loads(task)  # noqa: S301  # of the process that started us
        return pickle.dumps((True, function(*args, **kwargs)), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        told = traceback.format_exc()
        answer = sendable(error)
        answer.add_note(told)
        return pickle.dumps((False, answer))


def _send(pipe: IO[bytes], message: bytes) -> None:
    pipe.write(len(message).to_bytes(_LENGTH, "big"))
    pipe.write(message)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes:
    return _read(pipe, int.from_bytes(_read(pipe, _LENGTH), "big"))


def _read(pipe: IO[bytes], count: int) -> bytes:
    message = pipe.read(count)
    if len(message) < count:
        raise EOFError
    return message
