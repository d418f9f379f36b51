"""From folders of somebody else's reals and samples to a world; read it from top to bottom."""

import os
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from vestige.files.whole import beside
from vestige.images.choosing import ColourChoice, choose_kind
from vestige.images.dimensions import Dimensions
from vestige.images.duplicates import near_duplicate_groups
from vestige.images.groups import assign_groups
from vestige.images.imageset import ImageSet
from vestige.images.kinds import LARGEST_CUBE, Kind
from vestige.images.listing import Source, listed, peek_size
from vestige.images.reading import Wanted
from vestige.registry.entries import InputError
from vestige.registry.rules import OneOf, Within
from vestige.schema.records import Problem
from vestige.types import Progress, quiet
from vestige.worlds.check import Check, check_world
from vestige.worlds.folders import SUFFIXES, Bytes
from vestige.worlds.options import RANGES, check_recipe
from vestige.worlds.record import IMPORTED, Recipe, WorldRecord, digest_lines
from vestige.worlds.roles import LEFT_OUT, QUERY_UNUSED, QUERY_USED, UNUSED, USED, join_groups
from vestige.worlds.sound import not_judged, read_sound
from vestige.worlds.writing import Dealt, begin, deal, finish, write_generated, write_reals

Shared = Literal["refuse", "drop"]
By = Literal["same pixels", "near copies", "same patient", "look alike"]
SHARED = OneOf("choice of shared images", get_args(Shared))
SHARE = Within("--query-share must lie in 0..1, not {:g}.", least=0, most=1)
SMALLEST, LARGEST = RANGES["size"]
SIZE = Within("--size must lie in 8..1024, not {}.", least=SMALLEST, most=LARGEST)
MEMBER, NON_MEMBER = "members", "non_members"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What is imported, as given.

    members, non_members, generated : str
        Folders (or CSV lists): reals that the generator was trained on, reals that it was not
        trained on, and what it made.
    groups, group_regex : str or None
        Where the patients come from; see `vestige.images.assign_groups`. The ids of both folders
        are looked up in one table.
    shared : "refuse" or "drop"
        What happens to non-members that share pixels or a patient with a member.
    query_share : float
        Share of the groups of either side that become queries, 0..1.
    size : int or None
        Side of the square images of the world, pixels; None: the smallest larger side of the
        images, at most 1,024 (of volumes 32 voxels).
    colour, dimensions : as `vestige.audit` takes them
    seed : int
        Of the names and of the queries.
    """

    members: str
    non_members: str
    generated: str
    groups: str | None = None
    group_regex: str | None = None
    shared: Shared = "refuse"
    query_share: float = 0.0
    size: int | None = None
    colour: ColourChoice = "auto"
    dimensions: Dimensions = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        SHARED.check(self.shared)
        SHARE.check(self.query_share)
        if self.size is not None:
            SIZE.check(self.size)


@dataclass(frozen=True)
class Pair:
    """A member and a non-member that show the same patient, by their ids, and how that is known."""

    member: str
    non_member: str
    by: By


class RolesOverlap(InputError):
    """Members and non-members share images or patients; `pairs` holds every pair."""

    def __init__(self, message: str, pairs: tuple[Pair, ...]) -> None:
        super().__init__(message)
        self.pairs = pairs


@dataclass(frozen=True, eq=False)
class _Read:
    """All images of one size and kind; reals: the members first. levels : uint8 [n, ...]."""

    sets: dict[str, ImageSet]
    generated: ImageSet
    kind: Kind
    size: int
    problems: tuple[Problem, ...]

    @property
    def ids(self) -> list[str]:
        return [f"{role}/{one}" for role, images in self.sets.items() for one in images.ids]

    @property
    def is_member(self) -> list[bool]:
        return [role == MEMBER for role, images in self.sets.items() for _ in images.ids]

    @property
    def levels(self) -> Bytes:
        return np.concatenate([_levels(images) for images in self.sets.values()])


@dataclass(frozen=True)
class Imported:
    """A world that was imported.

    problems : what an audit of the folders would say of their files, and of several kinds of images
    checks : of `vestige.worlds.check.check_world`
    """

    record: WorldRecord
    problems: tuple[Problem, ...]
    checks: tuple[Check, ...]


def import_world(
    origin: Origin, out: str | os.PathLike[str], *, progress: Progress = quiet
) -> Imported:
    """Keep reals and samples of other people as a world, with its truth.

    The images get the names, the truth and the record that those of a built world have
    (`vestige.worlds.build`). 8-bit images that are squares of the size of the world stay what they
    are, so that an audit of the world is the audit of the folders.

    Parameters
    ----------
    origin : Origin
    out : path
        Folder of the world; a new one. It appears whole or not at all.
    progress : callable
        Called as progress(stage, done, total).

    Returns
    -------
    Imported
        The recipe of its record names the generator "imported"; `counts["left_out"]` are dropped
        non-members, and `figures` tell how many share what, and how many files of each folder are
        no images of a patient.

    Raises
    ------
    RolesOverlap
        Members and non-members share pixels or patients, unless they are to be dropped.
    InputError
        A folder that is missing, empty or not readable, an `out` that is there, images without a
        patient, a full disk.
    """
    root = Path(out)
    if root.is_file() or (root.is_dir() and any(root.iterdir())):
        raise InputError(f"{root} is there already: name a new folder with --out.")
    read = _read(origin, progress)
    groups, source, pairs = _group(read, origin)
    dropped = {pair.non_member for pair in pairs}
    if dropped and origin.shared != "drop":
        raise RolesOverlap(_overlap(pairs), pairs)
    if len(dropped) == len(read.sets[NON_MEMBER]):
        raise RolesOverlap(
            f"all {len(dropped)} non-members share images or patients with members: give other "
            "--non-members.", pairs,
        )  # fmt: skip
    parts = _deal(read, groups, dropped, origin)
    dealt = deal(read.ids, groups, parts, origin.seed, SUFFIXES[read.kind])
    recipe = _recipe(read, dealt, origin)
    check_recipe(recipe)
    figures = {f"dropped: {by}": len({p.non_member for p in pairs if p.by == by})
               for by in get_args(By) if any(p.by == by for p in pairs)}  # fmt: skip
    figures |= not_judged({**read.sets, "generated": read.generated})
    digests = (f"{images.inputs_sha256}\n" for images in (*read.sets.values(), read.generated))
    sha256 = digest_lines(digests)
    partial = beside(root)
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        begin(partial, recipe, sha256, dealt.truth)
        write_reals(partial, read.levels, dealt)
        write_generated(partial, _levels(read.generated), SUFFIXES[read.kind])
        record = finish(partial, recipe, dealt, root.resolve().name, sha256, source, figures, {})
        checks = check_world(partial)
        partial.replace(root)  # the last step: a call that is interrupted leaves nothing
    except OSError as error:
        raise InputError(f"cannot write the world {root}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Imported(record, read.problems, checks)


def found_kind(origin: Origin) -> Kind:
    """What the images are imported as, from a look at their files.

    Raises
    ------
    InputError
        A folder that is missing or empty, folders of unlike kinds.
    """
    return choose_kind(_sources(origin), origin.colour, dimensions=origin.dimensions).kind


def _sources(origin: Origin) -> dict[str, Source]:
    given = {MEMBER: origin.members, NON_MEMBER: origin.non_members, "generated": origin.generated}
    return {role: listed(source) for role, source in given.items()}


def _read(origin: Origin, progress: Progress) -> _Read:
    sources = _sources(origin)
    chosen = choose_kind(sources, origin.colour, dimensions=origin.dimensions)
    most = LARGEST_CUBE if chosen.kind == "volume" else LARGEST
    size = origin.size or peek_size(sources.values(), most, kind=chosen.kind)
    wanted = Wanted(kind=chosen.kind, background=chosen.background)
    sets = {
        role: read_sound(source, role, size, wanted, progress) for role, source in sources.items()
    }
    generated = sets.pop("generated")
    rows = [row for images in (*sets.values(), generated) for row in images.problems]
    return _Read(sets, generated, chosen.kind, size, (*chosen.problems, *rows))


def _levels(images: ImageSet) -> Bytes:
    return np.rint(np.asarray(images.pixels) * 255).astype(np.uint8)


def _group(read: _Read, origin: Origin) -> tuple[tuple[str, ...], str, tuple[Pair, ...]]:
    """Group per real image, where the groups come from, and each pair across the two sides."""
    grouping = assign_groups(read.sets, csv=origin.groups, regex=origin.group_regex)
    given = [label for role in read.sets for label in grouping.labels[role]]
    near = near_duplicate_groups(read.levels.astype(np.float32) / np.float32(255)).tolist()
    groups = join_groups(given, near)
    sha256 = [digest for images in read.sets.values() for digest in images.sha256]
    sides: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for k, is_member in enumerate(read.is_member):
        sides[groups[k]][0 if is_member else 1].append(k)

    def how(one: int, other: int) -> By:
        if sha256[one] == sha256[other]:
            return "same pixels"
        if near[one] == near[other]:
            return "near copies"
        return "same patient" if grouping.patients else "look alike"

    names = [one for images in read.sets.values() for one in images.ids]
    pairs = tuple(
        Pair(names[one], names[other], how(one, other))
        for members, others in sides.values()
        for one in members
        for other in others
    )
    joined = len(set(given)) - len(set(groups))
    note = f"; near copies joined them to {len(set(groups))}" if joined else ""
    return groups, grouping.source + note, pairs


def _overlap(pairs: Sequence[Pair]) -> str:
    counts = {by: sum(pair.by == by for pair in pairs) for by in get_args(By)}
    told = ", ".join(f"{count} {by}" for by, count in counts.items() if count)
    images = len({pair.non_member for pair in pairs})
    return (
        f"{images} non-members share images or patients with members, in {len(pairs)} pairs "
        f"({told}): give each image one role, or --shared drop to leave these non-members out."
    )


def _deal(read: _Read, groups: Sequence[str], dropped: set[str], origin: Origin) -> list[str]:
    """The part of each real image: a share of the groups of either side are queries."""
    names = [one for images in read.sets.values() for one in images.ids]
    lot = np.random.default_rng([origin.seed, 2])
    parts = [LEFT_OUT] * len(names)
    for side, known, asked in ((True, USED, QUERY_USED), (False, UNUSED, QUERY_UNUSED)):
        own = [
            k
            for k, is_member in enumerate(read.is_member)
            if is_member is side and (side or names[k] not in dropped)
        ]
        there = lot.permutation(sorted({groups[k] for k in own}))
        queries = set(there[: round(origin.query_share * len(there))].tolist())
        for k in own:
            parts[k] = asked if groups[k] in queries else known
    return parts


def _recipe(read: _Read, dealt: Dealt, origin: Origin) -> Recipe:
    counts = dealt.counts()
    return Recipe(
        generator=IMPORTED,
        images=origin.members,
        members=counts["members"],
        samples=len(read.generated),
        options={
            NON_MEMBER: origin.non_members,
            "generated": origin.generated,
            "shared": origin.shared,
        },
        groups=origin.groups,
        group_regex=origin.group_regex,
        unused=counts["non_members"],
        reference=0,
        query_share=origin.query_share,
        size=read.size,
        seed=origin.seed,
        kind=read.kind,
    )
