"""Who belongs together: patients, or near-duplicate clusters where no patient is known.

Whoever names the groups, images that are equal or near copies, also mirrored, are of one group,
because an unused image that equals a used one was used.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from vestige.images import spool
from vestige.images.anatomy import slice_clusters
from vestige.images.blank import blank_images
from vestige.images.duplicates import content_clusters, near_duplicate_groups
from vestige.images.given_groups import Names, Place
from vestige.images.group_sources import Told, group_index_of, ids_of, who_is_told
from vestige.images.imageset import ImageSet
from vestige.images.kinds import Kind, kind_of
from vestige.images.names import natural_key
from vestige.registry.entries import InputError
from vestige.schema.records import Problem
from vestige.types import Bools, Ints

_GENERATED = "generated"
UNLIKE: dict[Kind, str] = {
    "grey": "slices of one patient that look unlike count as several",
    "colour": "images of one patient that look unlike count as several",
    "volume": "volumes of one patient that look unlike count as several",
}


@dataclass(frozen=True)
class Grouping:
    """Group label per image and role, and a sentence on where the labels come from.

    patients : False where nobody told the patients and near-duplicates stand together
    problems : what was noticed: lost or doubtful patient ids, patients that share images
    names : of each label, digests (sha256) of the patients and DICOM studies in it, which are the
        same in another audit; empty where nothing names the group
    told_by : the first half of `source`, without counts
    """

    labels: dict[str, tuple[str, ...]]
    source: str
    patients: bool = True
    problems: tuple[Problem, ...] = ()
    names: Mapping[str, frozenset[str]] = field(default_factory=dict, repr=False)
    told_by: str = ""

    @property
    def guessed(self) -> bool:
        """Whether nobody told the patients, and some images were seen to be of one."""
        labels = [label for found in self.labels.values() for label in found]
        return not self.patients and len(set(labels)) < len(labels)

    def names_in(self, *roles: str) -> frozenset[str]:
        """Digests of all patients and studies with an image in these roles."""
        labels = {label for role in roles for label in self.labels.get(role, ())}
        return frozenset().union(*(self.names.get(label, ()) for label in labels))


def assign_groups(
    sets: Mapping[str, ImageSet],
    csv: Place | Names | None = None,
    regex: str | None = None,
) -> Grouping:
    """Group the real images, across all roles.

    The first that applies: a CSV file, a regular expression on the id, DICOM patient ids, else
    likeness. An image without a patient goes by its DICOM study, else by its file, where that
    holds several images. Groups that share equal images or near copies (also mirrored) become
    one; blank images say nothing.

    Parameters
    ----------
    sets : role -> ImageSet
        "generated" is left out.
    csv : path, dict or None
        A column of images (id, file, path, filename, ...) and one of groups (group, patient,
        subject, ...). Ids are relative to the folder of the role and may be prefixed by the role
        or the name of that folder. Absolute paths and ids without suffix are understood where
        they mean one file. A file with several images may have one row for all of them. Or a
        dict, id -> group.
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
    told = who_is_told(real, csv, regex)
    blank = np.concatenate([blank_images(images.pixels) for images in real.values()])
    units, names, problems = group_index_of(real, told, blank)
    joined = _joined(units, _alike(real, blank, told.patients))
    problems += _shared(real, told, joined)
    labels = _labels(real, told, joined)
    images, before, after = len(joined), len(set(units.tolist())), len(set(joined.tolist()))
    named: dict[str, set[str]] = defaultdict(set)
    for label, own in zip((x for found in labels.values() for x in found), names, strict=True):
        named[label] |= {own} - {""}
    source = f"{told.source}: {images} images in {before if told.patients else after} groups"
    if not told.patients:
        source += f"; {UNLIKE[next(iter(real.values())).kind]}"
    elif after < before:
        source += f"; near copies joined them to {after}"
    return Grouping(
        labels, source, told.patients, (*told.problems, *problems),
        {label: frozenset(some) for label, some in named.items()}, told.source,
    )  # fmt: skip


def _alike(real: Mapping[str, ImageSet], blank: Bools, patients: bool) -> Ints:
    """Labels [n] by equal digests and near copies; a blank image is like no other.

    Mirrored copies count: a reference that was augmented knows the patients that it was made of.

    Where no patients are known, neighbouring slices are alike as well; volumes have none.
    """
    sizes = {images.pixels.shape[1:] for images in real.values()}
    if len(sizes) > 1:
        raise InputError(f"the sets have several working sizes ({sizes}); read all at one size")
    pixels = reduce(spool.joined, (images.pixels for images in real.values()))
    same = content_clusters([digest for images in real.values() for digest in images.sha256])
    joined = _joined(near_duplicate_groups(pixels, mirrored=True), same)
    apart = len(joined) + np.arange(len(joined))
    joined[blank] = apart[blank]
    if not patients and not blank.all() and kind_of(pixels.shape) != "volume":
        slices = apart
        slices[~blank] = slice_clusters(pixels if not blank.any() else pixels[~blank])
        joined = _joined(joined, slices)
    return joined


def _joined(one: Ints, other: Ints) -> Ints:
    """The finest labels in which whatever shares a label in either, shares one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first = int(one.max(initial=-1)) + 1
    size = first + int(other.max(initial=-1)) + 1
    links = coo_array((np.ones(len(one)), (one, first + other)), shape=(size, size))
    _, labels = connected_components(links, directed=False)
    return np.asarray(labels[one], np.int64)


def _shared(real: Mapping[str, ImageSet], told: Told, joined: Ints) -> list[Problem]:
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
    return [Problem(ids_of(real)[first], what, "warning")]


def _labels(real: Mapping[str, ImageSet], told: Told, joined: Ints) -> dict[str, tuple[str, ...]]:
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
