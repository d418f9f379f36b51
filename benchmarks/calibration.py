"""Do the promises of the statistics hold? Simulated worlds whose answer is known.

    python benchmarks/calibration.py [PART]... [--worlds N] [--page]

Each part is a function that returns rows; it replaces its own rows in
benchmarks/results/calibration.json, and docs/calibration.md is written from all of them. No part is
named: all run.
"""

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from calibration_bias import bias, bias_page
from calibration_copied import copied_patients, copied_patients_page
from calibration_coverage import coverage, coverage_page
from calibration_edges import whole_edges, whole_edges_page
from calibration_errors import errors, errors_page, gate, gate_page
from calibration_patients import copied, copied_page, edges, edges_page
from calibration_scrub import scrub, scrub_page
from calibration_set import set_errors, set_errors_page
from calibration_volumes import volumes_null, volumes_page

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "benchmarks/results/calibration.json"
PAGE = ROOT / "docs/calibration.md"
Rows = list[dict[str, Any]]


# --- power at the stated minimum detectable AUC
@dataclass(frozen=True)
class Design:
    """Groups a side of 1 to `slices` images that correlate by `rho`, and known used groups.

    `known` 0 with the stack: the candidates are the known used images (release).
    """

    test: str
    candidates: int
    calibration: int
    known: int = 0
    slices: int = 1
    rho: float = 0.0


DESIGNS = (
    Design("set test", 20, 20),
    Design("set test", 50, 50),
    Design("set test", 30, 100),
    Design("set test", 30, 30, slices=20, rho=0.1),
    Design("set test", 30, 30, slices=20, rho=0.3),
    Design("set test", 30, 30, slices=20, rho=0.6),
    Design("set test", 20, 60, slices=20, rho=0.3),
    Design("stack", 40, 40),
    Design("stack", 100, 100),
    Design("stack", 30, 30, slices=20, rho=0.3),
    Design("stack", 40, 40, known=30),
    Design("stack", 30, 30, known=30, slices=20, rho=0.3),
)
COLUMNS = 3
WEIGHTS = np.array([2.0, 1.0, 1.0])


@dataclass(frozen=True)
class ViewedSpace:
    """One world: its AUC, its p-value, and the smallest AUC that it promised to see."""

    auc: float
    p_value: float
    promised: float


def draw(design: Design, shift: float, rng: np.random.Generator) -> tuple[Any, ...]:
    """Normal columns [n, 3], all raised by `shift` where an image was used; roles, groups."""
    n_groups = design.candidates + design.calibration + design.known
    groups = np.repeat(np.arange(n_groups), rng.integers(1, design.slices + 1, n_groups))
    candidate = groups < design.candidates
    known = groups >= design.candidates + design.calibration
    calibration = ~candidate & ~known
    person = rng.normal(size=(n_groups, COLUMNS))[groups]
    own = rng.normal(size=(len(groups), COLUMNS))
    columns = np.sqrt(design.rho) * person + np.sqrt(1 - design.rho) * own
    columns += shift * (candidate | known)[:, None]
    return columns, candidate, calibration, known if design.known else candidate, groups


def look(design: Design, shift: float, seed: int, relabellings: int) -> ViewedSpace:
    """Test one world as `vestige.judging.judge.test_set` does."""
    from vestige.stats.combine import pooled_rank_score
    from vestige.stats.folds import FoldedScores, auc_in_folds
    from vestige.stats.intervals import auc
    from vestige.stats.permutation import set_test
    from vestige.stats.scale import log_scores
    from vestige.stats.sensitivity import sensitivity
    from vestige.stats.stack_test import stack_test

    rng = np.random.default_rng([11, seed])
    columns, candidate, calibration, known, groups = draw(design, shift, rng)
    null = None
    if design.test == "stack":
        z = log_scores(columns, groups, candidate | calibration | known)
        stack = stack_test(z, candidate, calibration, known, groups, WEIGHTS, relabellings, seed)
        score, null, p_value = stack.scores, stack.null, stack.p_value
        sides = (FoldedScores(score[side], stack.folds[side]) for side in (candidate, calibration))
        area = auc_in_folds(*sides, repeats=2).value
    else:
        rows = candidate | calibration
        score = pooled_rank_score(columns, WEIGHTS)
        p_value = set_test(score[rows], candidate[rows], groups[rows], relabellings, seed).p_value
        area = auc(score[candidate], score[calibration])
    high, low = score[candidate], score[calibration]
    promised, _ = sensitivity(high, low, groups[candidate], groups[calibration], 0.05, null)
    return ViewedSpace(area, p_value, promised)


