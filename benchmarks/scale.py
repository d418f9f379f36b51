"""What the search costs for ten thousand, a hundred thousand and a million generated images.

    python benchmarks/scale.py [--sizes 10000 100000 1000000] [--repeats 3]

2,000 queries, 64 values per image, the generated rows in a memory-mapped .npy: the call is that of
the detectors (`vestige.stats.neighbours.nearest`). The baseline is the bare float32 product of the
queries with each block of the pool and np.argpartition of the 32 largest; it is measured in the
blocks of vestige and in blocks of 64 MiB, and the faster counts. Each measurement runs in a fresh
process on one thread, in processor seconds, so that others on the machine disturb less; all take
turns, and ratios are medians of the turns. Then FAISS (flat; ivf with its recall), densities,
merging of shards, and the overhead of a Dask task on loopback. The exit code is 1 where a promise
does not hold. Writes benchmarks/results/scale.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np

from costs import machine
from vestige.features.index import INDEXES
from vestige.registry.entries import create
from vestige.stats import top
from vestige.stats.density import GaussianKDE
from vestige.stats.neighbours import nearest
from vestige.stats.top import Top, merge

HERE = Path(__file__).resolve().parent
QUERIES, WIDTH, KEPT = 2000, 64, 32
ENOUGH = 1.0  # processor seconds after which a measurement is not repeated within a process
CLUSTERS = 1000
MOST_GIB, MOST_RATIO, MOST_SPREAD = 1.5, 1.3, 1.1
TURNS = ("exact", "bare in tiles", "bare in 64 MiB", "product")
BLOCK = 2**14


def write_rows(folder: Path, m: int) -> None:
    """Queries and pools without structure (the hardest case for cells) and with clusters."""
    rng = np.random.default_rng(0)
    centres = 2 * rng.standard_normal((CLUSTERS, WIDTH), np.float32)
    for kind in ("noise", "clusters"):
        shape = (m, WIDTH)
        pool = np.lib.format.open_memmap(folder / f"{kind}.npy", "w+", np.float32, shape)
        for start in range(0, m, BLOCK):
            pool[start : start + BLOCK] = _rows(rng, min(BLOCK, m - start), kind, centres)
        pool.flush()
        np.save(folder / f"{kind}_queries.npy", _rows(rng, QUERIES, kind, centres))


def _rows(rng: np.random.Generator, n: int, kind: str, centres: Any) -> Any:
    rows = rng.standard_normal((n, WIDTH), np.float32)
    return rows + centres[rng.integers(0, CLUSTERS, n)] if kind == "clusters" else rows


def bare(rows: Any, pool: Any, width: int, select: bool = True) -> None:
    """Products with each block, and the 32 largest of each."""
    for start in range(0, len(pool), width):
        products = rows @ pool[start : start + width].T
        if select:
            np.argpartition(products, -min(KEPT, products.shape[1]), axis=1)[:, -KEPT:]


WORK: dict[str, Callable[[Any, Any], Any]] = {
    "exact": lambda rows, pool: nearest(rows, pool, 1),
    "exact, k = 5": lambda rows, pool: nearest(rows, pool, 5),
    "bare in tiles": lambda rows, pool: bare(
        rows, pool, top.TILE_BYTES // (4 * QUERIES) // 64 * 64
    ),
    "bare in 64 MiB": lambda rows, pool: bare(rows, pool, 2**24 // QUERIES),
    "product": lambda rows, pool: bare(rows, pool, 256, select=False),
    "density": lambda rows, pool: GaussianKDE(pool).log_density(rows),
    "flat": lambda rows, pool: create(INDEXES, "flat", "index")(rows, pool, 1),
    "ivf": lambda rows, pool: create(INDEXES, "ivf", "index")(rows, pool, 1),
}


def measure(work: str, kind: str, folder: Path) -> dict[str, Any]:
    """Processor seconds, peak resident memory of the whole process, and what an index says."""
    rows, pool = np.load(folder / f"{kind}_queries.npy"), np.load(folder / f"{kind}.npy", "r")
    WORK[work](rows[:10], pool[:1000])  # whatever is imported late
    said = ""
    seconds: list[float] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        while sum(seconds) < ENOUGH and len(seconds) < 15:
            start = process_time()
            answer = WORK[work](rows, pool)
            seconds.append(process_time() - start)
        said = next((str(w.message) for w in caught), "")
    found: dict[str, Any] = {"seconds": median(seconds), "peak_gib": _kib("VmHWM") / 2**20}
    if work in ("flat", "ivf"):
        exact = nearest(rows, pool, 1)
        found["recall"] = float((answer[0] <= exact[0]).mean())
        found["same_rows"] = float((answer[1] == exact[1]).mean())
        found["said"] = said
    return found


def _kib(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field)))


def child(work: str, kind: str, folder: Path) -> dict[str, Any]:
    """One measurement in a fresh process on one thread."""
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    done = subprocess.run(
        [sys.executable, __file__, "--measure", work, kind, str(folder)],
        check=True, stdout=subprocess.PIPE, text=True, env=os.environ | dict.fromkeys(threads, "1"),
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def search_rows(m: int, folder: Path, repeats: int) -> list[dict[str, Any]]:
    """Exact search and baseline in turns; the others once."""
    turns: dict[str, list[dict[str, Any]]] = {work: [] for work in TURNS}
    for _ in range(repeats):
        for work in TURNS:
            turns[work].append(child(work, "noise", folder))
    rows = []
    for work, taken in turns.items():
        row = {"work": work, "generated": m, "peak_gib": max(t["peak_gib"] for t in taken)}
        rows.append(row | {"seconds": median(t["seconds"] for t in taken)})
    tiles, blocks, product, ours = (
        [t["seconds"] for t in turns[work]]
        for work in ("bare in tiles", "bare in 64 MiB", "product", "exact")
    )
    bare_seconds = map(min, tiles, blocks)
    rows[0]["ratio"] = median(a / b for a, b in zip(ours, bare_seconds, strict=True))
    rows[0]["ratio_to_product"] = median(a / b for a, b in zip(ours, product, strict=True))
    others = [("exact, k = 5", "noise"), ("density", "noise")]
    others += [(work, kind) for work in ("flat", "ivf") for kind in ("noise", "clusters")]
    for work, kind in others:
        try:
            rows.append({"work": work, "kind": kind, "generated": m} | child(work, kind, folder))
        except subprocess.CalledProcessError:
            rows.append({"work": work, "kind": kind, "generated": m, "not_measured": "no FAISS"})
    for row in rows:
        row["ns_per_pair"] = 1e9 * row.get("seconds", np.nan) / m / QUERIES
        print({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
    return rows


def merge_seconds(k: int) -> float:
    """Seconds to merge the states of two shards."""
    rng = np.random.default_rng(0)
    states = [
        Top(np.sort(rng.random((QUERIES, k)), axis=1), rng.integers(0, 2**40, (QUERIES, k)))
        for _ in range(2)
    ]
    seconds = []
    for _ in range(50):
        start = process_time()
        merge(*states)
        seconds.append(process_time() - start)
    return median(seconds)


def embed_seconds(side: int = 64, images: int = 2000) -> float:
    """Processor seconds per image from the working size to 64 principal components at 32 px."""
    from vestige.features.pca import PCA

    pixels = np.random.default_rng(0).random((images, side, side), np.float32)
    space = PCA(dims=WIDTH, size=32).fit(pixels)
    start = process_time()
    space.transform(pixels)
    return (process_time() - start) / images


def record_bytes(images: int = 5000) -> float:
    """Memory that one image's record takes (`vestige.images.imageset.Record`)."""
    from vestige.images.imageset import Record

    tracemalloc.start()
    kept = [
        Record(
            f"{k:08d}.png", f"/data/generated/{k:08d}.png", 0, f"{k:064x}", (256, 256), 8, "L",
            coding="PNG", bytes_per_pixel=k / 7,
        )
        for k in range(images)
    ]  # fmt: skip
    return tracemalloc.get_traced_memory()[0] / len(kept)


