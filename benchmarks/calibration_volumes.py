"""False alarms where 16 volumes of 10 slices are the real images and nobody told the patients.

A part of benchmarks/calibration.py. Each world splits 16 volumes at random into used and unused,
so that nothing was used and both sides were prepared alike.
"""

import csv
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy.stats import binom

from calibration_edges import BAND, Pixels, grey, patients, smooth

HIPPOCAMPUS = Path(
    os.environ.get("VESTIGE_DATA", Path(__file__).resolve().parents[2] / "shared/data")
) / "hippocampus_msd"  # fmt: skip
VOLUMES, SLICES, MADE = 16, 10, 40
RATES = (0.01, 0.05, 0.1)
MOST_UNLIKE = 0.05
"""Share of worlds in which the sets may be called not prepared alike."""
QUICK: dict[str, Any] = {
    "detectors": ["nearest_distance_contrast"],
    "engine": "local:1",
    "false_alarm_rate": 0.2,  # of 8 unused patients
    "release_curve": False,
}
World = tuple[list[Pixels], Pixels]
"""Volumes of levels [slices, h, w], and generated images [n, h, w]."""


@cache
def persons() -> tuple[Path, ...]:
    """One volume of each person of the hippocampus set."""
    with open(HIPPOCAMPUS / "index.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    first: dict[str, Path] = {}
    for row in rows:
        first.setdefault(row["group"], HIPPOCAMPUS / row["file"])
    return tuple(first.values())


def middle(path: Path) -> Pixels:
    """The middle axial slices of a volume, as 8-bit levels of one scale."""
    import nibabel

    volume = np.asarray(nibabel.load(path).dataobj, np.float64)
    start = (volume.shape[2] - SLICES) // 2
    low, high = np.percentile(volume, (0.5, 99.5))
    slices = np.moveaxis(volume[..., start : start + SLICES], 2, 0)
    return np.uint8(np.rint(255 * np.clip((slices - low) / (high - low), 0, 1)))


def hippocampus(rng: np.random.Generator) -> World:
    """Real MR volumes of 16 persons; as many images of others stand for generated ones."""
    chosen = rng.permutation(len(persons()))[: VOLUMES + MADE]
    volumes = [middle(persons()[k]) for k in chosen]
    side = min(min(one.shape[1:]) for one in volumes)
    made = [one[rng.integers(SLICES), :side, :side] for one in volumes[VOLUMES:]]
    return volumes[:VOLUMES], np.stack(made)


def fields(rng: np.random.Generator) -> World:
    """Smooth random fields, of which those of a volume correlate by .7."""
    images, owner = patients(np.full(VOLUMES, SLICES), rng)
    levels = np.uint8(np.rint(255 * images))
    made = np.uint8(np.rint(255 * grey(smooth(MADE, rng))))
    return [levels[owner == k] for k in range(VOLUMES)], made


WORLDS: dict[str, Callable[[np.random.Generator], World]] = {
    "hippocampus, MR": hippocampus,
    "smooth fields": fields,
}


def one(task: tuple[str, int]) -> tuple[float, bool, bool, int]:
    """Of one world: p of the set, whether "not prepared alike" and "found" are said, and groups."""
    import nibabel

    import vestige

    name, seed = task
    volumes, made = WORLDS[name](np.random.default_rng([75, seed]))
    with TemporaryDirectory() as folder:
        for k, levels in enumerate(volumes):
            place = Path(folder) / ("used" if k < VOLUMES // 2 else "unused") / f"v{k:02d}.nii.gz"
            place.parent.mkdir(exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(np.moveaxis(levels, 0, 2), np.eye(4)), place)
        np.save(Path(folder) / "made.npy", made[:, None])
        result = vestige.audit(
            Path(folder) / "made.npy", Path(folder) / "used", Path(folder) / "unused",
            seed=seed, **QUICK,
        )  # fmt: skip
    alike = next(check.passed for check in result.checks if check.name == "preparation")
    groups = {f.group for f in result.findings} | set(result.calibration.groups)
    p_value = 1.0 if result.set_test is None else result.set_test.p_value
    return p_value, not alike, result.decision.gate == "closed", len(groups)


def volumes_null(worlds: int = 200) -> list[dict[str, Any]]:
    """Counts of worlds with a false alarm, for each kind of volumes."""
    rows = []
    with ProcessPoolExecutor(1) as executor:
        for name in WORLDS:
            if name.startswith("hippocampus") and not HIPPOCAMPUS.is_dir():
                continue
            found = list(executor.map(one, [(name, seed) for seed in range(worlds)]))
            p = np.array([each[0] for each in found])
            row: dict[str, Any] = {"volumes": name}
            row |= {f"set {rate:g}": int((p <= rate + 1e-12).sum()) for rate in RATES}
            row["not prepared alike"] = sum(each[1] for each in found)
            row["decision: found"] = sum(each[2] for each in found)
            row["groups"] = f"{min(e[3] for e in found)} to {max(e[3] for e in found)}"
            rows.append(row | {"worlds": worlds})
            print(rows[-1], flush=True)
    return rows


def volumes_page(rows: list[dict[str, Any]]) -> str:
    """The part of docs/calibration.md about volumes of unknown patients."""
    n = rows[0]["worlds"]
    limits = {f"set {rate:g}": binom.interval(BAND, n, rate)[1] for rate in RATES}
    limits["not prepared alike"] = MOST_UNLIKE * n
    head = [key for key in rows[0] if key != "worlds"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        high = [key in limits and row[key] > limits[key] for key in head]
        shown = [
            f"**{row[key]}**" if bold else str(row[key])
            for key, bold in zip(head, high, strict=True)
        ]
        lines.append("| " + " | ".join(shown) + " |")
    bands = ", ".join(
        "{:.0f} to {:.0f} at {:g}".format(*binom.interval(BAND, n, rate), rate) for rate in RATES
    )
    return f"""## Volumes without patient ids

{n:,} random splits a row of {VOLUMES} volumes of {SLICES} slices into used and unused, in NIfTI
files, without --groups; one detector, all validity checks. Worlds in which p of the set test is at
most the rate (99 % binomial band: {bands}), in which the preparation check says that the sets were
not prepared alike (at most {100 * MOST_UNLIKE:.0f} %), and in which the decision says that
something was found. Bold: above the limit. "groups": how many patients an audit counted, of
{VOLUMES} volumes.

{chr(10).join(lines)}
"""
