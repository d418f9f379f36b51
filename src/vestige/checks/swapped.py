"""Does a generated set that cannot know the candidates give the same signal?

If it does, the signal is not specific to this generator: candidates lie nearer to anything of the
kind than calibration images do.
"""

from dataclasses import dataclass, replace
from functools import reduce
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from vestige.checks.rerun import AuditRerun, not_needed
from vestige.images.kinds import chroma_added, inside, kind_of, planes_of
from vestige.judging.cohort import Cohort
from vestige.judging.combination import Combined, combine_again
from vestige.registry.entries import InputError
from vestige.schema.records import Check
from vestige.stats.folds import auc_difference
from vestige.types import Bools, Float32s, Floats, Images, Ints

if TYPE_CHECKING:
    from vestige.checks import Comparison

GIVEN = "the given set, by the same columns"
ALPHA = 0.05
"""The p-value from which the swapped set shows nothing (docs/methods.md 5)."""
RANK, NOISE = 16, 0.01
FEWEST_IMAGES = 10
"""Images the swapped set is learned from."""
FEWEST_GROUPS = 20
"""Groups of calibration images that can give one half to the swapped set."""
MAX_ROWS = 5_000
"""Swapped images made, and 1,000 images at most learned from."""
MAX_VALUES = 2**24
"""Numbers in colour images and volumes that are made, or learned from, at most."""


def swapped_check(comparison: "Comparison") -> Check:
    """Replace the generated set by one learned from none of the images compared.

    It is drawn from a Gaussian on the first principal components of the reference or, without
    one, of one half of the calibration groups, while the candidates are compared with the other
    half (if that would veto, the other way round as well); its spectrum and mean grey are those of
    the generated set. Passes if its p-value is .05 or more, or if the generated set separates
    candidates from calibration images by more (paired bootstrap of groups, lower 95 % limit above
    0).
    """
    rerun, seed = comparison.audited, comparison.seed
    if not rerun.positive:
        return not_needed("swapped")
    rng = np.random.default_rng([seed, 23])
    for strangers, kept in _strangers(rerun, rng):
        swapped = like(gaussian_set(strangers, most_made(rerun.generated), rng), rerun)
        row = _row(rerun, swapped, kept, seed)
        if row.passed:  # the second half is asked only if the first would veto
            break
    return row


def _row(rerun: AuditRerun, swapped: Images, kept: Bools, seed: int) -> Check:
    """Ask the audit beside the swapped set, with the images [n] that are kept."""
    found = ask_beside(rerun, swapped, kept, seed)
    auc = found.there.auc(seed)
    few = rerun.carried_by == "tail"  # an AUC says little of a few
    p_value = found.there.few_p_value(seed) if few else found.there.p_value(seed)
    passed = p_value >= ALPHA or found.low > 0
    against = f"the given set has an AUC higher by {found.told}"
    vetoes = (
        f"none: beside a set that cannot know the targets {against}"
        if passed
        else f"a finding: it is not specific to this generator, since a set that cannot know the "
        f"targets gives an AUC of {auc.value:.2f}, and {against}"
    )
    return Check("swapped", auc, p_value, passed, vetoes, details={GIVEN: found.here.auc(seed)})


@dataclass(frozen=True)
class Beside:
    """What the audit says beside the given set (`here`) and beside another one (`there`).

    gap, low, high : AUC here less AUC there, of the same images, with its 95 % interval
    """

    here: Combined
    there: Combined
    gap: float
    low: float
    high: float

    @property
    def told(self) -> str:
        """The gap and its interval."""
        return f"{self.gap:.2f} [{self.low:.2f}, {self.high:.2f}]"


def ask_beside(rerun: AuditRerun, made: Images, kept: Bools, seed: int) -> Beside:
    """Ask the audit beside another generated set, by the cheap columns, of the images [n] kept."""
    cohort = replace(rerun.cohort, calibration=rerun.cohort.calibration & kept)
    # images that the other set was learned from leave the cohort: they would draw it to themselves
    asked = part(cohort, kept)
    plan, candidates = rerun.cheap_plan, rerun.candidates
    columns = rerun.score(made, asked, rerun.reference, made)
    there = combine_again(columns, plan, asked, candidates[kept], seed)
    here = combine_again(rerun.columns[:, rerun.cheap], plan, cohort, candidates, seed, 0)
    gap = auc_difference(
        _compared(here), _compared(there), here.is_candidate, here.groups, seed=seed
    )
    return Beside(here, there, *gap)


def _compared(combined: Combined) -> tuple[Floats, Ints]:
    """Scores, and the folds within which they compare."""
    folds = combined.folds
    return combined.scores, np.zeros(len(combined.scores), np.int64) if folds is None else folds


