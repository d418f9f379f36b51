"""Validity checks: experiments in which the right answer is known; a failed one can veto.

A check is a function from a `Comparison` to a `vestige.result.Check`. A new one is one file and
one line in `CHECKS`. Those that ask the audit again (`AuditRerun`) need what it was asked.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy.typing as npt

from vestige.checks.levels import REQUIRED
from vestige.checks.rerun import AuditRerun, Named
from vestige.engine.threads import one_core
from vestige.registry.entries import InputError, RegistryEntry
from vestige.schema.records import Check, LevelCode, PreparationComparison, Problem, SetTest
from vestige.types import Bools, Images


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
    rerun: AuditRerun | None = None
    likeness: PreparationComparison | None = None
    """How the two compare as stored; None where only these images are known."""
    named: Named | None = None
    """The rule for copies, asked of planted ones; None: no copy counts as named."""
    required: tuple[LevelCode, ...] = REQUIRED
    """Levels of planted copies that must be seen."""

    @property
    def audited(self) -> AuditRerun:
        """The audit that is asked again.

        Raises
        ------
        InputError
            When there is none.
        """
        if self.rerun is None:
            raise InputError("there is no audit to ask again.")
        return self.rerun


def _blind(comparison: Comparison) -> Check:
    from vestige.checks.blind import blind_check

    return blind_check(comparison)


def _preparation(comparison: Comparison) -> Check:
    from vestige.checks.preparation import preparation_check

    return preparation_check(comparison)


def _member_only(comparison: Comparison) -> Check:
    from vestige.checks.member_only import member_only_check

    return member_only_check(comparison)


def _swapped(comparison: Comparison) -> Check:
    from vestige.checks.swapped import swapped_check

    return swapped_check(comparison)


def _planted(comparison: Comparison) -> Check:
    from vestige.checks.planted import planted_check

    return planted_check(comparison)


def _clean_calibration(comparison: Comparison) -> Check:
    from vestige.checks.clean_calibration import clean_calibration_check

    return clean_calibration_check(comparison)


def _smooth(comparison: Comparison) -> Check:
    from vestige.checks.smooth import smooth_check

    return smooth_check(comparison)


CHECKS: dict[str, RegistryEntry[Check]] = {
    "blind": RegistryEntry(
        "must not separate candidates from calibration images without the generated set", _blind
    ),
    "preparation": RegistryEntry(
        "candidates and calibration images must be prepared alike", _preparation
    ),
    "member_only": RegistryEntry(
        "must not separate two parts of the candidates as well", _member_only
    ),
    "swapped": RegistryEntry("must not find as much beside a set that cannot know them", _swapped),
    "planted": RegistryEntry("must find copies that were put into the generated set", _planted),
    "smooth": RegistryEntry(
        "should find less beside a smooth set of the same distribution", _smooth
    ),
    "clean_calibration": RegistryEntry(
        "calibration images must be no closer to the generated set than the reference",
        _clean_calibration,
    ),
}
ALWAYS = ("blind", "preparation")
"""Checks that run even when the others are switched off: they cost no second audit."""
CHECKS_OFF = Problem(
    "", f"the validity checks were switched off, all but {', '.join(ALWAYS)}", "warning"
)


def compare(
    rerun: AuditRerun,
    test: SetTest,
    false_alarm_rate: float,
    seed: int,
    likeness: PreparationComparison | None = None,
    named: Named | None = None,
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
            why = f"not possible: {error}".rstrip(".")
            row = Check(name, None, None, False, why, "not possible")
        rows.append(row)
        done(name, perf_counter() - start)
    return tuple(rows)
