"""Does a generated set that cannot know the suspects give the same signal?

If it does, the signal is not specific to this generator: suspects lie nearer to anything of the
kind than controls do.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from vestige.controls.pipeline import Pipeline, not_needed
from vestige.judging.cohort import Bag
from vestige.judging.combination import Combined, combine_again
from vestige.registry.choices import InputError
from vestige.schema.records import Control
from vestige.stats.folds import auc_difference
from vestige.types import Bools, Float32s, Floats, Images, Ints

if TYPE_CHECKING:
    from vestige.controls import Comparison

GIVEN = "the given set, by the same columns"
LIMIT = 0.05
"""The p-value from which the swapped set shows nothing (METHODS 5)."""
RANK, NOISE = 16, 0.01
FEWEST_IMAGES = 10
"""Images the swapped set is learned from."""
FEWEST_GROUPS = 20
"""Groups of controls that can give one half to the swapped set."""
MOST = 5_000
"""Swapped images made, and 1,000 images at most learned from."""


def swapped_control(comparison: "Comparison") -> Control:
    """Replace the generated set by one learned from neither suspects nor the controls compared.

    It is drawn from a Gaussian on the first principal components of the reference or, without
    one, of one half of the control groups, while the suspects are compared with the other half (if
    that would veto, the other way round as well); its spectrum and mean grey are those of the
    generated set. Passes if its p-value is .05 or more, or if the generated set separates suspects
    from controls by more (paired bootstrap of groups, lower 95 % limit above 0).
    """
    pipeline, seed = comparison.audited, comparison.seed
    if not pipeline.positive:
        return not_needed("swapped")
    rng = np.random.default_rng([seed, 23])
    for strangers, kept in _strangers(pipeline, rng):
        swapped = like(gaussian_set(strangers, min(len(pipeline.generated), MOST), rng), pipeline)
        row = _row(pipeline, swapped, kept, seed)
        if row.passed:  # the second half is asked only if the first would veto
            break
    return row


def _row(pipeline: Pipeline, swapped: Images, kept: Bools, seed: int) -> Control:
    """Ask the audit beside the swapped set, with the images [n] that are kept."""
    found = ask_beside(pipeline, swapped, kept, seed)
    auc = found.there.auc(seed)
    few = pipeline.carried_by == "tail"  # an AUC says little of a few
    p_value = found.there.few_p_value(seed) if few else found.there.p_value(seed)
    passed = p_value >= LIMIT or found.low > 0
    against = f"the given set has an AUC higher by {found.told}"
    vetoes = (
        f"none: beside a set that cannot know the suspects {against}"
        if passed
        else f"a finding: it is not specific to this generator, since a set that cannot know the "
        f"suspects gives an AUC of {auc.value:.2f}, and {against}"
    )
    return Control("swapped", auc, p_value, passed, vetoes, details={GIVEN: found.here.auc(seed)})


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


def ask_beside(pipeline: Pipeline, made: Images, kept: Bools, seed: int) -> Beside:
    """Ask the audit beside another generated set, by the cheap columns, of the images [n] kept."""
    bag = replace(pipeline.bag, control=pipeline.bag.control & kept)
    # images that the other set was learned from leave the bag: they would draw it to themselves
    asked = part(bag, kept)
    plan, suspects = pipeline.cheap_plan, pipeline.suspects
    columns = pipeline.score(made, asked, pipeline.reference, made)
    there = combine_again(columns, plan, asked, suspects[kept], seed)
    here = combine_again(pipeline.columns[:, pipeline.cheap], plan, bag, suspects, seed, 0)
    gap = auc_difference(_compared(here), _compared(there), here.is_suspect, here.groups, seed=seed)
    return Beside(here, there, *gap)


def _compared(combined: Combined) -> tuple[Floats, Ints]:
    """Scores, and the folds within which they compare."""
    folds = combined.folds
    return combined.scores, np.zeros(len(combined.scores), np.int64) if folds is None else folds


def _strangers(pipeline: Pipeline, rng: np.random.Generator) -> list[tuple[Images, Bools]]:
    """Images to learn from, and the images [n] of the bag that stay in it: one way, or two."""
    bag = pipeline.bag
    if pipeline.reference is not None and len(pipeline.reference) >= FEWEST_IMAGES:
        return [(pipeline.reference, np.ones(len(bag.ids), np.bool_))]
    units = np.unique(bag.units[bag.control])
    if len(units) < FEWEST_GROUPS:
        raise InputError(
            f"a swapped set needs a reference of {FEWEST_IMAGES} images or {FEWEST_GROUPS} groups "
            f"of controls, found {len(units)}."
        )
    first = np.isin(bag.units, rng.permutation(units)[: len(units) // 2])
    halves = bag.control & first, bag.control & ~first
    return [(bag.images[half], ~half) for half in halves]


def part(bag: Bag, rows: Bools) -> Bag:
    """Some images [n] of a bag."""
    kept = np.flatnonzero(rows)
    return Bag(
        bag.images[rows],
        tuple(bag.ids[i] for i in kept),
        bag.index[rows],
        bag.roles[rows],
        bag.groups[rows],
        bag.judged[rows],
        bag.control[rows],
        bag.known_used[rows],
        {},
    )


def gaussian_set(
    images: Images, count: int, rng: np.random.Generator, rank: int = RANK
) -> Float32s:
    """Draws from the Gaussian on the first principal components of images, with white noise."""
    images = images[rng.permutation(len(images))[:1000]]
    flat = images.reshape(len(images), -1).astype(np.float64)
    mean = flat.mean(axis=0)
    _, scale, axes = np.linalg.svd(flat - mean, full_matrices=False)
    rank = min(rank, len(images) - 1)
    spread = scale[:rank] / np.sqrt(len(images) - 1)
    drawn = mean + (rng.standard_normal((count, rank)) * spread) @ axes[:rank]
    drawn += NOISE * rng.standard_normal(drawn.shape)
    return np.asarray(drawn.reshape(count, *images.shape[1:]), np.float32)


def like(images: Float32s, pipeline: Pipeline) -> Images:
    """Images with the mean grey and the radial power spectrum of the generated set, 0..1."""
    wanted = pipeline.generated[:MOST]
    ring = _rings(*images.shape[1:])
    power = [
        np.bincount(ring.ravel(), (np.abs(np.fft.rfft2(part)) ** 2).mean(axis=0).ravel())
        for part in (wanted, images)
    ]
    factor = np.sqrt(power[0] / np.maximum(power[1], 1e-12))
    factor[0] = 1.0  # the mean is moved, not stretched
    made = np.fft.irfft2(np.fft.rfft2(images) * factor[ring], s=images.shape[1:])
    made += wanted.mean(dtype=np.float64) - made.mean()
    return np.asarray(np.clip(made, 0, 1), np.float32)


def _rings(height: int, width: int) -> Ints:
    """Whole-numbered distance of each frequency of a real transform from zero."""
    fy = np.fft.fftfreq(height)[:, np.newaxis] * height
    fx = np.fft.rfftfreq(width)[np.newaxis, :] * width
    return np.asarray(np.rint(np.hypot(fy, fx)), np.int64)
