"""AUC of cross-fitted scores: each fold has a model of its own, so only its own pairs compare."""

from dataclasses import dataclass

import numpy as np

from vestige.schema.records import Estimate
from vestige.stats.bootstrap import FEWEST_GROUPS, draw_groups, percentile_interval
from vestige.stats.groups import Labels, finite_vector, group_index, refuse_shared
from vestige.stats.intervals import group_wins, score_interval
from vestige.stats.roc import SIDES
from vestige.types import Bools, Floats, Ints


@dataclass(frozen=True)
class FoldedScores:
    """Scores [n] of one side, the fold whose model gave each, and its group (None: each its own).

    A group lies in one fold.
    """

    scores: Floats
    folds: Labels
    groups: Labels | None = None


def auc_in_folds(
    used: FoldedScores,
    unused: FoldedScores,
    level: float = 0.95,
    seed: int = 0,
    repeats: int = 2000,
) -> Estimate:
    """Share of pairs within folds in which the used image has the higher score, ties half.

    Pairs across folds would compare two models. Where nothing is there, a model scores low whatever
    resembles the used images it was not given, and the pooled AUC falls below .5.

    The interval draws whole groups with replacement within status (expanded percentiles); with
    fewer than 10 groups on a side, or no variance, as `auc_interval`.

    Parameters
    ----------
    used, unused : FoldedScores
    level, seed, repeats
        As for `auc_interval`.

    Returns
    -------
    Estimate
        Without any pair within a fold .5 in [0, 1].
    """
    high = finite_vector(used.scores, "scores of used images")
    low = finite_vector(unused.scores, "scores of unused images")
    refuse_shared(used.groups, unused.groups, SIDES)
    used_index, n_used = group_index(used.groups, high.size)
    unused_index, n_unused = group_index(unused.groups, low.size)
    rng = np.random.default_rng(seed)
    drawn = draw_groups(n_used, repeats, rng), draw_groups(n_unused, repeats, rng)
    sides = (high, used_index, used.folds), (low, unused_index, unused.folds)
    value, samples = _drawn_auc(*sides, drawn)
    n = high.size + low.size
    if value is None:
        return Estimate(0.5, 0.0, 1.0, n)
    fewest, samples = min(n_used, n_unused), samples[np.isfinite(samples)]
    if fewest < FEWEST_GROUPS or np.ptp(samples) < 1e-12:
        return Estimate(value, *score_interval(value, n_used, n_unused, level), n)
    return Estimate(value, *percentile_interval(samples, value, level, fewest), n)


def auc_difference(
    first: tuple[Floats, Labels],
    second: tuple[Floats, Labels],
    is_candidate: Bools,
    groups: Labels,
    level: float = 0.95,
    seed: int = 0,
    repeats: int = 2000,
) -> tuple[float, float, float]:
    """AUC of the first scores less that of the second, of the same images: value, low, high.

    Paired: both are drawn with the same groups (expanded percentiles of the difference).

    Parameters
    ----------
    first, second : scores [n] and folds [n] within which they compare
    is_candidate : [n]
    groups : [n]
    """
    used_index, n_used = group_index(np.asarray(groups)[is_candidate], int(is_candidate.sum()))
    unused_index, n_unused = group_index(
        np.asarray(groups)[~is_candidate], int((~is_candidate).sum())
    )
    rng = np.random.default_rng(seed)
    drawn = draw_groups(n_used, repeats, rng), draw_groups(n_unused, repeats, rng)
    values, samples = [], []
    for scores, folds in (first, second):
        folds = np.asarray(folds)
        value, found = _drawn_auc(
            (scores[is_candidate], used_index, folds[is_candidate]),
            (scores[~is_candidate], unused_index, folds[~is_candidate]),
            drawn,
        )
        values.append(0.5 if value is None else value)
        samples.append(np.nan_to_num(found, nan=0.5))
    gap = values[0] - values[1]
    fewest = max(2, min(n_used, n_unused))
    return gap, *percentile_interval(samples[0] - samples[1], gap, level, fewest)


def _drawn_auc(
    used: tuple[Floats, Ints, Labels],
    unused: tuple[Floats, Ints, Labels],
    drawn: tuple[Floats, Floats],
) -> tuple[float | None, Floats]:
    """AUC within folds, and that of each draw of groups (NaN where no pair is left).

    used, unused : scores, group and fold of each image; drawn : how often each group was drawn
    """
    wins = pairs = 0.0
    drawn_wins, drawn_pairs = np.zeros(len(drawn[0])), np.zeros(len(drawn[0]))
    for fold in np.unique(np.concatenate([np.asarray(used[2]), np.asarray(unused[2])])):
        mine, theirs = np.asarray(used[2]) == fold, np.asarray(unused[2]) == fold
        if not mine.any() or not theirs.any():
            continue
        mine_names, mine_index = np.unique(used[1][mine], return_inverse=True)
        their_names, their_index = np.unique(unused[1][theirs], return_inverse=True)
        drawn_mine, drawn_theirs = drawn[0][:, mine_names], drawn[1][:, their_names]
        for block, table in group_wins(
            (used[0][mine], mine_index, len(mine_names)),
            (unused[0][theirs], their_index, len(their_names)),
        ):
            wins += float(table.sum())
            drawn_wins += ((drawn_mine @ table) * drawn_theirs[:, block]).sum(axis=1)
        pairs += float(mine.sum() * theirs.sum())
        drawn_pairs += (drawn_mine @ _sizes(mine_index)) * (drawn_theirs @ _sizes(their_index))
    left = np.where(drawn_pairs > 0, drawn_pairs, np.nan)
    return (wins / pairs if pairs else None), drawn_wins / left


def _sizes(index: Ints) -> Floats:
    return np.bincount(index).astype(np.float64)
