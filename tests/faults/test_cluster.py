"""Workers and schedulers that die: the right result, or one clear error and nothing written."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil
import pytest

import vestige.engine.cluster
from cluster_audits import QUICK, audited, refused
from dask_cluster import SOURCE, DaskCluster, dask_cluster
from shard_work import (
    big,
    chatter,
    die,
    die_once,
    fail,
    fail_nested,
    fail_oddly,
    late,
    leave,
    recurse,
    square,
)
from story.world import call, names, release
from vestige import InputError
from vestige.engine import processes
from vestige.engine.engines import open_executor
from vestige.engine.shards import map_shards
from vestige.images import reading

SHARDS = list(range(12))
SQUARES = [x * x for x in SHARDS]


@pytest.fixture(autouse=True)
def _workers_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "START_SECONDS", 0.0)


@pytest.fixture
def cluster() -> Iterator[DaskCluster]:
    pytest.importorskip("distributed")
    with dask_cluster(workers=2) as started:
        yield started


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Small shards, and something that happens after the second of them."""
    whole = reading.map_shards

    def disturbed(*arguments: Any, **options: Any) -> Iterator[Any]:
        for k, shard in enumerate(whole(*arguments, **options)):
            if k == 1:
                act()
                monkeypatch.setattr(reading, "map_shards", whole)
            yield shard

    monkeypatch.setattr(reading, "SHARD_FILES", 4)
    monkeypatch.setattr(reading, "map_shards", disturbed)


def children() -> list[psutil.Process]:
    return [p for p in psutil.Process().children(recursive=True) if "serve()" in str(p.cmdline())]


# processes of this machine


def test_a_worker_that_dies_costs_its_shard(tmp_path: Path) -> None:
    with open_executor("local:2") as executor:
        assert list(map_shards(executor, die_once, SHARDS, str(tmp_path))) == SQUARES
    assert (tmp_path / "died").exists()
    assert not children()


def test_a_shard_that_kills_every_worker_is_named(tmp_path: Path) -> None:
    seen: list[int] = []
    with open_executor("local:2") as executor:
        made = map_shards(executor, die, SHARDS, str(tmp_path), name="file {}".format)
        with pytest.raises(InputError, match=r"work on file 3 was lost 3 .* by signal 9") as told:
            seen.extend(made)
    assert "\n" not in str(told.value)
    assert seen == [0, 1, 4]
    assert (tmp_path / "deaths").read_text() == "xxx"
    assert not children()


def test_how_a_worker_ended_is_said() -> None:
    with (
        pytest.raises(InputError, match="lost 3 times with its worker .exit code 7"),
        open_executor("local:2") as executor,
    ):
        list(map_shards(executor, leave, SHARDS))


@pytest.mark.parametrize("spec", ["local:1", "local:2"])
def test_what_the_function_raises_is_raised(spec: str) -> None:
    with open_executor(spec) as executor:
        with pytest.raises(PermissionError, match="Permission denied") as error:
            list(map_shards(executor, fail, SHARDS))
        assert error.value.filename == "x.png"
        with pytest.raises(TimeoutError, match="of the function itself"):
            list(map_shards(executor, late, SHARDS))
    with open_executor("local:2") as executor, pytest.raises(RuntimeError, match="Odd: 0 and 2"):
        list(map_shards(executor, fail_oddly, SHARDS))


@pytest.mark.parametrize("work", [recurse, fail_nested])
def test_what_is_too_deep_to_be_sent_is_an_answer_all_the_same(
    work: Callable[[int], int], cluster: DaskCluster
) -> None:
    for spec in ("local:2", cluster.engine):  # a client of Dask waited for ever
        with open_executor(spec) as executor, pytest.raises((RecursionError, RuntimeError)):
            list(map_shards(executor, work, SHARDS))


