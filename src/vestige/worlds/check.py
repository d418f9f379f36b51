"""Is a world sound? Files unchanged, no patient or picture on two sides, both sides alike."""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vestige.images.duplicates import near_duplicate_groups
from vestige.images.imageset import ImageSet
from vestige.images.kinds import Kind
from vestige.images.reading import Wanted, read_images
from vestige.types import Floats, Images
from vestige.worlds import GENERATORS
from vestige.worlds.record import (
    GENERATED,
    IMPORTED,
    REALS,
    TruthRow,
    WorldRecord,
    read_truth,
    verify_world,
)

ALPHA = 0.001
"""A sound world fails the comparison of grey levels this often, at most."""
EXACT_GROUPS = 50
SHOWN = 5
MODES: dict[Kind, str] = {"grey": "L", "colour": "RGB", "volume": "NIfTI uint8"}
"""Of the files of a world, as readers name them."""


@dataclass(frozen=True)
class Check:
    """One thing that must hold; `detail` says what was found."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Opened:
    """A world in memory: reals in the order of truth.csv. reals, pixels : n images."""

    record: WorldRecord
    truth: tuple[TruthRow, ...]
    folders: Mapping[str, ImageSet]
    ids: tuple[str, ...]
    sha256: tuple[str, ...]
    pixels: Images


def check_world(folder: str | os.PathLike[str]) -> tuple[Check, ...]:
    """Check a finished world.

    Returns
    -------
    tuple of Check
        Failed ones included, in the order of `CHECKS`.

    Raises
    ------
    InputError
        When it is no world, is unfinished, or files differ from what its record says.
    """
    world = _open(Path(folder))
    counted = CHECKS["counts"](world)
    if not counted.passed:  # nothing else can be compared
        return (counted,)
    return tuple(check(world) for check in CHECKS.values())


def _open(root: Path) -> Opened:
    record = verify_world(root)
    wanted = Wanted(kind=record.recipe.kind)
    folders = {
        role: read_images(root / role, role=role, size=record.recipe.size, wanted=wanted)
        for role in (*REALS, GENERATED)
        if role in record.sha256
    }
    reals = [
        (f"{role}/{images.ids[k]}", images.sha256[k], images.pixels[k])
        for role, images in folders.items()
        if role != GENERATED
        for k in range(len(images))
    ]
    reals.sort(key=lambda real: real[0])
    ids, digests, pixels = zip(*reals, strict=True)
    return Opened(record, read_truth(root), folders, ids, digests, np.stack(pixels))


def _counts(world: Opened) -> Check:
    """truth.csv names every real image once, and the counts are those of the record."""
    counts = {role: len(images) for role, images in world.folders.items()}
    named = tuple(row.id for row in world.truth)
    used = sum(row.used for row in world.truth)
    wanted = world.record.counts
    wrong = [name for name in (*REALS, GENERATED) if counts.get(name, 0) != wanted.get(name)]
    if named != world.ids:
        wrong.append("truth.csv")
    if used != wanted.get("members"):
        wrong.append("members")
    if any(row.role != row.id.partition("/")[0] for row in world.truth):
        wrong.append("roles")
    if any(row.used != (row.role == "used") for row in world.truth if row.role != "query"):
        wrong.append("status")
    found = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    return Check("counts", not wrong, f"wrong: {', '.join(wrong)}" if wrong else found)


def _groups(world: Opened) -> Check:
    """No group plays two roles."""
    roles: dict[str, set[str]] = {}
    for row in world.truth:
        roles.setdefault(row.group, set()).add(f"{row.role} {row.used}")
    shared = sum(len(parts) > 1 for parts in roles.values())
    found = f"{len(roles)} groups, {shared or 'none'} in two roles"
    return Check("groups", not shared, found)


def _copies(world: Opened) -> Check:
    """No picture is on two sides."""
    return _one_side("copies", world, world.sha256)


def _near_copies(world: Opened) -> Check:
    """No near copies on two sides; see `near_duplicate_groups`."""
    return _one_side("near copies", world, near_duplicate_groups(world.pixels).tolist())


def _one_side(name: str, world: Opened, labels: Sequence[object]) -> Check:
    """Images that share a label are all on one side: members, other unused, or reference."""
    first: dict[tuple[object, str], str] = {}
    for row, label in zip(world.truth, labels, strict=True):
        side = "member" if row.used else row.role.replace("query", "unused")
        first.setdefault((label, side), row.id)
    pairs: dict[object, list[str]] = {}
    for (label, _), identifier in first.items():
        pairs.setdefault(label, []).append(identifier)
    across = [" = ".join(ids) for ids in pairs.values() if len(ids) > 1]
    shown = ", ".join(across[:SHOWN]) + (", ..." if len(across) > SHOWN else "")
    return Check(name, not across, f"{len(across)} across sides: {shown}" if across else "none")


def _format(world: Opened) -> Check:
    """Every file has 8 bits, the kind of the world, and sides of the size asked for."""
    recipe = world.record.recipe
    sides = [recipe.size] * (3 if recipe.kind == "volume" else 2)
    kinds = Counter(
        (images.modes[k], images.bits[k], *images.records[k].shape)
        for images in world.folders.values()
        for k in range(len(images))
    )
    found = ", ".join(
        f"{n} {mode} {bits} bit {' x '.join(map(str, shape))}"
        for (mode, bits, *shape), n in kinds.most_common(SHOWN)
    )
    return Check("format", set(kinds) == {(MODES[recipe.kind], 8, *sides)}, found)


def _levels(world: Opened) -> Check:
    """Members and non-members have the same grey levels.

    Seven figures of every image, averaged by group, are compared by the Kolmogorov-Smirnov
    test, and the smallest p-value times seven must reach `ALPHA`. Groups are dealt at random, so a
    sound world fails with at most that probability.
    """
    from scipy.stats import ks_2samp

    used = np.array([row.used for row in world.truth])
    groups = np.array([row.group for row in world.truth])
    if used.all() or not used.any():
        return Check("levels", False, "one side is empty")
    p_values = {}
    for name, values in _figures(world.pixels).items():
        sides = [_by_group(values[side], groups[side]) for side in (used, ~used)]
        # the asymptotic p-value is far too small with few groups, the exact one costly with many
        method = "exact" if min(map(len, sides)) <= EXACT_GROUPS else "asymp"
        p_values[name] = float(ks_2samp(*sides, method=method).pvalue)
    worst = min(p_values, key=lambda name: p_values[name])
    p = min(1.0, len(p_values) * p_values[worst])
    counted = " and ".join(str(len(np.unique(groups[side]))) for side in (used, ~used))
    found = f"members and non-members ({counted} groups) differ most in {worst}: p = {p:.2g}"
    return Check("levels", p >= ALPHA, found)


def _figures(pixels: Images) -> dict[str, Floats]:
    """Figures of the histogram of each image, [n] each."""
    levels = np.rint(pixels * 255).astype(np.uint8).reshape(len(pixels), -1)
    distinct = [np.count_nonzero(np.bincount(row, minlength=256)) for row in levels]
    return {
        "the share of black": (levels == 0).mean(axis=1),
        "the share of white": (levels == 255).mean(axis=1),
        "the darkest level": levels.min(axis=1).astype(np.float64),
        "the brightest level": levels.max(axis=1).astype(np.float64),
        "the number of levels": np.array(distinct, np.float64),
        "the mean": levels.mean(axis=1),
        "the contrast": levels.std(axis=1),
    }


def _by_group(values: Floats, groups: np.ndarray[tuple[int], np.dtype[np.str_]]) -> Floats:
    _, index = np.unique(groups, return_inverse=True)
    return np.asarray(np.bincount(index, values) / np.bincount(index))


def _verbatim(world: Opened) -> Check:
    """No generated image is a real one pixel for pixel, unless the generator may copy.

    What a generator of other people copied is what an audit of their world is to find.
    """
    reals = set(world.sha256)
    count = sum(digest in reals for digest in world.folders[GENERATED].sha256)
    name = world.record.recipe.generator
    allowed = name == IMPORTED or (name in GENERATORS and GENERATORS[name].copies)
    told = "is a real one" if count == 1 else "are real ones"
    found = f"{count or 'none'} of the generated images {told}"
    return Check("verbatim", allowed or not count, found)


CHECKS: dict[str, Callable[[Opened], Check]] = {
    "counts": _counts,
    "groups": _groups,
    "copies": _copies,
    "near copies": _near_copies,
    "format": _format,
    "levels": _levels,
    "verbatim": _verbatim,
}
