"""Set-level tests (docs/methods.md 4.6): do candidates rank above calibration images?

Whole groups are relabelled. Under "no candidate was used" the groups are exchangeable units even
when their sizes differ, provided that the number of images of a patient has nothing to do with
being a candidate; each group counts once, by its mean, so that a large patient weighs no more.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from vestige.registry.entries import InputError
from vestige.stats.groups import Labels, finite_vector, group_index, group_means, group_status
from vestige.stats.ranks import mid_ranks
from vestige.types import Bools, Floats, Ints

MOST_EXACT = 20_000
"""All relabellings are enumerated when there are no more than this."""
_CHUNK = 1000  # relabellings held in memory at a time


@dataclass(frozen=True)
class SetTestResult:
    """Statistic, one-sided p-value (high = candidates above unused), every relabelling tried?"""

    statistic: float
    p_value: float
    exact: bool


def set_test(
    scores: Floats,
    is_candidate: Bools,
    groups: Labels | None = None,
    n_permutations: int = 9999,
    seed: int = 0,
) -> SetTestResult:
    """Test whether some candidates were used, for scores that did not learn from this labelling.

    The statistic is the mean over candidate groups of the group's mean mid-rank (in all scores)
    less the same over calibration groups. p = (1 + #{T* >= T}) / (B + 1), or the exact share when
    all relabellings can be enumerated (Phipson and Smyth 2010, doi:10.2202/1544-6115.1585).

    Parameters
    ----------
    scores : Floats, shape (n,)
        Higher = more likely used.
    is_candidate : Bools, shape (n,)
        True for candidates, False for calibration images.
    groups : labels of shape (n,), optional
        Patients; none may be on both sides.
    n_permutations, seed : int
        Random relabellings and their seed.

    Returns
    -------
    SetTestResult

    Raises
    ------
    InputError
        Without candidates or calibration images, with a group on both sides, or a score that is not
        finite.
    """
    scores = finite_vector(scores, "scores")
    p, _, statistic, exact = _max_t(
        scores[:, np.newaxis], is_candidate, groups, n_permutations, seed
    )
    return SetTestResult(float(statistic[0]), float(p[0]), exact)


def set_tests(
    columns: Floats,
    is_candidate: Bools,
    groups: Labels | None = None,
    n_permutations: int = 9999,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """:func:`set_test` of each column, and p-values that pay for having looked at all.

    Statistics are divided by the standard deviation they have over all relabellings (known
    without drawing any), then step-down max-T (Westfall and Young 1993). A column that never
    varies has p = 1.

    Parameters
    ----------
    columns : Floats, shape (n, d)
        One column of scores per detector.
    is_candidate, groups, n_permutations, seed
        As for :func:`set_test`; the same relabellings serve all columns.

    Returns
    -------
    p, p_adjusted : Floats, shapes (d,)
        ``p[j]`` is what :func:`set_test` says of column j; ``p_adjusted >= p``.
    """
    columns = np.asarray(columns, dtype=np.float64)
    if columns.ndim != 2 or columns.shape[1] < 1:
        raise InputError(f"columns must have shape (images, detectors), found {columns.shape}.")
    finite_vector(columns.ravel(), "scores")
    p, p_adjusted, _, _ = _max_t(columns, is_candidate, groups, n_permutations, seed)
    return p, p_adjusted


def set_tests_in_folds(
    columns: Floats,
    is_candidate: Bools,
    folds: Labels,
    groups: Labels | None = None,
    n_permutations: int = 9999,
    seed: int = 0,
) -> Floats:
    """p-values of scores that were cross-fitted: labels are permuted within each fold.

    The model of a fold never saw its labels, so the test within a fold is exact; but the models of
    the other folds did, so the p-values of folds depend on each other in unknown ways. Twice their
    mean is a p-value whatever the dependence (Vovk and Wang 2020, doi:10.1093/biomet/asaa027). A
    fold without candidates or without calibration images says nothing and counts as p = 1.

    Parameters
    ----------
    columns : Floats, shape (n, d)
    folds : labels of shape (n,)
        The fold whose model scored each image; whole groups.
    is_candidate, groups, n_permutations, seed
        As for :func:`set_test`.

    Returns
    -------
    Floats, shape (d,)
    """
    found = []
    for fold in np.unique(np.asarray(folds)):
        inside = np.asarray(folds) == fold
        if is_candidate[inside].all() or not is_candidate[inside].any():
            found.append(np.ones(columns.shape[1]))
            continue
        own = None if groups is None else np.asarray(groups)[inside]
        found.append(set_tests(columns[inside], is_candidate[inside], own, n_permutations, seed)[0])
    return np.asarray(np.minimum(1.0, 2 * np.mean(found, axis=0)))


def permutation_test_refit(
    statistic: Callable[[Bools], float],
    is_candidate: Bools,
    groups: Labels | None = None,
    n_permutations: int = 199,
    seed: int = 0,
) -> SetTestResult:
    """Permutation test for scores that learn from labels: everything is fitted again each time.

    Parameters
    ----------
    statistic : callable
        Takes labels [n] (True = candidate), fits from scratch, returns a number that is high when
        candidates stand out.
    is_candidate, groups, n_permutations, seed
        As for :func:`permutation_test`.
    """

    def each(rows: Bools) -> Floats:
        return np.array([statistic(row) for row in rows])

    return permutation_test(each, is_candidate, groups, n_permutations, seed)


def permutation_test(
    statistics: Callable[[Bools], Floats],
    is_candidate: Bools,
    groups: Labels | None = None,
    n_permutations: int = 199,
    seed: int = 0,
) -> SetTestResult:
    """Permutation test of a statistic that is taken of many relabellings at once.

    Parameters
    ----------
    statistics : callable
        Takes labels [b, n] (True = candidate), returns numbers [b] that are high when candidates
        stand out.
    is_candidate : Bools, shape (n,)
    groups : labels of shape (n,), optional
        Labels of whole groups are permuted.
    n_permutations, seed : int
        Fewer relabellings are tried, all of them, when no more than ``n_permutations + 1`` exist.

    Returns
    -------
    SetTestResult

    Raises
    ------
    InputError
        As for :func:`set_test`, or when the statistic is not finite.
    """
    status, index = group_labels(is_candidate, groups)
    relabellings = math.comb(status.size, int(status.sum()))
    exact = relabellings <= n_permutations + 1
    observed = float(_finite(statistics(status[index][np.newaxis]))[0])
    at_least, tried = 0, 0
    for rows in relabel(status, n_permutations, seed, exact):
        values = _finite(statistics(rows[:, index]))
        at_least += int((values >= observed - _slack(observed)).sum())
        tried += len(rows)
    return SetTestResult(observed, permutation_p(at_least, tried, exact), exact)


def _max_t(
    columns: Floats, is_candidate: Bools, groups: Labels | None, n_permutations: int, seed: int
) -> tuple[Floats, Floats, Floats, bool]:
    status, index = group_labels(is_candidate, groups)
    if index.size != columns.shape[0]:
        raise InputError(
            f"{columns.shape[0]} scores were given with {index.size} candidate flags. "
            "Give one flag per image."
        )
    n_groups, n_candidate = status.size, int(status.sum())
    means = group_means(mid_ranks(columns), index, n_groups)
    # With a fixed number of candidate groups, T is a rising line in the sum over candidate groups.
    centred = means - means.mean(axis=0)
    spread = np.sqrt((centred**2).sum(axis=0) / (n_groups - 1))
    share = n_candidate * (n_groups - n_candidate) / n_groups
    varies = spread > 1e-9 * columns.shape[0]
    unit = np.where(varies, spread * math.sqrt(share), 1.0)
    standard = np.where(varies, centred / unit, 0.0)
    observed = np.asarray(status.astype(np.float64) @ standard)
    falling = np.argsort(-observed, kind="stable")
    exact = math.comb(n_groups, n_candidate) <= MOST_EXACT
    reached = np.zeros(columns.shape[1])
    reached_by_max = np.zeros(columns.shape[1])
    tried = 0
    line = observed - 1e-9  # equal statistics must not differ by rounding
    for rows in relabel(status, n_permutations, seed, exact):
        drawn = rows.astype(np.float64) @ standard
        reached += (drawn >= line).sum(axis=0)
        # largest over this column and all that stood lower
        best = np.maximum.accumulate(drawn[:, falling[::-1]], axis=1)[:, ::-1]
        reached_by_max += (best >= line[falling]).sum(axis=0)
        tried += len(rows)
    p = np.array([permutation_p(int(k), tried, exact) for k in reached])
    adjusted = np.array([permutation_p(int(k), tried, exact) for k in reached_by_max])
    p_adjusted = np.empty_like(p)
    p_adjusted[falling] = np.maximum.accumulate(adjusted)
    statistic = np.asarray(status.astype(np.float64) @ centred) / share
    return p, p_adjusted, statistic, exact


def group_labels(is_candidate: Bools, groups: Labels | None) -> tuple[Bools, Ints]:
    """Status of each group and the group of each image, checked."""
    flags = np.asarray(is_candidate)
    if flags.dtype != np.bool_ or flags.ndim != 1:
        raise InputError(
            f"is_candidate must be True or False per image, found {flags.dtype} {flags.shape}."
        )
    index, n_groups = group_index(groups, flags.size)
    status = group_status(flags, index, n_groups, groups)
    if not 0 < status.sum() < n_groups:
        raise InputError(
            f"a set test needs candidates and calibration images, found {int(status.sum())} "
            f"candidate groups among {n_groups}. Add images of the missing side."
        )
    return status, index


def relabel(status: Bools, n_permutations: int, seed: int, exact: bool) -> Iterator[Bools]:
    """Chunks of relabellings [b, groups], each with as many candidates as there are."""
    n_groups, n_candidate = status.size, int(status.sum())
    if exact:
        every = itertools.combinations(range(n_groups), n_candidate)
        while chosen := list(itertools.islice(every, _CHUNK)):
            rows = np.zeros((len(chosen), n_groups), dtype=np.bool_)
            np.put_along_axis(rows, np.array(chosen), True, axis=1)
            yield rows
        return
    rng = np.random.default_rng(seed)
    for start in range(0, n_permutations, _CHUNK):
        rows = np.broadcast_to(status, (min(_CHUNK, n_permutations - start), n_groups))
        yield rng.permuted(rows, axis=1)


def permutation_p(at_least: int, tried: int, exact: bool) -> float:
    """Enumeration holds the true labelling itself; random draws get it added."""
    return at_least / tried if exact else (1 + at_least) / (1 + tried)


def _finite(values: Floats) -> Floats:
    wrong = values[~np.isfinite(values)]
    if wrong.size:
        raise InputError(f"the statistic of a relabelling is {wrong[0]}. Mend the detector.")
    return values


def _slack(value: float) -> float:
    return 1e-12 * max(1.0, abs(value))
