"""False alarms and names of images and patients, at the edges; and copied patients found.

A part of benchmarks/calibration.py. Columns of evidence are drawn, not images: what is tested here
is how patients, copies and queries enter, which no image changes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binom

RATES = (0.01, 0.05, 0.1)
CALIBRATION, QUERIES, KNOWN, COLUMNS = 99, 12, 24, 4
BAND = 0.99
COPIED, INNOCENT = 23, 127


@dataclass(frozen=True)
class Case:
    """A world: images per judged and per calibration patient, likeness of a patient's images.

    used : target patients of whom every image was used; resolved : further queries, copies of known
    used images; twins : how often the first target image is asked under other names
    """

    name: str
    targets: tuple[int, int] = (1, 1)
    calibration: tuple[int, int] = (1, 1)
    likeness: float = 0.0
    used: int = 0
    resolved: int = 0
    twins: int = 0
    queries: int = QUERIES
    unused: int = CALIBRATION


CASES = (
    Case("one image each"),
    Case("1 to 10 images", (1, 10), (1, 10), 0.5),
    Case("1 to 10 images, nearly alike", (1, 10), (1, 10), 0.95),
    Case("half of the queries used", used=6),
    Case("half of the queries used, 1 to 10 images (A9)", (1, 10), (1, 10), 0.9, used=6),
    Case("resolved queries beside them (A1)", resolved=15),
    Case("four names for one image, merged (A6)", twins=3),
    Case("volumes of 20 slices, a group each (A7)", (20, 20), (20, 20), 0.95),
    Case("1 image against 1 to 10", (1, 1), (1, 10), 0.5),
    Case("6 to 10 images against 1 to 3", (6, 10), (1, 3), 0.5),
    Case("200 queries", queries=200),
    Case("39 unused, 1 to 10 images", (1, 10), (1, 10), 0.5, unused=39),
)


def drawn(case: Case, labels: bool, seed: int) -> tuple[Any, Any]:
    """Columns [n, D] and the cohort; patients come in the order used, unused queries, others."""
    from vestige.judging.cohort import Cohort

    rng = np.random.default_rng([19, seed, labels])
    known = KNOWN if labels else 0
    spans = [case.targets] * case.queries + [case.calibration] * case.unused
    spans += [case.targets] * known + [(1, 1)] * case.resolved
    sizes = np.array([rng.integers(low, high + 1) for low, high in spans])
    first = case.used  # of the unused queries
    sizes[first] += case.twins
    groups = np.repeat(np.arange(len(sizes)), sizes)
    person = rng.normal(size=(len(sizes), COLUMNS))[groups]
    own = rng.normal(size=person.shape)
    columns = np.sqrt(case.likeness) * person + np.sqrt(1 - case.likeness) * own
    if case.twins:
        rows = np.flatnonzero(groups == first)
        columns[rows] = columns[rows[0]]
    ends = np.cumsum([case.queries, case.unused, known])
    role = np.array(["query", "unused", "used", "query"])[np.searchsorted(ends, groups, "right")]
    columns[(groups < case.used) | (groups >= ends[1])] += [2.5, 1.5, 0.0, 0.0]
    order = rng.permutation(len(groups))
    groups, role = groups[order], role[order]
    resolved = np.flatnonzero(groups >= ends[2])
    cohort = Cohort(
        images=np.empty((len(groups), 0, 0), np.float32),
        ids=tuple(map(str, order)),
        index=order,
        roles=role,
        groups=groups,
        targets=role == "query",
        calibration=role == "unused",
        known_used=role == "used",
        resolved={int(row): "used" for row in resolved},
    )
    return columns[order], cohort


def asked(case: Case, labels: bool, seed: int) -> tuple[float, float, list[float]]:
    """Tell p of an unused image and of its patient, and the share of false names at each rate."""
    from vestige.judging.combination import judge_images
    from vestige.judging.naming import name_patients
    from vestige.scoring.plan import Column
    from vestige.stats.full_conformal import scored_groups
    from vestige.stats.patients import test_patients

    weights = np.array([2.0, 1.0, 1.0, 1.0])
    plan = tuple(Column(str(k), str(k), {}, weights[k], pool=False) for k in range(COLUMNS))
    columns, cohort = drawn(case, labels, seed)
    open_ = cohort.targets & ~np.isin(np.arange(len(cohort.ids)), list(cohort.resolved))
    said = judge_images(columns, plan, cohort, cohort.unused)
    lot = np.flatnonzero(cohort.groups[cohort.targets] == case.used)[0]
    scored = scored_groups(said.z, said.models, open_, cohort.calibration, cohort.group_index)
    tests = test_patients(scored, cohort.group_index)
    unit = cohort.group_index[cohort.targets][lot]
    patient = tests.p_values[np.searchsorted(tests.names, unit)]
    q = name_patients(said, cohort, open_, weights)[open_[cohort.targets]]
    groups, at = np.unique(cohort.groups[open_], return_index=True)
    wrong = []
    for rate in RATES:
        named = q[at] <= rate + 1e-12
        wrong.append(float((named & (groups >= case.used)).sum() / max(named.sum(), 1)))
    return float(said.p_values[lot]), float(patient), wrong


def edges(worlds: int = 1000) -> list[dict[str, Any]]:
    """Counts of worlds with a false alarm, per case, with and without labels."""
    rows = []
    for case in CASES:
        for labels in (False, True):
            found = [asked(case, labels, seed) for seed in range(worlds)]
            row: dict[str, Any] = {"world": case.name, "labels": "yes" if labels else "no"}
            for k, what in enumerate(("image", "patient")):
                p = np.array([each[k] for each in found])
                row |= {f"{what} {rate:g}": int((p <= rate + 1e-12).sum()) for rate in RATES}
            wrong = np.array([each[2] for each in found])
            row |= {
                f"FDR {rate:g}": round(float(wrong[:, k].sum()), 1) for k, rate in enumerate(RATES)
            }
            rows.append(row | {"worlds": worlds})
            print(rows[-1], flush=True)
    return rows


def edges_page(rows: list[dict[str, Any]]) -> str:
    """The part of docs/calibration.md about images and patients at the edges."""
    n = rows[0]["worlds"]
    limits = {rate: binom.interval(BAND, n, rate) for rate in RATES}
    head = [key for key in rows[0] if key != "worlds"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    over = cells = 0
    for row in rows:
        shown = []
        for key in head:
            kind, _, rate = key.partition(" ")
            counted = kind in ("image", "patient", "FDR")
            high = counted and row[key] > limits[float(rate)][1]
            cells, over = cells + counted, over + high
            shown.append(f"**{row[key]}**" if high else str(row[key]))
        lines.append("| " + " | ".join(shown) + " |")
    bands = ", ".join(f"{low:.0f} to {high:.0f} at {r:g}" for r, (low, high) in limits.items())
    return f"""## Images, patients and names at the edges

