"""The stack: columns of evidence -> one score, learned from labelled images, by group.

Ridge regression of the label on the columns, drawn to the weights that were fixed beforehand and
never negative. So few degrees of freedom that fifteen labelled patients a side are enough, and so
cheap that a permutation test may fit everything again for each relabelling (METHODS 3.1, 4.6).
"""

from dataclasses import dataclass

import numpy as np
import scipy

from vestige.choices import InputError
from vestige.stats.groups import Labels, group_index, group_means, group_status
from vestige.stats.ranks import mid_ranks
from vestige.stats.splits import group_folds
from vestige.types import Bools, Floats, Ints

SHRINKAGE = 0.3
"""Pull to the fixed weights, in units of a column's variance; chosen on the development worlds."""
FOLDS = 5
DIGITS = 9
"""Scores are compared after rounding: equal rows must tie, wherever they stand in a product."""
_CHUNK = 200  # relabellings fitted together


def normal_scores(columns: Floats) -> Floats:
    """Each column [n, D] -> Phi^-1((mid-rank - .5) / n), divided by its standard deviation.

    Scale-free: only the order within a column counts. A column that never varies becomes 0.
    """
    z = scipy.special.ndtri((mid_ranks(columns) - 0.5) / len(columns))
    spread = z.std(axis=0)
    return np.asarray(z / np.where(spread > 0, spread, 1.0))


def fit_stack(z: Floats, used: Floats, unused: Floats, weights: Floats) -> Floats:
    """Non-negative weights of the columns, for each of B labellings at once.

    Minimises ``sum_i m_i (y_i - a - z_i w)^2 + SHRINKAGE |w - s w0|^2`` over w >= 0 and a, with
    y = 1 for used and -1 for unused images, masses m of sum 1/2 in each class, w0 the fixed
    weights and s >= 0 the best multiple of them. Without evidence this is the fixed combination.

    Parameters
    ----------
    z : [n, D]
    used, unused : [B, n]
        Masses; 0 for images outside the class. Each row sums to 1.
    weights : [D], w0

    Returns
    -------
    [B, D]
    """
    d = z.shape[1]
    masses = (used + unused) / 2
    mean = masses @ z
    # second moments of all labellings in one product: [B, n] @ [n, D * D]
    outer = (z[:, :, None] * z[:, None, :]).reshape(len(z), d * d)
    scatter = (masses @ outer).reshape(-1, d, d) - mean[:, :, None] * mean[:, None, :]
    slope = (used - unused) @ z / 2
    return solve_stack(scatter, slope, weights)


def solve_stack(scatter: Floats, slope: Floats, weights: Floats) -> Floats:
    """Non-negative weights [B, D] of the columns, from the moments of each of B labellings.

    The minimum that `fit_stack` describes, for whoever has the moments already.

    Parameters
    ----------
    scatter : [B, D, D], covariance of the columns, each class having mass 1/2
    slope : [B, D], half of the difference of the class means, used less unused
    weights : [D], w0
    """
    d = len(weights)
    prior = weights / np.linalg.norm(weights)
    gain = slope @ prior
    spread = np.einsum("d,bde,e->b", prior, scatter, prior)
    multiple = np.maximum(gain, 0) / np.maximum(spread, 1e-9)
    fitted = np.empty_like(slope)
    target = slope + SHRINKAGE * multiple[:, None] * prior
    lower = np.linalg.cholesky(scatter + SHRINKAGE * np.eye(d))
    for b in range(len(fitted)):  # the same minimum as least squares on the Cholesky factor
        side = scipy.linalg.solve_triangular(lower[b], target[b], lower=True)
        fitted[b] = scipy.optimize.nnls(lower[b].T, side)[0]
    # nothing points upwards: the fixed combination, so that there is always an order
    empty = ~(fitted > 0).any(axis=1)
    fitted[empty] = prior
    return fitted


@dataclass(frozen=True)
class StackTest:
    """What the stack says of a bag; everything is cross-fitted by group.

    scores : [n], in units of the spread of the unused images that the model learned from
    folds : [n], the fold whose model gave the score
    weights : [D], share of each column in the combination, mean over the folds
    p_value : of suspects above controls within folds
    null : [B], AUC within folds less .5 of the relabellings
    """

    scores: Floats
    folds: Ints
    weights: Floats
    p_value: float
    null: Floats


