"""What the controller states for the annex of a board: context.toml, read strictly."""

import math
import os
import re
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time
from importlib import resources
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from vestige.files.toml_file import one_line, read_toml, refuse_unknown, tables_of
from vestige.registry.entries import InputError

Text = str | None
Date = date | None
Count = int | None
Number = float | None
Flag = bool | None

MOST, LONGEST = 160, 2000
"""Characters of one text, and of one of these statements."""
STATEMENTS = frozenset(
    {
        *("document.purpose", "release.recipients", "release.other_releases"),
        *("generator.augmentation", "generator.deduplication"),
        *("split.dates", "split.scanners", "split.description"),
        *("attacker.holds", "attacker.not_tried", "rule.fixed_where"),
        *("measures.access_conditions", "measures.other"),
    }
)
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class Document:
    """Who made the document, when and why."""

    title: Text = None
    institution: Text = None
    controller: Text = None
    auditor: Text = None
    contact: Text = None
    date: Date = None
    purpose: Text = None
    version: Text = None
    next_review: Date = None


@dataclass(frozen=True)
class DataSet:
    """The generated set that is to be released."""

    name: Text = None
    version: Text = None
    doi: Text = None
    images: Count = None
    sha256: Text = None
    licence: Text = None


@dataclass(frozen=True)
class Release:
    """Who will get the generated set, and what else was released of the same reals."""

    access: Literal["open", "registered", "secure environment"] | None = None
    recipients: Text = None
    other_releases: Text = None


@dataclass(frozen=True)
class Generator:
    """How the generator was trained; `epsilon`, `delta` and `unit` are of differential privacy."""

    family: Text = None
    parameters: Count = None
    epochs: Count = None
    training_images: Count = None
    training_patients: Count = None
    differentially_private: Flag = None
    epsilon: Number = None
    delta: Number = None
    unit: Literal["image", "patient"] | None = None
    augmentation: Text = None
    deduplication: Text = None


@dataclass(frozen=True)
class Split:
    """How training and unused images were drawn."""

    by_lot: Flag = None
    by_patient: Flag = None
    dates: Text = None
    scanners: Text = None
    description: Text = None


@dataclass(frozen=True)
class Attacker:
    """What the attacker is assumed to hold, and which attacks were not tried."""

    holds: Text = None
    not_tried: Text = None


@dataclass(frozen=True)
class Rule:
    """When and where the decision rule was written down, and how often it was applied before."""

    fixed_on: Date = None
    fixed_where: Text = None
    earlier_runs: Count = None


@dataclass(frozen=True)
class Subgroups:
    """A CSV file that says of each patient or image to which subgroups it belongs."""

    table: Text = None
    columns: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Measures:
    """What is done about the risk; `scrub_log` is what `vestige scrub --json` printed."""

    scrub_log: Text = None
    access_conditions: Text = None
    other: Text = None


@dataclass(frozen=True)
class SignOff:
    """The names of those who sign."""

    data_protection_officer: Text = None
    controller: Text = None


@dataclass(frozen=True)
class Context:
    """All that context.toml states, table by table; what is None was not stated.

    folder : from which the files that it names are read
    """

    document: Document = field(default_factory=Document)
    data_set: DataSet = field(default_factory=DataSet)
    release: Release = field(default_factory=Release)
    generator: Generator = field(default_factory=Generator)
    split: Split = field(default_factory=Split)
    attacker: Attacker = field(default_factory=Attacker)
    rule: Rule = field(default_factory=Rule)
    subgroups: Subgroups = field(default_factory=Subgroups)
    measures: Measures = field(default_factory=Measures)
    sign_off: SignOff = field(default_factory=SignOff)
    folder: Path = Path()

    def files(self) -> list[tuple[str, Path]]:
        """The files that it names, by key."""
        named = {
            "subgroups.table": self.subgroups.table,
            "measures.scrub_log": self.measures.scrub_log,
        }
        return [(key, self.folder / name) for key, name in named.items() if name is not None]


TABLES: dict[str, type] = {
    f.name: f.type for f in fields(Context) if f.name != "folder" and isinstance(f.type, type)
}


def template() -> str:
    """A context.toml with every key, each commented out behind a sentence that explains it."""
    return resources.files("vestige.report").joinpath("templates/context.toml").read_text("utf-8")


