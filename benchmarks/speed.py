"""How long does an audit take, compared with merely decoding the files?

    python benchmarks/speed.py [--sizes 20000+2000 5000+700] [--repeats 3] [--page]

Writes 256 x 256 8-bit PNGs (CT-like phantoms with grain), decodes them with Pillow on all cores,
audits them label-free (half of the reals unused, half queries) in a fresh process with an empty
cache and then again with the full one. All in turn, in one run; the files are in the page cache.
Results go to benchmarks/results/speed.json, from which docs/speed.md and its figure are written.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "benchmarks/results/speed.json"
FIGURE = ROOT / "docs/figures/speed.svg"
DISTINCT = 1000
PAGE = """# Speed

Written by `python benchmarks/speed.py`: 256 x 256 8-bit PNGs, decoded with Pillow in one process
per core, then audited label-free in a fresh process, with an empty `--cache` and with the full one.
Ratio of wall times in turn, median [lowest, highest]; {cores} cores.

{table}

![Stages of an audit in units of bare decoding](figures/speed.svg)

Asked were 1.2 (20,000 + 2,000) and 2 (5,000 + 700) for the first run and 0.3 for the second: not
reached. Thirteen columns compare 20,000 with 2,000 images, one of them at 64 pixels, which is half
of `detect`; reading alone (decoding, shrinking, digests, statistics as stored, keeping) takes half
as long again as bare decoding, or more. A second run still hashes every file, tests and draws.

`import vestige`: {seconds:.2f} s.

What makes reading cheap: plain PNGs are unpacked by ISA-L (a third of the time of zlib; the pixels
are those of Pillow, `vestige.images.png`), statistics of preparation are taken of 500 generated
images only, matrix products use one core each. What a second run saves: decoded images and scores
are kept by content (`vestige.cache.shelves`), checks, measures and evidence as well, so that
only hashing of the files, permutations and the report are left. Planted copies are looked for by
themselves, not in the whole generated set again; checks, measures and evidence are made side by
side.
"""
DECODE = """
import sys, glob
from concurrent.futures import ProcessPoolExecutor
from PIL import Image
def decode(paths):
    for path in paths:
        with Image.open(path) as image:
            image.load()
if __name__ == "__main__":
    files = sorted(glob.glob(sys.argv[1] + "/*/*.png"))
    parts = [files[k:k + 64] for k in range(0, len(files), 64)]
    with ProcessPoolExecutor(int(sys.argv[2])) as pool:
        list(pool.map(decode, parts))
"""
AUDIT = """
import json, resource, sys
from pathlib import Path
from vestige.cli.main import main
folder, *more = sys.argv[1:]
try:
    main(["audit", "--generated", folder + "/generated", "--query", folder + "/query",
          "--unused", folder + "/unused", "--out", folder + "/out", "--quiet", "--force", *more])
finally:
    told = json.loads(Path(folder, "out/result.json").read_text())["manifest"]["seconds"]
    told["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(told))
"""
AUDITS: dict[str, list[str]] = {
    "default": [],
    "low effort": ["--effort", "low"],
    "low effort, no checks": ["--effort", "low", "--no-checks"],
}
STAGES = ("read", "group", "detect", "judge", "side by side")


def write_images(folder: Path, generated: int, reals: int) -> None:
    """Distinct phantoms, shifted and with fresh grain: no two files equal, no two reals alike."""
    from vestige.worlds.phantom import chest_phantoms

    base = chest_phantoms(DISTINCT, size=128, seed=1)[0].repeat(2, axis=1).repeat(2, axis=2)
    roles = {"generated": generated, "query": reals // 2, "unused": reals - reals // 2}
    jobs = []
    start = 0
    for role, count in roles.items():
        (folder / role).mkdir(parents=True)
        jobs += [(folder / role, start + k, min(500, count - k)) for k in range(0, count, 500)]
        start += count
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_write, jobs, [base] * len(jobs)))


def _write(job: tuple[Path, int, int], base: np.ndarray) -> None:
    folder, first, count = job
    for k in range(first, first + count):
        rng = np.random.default_rng(k)
        image = np.roll(base[k % len(base)], rng.integers(-6, 7, 2), axis=(0, 1))
        noisy = image + rng.normal(0, 0.012, image.shape)
        grey = np.round(np.clip(noisy, 0, 1) * 255).astype(np.uint8)
        Image.fromarray(grey).save(folder / f"{k:06d}.png")


def timed(code: str, *arguments: str) -> tuple[float, str]:
    """Wall seconds and output of one fresh process."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True
    )
    return time.perf_counter() - start, done.stdout


