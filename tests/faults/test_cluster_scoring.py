"""A cluster that scores what its workers keep: workers that come and go, die, or lack something."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any

import pytest

import vestige.engine.cluster
from cluster_audits import COLUMNS, audited, keep_small_sets, passes, refused
from dask_cluster import SOURCE, DaskCluster, dask_cluster
from shard_work import kill_self, merge_none, pieces_of, square, tell_key
from story.world import call, names, release
from vestige import InputError
from vestige.engine.cluster import Cluster
from vestige.engine.engines import open_executor
from vestige.engine.kept import Kept, open_keeping
from vestige.engine.shards import map_shards

SHARDS = list(range(12))
OWN = Path("/proc/self/cwd")
"""Each process stands in a folder of its own: one path, and behind it other files for each."""
needs_own = pytest.mark.skipif(not OWN.exists(), reason="needs /proc")
SPILL = {
    "DASK_DISTRIBUTED__WORKER__MEMORY__TARGET": "0.0002",
    "DASK_DISTRIBUTED__WORKER__MEMORY__SPILL": "false",
    "DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "false",
}


@pytest.fixture(autouse=True)
def _kept(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    keep_small_sets(monkeypatch)


@pytest.fixture
def cluster() -> Iterator[DaskCluster]:
    with dask_cluster(workers=2) as started:
        yield started


@contextmanager
def machines(
    folder: Path, count: int, memory: str = "0", **environment: str
) -> Iterator[DaskCluster]:
    """Workers that share nothing but the images: `folder`/0, `folder`/1, ..."""
    started = DaskCluster(environment=environment)
    try:
        started.start_scheduler()
        for k in range(count):
            started.start_worker(home=folder / str(k), memory=memory)
        started.wait_for_workers(count)
        yield started
    finally:
        started.end()


def client_of(cluster: DaskCluster) -> Any:
    from distributed import Client

    return Client(cluster.address, set_as_default=False)


# workers that share nothing but the images


@needs_own
def test_workers_with_folders_of_their_own_score_what_they_keep(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = audited(capsys, leaking, tmp_path / "one", "local:1", COLUMNS)
    seen = passes(monkeypatch)
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    kept = [*COLUMNS, "--cache", OWN / "cache"]
    with machines(tmp_path, 3) as cluster:
        assert audited(capsys, leaking, tmp_path / "two", cluster.engine, kept) == expected
    assert len(seen) > 8
    assert min(seen) > 1
    caches = [{path.name for path in (tmp_path / str(k)).glob("cache/*/*.npy")} for k in range(3)]
    assert all(caches)  # each keeps what it has read, and nothing of the others
    assert sum(map(len, caches)) == len(set.union(*caches))
    assert not any(list((tmp_path / str(k) / "tmp").iterdir()) for k in range(3))


def test_passes_of_all_columns_are_made_as_one(
    cluster: DaskCluster,
    leaking: Path,
    tmp_path: Path,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = audited(capsys, leaking, tmp_path / "one", "local:1", COLUMNS)
    monkeypatch.setattr("vestige.engine.kept.MANY", 0)
    monkeypatch.setattr("vestige.engine.together.WAIT_SECONDS", 0.5)
    made: list[int] = []
    whole = Kept._passed

    def counted(self: Kept, some: Any) -> Any:
        made.append(len(some))
        return whole(self, some)

    monkeypatch.setattr(Kept, "_passed", counted)
    assert audited(capsys, leaking, tmp_path / "two", cluster.engine, COLUMNS) == expected
    assert max(made) > 1


@pytest.mark.slow
@needs_own
def test_all_columns_and_checks_on_workers_with_caches_of_their_own(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = audited(capsys, leaking, tmp_path / "one", "local:1", ["--quiet"])
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    kept = ["--quiet", "--cache", OWN / "cache"]
    with machines(tmp_path, 3) as cluster:
        assert audited(capsys, leaking, tmp_path / "two", cluster.engine, kept) == expected
        shutil.rmtree(tmp_path / "1" / "cache")  # a worker that starts anew on another machine
        assert audited(capsys, leaking, tmp_path / "two", cluster.engine, kept) == expected
        (tmp_path / "2" / "cache").rename(tmp_path / "2" / "gone")
        (tmp_path / "2" / "cache").touch()
        said = refused(capsys, leaking, tmp_path / "out", cluster.engine, kept)
    assert f"of the cluster: cannot write to the cache {OWN}/cache: it is no folder" in said


@pytest.mark.slow
def test_blocks_beyond_the_memory_limit_lie_on_the_disk_of_their_worker(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = audited(capsys, leaking, tmp_path / "one", "local:1", COLUMNS)
    spilled: list[Path] = []
    passes(monkeypatch, lambda: spilled.extend(tmp_path.glob("*/local/**/storage/*")))
    # a thousand bytes for every five million: of eight blocks of 262,144 bytes a worker holds few
    with machines(tmp_path, 2, memory="1GB", **SPILL) as cluster:
        assert audited(capsys, leaking, tmp_path / "two", cluster.engine, COLUMNS) == expected
    assert {path.relative_to(tmp_path).parts[0] for path in spilled} == {"0", "1"}
    assert not list(tmp_path.glob("*/local/**/storage/*"))


@pytest.mark.slow
def test_workers_without_free_memory_are_not_waited_for(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vestige.engine.cluster, "WORKER_SECONDS", 2.0)
    monkeypatch.setattr(vestige.engine.cluster, "ASK_SECONDS", 0.5)
    with dask_cluster(workers=0) as cluster:
        cluster.start_worker(home=tmp_path / "0", memory="30MB")  # Python alone takes more
        with client_of(cluster) as client:
            while not client.scheduler_info()["workers"]:
                pass
        said = refused(capsys, leaking, tmp_path / "out", cluster.engine, COLUMNS)
    assert "s, or none with memory left: start some with: dask worker" in said


# workers that come and go


@pytest.mark.slow
@pytest.mark.parametrize("what", ["killed", "retired", "replaced", "scheduler"])
def test_workers_that_go_and_come_while_images_are_scored(
    cluster: DaskCluster, leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: Any, what: str
) -> None:
    expected = audited(capsys, leaking, tmp_path / "one", "local:1", COLUMNS)

    def change() -> None:
        if what == "retired":  # as an adaptive cluster does: what they hold goes to the others
            cluster.start_worker()
            cluster.wait_for_workers(3)
            with client_of(cluster) as client:
                first, second, *_ = client.scheduler_info(n_workers=-1)["workers"]
                assert len(client.retire_workers([first, second])) == 2
        elif what == "scheduler":
            cluster.kill(cluster.scheduler)
            cluster.start_scheduler()
            cluster.start_worker()
        else:  # one of two, or all that held something
            for worker in cluster.workers[: 1 if what == "killed" else 2]:
                cluster.kill(worker)
            if what == "replaced":
                cluster.start_worker()

    seen = passes(monkeypatch, change)
    assert audited(capsys, leaking, tmp_path / "two", cluster.engine, COLUMNS) == expected
    assert len(seen) > 8


ADAPTIVE = """
from distributed import LocalCluster
if __name__ == "__main__":
    options = {"threads_per_worker": 1, "memory_limit": 0, "dashboard_address": None}
    with LocalCluster(n_workers=0, local_directory="local", **options) as cluster:
        cluster.adapt(minimum=1, maximum=3, interval="200ms", wait_count=1)
        print(cluster.scheduler_address, flush=True)
        input()
