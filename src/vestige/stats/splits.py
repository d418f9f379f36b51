"""Folds of whole groups: no patient is on both sides of a split."""

import numpy as np

from vestige.registry.entries import InputError
from vestige.stats.groups import Labels, group_index
from vestige.types import Ints


def group_folds(groups: Labels, k: int, seed: int, strata: Labels | None = None) -> Ints:
    """Put whole groups into `k` folds that hold about as many images each.

    Largest groups first, each into the fold that holds least of its stratum, then least of all;
    chance (by `seed`) decides among equals. Depends on which groups there are, their
    sizes and the seed, not on the order of the rows. With fewer groups of a stratum than folds,
    some folds hold none of it.

    Parameters
    ----------
    groups : labels of shape (n,)
    k : int
        Number of folds, 2..number of groups. No fold is empty.
    seed : int
    strata : labels of shape (n,), optional
        Status (used/unused) of each image; its shares are balanced over the folds.

    Returns
    -------
    Ints, shape (n,)
        Fold of each image, 0..k-1.

    Raises
    ------
    InputError
        When `k` is below 2 or above the number of groups, or a stratum has a single group (the
        other folds would have nothing to learn it from).
    """
    index, n_groups = group_index(groups, len(groups))
    if not 2 <= k <= n_groups:
        raise InputError(
            f"{k} folds need at least 2 folds and {k} groups, found {n_groups} groups. "
            "Add patients or ask for fewer folds."
        )
    stratum, n_strata = group_index(strata, len(groups)) if strata is not None else (index * 0, 1)
    sizes = np.zeros((n_groups, n_strata))
    np.add.at(sizes, (index, stratum), 1.0)
    lonely = (sizes > 0).sum(axis=0) < 2
    if lonely.any():
        name = np.unique(np.asarray(strata))[lonely][0] if strata is not None else "all"
        raise InputError(
            f"stratum {name} has a single group, at least 2 are needed to split it. Add patients."
        )
    chance = np.random.default_rng(seed)
    shuffled = chance.permutation(n_groups)
    order = shuffled[np.argsort(-sizes.sum(axis=1)[shuffled], kind="stable")]
    filled = np.zeros((k, n_strata))
    fold_of_group = np.empty(n_groups, dtype=np.int64)
    preference = chance.permutation(k)
    for group in order:
        # growth of the sum of squared counts per fold and stratum, least first
        growth = ((2.0 * filled + sizes[group]) * sizes[group]).sum(axis=1)
        fold = np.lexsort((preference, filled.sum(axis=1), growth))[0]
        filled[fold] += sizes[group]
        fold_of_group[group] = fold
    return fold_of_group[index]
