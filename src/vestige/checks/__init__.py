"""Validity checks: experiments in which the right answer is known; a failed one can veto.

A check is a function from a `Comparison` to a `vestige.result.Check`. A new one is one file and
one line in `CHECKS`. Those that ask the audit again (`AuditRerun`) need what it was asked.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from vestige.checks.levels import REQUIRED
from vestige.engine.threads import one_core
from vestige.registry.entries import InputError, RegistryEntry
from vestige.registry.lazy import Lazy
from vestige.schema.records import (
    Check,
    LevelCode,
    PreparationComparison,
    Problem,
    SetTest,
    TakesBack,
)
from vestige.types import Bools, Images

if TYPE_CHECKING:  # the judge, which a list of checks does not need
    from vestige.checks.rerun import AuditRerun, Named


@dataclass(frozen=True)
class Comparison:
    """What a check gets: the candidates and calibration images of the audit, and the seed.

    reference : unused reals that are neither
    rerun : the audit itself, for checks that ask it again
    """

    images: Images
    is_candidate: Bools
    groups: npt.NDArray[Any]
    seed: int
    reference: Images | None = None
    rerun: "AuditRerun | None" = None
    likeness: PreparationComparison | None = None
    """How the two compare as stored; None where only these images are known."""
    named: "Named | None" = None
    """The rule for copies, asked of planted ones; None: no copy counts as named."""
    required: tuple[LevelCode, ...] = REQUIRED
    """Levels of planted copies that must be seen."""

    @property
    def audited(self) -> "AuditRerun":
        """The audit that is asked again.

        Raises
        ------
        InputError
            When there is none.
        """
        if self.rerun is None:
            raise InputError("there is no audit to ask again.")
        return self.rerun


def _of(path: str) -> Lazy:
    """A function of this package, "file:function"."""
    file, _, name = path.partition(":")
    return Lazy(f"vestige.checks.{file}", name)


@dataclass(frozen=True)
class CheckEntry(RegistryEntry[Check]):
    """A validity check: the question that the report prints, the function, and what it takes back.

    takes_back : see `vestige.schema.records.Check`
    """

    takes_back: TakesBack = "any"


CHECKS: dict[str, CheckEntry] = {
    "blind": CheckEntry(
        "Can targets and calibration images be told apart without the generated images? If "
        "so, they differ for another reason than training.",
        _of("blind:blind_check"),
    ),
    "preparation": CheckEntry(
        "Were the sets prepared alike (size, bit depth, grey levels)? If not, differences may "
        "come from preparation.",
        _of("preparation:preparation_check"),
    ),
    "member_only": CheckEntry(
        "Do two random halves of the used images differ as much? If so, the score shows the "
        "split and not training.",
        _of("member_only:member_only_check"),
        takes_back="finding",
    ),
    "swapped": CheckEntry(
        "Do the images of another generator give the same result? If so, the result is not "
        "specific to this generator.",
        _of("swapped:swapped_check"),
        takes_back="finding",
    ),
    "planted": CheckEntry(
        "Are copies that were put into the generated set found again? If not, the audit "
        "misses copies, and finding nothing means nothing.",
        _of("planted:planted_check"),
        takes_back="none",
    ),
    "smooth": CheckEntry(
        "Does a smooth set with the distribution of the generated images show as much? If so, "
        "the finding may be about kinds of images and not about single images.",
        _of("smooth:smooth_check"),
        takes_back="none",
    ),
    "clean_calibration": CheckEntry(
        "Are the unused images closer to the generated images than the reference images are? "
        "If so, some of them may have been used, which hides a leak.",
        _of("clean_calibration:clean_calibration_check"),
        takes_back="none",
    ),
}
"""Name -> the question that the report prints, and the function that answers it."""
ALWAYS = ("blind", "preparation")
"""Checks that run even when the others are switched off: they cost no second audit."""
CHECKS_OFF = Problem(
    "", f"the validity checks were switched off, all but {', '.join(ALWAYS)}", "warning"
)


def compare(
    rerun: "AuditRerun",
    test: SetTest,
    false_alarm_rate: float,
    seed: int,
    likeness: PreparationComparison | None = None,
    named: "Named | None" = None,
    required: tuple[LevelCode, ...] = REQUIRED,
) -> Comparison:
    """What the checks of an audit get: its candidates and calibration images, and itself."""
    cohort, candidates = rerun.cohort, rerun.candidates
    rows = candidates | cohort.calibration
    found = test.p_value <= false_alarm_rate
    return Comparison(
        cohort.images[rows], candidates[rows], cohort.group_index[rows], seed, rerun.reference,
        replace(rerun, auc=test.auc.value, positive=found, carried_by=test.carried_by),
        likeness, named, required,
    )  # fmt: skip


def run_named_checks(
    comparison: Comparison,
    done: Callable[[str, float], None] = lambda name, seconds: None,
    names: Collection[str] = tuple(CHECKS),
) -> tuple[Check, ...]:
    """Run the named checks; one that these sets do not allow says why, and vetoes nothing.

    `done` is called with a check's name and its seconds.
    """
    rows = []
    for name, choice in CHECKS.items():
        if name not in names:
            continue
        start = perf_counter()
        try:
            with one_core():  # one core, so that no bit depends on how many there are
                row = choice.factory(comparison)
        except InputError as error:
            why = f"not possible: {error.for_command}".rstrip(".")
            row = Check(name, None, None, False, why, "not possible")
        rows.append(replace(row, question=choice.summary, takes_back=choice.takes_back))
        done(name, perf_counter() - start)
    return tuple(rows)
