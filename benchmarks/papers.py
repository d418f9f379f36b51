"""Measure the five papers' systems on CT slices: where copies are, and where nothing is.

    python benchmarks/papers.py --data ../shared/data --weights squeezenet1_1.safetensors

Builds two worlds of the slices of ct_iqoth (near-copies only; none), audits each with one system at
a time, and writes papers.json and papers.md to --out. What learns is cross-fitted by patient.
A row that was measured with the same settings is kept; `--again` measures it anew.
"""

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import vestige
from vestige.benchmark.arrays import WorldArrays, release_rows
from vestige.files.whole import file_sha256
from vestige.stats.calibration import smallest_p_value

HERE = Path(__file__).resolve().parent
SHARES = {"copier": 1.0, "null": 0.0}
BUILD = {"members": 160, "unused": 160, "reference": 100, "per-group": 10, "samples": 640}
FILE = "FILE"  # the weights given by --weights

SQUEEZENET = {"backbone": "squeezenet1_1", "weights": FILE}
COSINE = SQUEEZENET | {"size": 128}
TINY_VIT = {"backbone": "tiny_vit", "weights": "none", "size": 64}
LEARNING = {"learning_rate": 5e-4, "patience": 5}
CANET = {
    **TINY_VIT,
    **LEARNING,
    **{"neighbours": 2, "strangers": 0, "candidates": 4, "epochs": 12},
    **{"augment": False, "adversarial": 0.0, "contrastive": 0.0},
}
SYSTEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "cosine_threshold": ("cosine_threshold", COSINE),
    "cosine_logistic": ("cosine_logistic", COSINE),
    "resnet50_retrieval": ("resnet50_retrieval", COSINE),
    "dual_stream": (
        "dual_stream",
        {"backbones": ("squeezenet1_1",) * 2, "weights": (FILE, "none"), "size": 128},
    ),
    "texture_wasserstein": ("texture_wasserstein", {}),
    "texture_calibrated": ("texture_calibrated", {}),
    "texture_pairs": ("texture_pairs", {}),
    "siamese, no attention": (
        "siamese",
        COSINE
        | LEARNING
        | {"attention": False, "neighbours": 4, "draws": 2560}
        | {"learning_rate": 1e-3},
    ),
    "siamese": (
        "siamese",
        SQUEEZENET | LEARNING | {"size": 64, "neighbours": 4, "product": "elementwise"},
    ),
    "siamese_hybrid": (
        "siamese_hybrid",
        {
            **{"cnn": "squeezenet1_1", "weights": FILE, "vit": "tiny_vit", "vit_weights": "none"},
            **LEARNING,
            **{"size": 64, "neighbours": 4},
        },
    ),
    "vit_canet": ("vit_canet", CANET),
    "vit_canet, side by side": ("vit_canet", CANET | {"pair": "concat", "standardise": False}),
}


def build(name: str, data: Path, worlds: Path, size: int, seed: int) -> Path:
    """One world; a finished one is left as it is."""
    source, out = data / "ct_iqoth", worlds / f"{name}_{size}_{seed}"
    if (out / "world.json").exists():
        return out
    asked = [sys.executable, "-m", "vestige", "world", "build", "copier", "--quiet"]
    asked += ["--images", str(source), "--groups", str(source / "index.csv"), "--out", str(out)]
    asked += ["--size", str(size), "--seed", str(seed), "--option", f"share={SHARES[name]}"]
    asked += [part for option, n in BUILD.items() for part in (f"--{option}", str(n))]
    subprocess.run(asked, check=True)
    return out


def measure(world: WorldArrays, detector: str, options: dict[str, Any]) -> dict[str, Any]:
    """Members against non-members by one detector; the reference is not used."""
    rows = release_rows(world)
    used, unused = rows["used"], rows["unused"]
    calibration = len(np.unique(world.groups[unused]))
    with TemporaryDirectory() as folder:
        table = Path(folder) / "groups.csv"
        with table.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "group"])
            for role, index in (("used", used), ("unused", unused)):
                named = enumerate(world.groups[index])
                writer.writerows([f"{role}/{k:06d}", f"group{group}"] for k, group in named)
        result = vestige.audit(
            world.generated,
            world.reals[used],
            world.reals[unused],
            groups=table,
            detectors=[detector],
            options={detector: options},
            false_alarm_rate=max(0.05, smallest_p_value(calibration)),
            engine="local:1",
        )
    test, told = result.set_test, result.manifest
    assert test is not None  # noqa: S101  # unused images calibrate
    return {
        "auc": [round(v, 4) for v in (test.auc.value, test.auc.low, test.auc.high)],
        "p_value": round(test.p_value, 4),
        "seconds": round(told.seconds[f"detect {detector}"], 1),
        "working_size": told.options["working_size"],
    }


