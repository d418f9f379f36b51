"""May the synthetic set leave the house? What `--gate` and `vestige scrub` decide by, and why."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vestige.bag import EXACT_COPY
from vestige.result import AuditResult
from vestige.stats.power import images_needed

LEVEL = 0.99
Q_LEVEL = 0.10
LARGEST_UNSEEN = 0.9
"""An audit that can only see a larger AUC than this is underpowered (`judge.decide`)."""


@dataclass(frozen=True)
class Gate:
    """`code` is the exit code: 0 open, 3 closed, 4 undecided."""

    decided: Literal["open", "closed", "undecided"]
    code: Literal[0, 3, 4]
    why: str

    def __str__(self) -> str:
        return f"Gate {self.decided} (exit {self.code}): {self.why}"


def gate(result: AuditResult) -> Gate:
    """Open only when nothing was found and the audit could have seen it.

    Closed when leakage was found; also when generated images have exactly the pixels of a judged
    one, or when more images are called "used" than chance explains (P < .01), which a test of the
    whole set may overlook. All else is undecided.
    """
    verdict, test = result.verdict, result.set_test
    if any(EXACT_COPY in problem.what for problem in result.problems):
        return Gate("closed", 3, "generated images have exactly the pixels of judged real images.")
    if verdict.leak == "found":
        p = f" (p = {test.p_value:.2g})" if test else ""
        return Gate("closed", 3, f"leakage was found in the whole set{p}.")
    if verdict.leak == "undecided":
        return Gate("undecided", 4, _undecided(result))
    named, limit = called_used(result), explained_by_chance(result)
    if named > limit:
        return Gate(
            "closed", 3,
            f"the whole set shows nothing, but {named} images are called used and chance "
            f"explains at most {limit}.",
        )  # fmt: skip
    unseen = test.minimum_detectable_auc if test else 1.0
    return Gate(
        "open", 0, f"nothing was found, and an AUC of {unseen:.2f} or more would have been seen."
    )


def beyond_chance(result: AuditResult) -> bool:
    """Whether more images are called used than chance explains, or one is named."""
    return called_used(result) > explained_by_chance(result) or named(result) > 0


def called_used(result: AuditResult) -> int:
    """Images called "used" by their p-value; copies of known images are no count of chance."""
    return sum(f.verdict == "used" and f.p_value is not None for f in result.findings)


def named(result: AuditResult) -> int:
    """Images whose q-value reaches .10, the level at which images are named (METHODS 4.2)."""
    return sum(f.q_value is not None and f.q_value <= Q_LEVEL for f in result.findings)


def explained_by_chance(result: AuditResult) -> int:
    """How many images chance calls "used" at most, with probability .99, when none was.

    The p-values share their controls, which varies the number more than a binomial: with G control
    groups and k = floor(rate (G + 1)) it is beta-binomial(n, k, G + 1 - k). Several images of one
    patient count as moving together.
    """
    from scipy.stats import betabinom

    tested = [f for f in result.findings if f.p_value is not None]
    controls = len(set(result.calibration.groups))
    k = int(np.floor(result.question.false_alarm_rate * (controls + 1) + 1e-9))
    if not tested or not 0 < k <= controls:
        return 0
    groups = len({f.group for f in tested})
    limit = betabinom.ppf(LEVEL, groups, k, controls + 1 - k)
    return int(np.ceil(limit * len(tested) / groups))


def _undecided(result: AuditResult) -> str:
    reason, rate = result.verdict.reason, result.question.false_alarm_rate
    if reason == "underpowered":
        needed = images_needed(LARGEST_UNSEEN, rate)
        return (
            "underpowered, too few patients for a negative to mean anything; "
            f"about {needed} judged and {needed} unused ones would do."
        )
    if reason == "uncalibrated":
        needed = int(np.ceil(1 / rate - 1 - 1e-9))
        return (
            "uncalibrated, nothing was tested against unused images; a false-alarm rate of "
            f"{rate:g} needs {needed} unused patients."
        )
    if reason == "confounded":
        failed = ", ".join(c.name for c in result.controls if c.state == "failed")
        return f"confounded, the real sets differ by themselves (control {failed})."
    return f"{reason}. {result.verdict.why}"