def power(worlds: int = 1000) -> Rows:
    """Share of worlds in which the test finds the very AUC that the audit says it could find.

    The shift at which the mean AUC is the mean promise is found by bisection, on worlds of the
    same seeds.
    """
    rows = []
    for design in DESIGNS:

        def mean(what: str, shift: float, n: int, relabellings: int, asked: Design = design) -> Any:
            seen = [look(asked, shift, seed, relabellings) for seed in range(n)]
            return np.mean([getattr(each, what) for each in seen])

        promised, low, high = mean("promised", 0.3, 60, 199), 0.0, 1.5
        for _ in range(9):
            middle = (low + high) / 2
            # so few relabellings: only the AUC is asked for
            low, high = (middle, high) if mean("auc", middle, 300, 1) < promised else (low, middle)
        seen = [look(design, (low + high) / 2, 10_000 + k, 199) for k in range(worlds)]
        found = float(np.mean([each.p_value <= 0.05 for each in seen]))
        rows.append(
            {
                "test": design.test,
                "candidates": design.candidates,
                "calibration_images": design.calibration,
                "known_used": design.known,
                "images_per_group": f"1 to {design.slices}" if design.slices > 1 else "1",
                "correlation": design.rho,
                "promised_auc": round(float(np.mean([each.promised for each in seen])), 3),
                "drawn_auc": round(float(np.mean([each.auc for each in seen])), 3),
                "power": round(found, 3),
                "standard_error": round(float(np.sqrt(found * (1 - found) / worlds)), 3),
                "worlds": worlds,
            }
        )
        print(rows[-1], flush=True)
    return rows


def power_page(rows: Rows) -> str:
    """The part of docs/calibration.md about power."""
    head = (
        "test",
        "candidates",
        "calibration_images",
        "known_used",
        "images_per_group",
        "correlation",
        "promised_auc",
        "drawn_auc",
        "power",
        "standard_error",
        "worlds",
    )
    return f"""## Power at the smallest visible AUC

An audit says "could have seen an AUC of A or more, with 80 % power" (`minimum_detectable_auc`).
Worlds with a mean AUC of A, and how often the test at 5 % finds them: the set test of the
label-free combination (three columns) and the permutation test of the stack, which fits everything
again for each relabelling; release (known_used 0: the candidates are what the stack learns from)
and forensic. Numbers of candidates, calibration images and known used are groups; correlation is
that of the images of a group.

{table(head, rows)}

Two formulas were mended by this. With groups of unequal size the design effect takes the harmonic
mean of the sizes, since a group counts once (arithmetic mean: power .65 at correlation .1, .73
at .3, .77 at .6 for 30 + 30 groups of 1 to 20 images). With labels the line to cross and the
spread come from the relabellings themselves (Hanley and McNeil's variance, which knows nothing of
learning, gave power .65 for 40 + 40 images in release mode).
"""


# --- what is kept and shown
PARTS: dict[str, tuple[Callable[[int], Rows], Callable[[Rows], str]]] = {
    "errors": (errors, errors_page),
    "set": (set_errors, set_errors_page),
    "gate": (gate, gate_page),
    "edges": (edges, edges_page),
    "whole": (whole_edges, whole_edges_page),
    "volumes": (volumes_null, volumes_page),
    "copied": (copied, copied_page),
    "patients": (copied_patients, copied_patients_page),
    "coverage": (coverage, coverage_page),
    "bias": (bias, bias_page),
    "power": (power, power_page),
    "scrub": (scrub, scrub_page),
}


def table(head: tuple[str, ...], rows: Rows) -> str:
    """Rows as a markdown table."""
    lines = [" | ".join(name.replace("_", " ") for name in head), " | ".join("---" for _ in head)]
    lines += [" | ".join(str(row[name]) for name in head) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def main() -> None:
    """Run the named parts and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--worlds", type=int, default=1000)
    parser.add_argument("--page", action="store_true", help="only write the page again")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    for name in [] if asked.page else asked.parts or PARTS:
        rows = PARTS[name][0](asked.worlds)
        kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
        KEPT.write_text(json.dumps(kept | {name: rows}, indent=1) + "\n", encoding="utf-8")
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    pages = [PARTS[name][1](kept[name]) for name in PARTS if name in kept]
    lead = "# Are the statistics calibrated?\n\nWritten by `python benchmarks/calibration.py`.\n"
    PAGE.write_text("\n".join([lead, *pages]), encoding="utf-8")


if __name__ == "__main__":
    main()
