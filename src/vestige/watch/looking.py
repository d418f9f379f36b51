"""One look: what one generated set says of the reals, before the looks are counted."""

from dataclasses import dataclass

import numpy as np

from vestige.copies.search import CopySearch, search_compared
from vestige.schema.records import Estimate
from vestige.stats.copy_line import COPY_ALPHA
from vestige.stats.intervals import auc_interval
from vestige.stats.looks import common_height
from vestige.stats.sensitivity import sensitivity
from vestige.stats.set_test import SECOND, TAILS, group_values
from vestige.stats.size_classes import draw_images
from vestige.symmetries import Views
from vestige.types import Bools, Floats, Images
from vestige.watch.reals import Reals

CHUNK = 1000
"""Relabellings multiplied at a time."""
COUNTS = np.array([1.0, *(SECOND for _ in TAILS)])
"""What mean rank and tails count, as in the set test of an audit."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What one look sees.

    height : [B], how high each relabelling stands
    auc : of used against unused images
    minimum_detectable_auc : at the level that this look spends, .5..1
    copied : [m], generated images that are copies of used ones
    copied_unused : [m], of unused ones
    max_similarity : largest filtered cosine of a generated and a used image, -1..1
    """

    height: Floats
    auc: Estimate
    minimum_detectable_auc: float
    copied: Bools
    copied_unused: Bools
    max_similarity: float


def look(
    reals: Reals, generated: Images, views: Views, alpha: float, copy_alpha: float, seed: int
) -> Seen:
    """Score the reals beside generated images [m, s, s] of their side, and look for copies.

    `alpha` is the level that this look may spend, 0 for none, and `copy_alpha` that of its copies
    (`vestige.stats.copy_line`); `seed` draws which images count of
    patients that have more than others of like size, and the interval.
    """
    scores = reals.pool.score(generated)
    used, patients = reals.used, reals.patients
    sides = scores[used], scores[~used], patients[used], patients[~used]
    found = find_copies(reals, generated, views, copy_alpha)
    return Seen(
        height=_height(reals, scores, seed),
        auc=auc_interval(*sides, seed=seed),
        minimum_detectable_auc=sensitivity(*sides, alpha)[0] if alpha > 0 else 1.0,
        copied=_rows(found.targets.generated, len(generated)),
        copied_unused=_rows(found.calibration.generated, len(generated)),
        max_similarity=float(found.similar[used].max()),
    )


def find_copies(reals: Reals, generated: Images, views: Views, level: float) -> CopySearch:
    """Near copies of used images; unused ones are the bystanders (`vestige.copies.search`)."""
    beside = reals.comparison.beside(generated)
    return search_compared(beside, ~reals.used, reals.used, views, level, together=True)


def copied_rows(reals: Reals, generated: Images, views: Views) -> Bools:
    """Which generated images are copies of used ones, [m]."""
    found = find_copies(reals, generated, views, COPY_ALPHA)
    return _rows(found.targets.generated, len(generated))


def _rows(generated: np.ndarray, m: int) -> Bools:
    copied = np.zeros(m, np.bool_)
    copied[generated] = True
    return copied


def _height(reals: Reals, scores: Floats, seed: int) -> Floats:
    """Mean rank and tails of every relabelling together, by one draw of images."""
    index, keep = reals.patients, reals.keep
    if (keep < np.bincount(index)).any():
        rng = np.random.default_rng(seed)
        kept = draw_images(np.argsort(scores, kind="stable"), index, keep, rng)
        scores, index = scores[kept], index[kept]
    values = np.stack(group_values(scores, index, keep), axis=1)
    rows = reals.relabellings
    sums = [
        rows[start : start + CHUNK].astype(np.float64) @ values
        for start in range(0, len(rows), CHUNK)
    ]
    return common_height(np.concatenate(sums), COUNTS)
