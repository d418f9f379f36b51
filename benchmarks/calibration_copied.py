"""Copied patients in whole audits: real X-rays, patients of 1 to 8 images, one or two copied.

A part of benchmarks/calibration.py; needs ../shared/data.
"""

import csv
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from decision import COPIES, GENERATED, Cell, Source, audited, draw_cell, mixes

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
COPIED, PATIENTS, MOST = 23, 150, 8


def draw_patients(seed: int) -> Cell:
    """Patients dealt at random, those of several images as often as those of one."""
    with (DATA / "cxr_kermany/index.csv").open(encoding="utf-8") as file:
        persons = [row["person"] for row in csv.DictReader(file)]
    names, sizes = np.unique(persons, return_counts=True)
    rng = np.random.default_rng([61, seed])
    several = names[(sizes > 1) & (sizes <= MOST)]
    single = rng.permutation(names[sizes == 1])[: len(several)]
    chosen = {str(name) for name in (*several, *single)}
    return draw_cell(
        DATA, Source("cxr_kermany", "file", "person", PATIENTS, MOST), seed, only=chosen
    )


def one_set(task: tuple[str, int]) -> dict[str, Any]:
    """One audit: who of the copied and of the innocent patients is named, and who stands out."""
    kind, seed = task
    cell = draw_patients(seed)
    rng = np.random.default_rng([62, seed, sorted(COPIES).index(kind)])
    generated = mixes(cell.strangers, GENERATED, rng)
    groups = np.array(cell.used_groups)
    copied, g = rng.permutation(np.unique(groups))[:COPIED], 0
    for name in copied:
        own = np.flatnonzero(groups == name)
        for k in rng.permutation(own)[: rng.integers(1, 3)]:
            generated[g] = COPIES[kind](cell.used[k], rng)
            g += 1
    result = audited(cell, generated, seed=seed, checks=False)
    guilty = {f"used {name}" for name in copied}
    named = {p.patient for p in result.patients if p.verdict == "used"}
    stands = {p.patient for p in result.patients if p.p_value is not None and p.p_value <= 0.05}
    return {
        "kind": kind,
        "copied named": len(named & guilty),
        "innocent named": len(named - guilty),
        "copied stand out": len(stands & guilty),
        "innocent stand out": len(stands - guilty),
    }


def copied_patients(worlds: int = 1000) -> list[dict[str, Any]]:
    """Means over sets, per kind of copy."""
    seeds = max(worlds // 100, 1)
    tasks = [(kind, seed) for kind in COPIES for seed in range(seeds)]
    with ProcessPoolExecutor(2) as executor:
        told = list(executor.map(one_set, tasks))
    rows = []
    for kind in COPIES:
        own = [row for row in told if row["kind"] == kind]
        counts = [key for key in own[0] if key != "kind"]
        means = {key: round(float(np.mean([row[key] for row in own])), 2) for key in counts}
        fewest = min(row["copied named"] for row in own)
        rows.append({"kind": kind, **means, "fewest copied named": fewest, "sets": len(own)})
        print(rows[-1], flush=True)
    return rows


def copied_patients_page(rows: list[dict[str, Any]]) -> str:
    """The part of docs/calibration.md about copied patients in whole audits."""
    head = list(rows[0])
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(row[key]) for key in head) + " |" for row in rows]
    return f"""## Copied patients in whole audits

Chest X-rays (64 px) of {PATIENTS} used and {PATIENTS} unused patients of 1 to {MOST} images,
{GENERATED:,} generated images; one or two images of {COPIED} used patients are copied. Mean numbers
of patients a set: named (a copy of an image, or q <= .10) and standing out (p <= .05), of {COPIED}
copied and {PATIENTS - COPIED} innocent ones.

{chr(10).join(lines)}
"""
