"""What can the test of a set see? Makes docs/power.md.

    python benchmarks/power.py [--worlds N] [--shared ../shared/worlds] [--page]

Simulated sets in which a few patients are copied or all are a little closer, and the queries of a
diffusion model's world of which a few were used.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from power_images import image_rows

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "benchmarks/results/power.json"
PAGE = ROOT / "docs/power.md"
WEIGHTS = np.ones(4)
RELABELLINGS = 199
SIDES = (25, 50, 100, 500)
COPIES = {100: (4, 5, 6, 7, 10), 500: (5, 7, 9, 15)}
DIFFUSE = {100: 0.28, 500: 0.125}
"""Rise of all columns of all targets at which the mean rank alone has a power of about .78."""
QUERIES, SEEDS = 200, 5
Rows = list[dict[str, Any]]


def draw(n: int, copied: int, rise: float, seed: int) -> Any:
    """Four columns of n targets, then n unused; the first `copied` targets are copies."""
    rng = np.random.default_rng([41, n, seed])
    columns = (rng.normal(size=(2 * n, 1)) + rng.normal(size=(2 * n, 4))) / np.sqrt(2)
    columns[:n] += rise
    columns[:copied] += 20
    return columns


def simulated(worlds: int) -> Rows:
    """Power at 5 %: mean rank alone, and the set test without and with the stack."""
    from vestige.stats.combine import pooled_rank_score
    from vestige.stats.permutation import set_test
    from vestige.stats.set_test import StackLabels, answer_set

    cases = [(n, k, 0.0) for n, numbers in COPIES.items() for k in numbers]
    cases += [(n, 0, rise) for n, rise in DIFFUSE.items()]
    rows = []
    for n, copied, rise in cases:
        target, groups = np.arange(2 * n) < n, np.arange(2 * n)
        found, carried = np.zeros(3), np.zeros(3)
        for seed in range(worlds):
            columns = draw(n, copied, rise, seed)
            mean = set_test(pooled_rank_score(columns, WEIGHTS), target, None, RELABELLINGS, seed)
            answers = [
                answer_set(columns, target, ~target, groups, WEIGHTS, learned, RELABELLINGS, seed)
                for learned in (None, StackLabels(target))
            ]
            p = np.array([mean.p_value, *(answer.p_value for answer in answers)])
            found += p <= 0.05
            carried += np.array(("mean", "tail", "stack")) == answers[1].carried_by
        rows.append(
            {
                "patients a side": n,
                "copied": copied,
                "rise": rise,
                "mean rank alone": round(found[0] / worlds, 3),
                "mean and tail": round(found[1] / worlds, 3),
                "with the stack": round(found[2] / worlds, 3),
                "carried by": "/".join(f"{share:.2f}" for share in carried / worlds),
                "worlds": worlds,
            }
        )
        print(rows[-1], flush=True)
    return rows


def shared(folder: Path) -> Rows:
    """Queries of a diffusion world of which some were used, without labels."""
    from PIL import Image

    from vestige.scoring.columns import Reals, score_columns
    from vestige.scoring.plan import plan_columns
    from vestige.stats.combine import pooled_rank_score
    from vestige.stats.permutation import set_test
    from vestige.stats.set_test import StackLabels, answer_set

    def read(role: str) -> Any:
        paths = sorted((folder / "cxr_diffusion_200" / role).glob("*.png"))
        return np.stack([np.asarray(Image.open(p).convert("L"), np.float32) / 255 for p in paths])

    used, others, generated = read("used"), read("unused"), read("generated")
    others = np.concatenate([others, read("reference")])
    plan = plan_columns(None, has_reference=False)
    weights = np.array([column.weight for column in plan])
    rows = []
    for number in (0, 10, 30, 100):
        before, now, carried = [], [], []
        for seed in range(SEEDS):
            rng = np.random.default_rng([3, number, seed])
            chosen = rng.choice(len(others), 2 * QUERIES - number, replace=False)
            mine = rng.choice(len(used), number, replace=False)
            cohort = np.concatenate([used[mine], others[chosen]])
            target = np.arange(len(cohort)) < QUERIES
            columns, _ = score_columns(plan, generated, None, Reals(cohort, np.arange(len(cohort))))
            before.append(set_test(pooled_rank_score(columns, weights), target, seed=seed).p_value)
            answer = answer_set(
                columns,
                target,
                ~target,
                np.arange(len(cohort)),
                weights,
                StackLabels(target),
                seed=seed,
            )
            now.append(answer.p_value)
            carried.append(answer.carried_by)
        rows.append(
            {
                f"used of {QUERIES} queries": number,
                "mean rank alone: p": ", ".join(f"{p:.4f}" for p in sorted(before)),
                "set test: p": ", ".join(f"{p:.3f}" for p in sorted(now)),
                "found at .05": f"{sum(p <= 0.05 for p in now)} of {SEEDS}",
                "carried by": ", ".join(sorted(set(carried))),
            }
        )
        print(rows[-1], flush=True)
    return rows


def detectable() -> Rows:
    """The smallest share and the smallest AUC of each size."""
    from vestige.stats.power import minimum_detectable_auc
    from vestige.stats.set_test import minimum_detectable_share

    rows = []
    for n in SIDES:
        share = minimum_detectable_share(n, n)
        rows.append(
            {
                "patients a side": n,
                "copied patients seen": round(share * n),
                "share": f"{share:.3f}",
                "AUC seen": f"{minimum_detectable_auc(n, n):.3f}",
            }
        )
    return rows


def table(rows: Rows) -> str:
    """Rows as a markdown table."""
    head = list(rows[0])
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    lines += [" | ".join(str(row[name]) for name in head) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def page(kept: dict[str, Rows]) -> str:
    """docs/power.md."""
    return f"""# What the test of a set can see

Written by `python benchmarks/power.py --shared ../shared/worlds`.

## Simulated sets

Four columns that correlate by .5, one image a patient, {RELABELLINGS} relabellings, level 5 %.
Copied patients stand above all others; a diffuse signal raises every column of every target by
`rise` standard deviations. "Carried by" are shares of mean, tail and stack in the last form.

{table(kept["simulated"])}

## Queries of a diffusion model's world

Chest X-rays at 64 px, 200 training images, 2,000 generated ones; {QUERIES} queries of which some
were used, {QUERIES} unused images for calibration, no labels, {SEEDS} draws. With none used, p is
what chance makes of it.

{table(kept["shared"]) if "shared" in kept else "Not measured."}

## Images of the same queries

Shares of the used queries that stand out at a rate, and AUC of used against other queries: by the
fixed weights, and by the models that also learn from the other queries (what an audit does).

{table(kept["images"]) if "images" in kept else "Not measured."}

## Smallest effects, 80 % power at 5 %

The share of copied patients by `minimum_detectable_share` (a seeded simulation of the tail), the
AUC of a diffuse signal by `minimum_detectable_auc`.

{table(kept["detectable"])}
"""


def main() -> None:
    """Measure, keep and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=1000)
    parser.add_argument("--shared", type=Path, help="folder of cxr_diffusion_200")
    parser.add_argument("--page", action="store_true", help="only write the page again")
    asked = parser.parse_args()
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    if not asked.page:
        kept["simulated"], kept["detectable"] = simulated(asked.worlds), detectable()
        if asked.shared:
            kept["shared"] = shared(asked.shared)
            kept["images"] = image_rows(asked.shared / "cxr_diffusion_200")
        KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(kept), encoding="utf-8")


if __name__ == "__main__":
    main()
