"""Are copies found again that were put into the generated set?

If not, that nothing was found means nothing. The levels of copies (`vestige.controls.levels`) say
which ones this audit can see.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vestige.controls.levels import LEVELS, REQUIRED
from vestige.controls.pipeline import Named, Pipeline
from vestige.controls.swapped import part
from vestige.judging.cohort import Bag
from vestige.judging.combination import judge_images
from vestige.registry.choices import InputError
from vestige.schema.records import Control, LevelCode, PlantedLevel
from vestige.stats.calibration import smallest_p_value
from vestige.stats.rates import clopper_pearson
from vestige.types import Images, Ints

if TYPE_CHECKING:
    from vestige.controls import Comparison

LEVEL, RECALL = 0.05, 0.9
"""A copy is found at this p-value; this share of a required level must be (METHODS 5)."""
FEWEST, USUAL, MOST = 3, 20, 50
"""Source images, one per group. Three: an audit that sees nothing finds them all once in 8,000."""
SHARE = 0.01
"""Of the generated set, planted at most: more sources first, then more copies of each; never less
than one copy of the usual number of sources."""
PLAIN = 2 / 255
"""Standard deviation of grey values below which an image is plain: a blank slice."""


@dataclass(frozen=True)
class Planted:
    """What the audit sees of copies of each level, and how many of each source were planted."""

    levels: tuple[PlantedLevel, ...]
    copies: int


def planted_control(
    comparison: "Comparison",
) -> Control:
    """Put copies of unused images into the generated set and judge these images as queries.

    Passes if 90 % of the copies of each required level are seen; details: the share found, by
    level, with its exact interval.
    """
    required = comparison.required
    return judge_planted(plant(comparison, comparison.named, required), required)


def plant(
    comparison: "Comparison",
    named: Named | None = None,
    required: tuple[LevelCode, ...] = REQUIRED,
) -> Planted:
    """Plant copies of each level, alone and of all sources at once, and see which are found.

    Sources are of the reference where there is one, else controls, which calibrate no longer here.
    The columns, and the combination of them, are those of the audit. Where a column searches the
    whole generated set each time, only the required levels have all sources; the others share the
    sources in one pass.

    Parameters
    ----------
    named : callable, optional
        Without it no copy counts as named.
    required : levels, one or more

    Raises
    ------
    InputError
        When these images allow no such experiment.
    """
    pipeline = comparison.audited
    rng = np.random.default_rng([comparison.seed, 37])
    chosen = with_sources(pipeline, rng)
    bag, rows = chosen.bag, chosen.rows
    sources = bag.images[bag.judged]
    score = pipeline.scorer(bag, chosen.reference)
    # other images of a source's group: in the bag, as they would be of a real member, but not asked
    asked = bag.judged | ~np.isin(bag.units, bag.units[bag.judged])
    judged = part(bag, asked)
    each = max(1, int(SHARE * len(pipeline.generated)) // len(sources))
    partners = pipeline.generated[rng.integers(len(pipeline.generated), size=len(sources))]
    copies = {code: level.degrade(sources, partners, rng) for code, level in LEVELS.items()}

    levels = []
    for at in _passes(len(sources), required, pipeline.grows, rng):
        planted = np.stack([copies[code][k] for k, code in enumerate(at)])
        columns = score(np.concatenate([planted] * each))[asked]
        # sources do not teach each other: in the audit, copies are few among its queries
        said = judge_images(
            columns, pipeline.cheap_plan, judged, judged.control, judged_teach=False
        )
        found = said.p_values <= LEVEL
        known = np.zeros(len(at), np.bool_) if named is None else named(planted, rows)
        for code in LEVELS:
            if (here := at == code).any():
                counts = (int(counted[here].sum()) for counted in (here, found, known))
                levels.append(PlantedLevel(code, *counts))
    order = list(LEVELS)
    return Planted(tuple(sorted(levels, key=lambda row: order.index(row.level))), each)


def judge_planted(planted: Planted, required: tuple[LevelCode, ...] = REQUIRED) -> Control:
    """The row of the control: passed if 90 % of the copies of each required level were found."""
    shares = {row.level: clopper_pearson(row.found, row.sources) for row in planted.levels}
    asked = [row for row in planted.levels if row.level in required]
    worst = min(asked, key=lambda row: _seen(row) / row.sources)
    share = clopper_pearson(_seen(worst), worst.sources)
    passed = share.value >= RECALL
    told = (
        f"{_seen(worst)} of {worst.sources} images with {planted.copies} "
        f"{'copy' if planted.copies == 1 else 'copies'} ({LEVELS[worst.level].name}) in the "
        f"generated set were found (95 % interval {share.low:.2f} to {share.high:.2f})"
    )
    vetoes = f"none: {told}" if passed else f"that nothing was found: only {told}"
    details = {LEVELS[code].name: share for code, share in shares.items()}
    return Control("planted", None, None, passed, vetoes, details=details, levels=planted.levels)


def _seen(row: PlantedLevel) -> int:
    """Sources that the audit sees: by the detectors; of copies in another view, by either search.

    The detectors must see verbatim copies, or the bound of the AUC means nothing.
    """
    return row.found if row.level == "verbatim" else max(row.found, row.named)


@dataclass(frozen=True, eq=False)
class Sources:
    """The bag with the sources as its judged images, and the reference that is left.

    rows : [k], of each source among the images of the audit's bag, then of its reference
    """

    bag: Bag
    reference: Images | None
    rows: Ints


def with_sources(pipeline: Pipeline, rng: np.random.Generator) -> Sources:
    """Choose the images of which copies are planted, one per group, no two equal, none plain.

    Raises
    ------
    InputError
        When too few controls would be left to show a p-value of .05.
    """
    bag, reference, theirs = pipeline.bag, pipeline.reference, pipeline.reference_groups
    groups = len(np.unique(bag.units[bag.control]))
    needed = round(1 / LEVEL) - 1
    if smallest_p_value(max(groups, 1)) > LEVEL:
        raise InputError(f"{needed} groups of controls or more are needed, found {groups}.")
    wanted = min(MOST, max(USUAL, int(SHARE * len(pipeline.generated))))
    first = np.sort(np.unique(theirs, return_index=True)[1])  # by pixels: a name moves no result
    spare = theirs[first][~np.isin(theirs[first], bag.groups)]
    if reference is not None and len(spare) // 2 >= FEWEST:
        wanted = min(wanted, len(spare) // 2)
        rows = _one_of_each(reference, theirs, rng.permutation(spare), wanted, rng)
        left = reference[~np.isin(theirs, theirs[rows])]
        return Sources(_joined(bag, reference[rows]), left, len(bag.ids) + rows)
    if groups < needed + FEWEST:
        raise InputError(
            f"{needed + FEWEST} groups of controls (or a reference of {2 * FEWEST} groups) are "
            f"needed, found {groups}."
        )
    units = rng.permutation(np.unique(bag.units[bag.control]))
    rows = np.sort(_one_of_each(bag.images, bag.units, units, min(wanted, groups - needed), rng))
    sources = np.isin(np.arange(len(bag.ids)), rows)
    taken = np.isin(bag.units, bag.units[rows])
    control = bag.control & ~taken
    return Sources(replace(bag, judged=sources, control=control, settled={}), reference, rows)


def _one_of_each(
    images: Images,
    groups: npt.NDArray[Any],
    names: npt.NDArray[Any],
    wanted: int,
    rng: np.random.Generator,
) -> Ints:
    """Rows of one image of each of so many groups, by name, in that order.

    Plain images take part only where there are hardly others: a copy of one is a copy of all. Of
    equal images one is enough, or a finding would count twice.

    Raises
    ------
    InputError
        When too few differ.
    """
    for least in (PLAIN, 0.0):
        chosen: dict[bytes, int] = {}
        for name in names:
            if len(chosen) == wanted:
                break
            rows = np.flatnonzero(groups == name)
            if len(rows := rows[images[rows].std(axis=(1, 2)) >= least]):
                row = int(rng.choice(rows))
                chosen.setdefault(images[row].tobytes(), row)
        if len(chosen) >= FEWEST:
            return np.array(list(chosen.values()), np.int64)
    raise InputError(
        f"{FEWEST} unused images that differ, of groups of their own, are needed, found "
        f"{len(chosen)}."
    )


def _passes(
    count: int, required: tuple[LevelCode, ...], grows: bool, rng: np.random.Generator
) -> list[npt.NDArray[np.str_]]:
    """Of each pass, the level [count] at which each source is planted."""
    alone = [code for code in LEVELS if grows or code in required]
    rest = [code for code in LEVELS if code not in alone]
    passes = [np.full(count, code) for code in alone]
    if rest:
        passes.append(np.array(rest)[rng.permutation(count) % len(rest)])
    return passes


def _joined(bag: Bag, sources: Images) -> Bag:
    """The bag with sources of groups of their own as its judged images."""
    n, k = len(bag.ids), len(sources)
    no, yes = np.zeros(k, np.bool_), np.ones(k, np.bool_)
    return Bag(
        np.concatenate([bag.images, sources]),
        (*bag.ids, *(f"planted/{i}" for i in range(k))),
        np.concatenate([bag.index, np.arange(k)]),
        np.concatenate([bag.roles, np.full(k, "query")]),
        # numbers: the names of groups may be anything
        np.concatenate([bag.units, bag.units.max() + 1 + np.arange(k)]),
        np.concatenate([np.zeros(n, np.bool_), yes]),
        np.concatenate([bag.control, no]),
        np.concatenate([bag.known_used, no]),
        {},
    )