"""


@pytest.mark.slow
def test_an_adaptive_cluster_that_changes_at_every_look(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = audited(capsys, leaking, tmp_path / "one", "local:1", COLUMNS)
    (tmp_path / "adaptive.py").write_text(ADAPTIVE)
    seen, there = passes(monkeypatch), set[int]()
    with subprocess.Popen(
        [sys.executable, "adaptive.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as running:
        try:
            assert running.stdout is not None
            address = running.stdout.readline().strip()
            ask = Cluster._ask

            def counted(self: Cluster) -> int:
                there.add(count := ask(self))
                return count

            monkeypatch.setattr(Cluster, "_ask", counted)
            out, engine = tmp_path / "two", f"dask:{address}"
            assert audited(capsys, leaking, out, engine, COLUMNS) == expected
        finally:
            running.communicate("\n")
    assert len(seen) > 8
    assert max(there) >= 1


@pytest.mark.slow
def test_a_scheduler_that_is_lost_while_images_are_scored_is_waited_for_once(
    cluster: DaskCluster, leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(vestige.engine.cluster, "RETURN_SECONDS", 3.0)
    monkeypatch.setattr(vestige.engine.cluster, "CONNECT_SECONDS", 3.0)
    connect, tries = Cluster._connect, list[float]()

    def counted(self: Cluster, seconds: float, **how: bool) -> None:
        tries.append(seconds)
        connect(self, seconds, **how)

    monkeypatch.setattr(Cluster, "_connect", counted)
    passes(monkeypatch, lambda: cluster.kill(cluster.scheduler))
    said = refused(capsys, leaking, tmp_path / "out", cluster.engine, COLUMNS)
    assert f"the Dask scheduler at '{cluster.address}' was lost and did not come back" in said
    assert len(tries) == 2  # at the start, and once for all columns together


@pytest.mark.slow
def test_a_pass_that_kills_every_worker_is_given_up() -> None:
    with dask_cluster(workers=0) as cluster:
        for _ in range(2):
            cluster.start_worker(nanny=True)
        with open_executor(cluster.engine) as executor:
            keeping = open_keeping(executor, tell_key)
            assert keeping is not None
            keys = list(map_shards(keeping, square, SHARDS))
            blocks = keeping.arranged(pieces_of, [[(key, None)] for key in keys])
            with pytest.raises(InputError, match="lost images that it had read, again and again"):
                blocks.folded(kill_self, merge_none, range(len(keys)))


@pytest.mark.slow
def test_ctrl_c_ends_every_column_and_leaves_the_cluster_as_it_was(
    cluster: DaskCluster, leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    whole, begun, late = Kept.folded, list[bool](), list[bool]()

    def disturbed(self: Kept, fold: Any, merge: Any, starts: Any) -> Any:
        begun.append(True)
        if len(begun) == 4:
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(1000):
                sleep(0 if self._cluster.stopped.is_set() else 0.01)
        begun[-1] = is_late = self._cluster.stopped.is_set()
        found = whole(self, fold, merge, starts)
        late.append(is_late)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Kept, "folded", disturbed)
        asked = [*release(leaking), *COLUMNS, "--engine", cluster.engine, "--out", tmp_path / "out"]
        said = call(capsys, "audit", *asked)
    assert (said.code, said.out) == (130, "")
    assert said.err == "vestige: interrupted before the result was written.\n"
    assert names(tmp_path) == []
    assert True in begun
    assert True not in late  # no column goes on
    with open_executor(cluster.engine) as executor:
        assert list(map_shards(executor, square, SHARDS)) == [k * k for k in SHARDS]


# workers that lack something


@pytest.mark.slow
@pytest.mark.parametrize("nanny", [False, True])
def test_a_worker_without_vestige_that_joins_while_images_are_scored(
    cluster: DaskCluster,
    leaking: Path,
    tmp_path: Path,
    capsys: Any,
    monkeypatch: Any,
    no_vestige: Path,
    nanny: bool,
) -> None:
    def join() -> None:
        cluster.start_worker(str(no_vestige), nanny=nanny)
        cluster.wait_for_workers(3)

    passes(monkeypatch, join)
    said = refused(capsys, leaking, tmp_path / "out", cluster.engine, COLUMNS)
    assert "cannot import vestige (No module named 'vestige'): install it" in said


@pytest.mark.slow
def test_a_worker_with_another_version_that_joins_while_images_are_scored(
    cluster: DaskCluster,
    leaking: Path,
    tmp_path: Path,
    capsys: Any,
    monkeypatch: Any,
    another_vestige: Path,
) -> None:
    def join() -> None:  # and it is the only one
        cluster.start_worker(str(another_vestige))
        cluster.wait_for_workers(3)
        for worker in cluster.workers[:2]:
            cluster.kill(worker)

    passes(monkeypatch, join)
    said = refused(capsys, leaking, tmp_path / "out", cluster.engine, COLUMNS)
    assert "has vestige 0.0.9, this process has" in said


@pytest.mark.slow
@needs_own
def test_a_worker_that_does_not_see_the_files(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for role in ("generated", "used", "unused", "groups.csv"):
        (tmp_path / "home" / role).parent.mkdir(exist_ok=True)
        (tmp_path / "home" / role).symlink_to(leaking / role)
    monkeypatch.chdir(tmp_path / "home")
    with machines(tmp_path, 2) as cluster:
        for role in ("generated", "used", "unused"):  # one of the two sees them
            (tmp_path / "1" / role).symlink_to(leaking / role)
        said = refused(capsys, OWN, tmp_path / "out", cluster.engine, COLUMNS)
    assert "a worker of the cluster cannot open " in said
    assert "give all workers the same folders under the same paths" in said
