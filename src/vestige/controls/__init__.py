"""Controls: experiments in which the right answer is known; a failed one can veto the verdict.

A control is a function from the same arrays as the audit to a `vestige.result.Control`. A new one
is one file and one line in `CONTROLS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from vestige.choices import Choice
from vestige.result import Control, Likeness
from vestige.types import Bools, Images


@dataclass(frozen=True)
class Comparison:
    """What a control gets: the suspects and controls of the audit, and the seed."""

    images: Images
    is_suspect: Bools
    groups: npt.NDArray[Any]
    seed: int
    likeness: Likeness | None = None
    """How the two compare as stored; None where only these images are known."""


def _blind(comparison: Comparison) -> Control:
    from vestige.controls.blind import blind_control

    return blind_control(comparison)


def _conformity(comparison: Comparison) -> Control:
    from vestige.controls.conformity import conformity_control

    return conformity_control(comparison)


CONTROLS: dict[str, Choice[Control]] = {
    "blind": Choice("must not separate suspects from controls without the generated set", _blind),
    "conformity": Choice("suspects and controls must be prepared alike", _conformity),
}


def run_controls(
    comparison: Comparison, done: Callable[[str], None] = lambda name: None
) -> tuple[Control, ...]:
    """Run every control."""
    rows = []
    for name, choice in CONTROLS.items():
        rows.append(choice.build(comparison))
        done(name)
    return tuple(rows)
