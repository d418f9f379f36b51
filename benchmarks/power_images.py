"""How many used queries are found, without labels, when few or many of them were used?

    python benchmarks/power_images.py WORLD [--worlds N]

WORLD holds used, unused, reference and generated. Of 200 queries 10, 30, 100 or 200 are used, the
rest are of the reference; `unused` calibrates. Prints a table: shares of the used queries at
p <= .05 and .01, and the AUC of used against other queries, by the fixed weights and by the models.
"""

import argparse
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

QUERIES = 200


def read(folder: Path) -> Any:
    """8-bit images of a folder in order of the names, float32 0..1."""
    from PIL import Image

    files = sorted(folder.iterdir())
    return np.stack([np.asarray(Image.open(file), np.float32) / 255 for file in files])


def found(world: dict[str, Any], used: int, seed: int) -> list[float]:
    """The six figures of one draw of queries."""
    from vestige.detectors.columns import plan_columns, score_columns
    from vestige.stats.full_conformal import group_models, image_p_values, log_scores
    from vestige.stats.intervals import auc

    rng = np.random.default_rng([5, used, seed])
    chosen = rng.permutation(len(world["used"]))[:used]
    others = rng.permutation(len(world["reference"]))[: QUERIES - used]
    images = np.concatenate([world["used"][chosen], world["reference"][others], world["unused"]])
    role = np.repeat([1, 0, 2], [used, QUERIES - used, len(world["unused"])])
    order = rng.permutation(len(images))
    images, role = images[order], role[order]
    plan = plan_columns(None, has_reference=False)
    groups = np.arange(len(images))
    columns, _ = score_columns(plan, world["generated"], None, images, groups, lambda *_: None)
    weights = np.array([column.weight for column in plan])
    query, control = role < 2, role == 2
    z, truth = log_scores(columns, groups, role >= 0), role[query] == 1
    figures = []
    for positives in (role < 0, query):
        models = group_models(z, query, control, positives, groups, weights)
        p, standing = image_p_values(z, models, query, control, groups)
        figures += [float((p[truth] <= rate + 1e-12).mean()) for rate in (0.05, 0.01)]
        figures.append(auc(standing[truth], standing[~truth]) if used < QUERIES else float("nan"))
    return figures


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("world", type=Path)
    parser.add_argument("--worlds", type=int, default=5, help="draws of queries a row")
    asked = parser.parse_args()
    world = {r: read(asked.world / r) for r in ("used", "unused", "reference", "generated")}
    print("| used of 200 | fixed .05 | .01 | AUC | models .05 | .01 | AUC | draws |")
    print("|---|---|---|---|---|---|---|---|")
    for used in (10, 30, 100, 200):
        draws = 1 if used == QUERIES else asked.worlds
        means = np.mean([found(world, used, seed) for seed in range(draws)], axis=0)
        print(f"| {used} | " + " | ".join(f"{m:.3f}" for m in means) + f" | {draws} |", flush=True)


if __name__ == "__main__":
    main()
