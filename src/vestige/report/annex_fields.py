"""The parts of the annex that the controller states: what context.toml says, key by key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from vestige.decision.audited import Audited
from vestige.report import annex_words as said
from vestige.report import words
from vestige.report.annex_context import Context, Generator
from vestige.report.blocks import Row, Section, Table

SHORT = 240
"""Characters of a statement in the document itself; a longer one stands in the appendix."""
FIELD_HEAD = ("", "", "")
BY_AUDIT, BY_CONTROLLER = "audit", "stated"


@dataclass
class Notes:
    """Statements that are too long for the first four pages, in the order of the document."""

    told: list[tuple[str, str]] = field(default_factory=list)

    def short(self, label: str, text: str) -> str:
        """The statement, or its beginning and where the whole of it stands."""
        if len(text) <= SHORT:
            return text
        self.told.append((label, text))
        start = text[: SHORT - 60].rstrip()
        return said.SEE_NOTE.format(start=start, number=len(self.told))


def audited(label: str, value: str) -> Row:
    """A row that comes from the audit."""
    return Row((label, value, BY_AUDIT))


def field_table(rows: list[Row]) -> Table:
    """Labels, values, and where each value comes from."""
    return Table(FIELD_HEAD, tuple(rows))


def stated(context: Context, notes: Notes, *keys: str) -> list[Row]:
    """One row for each key of context.toml; "not stated" where nothing is."""
    return [_row(notes, said.LABELS[key], _value(context, key)) for key in keys]


def _row(notes: Notes, label: str, value: Any) -> Row:
    text = _told(value)
    if text is None:
        return Row((label, said.NOT_STATED, ""))
    return Row((label, notes.short(label, text), BY_CONTROLLER))


def _value(context: Context, key: str) -> Any:
    table, _, name = key.partition(".")
    return getattr(getattr(context, table), name)


def _told(value: Any) -> str | None:
    if isinstance(value, bool) or value is None:
        return said.yes_or_no(value)
    if isinstance(value, date):
        return said.day(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def document(result: Audited, context: Context, notes: Notes) -> Section:
    """(1) Who, when and why."""
    names = ("institution", "controller", "auditor", "contact", "date", "purpose", "version")
    keys = [f"document.{name}" for name in (*names, "next_review")]
    made = result.manifest
    when = f"{said.day_of(made.started)}, with vestige {made.vestige}"
    rows = [*stated(context, notes, *keys), audited(said.AUDITED["made_on"], when)]
    return Section("document", said.SECTIONS["document"], (field_table(rows),))


def data_set(result: Audited, context: Context, notes: Notes) -> Section:
    """(2) What is to be released, and what of it was audited."""
    names = ("name", "version", "doi", "licence", "images", "sha256")
    rows = stated(context, notes, *(f"data_set.{name}" for name in names))
    looked, whole = result.question.counts.get("generated", 0), context.data_set.images
    told = f"{looked:,}"
    if whole is not None and whole != looked:
        told += said.NOT_WHOLE.format(whole=f"{whole:,}")
    rows.append(audited(said.AUDITED["images"], told))
    unread = next((one for one in result.unread if one.role == "generated"), None)
    if unread is not None and unread.unread:
        rows.append(audited(said.AUDITED["unread"], f"{unread.unread:,} of {unread.listed:,}"))
    digest = result.manifest.inputs_sha256.get("generated", said.NOT_STATED)
    rows.append(audited(said.AUDITED["sha256"], digest))
    return Section("data_set", said.SECTIONS["data_set"], (field_table(rows),))


def release(result: Audited, context: Context, notes: Notes) -> Section:
    """(3) Who will get the data set."""
    keys = ("release.access", "release.recipients", "release.other_releases")
    table = field_table(stated(context, notes, *keys))
    return Section("release", said.SECTIONS["release"], (table,))


def generator(result: Audited, context: Context, notes: Notes) -> Section:
    """(4) How the generator was made."""
    names = ("family", "parameters", "epochs", "training_images", "training_patients")
    rows = stated(context, notes, *(f"generator.{name}" for name in names))
    rows.append(_row(notes, said.LABELS["generator.privacy"], _privacy(context.generator)))
    rows += stated(context, notes, "generator.augmentation", "generator.deduplication")
    return Section("generator", said.SECTIONS["generator"], (field_table(rows),))


def _privacy(made: Generator) -> str | None:
    """Epsilon, delta and unit of differential privacy, "none", or None where nothing is stated."""
    parts = (made.epsilon, made.delta, made.unit)
    if made.differentially_private is False:
        return "none"
    if made.differentially_private is None and all(part is None for part in parts):
        return None
    told = [said.NOT_STATED if v is None else f"{v:g}" for v in parts[:2]]
    return f"epsilon {told[0]}, delta {told[1]}, unit: {made.unit or said.NOT_STATED}"


def split(result: Audited, context: Context, notes: Notes) -> Section:
    """(5) How training images and unused images were drawn."""
    asked, names = result.question, ("by_lot", "by_patient", "dates", "scanners", "description")
    rows = stated(context, notes, *(f"split.{name}" for name in names))
    rows.append(audited(said.AUDITED["reals"], _counts(asked.counts)))
    how = said.PATIENTS_GIVEN if asked.patient_ids else said.PATIENTS_GUESSED
    told = said.PATIENTS.format(groups=f"{asked.groups:,}", how=how)
    rows.append(audited(said.AUDITED["patients"], told))
    return Section("split", said.SECTIONS["split"], (field_table(rows),))


def _counts(counts: Mapping[str, int]) -> str:
    called = {
        "used": "training",
        "query": "queried",
        "unused": "unused",
        "reference": "reference",
    }
    told = [f"{counts[role]:,} {name}" for role, name in called.items() if counts.get(role)]
    return ", ".join(told) or "none"


def attacker(result: Audited, context: Context, notes: Notes) -> Section:
    """(7) What the attacker holds, and what was not tried."""
    rows = [
        audited(said.AUDITED["attacker"], said.ATTACKER_AUDIT),
        *stated(context, notes, "attacker.holds"),
        audited(said.AUDITED["not_tried"], said.ATTACKER_LEFT),
        *stated(context, notes, "attacker.not_tried"),
    ]
    return Section("attacker", said.SECTIONS["attacker"], (field_table(rows),))


def rule(result: Audited, context: Context, notes: Notes) -> Section:
    """(8) The rule, when it was fixed, and how often it was applied before."""
    asked, history = result.question, result.run_history
    text = (
        said.RULE_OPEN.format(limit=f"{asked.max_auc:g}")
        if asked.mode == "release"
        else said.RULE_FORENSIC
    )
    rows = [
        audited(said.AUDITED["rule"], text),
        audited(said.AUDITED["rate"], words.percent(asked.false_alarm_rate)),
    ]
    fixed = stated(context, notes, "rule.fixed_on")
    day = context.rule.fixed_on
    if day is not None and day.isoformat() > result.manifest.started[:10]:
        told = said.RULE_LATE.format(day=said.day(day))
        fixed = [Row((said.LABELS["rule.fixed_on"], told, BY_CONTROLLER))]
    rows += [*fixed, *stated(context, notes, "rule.fixed_where", "rule.earlier_runs")]
    known = None if history is None else history.runs_before
    rows.append(
        audited(
            said.AUDITED["earlier"],
            said.EARLIER_UNKNOWN if known is None else f"{known:,}",
        )
    )
    return Section("rule", said.SECTIONS["rule"], (field_table(rows),))
