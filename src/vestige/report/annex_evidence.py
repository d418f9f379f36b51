"""The parts of the annex that the audit gives: criteria, worst case, residual risk, checks."""

from collections.abc import Sequence

from vestige.decision.audited import Audited
from vestige.decision.sentences import (
    LEVELS,
    missed_text,
    most_by_chance,
    p_values_hold,
    rounded_up,
    unit_of,
    upper_text,
)
from vestige.images.kinds import told_of
from vestige.report import annex_words as said
from vestige.report import words
from vestige.report.annex_fields import audited, field_table
from vestige.report.annex_patients import Subgroup, TargetPatient
from vestige.report.blocks import Block, Row, Section, Table, Text
from vestige.report.kinds import kind_of_result
from vestige.schema.records import Check

MOST_WORST = 8
MOST_SUBGROUPS = 12
"""Rows of the tables of section 9 in the document itself."""


def criteria(result: Audited) -> Section:
    """(6) Criterion, evidence, what is not covered."""
    missed = missed_text(result.decision)
    left = f"{missed} {said.SINGLING_OUT_LEFT}" if missed else said.SINGLING_OUT_LEFT
    rows = (
        Row((said.SINGLING_OUT, _singling_out(result), told_of(kind_of_result(result), left))),
        Row((said.LINKABILITY, _linkability(result), said.LINKABILITY_LEFT)),
        Row((said.INFERENCE, said.INFERENCE_EVIDENCE, said.INFERENCE_LEFT)),
    )
    table = Table(said.CRITERIA_HEAD, rows, short=(0,))
    return Section("criteria", said.SECTIONS["criteria"], (Text(said.CRITERIA), table))


def _singling_out(result: Audited) -> str:
    facts = result.decision.facts
    if result.copy_search is None:
        told = [said.COPIES_NOT_SEARCHED]
    elif not result.copies:
        told = [said.COPIES_NONE]
    else:
        generated = len({c.generated for c in result.copies})
        real = len({(c.role, c.real) for c in result.copies})
        are = "is a copy" if generated == 1 else "are copies"
        told = [
            f"{words.plural(generated, 'generated image')} {are} of "
            f"{words.plural(real, 'real image')}."
        ]
    if result.chance is None or not p_values_hold(facts):
        return f"{told[0]} {said.SINGLING_OUT_NO_P}"
    unit = unit_of(facts)
    can = words.plural(facts.named_patients, unit)
    stand = words.plural(facts.stand_out, unit)
    stand += " stands" if facts.stand_out == 1 else " stand"
    told.append(
        f"By statistics, {can} can be named, and {stand} out where chance explains "
        f"{most_by_chance(facts)}."
    )
    return " ".join(told)


def _linkability(result: Audited) -> str:
    rows = result.patients
    several = [p for p in rows if p.images > 1]
    if not several:
        return said.ONE_IMAGE_EACH if result.question.patient_ids else said.NO_PATIENTS
    used = sum(p.word in ("copy", "named", "known used") for p in several)
    of = f"{used:,} of {words.plural(len(several), 'patient')} with several images"
    are = "is" if used == 1 else "are"
    return (
        f"All images of a patient were judged together: {of} {are} copied, named or known to be "
        "used."
    )


def worst(
    result: Audited, patients: Sequence[TargetPatient], groups: Sequence[Subgroup], names: bool
) -> Section:
    """(9) The patients with the strongest evidence, and subgroups."""
    if not patients:
        blocks: list[Block] = [Text(said.WORST_NONE)]
    else:
        blocks = [Text(said.WORST)]
        if not result.calibration.groups:
            blocks.append(Text(said.WORST_UNCALIBRATED, "box"))
        elif not p_values_hold(result.decision.facts):
            blocks.append(Text(said.WORST_NO_P, "box"))
        blocks.append(_worst_table(result, patients, names))
    if not groups:
        blocks.append(Text(said.SUBGROUPS_NONE))
        return Section("worst", said.SECTIONS["worst"], tuple(blocks))
    blocks.append(Text(said.SUBGROUPS))
    blocks.append(subgroup_table(groups[:MOST_SUBGROUPS]))
    if len(groups) > MOST_SUBGROUPS:
        blocks.append(Text(said.SUBGROUPS_MORE))
    return Section("worst", said.SECTIONS["worst"], tuple(blocks))


def _worst_table(result: Audited, patients: Sequence[TargetPatient], names: bool) -> Table:
    hold = p_values_hold(result.decision.facts)
    rows = []
    for rank, one in enumerate(patients[:MOST_WORST], start=1):
        p, q = (one.p_value, one.q_value) if hold else (None, None)
        cells = (
            f"{rank} of {len(patients):,}",
            str(one.word),
            words.p_text(p),
            words.p_text(q),
            f"{len(one.ids):,}",
        )
        rows.append(Row((*cells, words.name(one.name, 60)) if names else cells))
    head = (*said.WORST_HEAD, "Patient") if names else said.WORST_HEAD
    return Table(head, tuple(rows), numeric=(2, 3, 4), short=(0, 1))