def _strangers(rerun: AuditRerun, rng: np.random.Generator) -> list[tuple[Images, Bools]]:
    """Images to learn from, and the images [n] of the cohort that stay in it: one way, or two."""
    cohort = rerun.cohort
    if rerun.reference is not None and len(rerun.reference) >= FEWEST_IMAGES:
        return [(rerun.reference, np.ones(len(cohort.ids), np.bool_))]
    group_index = np.unique(cohort.group_index[cohort.calibration])
    if len(group_index) < FEWEST_GROUPS:
        raise InputError(
            f"a swapped set needs a reference of {FEWEST_IMAGES} images or {FEWEST_GROUPS} groups "
            f"of calibration images, found {len(group_index)}."
        )
    first = np.isin(cohort.group_index, rng.permutation(group_index)[: len(group_index) // 2])
    halves = cohort.calibration & first, cohort.calibration & ~first
    return [(cohort.images[half], ~half) for half in halves]


def part(cohort: Cohort, rows: Bools) -> Cohort:
    """Some images [n] of a cohort."""
    kept = np.flatnonzero(rows)
    return Cohort(
        cohort.images[rows],
        tuple(cohort.ids[i] for i in kept),
        cohort.index[rows],
        cohort.roles[rows],
        cohort.groups[rows],
        cohort.targets[rows],
        cohort.calibration[rows],
        cohort.known_used[rows],
        {},
    )


def most_made(generated: Images) -> int:
    """Images made in the place of a generated set."""
    return min(len(generated), _fitting(generated, MAX_ROWS))


def _fitting(images: Images, most: int) -> int:
    """So many images, or fewer of colour images and volumes, which hold more numbers."""
    if kind_of(images.shape) == "grey":
        return most
    return max(FEWEST_IMAGES, min(most, MAX_VALUES // prod(images.shape[1:])))


def gaussian_set(
    images: Images, count: int, rng: np.random.Generator, rank: int = RANK
) -> Float32s:
    """Draws from the Gaussian on the first principal components of images, with white noise."""
    images = images[rng.permutation(len(images))[: _fitting(images, 1000)]]
    flat = images.reshape(len(images), -1).astype(np.float64)
    mean = flat.mean(axis=0)
    flat -= mean
    _, scale, axes = np.linalg.svd(flat, full_matrices=False)
    rank = min(rank, len(images) - 1)
    spread = scale[:rank] / np.sqrt(len(images) - 1)
    drawn = mean + (rng.standard_normal((count, rank)) * spread) @ axes[:rank]
    drawn += NOISE * rng.standard_normal(drawn.shape)
    return np.asarray(drawn.reshape(count, *images.shape[1:]), np.float32)


def like(images: Float32s, rerun: AuditRerun) -> Images:
    """Images with the mean and the radial power spectrum of the generated set, 0..1.

    Of colour images luma and each chroma plane have those of their own.
    """
    wanted = rerun.generated[: _fitting(images, MAX_ROWS)]
    if kind_of(images.shape) != "colour":
        made = _like(images, wanted)
    else:
        (luma, chroma), (their_luma, their_chroma) = planes_of(images), planes_of(wanted)
        planes = [_like(chroma[:, k], their_chroma[:, k]) for k in (0, 1)]
        made = chroma_added(_like(luma, their_luma), np.stack(planes, axis=1))
    return np.asarray(np.clip(made, 0, 1), np.float32)


def _like(images: Floats | Float32s, wanted: Images) -> Floats | Float32s:
    """Pictures or volumes with the mean and the power spectrum of wanted ones."""
    axes, ring = inside(images), _rings(images.shape[1:])
    power = [
        np.bincount(ring.ravel(), (np.abs(np.fft.rfftn(part, axes=axes)) ** 2).mean(axis=0).ravel())
        for part in (wanted, images)
    ]
    factor = np.sqrt(power[0] / np.maximum(power[1], 1e-12))
    factor[0] = 1.0  # the mean is moved, not stretched
    waves = np.fft.rfftn(images, axes=axes) * factor[ring]
    made: Floats | Float32s = np.fft.irfftn(waves, s=images.shape[1:], axes=axes)
    made += wanted.mean(dtype=np.float64) - made.mean()
    return made


def _rings(shape: tuple[int, ...]) -> Ints:
    """Whole-numbered distance of each frequency of a real transform from zero."""
    along = [np.fft.fftfreq(side) * side for side in shape[:-1]]
    grid = np.ix_(*along, np.fft.rfftfreq(shape[-1]) * shape[-1])
    return np.asarray(np.rint(reduce(np.hypot, grid)), np.int64)
