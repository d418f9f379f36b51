"""How many used queries are found, without labels, when few or many of them were used?

A part of benchmarks/power.py. Of 200 queries 10, 30, 100 or 200 are used, the rest are reference
images of the world; its unused images calibrate.
"""

from pathlib import Path
from typing import Any

import numpy as np

QUERIES = 200


def read(folder: Path) -> Any:
    """8-bit images of a folder in order of the names, float32 0..1."""
    from PIL import Image

    files = sorted(folder.iterdir())
    return np.stack([np.asarray(Image.open(file), np.float32) / 255 for file in files])


def found(world: dict[str, Any], used: int, seed: int) -> list[float]:
    """The six figures of one draw of queries."""
    from vestige.scoring.columns import Reals, score_columns
    from vestige.scoring.plan import plan_columns
    from vestige.stats.full_conformal import group_models, image_p_values
    from vestige.stats.intervals import auc
    from vestige.stats.scale import log_scores

    rng = np.random.default_rng([5, used, seed])
    chosen = rng.permutation(len(world["used"]))[:used]
    others = rng.permutation(len(world["reference"]))[: QUERIES - used]
    images = np.concatenate([world["used"][chosen], world["reference"][others], world["unused"]])
    role = np.repeat([1, 0, 2], [used, QUERIES - used, len(world["unused"])])
    order = rng.permutation(len(images))
    images, role = images[order], role[order]
    plan = plan_columns(None, has_reference=False)
    groups = np.arange(len(images))
    columns, _ = score_columns(plan, world["generated"], None, Reals(images, groups))
    weights = np.array([column.weight for column in plan])
    query, calibration = role < 2, role == 2
    z, truth = log_scores(columns, groups, role >= 0), role[query] == 1
    figures = []
    for positives in (role < 0, query):
        models = group_models(z, query, calibration, positives, groups, weights)
        p, standing = image_p_values(z, models, query, calibration, groups)
        figures += [float((p[truth] <= rate + 1e-12).mean()) for rate in (0.05, 0.01)]
        figures.append(auc(standing[truth], standing[~truth]) if used < QUERIES else float("nan"))
    return figures


def image_rows(folder: Path, draws: int = 5) -> list[dict[str, Any]]:
    """Shares of the used queries at p <= .05 and .01, and AUC, by fixed weights and by models."""
    world = {role: read(folder / role) for role in ("used", "unused", "reference", "generated")}
    rows = []
    for used in (10, 30, 100, 200):
        repeats = 1 if used == QUERIES else draws
        means = np.mean([found(world, used, seed) for seed in range(repeats)], axis=0)
        row: dict[str, Any] = {f"used of {QUERIES}": used}
        for k, how in enumerate(("fixed", "models")):
            for what, value in zip(("p <= .05", "p <= .01", "AUC"), means[3 * k :], strict=False):
                row[f"{how}: {what}"] = "" if np.isnan(value) else f"{value:.3f}"
        rows.append(row | {"draws": repeats})
        print(rows[-1], flush=True)
    return rows
