r"""Which columns of `auto` earn their seconds? A drop-one table, written to docs/drop-one.md.

    python benchmarks/grid.py --grid benchmarks/stack_grid.json --data ../shared/data \
        --worlds worlds --no-benchmark
    python benchmarks/drop_one.py --seconds
    python benchmarks/drop_one.py worlds/rep_* [--scores DIR]
    python benchmarks/drop_one.py --page

Each world is scored once by all columns of `auto`; the judge then answers the release question
with all of them and without each one. `--scores` keeps the columns of each world, so that another
choice needs no new scoring. `--seconds` measures what each column costs where it counts: 20,000
generated images and 2,000 reals of 64 px, one patient each, one core, CPU seconds.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vestige.auditing.gathering import gather
from vestige.auditing.manifest import Clock
from vestige.auditing.options import AuditOptions
from vestige.auditing.request import open_request
from vestige.benchmark.arrays import WorldArrays, release_rows
from vestige.engine.threads import one_core
from vestige.judging.judge import judge, test_set
from vestige.scoring.columns import Reals, score_columns
from vestige.scoring.plan import plan_columns
from vestige.types import quiet
from vestige.worlds.phantom import chest_phantoms

HERE = Path(__file__).resolve().parent
KEPT, PAGE = HERE / "results" / "drop_one.json", HERE.parent / "docs" / "drop-one.md"
RATE = 0.05
GENERATED, REALS = 20_000, 2_000
HEAD = """# Which columns of `auto` earn their seconds?

Made by `python benchmarks/drop_one.py` (benchmarks/results/drop_one.json); do not edit. Of each
world of the reporting half of `benchmarks/stack_grid.json` that is named: the AUC of `auto`
(members against non-members, labels known), and how it changes without each column, in
thousandths. A 95 % interval of one AUC is about 0.1 wide; what one column changes is a difference
within the same images and less uncertain. CPU: seconds of one core for 20,000 generated images and
2,000 reals of 64 px. Found: set tests at .05. Images of worlds of 32 px are not enlarged, so that
the column of 64 px is that of 32 px again: such worlds say nothing of it.
"""


def ask(world: Path, scores: Path | None) -> dict[str, Any]:
    """AUC, p-value and TPR at 1 % false positives with all columns and without each."""
    arrays = WorldArrays.read(world)
    rows = release_rows(arrays)
    sources: dict[str, Any] = {role: arrays.reals[index] for role, index in rows.items()}
    groups = [f"g{arrays.groups[k]}" for role in ("used", "unused", "reference")
              for k in rows.get(role, ())]  # fmt: skip
    options = AuditOptions(groups=groups, engine="local:1", checks=False, colour="grey",
                           dimensions="2d")  # fmt: skip
    request = open_request({"generated": arrays.generated, **sources}, options, quiet)
    gathered = gather(request, Clock())
    plan, cohort, candidates = gathered.plan, gathered.cohort, gathered.candidates
    columns = score_columns(
        plan, gathered.sets["generated"].pixels, gathered.reference, cohort.reals(plan)
    )[0]
    if scores is not None:
        scores.mkdir(parents=True, exist_ok=True)
        np.savez(scores / f"{world.name}.npz", columns=columns, candidates=candidates,
                 calibration=cohort.calibration, groups=cohort.group_index)  # fmt: skip

    def answer(left_out: int | None) -> dict[str, float]:
        kept = [d for d in range(len(plan)) if d != left_out]
        some = [plan[d] for d in kept]
        judgement = judge(columns[:, kept], some, cohort, candidates)
        test = test_set(
            columns[:, kept], some, cohort, candidates, judgement, "release", RATE, options.seed
        )
        if test is None:
            raise SystemExit(f"{world.name}: nothing calibrates.")
        rates = {rate.fpr: rate.value for rate in test.tpr_at}
        return {"auc": test.auc.value, "p": test.p_value, "tpr": rates.get(0.01, 0.0)}

    without = {column.name: answer(d) for d, column in enumerate(plan)}
    return {"world": world.name, "all": answer(None), "without": without}


def seconds_of_columns() -> dict[str, float]:
    """CPU seconds of each column of `auto`, phantoms that are shifted and have fresh grain."""
    rng = np.random.default_rng(0)
    base = chest_phantoms(1000, size=64, seed=1)[0]
    images = base[np.arange(GENERATED + REALS) % len(base)]
    for k, shift in enumerate(rng.integers(-2, 3, (len(images), 2))):
        images[k] = np.roll(images[k], shift, axis=(0, 1))
    images += rng.normal(0, 0.012, images.shape).astype(np.float32)
    np.clip(images, 0, 1, out=images)
    reals, found = Reals(images[GENERATED:], np.arange(REALS)), {}
    for column in plan_columns(None, has_reference=False):
        start = time.process_time()
        score_columns([column], images[:GENERATED], None, reals)
        found[column.name] = round(time.process_time() - start, 2)
        print(column.name, found[column.name], flush=True)
    return found


def page(seconds: dict[str, float], told: Sequence[dict[str, Any]]) -> str:
    """docs/drop-one.md."""
    names = list(told[0]["without"])
    found = sum(row["all"]["p"] <= RATE for row in told)
    lines = [HEAD, f"All columns: {found} of {len(told)} found.", ""]
    lines += [f"| without | CPU | {' | '.join(row['world'] for row in told)} | mean | found |"]
    lines += ["|---|" + "---|" * (len(told) + 3)]
    auc = " | ".join(f"{row['all']['auc']:.3f}" for row in told)
    lines += [f"| nothing | {sum(seconds.values()):.1f} | {auc} | | {found} |"]
    for name in names:
        gaps = [1000 * (row["without"][name]["auc"] - row["all"]["auc"]) for row in told]
        kept = sum(row["without"][name]["p"] <= RATE for row in told)
        shown = " | ".join(f"{gap:+.0f}" for gap in gaps)
        lines += [f"| {name} | {seconds[name]:.1f} | {shown} | {np.mean(gaps):+.1f} | {kept} |"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("worlds", nargs="*", type=Path)
    parser.add_argument("--scores", type=Path, help="folder for the columns of each world")
    parser.add_argument("--page", action="store_true", help="only write the page again")
    parser.add_argument("--seconds", action="store_true", help="measure the cost of each column")
    given = parser.parse_args()
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    with one_core():
        if given.seconds:
            kept["seconds"] = seconds_of_columns()
        for world in [] if given.page else given.worlds:
            row = ask(world, given.scores)
            others = [one for one in kept.get("worlds", []) if one["world"] != world.name]
            kept["worlds"] = sorted([*others, row], key=lambda one: str(one["world"]))
            print(world.name, row["all"], flush=True)
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    if "seconds" in kept and "worlds" in kept:
        PAGE.write_text(page(kept["seconds"], kept["worlds"]), encoding="utf-8")


if __name__ == "__main__":
    main()
