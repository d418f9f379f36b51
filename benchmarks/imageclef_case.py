"""CT slices as ImageCLEFmedical GANs gives them: no patient ids, queries of which half were used.

    python benchmarks/imageclef_case.py [--seeds N] [--patients apart|shared]
        [--copied queries|random|none] [--by "stands out"|"top half"|named] [--rate R] [--data DIR]

130 used, 126 unused and 125 unknown slices (62 used, 63 unused) of the CT set, 600 generated ones:
a quarter near copies of used slices, the others mixes of two slices of patients in no role. A
patient is used or unused, never both. The audit is told no patient. Printed: what was decided,
kappa of the exported run against the truth, and the rows that speak of JPEG or of windows, which
would be wrong: all files were saved by the same steps.
"""

import argparse
import csv
import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from PIL import Image

import vestige
from decision import COPIES, Levels, mixes
from vestige.imageclef.challenge import By, export_run, score_run

SIDE = 128
COUNTS = {"used": 130, "unused": 126}
QUERIES = {"used": 62, "unused": 63}
GENERATED, SHARE_COPIED = 600, 0.25
EXPORTS = get_args(By)


@dataclass(frozen=True)
class Case:
    """Images uint8 [n, 128, 128] and patients [n] by role; the queries with their truth."""

    images: dict[str, Levels]
    patients: dict[str, np.ndarray[Any, Any]]
    truth: np.ndarray[Any, Any]
    copied: np.ndarray[Any, Any]
    """Queries [n] of which a generated image is a near copy."""


def draw_case(data: Path, seed: int, patients: str, copied: str) -> Case:
    """Whole patients are dealt to used, unused or nobody, then their slices to the roles."""
    rng = np.random.default_rng(seed)
    with (data / "ct_iqoth" / "index.csv").open(encoding="utf-8") as file:
        by_patient: dict[str, list[str]] = {}
        for row in csv.DictReader(file):
            by_patient.setdefault(row["group"], []).append(row["file"])
    parts = _deal(by_patient, patients, rng)
    images = {part: _read(data / "ct_iqoth", files) for part, (files, _) in parts.items()}
    used = np.concatenate([images["used"], images["query used"]])
    of_queries = np.arange(len(used)) >= len(images["used"])
    order = rng.permutation(len(used))
    if copied == "queries":  # each used query once, then others
        order = order[np.argsort(~of_queries[order], kind="stable")]
    sources = order[: 0 if copied == "none" else int(SHARE_COPIED * GENERATED)]
    kinds = sorted(COPIES)
    copies = [COPIES[kinds[k % len(kinds)]](used[source], rng) for k, source in enumerate(sources)]
    others = mixes(images["nobody"], GENERATED - len(copies), rng)
    generated = np.concatenate([np.array(copies, np.uint8).reshape(-1, SIDE, SIDE), others])
    asked = ("query used", "query unused")
    query = np.concatenate([images[part] for part in asked])
    truth = np.arange(len(query)) < len(images["query used"])
    shuffled = rng.permutation(len(query))
    whose = np.concatenate([parts[part][1] for part in asked])
    was_copied = np.zeros(len(query), np.bool_)
    was_copied[: truth.sum()] = np.isin(np.flatnonzero(of_queries), sources)
    return Case(
        {
            "generated": generated[rng.permutation(len(generated))],
            "used": images["used"],
            "unused": images["unused"],
            "query": query[shuffled],
        },
        {"used": parts["used"][1], "unused": parts["unused"][1], "query": whose[shuffled]},
        truth[shuffled],
        was_copied[shuffled],
    )


def _deal(
    by_patient: dict[str, list[str]], patients: str, rng: np.random.Generator
) -> dict[str, tuple[list[str], np.ndarray[Any, Any]]]:
    """Files and patients of each part; a part is filled patient by patient, at random."""
    needs = {"used": COUNTS["used"], "query used": QUERIES["used"],
             "unused": COUNTS["unused"], "query unused": QUERIES["unused"]}  # fmt: skip
    if patients == "shared":
        needs = {status: COUNTS[status] + QUERIES[status] for status in COUNTS}
    dealt: dict[str, list[tuple[str, str]]] = {part: [] for part in (*needs, "nobody")}
    for name in rng.permutation(sorted(by_patient)):
        # the part that lacks most of what it needs
        part = max(needs, key=lambda p: 1 - len(dealt[p]) / needs[p])
        part = part if len(dealt[part]) < needs[part] else "nobody"
        files = [(file, str(name)) for file in sorted(by_patient[name])]
        files = [files[k] for k in rng.permutation(len(files))]
        room = needs[part] - len(dealt[part]) if part in needs else len(files)
        dealt[part] += files[: min(room, 30)]  # one person has 133 slices
    if patients == "shared":
        for status in COUNTS:
            mixed = [dealt[status][k] for k in rng.permutation(len(dealt[status]))]
            dealt[status] = mixed[: COUNTS[status]]
            dealt[f"query {status}"] = mixed[COUNTS[status] :]
    return {
        part: ([file for file, _ in rows], np.array([name for _, name in rows]))
        for part, rows in dealt.items()
    }


