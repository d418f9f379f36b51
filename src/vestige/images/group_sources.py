"""What users and tags say of each image: its patient, else its study, else its file."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vestige.images.duplicates import content_clusters
from vestige.images.formats import format_of_name
from vestige.images.frame import NOBODY
from vestige.images.given_groups import Names, Place
from vestige.images.imageset import ImageSet, Record
from vestige.images.patient_ids import placeholder
from vestige.images.told_groups import compile_groups, from_regex, from_table, one_spelling
from vestige.registry.entries import InputError
from vestige.schema.records import Problem
from vestige.types import Bools, Ints

LIKENESS = "near-duplicate clustering"
GIVEN = "the groups that were given"
_TABLE, _EXPRESSION = "CSV file", "regular expression"


@dataclass(frozen=True)
class Told:
    """What users or tags say of each image, all roles one after another.

    patients : whether that names the patients of most images
    keys : group of each image, "" where nothing says it
    shown : whether keys are names that the user gave, which may be shown
    """

    keys: tuple[str, ...]
    source: str
    patients: bool
    shown: bool
    problems: tuple[Problem, ...] = ()


def option_of(source: str) -> str:
    """The option that gave the groups, by what tells where they came from; "" for tags and looks.

    source : as `Told` has it, or without names, as a redacted report has it
    """
    if source.startswith((f"the {_TABLE}", f"a {_TABLE}", GIVEN)):
        return "--groups"
    is_told = source.startswith((f"the {_EXPRESSION}", f"a {_EXPRESSION}"))
    return "--group-regex" if is_told else ""


def who_is_told(real: Mapping[str, ImageSet], csv: Place | Names | None, regex: str | None) -> Told:
    """The table or the expression where one is given, else DICOM tags."""
    problems: tuple[Problem, ...] = ()
    if csv is not None:
        table = Path(csv) if isinstance(csv, str | os.PathLike) else csv
        found = from_table(real, table)
        source = f"the {_TABLE} {table.name}" if isinstance(table, Path) else GIVEN
    elif regex is not None:
        found, source = from_regex(real, regex), f"the {_EXPRESSION} {regex!r} on the ids"
        problems = _whole_match(real, found, regex)
    else:
        return _by_tags(real)
    keys, merged = one_spelling([key for own in found.values() for key in own])
    if merged:
        what = (
            f"{len(merged)} patients are written in several ways (case or blanks): each counts as "
            "one"
        )
        problems += (Problem(ids_of(real)[keys.index(merged[0])], what, "warning"),)
    return Told(keys, source, True, True, problems)


def _whole_match(
    real: Mapping[str, ImageSet], found: Mapping[str, Sequence[str]], regex: str
) -> tuple[Problem, ...]:
    """A row where the expression has no parentheses, with an example of what it finds."""
    if compile_groups(regex).groups:
        return ()
    first = next(key for own in found.values() for key in own)
    what = (
        f"--group-regex {regex!r} has no group in parentheses, so the patient is all that it "
        f"matches: {first!r} here. Put parentheses around the part that names the patient"
    )
    return (Problem(ids_of(real)[0], what, "warning"),)


def _by_tags(real: Mapping[str, ImageSet]) -> Told:
    """By DICOM patient ids, as far as they say anything."""
    records = [record for images in real.values() for record in images.records]
    given, problems = _one_spelling(records, ids_of(real))
    named = [k for k, key in enumerate(given) if key]
    why = "no patient ids were given"
    if len(named) > 1 and len({given[k] for k in named}) == 1:
        words = Counter(filter(None, (placeholder(records[k].alias) for k in named)))
        if words:
            why = f"all patient ids are {_listed(words)}"
            what = (
                f"{len(named)} images have {_listed(words)} as DICOM patient id, which names nobody"
            )
        else:
            what = (
                f"{len(named)} images have the same DICOM patient id, which says nothing of "
                "patients (a placeholder?)"
            )
        what += ": the ids are not used. Give --groups or --group-regex"
        problems.append(Problem(ids_of(real)[named[0]], what, "warning"))
        given = [""] * len(given)
    keys = tuple("" if key == NOBODY else key for key in given)
    with_id, missing = sum(map(bool, keys)), keys.count("")
    if with_id and missing:
        problems.append(_some_missing(records, keys, ids_of(real)))
    if with_id and with_id >= missing:
        some = f" (missing in {missing} of {len(keys)} images)" if missing else ""
        return Told(keys, f"DICOM patient ids{some}", True, False, tuple(problems))
    larger = any(record.study for record in records)
    larger |= any(_holding_several(images) for images in real.values())
    how = f"files, DICOM studies and {LIKENESS}" if larger else LIKENESS
    return Told(keys, f"{how} ({why})", False, False, tuple(problems))


def _one_spelling(records: Sequence[Record], ids: Sequence[str]) -> tuple[list[str], list[Problem]]:
    """Patient of each DICOM image, one for all spellings of an id; what is doubtful about them."""
    spellings: dict[str, set[str]] = defaultdict(set)
    issuers: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if record.patient and record.patient != NOBODY:
            alias = record.alias or record.patient
            spellings[alias].add(record.patient)
            issuers[alias] |= {record.issuer} - {""}
    first = {alias: min(own) for alias, own in spellings.items()}
    problems = []
    for what, found in (
        ("DICOM patient ids are written in several ways (case or blanks): each counts as one "
         "patient", spellings),
        ("DICOM patient ids come from several issuers each (IssuerOfPatientID): each counts as one "
         "patient. If these are other people, give --groups", issuers),
    ):  # fmt: skip
        several = {alias for alias, own in found.items() if len(own) > 1}
        if several:
            at = next(k for k, r in enumerate(records) if (r.alias or r.patient) in several)
            problems.append(Problem(ids[at], f"{len(several)} {what}", "warning"))
    given = [first.get(record.alias or record.patient, record.patient) for record in records]
    return given, problems


def _some_missing(records: Sequence[Record], keys: Sequence[str], ids: Sequence[str]) -> Problem:
    """The row on images without a patient among others that have one."""
    without = [record for record, key in zip(records, keys, strict=True) if not key]
    words = Counter(filter(None, (placeholder(record.alias) for record in without)))
    named = f" ({sum(words.values())}: {_listed(words)})" if words else ""
    what = (
        f"{len(without)} of {len(keys)} images have no DICOM patient id, or a placeholder{named}: "
        "each goes by its DICOM study, else by its file, and the others keep their ids"
    )
    return Problem(ids[keys.index("")], what, "warning")


def _listed(words: Counter[str]) -> str:
    shown = " or ".join(sorted(words))
    return f"the placeholder {shown}"


def group_index_of(
    real: Mapping[str, ImageSet], told: Told, blank: Bools
) -> tuple[Ints, list[str], list[Problem]]:
    """Labels [n] by patient, else study, else file, else image, and a digest that names each.

    A study with images of one patient is that patient's, also where a file lost the id.
    """
    studies = [record.study for images in real.values() for record in images.records]
    patients: dict[str, set[str]] = defaultdict(set)
    for key, study in zip(told.keys, studies, strict=True):
        if key and study:
            patients[study].add(key)
    keys: list[str] = []
    names: list[str] = []
    problems: list[Problem] = []
    for role, images in real.items():
        several = _holding_several(images)
        arrays = [] if told.shown else _arrays_of_several(images, several)
        problems += [_nobody_told(role, path, images, several[path]) for path in arrays]
        for record in images.records:
            at = len(keys)
            key, study = told.keys[at], record.study
            owners = patients.get(study, set())
            if not key and len(owners) == 1:
                [key] = owners
            names.append(_name(key, told.shown) or study)
            if key:
                keys.append(f"patient {key}")
            elif study:
                keys.append(f"study {study}")
            elif record.path in several and record.path not in arrays:
                keys.append(f"file {record.path}")
            else:
                keys.append("blank" if blank[at] else f"image {at}")
    if len(keys) > 1 and len(set(keys)) == 1 and keys[0].startswith("study "):
        raise InputError(
            f"all {len(keys)} real images are of one DICOM study, and so of one patient; an audit "
            "needs reals of two and more. If they are not, give --groups or --group-regex."
        )
    return content_clusters(keys), names, problems


def _holding_several(images: ImageSet) -> dict[str, int]:
    """Files with more than one image, whose images are of one patient, and how many they hold."""
    counts = Counter(record.path for record in images.records if record.path)
    return {path: count for path, count in counts.items() if count > 1}


def _arrays_of_several(images: ImageSet, several: Mapping[str, int]) -> list[str]:
    """Files of arrays that hold a set of patients, not the images of one patient.

    These are NumPy files with several volumes, and the one that holds all images of a role.
    """
    arrays = [path for path in several if format_of_name(path) in ("npy", "npz")]
    sole = len(arrays) == 1 and several[arrays[0]] == len(images)
    return arrays if sole or images.kind == "volume" else []


def _nobody_told(role: str, path: str, images: ImageSet, count: int) -> Problem:
    doubt = "some are of one patient" if images.kind == "volume" else "these are slices of volumes"
    what = (
        f"holds {count} images of which nothing says the patients: each counts as one of its own, "
        f"but for near copies. Give --groups or --group-regex if {doubt}"
    )
    return Problem(f"{role}/{os.path.basename(path)}", what, "warning")


def _name(key: str, shown: bool) -> str:
    """Digest of a patient: of the name that the user gave, as DICOM ids come digested already."""
    if not shown:
        return key
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest() if key else ""


def ids_of(real: Mapping[str, ImageSet]) -> list[str]:
    """Role and id of each image, all roles one after another."""
    return [f"{role}/{identifier}" for role, images in real.items() for identifier in images.ids]
