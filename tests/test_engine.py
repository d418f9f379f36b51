"""Where work runs: it cannot change a result, and a wrong engine is said at once."""

import os
import signal
import socket
from concurrent.futures import Executor, Future
from typing import Any

import pytest

import vestige.engine.cluster
from shard_work import slow_square, square, who
from vestige.engine import processes
from vestige.engine import shards as engine
from vestige.engine.engines import open_executor
from vestige.engine.machine import cores
from vestige.engine.shards import Workers, map_shards
from vestige.engine.waiting import on_interrupt
from vestige.registry.entries import InputError


@pytest.mark.parametrize("spec", ["local", "local:2", "local:5"])
def test_results_come_back_in_order(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "START_SECONDS", 0.0)
    with open_executor(spec) as executor:
        assert list(map_shards(executor, square, range(50))) == [x * x for x in range(50)]
        if executor is None:  # one core: "local" runs in this process
            assert spec == "local"
            assert cores() == 1
            return
        assert isinstance(executor, Executor)
        assert list(executor.map(square, range(50))) == [x * x for x in range(50)]


def test_one_worker_is_this_process() -> None:
    with open_executor("local:1") as executor:
        assert executor is None


def test_short_work_starts_no_process() -> None:
    with open_executor("local:3") as executor:
        assert set(map_shards(executor, who, range(100))) == {os.getpid()}
        seconds = processes.START_SECONDS / 10
        squares = [x * x for x in range(30)]
        assert list(map_shards(executor, slow_square, range(30), seconds)) == squares
        assert os.getpid() not in set(map_shards(executor, who, range(100)))  # now they are there


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("start_seconds", [0.0, 1e-9, 100.0])
def test_every_shard_is_done_once(count: int, start_seconds: float) -> None:
    class Instant(Workers):
        def start_seconds(self) -> float:
            return start_seconds

        def max_in_flight(self) -> int:
            return 2

        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_result(fn(*args))
            return future

    done: list[int] = []
    made = map_shards(Instant(), lambda x: done.append(x) or x, range(count))
    assert list(made) == done == list(range(count))


def test_the_executor_is_closed_afterwards() -> None:
    with open_executor("local:2") as executor:
        assert executor is not None
    with pytest.raises(RuntimeError, match="shutdown"):
        executor.submit(square, 2)


@pytest.mark.parametrize("spec", ["local:0", "local:-3", "local:two", "local:1.5"])
def test_a_wrong_number_of_workers_is_refused(spec: str) -> None:
    with (
        pytest.raises(InputError, match=f"from 1 to 1024, not '{spec[6:]}'"),
        open_executor(spec),
    ):
        pass


@pytest.mark.parametrize(("spec", "hint"), [("locl", "Did you mean 'local'"), ("", "Known: ")])
def test_an_unknown_engine_is_refused(spec: str, hint: str) -> None:
    with pytest.raises(InputError, match=f"unknown engine .*{hint}"), open_executor(spec):
        pass


def test_an_error_inside_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), open_executor("local:2"):
        raise ZeroDivisionError


@pytest.mark.parametrize("spec", ["dask", "dask:", "dask:somewhere", "dask:localhost:8786"])
def test_a_cluster_needs_a_full_address(spec: str) -> None:
    pytest.importorskip("distributed")
    with (
        pytest.raises(InputError, match="address as in dask:tcp://host:port"),
        open_executor(spec),
    ):
        pass


def test_a_cluster_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(vestige.engine.cluster, "CONNECT_SECONDS", 1.0)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))  # bound but not listening: nobody can answer here
        address = f"tcp://127.0.0.1:{holder.getsockname()[1]}"
        with (
            pytest.raises(InputError, match=f"no Dask scheduler answers at '{address}'"),
            open_executor(f"dask:{address}"),
        ):
            pass


def test_a_shard_of_an_executor_that_cannot_be_mended() -> None:
    class Broken(Executor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_exception(engine.BrokenExecutor("no memory"))
            return future

    with pytest.raises(InputError, match=r"work on 1 was lost 3 times .*\(no memory\)"):
        list(map_shards(Broken(), square, [1, 2]))


def test_ctrl_c_is_told_of_before_it_is_raised() -> None:
    told: list[str] = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        end = on_interrupt(lambda: told.append("stopped"))
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert told == ["stopped"]
        end()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, lambda *_: told.append("a program of its own"))
        end = on_interrupt(lambda: told.append("stopped"))
        signal.raise_signal(signal.SIGINT)  # that program goes on, and so does the work
        assert told == ["stopped", "a program of its own"]
        end()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        on_interrupt(lambda: told.append("stopped"))()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
