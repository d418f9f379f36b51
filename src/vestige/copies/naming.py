"""The copies of an audit: equal pixels in all roles, and near copies, as records with names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import cast

import numpy as np

from vestige.cache.run_history import digest
from vestige.copies.equality import Equality, find_equal
from vestige.copies.search import CopySearch as Found
from vestige.copies.search import NearCopies, search_copies
from vestige.decision.records import Copy, CopySearch, RealRole, Shown
from vestige.engine.machine import side_by_side
from vestige.images.imageset import ImageSet
from vestige.judging.cohort import Cohort
from vestige.scoring.score_cache import KeptScores, rows_of
from vestige.symmetries import INVERSE, SYMMETRIES, VIEWS, Views
from vestige.types import Bools

DIGITS = 4
"""Figures are told to so many digits: the order of the files moves the seventh."""


@dataclass(frozen=True, eq=False)
class Copies:
    """What was found: records, nearest first, how it was searched, and the rule.

    named : of images [k, s, s] and the rows [k] of their originals (of the cohort, then of `more`):
        which would be named as copies, had they been generated
    """

    copies: tuple[Copy, ...]
    search: CopySearch
    named: Callable[..., Bools]


def find_copies(
    sets: Mapping[str, ImageSet],
    as_read: Mapping[str, ImageSet],
    labels: Mapping[str, tuple[str, ...]],
    cohort: Cohort,
    views: Views,
    move: bool,
    kept: KeptScores | None = None,
) -> Copies:
    """Equal pixels of the sets as they were read, in all roles, and near copies of the cohort.

    Parameters
    ----------
    sets, as_read : role -> ImageSet
        As compared (after `--harmonize`), and as read.
    labels : role -> group of each image
    cohort : the reals of the audit
    move : also look for near copies that are shifted or cropped
    kept : what the cache has of this audit
    """

    @cache
    def found() -> Found:
        targets = cohort.targets | cohort.known_used
        return search_copies(
            cohort.images, cohort.group_index, cohort.calibration & ~targets, targets,
            sets["generated"].pixels,
            views, move,
        )  # fmt: skip

    @cache
    def equality() -> Equality:
        return find_equal(as_read)

    def rows() -> tuple[Copy, ...]:
        side_by_side(found, equality)
        copies = _equal(equality(), as_read, labels)
        known = {(copy.generated, copy.role, copy.real) for copy in copies}
        for pairs in (found().targets, found().calibration):
            near = _near(pairs, cohort, sets)
            copies += [c for c in near if (c.generated, c.role, c.real) not in known]
        place = {id_: k for k, id_ in enumerate(sets["generated"].ids)}
        copies.sort(key=lambda c: (-c.value, -c.beyond, place[c.generated], c.role, c.real))
        return tuple(copies)

    def searches() -> tuple[CopySearch]:
        return (_search(found(), equality(), views, move),)

    told = [
        (role, images.ids, images.sha256, labels.get(role, ())) for role, images in as_read.items()
    ]
    mine = None if kept is None else kept.about("copies", digest([told, views, move]))
    return Copies(
        rows_of(mine, Copy, "copies", rows),
        rows_of(mine, CopySearch, "search", searches)[0],
        lambda *images, **more: found().names(*images, **more),
    )


def _search(found: Found, equality: Equality, views: Views, move: bool) -> CopySearch:
    line = found.line
    usable = line.usable and np.isfinite(line.line)
    return CopySearch(
        line=round(float(line.line), DIGITS) if usable else None,
        highest_bystander=round(float(line.highest), DIGITS) if np.isfinite(line.highest) else None,
        bystanders=line.bystanders if found.by == "calibration" else 0,
        views=VIEWS[views],
        moved=move,
        plain=found.plain,
        duplicates=equality.duplicates,
    )


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


def _near(pairs: NearCopies, cohort: Cohort, sets: Mapping[str, ImageSet]) -> list[Copy]:
    generated = sets["generated"].ids
    shown = [
        Shown(*map(float, part)) if moved else None
        for part, moved in zip(pairs.part, pairs.moved, strict=True)
    ]
    told = pairs.real, pairs.generated, pairs.value, pairs.beyond, pairs.view, shown
    return [
        Copy(
            generated=generated[int(g)],
            real=cohort.ids[int(row)],
            role=cast(RealRole, str(cohort.roles[row])),
            group=str(cohort.groups[row]),
            value=round(float(np.clip(value, -1, 1)), DIGITS),
            beyond=round(float(beyond), DIGITS),
            view=INVERSE[SYMMETRIES[int(view)]],
            inverted=False,
            by="near copy",
            moved=part is not None,
            shown=part,
        )
        for row, g, value, beyond, view, part in zip(*told, strict=True)
    ]
