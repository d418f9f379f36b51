"""The stack as a test: candidates against unused images, all fitted again for each relabelling.

The label of a group enters a fit only through sums over the groups of a class. These are kept by
fold, so that a relabelling costs products of small matrices (docs/methods.md 4.6).
"""

from dataclasses import dataclass

import numpy as np

from vestige.registry.entries import InputError
from vestige.stats.groups import Labels, group_index, group_means, group_status
from vestige.stats.permutation import permutation_p, relabel
from vestige.stats.ranks import mid_ranks
from vestige.stats.scale import equal_group_weights, weighted_median
from vestige.stats.splits import group_folds
from vestige.stats.stack import DIGITS, class_means, fit_moments, mixed_classes
from vestige.types import Bools, Floats, Ints

FOLDS = 5
_CHUNK = 200  # relabellings fitted together


@dataclass(frozen=True)
class Refit:
    """The stack before it knows who is a candidate.

    z : [n, D]
    folds : [n]
    index : [n], the group of each labelled image (candidate or calibration image), -1 for other
    images
    members : [G, 2 (1 + D + D * D)], of each labelled group: the moments of its images
        (`vestige.stats.stack.moments`), and those by how far each stands above the median
    fold_of : [G], fold of each labelled group
    known : [folds, as members], sums over known used groups; None: candidates are the known used
    weights : [D], fixed beforehand
    """

    z: Floats
    folds: Ints
    index: Ints
    members: Floats
    fold_of: Ints
    known: Floats | None
    weights: Floats

    def models(self, labels: Bools) -> tuple[Floats, Floats, Floats]:
        """Weights [folds, B, D] for labels [B, G]; centre and width [folds, B] of unused scores."""
        d, k = self.z.shape[1], int(self.folds.max()) + 1
        inside = [self.fold_of == fold for fold in range(k)]
        candidates = np.stack([labels[:, i].astype(np.float64) @ self.members[i] for i in inside])
        everyone = np.stack([self.members[i].sum(axis=0) for i in inside])[:, np.newaxis]
        used = candidates if self.known is None else self.known[:, np.newaxis] + 0 * candidates
        # what the model of a fold learns from lies in the other folds
        used, unused = (
            (x.sum(axis=0) - x).reshape(k * len(labels), -1) for x in (used, everyone - candidates)
        )
        half = unused.shape[1] // 2
        unused = unused[:, :half]
        fitted = fit_moments(
            *mixed_classes(used[:, :half], used[:, half:], unused), self.weights
        ).reshape(k, len(labels), d)
        mean, product = class_means(unused)
        centre = np.einsum("fbd,fbd->fb", fitted, mean.reshape(fitted.shape))
        products = product.reshape(k, len(labels), d, d)
        square = np.einsum("fbd,fbde,fbe->fb", fitted, products, fitted) - centre**2
        return fitted, centre, np.maximum(np.sqrt(np.maximum(square, 0)), 1e-9)

    def scores(self, labels: Bools) -> tuple[Floats, Floats]:
        """Scores [B, n] by the model of the own fold, and mean shares of the columns [B, D]."""
        fitted, centre, width = self.models(labels)
        found = np.empty((len(labels), len(self.z)))
        for fold, model in enumerate(fitted):
            inside = self.folds == fold
            raw = model @ self.z[inside].T
            found[:, inside] = (raw - centre[fold][:, None]) / width[fold][:, None]
        shares = (fitted / fitted.sum(axis=2, keepdims=True)).mean(axis=0)
        return np.round(found, DIGITS), shares

    def statistics(self, labels: Bools) -> Floats:
        """Mean rank of candidate groups less that of calibration groups, in folds, pooled: [B]."""
        return np.concatenate([self._some(part) for part in _chunks(labels)])

    def _some(self, labels: Bools) -> Floats:
        fitted, centre, width = self.models(labels)
        total = np.zeros(len(labels))
        for fold, model in enumerate(fitted):
            rows = np.flatnonzero((self.folds == fold) & (self.index >= 0))
            if not len(rows):
                continue
            names, own = np.unique(self.index[rows], return_inverse=True)
            raw = (model @ self.z[rows].T - centre[fold][:, None]) / width[fold][:, None]
            ranks = _row_ranks(np.round(raw, DIGITS))
            if len(names) < len(rows):
                ranks = ranks @ np.eye(len(names))[own] / np.bincount(own)
            else:
                ranks = ranks[:, np.argsort(own)]
            centred = ranks - ranks.mean(axis=1, keepdims=True)
            # n_s n_c / n times the difference of means is the centred sum over candidates
            total += np.einsum("bg,bg->b", centred, labels[:, names]) / len(names)
        return total

    def auc_unit(self, status: Bools) -> float:
        """What `statistics` gives for AUC 1 less .5: images times shares of both."""
        total = 0.0
        for fold in np.unique(self.folds):
            inside = (self.folds == fold) & (self.index >= 0)
            candidates = status[np.unique(self.index[inside])]
            total += (
                inside.sum() * candidates.mean() * (1 - candidates.mean()) if inside.any() else 0.0
            )
        return max(total, 1e-9)


