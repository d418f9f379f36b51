"""Who belongs together: patients, or near-duplicate clusters where no patient is known.

Whoever names the groups, images that are equal or near copies are of one group, because an unused
image that equals a used one was used.
"""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path

import numpy as np

from vestige.choices import InputError
from vestige.images import spool
from vestige.images.anatomy import slice_clusters
from vestige.images.blank import are_blank
from vestige.images.duplicates import content_clusters, near_duplicate_groups
from vestige.images.imageset import ImageSet
from vestige.images.listing import natural_key
from vestige.images.readers import format_of_name
from vestige.images.told_groups import from_csv, from_regex
from vestige.records import Problem
from vestige.types import Bools, Ints

_GENERATED = "generated"
LIKENESS = "near-duplicate clustering"
UNLIKE_SLICES = "slices of one patient that look unlike count as several"


@dataclass(frozen=True)
class Grouping:
    """Group label per image and role, and a sentence on where the labels come from.

    patients : False where nobody told the patients and near-duplicates stand together
    problems : what was noticed: lost or doubtful patient ids, patients that share images
    names : of each label, digests (sha256) of the patients and DICOM studies in it, which are the
        same in another audit; empty where nothing names the group
    """

    labels: dict[str, tuple[str, ...]]
    source: str
    patients: bool = True
    problems: tuple[Problem, ...] = ()
    names: Mapping[str, frozenset[str]] = field(default_factory=dict, repr=False)

    def names_in(self, *roles: str) -> frozenset[str]:
        """Digests of all patients and studies with an image in these roles."""
        labels = {label for role in roles for label in self.labels.get(role, ())}
        return frozenset().union(*(self.names.get(label, ()) for label in labels))


def assign_groups(
    sets: Mapping[str, ImageSet],
    csv: str | os.PathLike[str] | None = None,
    regex: str | None = None,
) -> Grouping:
    """Group the real images, across all roles.

    The first that applies: a CSV file, a regular expression on the id, DICOM patient ids, else
    likeness. An image without a patient goes by its DICOM study, else by its file, where that
    holds several images. Groups that share equal images or near copies become one; blank images
    say nothing.

    Parameters
    ----------
    sets : role -> ImageSet
        "generated" is left out.
    csv : path or None
        First column id, file or path, second group, person or patient. Ids are relative to the
        folder of the role and may be prefixed by the role or the name of that folder. A file
        with several images may have one row for all of them.
    regex : str or None
        The group is its first capture group, or the whole match; searched in the id.

    Returns
    -------
    Grouping

    Raises
    ------
    InputError
        When an image gets no group, the CSV contradicts itself, or all images are of one study.
    """
    if csv is not None and regex is not None:
        raise InputError("groups were given twice, as CSV and as regular expression; give one")
    real = {role: images for role, images in sets.items() if role != _GENERATED}
    if not any(map(len, real.values())):
        raise InputError("there is no real image to group; give a query, used or unused set")
    told = _told(real, csv, regex)
    blank = _blank(real)
    units, names, problems = _units(real, told, blank)
    joined = _joined(units, _alike(real, blank, told.patients))
    problems += _shared(real, told, joined)
    labels = _labels(real, told, joined)
    images, before, after = len(joined), len(set(units.tolist())), len(set(joined.tolist()))
    named: dict[str, set[str]] = defaultdict(set)
    for label, own in zip((x for found in labels.values() for x in found), names, strict=True):
        named[label] |= {own} - {""}
    source = f"{told.source}: {images} images in {before if told.patients else after} groups"
    if not told.patients:
        source += f"; {UNLIKE_SLICES}"
    elif after < before:
        source += f"; near copies joined them to {after}"
    return Grouping(
        labels, source, told.patients, (*told.problems, *problems),
        {label: frozenset(some) for label, some in named.items()},
    )  # fmt: skip


@dataclass(frozen=True)
class _Told:
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


def _told(
    real: Mapping[str, ImageSet], csv: str | os.PathLike[str] | None, regex: str | None
) -> _Told:
    if csv is not None:
        found, source = from_csv(real, Path(csv)), f"the CSV file {Path(csv).name}"
    elif regex is not None:
        found, source = from_regex(real, regex), f"the regular expression {regex!r} on the ids"
    else:
        return _by_tags(real)
    return _Told(tuple(key for keys in found.values() for key in keys), source, True, True)


