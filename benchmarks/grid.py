"""Build a grid of worlds from nothing, then measure it.

    python benchmarks/grid.py --data ../shared/data --worlds worlds --workers 2
    python benchmarks/grid.py --grid benchmarks/stack_grid.json --no-benchmark ...

Each cell of benchmarks/grid.json is one `vestige world build`; a finished one is left as it is, a
killed one goes on. What may be shared of each world (world.json, loss.csv; no image) is copied to
benchmarks/worlds/. Then `vestige benchmark` measures all worlds into benchmarks/results/.

Cells with a "half" draw their X-rays from one half of the persons only, so that worlds on which
something was chosen and worlds on which it is reported share nobody.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
HALVED = "cxr_kermany"
HALVES = ("development", "reporting")


def deal_persons(data: Path, worlds: Path) -> None:
    """Two folders of links, by the parity of the person's number.

    One number may stand for two persons, "bacteria_7" and "virus_7"; they stay together.
    """
    source = (data / HALVED).resolve()
    with (source / "index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for odd, half in enumerate(HALVES):
        folder = worlds / "persons" / half
        folder.mkdir(parents=True, exist_ok=True)
        own = [row for row in rows if int(row["person"].split("_")[1]) % 2 == odd]
        for row in own:
            if not (folder / row["file"]).exists():
                (folder / row["file"]).symlink_to(source / row["file"])
        with (folder / "index.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, rows[0].keys())
            table.writeheader()
            table.writerows(own)


def command(cell: dict[str, Any], data: Path, worlds: Path) -> list[str]:
    """The `vestige world build` of one cell."""
    source = data / cell["data"]
    if cell["data"] == HALVED and "half" in cell:
        source = worlds / "persons" / cell["half"]
    built = [sys.executable, "-m", "vestige", "world", "build", cell["generator"], "--quiet"]
    built += ["--images", str(source), "--groups", str(source / "index.csv")]
    built += ["--out", str(worlds / cell["name"])]
    for name in ("members", "samples", "size", "unused", "reference", "per_group", "seed"):
        if name in cell:
            built += [f"--{name.replace('_', '-')}", str(cell[name])]
    for name, value in cell.get("options", {}).items():
        built += ["--option", f"{name}={value}"]
    return built


def build(cell: dict[str, Any], data: Path, worlds: Path) -> str:
    """Build one world on one core; returns what to say."""
    one_core = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(command(cell, data, worlds), env=one_core, capture_output=True, text=True)
    if done.returncode:
        return f"{cell['name']}: {done.stderr.strip()}"
    kept = HERE / "worlds" / cell["name"]
    kept.mkdir(parents=True, exist_ok=True)
    for name in ("world.json", "training/loss.csv"):
        if (worlds / cell["name"] / name).exists():
            shutil.copy(worlds / cell["name"] / name, kept)
    return f"{cell['name']}: built"


def main() -> None:
    """Build what is missing, then measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="holds cxr_kermany and ct_iqoth")
    parser.add_argument("--worlds", type=Path, default=Path("worlds"), help="images go here")
    parser.add_argument("--grid", type=Path, default=HERE / "grid.json")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", nargs="*", help="names of cells")
    parser.add_argument("--no-benchmark", action="store_true")
    asked = parser.parse_args()
    cells = json.loads(asked.grid.read_text())
    cells = [cell for cell in cells if not asked.only or cell["name"] in asked.only]
    if any("half" in cell for cell in cells):
        deal_persons(asked.data, asked.worlds)
    with ThreadPoolExecutor(asked.workers) as executor:
        for told in executor.map(lambda cell: build(cell, asked.data, asked.worlds), cells):
            print(told, flush=True)
    if not asked.no_benchmark:
        worlds = [str(asked.worlds / cell["name"]) for cell in cells]
        measure = [sys.executable, "-m", "vestige", "benchmark", *worlds]
        subprocess.run([*measure, "--out", str(HERE / "results")], check=True)


if __name__ == "__main__":
    main()