def read_context(path: str | os.PathLike[str]) -> Context:
    """Read a context.toml strictly.

    Parameters
    ----------
    path : path
        A TOML file of at most 1 MiB. Files that it names lie relative to its folder.

    Returns
    -------
    Context
        An empty text counts as not stated.

    Raises
    ------
    InputError
        For anything that is not TOML, for an unknown table or key, and for a value of another type
        or outside its range; the message names the key and what is allowed.
    """
    where = Path(path).name
    raw, _ = read_toml(path)
    own = tables_of(where, raw, TABLES)
    made = {name: _table(where, name, kind, own.get(name, {})) for name, kind in TABLES.items()}
    context = Context(**made, folder=Path(path).parent)
    _check(where, context)
    return context


def _table(where: str, name: str, kind: type, own: dict[str, Any]) -> Any:
    hints = get_type_hints(kind)
    refuse_unknown(f"{where}: [{name}]", own, hints, "key")
    made = {key: _value(f"{where}: {name}.{key}", v, hints[key]) for key, v in own.items()}
    for key, value in made.items():
        most = LONGEST if f"{name}.{key}" in STATEMENTS else MOST
        if isinstance(value, str) and len(value) > most:
            raise InputError(
                f"{where}: {name}.{key} has {len(value):,} characters; shorten it to {most:,}."
            )
    return kind(**made)


def _value(where: str, value: Any, hint: Any) -> Any:
    """A value of its declared type, or an InputError."""
    (kind,) = (part for part in get_args(hint) if part is not type(None)) if _optional(hint) else (
        hint,
    )  # fmt: skip
    if get_origin(kind) is Literal:
        words = get_args(kind)
        if value not in words or not isinstance(value, str):
            raise _wrong(where, f"one of {', '.join(map(repr, words))}", value)
        return value
    if get_origin(kind) is tuple:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise _wrong(where, 'a list of texts such as ["sex", "age_band"]', value)
        return tuple(value)
    return _simple(where, value, kind)


def _simple(where: str, value: Any, kind: Any) -> Any:
    if kind is date:
        if not isinstance(value, date) or isinstance(value, datetime):
            raise _wrong(where, "a date such as 2026-11-30, without quotes and time", value)
        return value
    if kind is bool:
        if not isinstance(value, bool):
            raise _wrong(where, "true or false, without quotes", value)
        return value
    if kind is int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise _wrong(where, "a whole number, 0 or more", value)
        return value
    if kind is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong(where, "a number", value)
        if not math.isfinite(value) or value < 0:
            raise _wrong(where, "a finite number, 0 or more", value)
        return float(value)
    if not isinstance(value, str):
        raise _wrong(where, "a text in quotes", value)
    return " ".join(value.split()) or None


def _optional(hint: Any) -> bool:
    return isinstance(hint, UnionType) or type(None) in get_args(hint)


def _wrong(where: str, wanted: str, value: Any) -> InputError:
    told = value.isoformat() if isinstance(value, date | time) else f"{value!r:.60}"
    return InputError(f"{where} must be {wanted}, not {one_line(told)}.")


def _check(where: str, context: Context) -> None:
    """Refuse what types cannot: contradictions, and digests that are none."""
    told, made = context.document, context.generator
    if told.date and told.next_review and told.next_review <= told.date:
        raise InputError(f"{where}: document.next_review must be later than document.date.")
    if (digest := context.data_set.sha256) and not _SHA256.fullmatch(digest):
        raise InputError(f"{where}: data_set.sha256 must have 64 digits from 0 to 9 and a to f.")
    stated = [k for k in ("epsilon", "delta", "unit") if getattr(made, k) is not None]
    if made.delta is not None and made.delta >= 1:
        raise InputError(f"{where}: generator.delta must be below 1, not {made.delta:g}.")
    if stated and not made.differentially_private:
        is_open = made.differentially_private is None
        raise InputError(
            f"{where}: generator.{stated[0]} is given, but generator.differentially_private is "
            f"{'not: add differentially_private = true' if is_open else 'false: keep one of them'}."
        )
    images, patients = made.training_images, made.training_patients
    if images is not None and patients is not None and patients > images:
        raise InputError(
            f"{where}: generator.training_patients is {patients:,}, but generator.training_images "
            f"is {images:,} only: each patient has one image or more."
        )
    if context.subgroups.columns is not None and context.subgroups.table is None:
        raise InputError(f"{where}: subgroups.columns needs subgroups.table, the CSV file.")
