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
from vestige.images.imageset import ImageSet
from vestige.images.told_groups import compile_groups, from_csv, from_regex
from vestige.registry.entries import InputError
from vestige.schema.records import Problem
from vestige.types import Bools, Ints

LIKENESS = "near-duplicate clustering"


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


def who_is_told(
    real: Mapping[str, ImageSet], csv: str | os.PathLike[str] | None, regex: str | None
) -> Told:
    """The table or the expression where one is given, else DICOM tags."""
    problems: tuple[Problem, ...] = ()
    if csv is not None:
        found, source = from_csv(real, Path(csv)), f"the CSV file {Path(csv).name}"
    elif regex is not None:
        found, source = from_regex(real, regex), f"the regular expression {regex!r} on the ids"
        problems = _whole_match(real, found, regex)
    else:
        return _by_tags(real)
    keys = tuple(key for own in found.values() for key in own)
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
    given = [key for images in real.values() for key in images.patients]
    ids = ids_of(real)
    problems = []
    several = [k for k, key in enumerate(given) if key]
    if len(several) > 1 and len({given[k] for k in several}) == 1:
        what = (
            f"{len(several)} images have the same DICOM patient id, which says nothing of patients "
            "(a placeholder?): the ids are not used. Give --groups or --group-regex"
        )
        problems.append(Problem(ids[several[0]], what, "warning"))
        given = [""] * len(given)
    keys = tuple("" if key == NOBODY else key for key in given)
    with_id = [k for k, key in enumerate(keys) if key]
    missing = len(keys) - len(with_id)
    if with_id and missing:
        first = ids[keys.index("")]
        what = (
            f"{missing} of {len(keys)} images have no DICOM patient id, or a placeholder: each "
            "goes by its DICOM study, else by its file, and the others keep their ids"
        )
        problems.append(Problem(first, what, "warning"))
    if with_id and len(with_id) >= missing:
        some = f" (missing in {missing} of {len(keys)} images)" if missing else ""
        return Told(keys, f"DICOM patient ids{some}", True, False, tuple(problems))
    larger = any(record.study for images in real.values() for record in images.records)
    larger |= any(_holding_several(images) for images in real.values())
    how = f"files, DICOM studies and {LIKENESS}" if larger else LIKENESS
    source = f"{how} (no patient ids were given)"
    return Told(keys, source, False, False, tuple(problems))


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
        sole = _sole_array(images) if not told.shown else ""
        if sole:
            what = (
                f"holds {len(images)} images of which nothing says the patients: each counts as "
                "one of its own, but for near copies. Give --groups or --group-regex if these are "
                "slices of volumes"
            )
            problems.append(Problem(f"{role}/{os.path.basename(sole)}", what, "warning"))
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
            elif record.path in several and record.path != sole:
                keys.append(f"file {record.path}")
            else:
                keys.append("blank" if blank[at] else f"image {at}")
    if len(keys) > 1 and len(set(keys)) == 1 and keys[0].startswith("study "):
        raise InputError(
            f"all {len(keys)} real images are of one DICOM study, and so of one patient; an audit "
            "needs reals of two and more. If they are not, give --groups or --group-regex."
        )
    return content_clusters(keys), names, problems


def _holding_several(images: ImageSet) -> set[str]:
    """Files with more than one image, whose images are of one patient."""
    counts = Counter(record.path for record in images.records if record.path)
    return {path for path, count in counts.items() if count > 1}


def _sole_array(images: ImageSet) -> str:
    """The NumPy file that holds all images of a role: a set in one file, not a volume; else ""."""
    paths = {record.path for record in images.records}
    sole = next(iter(paths)) if len(paths) == 1 and len(images) > 1 else ""
    return sole if format_of_name(sole) in ("npy", "npz") else ""


def _name(key: str, shown: bool) -> str:
    """Digest of a patient: of the name that the user gave, as DICOM ids come digested already."""
    if not shown:
        return key
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest() if key else ""


def ids_of(real: Mapping[str, ImageSet]) -> list[str]:
    """Role and id of each image, all roles one after another."""
    return [f"{role}/{identifier}" for role, images in real.items() for identifier in images.ids]
