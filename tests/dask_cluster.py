"""A Dask scheduler and its workers as processes of their own, on loopback."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

import psutil

import vestige

SOURCE = Path(vestige.__file__).parents[1]
TESTS = Path(__file__).parent
START_SECONDS = 60
FEW = ("--nthreads", "1", "--no-dashboard")
PAGE = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")


def free_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        return port


@dataclass
class DaskCluster:
    """Processes that a test can kill and start again."""

    port: int = field(default_factory=free_port)
    protocol: str = "tcp"
    environment: dict[str, str] = field(default_factory=dict)
    scheduler: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"{self.protocol}://127.0.0.1:{self.port}"

    @property
    def engine(self) -> str:
        return f"dask:{self.address}"

    def start_scheduler(self, path: str = "") -> None:
        options = ["--host", "127.0.0.1", "--port", str(self.port), *PAGE]
        options += ["--protocol", self.protocol]
        self.scheduler = self._start("dask_scheduler", options, path)
        deadline = monotonic() + START_SECONDS
        while monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert self.scheduler.poll() is None
            sleep(0.05)
        raise AssertionError("no scheduler")

    def start_worker(
        self, path: str = "", nanny: bool = False, home: Path | None = None, memory: str = "0"
    ) -> None:
        """One more; it joins when it is ready. A nanny starts it again when it dies.

        In a `home` it stands by itself: working folder, temporary and local folder are below it.
        """
        options = [self.address, *FEW, "--memory-limit", memory]
        options += ["--nanny"] if nanny else ["--no-nanny"]
        if home is not None:
            (home / "tmp").mkdir(parents=True)
            options += ["--local-directory", str(home / "local")]
        self.workers.append(self._start("dask_worker", options, path, home))

    def wait_for_workers(self, count: int) -> None:
        from distributed import Client

        with Client(self.address, set_as_default=False, timeout=START_SECONDS) as client:
            client.wait_for_workers(count, START_SECONDS)

    def _start(
        self, command: str, options: list[str], path: str, home: Path | None = None
    ) -> subprocess.Popen[bytes]:
        folders = [path, str(SOURCE), str(TESTS)]
        own = {"PYTHONPATH": os.pathsep.join(filter(None, folders))}
        own |= {} if home is None else {"TMPDIR": str(home / "tmp")}
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{command}", *options],
            env=os.environ | own | self.environment,
            cwd=home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self, process: subprocess.Popen[bytes] | None) -> None:
        assert process is not None
        process.send_signal(signal.SIGKILL)
        process.wait()

    def end(self) -> None:
        for process in (*self.workers, self.scheduler):
            if process is not None:
                own = psutil.Process(process.pid).children() if process.poll() is None else []
                for each in (process, *own):  # a nanny and its worker
                    with suppress(psutil.NoSuchProcess):
                        each.kill()
                process.wait()


@contextmanager
def dask_cluster(workers: int) -> Iterator[DaskCluster]:
    cluster = DaskCluster()
    try:
        cluster.start_scheduler()
        for _ in range(workers):
            cluster.start_worker()
        if workers:
            cluster.wait_for_workers(workers)
        yield cluster
    finally:
        cluster.end()
