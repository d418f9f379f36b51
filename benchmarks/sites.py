"""Audits of several sites, combined: false alarms where nothing leaks, and power where it does.

    python benchmarks/sites.py [--sets N] [--page]

Each site is tested by `vestige.stats.set_test` as in an audit; p-values are all that leaves it.
Writes benchmarks/results/sites.json and the tables of docs/sites.md.
"""

import argparse
import json
import os
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.stats import binom, chi2, norm

from vestige.stats import set_test
from vestige.stats.bounds import auc_upper_bound
from vestige.stats.sites import combined_p, stratified, worth

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "benchmarks/results/sites.json"
PAGE = ROOT / "docs/sites.md"
RATES = (0.01, 0.05, 0.1)
BAND = 0.99
WEIGHTS = np.array([2.0, 1.0, 1.0])
RELABELLINGS = 999
set_test.LAW = 5_000  # in place of 50,000: quicker; any number keeps the test exact
POWER_SETS = 300
BEGIN, END = "<!-- made by benchmarks/sites.py -->", "<!-- end -->"


@dataclass(frozen=True)
class Site:
    """Patients a side and most images of one of them.

    shift, share : how far, in standard deviations of a column, the used patients lie above the
        unused ones, and the share of them that do
    """

    used: int
    unused: int
    images: int = 1
    shift: float = 0.0
    share: float = 1.0


A, SMALL, LARGE, TINY, HANDFUL = Site(30, 30), Site(12, 12), Site(100, 100), Site(4, 3), Site(5, 4)
NULL: dict[str, list[Site]] = {
    "2 sites of 30 + 30 patients": 2 * [A],
    "5 sites of 30 + 30": 5 * [A],
    "10 sites of 12 + 12": 10 * [SMALL],
    "100 + 100, 30 + 30, 12 + 12 and 4 + 3": [LARGE, A, SMALL, TINY],
    "30 + 30 and twice 4 + 3 (35 relabellings)": [A, TINY, TINY],
    "10 sites of 5 + 4 (126 relabellings)": 10 * [HANDFUL],
    "2 sites of 30 + 30 with 1 to 10 images": 2 * [Site(30, 30, 10)],
    "60 + 20 and 20 + 60": [Site(60, 20), Site(20, 60)],
}
LEAK: dict[str, list[Site]] = {
    "3 sites of 30 + 30, all used a little closer": 3 * [Site(30, 30, shift=0.5)],
    "10 sites of 12 + 12, all used a little closer": 10 * [Site(12, 12, shift=0.5)],
    "100 + 100, 30 + 30, 12 + 12, 4 + 3, all used a little closer": [
        Site(100, 100, shift=0.3),
        Site(30, 30, shift=0.3),
        Site(12, 12, shift=0.3),
        Site(4, 3, shift=0.3),
    ],
    "60 + 60 and 30 + 30, all used a little closer": [
        Site(60, 60, shift=0.4),
        Site(30, 30, shift=0.4),
    ],
    "3 sites of 30 + 30, a tenth of the used stand out": 3 * [Site(30, 30, shift=3.5, share=0.1)],
    "5 sites of 30 + 30, a tenth of the used stand out": 5 * [Site(30, 30, shift=3.5, share=0.1)],
    "3 sites of 30 + 30, one of them leaks": [Site(30, 30, shift=0.9), A, A],
    "10 sites of 30 + 30, one of them leaks": [Site(30, 30, shift=1.1), *(9 * [A])],
}


def site_p(site: Site, seed: tuple[int, ...]) -> float:
    """The p-value that an audit of this site gives, one world a seed."""
    rng = np.random.default_rng(list(seed))
    patients = site.used + site.unused
    sizes = rng.integers(1, site.images + 1, patients)
    groups = np.repeat(np.arange(patients), sizes)
    person = rng.normal(size=(patients, len(WEIGHTS)))[groups]
    columns = np.sqrt(0.5) * (person + rng.normal(size=person.shape))
    leaking = np.arange(patients) < np.ceil(site.share * site.used)
    columns += (rng.normal(size=patients) + site.shift * leaking)[groups][:, None]
    used = groups < site.used
    return set_test.answer_set(
        columns, used, ~used, groups, WEIGHTS, None, RELABELLINGS, seed[-1]
    ).p_value  # fmt: skip


def draw(designs: dict[str, list[Site]], sets: int, kind: int) -> dict[str, Any]:
    """p-values [sets, sites] of each design; a site that stands in two is drawn once."""
    numbers = {site: k for k, site in enumerate(dict.fromkeys(chain(*designs.values())))}
    pools: dict[Site, list[float]] = {site: [] for site in numbers}
    found = {}
    for name, sites in designs.items():
        columns: list[list[float]] = []
        for k, site in enumerate(sites):
            at, pool = sets * sites[:k].count(site), pools[site]
            while len(pool) < at + sets:
                pool.append(site_p(site, (23, kind, numbers[site], len(pool))))
            columns.append(pool[at : at + sets])
        found[name] = np.array(columns).T
        print(name, flush=True)
    return found


def counts(p: Any) -> dict[str, int]:
    """Sets with p at most each rate."""
    return {str(rate): int((p <= rate + 1e-12).sum()) for rate in RATES}


OTHERS = {
    "Fisher": lambda p, w: chi2.sf(-2 * np.log(p).sum(axis=1), 2 * p.shape[1]),
    "Stouffer": lambda p, w: norm.sf(
        norm.isf(np.minimum(p, 1 - 0.5 / RELABELLINGS)) @ np.sqrt(w) / np.sqrt(w.sum())
    ),
    "Bonferroni": lambda p, w: np.minimum(1, p.min(axis=1) * p.shape[1]),
}
"""Other rules: Fisher's without weights, Stouffer's with sqrt(w); p = 1 is kept off infinity."""


