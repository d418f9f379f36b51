"""The evidence of several sites becomes the evidence of one audit, on which one decision rests."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from vestige.decision.audited import named_groups
from vestige.decision.decide import TARGET_ROLES, corrected_p, criteria, levels_missed
from vestige.decision.records import Bounds, Chance, Code, CopiedShare, Copy, Evidence
from vestige.schema.records import (
    Q_LEVEL,
    Check,
    CheckState,
    Estimate,
    Finding,
    PatientFinding,
    PlantedLevel,
    RunHistory,
    SetTest,
)
from vestige.sites.agreeing import Given
from vestige.stats.bounds import copied_share_bound, exposed_share
from vestige.stats.sites import combined_p, shared_q, stratified, worth

SPOILS: tuple[Code, ...] = (
    *("copies_of_unused", "copies_of_reference", "generated_unread", "files_not_reached"),
    *("unread_unequal", "prepared_unlike", "check_failed", "finding_not_specific"),
    *("patients_guessed", "selected_part"),
)
"""What takes back the p-values of a site."""
WORST: tuple[CheckState, ...] = ("failed", "not possible", "passed", "not needed")


def set_aside(site: Given) -> tuple[Code, ...]:
    """Why the p-values of a site do not count; () where they do.

    That looks at the p-value of the site only where it is small, and then only to leave it out, so
    the p-values that are left are no smaller than chance makes them.
    """
    told = (code for one in criteria(site.result.evidence) for code in one.codes)
    return tuple(dict.fromkeys(code for code in told if code in SPOILS))


def site_p(site: Given) -> float:
    """The p-value of a site, corrected for its earlier runs."""
    p = corrected_p(site.test, site.result.run_history)
    return site.test.p_value if p is None else p


def patients_of(site: Given) -> tuple[int, int]:
    """Target patients and unused patients of a site."""
    told = site.result.evidence
    return told.targets, told.unused_groups


def weight_of(site: Given) -> float:
    """What a site counts, by its numbers of patients alone."""
    return worth(*patients_of(site))


def target_copies(site: Given) -> tuple[Copy, ...]:
    """Copies of images that the site judges."""
    return tuple(copy for copy in site.result.copies if copy.role in TARGET_ROLES)


def combine_tests(counted: Sequence[Given]) -> SetTest | None:
    """One test of the sites that count; the smallest AUC and share are those of the best site."""
    if not counted:
        return None
    tests, weights = [one.test for one in counted], [weight_of(one) for one in counted]
    values = [test.auc.value for test in tests]
    value, low = stratified(values, [test.auc.low for test in tests], weights)
    _, high = stratified(values, [test.auc.high for test in tests], weights)
    ps = [site_p(one) for one in counted]
    return SetTest(
        candidates=tests[0].candidates,
        auc=Estimate(value, low, high, sum(test.auc.n for test in tests)),
        p_value=combined_p(ps, weights),
        minimum_detectable_auc=min(test.minimum_detectable_auc for test in tests),
        carried_by=tests[int(np.argmin(ps))].carried_by,
        minimum_detectable_share=min(test.minimum_detectable_share for test in tests),
    )


def judge_patients(
    sites: Sequence[Given], aside: Mapping[str, object]
) -> dict[str, tuple[PatientFinding, ...]]:
    """Site -> its patients, with q-values that allow for all patients of all sites that count.

    Names fall back to what else is said of a patient where the new q is above `Q_LEVEL`; of a site
    that is set aside only copies and known answers are left.
    """
    own = {one.name: _patients(one) for one in sites}
    asked = {
        name: [p for p in rows if p.q_value is not None] if name not in aside else []
        for name, rows in own.items()
    }
    shared = shared_q([np.array([p.q_value for p in rows], np.float64) for rows in asked.values()])
    q = {
        (name, p.patient): float(value)
        for (name, rows), values in zip(asked.items(), shared, strict=True)
        for p, value in zip(rows, values, strict=True)
    }
    return {
        name: tuple(_again(p, q.get((name, p.patient)), name in aside) for p in rows)
        for name, rows in own.items()
    }


def merge(
    sites: Sequence[Given],
    counted: Sequence[Given],
    test: SetTest | None,
    named: int,
) -> Evidence:
    """Evidence of all sites: copies are facts of each, p-values, checks and files of those counted.

    Copies of unused images, which contradict the roles, are told beside copies of targets only: a
    site that has them without any is set aside.
    """
    first = sites[0].result.evidence
    told = [one.result.evidence for one in counted]
    chances = [one.chance for one in told if one.chance is not None]
    copied = any(target_copies(one) for one in sites)
    checks, levels = merged_checks(told), merged_levels(told)
    return replace(
        first,
        patient_ids=all(one.result.question.patient_ids for one in sites),
        targets=sum(patients_of(one)[0] for one in sites),
        unused_groups=sum(patients_of(one)[1] for one in sites),
        copies=tuple(copy for one in sites for copy in _own_copies(one)) if copied else (),
        unread=tuple(unread for one in told for unread in one.unread),
        unlike=None,
        checks=checks,
        test=test,
        run_history=_merged_runs(counted, test),
        chance=Chance(sum(c.patients for c in chances), sum(c.most for c in chances))
        if chances
        else None,
        named_patients=named,
        levels=levels,
        bounds=_merged_bounds(counted, test, levels),
        joined=max((one.joined for one in told), default=0.0),
    )


def merged_checks(told: Sequence[Evidence]) -> tuple[Check, ...]:
    """Each check as it ended where it ended worst."""
    found: dict[str, Check] = {}
    for check in (check for one in told for check in one.checks):
        known = found.get(check.name)
        if known is None or WORST.index(check.state) < WORST.index(known.state):
            found[check.name] = check
    return tuple(found.values())


def merged_levels(told: Sequence[Evidence]) -> tuple[PlantedLevel, ...]:
    """Planted copies of all sites, by degradation level."""
    found: dict[str, PlantedLevel] = {}
    for level in (level for one in told for level in one.levels):
        known = found.get(level.level)
        found[level.level] = level if known is None else replace(
            level,
            sources=known.sources + level.sources,
            found=known.found + level.found,
            named=known.named + level.named,
        )  # fmt: skip
    return tuple(found.values())


def _merged_runs(counted: Sequence[Given], test: SetTest | None) -> RunHistory | None:
    """Earlier runs of the site with most; p-values are corrected for those of their own site."""
    told = [(one, one.result.run_history) for one in counted]
    again = [(one, history) for one, history in told if history and history.runs_before]
    if test is None or not again:
        return None
    smallest = [one.test.p_value for one, _ in again]
    smallest += [h.smallest_before for _, h in again if h.smallest_before is not None]
    return RunHistory(
        runs_before=max(history.runs_before or 0 for _, history in again),
        option_sets=max(history.option_sets for _, history in again),
        columns=max(history.columns for _, history in again),
        p_adjusted=test.p_value,
        smallest_before=min(smallest),
    )


def _merged_bounds(
    counted: Sequence[Given], test: SetTest | None, levels: Sequence[PlantedLevel]
) -> Bounds | None:
    """What all sites together may say if nothing is found; None unless each has bounds."""
    bounds = [one.result.bounds for one in counted]
    if test is None or any(one is None for one in bounds):
        return None
    uppers = [one.auc_upper for one in bounds if one is not None]
    values = [one.test.auc.value for one in counted]
    _, upper = stratified(values, uppers, [weight_of(one) for one in counted])
    targets, unused = (sum(both) for both in zip(*map(patients_of, counted), strict=True))
    copied = len({(one.name, copy.group) for one in counted for copy in target_copies(one)})
    missed = levels_missed(levels)
    shares = [
        (one.level, copied_share_bound(copied, targets, 0, unused, one.named, one.sources))
        for one in levels
        if one.level not in missed
    ]
    return Bounds(
        auc_upper=upper,
        exposed_share=exposed_share(test.minimum_detectable_auc),
        copied_shares=tuple(CopiedShare(level, s) for level, s in shares if s is not None),
        patients_needed=None,
    )


def _own_copies(site: Given) -> list[Copy]:
    """Copies with the name of the site before the names of its images and patients.

    Generated images have one name at all sites, but for those whose names are hashed.
    """
    own = f"{site.name}: "
    return [
        replace(
            copy,
            real=own + copy.real,
            group=own + copy.group,
            generated=(own if site.redacted else "") + copy.generated,
        )
        for copy in site.result.copies
    ]


def _patients(site: Given) -> list[PatientFinding]:
    """Target patients; where each is one group of images, what is said of these."""
    if site.result.patients:
        return list(site.result.patients)
    groups: dict[str, list[Finding]] = {}
    for finding in site.result.findings:
        groups.setdefault(finding.group, []).append(finding)
    return [
        PatientFinding(
            patient=name,
            images=len(own),
            called_used=sum(f.verdict == "used" for f in own),
            p_value=own[0].p_value if len(own) == 1 else None,
            q_value=own[0].q_value,
            verdict="used" if any(f.verdict == "used" for f in own) else own[0].verdict,
            relation=own[0].relation,
            stands_out=len(own) == 1 and own[0].stands_out,
            copied=any(f.copied for f in own),
        )
        for name, own in groups.items()
    ]


def _again(patient: PatientFinding, q: float | None, aside: bool) -> PatientFinding:
    """What is said of a patient by the q-value of all sites."""
    if patient.copied or (patient.verdict == "used" and patient.q_value is None):
        return patient
    if aside:
        return replace(patient, q_value=None, verdict="uncalibrated", stands_out=False)
    named = q is not None and q <= Q_LEVEL
    other = "no evidence" if patient.verdict == "used" else patient.verdict
    return replace(patient, q_value=q, verdict="used" if named else other)


def own_names(site: Given) -> int:
    """Patients that the site names by itself."""
    return len(named_groups(site.result.findings, site.result.patients))