def test_a_scheduler_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(vestige.engine.cluster, "CONNECT_SECONDS", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        begun = monotonic()
        with pytest.raises(InputError, match="no Dask scheduler answers at"):  # noqa: SIM117
            with open_executor(f"dask:tcp://127.0.0.1:{silent.getsockname()[1]}"):
                pass
        assert monotonic() - begun < 10


def test_what_a_decoder_prints_is_no_answer(capfd: Any) -> None:
    with open_executor("local:2") as executor:
        assert list(map_shards(executor, chatter, SHARDS)) == SHARDS
        sizes = [0, 1, 65536, 10**7]
        assert [len(b) for b in map_shards(executor, big, sizes)] == sizes
    said = capfd.readouterr()
    assert said.out == ""
    assert "noise" in said.err


def test_a_pool_that_is_left_early_leaves_no_process() -> None:
    def left() -> None:
        with open_executor("local:2") as executor:
            for _ in map_shards(executor, square, SHARDS):
                assert len(children()) == 2
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        left()
    assert not children()


def test_killed_workers_change_no_byte_of_an_audit(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = audited(capsys, leaking, tmp_path / "one", "local:1")
    meanwhile(monkeypatch, lambda: [p.kill() for p in children()] and None)  # type: ignore[func-returns-value]
    assert audited(capsys, leaking, tmp_path / "two", "local:2") == expected


SCRIPT = """
import vestige.engine.processes, vestige.images.reading, sys
vestige.engine.processes.START_SECONDS = 0.0
vestige.images.reading.SHARD_FILES = 1
print("once")
{then}
"""


def script(folder: Path, then: str) -> list[str]:
    """A user's script without a guarded main module."""
    (folder / "mine.py").write_text(SCRIPT.format(then=then))
    return [sys.executable, str(folder / "mine.py")]


def test_a_script_needs_no_guarded_main_module(leaking: Path, tmp_path: Path) -> None:
    then = (
        "from vestige.engine.engines import open_executor\n"
        "with open_executor('local:2') as executor:\n"
        f"    images = vestige.images.reading.read_images({str(leaking / 'used')!r}, role='used', "
        "executor=executor)\n"
        "print(len(images))"
    )
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        script(tmp_path, then), env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "once\n40\n", "")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_an_audit(leaking: Path, tmp_path: Path, how: signal.Signals) -> None:
    # enough images that it is still reading when the signal comes
    many = tmp_path / "many"
    many.mkdir()
    for k in range(300):
        for image in (leaking / "generated").iterdir():
            (many / f"{k}-{image.name}").symlink_to(image)
    asked = ["audit", *release(leaking), "--engine", "local:2", "--out", tmp_path / "out"]
    asked[2] = many
    then = f"from vestige.cli.main import main; main({list(map(str, asked))!r})"
    run = subprocess.Popen(
        script(tmp_path, then),
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    workers: list[psutil.Process] = []
    deadline = monotonic() + 60
    while len(workers) < 2 and monotonic() < deadline:
        sleep(0.05)
        workers = psutil.Process(run.pid).children()
    sleep(0.3)
    os.killpg(run.pid, how)  # as a terminal does
    out, err = run.communicate(timeout=120)
    gone, alive = psutil.wait_procs(workers, timeout=60)
    assert (len(gone), alive) == (2, [])
    assert out == "once\n"
    assert names(tmp_path / "out") == [] if (tmp_path / "out").exists() else True
    if how == signal.SIGINT:
        assert run.returncode == 130
        assert err == "vestige: interrupted before the result was written.\n"


# a Dask cluster


@pytest.mark.slow
def test_a_worker_killed_in_the_middle(
    cluster: DaskCluster,
    leaking: Path,
    tmp_path: Path,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = audited(capsys, leaking, tmp_path / "one", "local:1")
    meanwhile(monkeypatch, lambda: cluster.kill(cluster.workers[0]))
    assert audited(capsys, leaking, tmp_path / "two", cluster.engine) == expected


@pytest.mark.slow
def test_a_scheduler_killed_in_the_middle_and_started_again(
    cluster: DaskCluster,
    leaking: Path,
    tmp_path: Path,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = audited(capsys, leaking, tmp_path / "one", "local:1")

    def restart() -> None:
        cluster.kill(cluster.scheduler)
        cluster.start_scheduler()
        cluster.start_worker()

    meanwhile(monkeypatch, restart)
    assert audited(capsys, leaking, tmp_path / "two", cluster.engine) == expected


def test_a_scheduler_that_does_not_come_back(
    cluster: DaskCluster,
    leaking: Path,
    tmp_path: Path,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(vestige.engine.cluster, "RETURN_SECONDS", 3.0)
    monkeypatch.setattr(vestige.engine.cluster, "CONNECT_SECONDS", 3.0)
    meanwhile(monkeypatch, lambda: cluster.kill(cluster.scheduler))
    said = refused(capsys, leaking, tmp_path / "out", cluster.engine)
    assert f"the Dask scheduler at '{cluster.address}' was lost and did not come back" in said
    assert "within 3 s; nothing was written" in said


def test_a_cluster_without_workers(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(vestige.engine.cluster, "WORKER_SECONDS", 2.0)
    monkeypatch.setattr(vestige.engine.cluster, "ASK_SECONDS", 0.5)
    with dask_cluster(workers=0) as cluster:
        said = refused(capsys, leaking, tmp_path / "out", cluster.engine)
        assert "has had no worker for" in said
        assert f"start some with: dask worker {cluster.address}" in said


@pytest.mark.slow
def test_a_shard_that_kills_every_worker_of_a_cluster_is_named(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    with dask_cluster(workers=0) as cluster:
        for _ in range(3):
            cluster.start_worker(nanny=True)
        with (
            pytest.raises(InputError, match=r"work on file 3 was lost 3 times"),
            open_executor(cluster.engine) as executor,
        ):
            list(map_shards(executor, die, SHARDS, str(tmp_path), name="file {}".format))


def test_ctrl_c_leaves_a_cluster_as_it_was(
    cluster: DaskCluster,
    leaking: Path,
    tmp_path: Path,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        meanwhile(patch, lambda: signal.raise_signal(signal.SIGINT))
        asked = [*release(leaking), *QUICK, "--engine", cluster.engine, "--out", tmp_path / "out"]
        said = call(capsys, "audit", *asked)
    assert (said.code, said.out) == (130, "")
    assert said.err == "vestige: interrupted before the result was written.\n"
    assert names(tmp_path) == []
    with open_executor(cluster.engine) as executor:
        assert list(map_shards(executor, square, SHARDS)) == SQUARES
        with pytest.raises(PermissionError, match="Permission denied"):
            list(map_shards(executor, fail, SHARDS))


# other versions


@pytest.mark.slow
@pytest.mark.parametrize("where", ["worker", "scheduler"])
def test_a_cluster_without_vestige(
    leaking: Path, tmp_path: Path, capsys: Any, no_vestige: Path, where: str
) -> None:
    pytest.importorskip("distributed")
    cluster = DaskCluster()
    try:
        cluster.start_scheduler(str(no_vestige) if where == "scheduler" else "")
        cluster.start_worker(str(no_vestige) if where == "worker" else "")
        said = refused(capsys, leaking, tmp_path / "out", cluster.engine)
    finally:
        cluster.end()
    if where == "worker":
        assert "cannot import vestige (No module named 'vestige'): install it" in said
    else:
        assert f"the Dask scheduler at '{cluster.address}' cannot import what it was sent" in said


def test_a_worker_with_another_version(
    leaking: Path, tmp_path: Path, capsys: Any, another_vestige: Path
) -> None:
    pytest.importorskip("distributed")
    with dask_cluster(workers=0) as cluster:
        cluster.start_worker(str(another_vestige))
        said = refused(capsys, leaking, tmp_path / "out", cluster.engine)
    assert "has vestige 0.0.9, this process has" in said
    assert "install the same versions everywhere" in said
