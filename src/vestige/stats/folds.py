"""AUC of cross-fitted scores: each fold has a model of its own, so only its own pairs compare."""

import numpy as np

from vestige.result import Estimate
from vestige.stats.bootstrap import FEWEST_GROUPS, draw_groups, percentile_interval
from vestige.stats.groups import Labels, finite_vector, group_index, refuse_shared
from vestige.stats.intervals import group_wins, score_interval
from vestige.stats.roc import SIDES
from vestige.types import Floats, Ints


def auc_in_folds(
    used: Floats,
    unused: Floats,
    used_folds: Labels,
    unused_folds: Labels,
    used_groups: Labels | None = None,
    unused_groups: Labels | None = None,
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
    used, unused : Floats, shapes (n1,) and (n0,)
    used_folds, unused_folds : labels of the same shapes
        The fold whose model gave the score; a group lies in one fold.
    used_groups, unused_groups, level, seed, repeats
        As for `auc_interval`.

    Returns
    -------
    Estimate
        Without any pair within a fold .5 in [0, 1].
    """
    used = finite_vector(used, "scores of used images")
    unused = finite_vector(unused, "scores of unused images")
    refuse_shared(used_groups, unused_groups, SIDES)
    used_index, n_used = group_index(used_groups, used.size)
    unused_index, n_unused = group_index(unused_groups, unused.size)
    rng = np.random.default_rng(seed)
    drawn_used, drawn_unused = (draw_groups(n, repeats, rng) for n in (n_used, n_unused))
    wins = pairs = 0.0
    drawn_wins, drawn_pairs = np.zeros(repeats), np.zeros(repeats)
    for fold in np.unique(np.concatenate([np.asarray(used_folds), np.asarray(unused_folds)])):
        mine, theirs = np.asarray(used_folds) == fold, np.asarray(unused_folds) == fold
        if not mine.any() or not theirs.any():
            continue
        mine_names, mine_index = np.unique(used_index[mine], return_inverse=True)
        their_names, their_index = np.unique(unused_index[theirs], return_inverse=True)
        drawn_mine, drawn_theirs = drawn_used[:, mine_names], drawn_unused[:, their_names]
        for block, table in group_wins(
            (used[mine], mine_index, len(mine_names)),
            (unused[theirs], their_index, len(their_names)),
        ):
            wins += float(table.sum())
            drawn_wins += ((drawn_mine @ table) * drawn_theirs[:, block]).sum(axis=1)
        pairs += float(mine.sum() * theirs.sum())
        drawn_pairs += (drawn_mine @ _sizes(mine_index)) * (drawn_theirs @ _sizes(their_index))
    n = used.size + unused.size
    if pairs == 0:
        return Estimate(0.5, 0.0, 1.0, n)
    value = wins / pairs
    samples = drawn_wins[drawn_pairs > 0] / drawn_pairs[drawn_pairs > 0]
    fewest = min(n_used, n_unused)
    if fewest < FEWEST_GROUPS or np.ptp(samples) < 1e-12:
        return Estimate(value, *score_interval(value, n_used, n_unused, level), n)
    return Estimate(value, *percentile_interval(samples, value, level, fewest), n)


def _sizes(index: Ints) -> Floats:
    return np.bincount(index).astype(np.float64)
