"""Are copies found again that were put into the generated set?

If not, that nothing was found means nothing. The levels of copies (`vestige.checks.levels`) say
which ones this audit can see.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vestige.checks.levels import LEVELS, REQUIRED
from vestige.checks.rerun import AuditRerun, Named
from vestige.checks.swapped import part
from vestige.images.kinds import inside, kind_of
from vestige.judging.cohort import Cohort
from vestige.judging.combination import judge_images
from vestige.registry.entries import InputError
from vestige.schema.records import Check, LevelCode, PlantedLevel
from vestige.stats.calibration import smallest_p_value
from vestige.stats.rates import clopper_pearson
from vestige.types import Float32s, Images, Ints

if TYPE_CHECKING:
    from vestige.checks import Comparison

ALPHA, RECALL = 0.05, 0.9
"""A copy is found at this p-value; this share of a required level must be (docs/methods.md 5)."""
MIN_PLANTED, USUAL_PLANTED, MAX_PLANTED = 3, 20, 50
"""Source images, one per group. Three: an audit that sees nothing finds them all once in 8,000."""
SHARE = 0.01
"""Of the generated set, planted at most: more sources first, then more copies of each; never less
than one copy of the usual number of sources."""
PLAIN = 2 / 255
"""Standard deviation of grey values below which an image is plain: a blank slice."""
COPY_BYTES = 2**28
"""Of copies of volumes, all levels together, but for those of the usual number of sources."""


@dataclass(frozen=True)
class Planted:
    """What the audit sees of copies of each level, and how many of each source were planted."""

    levels: tuple[PlantedLevel, ...]
    copies: int


def planted_check(
    comparison: "Comparison",
) -> Check:
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

    Sources are of the reference where there is one, else calibration images, which calibrate no
    longer here. The columns, and the combination of them, are those of the audit. Where a column
    searches the whole generated set each time, only the required levels have all sources; the
    others share the sources in one pass.

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
    rerun = comparison.audited
    rng = np.random.default_rng([comparison.seed, 37])
    chosen = with_sources(rerun, rng)
    cohort, rows = chosen.cohort, chosen.rows
    sources = cohort.images[cohort.targets]
    score = rerun.scorer(cohort, chosen.reference)
    # other images of a source's group: in the cohort, as they would be of a real member, but not
    # asked
    asked = cohort.targets | ~np.isin(cohort.group_index, cohort.group_index[cohort.targets])
    targets = part(cohort, asked)
    each = max(1, int(SHARE * len(rerun.generated)) // len(sources))
    partners = rerun.generated[rng.integers(len(rerun.generated), size=len(sources))]
    copies = {code: level.degrade(sources, partners, rng) for code, level in LEVELS.items()}

    levels = []
    for at in _passes(len(sources), required, rerun.grows, rng):
        planted = np.stack([copies[code][k] for k, code in enumerate(at)])
        columns = score(np.concatenate([planted] * each))[asked]
        # sources do not teach each other: in the audit, copies are few among its queries
        said = judge_images(
            columns, rerun.cheap_plan, targets, targets.calibration, targets_teach=False
        )
        found = said.p_values <= ALPHA
        known = np.zeros(len(at), np.bool_) if named is None else named(planted, rows)
        for code in LEVELS:
            if (here := at == code).any():
                counts = (int(counted[here].sum()) for counted in (here, found, known))
                levels.append(PlantedLevel(code, *counts))
    order = list(LEVELS)
    return Planted(tuple(sorted(levels, key=lambda row: order.index(row.level))), each)


def judge_planted(planted: Planted, required: tuple[LevelCode, ...] = REQUIRED) -> Check:
    """The row of the check: passed if 90 % of the copies of each required level were found."""
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
    return Check("planted", None, None, passed, vetoes, details=details, levels=planted.levels)


def _seen(row: PlantedLevel) -> int:
    """Sources that the audit sees: by the detectors; of copies in another view, by either search.

    The detectors must see verbatim copies, or the bound of the AUC means nothing.
    """
    return row.found if row.level == "verbatim" else max(row.found, row.named)


@dataclass(frozen=True, eq=False)
class Sources:
    """The cohort with the sources as its target images, and the reference that is left.

    rows : [k], of each source among the images of the audit's cohort, then of its reference
    """

    cohort: Cohort
    reference: Images | None
    rows: Ints


def with_sources(rerun: AuditRerun, rng: np.random.Generator) -> Sources:
    """Choose the images of which copies are planted, one per group, no two equal, none plain.

    Raises
    ------
    InputError
        When too few calibration images would be left to show a p-value of .05.
    """
    cohort, reference, theirs = rerun.cohort, rerun.reference, rerun.reference_groups
    groups = len(np.unique(cohort.group_index[cohort.calibration]))
    needed = round(1 / ALPHA) - 1
    if smallest_p_value(max(groups, 1)) > ALPHA:
        raise InputError(
            f"{needed} groups of calibration images or more are needed, found {groups}."
        )
    wanted = min(_most(cohort.images), max(USUAL_PLANTED, int(SHARE * len(rerun.generated))))
    first = np.sort(np.unique(theirs, return_index=True)[1])  # by pixels: a name moves no result
    spare = theirs[first][~np.isin(theirs[first], cohort.groups)]
    if reference is not None and len(spare) // 2 >= MIN_PLANTED:
        wanted = min(wanted, len(spare) // 2)
        rows = _one_of_each(reference, theirs, rng.permutation(spare), wanted, rng)
        left = reference[~np.isin(theirs, theirs[rows])]
        return Sources(_joined(cohort, reference[rows]), left, len(cohort.ids) + rows)
    if groups < needed + MIN_PLANTED:
        raise InputError(
            f"{needed + MIN_PLANTED} groups of calibration images (or a reference of "
            f"{2 * MIN_PLANTED} groups) are needed, found {groups}."
        )
    group_index = rng.permutation(np.unique(cohort.group_index[cohort.calibration]))
    rows = np.sort(
        _one_of_each(
            cohort.images, cohort.group_index, group_index, min(wanted, groups - needed), rng
        )
    )
    sources = np.isin(np.arange(len(cohort.ids)), rows)
    taken = np.isin(cohort.group_index, cohort.group_index[rows])
    calibration = cohort.calibration & ~taken
    return Sources(
        replace(cohort, targets=sources, calibration=calibration, resolved={}), reference, rows
    )


def _most(images: Images) -> int:
    """Sources at most: fewer of large volumes, so that their copies fit into the memory."""
    if kind_of(images.shape) != "volume":
        return MAX_PLANTED
    fitting = COPY_BYTES // (len(LEVELS) * images[:1].nbytes)
    return min(MAX_PLANTED, max(USUAL_PLANTED, fitting))


def spread_of(images: Images) -> Float32s:
    """Standard deviation [n] within each image; of colour that of the channel that varies most."""
    if kind_of(images.shape) == "colour":
        return np.asarray(images.std(axis=(1, 2)).max(axis=1))
    return np.asarray(images.std(axis=inside(images)))


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
            if len(rows := rows[spread_of(images[rows]) >= least]):
                row = int(rng.choice(rows))
                chosen.setdefault(images[row].tobytes(), row)
        if len(chosen) >= MIN_PLANTED:
            return np.array(list(chosen.values()), np.int64)
    raise InputError(
        f"{MIN_PLANTED} unused images that differ, of groups of their own, are needed, found "
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


def _joined(cohort: Cohort, sources: Images) -> Cohort:
    """The cohort with sources of groups of their own as its target images."""
    n, k = len(cohort.ids), len(sources)
    no, yes = np.zeros(k, np.bool_), np.ones(k, np.bool_)
    return Cohort(
        np.concatenate([cohort.images, sources]),
        (*cohort.ids, *(f"planted/{i}" for i in range(k))),
        np.concatenate([cohort.index, np.arange(k)]),
        np.concatenate([cohort.roles, np.full(k, "query")]),
        # numbers: the names of groups may be anything
        np.concatenate([cohort.group_index, cohort.group_index.max() + 1 + np.arange(k)]),
        np.concatenate([np.zeros(n, np.bool_), yes]),
        np.concatenate([cohort.calibration, no]),
        np.concatenate([cohort.known_used, no]),
        {},
    )
