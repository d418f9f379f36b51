"""The patients of the annex: the worst cases, and subgroups with exact bounds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from vestige.decision.audited import Audited, named_groups, strongest_first
from vestige.decision.decide import TARGET_ROLES
from vestige.images.patient_ids import folded
from vestige.images.tables import (
    GROUP_COLUMNS,
    LIST_COLUMNS,
    column,
    column_name,
    read_rows,
    without_suffix,
    written,
)
from vestige.registry.entries import InputError
from vestige.report import annex_words as said
from vestige.report import words
from vestige.report.annex_context import Subgroups
from vestige.schema.records import Word, planted_levels
from vestige.stats.bounds import copied_share_bound

LEAST_SHOWN = 5
"""Patients that a value must have to be shown by itself where no names are shown."""
MOST_VALUES = 40
"""Values of one column: more are numbers that should be bands, or names."""


@dataclass(frozen=True)
class TargetPatient:
    """A target patient: what is said of them, and their images.

    p_value, q_value : None where their answer is known or no p-value could be computed
    """

    name: str
    word: Word
    p_value: float | None
    q_value: float | None
    ids: tuple[str, ...]
    copied: bool
    named: bool
    stands_out: bool


@dataclass(frozen=True)
class Subgroup:
    """Target patients that share a value, and how many of them are exposed.

    at_most : the largest share of whom an unchanged copy can be there, 0..1 (95 % confidence); None
        where the audit does not see unchanged copies
    """

    column: str
    value: str
    patients: int
    copied: int
    named: int
    stands_out: int
    at_most: float | None


def target_patients(result: Audited) -> tuple[TargetPatient, ...]:
    """Every target patient, in the order of the strongest image of each."""
    own: dict[str, list[int]] = {}
    ordered = strongest_first(result.findings)
    for k, finding in enumerate(ordered):
        own.setdefault(finding.group, []).append(k)
    rows = {p.patient: p for p in result.patients}
    named = named_groups(result.findings, result.patients)
    copied = {copy.group for copy in result.copies if copy.role in TARGET_ROLES}
    made = []
    for name, places in own.items():
        images = [ordered[k] for k in places]
        row = rows.get(name, images[0])
        made.append(
            TargetPatient(
                name=name,
                word=row.word,
                p_value=row.p_value,
                q_value=row.q_value,
                ids=tuple(f.id for f in images),
                copied=name in copied,
                named=name in named,
                stands_out=row.stands_out,
            )
        )
    return tuple(made)


def subgroups(
    result: Audited,
    patients: Sequence[TargetPatient],
    asked: Subgroups,
    folder: Path,
    small: bool = False,
) -> tuple[Subgroup, ...]:
    """Counts and bounds of every subgroup, by patient.

    Parameters
    ----------
    patients : of the result, as of `target_patients`
    asked : the table, and its columns (all but those of names where none are given)
    folder : in which the table lies
    small : whether values of fewer than `LEAST_SHOWN` patients stand by themselves

    Returns
    -------
    tuple of Subgroup
        Column by column, the most frequent value first; empty without a table.

    Raises
    ------
    InputError
        For a table that cannot be read, lacks a column or lists no patient of the result, and for a
        redacted result.
    """
    if asked.table is None:
        return ()
    if result.manifest.options.get("redacted") is True:
        raise InputError("this result is redacted, so no subgroup can be told: give the original.")
    table = folder / asked.table
    told = _values_of(table, asked.columns, patients)
    found: list[Subgroup] = []
    for name, values in told.items():
        counts = Counter(values)
        if not small:
            values = [_shown(value, counts[value]) for value in values]
            counts = Counter(values)
        for value, _ in sorted(counts.items(), key=lambda one: (_last(one[0]), -one[1], one[0])):
            of = [p for p, own in zip(patients, values, strict=True) if own == value]
            found.append(_counted(result, words.name(name, 40), words.name(value, 60), of))
    return tuple(found)


def _shown(value: str, patients: int) -> str:
    rare = patients < LEAST_SHOWN and value not in (said.UNLISTED, said.SEVERAL)
    return said.SMALL.format(least=LEAST_SHOWN) if rare else value


def _last(value: str) -> bool:
    return value in (said.UNLISTED, said.SEVERAL, said.SMALL.format(least=LEAST_SHOWN))


def _counted(result: Audited, name: str, value: str, patients: Sequence[TargetPatient]) -> Subgroup:
    copied = sum(p.copied for p in patients)
    return Subgroup(
        column=name,
        value=value,
        patients=len(patients),
        copied=copied,
        named=sum(p.named for p in patients),
        stands_out=sum(p.stands_out for p in patients),
        at_most=_at_most(result, copied, len(patients)),
    )


def _at_most(result: Audited, copied: int, patients: int) -> float | None:
    """The bound of `vestige.stats.bounds` for unchanged copies, of these patients alone."""
    calibration = set(result.calibration.groups)
    one = next((x for x in planted_levels(result.checks) if x.level == "verbatim"), None)
    if one is None or not one.sources or "verbatim" in result.decision.missed or not calibration:
        return None
    beyond = {copy.group for copy in result.copies if copy.role == "unused"} & calibration
    return copied_share_bound(
        copied, patients, len(beyond), len(calibration), one.named, one.sources
    )


def _values_of(
    table: Path, columns: Sequence[str] | None, patients: Sequence[TargetPatient]
) -> dict[str, list[str]]:
    """Column -> the value of each patient."""
    rows = read_rows(table)
    header = rows[0] if rows else []
    try:
        by_patient, by_image = column(header, GROUP_COLUMNS, 0), column(header, LIST_COLUMNS, 0)
    except InputError as error:
        raise InputError(f"{table.name} {error.for_command}.") from error
    key = by_patient if by_patient is not None else by_image
    if key is None:
        raise InputError(
            f"{table.name} has no column for patients (patient) or images (id): name one so."
        )
    chosen = _columns(table, header, columns, {by_patient, by_image})
    own = [_keys(p, by_patient is not None) for p in patients]
    listed = _rows_by(rows, key, by_patient is not None)
    if patients and not any(name in listed for keys in own for name in keys):
        raise InputError(
            f"{table.name} lists none of the {len(patients):,} target patients of the result: its "
            f"column {header[key]} must hold the names that the audit used."
        )
    told: dict[str, list[str]] = {}
    for name, place in chosen.items():
        told[name] = [_one_value(listed, keys, place) for keys in own]
        if (many := len(set(told[name]))) > MOST_VALUES:
            raise InputError(
                f"{table.name}: the column {name} has {many:,} different values, at most "
                f"{MOST_VALUES} make subgroups: give bands, or leave the column out."
            )
    return told


def _columns(
    table: Path, header: Sequence[str], asked: Sequence[str] | None, names: set[int | None]
) -> dict[str, int]:
    known = {column_name(cell): k for k, cell in enumerate(header) if k not in names and cell}
    if asked is None:
        if not known:
            raise InputError(f"{table.name} has no column beside that of the names: add one.")
        return {header[k]: k for k in known.values()}
    for name in asked:
        if column_name(name) not in known:
            near = get_close_matches(column_name(name), known, n=1)
            meant = f" (did you mean {near[0]}?)" if near else ""
            raise InputError(
                f"{table.name} has no column {name}{meant}. It has: {', '.join(known) or 'none'}."
            )
    return {name: known[column_name(name)] for name in asked}


def _rows_by(rows: Sequence[list[str]], key: int, patient: bool) -> Mapping[str, list[list[str]]]:
    found: dict[str, list[list[str]]] = {}
    for row in rows[1:]:
        if key < len(row) and row[key]:
            name = folded(row[key]) if patient else without_suffix(written(row[key]))
            found.setdefault(name, []).append(row)
    return found


def _keys(patient: TargetPatient, by_patient: bool) -> tuple[str, ...]:
    if by_patient:
        return (folded(patient.name),)
    return tuple(without_suffix(written(id_)) for id_ in patient.ids)


def _one_value(listed: Mapping[str, list[list[str]]], keys: Sequence[str], place: int) -> str:
    values = {
        row[place] if place < len(row) and row[place] else said.UNLISTED
        for key in keys
        for row in listed.get(key, ())
    } or {said.UNLISTED}
    values = values - {said.UNLISTED} or values
    return values.pop() if len(values) == 1 else said.SEVERAL
