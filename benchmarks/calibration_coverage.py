"""Do the 95 % intervals hold the truth in 95 of 100 worlds? With patients, and as if without.

A part of benchmarks/calibration.py.
"""

from typing import Any

import numpy as np
from scipy.stats import norm

FPR = 0.1
SHIFT = 1.0
"""Between used and unused scores, in standard deviations of an image's score."""
DESIGNS = ((100, 1, 0.0), (100, 20, 0.3), (40, 20, 0.3), (40, 20, 0.6), (30, 1, 0.0))
"""Patients a side, most images of a patient, correlation of a patient's images."""
TRUTH = {
    "AUC": float(norm.cdf(SHIFT / np.sqrt(2))),
    "kappa": float(2 * norm.cdf(SHIFT / 2) - 1),
    "TPR": float(norm.sf(norm.isf(FPR) - SHIFT)),
}


def scores(n: int, slices: int, rho: float, shift: float, rng: np.random.Generator) -> Any:
    """Scores and groups of n patients; each score is normal with variance 1."""
    groups = np.repeat(np.arange(n), rng.integers(1, slices + 1, n))
    person, own = rng.normal(size=n)[groups], rng.normal(size=len(groups))
    return np.sqrt(rho) * person + np.sqrt(1 - rho) * own + shift, groups


def coverage(worlds: int = 1000) -> list[dict[str, Any]]:
    """Share of worlds whose interval holds the truth, by patient and by image."""
    from vestige.stats.agreement import agreement
    from vestige.stats.bounds import auc_upper_bound
    from vestige.stats.intervals import auc_interval
    from vestige.stats.roc import tpr_at_fpr

    rows = []
    for design in DESIGNS:
        n, slices, rho = design
        held: dict[str, list[bool]] = {}
        for seed in range(worlds):
            rng = np.random.default_rng([19, seed, n, slices, int(10 * rho)])
            used, used_groups = scores(n, slices, rho, SHIFT, rng)
            unused, unused_groups = scores(n, slices, rho, 0.0, rng)
            unused_groups = unused_groups + n
            called = np.concatenate([used, unused]) > SHIFT / 2
            truth = np.arange(len(called)) < len(used)
            everyone = np.concatenate([used_groups, unused_groups])
            for by, own in (("patient", (used_groups, unused_groups)), ("image", (None, None))):
                kappa = agreement(called, truth, everyone if by == "patient" else None).kappa
                found = {
                    "AUC": auc_interval(used, unused, *own, seed=seed),
                    "kappa": kappa,
                    "TPR": tpr_at_fpr(used, unused, FPR, *own),
                }
                for name, estimate in found.items():
                    inside = estimate is not None and estimate.low <= TRUTH[name] <= estimate.high
                    held.setdefault(f"{name} by {by}", []).append(inside)
                below = TRUTH["AUC"] <= auc_upper_bound(used, unused, *own)
                held.setdefault(f"AUC bound by {by}", []).append(below)
        rows.append(
            {
                "patients_a_side": n,
                "images_per_patient": f"1 to {slices}" if slices > 1 else "1",
                "correlation": rho,
                **{name: round(float(np.mean(inside)), 3) for name, inside in held.items()},
                "worlds": worlds,
            }
        )
        print(rows[-1], flush=True)
    return rows


def coverage_page(rows: list[dict[str, Any]]) -> str:
    """The part of docs/calibration.md about intervals."""
    head = list(rows[0])
    lines = ["| " + " | ".join(name.replace("_", " ") for name in head) + " |"]
    lines += ["|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(row[name]) for name in head) + " |" for row in rows]
    return f"""## Intervals

Share of worlds in which the 95 % interval holds the true value (AUC {TRUTH["AUC"]:.3f}, kappa
{TRUTH["kappa"]:.3f}, TPR at {FPR:g} {TRUTH["TPR"]:.3f}), and in which the one-sided upper bound of
the AUC is not below it; asked: .93 to .97, for a TPR .95 and more; standard error .007 for
1,000 worlds. By patient: whole patients are the units, as in an audit. By image: what the same
interval covers when slices are taken for independent, as other tools do.

{chr(10).join(lines)}

A TPR at the false positive rate of the population has an exact interval: order statistics bound the
threshold, Clopper-Pearson the shares above them, each of the four with a quarter of the error, so
that it covers more than asked. Where a single false positive is allowed (1 % of 100 calibration
images) it held the truth in 1,999 of 2,000 worlds; the bootstrap that it replaces in .78 to .86
there, and Clopper and Pearson's interval with the threshold taken as known in .48 to .83. The
price is width: below 437 calibration images nothing bounds a TPR at 1 % from below, and the lower
limit is 0.
"""