def measure(generated: int, reals: int, repeats: int) -> list[dict[str, Any]]:
    """Median seconds of decoding and of each audit, cold and warm, and their ratios."""
    cores = len(os.sched_getaffinity(0))
    seen: dict[str, dict[str, list[Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder), generated, reals)
        cache = Path(folder, "cache")
        for _ in range(repeats):
            decode = timed(DECODE, folder, str(cores))[0]
            for name, more in AUDITS.items():
                told = seen.setdefault(name, {"decode": [], "first": [], "second": []})
                told["decode"].append(decode)
                for run in ("first", "second"):
                    seconds, output = timed(AUDIT, folder, "--cache", str(cache), *more)
                    told[run].append(seconds)
                    told.setdefault(f"{run} stages", []).append(json.loads(output.splitlines()[-1]))
                shutil.rmtree(cache)
    rows = []
    for name, told in seen.items():
        row = {"generated": generated, "reals": reals, "cores": cores, "audit": name}
        row |= {key: round(float(np.median(told[key])), 2) for key in ("decode", "first", "second")}
        for run in ("first", "second"):
            ratios = np.array(told[run]) / np.array(told["decode"])
            row[f"{run}_ratio"] = [round(float(f(ratios)), 2) for f in (np.median, np.min, np.max)]
            mine = told[f"{run} stages"]
            row[f"{run}_stages"] = {
                stage: round(float(np.median([stages.get(stage, 0) for stages in mine])), 2)
                for stage in STAGES
            }
            row[f"{run}_peak_gib"] = round(max(stages["peak"] for stages in mine) / 2**30, 2)
        rows.append(row)
        print(row, flush=True)
    return rows


def import_seconds(repeats: int = 7) -> float:
    """Median extra wall seconds of `import vestige` over an empty interpreter."""
    pairs = [timed("import vestige")[0] - timed("pass")[0] for _ in range(repeats)]
    return float(np.median(pairs))


def figure(rows: list[dict[str, Any]]) -> None:
    """Stages of each audit, first and second run, in units of the bare decoding."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "vestige"
    bars = [(row, run) for row in rows for run in ("first", "second")]
    drawing, axes = plt.subplots(figsize=(7.5, 0.42 * len(bars) + 1.2), layout="constrained")
    colours = plt.get_cmap("viridis")(np.linspace(0.05, 0.9, len(STAGES) + 1))
    for k, (row, run) in enumerate(bars):
        left = 0.0
        known = row[f"{run}_stages"]
        rest = max(0.0, row[run] - sum(known.values()))
        for colour, (stage, seconds) in zip(colours, [*known.items(), ("rest", rest)], strict=True):
            label = stage if k == 0 else None
            axes.barh(k, seconds / row["decode"], left=left, color=colour, label=label)
            left += seconds / row["decode"]
    axes.set_yticks(
        range(len(bars)),
        [f"{row['generated']:,} + {row['reals']:,}, {row['audit']}, {run}" for row, run in bars],
    )
    axes.invert_yaxis()
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("time over that of decoding the files with Pillow on all cores")
    drawing.legend(loc="outside lower center", ncols=4, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    drawing.savefig(FIGURE, metadata={"Date": None})


def page(told: dict[str, Any]) -> str:
    """docs/speed.md."""
    lines = [
        "| generated + real | audit | decode | first run | ratio | second run | ratio "
        "| peak memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in told["audits"]:
        first, second = (
            "{:.2f} [{:.2f}, {:.2f}]".format(*row[f"{run}_ratio"]) for run in ("first", "second")
        )
        lines.append(
            f"| {row['generated']:,} + {row['reals']:,} | {row['audit']} | {row['decode']:.1f} s "
            f"| {row['first']:.1f} s | {first} | {row['second']:.1f} s | {second} "
            f"| {row['first_peak_gib']:.2f} GiB |"
        )
    return PAGE.format(table="\n".join(lines), cores=told["audits"][0]["cores"],
                       seconds=told["import_seconds"])  # fmt: skip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["20000+2000", "5000+700"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--page", action="store_true", help="only write the page again")
    given = parser.parse_args()
    if not given.page:
        sizes = [tuple(map(int, text.split("+"))) for text in given.sizes]
        rows = [row for m, n in sizes for row in measure(m, n, given.repeats)]
        told = {"audits": rows, "import_seconds": round(import_seconds(), 2)}
        KEPT.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    told = json.loads(KEPT.read_text(encoding="utf-8"))
    figure(told["audits"])
    (ROOT / "docs/speed.md").write_text(page(told), encoding="utf-8")


if __name__ == "__main__":
    main()
