"""False alarms in worlds in which nothing was used: images drawn, scored and judged as in an audit.

A part of benchmarks/calibration.py.
"""

from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.stats import binom

RATES = (0.01, 0.05, 0.1)
CALIBRATION, QUERIES, KNOWN, GENERATED, SIDE = 99, 12, 24, 60, 16
BAND = 0.99
CHOICES: tuple[tuple[str, ...] | None, ...] = (
    None,
    *((name,) for name in ("matched_filter_pool", "cubed_filter", "nearest_distance")),
    *((name,) for name in ("calibrated_distance", "mc_ball", "density_ratio", "gen_lra")),
    *((name,) for name in ("neighbour_share", "retrieval_count", "mean_rank")),
    *((name,) for name in ("two_sample_classifier", "reconstruction_ratio")),
)
"""Detector choices; None: auto."""


def faces(n: int, rng: np.random.Generator) -> Any:
    """Smooth random images, float32 [n, 16, 16] in 0..1."""
    noise = gaussian_filter(rng.normal(size=(n, SIDE, SIDE)), (0, 2, 2))
    return (0.5 + 0.15 * noise / noise.std()).clip(0, 1).astype(np.float32)


def null_world(seed: int, labels: bool, slices: int) -> tuple[Any, Any]:
    """A cohort of queries, unused and (with labels) known used images, none of them used."""
    from vestige.judging.cohort import Cohort

    rng = np.random.default_rng([17, seed, labels, slices])
    roles = ["unused"] * CALIBRATION + ["query"] * QUERIES + ["used"] * (KNOWN if labels else 0)
    sizes = rng.integers(1, slices + 1, len(roles))
    groups = np.repeat(np.arange(len(roles)), sizes)
    role = np.repeat(roles, sizes)
    own = rng.normal(0, 0.03, (len(groups), SIDE, SIDE)) if slices > 1 else 0
    images = (faces(len(roles), rng)[groups] + own).astype(np.float32)
    order = rng.permutation(len(groups))
    cohort = Cohort(
        images=images[order],
        ids=tuple(map(str, order)),
        index=order,
        roles=role[order],
        groups=groups[order],
        targets=role[order] == "query",
        calibration=role[order] == "unused",
        known_used=role[order] == "used",
        resolved={},
    )
    return cohort, faces(GENERATED, rng)


def set_p(columns: Any, plan: Any, cohort: Any, seed: int) -> float:
    """The p-value of the set test, as in `judge.test_set`, from 199 relabellings."""
    from vestige.judging.combination import answer_question

    return answer_question(columns, plan, cohort, cohort.targets, seed, 199).p_value


def errors(worlds: int = 1000) -> list[dict[str, Any]]:
    """Rejections per detector choice, labels and slices, at each rate."""
    from vestige.judging.judge import judge
    from vestige.scoring.columns import score_columns
    from vestige.scoring.plan import plan_columns

    names = [name for choice in CHOICES if choice for name in choice]
    plan = plan_columns(["auto", *names], has_reference=False)
    auto = {column.name for column in plan_columns(None, has_reference=False)}
    rows = []
    for labels in (False, True):
        for slices in (1, 5):
            seen: dict[str, list[tuple[float, float, float]]] = {}
            for seed in range(worlds):
                cohort, generated = null_world(seed, labels, slices)
                columns, _ = score_columns(plan, generated, None, cohort.reals(plan))
                # one image of each patient: the others repeat it
                targets = np.flatnonzero(cohort.targets)
                lot = targets[np.unique(cohort.group_index[targets], return_index=True)[1]][0]
                for choice in CHOICES:
                    if choice is None:
                        kept = [k for k, c in enumerate(plan) if c.name in auto]
                    else:
                        kept = [k for k, c in enumerate(plan) if c.detector == choice[0]]
                    own, part = tuple(plan[k] for k in kept), columns[:, kept]
                    said = judge(part, own, cohort, cohort.targets, seed)
                    if said.p_values is None or said.q_values is None:
                        raise SystemExit("unused images calibrate")
                    image = said.p_values[np.flatnonzero(targets == lot)[0]]
                    seen.setdefault(choice[0] if choice else "auto", []).append(
                        (float(image), float(said.q_values.min()), set_p(part, own, cohort, seed))
                    )
            for name, found in seen.items():
                p = np.array(found)
                rows.append(
                    {
                        "detector": name,
                        "labels": "yes" if labels else "no",
                        "images_per_patient": f"1 to {slices}" if slices > 1 else "1",
                        **{
                            f"{what} {rate:g}": int((p[:, k] <= rate + 1e-12).sum())
                            for k, what in enumerate(("image", "FDR", "set"))
                            for rate in RATES
                        },
                        "worlds": worlds,
                    }
                )
                print(rows[-1], flush=True)
    return rows


