"""Controls: experiments in which the right answer is known; a failed one can veto the verdict.

A control is a function from a `Comparison` to a `vestige.result.Control`. A new one is one file and
one line in `CONTROLS`. Those that ask the audit again (`Pipeline`) need what it was asked.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy.typing as npt

from vestige.controls.levels import REQUIRED
from vestige.controls.pipeline import Named, Pipeline
from vestige.engine.threads import one_core
from vestige.registry.choices import Choice, InputError
from vestige.schema.records import Control, LevelCode, Likeness, Problem, SetTest
from vestige.types import Bools, Images


@dataclass(frozen=True)
class Comparison:
    """What a control gets: the suspects and controls of the audit, and the seed.

    reference : unused reals that are neither
    pipeline : the audit itself, for controls that ask it again
    """

    images: Images
    is_suspect: Bools
    groups: npt.NDArray[Any]
    seed: int
    reference: Images | None = None
    pipeline: Pipeline | None = None
    likeness: Likeness | None = None
    """How the two compare as stored; None where only these images are known."""
    named: Named | None = None
    """The rule for copies, asked of planted ones; None: no copy counts as named."""
    required: tuple[LevelCode, ...] = REQUIRED
    """Levels of planted copies that must be seen."""

    @property
    def audited(self) -> Pipeline:
        """The audit that is asked again.

        Raises
        ------
        InputError
            When there is none.
        """
        if self.pipeline is None:
            raise InputError("there is no audit to ask again.")
        return self.pipeline


def _blind(comparison: Comparison) -> Control:
    from vestige.controls.blind import blind_control

    return blind_control(comparison)


def _conformity(comparison: Comparison) -> Control:
    from vestige.controls.conformity import conformity_control

    return conformity_control(comparison)


def _member_only(comparison: Comparison) -> Control:
    from vestige.controls.member_only import member_only_control

    return member_only_control(comparison)


def _swapped(comparison: Comparison) -> Control:
    from vestige.controls.swapped import swapped_control

    return swapped_control(comparison)


def _planted(comparison: Comparison) -> Control:
    from vestige.controls.planted import planted_control

    return planted_control(comparison)


def _clean_calibration(comparison: Comparison) -> Control:
    from vestige.controls.clean_calibration import clean_calibration_control

    return clean_calibration_control(comparison)


def _smooth(comparison: Comparison) -> Control:
    from vestige.controls.smooth import smooth_control

    return smooth_control(comparison)


CONTROLS: dict[str, Choice[Control]] = {
    "blind": Choice("must not separate suspects from controls without the generated set", _blind),
    "conformity": Choice("suspects and controls must be prepared alike", _conformity),
    "member_only": Choice("must not separate two parts of the suspects as well", _member_only),
    "swapped": Choice("must not find as much beside a set that cannot know them", _swapped),
    "planted": Choice("must find copies that were put into the generated set", _planted),
    "smooth": Choice("should find less beside a smooth set of the same distribution", _smooth),
    "clean_calibration": Choice(
        "controls must be no closer to the generated set than the reference", _clean_calibration
    ),
}
ALWAYS = ("blind", "conformity")
"""Controls that run even when the others are switched off: they cost no second audit."""
CONTROLS_OFF = Problem(
    "", f"the validity checks were switched off, all but {', '.join(ALWAYS)}", "warning"
)


def compare(
    pipeline: Pipeline,
    test: SetTest,
    false_alarm_rate: float,
    seed: int,
    likeness: Likeness | None = None,
    named: Named | None = None,
    required: tuple[LevelCode, ...] = REQUIRED,
) -> Comparison:
    """What the controls of an audit get: its suspects and controls, and itself."""
    bag, suspects = pipeline.bag, pipeline.suspects
    rows = suspects | bag.control
    found = test.p_value <= false_alarm_rate
    return Comparison(
        bag.images[rows], suspects[rows], bag.units[rows], seed, pipeline.reference,
        replace(pipeline, auc=test.auc.value, positive=found, carried_by=test.carried_by),
        likeness, named, required,
    )  # fmt: skip


def run_controls(
    comparison: Comparison,
    done: Callable[[str, float], None] = lambda name, seconds: None,
    names: Collection[str] = tuple(CONTROLS),
) -> tuple[Control, ...]:
    """Run the named controls; one that these sets do not allow says why, and vetoes nothing.

    `done` is called with a control's name and its seconds.
    """
    rows = []
    for name, choice in CONTROLS.items():
        if name not in names:
            continue
        start = perf_counter()
        try:
            with one_core():  # one core, so that no bit depends on how many there are
                row = choice.build(comparison)
        except InputError as error:
            why = f"not possible: {error}".rstrip(".")
            row = Control(name, None, None, False, why, "not possible")
        rows.append(row)
        done(name, perf_counter() - start)
    return tuple(rows)