def stack_test(
    z: Floats,
    is_suspect: Bools,
    is_control: Bools,
    known_used: Bools,
    groups: Labels,
    weights: Floats,
    n_permutations: int = 999,
    seed: int = 0,
) -> StackTest:
    """Score every image by a model that saw none of its fold, and test suspects against controls.

    The model of a fold learns the used images of the other folds against their controls. Each
    relabelling of whole groups fits everything again; where the suspects are themselves the known
    used images, it moves what is learned too. Folds are of whole groups and know no label, so the
    test is exact whatever the columns (METHODS 4.6; Phipson and Smyth 2010,
    doi:10.2202/1544-6115.1585).

    Parameters
    ----------
    z : [n, D], from `normal_scores`
    is_suspect, is_control, known_used : [n]
        The known used are the suspects (release) or other images (forensic).
    groups : [n]
        None is both suspect and control.
    weights : [D], fixed beforehand
    n_permutations, seed : int
        Random relabellings and their seed.

    Raises
    ------
    InputError
        With fewer than two groups of used images or of controls.
    """
    index, n_groups = group_index(groups, len(z))
    for what, mask in (("used", known_used), ("unused", is_control)):
        if (found := np.unique(index[mask]).size) < 2:
            raise InputError(f"a stack needs {what} images of two groups or more, found {found}.")
    labelled = is_suspect | is_control
    own = np.asarray(groups)[labelled]
    names, own_index = np.unique(index[labelled], return_inverse=True)
    status = group_status(is_suspect[labelled], own_index, len(names), own)
    folds = group_folds(index, min(FOLDS, n_groups), 0)
    learns_suspects = bool((known_used & is_suspect).any())
    voices = _voices(labelled, index), _voices(known_used, index)

    def answer(suspect_groups: Bools) -> tuple[Floats, Floats, Floats]:
        """Statistics [B], scores [B, n] and weights [B, D] for relabellings [B, names]."""
        suspects = np.zeros((len(suspect_groups), len(z)))
        suspects[:, labelled] = suspect_groups[:, own_index]
        used = suspects * voices[0] if learns_suspects else known_used * voices[1] + 0 * suspects
        unused = (labelled - suspects) * voices[0]
        scores, models = _cross_fit(z, used, unused, folds, weights)
        statistic = _within_folds(scores[:, labelled], folds[labelled], own_index, suspect_groups)
        return statistic, scores, models

    (observed,), (scores,), (share,) = answer(status[np.newaxis])
    rng, null = np.random.default_rng(seed), [np.empty(0)]
    for start in range(0, n_permutations, _CHUNK):
        drawn = np.broadcast_to(status, (min(_CHUNK, n_permutations - start), len(names)))
        null.append(answer(rng.permuted(drawn, axis=1))[0])
    again = np.concatenate(null)
    p_value = (1 + int((again >= observed - 1e-9).sum())) / (1 + n_permutations)
    unit = _auc_unit(folds[labelled], own_index, status)
    return StackTest(scores, folds, share, p_value, again / unit)


def _voices(members: Bools, index: Ints) -> Floats:
    """1 / (members of the own group) for members [n], 0 for others: a large group has one voice."""
    sizes = np.bincount(index[members], minlength=int(index.max()) + 1)[index]
    return np.where(members, 1.0 / np.maximum(sizes, 1), 0.0)


def _cross_fit(
    z: Floats, used: Floats, unused: Floats, folds: Ints, weights: Floats
) -> tuple[Floats, Floats]:
    """Scores [B, n] and mean weights [B, D] of the models of all folds, for voices [B, n]."""
    scores, total = np.empty(used.shape), np.zeros((len(used), z.shape[1]))
    for fold in np.unique(folds):
        inside = folds == fold
        learned, usual = (_shares(np.where(inside, 0.0, voices)) for voices in (used, unused))
        models = fit_stack(z, learned, usual, weights)
        every = models @ z.T
        centre = np.einsum("bn,bn->b", usual, every)
        width = np.sqrt(np.einsum("bn,bn->b", usual, (every - centre[:, None]) ** 2))
        standard = (every - centre[:, None]) / np.maximum(width, 1e-9)[:, None]
        scores[:, inside] = np.round(standard[:, inside], DIGITS)
        total += models / models.sum(axis=1, keepdims=True)
    return scores, total / total.sum(axis=1, keepdims=True)


def _shares(voices: Floats) -> Floats:
    """Rows of sum 1, or of zeros where nobody is left."""
    return np.asarray(voices / np.maximum(voices.sum(axis=1, keepdims=True), 1e-9))


def _within_folds(scores: Floats, folds: Ints, index: Ints, suspect_groups: Bools) -> Floats:
    """Mean rank of suspect groups less that of control groups, pooled over folds, [B]."""
    total = np.zeros(len(scores))
    for fold in np.unique(folds):
        inside = folds == fold
        names, own = np.unique(index[inside], return_inverse=True)
        ranks = group_means(mid_ranks(scores[:, inside].T), own, len(names)).T  # [B, groups]
        suspects = suspect_groups[:, names]
        n = len(names)
        # n_s n_c / n times the difference of means is the centred sum over suspects
        total += ((ranks - ranks.mean(axis=1, keepdims=True)) * suspects).sum(axis=1) / n
    return total


def _auc_unit(folds: Ints, index: Ints, status: Bools) -> float:
    """What `_within_folds` gives for AUC 1 less .5: images times suspect and control shares."""
    total = 0.0
    for fold in np.unique(folds):
        inside = folds == fold
        suspects = status[np.unique(index[inside])]
        total += inside.sum() * suspects.mean() * (1 - suspects.mean())
    return max(total, 1e-9)
