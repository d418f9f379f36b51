"""What is said of patients: used, another image of a used patient, or unrelated; one row each."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from vestige.decision.audited import strongest_first
from vestige.judging.cohort import Cohort, Mode
from vestige.judging.judge import Judgement
from vestige.schema.records import Q_LEVEL, Finding, FindingVerdict, PatientFinding, Relation
from vestige.stats.full_conformal import scored_groups
from vestige.stats.patients import Carrier, test_patients

UNTESTED: tuple[None, Literal[""]] = None, ""


def relate(findings: Sequence[Finding], cohort: Cohort, mode: Mode) -> tuple[Finding, ...]:
    """Say of each query whether its patient has known used images.

    "Unrelated" means that none is known. In release mode, and without known used images, there is
    nothing to tell apart.
    """
    if mode == "release" or not cohort.known_used.any():
        return tuple(findings)
    used = set(map(str, cohort.groups[cohort.known_used]))
    told: dict[bool, Relation] = {True: "same patient used", False: "unrelated"}
    return tuple(replace(f, relation=told[f.group in used]) for f in findings)


def judge_patients(
    cohort: Cohort,
    judgement: Judgement,
    findings: Sequence[Finding],
    false_alarm_rate: float,
    vetoed: bool,
    copied: Collection[str] = (),
) -> tuple[PatientFinding, ...]:
    """One row per target patient, the worst image first; none where nobody has several images.

    p-values are of `vestige.stats.patients`, q-values those of the images (one per patient). Images
    whose answer is known already take no part in either. The verdict is "used" for patients of whom
    there is a copy, whatever p-value and checks say, of whom a used image is known, or whose q is
    at most `Q_LEVEL`.
    """
    if len(np.unique(cohort.groups)) == len(cohort.groups):
        return ()
    tests = _tests(cohort, judgement)
    known = {str(cohort.groups[row]) for row, status in cohort.resolved.items() if status == "used"}
    told = []
    for own in _by_patient(findings).values():
        name = own[0].group
        p, carried = tests.get(name, UNTESTED)
        verdict: FindingVerdict = "used" if name in known else "no evidence"
        q = next((f.q_value for f in own if f.q_value is not None), None)
        if name in copied or (q is not None and q <= Q_LEVEL and not vetoed):
            verdict = "used"
        elif name not in known and any(f.verdict == "uncalibrated" for f in own):
            verdict = "uncalibrated"
        told.append(
            PatientFinding(
                patient=name,
                images=len(own),
                called_used=sum(f.verdict == "used" for f in own),
                p_value=p,
                q_value=q,
                verdict=verdict,
                relation=own[0].relation,
                carried_by=carried,
                stands_out=p is not None and p <= false_alarm_rate and not vetoed,
                copied=name in copied,
            )
        )
    return tuple(told)


def _by_patient(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """Patient -> their findings, in the order of the strongest image of each."""
    patients: dict[str, list[Finding]] = {}
    for finding in strongest_first(findings):
        patients.setdefault(finding.group, []).append(finding)
    return patients


def _tests(cohort: Cohort, judgement: Judgement) -> dict[str, tuple[float, Carrier]]:
    """Patient -> p-value and what carried it, of those with an image to test."""
    said = judgement.images
    open_ = cohort.targets & ~cohort.answered
    if said is None or not open_.any():
        return {}
    scored = scored_groups(said.z, said.models, open_, cohort.unused, cohort.group_index)
    tests = test_patients(scored, cohort.group_index)
    names = {
        int(unit): str(name) for unit, name in zip(cohort.group_index, cohort.groups, strict=True)
    }
    rows = zip(tests.names, tests.p_values, tests.carried_by, strict=True)
    return {names[int(k)]: (float(p), carried) for k, p, carried in rows}
