"""Max-T over fixed columns and one classifier that is fitted again for every relabelling.

A ridge classifier is linear in the labels. Its cross-fitted scores are then matrices times the
labels, and 9,999 relabellings with a fit each cost a few products of small matrices.
"""

import math
from dataclasses import dataclass

import numpy as np

from vestige.stats.groups import Labels, group_index, group_means
from vestige.stats.permutation import MOST_EXACT, group_labels, permutation_p, relabel
from vestige.stats.ranks import mid_ranks
from vestige.stats.splits import group_folds
from vestige.types import Bools, Floats, Ints


@dataclass(frozen=True)
class CrossFit:
    """A classifier before it knows its labels: scores of image i are linear in the labels y.

    score_i = rows_i . (coefficients_f^T y), with f the fold of i

    rows : [n, d], less the mean of what the model of the own fold learned from
    coefficients : [folds, n, d], 0 for images of the fold itself
    folds : [n]
    """

    rows: Floats
    coefficients: Floats
    folds: Ints

    def scores(self, labels: Floats | Bools) -> Floats:
        """Scores [n] for labels [n], each by a model that saw no image of its fold."""
        models = np.einsum("fnd,n->fd", self.coefficients, labels.astype(np.float64))
        return np.asarray(np.einsum("nd,nd->n", self.rows, models[self.folds]))


def cross_fit(rows: Floats, groups: Labels, folds: int, penalty: float) -> CrossFit:
    """Ridge classifiers of group folds: each minimises ``|y - a - X b|^2 + penalty |b|^2``.

    Scores are (x - mean) b, without the intercept, which would betray how many candidates the other
    folds hold. With penalty 4/C, b is the first Newton step from zero of logistic regression with C
    as scikit-learn has it.

    Parameters
    ----------
    rows : [n, d]
    groups : [n]; whole groups are folded, and the folds know no label
    folds : int, at most as many as there are groups
    penalty : float, above 0
    """
    n_groups = group_index(groups, len(rows))[1]
    fold = group_folds(groups, min(folds, n_groups), 0)
    centred, coefficients = np.empty(rows.shape), np.zeros((int(fold.max()) + 1, *rows.shape))
    for f in range(len(coefficients)):
        inside = fold == f
        mean = rows[~inside].mean(axis=0)
        learned = rows[~inside] - mean
        inner = learned.T @ learned + penalty * np.eye(rows.shape[1])
        centred[inside] = rows[inside] - mean
        coefficients[f, ~inside] = np.linalg.solve(inner, learned.T).T
    return CrossFit(centred, coefficients, fold)


def learned_max_t(
    columns: Floats,
    classifier: CrossFit,
    is_candidate: Bools,
    groups: Labels | None = None,
    n_permutations: int = 9999,
    seed: int = 0,
) -> tuple[Floats, float]:
    """Do candidates stand above calibration images in any column or in the classifier's scores?

    Statistics are differences of group means: of mid-ranks for columns, of scores for the
    classifier, each less its mean and over its standard deviation over all relabellings. One
    p-value, for the largest (Westfall and Young 1993). Whole groups are relabelled, and the
    classifier is fitted again each time, so that the p-value is exact.

    Parameters
    ----------
    columns : [n, d]
    classifier : CrossFit of the same n images and groups
    is_candidate, groups, n_permutations, seed
        As for `vestige.stats.permutation.set_tests`.

    Returns
    -------
    statistics : float64 [d + 1], standardised, the classifier last
    p_value : float
    """
    status, index = group_labels(is_candidate, groups)
    n_groups, n_candidate = status.size, int(status.sum())
    means = group_means(mid_ranks(np.asarray(columns, np.float64)), index, n_groups)
    means = means - means.mean(axis=0)
    # all that depends on the images, by group: [G, d] and [folds, G, d]
    rows = group_means(classifier.rows, index, n_groups)
    fold = classifier.folds[np.unique(index, return_index=True)[1]]
    sizes = np.bincount(index, minlength=n_groups)[:, np.newaxis]
    learned = [group_means(c, index, n_groups) * sizes for c in classifier.coefficients]

    def statistics(labels: Bools) -> Floats:
        """[B, groups] -> [B, d + 1]."""
        y = labels.astype(np.float64)
        contrast = y / n_candidate - (1.0 - y) / (n_groups - n_candidate)
        total = np.zeros(len(y))
        for f, coefficients in enumerate(learned):
            inside = fold == f
            total += ((contrast[:, inside] @ rows[inside]) * (y @ coefficients)).sum(axis=1)
        return np.column_stack([y @ means, total])

    exact = math.comb(n_groups, n_candidate) <= MOST_EXACT
    drawn = np.concatenate(
        [statistics(rows) for rows in relabel(status, n_permutations, seed, exact)]
    )
    observed = statistics(status[np.newaxis])
    every = drawn if exact else np.concatenate([observed, drawn])
    centre, spread = every.mean(axis=0), every.std(axis=0)
    varies = spread > 1e-9 * np.maximum(1.0, np.abs(every).max(axis=0))
    unit = np.where(varies, spread, 1.0)
    largest = np.where(varies, (drawn - centre) / unit, 0.0).max(axis=1)
    standard = np.where(varies, (observed - centre) / unit, 0.0)[0]
    reached = int((largest >= standard.max() - 1e-9).sum())
    return standard, permutation_p(reached, len(drawn), exact)