{n:,} worlds a row, {CALIBRATION} unused and {QUERIES} queried patients unless said, with labels
{KNOWN} known used ones. Counts of worlds in which an unused image is called used at the rate
(image), or its patient is (patient); and the sum over worlds of the share of false names among
those named at the rate (FDR: where nothing was used, the number of worlds with any name, so FWER as
well). 99 % binomial band: {bands}. Bold: above it ({over} of {cells} cells; 0.5 % are expected).
Below it is caution: a patient of several images counts as one whose images all reach the image in
question (image); where numbers of images differ, equally many are compared, at a price (patient,
FDR); and a name needs several patients above all calibration images (FDR: at .01 all 12, at
.1 one or two).

{chr(10).join(lines)}
"""


def copied(worlds: int = 1000) -> list[dict[str, Any]]:
    """Patients of 1 to 8 images, of whom some have one or two that were copied: who is named?"""
    from vestige.stats.full_conformal import group_models, scored_groups
    from vestige.stats.naming import conformal_q_values
    from vestige.stats.patients import patient_scores, test_patients
    from vestige.stats.scale import log_scores

    rows = []
    targets = COPIED + INNOCENT
    for calibration in (100, 150, 300):
        told = []
        for seed in range(max(worlds // 10, 1)):
            rng = np.random.default_rng([29, seed])
            sizes = rng.integers(1, 9, targets + calibration)
            groups = np.repeat(np.arange(len(sizes)), sizes)
            columns = rng.normal(size=(len(sizes), COLUMNS))[groups]
            columns = np.sqrt(0.5) * (columns + rng.normal(size=columns.shape))
            for patient in range(COPIED):
                own = np.flatnonzero(groups == patient)
                columns[own[: rng.integers(1, 3)]] += 5.0
            query = groups < targets
            weights = np.array([2.0, 1.0, 1.0, 1.0])
            z = log_scores(columns, groups, query | ~query)
            models = group_models(z, query, ~query, query, groups, weights)
            p = test_patients(scored_groups(z, models, query, ~query, groups), groups).p_values
            score = patient_scores(z @ (weights / weights.sum()), groups)
            q = conformal_q_values(score[:targets], score[targets:])
            told.append(
                [
                    each
                    for named in (q <= 0.1, q <= 0.05, p <= 0.05, p <= 0.01)
                    for each in (named[:COPIED].sum(), named[COPIED:].sum())
                ]
            )
        means = np.mean(told, axis=0)
        names = ("q <= .1", "q <= .05", "p <= .05", "p <= .01")
        row: dict[str, Any] = {"calibration patients": calibration}
        for k, name in enumerate(names):
            row |= {f"{name}: copied": round(float(means[2 * k]), 1)}
            row |= {f"{name}: innocent": round(float(means[2 * k + 1]), 1)}
        rows.append(row | {"worlds": len(told)})
        print(rows[-1], flush=True)
    return rows


def copied_page(rows: list[dict[str, Any]]) -> str:
    """The part of docs/calibration.md about copied patients."""
    head = list(rows[0])
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(row[key]) for key in head) + " |" for row in rows]
    return f"""## Copied patients

{COPIED} patients of 1 to 8 images of whom one or two were copied (5 standard deviations above the
rest in each column), among {INNOCENT} innocent ones: mean numbers that are named or called.

{chr(10).join(lines)}
"""
