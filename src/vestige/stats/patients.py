"""One p-value per patient, whatever the dependence of his images and whatever their number.

A patient is asked twice: does his best image stand above the best images of unused patients, and do
his images on average? No p-value of an image enters, so nothing is assumed of how slices depend on
each other (METHODS 4.1). Where patients of both sides have like numbers of images, a patient is
compared with all others. Where they have not, only equally many images are compared, over all
choices of them at once: no random draw.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy

from vestige.stats.full_conformal import NORMAL_MAD, Scored
from vestige.stats.groups import Labels, group_index, group_means
from vestige.types import Floats, Ints

UNLIKE = 1.22
"""Kolmogorov-Smirnov distance of two samples of sizes, in units of its spread, that chance reaches
in one case of ten."""
Carrier = Literal["best image", "mean"]


@dataclass(frozen=True)
class PatientTests:
    """Of each judged patient [g], in ascending order of the numbers of the groups.

    best, mean : p-values of the best image and of the mean
    single : whether both ask the same, as of patients with one image
    """

    names: Ints
    best: Floats
    mean: Floats
    single: bool

    @property
    def p_values(self) -> Floats:
        """Twice the smaller one (Bonferroni), at most 1."""
        paid = 1.0 if self.single else 2.0
        return np.asarray(np.minimum(paid * np.minimum(self.best, self.mean), 1.0))

    @property
    def carried_by(self) -> tuple[Carrier, ...]:
        """Which of the two is the smaller."""
        smaller = self.best <= self.mean
        return tuple("best image" if best else "mean" for best in smaller)


def test_patients(scored: Iterable[Scored], groups: Labels) -> PatientTests:
    """p-values of the judged patients against control patients.

    Exact when a patient, his number of images included, is exchangeable with the control patients;
    where `like_sizes` says that he is not, when his images are exchangeable with as many of theirs.

    Parameters
    ----------
    scored : of `vestige.stats.full_conformal.scored_groups`
        Each patient by his own model.
    groups : [n], patients of all images
    """
    said = list(scored)
    index, _ = group_index(groups, len(groups))
    sizes = np.array([len(one.rows) for one in said])
    usual = np.bincount(index[np.unique(np.concatenate([s.control_rows for s in said]))])
    usual = usual[usual > 0]
    alike = like_sizes(sizes, usual)
    compare = compare_all if alike else compare_equal_numbers
    pairs = [compare(one.scores, one.control_scores, index[one.control_rows]) for one in said]
    best, mean = np.array(pairs).reshape(-1, 2).T
    single = bool(sizes.max() == 1 and (not alike or usual.max() == 1))
    return PatientTests(np.array([one.name for one in said]), best, mean, single)


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


def compare_all(own: Floats, controls: Floats, groups: Labels) -> tuple[float, float]:
    """Tell the p-values of best and mean against all control patients.

    Exact if numbers of images are exchangeable too.

    Parameters
    ----------
    own : [k]
    controls, groups : [c]
    """
    index, n = group_index(groups, len(controls))
    joined = np.concatenate([controls, own])
    both = best_and_mean(joined, np.concatenate([index, np.full(len(own), n)]), n + 1)
    best, mean = ((1.0 + (values[:-1] >= values[-1] - 1e-9).sum()) / (n + 1.0) for values in both)
    return float(best), float(mean)


def compare_equal_numbers(own: Floats, controls: Floats, groups: Labels) -> tuple[float, float]:
    """Tell the p-values of best and mean against equally many images of control patients.

    The best of k images compares with the best of k of each control patient who has as many: the
    share, over all choices of k of his images, that reach it. Where few have as many, t < k images
    take their place, at a price: the best of k images is among t of them with probability t / k, so
    k / t times the p-value is one. t is the number that allows the smallest p-value. Means compare
    with means of t neighbours in the (canonical) order of the images.
    """
    index, n = group_index(groups, len(controls))
    sizes = np.bincount(index, minlength=n)
    t = _compared(len(own), sizes)
    enough = sizes >= t
    total = 1.0 + enough.sum()
    above = np.bincount(index[controls >= own.max()], minlength=n)[enough]
    best = len(own) / t * (1.0 + (1.0 - _share_below(sizes[enough], above, t)).sum()) / total
    order = np.argsort(index, kind="stable")
    reached = 0.0
    for rows in np.split(controls[order], np.cumsum(sizes)[:-1]):
        if len(rows) >= t:
            around = np.concatenate([rows, rows[: t - 1]])
            window = np.convolve(around, np.full(t, 1.0 / t), "valid")
            reached += float((window >= own.mean() - 1e-9).mean())
    return min(float(best), 1.0), (1.0 + reached) / total


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
    """One score per patient [groups], in ascending order: the larger of best and mean.

    Both in units of their usual distance from the median over all patients given, so that the score
    treats judged and unused patients alike if both are given together.
    """
    index, n = group_index(groups, len(scores))
    both = [_standard(values) for values in best_and_mean(scores, index, n)]
    return np.maximum(*both)


def _standard(values: Floats) -> Floats:
    centred = values - np.median(values)
    width = NORMAL_MAD * np.median(np.abs(centred)) or centred.std() or 1.0
    return np.asarray(centred / width)