def dask_task_seconds(tasks: int = 2000) -> float | None:
    """Wall seconds per task that does nothing, one worker process on loopback."""
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        return None
    cluster = LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    )
    with cluster, Client(cluster) as client, client.get_executor() as executor:
        list(executor.map(abs, range(100)))
        start = perf_counter()
        list(executor.map(abs, range(tasks)))
        return (perf_counter() - start) / tasks


def main() -> int:
    """Command line; a child process measures one thing and prints it as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "scale.json")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        work, kind, folder = given.measure
        print(json.dumps(measure(work, kind, Path(folder))))
        return 0
    rows = []
    for m in given.sizes:
        with tempfile.TemporaryDirectory() as name:
            write_rows(Path(name), m)
            rows += search_rows(m, Path(name), given.repeats)
    exact = [row for row in rows if row["work"] == "exact"]
    costs = [row["ns_per_pair"] for row in exact]
    found = {
        "machine": machine(),
        "queries": QUERIES,
        "width": WIDTH,
        "rows": rows,
        "peak_gib": max(row["peak_gib"] for row in exact),
        "ratio": max(row["ratio"] for row in exact),
        "spread": max(costs) / min(costs),
        "growth": costs[-1] / costs[0],
        "merge_ms": {str(k): 1e3 * merge_seconds(k) for k in (1, 5, 32)},
        "dask_task_ms": None if (each := dask_task_seconds()) is None else 1e3 * each,
        "embed_us": 1e6 * embed_seconds(),
        "record_bytes": record_bytes(),
    }
    given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print({k: v for k, v in found.items() if k not in ("rows", "machine")})
    held = found["peak_gib"] < MOST_GIB and found["ratio"] < MOST_RATIO
    return 0 if held and found["spread"] < MOST_SPREAD else 1


if __name__ == "__main__":
    sys.exit(main())