def subgroup_table(groups: Sequence[Subgroup]) -> Table:
    """Subgroups with their counts and bounds."""
    rows = tuple(
        Row(
            (
                f"{one.column}: {one.value}",
                f"{one.patients:,}",
                f"{one.copied:,}",
                f"{one.named:,}",
                f"{one.stands_out:,}",
                "–" if one.at_most is None else words.percent(one.at_most),
            )
        )
        for one in groups
    )
    return Table(said.SUBGROUPS_HEAD, rows, numeric=(1, 2, 3, 4, 5))


def risk(result: Audited) -> Section:
    """(10) What may be there although it was not found, with bounds and missed levels."""
    lead = {
        "closed": said.RISK_CLOSED,
        "open": said.RISK_OPEN,
        "undecided": said.RISK_UNDECIDED,
    }[result.decision.gate]
    if why := _void(result):
        lead = said.RISK_VOID.format(why=why)
    rows = [] if why else _bounds(result)
    rows.append(audited(said.AUDITED["missed"], _missed(result)))
    table = field_table(rows)
    return Section("risk", said.SECTIONS["risk"], (Text(lead), table))


def _void(result: Audited) -> str:
    facts = result.decision.facts
    if facts.checks:
        return said.WHY_CHECK
    if facts.part_of:
        return said.WHY_PART
    return "" if result.set_test else said.WHY_UNCALIBRATED


def _bounds(result: Audited) -> list[Row]:
    rows, test, bounds = [], result.set_test, result.bounds
    if test is not None:
        low = words.interval(test.auc.low, test.auc.high)
        told = f"{test.auc.value:.2f} (95 % interval {low}; guessing gives 0.50)"
        rows.append(audited(said.AUDITED["auc"], told))
        smallest = f"{rounded_up(test.minimum_detectable_auc)} in four of five such audits"
        rows.append(audited(said.AUDITED["smallest"], smallest))
    if bounds is not None:
        limit = result.question.max_auc
        below = "below" if bounds.auc_upper < limit else "not below"
        upper = upper_text(bounds.auc_upper, limit)
        told = f"{upper} (95 % confidence), {below} the limit of {limit:g}"
        rows.append(audited(said.AUDITED["upper"], told))
        for one in bounds.copied_shares:
            if one.level == "verbatim":
                told = f"at most {words.percent(one.share)} of the patients (95 % confidence)"
                rows.append(audited(said.AUDITED["unchanged"], told))
        told = f"up to {words.percent(bounds.exposed_share)} of the patients"
        rows.append(audited(said.AUDITED["exposed"], told))
    if (epsilon := result.epsilon) is not None:
        told = f"at least {epsilon.by_auc:.2f} by the AUC and {epsilon.by_pairs:.2f} by pairs "
        told += f"(delta {epsilon.delta:g}). {said.NO_UPPER_EPSILON}"
        rows.append(audited(said.AUDITED["epsilon"], told))
    return rows


def _missed(result: Audited) -> str:
    if not result.levels:
        return said.NOT_PLANTED
    missed = missed_text(result.decision) or said.MISSED_NONE
    return told_of(kind_of_result(result), missed)


def checks(result: Audited) -> Section:
    """(11) The checks, how they ended, and what a failure means."""
    if not result.checks:
        return Section("checks", said.SECTIONS["checks"], (Text(said.CHECKS_NONE, "box"),))
    rows = tuple(
        Row(
            (
                check.name,
                "FAILED" if check.state == "failed" else check.state,
                check.question or "–",
                _failure(check, result),
            ),
            "caution" if check.state == "failed" else "",
        )
        for check in result.checks
    )
    table = Table(said.CHECKS_HEAD, rows, short=(0, 1))
    return Section("checks", said.SECTIONS["checks"], (Text(said.CHECKS), table))


def _failure(check: Check, result: Audited) -> str:
    told = said.FAILURES.get(check.name, said.FAILURE_BY_EFFECT[check.takes_back])
    whom = "training images" if result.question.mode == "release" else "queried images"
    return told.format(whom=whom)


def levels_table(result: Audited) -> Table:
    """Planted copies by degradation level, for the appendix."""
    bounds = result.bounds
    shares = {one.level: one.share for one in bounds.copied_shares} if bounds else {}
    rows = tuple(
        Row(
            (
                told_of(kind_of_result(result), LEVELS[one.level]),
                f"{one.named:,} of {one.sources:,}",
                words.percent(shares[one.level]) if one.level in shares else "–",
                said.LEVEL_MISSED if one.level in result.decision.missed else said.LEVEL_SEEN,
            )
        )
        for one in result.levels
    )
    return Table(said.LEVELS_HEAD, rows, numeric=(1, 2), short=(3,))
