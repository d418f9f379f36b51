"""How much faster do two workers read images than one: processes of this machine, and Dask's?

    python benchmarks/engines.py [--files 4000 12000] [--repeats 5] [--out FILE.json]

Writes 256 x 256 8-bit PNGs (smooth noise with grain) and reads them (decode, digest, working size,
statistics) with each engine in turn, several times: this process alone, two processes, and two
Dask workers of one thread beside their scheduler, all on this machine. The start of the two
processes is in their time; Dask's run already, as on a cluster. Beside them stands what the machine
itself gives: bare Pillow in one and in two processes that are there already.
"""

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image
from scipy.ndimage import gaussian_filter
from threadpoolctl import threadpool_limits

from vestige.engine.engines import open_executor
from vestige.engine.machine import keep_freed_memory
from vestige.images.reading import SHARD_FILES, read_images

PART = 500
EASY = {  # as in examples/slurm_audit.sh
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "500ms",
}


def write_images(folder: Path, count: int) -> None:
    """Distinct smooth pictures with grain."""
    folder.mkdir()
    with ProcessPoolExecutor() as pool:
        list(pool.map(_write, [(folder, k, min(k + PART, count)) for k in range(0, count, PART)]))


def _write(job: tuple[Path, int, int]) -> None:
    folder, first, last = job
    for k in range(first, last):
        rng = np.random.default_rng(k)
        smooth = gaussian_filter(rng.normal(size=(256, 256)), 3, mode="wrap")
        image = (smooth - smooth.min()) / np.ptp(smooth) + rng.normal(0, 0.01, smooth.shape)
        Image.fromarray(np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)).save(
            folder / f"{k:06d}.png"
        )


@contextmanager
def dask_workers(count: int) -> Iterator[tuple[str, list[psutil.Process]]]:
    """A scheduler and its workers on loopback: the engine's name, and their processes."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    quiet = ["--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
    parts = [_dask("scheduler", "--host", "127.0.0.1", "--port", str(port), *quiet)]
    try:
        parts += [_dask("worker", address, "--nthreads", "1", *quiet) for _ in range(count)]
        from distributed import Client

        with Client(address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(count, 60)
        own = [psutil.Process(part.pid) for part in parts]
        yield f"dask:{address}", own + [child for p in own for child in p.children()]
    finally:
        for part in reversed(parts):
            part.terminate()
            part.wait()


def _dask(kind: str, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.dask_{kind}", *options],
        env=os.environ | EASY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def read(folder: Path, engine: str) -> None:
    """The stage, with the start of the engine and its end."""
    with open_executor(engine) as executor:
        read_images(folder, role="generated", executor=executor)


def decode(paths: list[Path]) -> None:
    """Bare Pillow."""
    for path in paths:
        with Image.open(path) as image:
            image.load()


def cpu_seconds(others: Sequence[psutil.Process]) -> float:
    """Of this process, its children that have ended, and others."""
    own = sum(os.times()[:4])
    return own + sum(sum(p.cpu_times()[:2]) for p in others)


def timed(work: Callable[[], object], others: Sequence[psutil.Process] = ()) -> tuple[float, float]:
    """Wall and processor seconds."""
    start, cpu = time.perf_counter(), cpu_seconds(others)
    work()
    return time.perf_counter() - start, cpu_seconds(others) - cpu


def timed_on_dask(folder: Path, few: Path) -> tuple[float, float]:
    """On workers that have read before; they are ended, for idle they take a tenth of a core."""
    with dask_workers(2) as (engine, others):
        read(few, engine)
        return timed(lambda: read(folder, engine), others)


def measure(files: int, repeats: int) -> dict[str, Any]:
    """Seconds of each way in turn, and ratios within each turn."""
    with (
        tempfile.TemporaryDirectory() as home,
        ProcessPoolExecutor(1) as one,
        ProcessPoolExecutor(2) as two,
    ):
        folder, few = Path(home) / "images", Path(home) / "few"
        write_images(folder, files)
        write_images(few, 8 * SHARD_FILES)
        paths = sorted(folder.iterdir())
        parts = [paths[k : k + SHARD_FILES] for k in range(0, files, SHARD_FILES)]
        ways: dict[str, Callable[[], tuple[float, float]]] = {
            "local:1": lambda: timed(lambda: read(folder, "local:1")),
            "local:2": lambda: timed(lambda: read(folder, "local:2")),
            "dask, 2 workers": lambda: timed_on_dask(folder, few),
            "Pillow, 1 process": lambda: timed(lambda: list(one.map(decode, parts))),
            "Pillow, 2 processes": lambda: timed(lambda: list(two.map(decode, parts))),
        }
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for turn in range(repeats + 1):  # the first is to warm up
            for name, work in ways.items():
                told = work()
                if turn:
                    found[name].append(told)
    wall = {name: np.array([seconds for seconds, _ in rows]) for name, rows in found.items()}
    return {
        "files": files,
        "shard_files": SHARD_FILES,
        "repeats": repeats,
        "median_seconds": {name: round(float(np.median(w)), 3) for name, w in wall.items()},
        "quiet_seconds": {name: round(float(w.min()), 3) for name, w in wall.items()},
        # processor time of processes that had ended is not told of the pools of Pillow
        "median_cpu_seconds": {
            name: round(float(np.median([cpu for _, cpu in found[name]])), 3)
            for name in list(ways)[:3]
        },
        "ratios": {
            "one / two processes": ratio(wall["local:1"], wall["local:2"]),
            "one / two Dask workers": ratio(wall["local:1"], wall["dask, 2 workers"]),
            "two Dask workers / two processes": ratio(wall["dask, 2 workers"], wall["local:2"]),
            "Pillow: one / two processes": ratio(
                wall["Pillow, 1 process"], wall["Pillow, 2 processes"]
            ),
        },
    }


def ratio(above: np.ndarray[Any, Any], below: np.ndarray[Any, Any]) -> dict[str, float]:
    """Median, lowest and highest of the turns, and that of the quickest of each."""
    each = above / below
    told = {
        "median": np.median(each),
        "lowest": each.min(),
        "highest": each.max(),
        "quiet": above.min() / below.min(),
    }
    return {name: round(float(value), 3) for name, value in told.items()}


def machine() -> dict[str, Any]:
    """What the figures depend on; no name of a host."""
    from importlib.metadata import version

    names = Path("/proc/cpuinfo")
    lines = names.read_text().splitlines() if names.exists() else []
    models = {line.partition(":")[2].strip() for line in lines if line.startswith("model name")}
    return {
        "processor": ", ".join(sorted(models)) or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "pillow", "distributed")},
        "load_before": round(os.getloadavg()[0], 2),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, nargs="+", default=[4000, 12000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    keep_freed_memory()  # as the command line does
    with threadpool_limits(1):  # as in the workers
        told = {"machine": machine(), "stages": [measure(n, given.repeats) for n in given.files]}
    for stage in told["stages"]:
        print(f"{stage['files']} PNGs, seconds: {stage['median_seconds']}")
        for name, r in stage["ratios"].items():
            print(
                f"  {name}: {r['median']:.2f} [{r['lowest']:.2f}, {r['highest']:.2f}], "
                f"quiet {r['quiet']:.2f}"
            )
    if given.out:
        given.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
