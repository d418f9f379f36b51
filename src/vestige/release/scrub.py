"""Which generated images must stay behind so that the rest gives nobody away?

Each round withholds the generated images that carry the evidence (`attribution`) and audits the
remainder with the same reals, seed and detectors, until nothing is left beyond chance.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from vestige.auditing.audit import run_audit
from vestige.auditing.before_reading import check_cache
from vestige.auditing.request import ROLES
from vestige.copies.maps import Maps
from vestige.copies.pictures import draw_pairs
from vestige.decision import Decision
from vestige.decision.audited import named_groups
from vestige.decision.decide import TARGET_ROLES
from vestige.decision.records import How, RealRole, Withheld
from vestige.files.places import refuse_within
from vestige.files.whole import write_together
from vestige.images.given_arrays import Given, held
from vestige.images.given_groups import Groups, Ids, by_name, told_groups, told_ids, with_ids
from vestige.images.imageset import ImageSet
from vestige.images.listing import Source, listed
from vestige.judging.cohort import Cohort
from vestige.registry.entries import InputError
from vestige.release.attribution import nearest_pairs
from vestige.release.folder import check_folder, copy_kept, refuse_full, write_kept
from vestige.release.repeat import check_result, fill_again, options_again, read_again
from vestige.report.scrubbed import render_scrub
from vestige.result import AuditResult
from vestige.scoring.plan import Options
from vestige.types import Bools, Progress, quiet

ROUNDS = 10
MIN_GENERATED = 2  # generated images that an audit needs


@dataclass(frozen=True)
class ScrubResult:
    """What may stay, what must not, and what the audit says of the remainder.

    keep : ids of generated images, in their natural order
    withheld : likewise, with the reason for each
    unreadable : generated files that could not be read; they are in neither list
    before, remainder : the audits of the whole set and of what may stay
    outcome : the decision on the remainder
    copied, left_out : files that were copied (None: not asked for, or the gate is not open), and
        files left out because only a part of their images may stay and no such file can be
        written in parts
    """

    keep: tuple[str, ...]
    withheld: tuple[Withheld, ...]
    unreadable: int
    before: AuditResult
    remainder: AuditResult
    outcome: Decision
    copied: int | None = None
    left_out: tuple[str, ...] = ()
    pictures: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)
    """PNG bytes of withheld images and their partners, for the report only."""

    def __repr__(self) -> str:
        told = f"{len(self.keep):,} may stay, {len(self.withheld):,} are withheld"
        return f"<ScrubResult: {told}; gate {self.outcome.gate}>"

    def save(self, out: str | os.PathLike[str]) -> tuple[Path, Path]:
        """Write the ids that may stay to `out`; those that must not, and a report, beside it.

        Returns
        -------
        withheld, report : Path
            keep.txt -> keep.withheld.txt and keep.report.html
        """
        keep = Path(out)
        withheld, report = beside(keep)
        gone = [image.generated for image in self.withheld]
        page = render_scrub(
            self.before, self.remainder, self.withheld, len(self.keep), self.pictures
        )
        write_together({report: page, withheld: _lines(gone), keep: _lines(self.keep)})
        return withheld, report


def beside(keep: Path) -> tuple[Path, Path]:
    """Where the withheld ids and the report are written."""
    return keep.with_name(f"{keep.stem}.withheld{keep.suffix}"), keep.with_name(
        f"{keep.stem}.report.html"
    )


def scrub(
    result: AuditResult | str | os.PathLike[str],
    generated: Source,
    used: Source | None = None,
    unused: Source | None = None,
    query: Source | None = None,
    reference: Source | None = None,
    *,
    groups: Groups | None = None,
    ids: Ids | None = None,
    group_regex: str | None = None,
    options: Options | None = None,
    max_share: float = 0.5,
    engine: str = "local",
    cache: str | os.PathLike[str] | None = None,
    copy_to: str | os.PathLike[str] | None = None,
    progress: Progress = quiet,
) -> ScrubResult:
    """Which generated images must be withheld so that the audit finds nothing in the rest?

    Parameters
    ----------
    result : AuditResult or path of result.json
        Seed, rate, detectors, their options and the window are taken from it.
    generated, used, unused, query, reference, groups, ids, group_regex
        As in the audit; images or groups other than those of the result are refused.
    options : detector -> its options, optional
        Those of the audit that name files or folders, such as weights. They are not taken from the
        result, which may be of somebody else.
    max_share : float
        Largest share of the generated set that may be withheld, inside 0..1.
    copy_to : folder, optional
        A new folder for the generated files that may be released. It is made only if the gate is
        open for them. Arrays and volumes are written without the images that may not.
    engine, cache, progress
        As in `vestige.audit`.

    Returns
    -------
    ScrubResult
        The remainder was chosen by this audit, with these calibration images: that nothing is left
        in it says less than an audit with calibration images that took no part (docs/release.md).

    Raises
    ------
    InputError
        Other images than those of the result; a result without validity checks, one that names no
        copy and nobody, a redacted one, or one that rests on a trained model; anything else the
        user can mend.
    """
    before = result if isinstance(result, AuditResult) else AuditResult.load(result)
    if not 0 < max_share < 1:
        raise InputError(f"the largest share to withhold is {max_share:g}; give one inside 0..1.")
    made_with = check_result(before, options)
    roles = zip(ROLES, (generated, query, used, unused, reference), strict=True)
    given = {role: None if one is None else held(one) for role, one in roles}
    listings = {role: listed(one) for role, one in given.items() if one is not None}
    _check_places(given, listings, cache, copy_to)
    listings = with_ids(listings, told_ids(ids))
    names = by_name(told_groups(groups), listings, made_with.layout)
    again = replace(
        options_again(made_with, before.manifest.seed, engine),
        groups=names,
        group_regex=group_regex,
    )
    sets = read_again(
        before, given | listings, made_with, replace(again, engine=engine, cache=cache), progress
    )
    cohort = fill_again(before, sets, names, group_regex)
    made = sets["generated"]
    _check_ids(made.ids)
    source = listings["generated"]
    array = source.values if isinstance(source, Given) else None
    if copy_to is not None:
        if isinstance(array, np.ndarray):
            refuse_full(Path(copy_to))
        else:
            check_folder(copy_to, made)

    def audit_again(kept: Bools, number: int) -> AuditResult:
        def told(stage: str, done: int, total: int) -> None:
            progress(f"round {number}: {stage}", done, total)

        return run_audit({**sets, "generated": made.subset(kept)}, again, told)

    kept = np.ones(len(made), bool)
    most = min(int(max_share * len(made) + 1e-9), len(made) - MIN_GENERATED)
    withheld, remainder, number = _copies(before, made, 0, most), before, 0
    if withheld:
        kept[list(withheld)] = False
        remainder = audit_again(kept, 0)
    while not _is_clean(remainder) and number < ROUNDS and len(withheld) < most:
        number += 1
        left = most - len(withheld)
        carriers = _copies(remainder, made, number, left)
        carriers = carriers or _carriers(remainder, cohort, made, kept, number, left)
        if not carriers:
            break
        kept[list(carriers)] = False
        audited = audit_again(kept, number)
        guessed = all(image.by == "nearest" for image in carriers.values())
        if guessed and not _is_better(audited, remainder):
            kept[list(carriers)] = True  # innocent, as far as this audit can tell
            break
        withheld, remainder = withheld | carriers, audited
    keep = tuple(made.ids[g] for g in np.flatnonzero(kept))
    gone = tuple(withheld[g] for g in sorted(withheld))
    left_out: tuple[str, ...] = ()
    copied = None
    if copy_to is not None and remainder.decision.gate == "open":
        if isinstance(array, np.ndarray):
            copied = write_kept(array, kept, copy_to)
        else:
            copied, left_out = copy_kept(made, keep, copy_to, progress)
    return ScrubResult(
        keep=keep,
        withheld=gone,
        unreadable=made.files.unread,
        before=before,
        remainder=remainder,
        outcome=remainder.decision,
        copied=copied,
        left_out=left_out,
        pictures=draw_pairs(gone, sets, Maps.of(cohort, made)),
    )


def _check_places(
    given: Mapping[str, Source | None],
    listings: Mapping[str, Source],
    cache: str | os.PathLike[str] | None,
    copy_to: str | os.PathLike[str] | None,
) -> None:
    """Refuse a cache or a folder of copies among the inputs, before they are read."""
    check_cache(cache, listings)
    if copy_to is not None:
        folders = [
            (f"--{role}", one)
            for role, one in given.items()
            if isinstance(one, str | os.PathLike) and Path(one).is_dir()
        ]
        refuse_within(("--copy-to", copy_to), folders)
        if cache is not None:
            refuse_within(("--copy-to", copy_to), [("--cache", cache)])


def _is_clean(result: AuditResult) -> bool:
    return result.decision.gate != "closed"


def _is_better(after: AuditResult, before: AuditResult) -> bool:
    def named(result: AuditResult) -> int:
        return len(named_groups(result.findings, result.patients))

    return called_used(after) < called_used(before) or named(after) < named(before)


def called_used(result: AuditResult) -> int:
    """Images that stand out at the asked rate; copies are counted by themselves."""
    return sum(f.stands_out for f in result.findings)


def _copies(result: AuditResult, made: ImageSet, number: int, most: int) -> dict[int, Withheld]:
    """What the decision calls copies of target images, the nearest first, at most `most`."""
    place = {id_: g for g, id_ in enumerate(made.ids)}
    chosen: dict[int, Withheld] = {}
    targets = [copy for copy in result.copies if copy.role in TARGET_ROLES]
    for copy in sorted(targets, key=lambda c: (-c.value, place[c.generated], c.real)):
        g = place[copy.generated]
        if len(chosen) < most and g not in chosen:
            chosen[g] = Withheld(
                copy.generated, copy.real, copy.role, copy.group, copy.by, number, copy.view,
                copy.inverted, copy.moved, copy.shown,
            )  # fmt: skip
    return chosen


def _carriers(
    result: AuditResult, cohort: Cohort, made: ImageSet, kept: Bools, number: int, most: int
) -> dict[int, Withheld]:
    """Generated images to withhold, the strongest evidence first, at most `most` of them.

    Pairs that stand out among those of images that are named or stand out; of all candidates when
    the set as a whole gives them away. When nobody's pair stands out, but patients are named or
    more stand out than chance explains: the nearest pairs of those.
    """
    rate = result.question.false_alarm_rate
    left = np.flatnonzero(kept)
    spaces = nearest_pairs(
        cohort.images, cohort.group_index, cohort.calibration, made.pixels[left], rate
    )
    called = {f.id for f in result.findings if f.called or f.verdict == "used"}
    row_called = cohort.targets & np.array([id_ in called for id_ in cohort.ids])
    wide = cohort.targets if result.decision.state == "leak found" else row_called
    pairs: list[tuple[float, int, int, How]] = [
        (-float(space.excess[row, j]), int(left[space.rows[row, j]]), int(row), space.name)
        for space in spaces
        for row in np.flatnonzero(wide)
        for j in np.flatnonzero(space.excess[row] > 0)
    ]
    if not pairs and result.decision.state == "individuals stand out":
        pairs = [
            (-float(space.excess[row, 0]), int(left[space.rows[row, 0]]), int(row), "nearest")
            for space in spaces
            for row in np.flatnonzero(row_called)
        ]
    return _strongest(pairs, cohort, made, number, most)


def _strongest(
    pairs: list[tuple[float, int, int, How]], cohort: Cohort, made: ImageSet, number: int, most: int
) -> dict[int, Withheld]:
    """The first `most` generated images of pairs (minus strength, generated, real, space)."""
    chosen: dict[int, Withheld] = {}
    for _, g, row, by in sorted(pairs):
        if len(chosen) < most and g not in chosen:
            chosen[g] = Withheld(
                made.ids[g],
                cohort.ids[row],
                cast(RealRole, str(cohort.roles[row])),
                str(cohort.groups[row]),
                by,
                number,
            )
    return chosen


def _check_ids(ids: tuple[str, ...]) -> None:
    """Refuse names that cannot stand in a text file, one a line, before hours of work."""
    for id_ in ids:
        if len(id_.splitlines()) != 1 or not id_.isprintable():
            raise InputError(
                f"the generated image {id_!r} cannot be listed one a line: rename the file."
            )


def _lines(ids: Any) -> str:
    return "".join(f"{id_}\n" for id_ in ids)
