"""Who plays which role in a world: whole groups are dealt, so that no patient plays two."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vestige.images.names import natural_key
from vestige.registry.entries import InputError

USED, QUERY_USED = "used", "query used"
UNUSED, QUERY_UNUSED = "unused", "query unused"
REFERENCE, STRANGER, LEFT_OUT = "reference", "stranger", "left out"
MEMBERS = (USED, QUERY_USED)
LEAST_UNUSED = 100
MOST_REFERENCE = 1000
STRANGER_GROUPS = 3
STRANGER_SHARE = 0.05


@dataclass(frozen=True)
class Wanted:
    """How many images each part of a world gets; see `vestige.worlds.record.Recipe`.

    strangers : whether the generator needs reals that play no role
    """

    members: int
    unused: int | None = None
    reference: int | None = None
    query_share: float = 0.5
    per_group: int | None = None
    strangers: bool = False


def deal_roles(
    ids: Sequence[str], groups: Sequence[str], wanted: Wanted, seed: int
) -> tuple[str, ...]:
    """Give every image a role.

    Groups come in a seeded random order and fill one part after the other: used, query used,
    unused, query unused, reference; the rest are strangers. The group that would overfill a part
    gives it as many images as fit, chosen at random, and its others are left out. So all counts
    are exact and no group plays two roles. Members do not depend on what is asked of later parts.

    Parameters
    ----------
    ids, groups : length n
        The result depends on which ids and groups there are, not on their order.
    wanted : Wanted
    seed : int

    Returns
    -------
    tuple of str, length n
        "used", "query used", "unused", "query unused", "reference", "stranger" or "left out".

    Raises
    ------
    InputError
        When a count is out of range, or images or groups do not suffice.
    """
    _check(wanted, len(ids), len(set(groups)))
    chance = np.random.default_rng(seed)
    places = sorted(range(len(ids)), key=lambda k: (groups[k], natural_key(ids[k])))
    drawn = dict(zip(places, chance.random(len(ids)).tolist(), strict=True))
    by_group: dict[str, list[int]] = {}
    for k in sorted(places, key=lambda k: (groups[k], drawn[k])):
        by_group.setdefault(groups[k], []).append(k)
    names = list(by_group)
    stock = [by_group[names[g]][: wanted.per_group] for g in chance.permutation(len(names))]
    roles = [LEFT_OUT] * len(ids)

    def fill(role: str, count: int, option: str) -> None:
        for k in _take(stock, role, count, option):
            roles[k] = role

    asked = round(wanted.query_share * wanted.members)
    fill(USED, wanted.members - asked, "--members")
    fill(QUERY_USED, asked, "--members")
    unused = _default_unused(wanted, stock) if wanted.unused is None else wanted.unused
    asked = round(wanted.query_share * unused)
    fill(UNUSED, unused - asked, "--unused")
    fill(QUERY_UNUSED, asked, "--unused")
    reference = _default_reference(wanted, stock) if wanted.reference is None else wanted.reference
    fill(REFERENCE, reference, "--reference")
    if wanted.strangers and len(stock) < STRANGER_GROUPS:
        raise InputError(
            f"this generator mixes images of {STRANGER_GROUPS} or more groups without a role, "
            f"{len(stock)} are left: ask for fewer --members, --unused or --reference."
        )
    for group in stock:
        for k in group:
            roles[k] = STRANGER
    return tuple(roles)


def _check(wanted: Wanted, images: int, groups: int) -> None:
    least = {"members": 1, "unused": 1, "reference": 0, "per_group": 1}
    for name, low in least.items():
        value = getattr(wanted, name)
        if value is not None and value < low:
            raise InputError(f"--{name.replace('_', '-')} must be {low} or more, not {value}.")
    if not 0 <= wanted.query_share <= 1:
        raise InputError(f"--query-share must lie in 0..1, not {wanted.query_share:g}.")
    if wanted.members > images:
        raise InputError(
            f"{wanted.members} members were asked for, there are {images} images: "
            "ask for fewer --members."
        )
    unused = wanted.members if wanted.unused is None else wanted.unused
    parts = 0
    for count in (wanted.members, unused):
        asked = round(wanted.query_share * count)
        parts += (asked > 0) + (asked < count)
    parts += 1 if wanted.reference else 0
    parts += STRANGER_GROUPS if wanted.strangers else 0
    if groups < parts:
        raise InputError(
            f"{parts} roles need {parts} or more groups, there are {groups}: "
            "give more patients, or --query-share 0 or 1 for fewer roles."
        )


def _take(stock: list[list[int]], role: str, count: int, option: str) -> Iterator[int]:
    """Remove whole groups from the stock until `count` images are found."""
    missing, groups, images = count, len(stock), sum(map(len, stock))
    while missing:
        if not stock:
            raise InputError(
                f"not enough images for the role {role!r}: {count} were asked for, {images} "
                f"(of {groups} groups) are left after the roles before it: lower {option}, "
                "or add images."
            )
        group = stock.pop(0)
        yield from group[:missing]
        missing -= min(missing, len(group))


def _default_unused(wanted: Wanted, stock: list[list[int]]) -> int:
    """As many as members; with few members up to 100, but no more than half of what is left."""
    room = sum(map(len, stock)) // 2
    return max(wanted.members, min(LEAST_UNUSED, room))


def _default_reference(wanted: Wanted, stock: list[list[int]]) -> int:
    """What is left, up to 1,000; a generator that mixes strangers keeps some."""
    sizes = [len(group) for group in stock]
    if not wanted.strangers:
        return min(MOST_REFERENCE, sum(sizes))
    # groups are taken from the front: the last ones stay
    keep = len(sizes)
    kept = 0
    while keep and (len(sizes) - keep < STRANGER_GROUPS or kept < STRANGER_SHARE * sum(sizes)):
        keep -= 1
        kept += sizes[keep]
    return min(MOST_REFERENCE, sum(sizes[:keep]))


def join_groups(groups: Sequence[str], clusters: Sequence[int]) -> tuple[str, ...]:
    """Make one of all groups that share a cluster, named like the first of them by name."""
    parent = {group: group for group in groups}

    def root(group: str) -> str:
        while parent[group] != group:
            group = parent[group]
        return group

    first: dict[int, str] = {}
    for group, cluster in zip(groups, clusters, strict=True):
        one, other = sorted((root(group), root(first.setdefault(cluster, group))))
        parent[other] = one
    return tuple(root(group) for group in groups)
