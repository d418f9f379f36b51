"""What stands beside the set test: validity checks that can veto, published measures, evidence."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from vestige.auditing.cache_keys import answers_kept
from vestige.auditing.gathering import Gathered
from vestige.auditing.manifest import Clock
from vestige.auditing.request import Request
from vestige.auditing.scoring import Judged
from vestige.checks import ALWAYS, CHECKS, CHECKS_OFF, Comparison, compare, run_named_checks
from vestige.checks.preparation import (
    candidates_and_calibration,
    compare_sets,
    mismatch_problems,
    without_patients,
)
from vestige.checks.rerun import AuditRerun, open_rerun
from vestige.engine.machine import side_by_side
from vestige.judging.findings import find_evidence
from vestige.measures import MAX_GENERATED, SetComparison, measure_sets
from vestige.schema.records import Check, PreparationComparison, Problem, SetMeasure
from vestige.scoring.columns import Scored, notes_of
from vestige.scoring.score_cache import array_of, rows_of
from vestige.types import Floats, Progress


@dataclass(frozen=True)
class Checked:
    """What was found beside the set test.

    preparation : how the sets compare as stored
    nearest : [2, n, k], see `vestige.judging.findings.find_evidence`
    """

    preparation: tuple[PreparationComparison, ...]
    checks: tuple[Check, ...]
    measures: tuple[SetMeasure, ...]
    nearest: Floats
    problems: tuple[Problem, ...]

    @property
    def spoilt(self) -> bool:
        """Whether a check failed that spares nothing."""
        return any(c.spoils for c in self.checks)


def run_checks(
    request: Request, gathered: Gathered, scored: Scored, judged: Judged, clock: Clock
) -> Checked:
    """Experiments with a known answer and, a core each, measures of the set and evidence."""
    kept = scored.ready.kept
    with clock.stage("preparation"):
        preparation = _compare(request, gathered)
        rerun = open_rerun(
            scored, gathered.cohort, gathered.candidates, gathered.sets, gathered.labels
        )
        alike = candidates_and_calibration(preparation, request.mode)
        said = answers_kept(kept, rerun, judged.test, alike, request.options, judged.copies.search)
    run = partial(_run_checks, request, rerun, judged, alike, clock)
    measure = partial(_measure, request, gathered, judged)
    find = partial(find_evidence, scored.fitted, gathered.cohort, gathered.sets["generated"])
    with clock.stage("side by side"):
        checks, measures, nearest = side_by_side(
            clock.timed("checks", partial(rows_of, said, Check, "checks", run)),
            clock.timed("measures", partial(rows_of, said, SetMeasure, "measures", measure)),
            clock.timed("evidence", partial(array_of, kept, "evidence", find)),
        )
    problems = [*notes_of(scored.fitted), *mismatch_problems(preparation, request.mode)]
    problems += [] if request.options.checks else [CHECKS_OFF]
    return Checked(preparation, checks, measures, nearest, tuple(problems))


def _compare(request: Request, gathered: Gathered) -> tuple[PreparationComparison, ...]:
    options = request.options
    preparation = compare_sets(
        gathered.sets, gathered.labels, gathered.cohort, gathered.candidates, request.mode,
        options.harmonize, options.seed,
    )  # fmt: skip
    guessed = gathered.grouping.guessed
    return without_patients(preparation, gathered.as_read) if guessed else preparation


def _run_checks(
    request: Request,
    rerun: AuditRerun,
    judged: Judged,
    alike: PreparationComparison | None,
    clock: Clock,
) -> tuple[Check, ...]:
    if judged.test is None:
        return ()
    options, search = request.options, judged.copies.search
    comparison = compare(
        rerun, judged.test, options.false_alarm_rate, options.seed, alike,
        partial(judged.copies.named, more=rerun.reference),
        ("verbatim", *(("mirrored",) if "mirrored" in search.views else ())),
    )  # fmt: skip
    names = tuple(CHECKS) if options.checks else ALWAYS
    return _run(comparison, names, request.progress, clock)


def _run(
    comparison: Comparison, names: Sequence[str], progress: Progress, clock: Clock
) -> tuple[Check, ...]:
    """Those that repeat the audit beside those that do not, a core each; in the order of names."""

    def done(name: str, seconds: float) -> None:
        clock.add(f"check {name}", seconds)
        progress("checks", names.index(name) + 1, len(names))

    progress("checks", 0, len(names))
    parts = [tuple(n for n in names if (n in ALWAYS) == always) for always in (True, False)]
    rows = side_by_side(
        *(partial(run_named_checks, comparison, done, part) for part in parts if part)
    )
    return tuple(sorted(itertools.chain(*rows), key=lambda row: names.index(row.name)))


def _measure(request: Request, gathered: Gathered, judged: Judged) -> tuple[SetMeasure, ...]:
    if judged.test is None:
        return ()
    cohort, candidates, generated = gathered.cohort, gathered.candidates, gathered.sets["generated"]
    rows = candidates | cohort.calibration
    # by digest: a part that the order and the names of the files do not choose
    part = sorted(range(len(generated)), key=generated.sha256.__getitem__)[:MAX_GENERATED]
    images, sides = (
        generated.pixels[part],
        (cohort.images[rows], candidates[rows], cohort.group_index[rows]),
    )
    seed = request.options.seed
    return measure_sets(SetComparison(images, *sides, seed, n_generated=len(generated)))
