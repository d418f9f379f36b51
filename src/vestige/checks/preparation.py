"""Were the sets prepared alike? Which sets are compared, and the check (docs/methods.md 6.5).

A set that was resized, compressed or windowed in its own way can be told apart by that alone, and
a detector that separates it proves nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from vestige.checks.preparation_comparison import (
    AS_STORED,
    PREPARED,
    Facts,
    compare,
    facts_of,
    facts_of_pixels,
    what_differs,
)
from vestige.images.imageset import ImageSet
from vestige.images.reading import MEASURED
from vestige.judging.cohort import TARGET_ROLE, Cohort, Mode
from vestige.schema.records import Check, PreparationComparison, Problem
from vestige.types import Bools

if TYPE_CHECKING:
    from vestige.checks import Comparison

FEW_PATIENTS = (
    "all files were saved in one way and no patients were given, and slices of few patients differ "
    "like this too"
)
"""In place of the usual cause of a difference."""


def compare_sets(
    sets: Mapping[str, ImageSet],
    groups: Mapping[str, Sequence[str]],
    cohort: Cohort,
    candidates: Bools,
    mode: Mode,
    prepared: bool = False,
    seed: int = 0,
) -> tuple[PreparationComparison, ...]:
    """Compare the sets that must not differ, then reals with generated images, which will.

    The candidates and the calibration images come first, by the rows [n] of the cohort; in
    forensic mode used against unused; reference against unused. Images of a patient on both sides
    are left out.

    Parameters
    ----------
    prepared : bool
        The pixels of the sets have been through `vestige.images.harmonize`; then all is
        compared twice, first as stored and then as prepared.
    """
    stages: list[tuple[Literal["as stored", "prepared"], dict[str, Facts]]]
    most = {"generated": MEASURED}
    stored = {role: facts_of(images, most.get(role)) for role, images in sets.items()}
    stages = [(AS_STORED, stored)]
    if prepared:
        after = {role: facts_of_pixels(x.pixels, x.sha256) for role, x in sets.items()}
        stages.insert(0, (PREPARED, after))
    found = []
    for stage, facts in stages:
        sides = _sides(facts, groups, cohort, candidates, mode)
        for (first, second), (one, other, of_one, of_other) in sides.items():
            labels = np.concatenate([of_one, of_other])
            tested = first != "generated"
            made = compare(one, other, labels if tested else None, (first, second), seed, tested)
            found.append(replace(made, stage=stage))
    return tuple(found)


_Side = tuple[Facts, Facts, npt.NDArray[Any], npt.NDArray[Any]]


def _sides(
    facts: Mapping[str, Facts],
    groups: Mapping[str, Sequence[str]],
    cohort: Cohort,
    candidates: Bools,
    mode: Mode,
) -> dict[tuple[str, str], _Side]:
    targets = TARGET_ROLE[mode]
    chosen = {targets: cohort.index[candidates], "unused": cohort.index[cohort.calibration]}
    pairs = [(targets, "unused"), ("reference", "unused")]
    if mode == "forensic":
        chosen["used"] = cohort.index[cohort.known_used]
        pairs.insert(1, ("used", "unused"))
    sides: dict[tuple[str, str], _Side] = {}
    for first, second in pairs:
        if first not in facts or second not in facts:
            continue
        rows = [chosen.get(role, np.arange(len(facts[role]))) for role in (first, second)]
        labels = [np.asarray(groups[r])[k] for r, k in zip((first, second), rows, strict=True)]
        alone = [~np.isin(labels[0], labels[1]), ~np.isin(labels[1], labels[0])]
        if not all(mask.any() for mask in alone):
            continue
        one, other = (
            facts[role].take(k[mask])
            for role, k, mask in zip((first, second), rows, alone, strict=True)
        )
        sides[first, second] = (one, other, labels[0][alone[0]], labels[1][alone[1]])
    generated, reals = facts["generated"], facts[targets]
    own = np.arange(len(generated)), np.arange(len(reals)) + len(generated)
    sides["generated", targets] = (generated, reals, *own)
    return sides


def candidates_and_calibration(
    found: Sequence[PreparationComparison], mode: Mode
) -> PreparationComparison | None:
    """The comparison that the check judges: the last preparation, where there was one."""
    asked = (TARGET_ROLE[mode], "unused")
    return next((one for one in found if (one.first, one.second) == asked), None)


def without_patients(
    found: Sequence[PreparationComparison], sets: Mapping[str, ImageSet]
) -> tuple[PreparationComparison, ...]:
    """The same with another cause of each difference between reals, where patients were guessed.

    If all files were saved in one way, slices of few patients, which count as many, explain a
    difference as well as another preparation does.
    """
    ways = {(r.shape, r.bits, r.mode, r.coding) for images in sets.values() for r in images.records}
    if len(ways) > 1:
        return tuple(found)

    def told(one: PreparationComparison) -> PreparationComparison:
        others = tuple(replace(d, cause=FEW_PATIENTS) for d in one.differences)
        expected = one.p_value is None
        return one if expected else replace(one, differences=others, few_patients=True)

    return tuple(told(one) for one in found)


def mismatch_problems(found: Sequence[PreparationComparison], mode: Mode) -> list[Problem]:
    """A warning for each other two sets that should be alike and are not."""
    last = found[0].stage if found else AS_STORED
    return [
        Problem(
            one.first,
            f"{one.first} and {one.second} {_unlike(one)}: {what_differs(one)}. {_remedy(one)}",
            "warning",
        )
        for one in found
        if one.first != TARGET_ROLE[mode] and one.stage == last and not one.passed
    ]


def _unlike(found: PreparationComparison) -> str:
    return "differ" if found.few_patients else "were not prepared alike"


def _remedy(found: PreparationComparison) -> str:
    if found.few_patients:
        return "Give --groups or --group-regex"
    return "Prepare all sets by the same steps"


def preparation_check(comparison: "Comparison") -> Check:
    """Candidates against calibration images; fails below p = .01, and then vetoes any verdict."""
    found = comparison.likeness
    if found is None:
        candidate, groups = comparison.is_candidate, comparison.groups
        sides = [facts_of_pixels(comparison.images[rows]) for rows in (candidate, ~candidate)]
        both = np.concatenate([groups[candidate], groups[~candidate]])
        found = compare(
            sides[0], sides[1], both, ("candidates", "calibration images"), comparison.seed
        )
    vetoes = (
        f"none: what differs most ({found.differences[0].statistic}) is within chance"
        if found.passed
        else f"any verdict: {found.first} and {found.second} {_unlike(found)}; "
        f"{what_differs(found)}"
    )
    return Check("preparation", None, found.p_value, found.passed, vetoes)
