"""An audit that can be asked again: of another generated set, or of other candidates."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vestige.cache.feature_rows import array_sha256
from vestige.features.pixels import shrink
from vestige.images.imageset import ImageSet
from vestige.images.kinds import kind_of
from vestige.images.preprocess import shrink_cubes
from vestige.images.spool import blocks, joined
from vestige.judging.cohort import Cohort
from vestige.judging.combination import Combined, combine_again
from vestige.registry.entries import InputError
from vestige.schema.records import Check
from vestige.scoring.columns import Ready, Scored, score_columns
from vestige.scoring.plan import Column
from vestige.scoring.score_cache import KeptScores, array_of, name_of
from vestige.types import Bools, Detector, Floats, GrowingDetector, Images, Ints

Named = Callable[[Images, Ints], Bools]
"""(copies [k, ...], rows [k] of their sources) -> which copies the rule for copies names [k].

Rows count the images of the audit's cohort, then those of its reference (`AuditRerun`)."""
CHEAP = "low"
"""Effort of the columns that are computed again, where the plan has any."""


@dataclass(frozen=True)
class AuditRerun:
    """What an audit was asked and what it saw.

    columns : [n, D], of the images of the cohort
    candidates : [n], the target images whose answer is not known
    reference, reference_groups : images [r, ...] and [r], in an order that no file name decides
    trained : names of the columns whose detector had learned before
    kept : scores in the cache, of this generated set
    fitted : the detectors of the audit, by column, but for those whose scores were kept
    auc, carried_by : of the set test; positive : whether it found something
    """

    plan: tuple[Column, ...]
    columns: Floats
    cohort: Cohort
    candidates: Bools
    generated: Images
    reference: Images | None
    reference_groups: npt.NDArray[Any]
    trained: Collection[str]
    kept: KeptScores | None = None
    fitted: Mapping[str, Detector] = field(default_factory=dict)
    auc: float = 0.5
    positive: bool = False
    carried_by: Literal["mean", "tail", "stack"] = "mean"

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
        low = [d for d in asked if self.plan[d].choice.effort == CHEAP]
        return np.array(low or asked)

    @property
    def grows(self) -> bool:
        """Whether all cheap columns search only the images that are added."""
        return all(_grows(column) for column in self.cheap_plan)

    @property
    def cheap_plan(self) -> tuple[Column, ...]:
        """The plan of the cheap columns."""
        return tuple(self.plan[d] for d in self.cheap)

    def score(
        self, generated: Images, cohort: Cohort, reference: Images | None, instead: Images
    ) -> Floats:
        """The cheap columns [n, d] of another cohort beside another generated set.

        `instead` [k, ...] is what makes this generated set another one.
        """
        kept = _beside(self._kept(cohort, reference), len(generated), instead)
        return self._score(self.cheap_plan, generated, cohort, reference, kept)[0]

    def scorer(self, cohort: Cohort, reference: Images | None) -> Callable[[Images], Floats]:
        """A function: images [k, ...] that were generated as well -> cheap columns [n, d].

        Columns that grow search the generated set once (not again, where this is the cohort of the
        audit), and the images that are added by themselves.
        """
        plan = self.cheap_plan
        growing = [column for column in plan if _grows(column)]
        # of images as small as they are seen there is little to copy
        others = [(c, _seen(c, self.generated)) for c in plan if c not in growing]
        same = cohort.images is self.cohort.images and reference is self.reference
        ready = dict(self.fitted) if same else {}
        about = self._kept(cohort, reference)

        def grown(more: Images) -> Floats:
            if new := [column for column in growing if column.name not in ready]:
                ready.update(self._score(new, self.generated, cohort, reference)[1])
            scores = []
            for column in growing:
                detector = ready[column.name]
                assert isinstance(detector, GrowingDetector)  # noqa: S101  # by _grows
                scores.append(detector.score_more(more))
            return np.column_stack(scores)

        def beside(more: Images) -> Floats:
            kept = _beside(about, len(self.generated) + len(more), more)
            found = {}
            if growing:
                name = repr([name_of(column) for column in growing])
                scores = array_of(kept, name, lambda: grown(more))
                found = {column.name: scores[:, d] for d, column in enumerate(growing)}
            for column, generated in others:
                whole = joined(generated, _seen(column, more))
                found[column.name] = self._score([column], whole, cohort, reference, kept)[0][:, 0]
            return np.column_stack([found[column.name] for column in plan])

        return beside

    def _score(
        self,
        plan: Sequence[Column],
        generated: Images,
        cohort: Cohort,
        reference: Images | None,
        kept: KeptScores | None = None,
    ) -> tuple[Floats, dict[str, Detector]]:
        return score_columns(plan, generated, reference, cohort.reals(plan), ready=Ready(kept=kept))

    def _kept(self, cohort: Cohort, reference: Images | None) -> KeptScores | None:
        """What the cache has of another cohort."""
        if self.kept is None:
            return None
        parts: list[npt.NDArray[Any]] = [
            cohort.images,
            cohort.group_index,
            cohort.known_used,
            cohort.calibration,
        ]
        parts += [] if reference is None else [reference]
        return self.kept.about(*(array_sha256(part) for part in parts))

    def split(self, candidates: Bools, calibration: Bools, seed: int) -> Combined:
        """What the audit had combined, had these images [n] been candidates and calibration images.

        The stack is fitted again; columns that have learned stay what they are.
        """
        cohort, known = self.cohort, self.cohort.known_used
        learned = all(column.learns for column in self.plan)
        if (known & self.candidates).any() and not learned:
            known = (
                candidates  # as the real candidates are the used images that the stack learns from
            )
        asked = replace(cohort, targets=candidates, calibration=calibration, known_used=known)
        return combine_again(self.columns, self.plan, asked, candidates, seed, n_permutations=0)


def open_rerun(
    scored: Scored,
    cohort: Cohort,
    candidates: Bools,
    sets: Mapping[str, ImageSet],
    labels: Mapping[str, tuple[str, ...]],
) -> AuditRerun:
    """The pipeline of an audit of these sets, with these groups by role."""
    reference, groups = None, np.empty(0, dtype=str)
    if "reference" in sets:
        given = sets["reference"]
        order = sorted(range(len(given)), key=given.sha256.__getitem__)
        reference, groups = given.pixels[order], np.array(labels["reference"])[order]
    generated = sets["generated"].pixels
    return AuditRerun(
        scored.plan, scored.columns, cohort, candidates, generated, reference, groups,
        tuple(scored.ready.trained), scored.ready.kept, scored.fitted,
    )  # fmt: skip


def _beside(kept: KeptScores | None, count: int, instead: Images) -> KeptScores | None:
    """The same beside a generated set of so many images, which `instead` makes another one."""
    return None if kept is None else kept.about(str(count), array_sha256(instead))


def _grows(column: Column) -> bool:
    detector = column.make()
    return isinstance(detector, GrowingDetector) and detector.grows


def _seen(column: Column, images: Images) -> Images:
    """Images at the size at which a detector looks at them, where it has one."""
    size, kind = column.required_resolution, kind_of(images.shape)
    if size == 1 or (kind != "grey" and images.shape[1] <= size):
        return images
    if kind == "grey":
        return shrink(images, size)
    if kind == "volume":
        return np.concatenate([shrink_cubes(np.asarray(part), size) for part in blocks(images)])
    return np.stack([shrink(images[..., channel], size) for channel in range(3)], axis=3)


def not_needed(name: str) -> Check:
    """The row of a check that qualifies a finding where there is none."""
    return Check(name, None, None, False, "nothing was found that it could qualify", "not needed")
