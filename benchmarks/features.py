"""Feature extraction against the bare network, and against a plain loop over single images.

    python benchmarks/features.py [BACKBONE]... [--images N] [--side PX]

Weights are random: they change no time. Prints one line per backbone and writes
benchmarks/results/features.json. `of_bare_forward` is the throughput of Backbone.transform over
that of the same network on batches that are ready; `over_single_images` is the same over a loop
that prepares and sees one image at a time in float32. The three alternate within each round.
"""

import argparse
import json
import platform
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch

from vestige.features.backbones import Backbone, trunk
from vestige.nets.training import autocast, find_device, find_precision
from vestige.nets.trunks import prepare

HERE = Path(__file__).resolve().parent
DEFAULT = ("squeezenet1_1", "resnet50")


def seconds(work: Callable[[], object]) -> float:
    """How long it takes until the device has finished."""
    start = perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return perf_counter() - start


def measure(name: str, n: int, side: int, rounds: int) -> dict[str, float | str]:
    """Median ratios over rounds, with their range, and images per second."""
    images = np.random.default_rng(0).random((n, side, side), dtype=np.float32)
    backbone = Backbone(name, "none")
    net, device = backbone.load(), find_device()
    precision = find_precision(device)
    plain = trunk(name, "none").to(device)
    ready = [
        prepare(images[i : i + backbone.batch], backbone.size).to(device)
        for i in range(0, n, backbone.batch)
    ]

    def bare() -> None:
        with torch.inference_mode(), autocast(device, precision):
            for x in ready:
                net(x)

    def single() -> None:
        with torch.no_grad():
            for image in images:
                plain(prepare(image[None], backbone.size).contiguous().to(device))[0].cpu()

    works = {
        "backbone": lambda: backbone.transform(images),
        "bare": bare,
        "single": single,
    }
    found: dict[str, list[float]] = {key: [] for key in works}
    for turn in range(rounds + 1):
        for key, work in works.items():
            took = seconds(work)
            if turn:  # the first turn warms up
                found[key].append(took)
    row: dict[str, float | str] = {"backbone": name, "images": n, "side": side}
    for key, other in (("of_bare_forward", "bare"), ("over_single_images", "single")):
        ratios = sorted(b / a for a, b in zip(found["backbone"], found[other], strict=True))
        row |= {key: round(median(ratios), 3), f"{key}_low": round(ratios[0], 3)}
        row[f"{key}_high"] = round(ratios[-1], 3)
    for key, times in found.items():
        row[f"{key}_images_per_second"] = round(n / median(times), 1)
    return row


def main() -> None:
    """Measure the named backbones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backbone", nargs="*", default=DEFAULT)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    rows = []
    for name in asked.backbone:
        rows.append(measure(name, asked.images, asked.side, asked.rounds))
        print(rows[-1], flush=True)
    told = {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "precision": str(find_precision(find_device())).removeprefix("torch."),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "rows": rows,
    }
    target = HERE / "results" / "features.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
