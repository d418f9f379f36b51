"""How much leaks if only some of the generated images are released?

Nested random parts of the generated set are scored again, each as if it were the whole release. A
small part of a leaking set leaks less of the whole, because fewer training images were copied into
it; the images that it does give away, it gives away as before.
"""

from hashlib import sha256

import numpy as np

from vestige.images.imageset import ImageSet
from vestige.images.spool import take
from vestige.judging.cohort import Cohort, Mode
from vestige.registry.entries import InputError
from vestige.schema.records import CurvePoint, ReleaseCurve
from vestige.scoring.columns import score_columns
from vestige.scoring.plan import plan_columns
from vestige.stats.combine import pooled_rank_score
from vestige.stats.intervals import auc_interval
from vestige.stats.permutation import set_test
from vestige.types import Bools, Images, Ints, Progress, quiet

HALVINGS = 4
MIN_IMAGES = 2
"""Generated images that an audit needs."""


def check_curve(mode: Mode, has_calibration: bool) -> None:
    """Refuse a curve that could not be drawn, before any work is done.

    Raises
    ------
    InputError
        In forensic mode, or without unused images.
    """
    if mode == "forensic" or not has_calibration:
        raise InputError(
            "a release curve asks what a part of the generated set would give away: give --used "
            "and --unused, and no --query."
        )


def release_curve(
    generated: ImageSet,
    reference: Images | None,
    cohort: Cohort,
    candidates: Bools,
    limit: float = 0.6,
    seed: int = 0,
    progress: Progress = quiet,
) -> ReleaseCurve:
    """AUC, its interval and the set test for m/16, m/8, m/4, m/2 and m generated images.

    Columns are those of effort "low", combined with their fixed weights: no label is learned from.
    The largest part whose upper bound stays below the limit is read from small to large and ends at
    the first part that fails. In that order no price is paid for having looked at several (a fixed
    sequence): where the AUC of some part is at the limit or above, a part as large is named with
    probability 2.5 % at most, up to the error of the interval itself.

    Parameters
    ----------
    generated : ImageSet, m images
    reference : [r, s, s] or None
    cohort, candidates : as in `vestige.audit`
    limit : float
        Largest AUC that is accepted, .5..1.
    seed : int
        Of the parts, permutations and bootstraps. Parts depend on it and on the pixels of the
        images, not on their names or order.
    """
    plan = plan_columns(None, reference is not None, effort="low", kind=generated.kind)
    weights = np.array([column.weight for column in plan])
    rows = candidates | cohort.calibration
    is_candidate, groups = candidates[rows], cohort.group_index[rows]
    order, points = random_order(generated, seed), []
    sizes = part_sizes(len(generated))
    for k, n in enumerate(sizes):
        progress("release curve", k, len(sizes))
        part = take(generated.pixels, np.sort(order[:n]))
        columns, _ = score_columns(plan, part, reference, cohort.reals(plan))
        score = pooled_rank_score(columns[rows], weights)
        area = auc_interval(
            score[is_candidate], score[~is_candidate], groups[is_candidate], groups[~is_candidate],
            seed=seed,
        )  # fmt: skip
        p_value = set_test(score, is_candidate, groups, seed=seed).p_value
        points.append(CurvePoint(n, area, p_value))
    progress("release curve", len(sizes), len(sizes))
    return ReleaseCurve(limit, tuple(points), largest_below(points, limit))


def part_sizes(m: int) -> list[int]:
    """m/16, m/8, m/4, m/2 and m images; at least two, none twice."""
    return sorted({max(min(m, MIN_IMAGES), round(m / 2**k)) for k in range(HALVINGS + 1)})


def random_order(generated: ImageSet, seed: int) -> Ints:
    """Order [m] by a hash of seed and pixels: its first n images are a random part."""
    keys = [sha256(f"{seed}:{digest}".encode()).digest() for digest in generated.sha256]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)


def largest_below(points: list[CurvePoint], limit: float) -> int | None:
    """Size of the last part before the first whose upper bound reaches the limit."""
    largest = None
    for point in points:
        if point.auc.high >= limit:
            break
        largest = point.n
    return largest
