"""How long does an audit take, compared with merely decoding the files?

    python benchmarks/speed.py [--generated 20000] [--reals 700] [--out FILE.json]

Writes 256 x 256 8-bit PNGs (CT-like phantoms with grain), decodes them with Pillow on all cores,
audits them label-free (half of the reals unused, half queries) in a fresh process, and prints the
ratio. Both are timed in turn, in one run; the files are in the page cache for both.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

DISTINCT = 1000
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
from vestige.cli import main
folder = sys.argv[1]
try:
    main(["audit", "--generated", folder + "/generated", "--query", folder + "/query",
          "--unused", folder + "/unused", "--out", folder + "/out", "--quiet"])
finally:
    print(json.dumps({"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
"""


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


def measure(generated: int, reals: int, repeats: int) -> dict[str, float]:
    """Median seconds of decoding and of auditing, their ratio, and the peak memory."""
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder), generated, reals)
        decode, audit, peak = [], [], 0
        for _ in range(repeats):
            decode.append(timed(DECODE, folder, str(cores))[0])
            seconds, output = timed(AUDIT, folder)
            audit.append(seconds)
            peak = max(peak, json.loads(output.splitlines()[-1])["peak"])
    ratios = np.array(audit) / np.array(decode)
    return {
        "generated": generated,
        "reals": reals,
        "cores": cores,
        "decode_seconds": float(np.median(decode)),
        "audit_seconds": float(np.median(audit)),
        "ratio": float(np.median(ratios)),
        "ratio_lowest": float(ratios.min()),
        "ratio_highest": float(ratios.max()),
        "peak_rss_gib": peak / 2**30,
    }


def import_seconds(repeats: int = 7) -> float:
    """Median extra wall seconds of `import vestige` over an empty interpreter."""
    pairs = [timed("import vestige")[0] - timed("pass")[0] for _ in range(repeats)]
    return float(np.median(pairs))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--generated", type=int, nargs="+", default=[20_000, 5_000])
    parser.add_argument("--reals", type=int, default=700)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows = [measure(m, given.reals, given.repeats) for m in given.generated]
    for row in rows:
        print(
            f"{row['generated']:.0f} + {row['reals']:.0f} PNGs, {row['cores']} cores: "
            f"decode {row['decode_seconds']:.1f} s, audit {row['audit_seconds']:.1f} s, "
            f"ratio {row['ratio']:.2f} [{row['ratio_lowest']:.2f}, {row['ratio_highest']:.2f}], "
            f"peak {row['peak_rss_gib']:.2f} GiB"
        )
    seconds = import_seconds()
    print(f"import vestige: {seconds:.2f} s")
    if given.out:
        text = json.dumps({"audits": rows, "import_seconds": seconds}, indent=1)
        given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