def open_refit(
    z: Floats, index: Ints, known_used: Bools | None, groups: Ints, folds: Ints, weights: Floats
) -> Refit:
    """Sums by group and fold.

    Parameters
    ----------
    z : [n, D], columns on one scale (`vestige.stats.scale.log_scores`)
    index : [n], the labelled group of each image, -1 for others
    known_used : [n], what the stack learns as used; None: the candidates
    groups : [n]
    folds : [n], of whole groups
    weights : [D]
    """
    labelled = index >= 0
    fixed = z @ (weights / weights.sum())
    group_weights = equal_group_weights(
        labelled if known_used is None else labelled | known_used, groups
    )
    above = np.maximum(fixed - weighted_median(fixed[:, np.newaxis], group_weights)[0], 0.0)
    products = np.einsum("nd,ne->nde", z, z).reshape(len(z), -1)
    moments = np.column_stack([np.ones(len(z)), z, products])
    moments = np.hstack([moments, moments * above[:, np.newaxis]])
    n_groups = int(index.max()) + 1
    fold_of = np.zeros(n_groups, np.int64)
    fold_of[index[labelled]] = folds[labelled]
    known = None
    if known_used is not None:
        names, own = np.unique(groups[known_used], return_inverse=True)
        means = group_means(moments[known_used], own, len(names))
        known = np.zeros((int(folds.max()) + 1, moments.shape[1]))
        at = np.zeros(len(names), np.int64)
        at[own] = folds[known_used]
        np.add.at(known, at, means)
    members = group_means(moments[labelled], index[labelled], n_groups)
    return Refit(z, folds, index, members, fold_of, known, weights)


def stack_folds(groups: Labels, n: int) -> Ints:
    """The folds [n] of the stack: whole groups, and no label decides."""
    index, n_groups = group_index(groups, n)
    return group_folds(index, min(FOLDS, n_groups), 0)


@dataclass(frozen=True)
class StackTest:
    """What the stack says of a cohort; everything is cross-fitted by group.

    scores : [n], in units of the spread of the unused images that the model learned from
    folds : [n], the fold whose model gave the score
    weights : [D], share of each column in the combination, mean over the folds
    p_value : of candidates above calibration images within folds
    null : [B], AUC within folds less .5 of the relabellings
    """

    scores: Floats
    folds: Ints
    weights: Floats
    p_value: float
    null: Floats


def stack_test(
    z: Floats,
    is_candidate: Bools,
    is_calibration: Bools,
    known_used: Bools,
    groups: Labels,
    weights: Floats,
    n_permutations: int = 999,
    seed: int = 0,
) -> StackTest:
    """Score every image by a model that saw none of its fold, and test the candidates.

    The model of a fold learns the used images of the other folds against their calibration images.
    Each relabelling of whole groups fits everything again; where the candidates are themselves the
    known used images, it moves what is learned too. Folds are of whole groups and know no label, so
    the test is exact whatever the columns (docs/methods.md 4.6; Phipson and Smyth 2010,
    doi:10.2202/1544-6115.1585).

    Parameters
    ----------
    z : [n, D], columns on one scale (`vestige.stats.scale.log_scores`)
    is_candidate, is_calibration, known_used : [n]
        The known used are the candidates (release) or other images (forensic).
    groups : [n]
        None is both candidate and calibration image.
    weights : [D], fixed beforehand
    n_permutations, seed : int
        Random relabellings and their seed; 0 where only the scores are wanted.

    Raises
    ------
    InputError
        With fewer than two groups of used images or of calibration images.
    """
    index, _ = group_index(groups, len(z))
    for what, mask in (("used", known_used), ("unused", is_calibration)):
        if (found := np.unique(index[mask]).size) < 2:
            raise InputError(f"a stack needs {what} images of two groups or more, found {found}.")
    labelled = is_candidate | is_calibration
    names, own = np.unique(index[labelled], return_inverse=True)
    status = group_status(is_candidate[labelled], own, len(names), np.asarray(groups)[labelled])
    at = np.full(len(z), -1)
    at[labelled] = own
    learned = None if (known_used & is_candidate).any() else known_used
    folds = stack_folds(groups, len(z))
    refit = open_refit(z, at, learned, index, folds, weights)
    (scores,), (share,) = refit.scores(status[np.newaxis])
    drawn = list(relabel(status, n_permutations, seed, exact=False))
    again = np.concatenate([refit.statistics(rows) for rows in drawn] or [np.empty(0)])
    (observed,) = refit.statistics(status[np.newaxis])
    p_value = permutation_p(int((again >= observed - 1e-9).sum()), len(again), exact=False)
    return StackTest(scores, folds, share, p_value, again / refit.auc_unit(status))


def _chunks(labels: Bools) -> list[Bools]:
    return [labels[start : start + _CHUNK] for start in range(0, len(labels), _CHUNK)]


def _row_ranks(values: Floats) -> Floats:
    """Mid-ranks along the last axis; quick where nothing ties."""
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    if (ordered[:, 1:] == ordered[:, :-1]).any():
        return mid_ranks(values.T).T
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, np.arange(1.0, values.shape[1] + 1)[np.newaxis], axis=1)
    return ranks
