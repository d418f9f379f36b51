"""C_T, AuthPct and DCR in sentences: the value, and what it does not say."""

from collections.abc import Callable

import numpy as np

from vestige.measures import set_measures as stats
from vestige.measures.comparison import N_PERMUTATIONS, SetComparison
from vestige.measures.set_measures import FeatureSets, Measured
from vestige.schema.records import SetMeasure

ALPHA = 0.05
UNEVEN = 1.5
"""Ratio of images per group, candidates to calibration images or back, from which it is said."""


def data_copying(comparison: SetComparison) -> SetMeasure:
    """C_T; far below 0 means copying."""
    found = _take(stats.data_copying, comparison)
    nearer = "nearer" if found.value < 0 else "no nearer"
    return _measure(
        "data_copying",
        found,
        f"The generated images lie {nearer} to the targets than the calibration images do, "
        f"{_chance(found)}; a few blatant copies among many may go unseen (arXiv:2302.13181).",
        comparison,
    )


def authenticity(comparison: SetComparison) -> SetMeasure:
    """AuthPct, 0..100; low means copying."""
    found = _take(stats.authenticity, comparison)
    return _measure(
        "authenticity",
        found,
        f"{100 - found.value:.0f} % of the generated images lie nearer to a target than "
        f"its nearest fellow target of another group, {_chance(found)}; a generator that merely "
        "fits the source well also lowers the value, so only p compares.",
        comparison,
    )


def closest_share(comparison: SetComparison) -> SetMeasure:
    """Share of generated images nearer to a target than to an unused one; high means copying."""
    found = _take(stats.closest_share, comparison)
    return _measure(
        "closest_share",
        found,
        f"{100 * found.value:.0f} % of the generated images lie nearer to a target than to a "
        f"calibration image, {_chance(found)}; a share of .5 is no statement about privacy, and "
        "passing says nothing against membership inference (arXiv:2505.01524).",
        comparison,
    )


def _take(
    measure: Callable[[FeatureSets, int, int], Measured], comparison: SetComparison
) -> Measured:
    return measure(comparison.features, N_PERMUTATIONS, comparison.seed)


def _measure(name: str, found: Measured, says: str, comparison: SetComparison) -> SetMeasure:
    candidates, calibration = (
        int(side.sum()) / len(np.unique(comparison.groups[side]))
        for side in (comparison.is_candidate, ~comparison.is_candidate)
    )
    if not 1 / UNEVEN < candidates / calibration < UNEVEN:
        says += (
            f" Targets have {candidates:.1f} images per group and calibration images "
            f"{calibration:.1f}: that alone moves value and p."
        )
    compared = len(comparison.generated)
    if comparison.n_generated > compared:
        says += f" From {compared:,} of {comparison.n_generated:,} generated images."
    return SetMeasure(name, found.value, found.p_value, says)


def _chance(found: Measured) -> str:
    return "more than chance explains" if found.p_value <= ALPHA else "within chance"
