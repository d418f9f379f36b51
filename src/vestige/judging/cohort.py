"""The reals of one audit in one cohort: who is judged, who calibrates, who is known.

The order of the cohort depends on the pixels alone, so that neither the order of the files nor
their role can move a score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vestige.images.blank import blank_images
from vestige.images.imageset import ImageSet
from vestige.images.kinds import told_of
from vestige.registry.entries import InputError
from vestige.schema.records import Problem
from vestige.scoring.columns import LabelledSet, Reals
from vestige.scoring.plan import Column
from vestige.stats.splits import group_folds
from vestige.types import Bools, Images, Ints

Mode = Literal["release", "forensic"]
FOLDS = 5
MIXED_SHARE = 0.1
MANY_MIXED = (
    ". That is more than a tenth of all groups: draw the two sides by patient, or the set test "
    "speaks of a part of them only"
)
CONTRADICTING = (
    ("used", "unused"),
    ("reference", "unused"),
    ("reference", "used"),
    ("reference", "query"),
)
"""Roles that no image can have both."""
TARGET_ROLE: dict[Mode, str] = {"release": "used", "forensic": "query"}


@dataclass(frozen=True)
class Cohort:
    """Images [n, ...] of any kind with their ids, roles and groups [n], in canonical order."""

    images: Images
    ids: tuple[str, ...]
    index: npt.NDArray[np.int64]
    """Row of each image in the ImageSet of its role."""
    roles: npt.NDArray[Any]
    groups: npt.NDArray[Any]
    targets: Bools
    calibration: Bools
    known_used: Bools
    resolved: dict[int, str]
    """Judged rows that are not asked: row -> the role of the known image that it equals, or "plain"
    where it says nothing."""

    @cached_property
    def group_index(self) -> npt.NDArray[np.int64]:
        """Groups as numbers [n] in order of first appearance: a group's name moves no result."""
        _, first, codes = np.unique(self.groups, return_index=True, return_inverse=True)
        rank = np.empty(len(first), dtype=np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        return rank[codes]

    @cached_property
    def answered(self) -> Bools:
        """Judged images [n] whose answer is known already, see `resolved`."""
        return np.isin(np.arange(len(self.ids)), list(self.resolved))

    @property
    def unused(self) -> Bools:
        """Images [n] that single images and patients are compared with, but for their own group.

        Those of mixed groups as well: left out, they would take away the images of unused patients
        that look most like the target images, and leave the target images (docs/statistics.md).
        """
        return np.asarray(self.roles == "unused")

    @cached_property
    def mixed(self) -> Bools:
        """Images [n] of groups with target and unused images: on neither side of the set test."""
        plain = [row for row, why in self.resolved.items() if why == "plain"]
        seen = self.targets & ~np.isin(np.arange(len(self.ids)), plain)
        targets, unused = self.group_index[seen], self.group_index[self.unused]
        return np.isin(self.group_index, np.intersect1d(targets, unused))

    @cached_property
    def folds(self) -> Ints | None:
        """Fold [n] of each image, for detectors that learn from labels; None without labels.

        Whole groups, known used images spread evenly; used and others need two groups each.
        """
        labelled = [
            np.unique(self.group_index[mask]) for mask in (self.known_used, ~self.known_used)
        ]
        if min(map(len, labelled)) < 2:
            return None
        k = min(FOLDS, *map(len, labelled))
        return group_folds(self.group_index, k, 0, self.known_used)

    def reals(self, plan: Sequence[Column]) -> Reals:
        """All images as detectors see them, with the labels where one of the plan learns."""
        known = None
        if self.folds is not None and any(column.learns for column in plan):
            known = LabelledSet(self.known_used, self.calibration, self.folds)
        return Reals(self.images, self.group_index, known)


def find_mode(used: Any, unused: Any, query: Any) -> Mode:
    """Release: are my training images visible? Forensic: were these queries used?"""
    if query is not None:
        return "forensic"
    if used is not None:
        return "release"
    raise InputError(
        "nothing to judge: give --query (images of unknown status), or --used and --unused "
        "(training images and a hold-out of the same source)."
    )


def check_roles(sets: Mapping[str, ImageSet], mode: Mode) -> list[Problem]:
    """Refuse roles that contradict each other; say which images stand in two roles.

    Plain images contradict nothing: those of two patients may be equal.

    Raises
    ------
    InputError
        Used and unused, or reference and any other role, share pixels; too few images.
    """
    for role, images in sets.items():
        if role == "generated" and len(images) < 2:
            raise InputError(f"{len(images)} generated image was read; an audit needs 2 or more.")
    shown = {role: _not_blank(images) for role, images in sets.items()}
    pixels = told_of(next(iter(sets.values())).kind, "pixels")
    for first, second in CONTRADICTING:
        if first in shown and second in shown:
            pairs = _shared(shown[first], shown[second])
            if pairs:
                a, b = pairs[0]
                raise InputError(
                    f"{first} and {second} share {len(pairs)} image(s) with the same {pixels}, "
                    f"e.g. {first}/{a} = {second}/{b}. An image has one status: remove it from "
                    "one of the two."
                )
    problems = []
    if mode == "forensic":
        for known in ("used", "unused"):
            if known in shown:
                problems += [
                    Problem(
                        f"query/{a}",
                        f"has the {pixels} of {known}/{b}: its status is known to be {known}, "
                        "it is answered from that",
                        "warning",
                    )
                    for a, b in _shared(shown["query"], shown[known])
                ]
    targets = TARGET_ROLE[mode]
    copies = _shared(shown["generated"], shown[targets])
    if copies:
        problems.append(
            Problem(
                f"generated/{copies[0][0]}",
                f"{len(copies)} generated image(s) have exactly the {pixels} of a {targets} image, "
                f"e.g. {targets}/{copies[0][1]}",
                "warning",
            )
        )
    return problems


def no_calibration(mode: Mode) -> InputError:
    """No patient is unused alone."""
    return InputError(
        f"every unused image shares its group with a {TARGET_ROLE[mode]} image; give unused images "
        "of other patients (a false-alarm rate of 0.05 needs 19 such patients)."
    )


def form_cohort(
    sets: Mapping[str, ImageSet], labels: Mapping[str, tuple[str, ...]], mode: Mode
) -> tuple[Cohort, list[Problem]]:
    """Make one cohort of all reals; unused images of a target's group do not calibrate.

    A patient on both sides is neither a fair candidate nor a fair calibration image, and group
    permutation needs every group on one side (docs/methods.md 4.3). Plain images say nothing:
    target ones are not asked, others are no part of the cohort. On one side only, they would set
    the sides apart.
    """
    roles = [role for role in ("query", "used", "unused") if role in sets]
    blank = {role: blank_images(sets[role].pixels) for role in roles}
    order = sorted(
        (sets[role].sha256[i], sets[role].ids[i], role, i)
        for role in roles
        for i in range(len(sets[role]))
        if role == TARGET_ROLE[mode] or not blank[role][i]
    )
    role = np.array([r for _, _, r, _ in order])
    index = np.array([i for _, _, _, i in order])
    images = np.stack([sets[r].pixels[i] for r, i in zip(role, index, strict=True)])
    groups = np.array([labels[r][i] for r, i in zip(role, index, strict=True)])
    targets = role == TARGET_ROLE[mode]
    known = {
        sha: r
        for r in ("used", "unused")
        if r in sets and r != TARGET_ROLE[mode]
        for sha in sets[r].sha256
    }
    resolved = {
        row: known[sha] for row, (sha, *_) in enumerate(order) if targets[row] and sha in known
    }
    plain = {row for row in np.flatnonzero(targets).tolist() if blank[role[row]][index[row]]}
    resolved |= dict.fromkeys(plain, "plain")
    seen = targets & ~np.isin(np.arange(len(order)), list(plain))
    candidates = np.unique(groups[seen])
    calibration = (role == "unused") & ~np.isin(groups, candidates)
    problems = _plain(blank)
    lost = int(((role == "unused") & ~calibration).sum())
    mixed, n_groups = np.intersect1d(candidates, groups[role == "unused"]), len(np.unique(groups))
    if lost:
        problems.append(
            Problem(
                "unused",
                f"{lost} unused image(s) belong to a group (patient or near-duplicate cluster) "
                f"that is also in {TARGET_ROLE[mode]}: {len(mixed)} such group(s) take no part in "
                f"the test of the set, and their unused images calibrate only the images of others"
                f"{MANY_MIXED if len(mixed) > MIXED_SHARE * n_groups else ''}",
                "warning",
            )
        )
    if "unused" in roles and not (role == "unused").any():
        raise InputError(
            "every unused image is plain (nearly constant, or of a few grey levels only, which the "
            "images of two patients may share); give unused images of more grey levels."
        )
    if "unused" in roles and not calibration.any():
        raise no_calibration(mode)
    cohort = Cohort(
        images, tuple(x[1] for x in order), index, role, groups, targets, calibration,
        role == "used", resolved,
    )  # fmt: skip
    if len(np.unique(groups)) < 2:
        raise InputError(
            f"{len(order)} real image(s) of one group were read; an audit needs reals of at least "
            "two groups (patients)."
        )
    return cohort, problems


def _plain(blank: Mapping[str, Bools]) -> list[Problem]:
    """A row if some images say nothing."""
    counts = {role: int(some.sum()) for role, some in blank.items() if some.any()}
    if not counts:
        return []
    n = sum(counts.values())
    told = ", ".join(f"{count} {role}" for role, count in counts.items())
    what = (
        f"{n} image{' is' if n == 1 else 's are'} plain ({told}: nearly constant, or of a few "
        f"grey levels only): {'it says' if n == 1 else 'they say'} nothing and "
        f"{'takes' if n == 1 else 'take'} no part"
    )
    return [Problem(next(iter(counts)), what, "warning")]


def own_reference(
    labels: Mapping[str, tuple[str, ...]],
) -> tuple[Mapping[str, tuple[str, ...]], Bools | None, list[Problem]]:
    """Leave out reference images of patients in another role.

    A detector that learned from other images of unused patients knows them better than those it
    judges, which makes the latter look used.

    Returns
    -------
    labels : role -> group of each image that stays
    own : which reference images [n] stay; None if all do
    problems : a row that tells how many do not
    """
    theirs = {label for role in ("query", "used", "unused") for label in labels.get(role, ())}
    own = np.array([label not in theirs for label in labels.get("reference", ())], np.bool_)
    lost = int((~own).sum())
    if not lost:
        return labels, None, []
    left = "the others stay" if own.any() else "none remain, so there is no reference"
    what = (
        f"{lost} of {len(own)} reference image(s) belong to a group (patient or near-duplicate "
        f"cluster) that is also in query, used or unused, and are left out: {left}"
    )
    stays = tuple(g for g, mine in zip(labels["reference"], own, strict=True) if mine)
    return {**labels, "reference": stays}, own, [Problem("reference", what, "warning")]


def with_reference(sets: Mapping[str, ImageSet], own: Bools) -> dict[str, ImageSet]:
    """The sets with these reference images only; without the role where none is left."""
    found = dict(sets)
    reference = found.pop("reference")
    return found | ({"reference": reference.subset(own)} if own.any() else {})


def _not_blank(images: ImageSet) -> list[tuple[str, str]]:
    """Id and digest of each image that says something."""
    named = zip(images.ids, images.sha256, ~blank_images(images.pixels), strict=True)
    return [(id_, sha) for id_, sha, shows in named if shows]


def _shared(
    first: Sequence[tuple[str, str]], second: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Pairs of ids with equal pixels."""
    where = {sha: id_ for id_, sha in second}
    return [(id_, where[sha]) for id_, sha in first if sha in where]
