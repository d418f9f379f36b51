"""Training and sampling speed of the deep generators, bfloat16 against float32 in one run.

    python benchmarks/training_speed.py

Writes benchmarks/results/training_speed.json. Ratios above 1 say that bfloat16 is faster; the
precision "auto" takes it only where the processor has units for it.
"""

import json
import platform
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch

from vestige.nets.training import find_device, find_precision
from vestige.registry.entries import create
from vestige.worlds import GENERATORS

HERE = Path(__file__).resolve().parent
ROUNDS = 2
SIDES = (32,)  # where bfloat16 is emulated, 64 px take a quarter of an hour
STEPS = {"vae": 10, "gan": 4, "diffusion": 4}


def measure(name: str, side: int, precision: str) -> tuple[float, float]:
    """Seconds per 1,000 steps of batch 32 and samples per second, of the default network."""
    images = np.random.default_rng(0).random((64, side, side), dtype=np.float32)
    options = {"steps": STEPS[name], "precision": precision}
    generator = create(GENERATORS, name, "generator", **options).fit(images)
    start = perf_counter()
    generator.sample(32)
    return float(generator.figures["seconds_per_1000_steps"]), 32 / (perf_counter() - start)


def main() -> None:
    """Alternate the precisions, so that a slow minute hits both."""
    rows = []
    for name in STEPS:
        for side in SIDES:
            found: dict[str, list[tuple[float, float]]] = {"float32": [], "bfloat16": []}
            measure(name, side, "float32")  # warm-up
            for _ in range(ROUNDS):
                for precision, values in found.items():
                    values.append(measure(name, side, precision))
            pairs = zip(found["float32"], found["bfloat16"], strict=True)
            ratios = sorted(slow[0] / fast[0] for slow, fast in pairs)
            row = {"generator": name, "side": side, "ratio": round(median(ratios), 3)}
            row |= {"ratio_low": round(ratios[0], 3), "ratio_high": round(ratios[-1], 3)}
            for precision, values in found.items():
                row[f"seconds_per_1000_steps_{precision}"] = round(median(v[0] for v in values), 1)
                row[f"samples_per_second_{precision}"] = round(median(v[1] for v in values), 1)
            rows.append(row)
            print(row, flush=True)
    device = find_device()
    told = {
        "device": device.type,
        "auto_precision": str(find_precision(device)).removeprefix("torch."),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "rows": rows,
    }
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "training_speed.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
