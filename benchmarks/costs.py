"""What each detector costs: seconds and memory, one core, each in a fresh process.

    python benchmarks/costs.py [DETECTOR]...

Phantoms of 64 px: 1,000 generated images, 100 target ones, 200 of a reference; detectors that learn
from labels get 50 used and 50 unused images too. Every detector of the package with its default
options; those that need weights or packages that are not here get a row that says so. Then the
exact searches over ever more generated images: what they need beyond their input must stay the
same within 20 %, or the exit code is 1. Writes benchmarks/results/costs.json and docs/costs.md
(nothing is written when detectors are named).
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
COUNTS = {"generated": 1000, "query": 100, "reference": 200, "used": 50, "unused": 50}
SIDE = 64
ENOUGH = 5.0  # seconds after which a measurement is not repeated
LIMIT = 3600  # seconds that one detector may take
SEARCHED = (2_000, 20_000, 80_000)
SEARCHING, WIDTH = 10_000, 64  # rows and their length: every search fills whole blocks
FLAT = 1.2


def planned(names: list[str]) -> list[dict[str, Any]]:
    """One row per column of evidence: name, detector, options, and why not, if not."""
    from vestige.detectors import DETECTORS
    from vestige.registry.entries import InputError
    from vestige.scoring.plan import weights_missing

    rows = []
    for name in names or DETECTORS:
        choice = DETECTORS[name]
        for suffix, options in choice.columns.items():
            row: dict[str, Any] = {"name": name + suffix, "detector": name}
            row |= {"options": dict(options), "labels": choice.needs_labels}
            try:
                missing = weights_missing(choice, choice.factory(**options))
            except (InputError, ImportError) as error:
                row["not_measured"] = _line(error)
            else:
                if missing:
                    row["not_measured"] = f"needs weights of a network ({', '.join(missing)})"
            rows.append(row)
    return rows


def write_images(path: Path) -> None:
    """Phantoms of every role, one patient each."""
    from vestige.worlds.phantom import chest_phantoms

    images = chest_phantoms(sum(COUNTS.values()), size=SIDE)[0]
    parts = np.split(images, np.cumsum(list(COUNTS.values()))[:-1])
    np.savez(path, **dict(zip(COUNTS, parts, strict=True)))


def measure(detector: str, options: dict[str, Any], path: Path) -> dict[str, float]:
    """Median seconds to fit and score, and peak MiB beyond images, packages and interpreter."""
    from threadpoolctl import threadpool_limits

    from vestige.detectors import DETECTORS

    with np.load(path) as kept:
        images = {role: kept[role] for role in kept.files}
    choice = DETECTORS[detector]

    def work(share: int = 1) -> None:
        some = {role: x[: max(4, len(x) // share)] for role, x in images.items()}
        made: Any = choice.factory(**options)
        known = (some["used"], some["unused"]) if choice.needs_labels else (None, some["reference"])
        made.fit(some["generated"], *known)
        (made.score_pool if choice.pool else made.score_samples)(some["query"])

    if choice.extra == "deep":
        import torch

        torch.set_num_threads(1)
    with threadpool_limits(1):
        if not choice.needs_labels:
            work(share=50)  # whatever is imported late is in memory before the measurement
        before = _kib("VmRSS")
        seconds: list[float] = []
        while len(seconds) < 3 and sum(seconds) < ENOUGH:
            start = perf_counter()
            work()
            seconds.append(perf_counter() - start)
    return {"seconds": median(seconds), "peak_mib": max(0, _kib("VmHWM") - before) / 1024}


def search_memory(name: str, m: int) -> dict[str, float]:
    """Peak MiB that a search over `m` generated rows allocates beyond its input."""
    from vestige.detectors.cosine_search import top_cosines
    from vestige.features.whitening import whitening
    from vestige.stats.neighbours import nearest

    rng = np.random.default_rng(0)
    rows = rng.standard_normal((SEARCHING, WIDTH), np.float32)
    pool = rng.standard_normal((m, WIDTH), np.float32)
    filters = whitening(rows, 0.1)
    searches: dict[str, Callable[[], object]] = {
        "nearest": lambda: nearest(rows, pool, 3),
        "top_cosines": lambda: top_cosines(filters.apply(rows), pool, filters, 3),
    }
    tracemalloc.start()
    start = perf_counter()
    searches[name]()
    seconds = perf_counter() - start
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    return {"extra_mib": peak, "input_mib": (rows.nbytes + pool.nbytes) / 2**20, "seconds": seconds}


def child(*arguments: str) -> dict[str, Any]:
    """The same file in a fresh process on one thread; what went wrong, if it did."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    try:
        done = subprocess.run(
            [sys.executable, __file__, *arguments],
            capture_output=True, text=True, timeout=LIMIT, env=os.environ | threads,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"not_measured": f"took more than {LIMIT} s"}
    if done.returncode:
        return {"not_measured": done.stderr.strip().splitlines()[-1]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def machine() -> dict[str, Any]:
    """What the figures hold for."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    model = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": model[0] if model else platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "date": date.today().isoformat(),
    }


def page(found: dict[str, Any]) -> str:
    """docs/costs.md."""
    told = found["machine"]
    lines = [
        "# What each detector costs",
        "",
        "Made by `python benchmarks/costs.py`; do not edit. One core of "
        f"{told['processor']} ({told['cores']} cores, {told['system']}, Python "
        f"{told['python']}, numpy {told['numpy']}), {told['date']}. "
        f"{found['counts']['generated']:,} generated phantoms of {found['side']} px, "
        f"{found['counts']['query']} judged, a reference of {found['counts']['reference']}; "
        f"detectors that learn from labels: {found['counts']['used']} used and "
        f"{found['counts']['unused']} unused. Fit and score, median of up to three runs; default "
        "options; peak memory beyond images and packages, each in a fresh process.",
        "",
        "| column | learns | seconds | peak MiB | |",
        "|---|---|---|---|---|",
    ]
    for row in found["detectors"]:
        learns = "yes" if row["labels"] else ""
        if "not_measured" in row:
            reason = row["not_measured"].replace("|", "/")
            lines.append(f"| {row['name']} | {learns} | | | not measured: {reason} |")
        else:
            figures = f"{row['seconds']:.2f} | {row['peak_mib']:.0f}"
            lines.append(f"| {row['name']} | {learns} | {figures} | |")
    sizes = " | ".join(f"{m:,}" for m in SEARCHED)
    lines += [
        "",
        "## Memory of the exact searches",
        "",
        f"The 3 best of ever more generated rows for each of {SEARCHING:,} rows of {WIDTH} values: "
        "MiB allocated beyond the input (tracemalloc), the same whatever the size of the generated "
        "set.",
        "",
        f"| search | {sizes} | largest / smallest |",
        "|---|" + "---|" * (len(SEARCHED) + 1),
    ]
    for name, rows in found["searches"].items():
        cells = " | ".join(f"{row['extra_mib']:.0f}" for row in rows)
        lines.append(f"| {name} | {cells} | {growth(rows):.2f} |")
    return "\n".join(lines) + "\n"


def growth(rows: list[dict[str, float]]) -> float:
    """Largest over smallest extra memory."""
    extra = [row["extra_mib"] for row in rows]
    return max(extra) / min(extra)


def main() -> int:
    """Command line; a child process measures one thing and prints it as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("detectors", nargs="*", help="all of them by default")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--search", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        name, options, path = given.measure
        print(json.dumps(measure(name, json.loads(options), Path(path))))
        return 0
    if given.search:
        print(json.dumps(search_memory(given.search[0], int(given.search[1]))))
        return 0
    found: dict[str, Any] = {"machine": machine(), "counts": COUNTS, "side": SIDE}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npz"
        write_images(path)
        found["detectors"] = planned(given.detectors)
        for row in found["detectors"]:
            if "not_measured" not in row:
                options = json.dumps(row["options"])
                row |= child("--measure", row["detector"], options, str(path))
            print(row, flush=True)
    if given.detectors:
        return 0
    found["searches"] = {
        name: [{"generated": m} | child("--search", name, str(m)) for m in SEARCHED]
        for name in ("nearest", "top_cosines")
    }
    results = ROOT / "benchmarks" / "results" / "costs.json"
    results.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (ROOT / "docs" / "costs.md").write_text(page(found), encoding="utf-8")
    print(*page(found).splitlines()[-2:], sep="\n")
    return int(any(growth(rows) > FLAT for rows in found["searches"].values()))


def _kib(name: str) -> int:
    """A line of /proc/self/status (Linux): getrusage would count the parent's memory as well."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise RuntimeError(f"this system does not tell {name}")


def _line(error: Exception) -> str:
    return str(error).splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