def _by_tags(real: Mapping[str, ImageSet]) -> _Told:
    """By DICOM patient ids, as far as they say anything."""
    keys = tuple(key for images in real.values() for key in images.patients)
    ids = _ids(real)
    with_id = [k for k, key in enumerate(keys) if key]
    problems = []
    if len(with_id) > 1 and len({keys[k] for k in with_id}) == 1:
        what = (
            f"{len(with_id)} images have the same DICOM patient id, which says nothing of patients "
            "(a placeholder?): the ids are not used. Give --groups or --group-regex"
        )
        problems.append(Problem(ids[with_id[0]], what, "warning"))
        keys, with_id = ("",) * len(keys), []
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
        return _Told(keys, f"DICOM patient ids{some}", True, False, tuple(problems))
    larger = any(record.study for images in real.values() for record in images.records)
    larger |= any(_holding_several(images) for images in real.values())
    how = f"files, DICOM studies and {LIKENESS}" if larger else LIKENESS
    source = f"{how} (no patient ids were given)"
    return _Told(keys, source, False, False, tuple(problems))


def _units(
    real: Mapping[str, ImageSet], told: _Told, blank: Bools
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


def _alike(real: Mapping[str, ImageSet], blank: Bools, patients: bool) -> Ints:
    """Labels [n] by equal digests and near copies; a blank image is like no other.

    Where no patients are known, neighbouring slices are alike as well.
    """
    sizes = {images.pixels.shape[1:] for images in real.values()}
    if len(sizes) > 1:
        raise InputError(f"the sets have several working sizes ({sizes}); read all at one size")
    pixels = reduce(spool.joined, (images.pixels for images in real.values()))
    same = content_clusters([digest for images in real.values() for digest in images.sha256])
    joined = _joined(near_duplicate_groups(pixels), same)
    apart = len(joined) + np.arange(len(joined))
    joined[blank] = apart[blank]
    if not patients and not blank.all():
        slices = apart
        slices[~blank] = slice_clusters(pixels if not blank.any() else pixels[~blank])
        joined = _joined(joined, slices)
    return joined


def _blank(real: Mapping[str, ImageSet]) -> Bools:
    found = [
        are_blank(part, part.std(axis=(1, 2), dtype=np.float64))
        for images in real.values()
        for part in spool.blocks(images.pixels)
    ]
    return np.concatenate(found)


def _joined(one: Ints, other: Ints) -> Ints:
    """The finest labels in which whatever shares a label in either, shares one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first = int(one.max(initial=-1)) + 1
    size = first + int(other.max(initial=-1)) + 1
    links = coo_array((np.ones(len(one)), (one, first + other)), shape=(size, size))
    _, labels = connected_components(links, directed=False)
    return np.asarray(labels[one], np.int64)


def _shared(real: Mapping[str, ImageSet], told: _Told, joined: Ints) -> list[Problem]:
    """A row if several patients have become one."""
    keys: dict[int, set[str]] = defaultdict(set)
    for key, label in zip(told.keys, joined.tolist(), strict=True):
        keys[label] |= {key} - {""}
    merged = {label: len(some) for label, some in keys.items() if len(some) > 1}
    if not merged:
        return []
    first = next(k for k, label in enumerate(joined.tolist()) if label in merged)
    what = (
        f"{sum(merged.values())} patients share images with others (equal or near copies): they "
        f"count as {len(merged)}"
    )
    return [Problem(_ids(real)[first], what, "warning")]


def _labels(real: Mapping[str, ImageSet], told: _Told, joined: Ints) -> dict[str, tuple[str, ...]]:
    """Names of the groups: the user's own, the first of several; else numbers.

    Numbers follow the first id of each group, so that no order and no digest shows.
    """
    places = [
        (natural_key(identifier), role)
        for role, images in real.items()
        for identifier in images.ids
    ]
    if told.shown:
        names: dict[int, str] = {}
        for key, label in zip(told.keys, joined.tolist(), strict=True):
            names[label] = min(names.get(label, key), key, key=natural_key)
    else:
        first: dict[int, object] = {}
        for k in sorted(range(len(places)), key=places.__getitem__):
            first.setdefault(int(joined[k]), None)
        prefix = "patient" if told.patients else "cluster"
        names = {label: f"{prefix}-{k:04d}" for k, label in enumerate(first, 1)}
    flat = [names[label] for label in joined.tolist()]
    return _by_role(real, flat)


def _by_role(real: Mapping[str, ImageSet], flat: Sequence[str]) -> dict[str, tuple[str, ...]]:
    labels, start = {}, 0
    for role, images in real.items():
        labels[role] = tuple(flat[start : start + len(images)])
        start += len(images)
    return labels


def _ids(real: Mapping[str, ImageSet]) -> list[str]:
    return [f"{role}/{identifier}" for role, images in real.items() for identifier in images.ids]