def errors_page(rows: list[dict[str, Any]]) -> str:
    """The part of docs/calibration.md about false alarms."""
    n = rows[0]["worlds"]
    limits = {rate: binom.interval(BAND, n, rate) for rate in RATES}
    head = [key for key in rows[0] if key != "worlds"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    over = 0
    for row in rows:
        cells = []
        for key in head:
            kind, _, rate = key.partition(" ")
            high = kind in ("image", "FDR", "set") and row[key] > limits[float(rate)][1]
            over += high
            cells.append(f"**{row[key]}**" if high else str(row[key]))
        lines.append("| " + " | ".join(cells) + " |")
    bands = ", ".join(f"{low:.0f} to {high:.0f} at {r:g}" for r, (low, high) in limits.items())
    counted = sum(key.partition(" ")[0] in ("image", "FDR", "set") for key in head) * len(rows)
    return f"""## False alarms

{n:,} worlds in which nothing was used: {GENERATED} generated images, {CALIBRATION} unused and
{QUERIES} queried patients, with labels {KNOWN} "used" ones. Counts of worlds in which one queried
image is called used (image), any image has a q-value at the rate (FDR), and the set test rejects
(set; the gate closes by it). 99 % binomial band: {bands}. Bold: above the band ({over} of {counted}
cells; 0.5 % are expected). Below it is caution: q-values of many dependent images, discrete
p-values of tied scores, and few relabellings.

{chr(10).join(lines)}
"""


def gate(worlds: int = 1000) -> list[dict[str, Any]]:
    """How often the gate closes, by the set test or by too many images called used; auto."""
    from vestige.judging.judge import judge
    from vestige.judging.negative import by_chance
    from vestige.scoring.columns import score_columns
    from vestige.scoring.plan import plan_columns

    plan = plan_columns(None, has_reference=False)
    rows = []
    for labels in (False, True):
        for slices in (1, 5):
            closed = dict.fromkeys(RATES, 0)
            for seed in range(worlds):
                cohort, generated = null_world(seed, labels, slices)
                columns, _ = score_columns(plan, generated, None, cohort.reals(plan))
                said = judge(columns, plan, cohort, cohort.targets, seed)
                if said.p_values is None:
                    raise SystemExit("unused images calibrate")
                p_value = set_p(columns, plan, cohort, seed)
                for rate in RATES:
                    chance = by_chance(said, cohort, cohort.targets, rate)
                    many = chance is not None and chance.patients > chance.most
                    closed[rate] += bool(p_value <= rate + 1e-12 or many)
            rows.append(
                {
                    "labels": "yes" if labels else "no",
                    "images_per_patient": f"1 to {slices}" if slices > 1 else "1",
                    **{f"closed {rate:g}": closed[rate] for rate in RATES},
                    "worlds": worlds,
                }
            )
            print(rows[-1], flush=True)
    return rows


def gate_page(rows: list[dict[str, Any]]) -> str:
    """The part of docs/calibration.md about the gate."""
    head = [key for key in rows[0] if key != "worlds"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(row[key]) for key in head) + " |" for row in rows]
    n = rows[0]["worlds"]
    limits = [binom.interval(BAND, n, rate) for rate in RATES]
    bands = ", ".join(
        f"{a:.0f} to {b:.0f} at {r:g}" for r, (a, b) in zip(RATES, limits, strict=True)
    )
    return f"""## The gate

The same worlds, default detectors: how often `--gate` would close on them, because the set test
rejects or because more patients stand out than chance explains (P < .01, which adds at most
that much). {n:,} worlds a row; 99 % binomial band: {bands}.

{chr(10).join(lines)}
"""
