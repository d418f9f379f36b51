"""Questions of several threads that come at about the same time, answered by one call."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Lock
from time import sleep
from typing import Generic, TypeVar

WAIT_SECONDS = 0.05
"""The first who asks waits so long for others."""

Q = TypeVar("Q")
A = TypeVar("A")


class Together(Generic[Q, A]):
    """Asks ``answer(questions)`` for all that wait, which gives one answer for each.

    Which questions meet depends on the clock: an answer must not depend on the other questions.
    """

    def __init__(self, answer: Callable[[Sequence[Q]], Sequence[A]]) -> None:
        self._answer = answer
        self._waiting: list[tuple[Q, Future[A]]] = []
        self._lock = Lock()

    def ask(self, question: Q) -> A:
        """The answer to one question, or the error that all who asked together get."""
        mine: Future[A] = Future()
        with self._lock:
            self._waiting.append((question, mine))
            first = len(self._waiting) == 1
        if first:
            asked: list[tuple[Q, Future[A]]] = []
            try:
                sleep(WAIT_SECONDS)
                with self._lock:
                    asked, self._waiting = self._waiting, []
                found = self._answer([question for question, _ in asked])
                for (_, future), answer in zip(asked, found, strict=True):
                    future.set_result(answer)
            except BaseException as error:
                with self._lock:  # Ctrl-C may come before they were taken
                    asked, self._waiting = [*asked, *self._waiting], []
                for _, future in asked:
                    if not future.done():
                        future.set_exception(error)
                raise
        return mine.result()
