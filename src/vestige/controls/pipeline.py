"""An audit that can be asked again: of another generated set, or of other suspects."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.bag import Bag
from vestige.choices import InputError
from vestige.combination import Combined, combine_again
from vestige.detectors import DETECTORS
from vestige.detectors.columns import Column, Known, score_columns
from vestige.detectors.kept import KeptScores
from vestige.features.store import array_sha256
from vestige.images.imageset import ImageSet
from vestige.result import Control
from vestige.types import Bools, Floats, Images, Ints

CHEAP = "low"
"""Effort of the columns that are computed again, where the plan has any."""


@dataclass(frozen=True)
class Pipeline:
    """What an audit was asked and what it saw.

    columns : [n, D], of the images of the bag
    suspects : [n], the judged images whose answer is not known
    reference, reference_groups : [r, s, s] and [r], in an order that no file name decides
    trained : names of the columns whose detector had learned before
    kept : scores in the cache, of this generated set
    auc : of the set test; positive : whether it found something
    """

    plan: tuple[Column, ...]
    columns: Floats
    bag: Bag
    suspects: Bools
    generated: Images
    reference: Images | None
    reference_groups: npt.NDArray[Any]
    trained: Collection[str]
    kept: KeptScores | None = None
    auc: float = 0.5
    positive: bool = False

    @cached_property
    def cheap(self) -> Ints:
        """Columns that are computed again: those of low effort or, without any, all.

        Raises
        ------
        InputError
            When all columns are of trained models.
        """
        asked = [d for d, column in enumerate(self.plan) if column.name not in self.trained]
        if not asked:
            raise InputError(
                "a trained model compares only with the generated images it was trained beside."
            )
        low = [d for d in asked if DETECTORS[self.plan[d].detector].effort == CHEAP]
        return np.array(low or asked)

    @property
    def cheap_plan(self) -> tuple[Column, ...]:
        """The plan of the cheap columns."""
        return tuple(self.plan[d] for d in self.cheap)

    def score(
        self, generated: Images, bag: Bag, reference: Images | None, instead: Images
    ) -> Floats:
        """The cheap columns [n, d] of another bag beside another generated set.

        `instead` [k, s, s] is what makes this generated set another one.
        """
        plan, known, kept = self.cheap_plan, None, None
        if bag.folds is not None and any(column.learns for column in plan):
            known = Known(bag.known_used, bag.control, bag.folds)
        if self.kept is not None:
            parts: list[npt.NDArray[Any]] = [instead, bag.images, bag.units, bag.known_used]
            parts += [bag.control] if reference is None else [bag.control, reference]
            kept = self.kept.about(str(len(generated)), *(array_sha256(part) for part in parts))
        return score_columns(
            plan, generated, reference, bag.images, bag.units, lambda name, seconds: None, known,
            kept=kept,
        )[0]  # fmt: skip

    def split(self, suspects: Bools, controls: Bools, seed: int) -> Combined:
        """What the audit had combined, had these images [n] been suspects and controls.

        The stack is fitted again; columns that have learned stay what they are.
        """
        bag, known = self.bag, self.bag.known_used
        learned = all(column.learns for column in self.plan)
        if (known & self.suspects).any() and not learned:
            known = suspects  # as the real suspects are the used images that the stack learns from
        asked = replace(bag, judged=suspects, control=controls, known_used=known)
        return combine_again(self.columns, self.plan, asked, suspects, seed, n_permutations=0)


def open_pipeline(
    plan: Sequence[Column],
    columns: Floats,
    bag: Bag,
    suspects: Bools,
    sets: Mapping[str, ImageSet],
    labels: Mapping[str, tuple[str, ...]],
    trained: Collection[str],
    kept: KeptScores | None = None,
) -> Pipeline:
    """The pipeline of an audit of these sets, with these groups by role."""
    reference, groups = None, np.empty(0, dtype=str)
    if "reference" in sets:
        given = sets["reference"]
        order = sorted(range(len(given)), key=given.sha256.__getitem__)
        reference, groups = given.pixels[order], np.array(labels["reference"])[order]
    generated = sets["generated"].pixels
    return Pipeline(
        tuple(plan), columns, bag, suspects, generated, reference, groups, trained, kept
    )


def not_needed(name: str) -> Control:
    """The row of a control that qualifies a finding where there is none."""
    return Control(name, None, None, False, "nothing was found that it could qualify", "not needed")
