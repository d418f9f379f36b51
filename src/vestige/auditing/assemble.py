"""All that was seen -> what is said of images, patients and the set: the result."""

from dataclasses import dataclass

import numpy as np

from vestige.auditing.checks import Checked
from vestige.auditing.gathering import Gathered
from vestige.auditing.history import Noted
from vestige.auditing.manifest import Clock, write_manifest
from vestige.auditing.options import told_options
from vestige.auditing.request import ROLES, Request
from vestige.auditing.scoring import Judged
from vestige.copies.maps import Maps
from vestige.copies.pictures import draw
from vestige.decision.decide import is_found, vetoing
from vestige.decision.records import Bounds, Epsilon
from vestige.judging.combination import combine
from vestige.judging.findings import make_findings, name_evidence
from vestige.judging.negative import bound_epsilon, bound_negative, by_chance
from vestige.judging.patients import judge_patients, relate
from vestige.judging.release_curve import release_curve
from vestige.result import AuditResult
from vestige.schema.findings import Finding
from vestige.schema.records import (
    Calibration,
    Manifest,
    PatientFinding,
    Question,
    ReleaseCurve,
    planted_levels,
)
from vestige.scoring.columns import Scored


@dataclass(frozen=True)
class Evidence:
    """What an audit was asked, and all that it saw; question: the digest of what was asked."""

    request: Request
    gathered: Gathered
    scored: Scored
    judged: Judged
    checked: Checked
    noted: Noted
    question: str

    @property
    def vetoed(self) -> bool:
        """Whether no p-value of an image or patient counts."""
        run_history = self.noted.run_history
        found = is_found(self.judged.test, run_history, self.request.options.false_alarm_rate)
        return bool(vetoing(self.checked.checks, found)) or run_history.part_of > 0


def assemble(seen: Evidence, clock: Clock) -> AuditResult:
    """Say what was seen; nothing is tested or decided here."""
    request, gathered, judged, checked = seen.request, seen.gathered, seen.judged, seen.checked
    options, cohort, judgement = request.options, gathered.cohort, judged.judgement
    with clock.stage("findings"):
        findings = _findings(seen)
        maps = Maps.of(cohort, gathered.sets["generated"], seen.scored.judges)
        thumbnails = draw(judged.copies.copies, findings, gathered.as_read, maps)
    patients: tuple[PatientFinding, ...] = ()
    if gathered.grouping.patients:
        findings = relate(findings, cohort, request.mode)
        patients = judge_patients(
            cohort, judgement, findings, options.false_alarm_rate, seen.vetoed, judged.copied
        )
    bounds, epsilon = _bounds(seen)
    curve = _curve(seen, clock)
    return AuditResult(
        question=_question(seen),
        findings=findings,
        set_test=judged.test,
        checks=checked.checks,
        problems=(*gathered.problems, *checked.problems, *seen.noted.problems),
        manifest=_manifest(seen, clock),
        calibration=Calibration(
            tuple(id_ for id_, c in zip(cohort.ids, cohort.unused, strict=True) if c),
            tuple(str(g) for g in cohort.groups[cohort.unused]),
            tuple(float(s) for s in judgement.calibration_scores),
        ),
        set_measures=checked.measures,
        patients=patients,
        release_curve=curve,
        preparation=checked.preparation,
        run_history=seen.noted.run_history,
        copies=judged.copies.copies,
        copy_search=judged.copies.search,
        unread=gathered.unread,
        unlike=gathered.unlike,
        chance=by_chance(judgement, cohort, gathered.candidates, options.false_alarm_rate),
        bounds=bounds,
        epsilon=epsilon,
        thumbnails=thumbnails,
    )


def _findings(seen: Evidence) -> tuple[Finding, ...]:
    generated = seen.gathered.sets["generated"]
    return make_findings(
        seen.scored.columns,
        seen.scored.plan,
        seen.gathered.cohort,
        seen.judged.judgement,
        name_evidence(seen.checked.nearest, generated),
        seen.request.options.false_alarm_rate,
        seen.vetoed,
        seen.judged.copies.copies,
    )


def _bounds(seen: Evidence) -> tuple[Bounds | None, Epsilon | None]:
    """What a negative may say; nothing without a test."""
    test, options = seen.judged.test, seen.request.options
    if test is None:
        return None, None
    evidence = (
        seen.scored.columns,
        seen.scored.plan,
        seen.gathered.cohort,
        seen.gathered.candidates,
    )
    combined = combine(*evidence, seen.judged.judgement.stack)
    bounds = bound_negative(
        combined, test, *evidence[2:], seen.judged.copies.copies,
        planted_levels(seen.checked.checks), options.max_auc,
    )  # fmt: skip
    lot = options.assigned_by_lot
    return bounds, bound_epsilon(combine(*evidence, None), options.seed) if lot else None


def _curve(seen: Evidence, clock: Clock) -> ReleaseCurve | None:
    """How much a part of the generated set would give away, if asked."""
    gathered, options = seen.gathered, seen.request.options
    if not options.release_curve:
        return None
    with clock.stage("curve"):
        return release_curve(
            gathered.sets["generated"], gathered.reference, gathered.cohort, gathered.candidates,
            options.max_auc, options.seed, seen.request.progress,
        )  # fmt: skip


def _question(seen: Evidence) -> Question:
    sets, grouping, options = seen.gathered.sets, seen.gathered.grouping, seen.request.options
    return Question(
        mode=seen.request.mode,
        counts={role: len(sets[role]) if role in sets else 0 for role in ROLES},
        groups=len(np.unique(seen.gathered.cohort.groups)),
        groups_from=grouping.source,
        false_alarm_rate=options.false_alarm_rate,
        patient_ids=grouping.patients,
        max_auc=options.max_auc,
    )


def _manifest(seen: Evidence, clock: Clock) -> Manifest:
    gathered, options = seen.gathered, seen.request.options
    told = told_options(
        options, gathered.plan, seen.judged.judgement.combination,
        int(gathered.cohort.images.shape[1]), gathered.preparation,
    )  # fmt: skip
    hashes = {role: images.inputs_sha256 for role, images in gathered.as_read.items()}
    return write_manifest(
        clock, options.seed, told, hashes, seen.scored.weights, gathered.sets["generated"].kind,
        seen.question,
    )  # fmt: skip