def _read(folder: Path, files: list[str]) -> Levels:
    found = []
    for file in files:
        with Image.open(folder / file) as image:
            grey = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
        found.append(np.asarray(grey))
    return np.stack(found)


def audit_case(case: Case, folder: Path, **options: Any) -> vestige.AuditResult:
    """The case as folders of PNG files with numbers for names, audited."""
    for role, images in case.images.items():
        (folder / role).mkdir(parents=True)
        for k, image in enumerate(images):
            Image.fromarray(image).save(folder / role / f"{k:04d}.png")
    return vestige.audit(
        folder / "generated", folder / "used", folder / "unused", folder / "query", **options
    )


def joins(case: Case, result: vestige.AuditResult) -> str:
    """How many pairs of slices stand together, and how many of them are of one patient."""
    groups = {**{("query", f.id): f.group for f in result.findings}}
    made = result.calibration
    groups |= {("unused", i): g for i, g in zip(made.ids, made.groups, strict=True)}
    keys = list(groups)
    whose = np.array([case.patients[role][int(name[:4])] for role, name in keys])
    group = np.array([groups[key] for key in keys])
    above = np.triu(np.ones((len(keys), len(keys)), bool), 1)
    together = (group[:, None] == group[None]) & above
    right = together & (whose[:, None] == whose[None])
    return f"{right.sum()} of {together.sum()} pairs that stand together are of one patient"


def kappa_of(case: Case, result: vestige.AuditResult, by: By) -> str:
    """Kappa of what `vestige export` writes, or why it refuses."""
    try:
        text = export_run(result, "imageclef2025", by=by)
    except vestige.InputError as error:
        return f"no run: {error}"
    rows = [line.split(",") for line in text.splitlines()]
    run = {name.removesuffix(".png"): float(called) for name, called in rows}
    names = [f"{k:04d}" for k in range(len(case.truth))]
    truth = {name: float(used) for name, used in zip(names, case.truth, strict=True)}
    card = score_run(run, truth)
    called = np.array([run[name] == 1 for name in names])
    kappa = f"{card.kappa.value:.3f}" if card.kappa else "undefined"
    return (
        f"kappa {kappa}; called used: {int((called & case.copied).sum())} of "
        f"{int(case.copied.sum())} copied, {int((called & case.truth & ~case.copied).sum())} of "
        f"{int((case.truth & ~case.copied).sum())} used but not copied, "
        f"{int((called & ~case.truth).sum())} of {int((~case.truth).sum())} unused queries"
    )


def main() -> None:
    """Print one block for each seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--patients", choices=("apart", "shared"), default="apart")
    parser.add_argument("--copied", choices=("queries", "random", "none"), default="queries")
    parser.add_argument("--by", choices=EXPORTS, default="top half")
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--no-checks", action="store_true")
    shared = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=shared)
    asked = parser.parse_args()
    for seed in range(asked.first, asked.first + asked.seeds):
        case = draw_case(asked.data, seed, asked.patients, asked.copied)
        with TemporaryDirectory() as folder:
            options = {"checks": not asked.no_checks, "false_alarm_rate": asked.rate}
            try:
                result = audit_case(case, Path(folder), seed=seed, **options)
            except vestige.InputError as error:
                print(f"seed {seed}: refused: {error}")
                continue
        told = [str(p.what) for p in result.problems] + [c.vetoes for c in result.checks]
        spoken = [t for t in told if "JPEG" in t or "window" in t]
        print(f"seed {seed}: {result.decision.state}; gate {result.decision.gate}")
        print(f"  {result.decision.text}")
        print(f"  {kappa_of(case, result, asked.by)}")
        print(f"  {len(spoken)} row(s) speak of JPEG or windows", *spoken, sep="\n    ")
        print(f"  {result.question.groups_from}; {joins(case, result)}")
        failed = [c.name for c in result.checks if c.state == "failed"]
        print(f"  set test p {result.set_test.p_value if result.set_test else None}", end="; ")
        print(f"failed checks: {', '.join(failed) or 'none'}", flush=True)


if __name__ == "__main__":
    main()