def put(options: dict[str, Any], weights: Path) -> dict[str, Any]:
    """The options with the path of the weights in place of its name."""
    path = str(weights)
    filled = {k: path if v == FILE else v for k, v in options.items()}
    return {
        k: tuple(path if part == FILE else part for part in v) if isinstance(v, tuple) else v
        for k, v in filled.items()
    }


def markdown(found: dict[str, Any]) -> str:
    """The table."""
    head = "| system | settings | AUC, copies | AUC, nothing | p | p, nothing | seconds |"
    loads = [row["load"] for row in found["rows"].values()]
    made = f"{found['made']} Load of the machine {min(loads)} to {max(loads)}."
    lines = ["# The five papers' systems on CT slices", "", made, "", head]
    lines.append("|" + " --- |" * 7)
    for name, (_, options) in SYSTEMS.items():
        rows = {world: found["rows"].get(f"{name} / {world}") for world in SHARES}
        if not all(rows.values()):
            continue
        aucs = ["{:.2f} [{:.2f}, {:.2f}]".format(*row["auc"]) for row in rows.values() if row]
        ps = [f"{row['p_value']:.3g}" for row in rows.values() if row]
        took = " and ".join(f"{row['seconds']:.0f}" for row in rows.values() if row)
        told = ", ".join(f"{k}={_plain(v)}" for k, v in options.items()) or "defaults"
        lines.append(f"| {name} | {told} | {' | '.join([*aucs, *ps])} | {took} |")
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> str:
    return "+".join(value) if isinstance(value, tuple) else str(value)


def main() -> None:
    """Build what is missing, measure, write after every row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="holds ct_iqoth")
    parser.add_argument("--weights", type=Path, required=True, help="SqueezeNet 1.1, ImageNet")
    parser.add_argument("--worlds", type=Path, default=Path("worlds"), help="images go here")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--size", type=int, default=256, help="of the slices, pixels")
    parser.add_argument("--seed", type=int, default=0, help="of the worlds")
    parser.add_argument("--only", nargs="*", help=f"of: {'; '.join(SYSTEMS)}")
    parser.add_argument("--again", action="store_true")
    asked = parser.parse_args()
    target = asked.out / "papers.json"
    asked.out.mkdir(parents=True, exist_ok=True)
    kept = json.loads(target.read_text()) if target.exists() else {"rows": {}}
    digest = file_sha256(asked.weights)
    worlds = {}
    for share in SHARES:
        folder = build(share, asked.data, asked.worlds, asked.size, asked.seed)
        worlds[share] = WorldArrays.read(folder), file_sha256(folder / "world.json")
    recipes = [recipe for _, recipe in worlds.values()]
    kept["rows"] = {k: row for k, row in kept["rows"].items() if row["world_sha256"] in recipes}
    for name, (detector, options) in SYSTEMS.items():
        if asked.only and name not in asked.only:
            continue
        for share, (world, recipe) in worlds.items():
            key = f"{name} / {share}"
            facts = {"detector": detector, "options": json.loads(json.dumps(options))}
            facts |= {"weights_sha256": digest, "world_sha256": recipe}
            old = kept["rows"].get(key, {})
            if not asked.again and all(old.get(k) == v for k, v in facts.items()):
                continue
            row = measure(world, detector, put(options, asked.weights))
            row["load"] = round(os.getloadavg()[0], 1)
            kept["rows"][key] = facts | row
            kept["made"] = (
                f"vestige {vestige.__version__}, {platform.processor() or platform.machine()}, "
                f"{os.cpu_count()} cores of which a system uses one; FILE is "
                f"{asked.weights.name}, none means random weights; worlds of {asked.size} px. "
                "AUC with 95 % interval over patients; seconds of all folds, copies and nothing. "
                "The settings were chosen on the copier world of seed 0: its AUCs are optimistic."
            )
            print(key, row, flush=True)
            target.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
            (asked.out / "papers.md").write_text(markdown(kept), encoding="utf-8")


if __name__ == "__main__":
    main()
