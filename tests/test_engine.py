"""Where work runs: it cannot change a result, and a wrong engine is said at once."""

import socket
from concurrent.futures import Executor
from time import monotonic

import pytest

import vestige.engine
from vestige.choices import InputError
from vestige.engine import cores, open_executor


def square(x: int) -> int:
    return x * x


@pytest.mark.parametrize("spec", ["local", "local:2", "local:5"])
def test_results_come_back_in_order(spec: str) -> None:
    with open_executor(spec) as executor:
        if executor is None:  # one core: "local" runs in this process
            assert spec == "local"
            assert cores() == 1
            return
        assert isinstance(executor, Executor)
        assert list(executor.map(square, range(50))) == [x * x for x in range(50)]


def test_one_worker_is_this_process() -> None:
    with open_executor("local:1") as executor:
        assert executor is None


def test_the_executor_is_closed_afterwards() -> None:
    with open_executor("local:2") as executor:
        assert executor is not None
    with pytest.raises(RuntimeError, match="shutdown"):
        executor.submit(square, 2)


@pytest.mark.parametrize("spec", ["local:0", "local:-3", "local:two", "local:1.5"])
def test_a_wrong_number_of_workers_is_refused(spec: str) -> None:
    with (
        pytest.raises(InputError, match=f"needs a number of threads, not '{spec[6:]}'"),
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
    monkeypatch.setattr(vestige.engine, "DASK_TIMEOUT", "1s")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))  # bound but not listening: nobody can answer here
        address = f"tcp://127.0.0.1:{holder.getsockname()[1]}"
        start = monotonic()
        with (
            pytest.raises(InputError, match=f"no Dask scheduler answers at '{address}'"),
            open_executor(f"dask:{address}"),
        ):
            pass
        assert monotonic() - start < 20


@pytest.mark.slow
def test_a_cluster_computes_and_its_client_is_closed() -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        with open_executor(f"dask:{cluster.scheduler_address}") as executor:
            assert executor is not None
            assert list(executor.map(square, range(5))) == [0, 1, 4, 9, 16]
        with pytest.raises(ValueError, match="No global client"):
            distributed.get_client(timeout=0)
