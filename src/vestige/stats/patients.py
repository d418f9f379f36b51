"""One p-value per patient, whatever the dependence of their images and whatever their number.

A patient is asked twice: does their best image stand above the best images of unused patients, and
do their images on average? No p-value of an image enters, so nothing is assumed of how slices
depend on each other (docs/methods.md 4.1). Where patients of both sides have like numbers of
images, a patient is compared with all others. Where they have not, only equally many images are
compared, over all choices of them at once: no random draw.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy

from vestige.stats.full_conformal import Scored
from vestige.stats.groups import Labels, group_index, group_means
from vestige.stats.scale import NORMAL_MAD
from vestige.types import Floats, Ints

UNLIKE = 1.22
"""Kolmogorov-Smirnov distance of two samples of sizes, in units of its spread, that chance reaches
in one case of ten."""
Carrier = Literal["best image", "mean"]


@dataclass(frozen=True)
class PatientTests:
    """Of each target patient [g], in ascending order of the numbers of the groups.

    p_values : pay for having asked twice
    carried_by : which of the two says more
    """

    names: Ints
    p_values: Floats
    carried_by: tuple[Carrier, ...]


def test_patients(scored: Iterable[Scored], groups: Labels) -> PatientTests:
    """p-values of the target patients against calibration patients.

    Exact when a patient, their number of images included, is exchangeable with the calibration
    patients; where `like_sizes` says that they are not, when their images are exchangeable with as
    many of theirs.

    Parameters
    ----------
    scored : of `vestige.stats.full_conformal.scored_groups`
        Each patient by their own model.
    groups : [n], patients of all images
    """
    said = list(scored)
    index, _ = group_index(groups, len(groups))
    sizes = np.array([len(one.rows) for one in said])
    usual = np.bincount(index[np.unique(np.concatenate([s.calibration_rows for s in said]))])
    compare = compare_all if like_sizes(sizes, usual[usual > 0]) else compare_equal_numbers
    found = [
        compare(one.scores, one.calibration_scores, index[one.calibration_rows]) for one in said
    ]
    return PatientTests(
        np.array([one.name for one in said]),
        np.array([p for p, _ in found]),
        tuple(carrier for _, carrier in found),
    )


test_patients.__test__ = False  # type: ignore[attr-defined]  # not a pytest function


def like_sizes(first: Ints, second: Ints) -> bool:
    """Whether two samples of numbers of images may be of one law; scores play no part."""
    steps = np.unique(np.concatenate([first, second]))
    reached = [
        np.searchsorted(np.sort(sample), steps, side="right") / len(sample)
        for sample in (first, second)
    ]
    distance = np.abs(reached[0] - reached[1]).max()
    spread = np.sqrt(len(first) * len(second) / (len(first) + len(second)))
    return bool(distance * spread < UNLIKE)


def best_and_mean(scores: Floats, index: Ints, n_groups: int) -> tuple[Floats, Floats]:
    """Best and mean score of each group [n_groups]; a best of many counts less.

    From the best score goes what the best of so many images has by chance (its median, if images of
    a patient were normal with their usual spread): otherwise large patients hide small ones.
    """
    sizes = np.bincount(index, minlength=n_groups)
    mean = group_means(scores, index, n_groups)
    best = np.full(n_groups, -np.inf)
    np.maximum.at(best, index, scores)
    free = (sizes - 1).sum()
    within = np.sqrt(((scores - mean[index]) ** 2).sum() / free) if free else 0.0
    return best - within * scipy.special.ndtri(0.5 ** (1.0 / sizes)), mean


def compare_all(own: Floats, calibration: Floats, groups: Labels) -> tuple[float, Carrier]:
    """Compare a patient with all calibration patients, by the larger of best and mean.

    One rank, so that two questions cost no second p-value; exact if numbers of images are
    exchangeable too.

    Parameters
    ----------
    own : [k]
    calibration, groups : [c]
    """
    index, n = group_index(groups, len(calibration))
    joined = np.concatenate([calibration, own])
    best, mean = standard_best_and_mean(joined, np.concatenate([index, np.full(len(own), n)]))
    score = np.maximum(best, mean)
    p = (1.0 + (score[:-1] >= score[-1] - 1e-9).sum()) / (n + 1.0)
    return float(p), "best image" if best[-1] >= mean[-1] else "mean"


def compare_equal_numbers(
    own: Floats, calibration: Floats, groups: Labels
) -> tuple[float, Carrier]:
    """Compare a patient with equally many images of calibration patients, by best and by mean.

    The best of k images compares with the best of k of each calibration patient who has as many:
    the share, over all choices of k of their images, that reach it. Where few have as many, t < k
    images take their place, at a price: the best of k images is among t of them with probability t
    / k, so k / t times the p-value is one. t is the number that allows the smallest p-value. Means
    compare with means of t neighbours in the (canonical) order of the images. p is twice the
    smaller one (Bonferroni); the only one, for a single image.
    """
    index, n = group_index(groups, len(calibration))
    sizes = np.bincount(index, minlength=n)
    t = _compared(len(own), sizes)
    enough = sizes >= t
    total = 1.0 + enough.sum()
    above = np.bincount(index[calibration >= own.max()], minlength=n)[enough]
    best = len(own) / t * (1.0 + (1.0 - _share_below(sizes[enough], above, t)).sum()) / total
    order = np.argsort(index, kind="stable")
    reached = 0.0
    for rows in np.split(calibration[order], np.cumsum(sizes)[:-1]):
        if len(rows) >= t:
            around = np.concatenate([rows, rows[: t - 1]])
            window = np.convolve(around, np.full(t, 1.0 / t), "valid")
            reached += float((window >= own.mean() - 1e-9).mean())
    mean = (1.0 + reached) / total
    paid = 1.0 if len(own) == 1 else 2.0
    carrier: Carrier = "best image" if best <= mean + 1e-9 else "mean"
    return float(min(paid * min(best, mean), 1.0)), carrier


def _compared(k: int, sizes: Ints) -> int:
    """How many images of each to compare, at most k; the largest of those that allow equal p."""
    choices = np.arange(1, k + 1)
    with_as_many = (sizes[np.newaxis] >= choices[:, np.newaxis]).sum(axis=1)
    allowed = choices * (with_as_many + 1.0) * (with_as_many > 0)
    return int(choices[np.flatnonzero(allowed >= allowed.max() - 1e-9)[-1]])


def _share_below(sizes: Ints, above: Ints, t: int) -> Floats:
    """Share of the choices of t out of `sizes` images that hold none of those `above`."""
    steps = np.arange(t)
    left = (sizes - above)[:, np.newaxis] - steps
    return np.asarray(np.prod(np.maximum(left, 0.0) / (sizes[:, np.newaxis] - steps), axis=1))


def patient_scores(scores: Floats, groups: Labels) -> Floats:
    """One score per patient [groups], in ascending order: the larger of best and mean."""
    return np.maximum(*standard_best_and_mean(scores, group_index(groups, len(scores))[0]))


def standard_best_and_mean(scores: Floats, index: Ints) -> tuple[Floats, Floats]:
    """Best and mean [groups] in units of their usual distance from the median over all patients.

    Judged and unused patients are treated alike if both are given together.
    """
    best, mean = best_and_mean(scores, index, int(index.max()) + 1)
    return _standard(best), _standard(mean)


def _standard(values: Floats) -> Floats:
    centred = values - np.median(values)
    width = NORMAL_MAD * np.median(np.abs(centred)) or centred.std() or 1.0
    return np.asarray(centred / width)
