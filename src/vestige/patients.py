"""What is said of patients: used, another image of a used patient, or unrelated; one row each."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from vestige.bag import Bag, Mode
from vestige.detectors.columns import Column
from vestige.judge import Judgement
from vestige.records import Finding, FindingVerdict, PatientFinding, Relation
from vestige.stats.calibration import benjamini_hochberg
from vestige.stats.patients import Rule, patient_p_values, patient_rows
from vestige.types import Floats


def relate(findings: Sequence[Finding], bag: Bag, mode: Mode) -> tuple[Finding, ...]:
    """Say of each query whether its patient has known used images.

    "Unrelated" means that none is known. In release mode, and without known used images, there is
    nothing to tell apart.
    """
    if mode == "release" or not bag.known_used.any():
        return tuple(findings)
    used = set(map(str, bag.groups[bag.known_used]))
    told: dict[bool, Relation] = {True: "same patient used", False: "unrelated"}
    return tuple(replace(f, relation=told[f.group in used]) for f in findings)


def judge_patients(
    columns: Floats,
    plan: Sequence[Column],
    bag: Bag,
    judgement: Judgement,
    findings: Sequence[Finding],
    false_alarm_rate: float,
    vetoed: bool,
    rule: Rule = "mean",
    seed: int = 0,
    copied: Collection[str] = (),
) -> tuple[PatientFinding, ...]:
    """One row per judged patient, in order of the names; none where nobody has several images.

    p-values are of `vestige.stats.patients`, q-values Benjamini-Hochberg over patients. Images
    whose answer is known already take no part in a p-value. Patients of whom there is a copy are
    called used, whatever their p-value and the checks say.
    """
    if len(np.unique(bag.groups)) == len(bag.groups):
        return ()
    p_values = _p_values(columns, plan, bag, judgement, rule, seed)
    names = sorted(p_values)
    q_values = dict(
        zip(names, benjamini_hochberg(np.array([p_values[n] for n in names])), strict=True)
    )
    known = {str(bag.groups[row]) for row, status in bag.settled.items() if status == "used"}
    known |= set(copied)
    told = []
    for name in sorted({f.group for f in findings}):
        own = [f for f in findings if f.group == name]
        p = p_values.get(name)
        verdict: FindingVerdict = "used" if name in known else "no evidence"
        if name not in known and any(f.verdict == "uncalibrated" for f in own):
            verdict = "uncalibrated"
        elif p is not None and p <= false_alarm_rate and not vetoed:
            verdict = "used"
        relation: Relation = own[0].relation
        called = sum(f.verdict == "used" for f in own)
        q = None if p is None else float(q_values[name])
        told.append(PatientFinding(name, len(own), called, p, q, verdict, relation))
    return tuple(told)


def _p_values(
    columns: Floats, plan: Sequence[Column], bag: Bag, judgement: Judgement, rule: Rule, seed: int
) -> dict[str, float]:
    """Patient -> p-value, of those with an image to test."""
    if judgement.p_values is None:
        return {}
    open_ = bag.judged & ~np.isin(np.arange(len(bag.ids)), list(bag.settled))
    known_used = bag.known_used & ~bag.judged
    part = np.select([open_, bag.control, known_used], [1, 2, 3])  # of a patient, one row each
    if not open_.any():
        return {}
    inside = part > 0
    keys = bag.units[inside] * 4 + part[inside]
    rows = patient_rows(columns[inside], keys, rule, seed)
    each = np.unique(keys)
    patients, parts = each // 4, each % 4
    judged, controls = parts == 1, parts == 2
    learned = None
    if judgement.stack is not None:
        learned = (parts == 3) if known_used.any() else judged
    weights = np.array([column.weight for column in plan])
    p_values = patient_p_values(rows, patients, judged, controls, learned, weights)
    names = {int(unit): str(name) for unit, name in zip(bag.units, bag.groups, strict=True)}
    return {names[int(k)]: float(p) for k, p in zip(patients[judged], p_values, strict=True)}
