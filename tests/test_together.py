"""Questions that come at the same time are answered together, each with its own answer."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from vestige.engine.together import Together


def test_each_of_many_threads_gets_its_own_answer() -> None:
    calls: list[int] = []

    def squares(questions: Sequence[int]) -> list[int]:
        calls.append(len(questions))
        return [x * x for x in questions]

    together, start = Together(squares), Barrier(16)

    def ask(x: int) -> int:
        start.wait()
        return together.ask(x)

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(ask, range(16))) == [x * x for x in range(16)]
    assert sum(calls) == 16
    assert together.ask(7) == 49
    assert calls[-1] == 1


def test_all_who_asked_together_get_the_error_and_the_next_is_answered() -> None:
    broken = [True]

    def answer(questions: Sequence[int]) -> list[int]:
        if broken[0]:
            raise ZeroDivisionError("no")
        return list(questions)

    together = Together(answer)

    def failed(x: int) -> bool:
        with pytest.raises(ZeroDivisionError, match="no"):
            together.ask(x)
        return True

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(failed, range(8)))
    broken[0] = False
    assert together.ask(3) == 3


def test_who_waits_is_answered_where_the_first_is_broken_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    together, waits = Together(list), Barrier(2)

    def broken_off(seconds: float) -> None:
        waits.wait()  # the other asks meanwhile
        while len(together._waiting) < 2:
            time.sleep(0.001)
        raise KeyboardInterrupt

    monkeypatch.setattr("vestige.engine.together.sleep", broken_off)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(together.ask, 1)
        waits.wait()
        second = threads.submit(together.ask, 2)
        for asked in (first, second):
            with pytest.raises(KeyboardInterrupt):
                asked.result()
