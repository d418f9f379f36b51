"""Were the sets prepared alike? Which sets are compared, and the control (METHODS 6.5).

A set that was resized, compressed or windowed in its own way can be told apart by that alone, and
a detector that separates it proves nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from vestige.controls.likeness import (
    AS_STORED,
    PREPARED,
    Facts,
    compare,
    facts_of,
    facts_of_pixels,
    what_differs,
)
from vestige.images.imageset import ImageSet
from vestige.judging.cohort import JUDGED, Bag, Mode
from vestige.schema.records import Control, Likeness, Problem
from vestige.types import Bools

if TYPE_CHECKING:
    from vestige.controls import Comparison

FEW_PATIENTS = (
    "all files were saved in one way and no patients were given, and slices of few patients differ "
    "like this too"
)
"""In place of the usual cause of a difference."""


def compare_sets(
    sets: Mapping[str, ImageSet],
    groups: Mapping[str, Sequence[str]],
    bag: Bag,
    suspects: Bools,
    mode: Mode,
    prepared: bool = False,
    seed: int = 0,
) -> tuple[Likeness, ...]:
    """Compare the sets that must not differ, then reals with generated images, which will.

    Suspects against controls comes first, as the rows [n] of the bag say; in forensic mode used
    against unused; reference against unused. Images of a patient on both sides are left out.

    Parameters
    ----------
    prepared : bool
        The pixels of the sets have been through `vestige.images.preparation`; then all is
        compared twice, first as stored and then as prepared.
    """
    stages: list[tuple[Literal["as stored", "prepared"], dict[str, Facts]]]
    stages = [(AS_STORED, {role: facts_of(images) for role, images in sets.items()})]
    if prepared:
        after = {role: facts_of_pixels(x.pixels, x.sha256) for role, x in sets.items()}
        stages.insert(0, (PREPARED, after))
    found = []
    for stage, facts in stages:
        sides = _sides(facts, groups, bag, suspects, mode)
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
    bag: Bag,
    suspects: Bools,
    mode: Mode,
) -> dict[tuple[str, str], _Side]:
    judged = JUDGED[mode]
    chosen = {judged: bag.index[suspects], "unused": bag.index[bag.control]}
    pairs = [(judged, "unused"), ("reference", "unused")]
    if mode == "forensic":
        chosen["used"] = bag.index[bag.known_used]
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
    generated, reals = facts["generated"], facts[judged]
    own = np.arange(len(generated)), np.arange(len(reals)) + len(generated)
    sides["generated", judged] = (generated, reals, *own)
    return sides


def suspects_and_controls(found: Sequence[Likeness], mode: Mode) -> Likeness | None:
    """The comparison that the control judges: the last preparation, where there was one."""
    asked = (JUDGED[mode], "unused")
    return next((one for one in found if (one.first, one.second) == asked), None)


def without_patients(
    found: Sequence[Likeness], sets: Mapping[str, ImageSet]
) -> tuple[Likeness, ...]:
    """The same with another cause of each difference between reals, where patients were guessed.

    If all files were saved in one way, slices of few patients, which count as many, explain a
    difference as well as another preparation does.
    """
    ways = {(r.shape, r.bits, r.mode, r.coding) for images in sets.values() for r in images.records}
    if len(ways) > 1:
        return tuple(found)

    def told(one: Likeness) -> Likeness:
        others = tuple(replace(d, cause=FEW_PATIENTS) for d in one.differences)
        expected = one.p_value is None
        return one if expected else replace(one, differences=others, few_patients=True)

    return tuple(told(one) for one in found)


def mismatch_problems(found: Sequence[Likeness], mode: Mode) -> list[Problem]:
    """A warning for each other two sets that should be alike and are not."""
    last = found[0].stage if found else AS_STORED
    return [
        Problem(
            one.first,
            f"{one.first} and {one.second} {_unlike(one)}: {what_differs(one)}. {_remedy(one)}",
            "warning",
        )
        for one in found
        if one.first != JUDGED[mode] and one.stage == last and not one.passed
    ]


def _unlike(found: Likeness) -> str:
    return "differ" if found.few_patients else "were not prepared alike"


def _remedy(found: Likeness) -> str:
    if found.few_patients:
        return "Give --groups or --group-regex"
    return "Prepare all sets by the same steps"


def conformity_control(comparison: "Comparison") -> Control:
    """Suspects against controls; fails below p = .01, and then vetoes any verdict."""
    found = comparison.likeness
    if found is None:
        suspect, groups = comparison.is_suspect, comparison.groups
        sides = [facts_of_pixels(comparison.images[rows]) for rows in (suspect, ~suspect)]
        both = np.concatenate([groups[suspect], groups[~suspect]])
        found = compare(sides[0], sides[1], both, ("suspects", "controls"), comparison.seed)
    vetoes = (
        f"none: what differs most ({found.differences[0].statistic}) is within chance"
        if found.passed
        else f"any verdict: {found.first} and {found.second} {_unlike(found)}; "
        f"{what_differs(found)}"
    )
    return Control("conformity", None, found.p_value, found.passed, vetoes)
