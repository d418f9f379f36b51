"""A Dask cluster with certificates: no stranger sends work to it or reads along."""

import gc
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

import vestige.engine.cluster
from cluster_audits import COLUMNS, audited, keep_small_sets, passes
from dask_cluster import DaskCluster
from shard_work import square
from story.world import call, names, release
from vestige.engine.engines import open_executor
from vestige.engine.shards import map_shards
from vestige.registry.entries import InputError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the command openssl"),
]
ROLES = ("SCHEDULER", "WORKER", "CLIENT")


def made(folder: Path) -> dict[str, str]:
    """The environment of docs/cluster.md, with an authority and a certificate made for a test."""
    folder.mkdir()
    one_day = ["-days", "1", "-newkey", "rsa:2048", "-nodes"]
    for command in (
        ["req", "-x509", *one_day, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test"],
        ["req", *one_day[2:], "-keyout", "key.pem", "-out", "asked.pem", "-subj", "/CN=node"],
        ["x509", "-req", "-in", "asked.pem", "-CA", "ca.pem", "-CAkey", "ca.key",
         "-CAcreateserial", "-days", "1", "-out", "cert.pem"],
    ):  # fmt: skip
        subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)
    start = "DASK_DISTRIBUTED__COMM__"
    environment = {f"{start}REQUIRE_ENCRYPTION": "true"}
    environment[f"{start}TLS__CA_FILE"] = str(folder / "ca.pem")
    for role in ROLES:
        environment[f"{start}TLS__{role}__CERT"] = str(folder / "cert.pem")
        environment[f"{start}TLS__{role}__KEY"] = str(folder / "key.pem")
    return environment


def settings(environment: dict[str, str]) -> dict[str, Any]:
    """What Dask makes of these variables when it is imported."""
    names = {key: key.removeprefix("DASK_").lower().replace("__", ".") for key in environment}
    return {names[key]: value == "true" or value for key, value in environment.items()}


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return made(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="module")
def cluster(trusted: dict[str, str]) -> Iterator[DaskCluster]:
    pytest.importorskip("distributed")
    import dask

    started = DaskCluster(protocol="tls", environment=trusted)
    try:
        started.start_scheduler()
        for _ in range(2):
            started.start_worker()
        with dask.config.set(settings(trusted)):
            started.wait_for_workers(2)
        yield started
    finally:
        started.end()
        with warnings.catch_warnings():  # Dask leaves the sockets of refused connections open
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


@pytest.mark.parametrize("held", [False, True])
def test_an_audit_over_tls_gives_the_same_bytes(
    cluster: DaskCluster,
    trusted: dict[str, str],
    leaking: Path,
    tmp_path: Path,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
    held: bool,
) -> None:
    """Also where the workers keep the images, send each other blocks and make the passes."""
    import dask
    from distributed import Client

    if held:  # of blocks that small, here as well
        keep_small_sets(monkeypatch)
    expected = audited(capsys, leaking, tmp_path / "here", "local:1", COLUMNS)
    seen = passes(monkeypatch)
    with dask.config.set(settings(trusted)):
        assert audited(capsys, leaking, tmp_path / "tls", cluster.engine, COLUMNS) == expected
        with Client(cluster.address, set_as_default=False) as client:
            there = client.scheduler_info(n_workers=-1)["workers"]
    assert (len(seen) > 8) == held
    assert [address.partition("//")[0] for address in there] == ["tls:", "tls:"]


@pytest.mark.parametrize("stranger", ["no certificate", "another authority", "plain"])
def test_a_stranger_reaches_nothing(
    cluster: DaskCluster,
    leaking: Path,
    tmp_path: Path,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
    stranger: str,
) -> None:
    import dask

    monkeypatch.setattr(vestige.engine.cluster, "CONNECT_SECONDS", 3.0)
    own = settings(made(tmp_path / "theirs")) if stranger == "another authority" else {}
    engine = cluster.engine.replace("tls:", "tcp:") if stranger == "plain" else cluster.engine
    begun = monotonic()
    with dask.config.set(own):
        asked = [*release(leaking), "--engine", engine, "--out", tmp_path / "out"]
        said = call(capsys, "audit", *asked)
    assert (said.code, said.out) == (2, "")
    assert said.err.count("\n") == 1 and "no Dask scheduler answers at" in said.err
    assert "certificates" in said.err
    assert monotonic() - begun < 30
    assert "out" not in names(tmp_path)


@pytest.mark.parametrize("stranger", ["no certificate", "another authority"])
def test_a_worker_that_is_not_trusted_gets_no_work(
    cluster: DaskCluster, trusted: dict[str, str], tmp_path: Path, stranger: str
) -> None:
    import dask

    own = made(tmp_path / "theirs") if stranger == "another authority" else {}
    intruder = DaskCluster(port=cluster.port, protocol="tls", environment=own)
    intruder.start_worker()
    with suppress(subprocess.TimeoutExpired):
        intruder.workers[0].wait(6)  # it may give up by itself
    try:
        with dask.config.set(settings(trusted)), open_executor(cluster.engine) as executor:
            assert list(map_shards(executor, square, list(range(8)))) == [k * k for k in range(8)]
            assert executor.max_in_flight() == 6  # type: ignore[union-attr]  # of two workers
    finally:
        intruder.end()


@pytest.mark.parametrize("spec", ["dask:tls://127.0.0.1:1", "dask:nonsense://127.0.0.1:1"])
def test_an_address_that_cannot_be(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(vestige.engine.cluster, "CONNECT_SECONDS", 1.0)
    with pytest.raises(InputError, match="no Dask scheduler answers at"), open_executor(spec):
        pass
