"""Which generated images must stay behind so that the rest gives nobody away?

Each round withholds the generated images that carry the evidence (`attribution`) and audits the
remainder with the same reals, seed and detectors, until nothing is left beyond chance.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vestige.attribution import nearest_pairs
from vestige.audit import ROLES, audit
from vestige.bag import Bag
from vestige.choices import InputError
from vestige.files import write_together
from vestige.gate import Gate, beyond_chance, called_used, gate, named
from vestige.images.imageset import ImageSet
from vestige.images.listing import Source
from vestige.repeat import check_result, fill_again, read_again
from vestige.result import AuditResult
from vestige.types import Bools, Progress, quiet

ROUNDS = 10
FEWEST = 2  # generated images that an audit needs
How = Literal["same pixels", "whitened cosine", "distance", "nearest"]


@dataclass(frozen=True)
class Withheld:
    """A generated image that must stay behind, and the real image it gives away.

    by : the space in which the pair stands out; "nearest" for the last resort, the nearest pair of
        an image that is called used although no pair of it stands out
    round : 0 for copies that no control's pair comes near, else from 1
    """

    generated: str
    real: str
    by: How
    round: int


@dataclass(frozen=True)
class ScrubResult:
    """What may stay, what must not, and what the audit says of the remainder.

    keep : ids of generated images, in their natural order
    withheld : likewise, with the reason for each
    unreadable : generated files that could not be read; they are in neither list
    before, remainder : the audits of the whole set and of what may stay
    outcome : as of `vestige audit --gate`, on the remainder
    """

    keep: tuple[str, ...]
    withheld: tuple[Withheld, ...]
    unreadable: int
    before: AuditResult
    remainder: AuditResult
    outcome: Gate

    def save(self, out: str | os.PathLike[str]) -> Path:
        """Write the ids that may stay to `out`, those that must not beside it; both or none.

        Returns
        -------
        Path
            The file of the withheld ones: keep.txt -> keep.withheld.txt.
        """
        keep = Path(out)
        beside = withheld_path(keep)
        gone = [image.generated for image in self.withheld]
        write_together({beside: _lines(gone), keep: _lines(self.keep)})
        return beside


def withheld_path(keep: Path) -> Path:
    """Where the withheld ids are written."""
    return keep.with_name(f"{keep.stem}.withheld{keep.suffix}")


def scrub(
    result: AuditResult | str | os.PathLike[str],
    generated: Source,
    used: Source | None = None,
    unused: Source | None = None,
    query: Source | None = None,
    reference: Source | None = None,
    *,
    groups: str | os.PathLike[str] | None = None,
    group_regex: str | None = None,
    max_share: float = 0.5,
    engine: str = "local",
    cache: str | os.PathLike[str] | None = None,
    progress: Progress = quiet,
) -> ScrubResult:
    """Which generated images must be withheld so that the audit finds nothing in the rest?

    Parameters
    ----------
    result : AuditResult or path of result.json
        Seed, rate, detectors, their options and the window are taken from it.
    generated, used, unused, query, reference, groups, group_regex
        As in the audit; images or groups other than those of the result are refused.
    max_share : float
        Largest share of the generated set that may be withheld, inside 0..1.
    engine, cache, progress
        As in `vestige.audit`.

    Returns
    -------
    ScrubResult
        The remainder was chosen by this audit, with these controls: that nothing is left in it
        says less than an audit with controls that took no part (docs/release.md).

    Raises
    ------
    InputError
        Other images than those of the result; a result that names nobody (uncalibrated, a control
        failed, redacted) or that rests on a trained model; anything else the user can mend.
    """
    before = result if isinstance(result, AuditResult) else AuditResult.load(result)
    if not 0 < max_share < 1:
        raise InputError(f"the largest share to withhold is {max_share:g}; give one inside 0..1.")
    options = check_result(before)
    given = dict(zip(ROLES, (generated, query, used, unused, reference), strict=True))
    sets = read_again(before, given, engine, cache, progress)
    bag = fill_again(before, sets, groups, group_regex)
    made = sets["generated"]
    _check_ids(made.ids)

    def audit_again(kept: Bools, number: int) -> AuditResult:
        def told(stage: str, done: int, total: int) -> None:
            progress(f"round {number}: {stage}", done, total)

        again: dict[str, Any] = {**sets, "generated": made.subset(kept), **options}
        return audit(**again, groups=groups, group_regex=group_regex, progress=told)

    kept = np.ones(len(made), bool)
    most = min(int(max_share * len(made) + 1e-9), len(made) - FEWEST)
    withheld, remainder, number = _copies(before, bag, sets, most), before, 0
    if withheld:
        kept[list(withheld)] = False
        remainder = audit_again(kept, 0)
    while not _is_clean(remainder) and number < ROUNDS and len(withheld) < most:
        number += 1
        carriers = _carriers(remainder, bag, made, kept, number, most - len(withheld))
        if not carriers:
            break
        kept[list(carriers)] = False
        again = audit_again(kept, number)
        guessed = all(image.by == "nearest" for image in carriers.values())
        if guessed and not _is_better(again, remainder):
            kept[list(carriers)] = True  # innocent, as far as this audit can tell
            break
        withheld, remainder = withheld | carriers, again
    return ScrubResult(
        keep=tuple(made.ids[g] for g in np.flatnonzero(kept)),
        withheld=tuple(withheld[g] for g in sorted(withheld)),
        unreadable=sum(
            p.severity == "error" and p.path.startswith("generated/") for p in made.problems
        ),
        before=before,
        remainder=remainder,
        outcome=_outcome(before, remainder, len(withheld), most),
    )


def _is_clean(result: AuditResult) -> bool:
    """Nothing in the set, no more images called used than chance explains, nobody named."""
    return result.verdict.leak != "found" and not beyond_chance(result)


def _is_better(after: AuditResult, before: AuditResult) -> bool:
    return called_used(after) < called_used(before) or named(after) < named(before)


def _copies(
    result: AuditResult, bag: Bag, sets: Mapping[str, ImageSet], most: int
) -> dict[int, Withheld]:
    """Round 0, whatever the audit says: what nobody would call chance, in any number.

    The very pixels of a judged or used image, and pairs far beyond those of every control. A few
    copies among thousands move no test of the whole set.
    """
    made = sets["generated"]
    owners = {
        sets[role].sha256[k]: id_
        for id_, role, k, judged in zip(bag.ids, bag.roles, bag.index, bag.judged, strict=True)
        if judged or role == "used"
    }
    same = {
        g: Withheld(made.ids[g], owners[sha], "same pixels", 0)
        for g, sha in enumerate(made.sha256)
        if sha in owners
    }
    same = dict(list(same.items())[:most])
    rate = result.question.false_alarm_rate
    spaces = nearest_pairs(bag.images, bag.units, bag.control, made.pixels, rate)
    suspects = np.flatnonzero(bag.judged)
    pairs = [
        (-float(space.outlying[row, j]), int(space.rows[row, j]), int(row), space.name)
        for space in spaces
        for row in suspects
        for j in np.flatnonzero(space.outlying[row] > 0)
    ]
    return same | _strongest(
        [pair for pair in pairs if pair[1] not in same], bag, made, 0, most - len(same)
    )


def _carriers(
    result: AuditResult, bag: Bag, made: ImageSet, kept: Bools, number: int, most: int
) -> dict[int, Withheld]:
    """Generated images to withhold, the strongest evidence first, at most `most` of them.

    Pairs that stand out among those of images called used; of all suspects when the set as a
    whole gives them away. When nobody's pair stands out, but more are called used than chance
    explains: the nearest pairs of those.
    """
    rate = result.question.false_alarm_rate
    left = np.flatnonzero(kept)
    spaces = nearest_pairs(bag.images, bag.units, bag.control, made.pixels[left], rate)
    called = {f.id for f in result.findings if f.verdict == "used"}
    row_called = bag.judged & np.array([id_ in called for id_ in bag.ids])
    wide = bag.judged if result.verdict.leak == "found" else row_called
    pairs = [
        (-float(space.excess[row, j]), int(left[space.rows[row, j]]), int(row), space.name)
        for space in spaces
        for row in np.flatnonzero(wide)
        for j in np.flatnonzero(space.excess[row] > 0)
    ]
    if not pairs and beyond_chance(result):
        pairs = [
            (-float(space.excess[row, 0]), int(left[space.rows[row, 0]]), int(row), "nearest")
            for space in spaces
            for row in np.flatnonzero(row_called)
        ]
    return _strongest(pairs, bag, made, number, most)


def _strongest(
    pairs: list[tuple[float, int, int, str]], bag: Bag, made: ImageSet, number: int, most: int
) -> dict[int, Withheld]:
    """The first `most` generated images of pairs (minus strength, generated, real, space)."""
    chosen: dict[int, Withheld] = {}
    for _, g, row, by in sorted(pairs):
        if len(chosen) < most and g not in chosen:
            chosen[g] = Withheld(made.ids[g], bag.ids[row], by, number)  # type: ignore[arg-type]
    return chosen


def _outcome(before: AuditResult, remainder: AuditResult, withheld: int, most: int) -> Gate:
    """The gate on the remainder; where something is left, what withholding cannot mend."""
    decided = gate(remainder)
    many = called_used(remainder)
    if decided.code == 0 and not _is_clean(remainder):
        why = f"{many} images are called used, {named(remainder)} at q <= .10."
        decided = Gate("closed", 3, why)
    if decided.code != 3:
        return decided
    advice = (
        "the largest share to withhold is reached: allow more (--max-share), or train anew."
        if withheld >= most and many <= called_used(before) / 2
        else "what is left is not carried by single generated images, so withholding cannot mend "
        "it: train the generator anew (stop earlier, more images, less capacity)."
    )
    return Gate("closed", 3, f"{decided.why} After withholding {withheld}, {advice}")


def _check_ids(ids: tuple[str, ...]) -> None:
    """Refuse names that cannot stand in a text file, one a line, before hours of work."""
    for id_ in ids:
        if len(id_.splitlines()) != 1 or not id_.isprintable():
            raise InputError(
                f"the generated image {id_!r} cannot be listed one a line: rename the file."
            )


def _lines(ids: Any) -> str:
    return "".join(f"{id_}\n" for id_ in ids)
