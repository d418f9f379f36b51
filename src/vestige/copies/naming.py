"""The copies of an audit: equal pixels in all roles, and near copies, as records with names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from vestige.bag import Bag
from vestige.copies.equality import Equality, find_equal
from vestige.copies.search import CopySearch as Found
from vestige.copies.search import NearCopies, search_copies
from vestige.decision.records import Copy, CopySearch, RealRole
from vestige.images.imageset import ImageSet
from vestige.symmetries import SYMMETRIES, VIEWS, Views

DIGITS = 4
"""Figures are told to so many digits: the order of the files moves the seventh."""


@dataclass(frozen=True, eq=False)
class Copies:
    """What was found: records, nearest first, and how it was searched.

    found : the search for near copies, which planted copies are asked of again
    """

    copies: tuple[Copy, ...]
    search: CopySearch
    found: Found


def find_copies(
    sets: Mapping[str, ImageSet],
    as_read: Mapping[str, ImageSet],
    labels: Mapping[str, tuple[str, ...]],
    bag: Bag,
    views: Views,
    move: bool,
) -> Copies:
    """Equal pixels of the sets as they were read, in all roles, and near copies of the bag.

    Parameters
    ----------
    sets, as_read : role -> ImageSet
        As compared (after `--conform`), and as read.
    labels : role -> group of each image
    bag : the reals of the audit
    move : also look for near copies that are shifted or cropped
    """
    equality = find_equal(as_read)
    targets = bag.judged | bag.known_used
    found = search_copies(
        bag.images, bag.units, bag.control & ~targets, targets, sets["generated"].pixels, views,
        move,
    )  # fmt: skip
    copies = _equal(equality, as_read, labels)
    known = {(copy.generated, copy.role, copy.real) for copy in copies}
    near = [*_near(found.targets, bag, sets), *_near(found.calibration, bag, sets)]
    copies += [copy for copy in near if (copy.generated, copy.role, copy.real) not in known]
    place = {id_: k for k, id_ in enumerate(sets["generated"].ids)}
    copies.sort(key=lambda c: (-c.value, -c.beyond, place[c.generated], c.role, c.real))
    line = found.line
    usable = line.usable and np.isfinite(line.line)
    search = CopySearch(
        line=round(float(line.line), DIGITS) if usable else None,
        highest_bystander=round(float(line.highest), DIGITS) if np.isfinite(line.highest) else None,
        bystanders=line.bystanders if found.by == "calibration" else 0,
        views=VIEWS[views],
        moved=move,
        plain=found.plain,
        duplicates=equality.duplicates,
    )
    return Copies(tuple(copies), search, found)


def _equal(
    equality: Equality, sets: Mapping[str, ImageSet], labels: Mapping[str, tuple[str, ...]]
) -> list[Copy]:
    return [
        Copy(
            generated=sets["generated"].ids[pair.generated],
            real=sets[pair.role].ids[pair.real],
            role=cast(RealRole, pair.role),
            group=labels[pair.role][pair.real],
            value=1.0,
            beyond=0.0,
            view=pair.symmetry,
            inverted=pair.inverted,
            by="same pixels",
        )
        for pair in equality.equal
    ]


def _near(pairs: NearCopies, bag: Bag, sets: Mapping[str, ImageSet]) -> list[Copy]:
    generated = sets["generated"].ids
    told = pairs.real, pairs.generated, pairs.value, pairs.beyond, pairs.view, pairs.moved
    return [
        Copy(
            generated=generated[int(g)],
            real=bag.ids[int(row)],
            role=cast(RealRole, str(bag.roles[row])),
            group=str(bag.groups[row]),
            value=round(float(np.clip(value, -1, 1)), DIGITS),
            beyond=round(float(beyond), DIGITS),
            view=SYMMETRIES[int(view)],
            inverted=False,
            by="near copy",
            moved=bool(moved),
        )
        for row, g, value, beyond, view, moved in zip(*told, strict=True)
    ]