def together(designs: dict[str, list[Site]], sets: int, kind: int) -> list[dict[str, Any]]:
    """Of each design: sets that are found by all sites, and by the best of them alone."""
    rows = []
    for name, p in draw(designs, sets, kind).items():
        weights = [worth(site.used, site.unused) for site in designs[name]]
        both = np.array([combined_p(row, weights) for row in p])
        alone = [counts(column) for column in p.T]
        best = {rate: max(one[rate] for one in alone) for rate in alone[0]}
        others = {rule: counts(of(p, np.array(weights))) for rule, of in OTHERS.items()}
        rows.append(
            {
                "design": name,
                "sets": sets,
                "together": counts(both),
                "best": best,
                "others": others,
            }
        )
    return rows


BOUNDS: dict[str, list[Site]] = {
    "3 sites of 30 + 30": 3 * [A],
    "10 sites of 12 + 12": 10 * [SMALL],
    "100 + 100, 30 + 30, 12 + 12": [LARGE, A, SMALL],
}
SHIFTS = {0.5: 0.0, 0.6: float(np.sqrt(2) * norm.ppf(0.6))}
"""AUC -> how far used patients lie above unused ones."""


def coverage(sets: int) -> list[dict[str, Any]]:
    """How often the upper bound of all sites is not below the AUC, and how far it lies above."""
    rows = []
    for number, (name, sites) in enumerate(BOUNDS.items()):
        weights = [worth(site.used, site.unused) for site in sites]
        for auc, shift in SHIFTS.items():
            rng = np.random.default_rng([23, 2, number, int(10 * auc)])
            uppers = []
            for _ in range(sets):
                values, bounds = [], []
                for site in sites:
                    high, low = rng.normal(shift, 1, site.used), rng.normal(size=site.unused)
                    values.append(float((high[:, None] > low).mean()))
                    bounds.append(auc_upper_bound(high, low))
                uppers.append(stratified(values, bounds, weights)[1])
            covered = int((np.array(uppers) >= auc).sum())
            rows.append(
                {
                    "design": name,
                    "auc": auc,
                    "sets": sets,
                    "covered": covered,
                    "upper": round(float(np.median(uppers)), 3),
                    "below": int((np.array(uppers) < 0.65).sum()),
                }
            )
            print(rows[-1], flush=True)
    return rows


def page(kept: dict[str, list[dict[str, Any]]]) -> str:
    """The tables of docs/sites.md."""
    sets, power = kept["null"][0]["sets"], kept["leak"][0]["sets"]
    limits = {rate: binom.interval(BAND, sets, rate) for rate in RATES}
    bands = ", ".join(f"{a:.0f} to {b:.0f} at {rate:g}" for rate, (a, b) in limits.items())
    head = "| " + " | ".join(map(str, RATES)) + " |"
    null = [f"| sites {head}", "|---|---|---|---|"]
    over = under = 0
    for row in kept["null"]:
        cells = []
        for rate in RATES:
            found, (low, high) = row["together"][str(rate)], limits[rate]
            over, under = over + (found > high), under + (found < low)
            cells.append(f"**{found}**" if found > high else f"{found}")
        null.append("| " + " | ".join([row["design"], *cells]) + " |")
    leak = [
        f"| sites | all, p <= .01 | best site | all, p <= .05 | best site | {' | '.join(OTHERS)} |",
        "|---|" + (4 + len(OTHERS)) * "---|",
    ]
    for row in kept["leak"]:
        found = [row[who][rate] for rate in ("0.01", "0.05") for who in ("together", "best")]
        found += [row["others"][rule]["0.05"] for rule in OTHERS]
        cells = [f"{100 * one / power:.0f} %" for one in found]
        leak.append("| " + " | ".join([row["design"], *cells]) + " |")
    cover = [
        "| sites | true AUC | bound not below it | median bound | bound below .65 |",
        "|---|---|---|---|---|",
    ]
    for row in kept["coverage"]:
        n = row["sets"]
        told = [f"{100 * row[key] / n:.1f} %" for key in ("covered", "below")]
        cover.append(
            f"| {row['design']} | {row['auc']:g} | {told[0]} | {row['upper']:.2f} | {told[1]} |"
        )
    return "\n".join(
        [
            f"{sets:,} sets of sites a row in which nothing leaks: those with combined p at most "
            f"the rate. 99 % binomial band: {bands}. Bold: above the band ({over} of "
            f"{len(RATES) * len(kept['null'])} cells); below it: {under}, where sites have so few "
            "patients that their p-values take few values.",
            "",
            *null,
            "",
            f"Power, {power} sets a row; the best site is the one that finds most often by itself; "
            "the last columns are other rules at .05:",
            "",
            *leak,
            "",
            "Upper bound of the mean AUC (95 %):",
            "",
            *cover,
        ]
    )


def main() -> None:
    """Measure, keep and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=1000, help="null sets a row")
    parser.add_argument("--page", action="store_true", help="write the page again, run nothing")
    asked = parser.parse_args()
    if not asked.page:
        kept = {
            "null": together(NULL, asked.sets, 0),
            "leak": together(LEAK, min(POWER_SETS, asked.sets), 1),
            "coverage": coverage(asked.sets),
        }
        KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    tables = page(json.loads(KEPT.read_text(encoding="utf-8")))
    PAGE.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
