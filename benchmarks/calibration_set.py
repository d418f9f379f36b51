"""False alarms of the set test at the edges: worlds in which nothing was used.

A part of benchmarks/calibration.py.
"""

from typing import Any

import numpy as np
from scipy.stats import binom

RATES = (0.01, 0.05, 0.1)
BAND = 0.99
WEIGHTS = np.array([2.0, 1.0, 1.0])
RELABELLINGS = 99
CORRELATION = 0.5
"""Of the images of a patient."""
Sizes = tuple[int, int]
EDGES: dict[str, tuple[int, int, Sizes, Sizes]] = {
    "one image each": (30, 30, (1, 1), (1, 1)),
    "15 against 120 patients": (15, 120, (1, 1), (1, 1)),
    "1 to 10 images": (30, 30, (1, 10), (1, 10)),
    "targets 10, calibration 1": (30, 30, (10, 10), (1, 1)),
    "targets 1, calibration 10": (30, 30, (1, 1), (10, 10)),
    "targets 10, calibration 1, 60 against 20": (60, 20, (10, 10), (1, 1)),
    "targets 1, calibration 10, 20 against 60": (20, 60, (1, 1), (10, 10)),
    "targets 1 to 10, calibration 1 to 3": (30, 30, (1, 10), (1, 3)),
    "5 against 22 patients": (5, 22, (1, 10), (1, 10)),
    "a third of the patients on both sides": (40, 40, (2, 6), (2, 6)),
    "repeated images": (30, 30, (1, 4), (1, 4)),
}
"""Patients a side, and fewest and most images of one of them."""


def null_world(edge: str, seed: int) -> tuple[Any, ...]:
    """Columns, targets, calibration, groups; and all used images, mixed patients' too."""
    n1, n0, few, many = EDGES[edge]
    rng = np.random.default_rng([23, seed, list(EDGES).index(edge)])
    sizes = [rng.integers(low, high + 1, n) for n, (low, high) in ((n1, few), (n0, many))]
    groups = np.repeat(np.arange(n1 + n0), np.concatenate(sizes))
    person = rng.normal(size=(n1 + n0, len(WEIGHTS)))[groups]
    own = rng.normal(size=person.shape)
    if edge == "repeated images":  # a patient's images are one image, for a half of the patients
        own[groups % 2 == 0] = 0
    columns = np.sqrt(CORRELATION) * person + np.sqrt(1 - CORRELATION) * own
    columns += rng.normal(size=n1 + n0)[groups][:, None]  # what all columns see
    used, mixed = groups < n1, np.zeros(len(groups), np.bool_)
    if edge == "a third of the patients on both sides":
        # A3: their images fall on either side by lot, and they leave both
        mixed = groups % 3 == 0
        used = np.where(mixed, rng.random(len(groups)) < 0.5, used)
    return columns, used & ~mixed, ~used & ~mixed, groups, used


def set_errors(worlds: int = 1000) -> list[dict[str, Any]]:
    """Rejections per edge, without labels and with, at each rate."""
    from vestige.stats.set_test import StackLabels, answer_set

    rows = []
    for edge in EDGES:
        for labels in ("no", "yes"):
            p = []
            for seed in range(worlds):
                columns, target, calibration, groups, used = null_world(edge, seed)
                learned = used if labels == "yes" else target
                stacks = min(len(set(groups[side])) for side in (target, calibration)) >= 15
                answer = answer_set(
                    columns, target, calibration, groups, WEIGHTS,
                    StackLabels(learned, first=labels == "yes") if stacks else None,
                    RELABELLINGS, seed,
                )  # fmt: skip
                p.append(answer.p_value)
            rows.append(
                {
                    "edge": edge,
                    "labels": labels if stacks else "too few for the stack",
                    **{str(rate): int((np.array(p) <= rate + 1e-12).sum()) for rate in RATES},
                    "worlds": worlds,
                }
            )
            print(rows[-1], flush=True)
            if not stacks:
                break
    return rows


def set_errors_page(rows: list[dict[str, Any]]) -> str:
    """The part of docs/calibration.md about the set test."""
    n = rows[0]["worlds"]
    limits = {rate: binom.interval(BAND, n, rate) for rate in RATES}
    head = ["edge", "labels", *map(str, RATES)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    over = under = 0
    for row in rows:
        cells = []
        for rate in RATES:
            found, (low, high) = row[str(rate)], limits[rate]
            over, under = over + (found > high), under + (found < low)
            cells.append(f"**{found}**" if found > high else f"{found}")
        lines.append("| " + " | ".join([row["edge"], row["labels"], *cells]) + " |")
    bands = ", ".join(f"{a:.0f} to {b:.0f} at {rate:g}" for rate, (a, b) in limits.items())
    return f"""## The set test at its edges

{n:,} worlds a row in which nothing was used: three columns, correlation {CORRELATION} within a
patient and one factor that all columns see; {RELABELLINGS} relabellings. Without labels the stack
learns targets against calibration; with labels it is the first statistic. Counts of worlds with
p at most the rate. 99 % binomial band: {bands}. Bold: above the band ({over} of
{len(RATES) * len(rows)} cells; 0.5 % are expected); below it: {under}. Where patients of the two
sides have unlike numbers of images, the statistics are averaged over draws of like numbers and
compared with single draws, which is cautious.

{chr(10).join(lines)}
"""
