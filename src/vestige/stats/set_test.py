"""Were some of the candidates used? One p-value from three views of the same relabellings.

The mean rank sees many patients who are a little closer; the tail sees a few who are much closer;
the stack sees what a learned combination shows and a fixed one hides (docs/methods.md 4.6).
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from vestige.registry.entries import InputError
from vestige.stats.combine import pooled_rank_score
from vestige.stats.groups import Labels, group_index, group_means, group_status
from vestige.stats.permutation import permutation_p
from vestige.stats.ranks import mid_ranks
from vestige.stats.scale import log_scores
from vestige.stats.size_classes import (
    DRAWS,
    LAW,
    ORDERS,
    draw_images,
    law_of_sum,
    relabel_within,
    size_classes,
)
from vestige.stats.stack_test import open_refit, stack_folds
from vestige.types import Bools, Floats, Ints

Carrier = Literal["mean", "tail", "stack"]
SECOND = 0.25
"""What a statistic counts beside the one that a set is usually judged by."""
ROOM = 0.85
"""Part of the error that is left to one of three statistics, which often err together."""
TAILS = (3, 8)
"""Powers of the tail: 3 sees many patients that stand out amid a few innocent ones, 8 sees a
handful above all others. Of 2 to 12 the pair with most power in both cases."""
CARRIERS: tuple[Carrier, ...] = ("mean", "tail", "tail", "stack")


@dataclass(frozen=True)
class SetAnswer:
    """The answer for a set of candidates.

    p_value : from 1 / (relabellings + 1) to 1
    carried_by : the statistic that stood out most: "mean" (all are closer), "tail" (a few stand
        out) or "stack" (the learned combination)
    null : [B], AUC within folds less .5 of the stack's relabellings; None without the stack
    """

    p_value: float
    carried_by: Carrier
    null: Floats | None


@dataclass(frozen=True)
class StackLabels:
    """What the stack learns as used, and what it counts.

    rows : [n], the candidates themselves (release, and positive-unlabelled where nothing is known)
        or known used images
    first : it counts in full, in the place of the mean rank
    """

    rows: Bools
    first: bool = False


def answer_set(
    columns: Floats,
    is_candidate: Bools,
    is_calibration: Bools,
    groups: Labels,
    weights: Floats,
    stack_labels: StackLabels | None = None,
    n_permutations: int = 999,
    seed: int = 0,
) -> SetAnswer:
    """Test candidates against calibration images by mean rank, tail and refitted stack together.

    The smallest of their own p-values decides, over the same relabellings (Westfall and Young 1993,
    min-p); all but the first are multiplied by 1 / `SECOND` before, so that a set which one
    statistic is enough for loses little. Labels of whole groups are permuted within classes of like
    size (`vestige.stats.size_classes`), so that the test is exact if the images of a group are
    exchangeable and its label says nothing, given its size (Phipson and Smyth 2010,
    doi:10.2202/1544-6115.1585). Where a group has more images than its class counts, the
    statistics are averaged over draws, and compared with relabellings of single draws: that errs
    on the safe side.

    1. Mean rank: mean over candidate groups of the mean mid-rank of the fixed combination.
    2. Tail: mean over candidate groups of ``(-log((G - r + .5) / G))^c`` with c = 3 and c = 8, r
    the
       rank of the group among all G by its best image, its size allowed for.
    3. Stack: fitted again for each relabelling (`vestige.stats.stack_test`).

    Parameters
    ----------
    columns : [n, D]
        Evidence, higher = more likely used, that learned nothing from the labels.
    is_candidate, is_calibration : [n]
        Rows of neither side may teach the stack.
    groups : [n]
        Patients; none is both candidate and calibration image.
    weights : [D], fixed beforehand
    stack_labels : optional
        What the stack learns; None: no stack, and the mean rank counts in full.
    n_permutations, seed : int
        Relabellings, all if there are no more than one above, and their seed.

    Raises
    ------
    InputError
        Without candidates or calibration images, or with a group on both sides.
    """
    labelled = np.flatnonzero(is_candidate | is_calibration)
    codes, _ = group_index(groups, len(columns))
    names, index = np.unique(codes[labelled], return_inverse=True)
    candidates = np.asarray(is_candidate)[labelled]
    status = group_status(candidates, index, len(names), np.asarray(groups)[labelled])
    if not 0 < status.sum() < len(names):
        raise InputError(
            f"a set test needs candidates and calibration images, found {int(status.sum())} "
            f"candidate groups among {len(names)}. Add images of the missing side."
        )
    score = pooled_rank_score(columns[labelled], weights)
    sizes = np.bincount(index)
    classes, keep = size_classes(sizes, status)
    cut = bool((keep < sizes).any())
    rows, exact = relabel_within(status, classes, n_permutations, seed, not cut)
    stack = None
    if stack_labels is not None:
        known = np.flatnonzero(stack_labels.rows)
        known = known[:0] if is_candidate[known].any() else known
        seen = np.isin(np.arange(len(columns)), np.concatenate([labelled, known]))
        z = log_scores(columns, codes, seen)
        stack = _Stack(z, stack_folds(codes, len(codes)), codes, known, weights)

    # rows in an order of their own, so that a draw does not depend on how they came
    order = np.lexsort((*columns[labelled].T, score))
    rng = np.random.default_rng([seed, 1])
    observed, drawn, laws = [], [], []
    parts = min(DRAWS, len(rows)) if cut else 1
    enough = max(LAW, ORDERS * len(names)) // parts
    for part in np.array_split(rows, parts):
        kept = draw_images(order, index, keep, rng) if cut else np.arange(len(labelled))
        both = np.concatenate([status[np.newaxis], part])
        values = group_values(score[kept], index[kept], keep)
        laws.append([law_of_sum(one, status, classes, rng, enough) for one in values])
        found = [both @ one for one in values]
        if stack is not None:
            found.append(stack.statistics(labelled[kept], index[kept], status, both))
        observed.append([one[0] for one in found])
        drawn.append(np.stack([one[1:] for one in found], axis=1))
    here, again = np.mean(observed, axis=0), np.concatenate(drawn)
    references = [np.sort(np.concatenate(one)) for one in zip(*laws, strict=True)]
    null = None
    if stack is not None:
        null = again[:, -1]
        references.append(np.sort(null if exact else np.append(null, here[-1])))
    count = np.full(len(here), SECOND)
    count[-1 if stack_labels is not None and stack_labels.first else 0] = 1
    here, again = (_height(one, references) + np.log(count) for one in (here[np.newaxis], again))
    reached = int((again.max(axis=1) >= here.max() - 1e-9).sum())
    p_value = permutation_p(reached, len(again), exact)
    return SetAnswer(p_value, CARRIERS[int(np.argmax(here[0]))], null)


def minimum_detectable_share(
    n_candidates: int, n_calibration: int, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Smallest share of copied patients that the tail finds with that power.

    Copies score above everybody else; all other patients are as they would be anyway. By a seeded
    simulation of the tail; what mean rank and stack add is left out.

    Parameters
    ----------
    n_candidates, n_calibration : int
        Patients a side.
    alpha, power : float
        Both inside 0..1.

    Returns
    -------
    float
        A multiple of 1 / n_suspects; 1 where not even that would be found so often.

    Raises
    ------
    InputError
        For numbers below 1 or rates outside 0..1.
    """
    if n_candidates < 1 or n_calibration < 1 or not (0.0 < alpha < 1.0 and 0.0 < power < 1.0):
        raise InputError(
            "a detectable share needs patients on both sides and rates between 0 and 1, found "
            f"{n_candidates}, {n_calibration}, {alpha:g}, {power:g}."
        )
    return _smallest_share(int(n_candidates), int(n_calibration), float(alpha), float(power))


@cache
def _smallest_share(n_candidates: int, n_calibration: int, alpha: float, power: float) -> float:
    n = n_candidates + n_calibration
    tails, status = _tails(np.arange(n, 0.0, -1.0)), np.arange(n) < n_candidates  # highest first
    one = np.zeros(n, np.int64)

    def drawn(values: Floats, first: int, seed: int) -> Floats:
        rng = np.random.default_rng(seed)  # the same relabellings for both powers
        return law_of_sum(values[first:], status[first:], one[first:], rng, max(LAW, ORDERS * n))

    lines = [np.quantile(drawn(tail, 0, 0), 1 - alpha * SECOND * ROOM) for tail in tails]

    def found(k: int) -> float:
        over = [
            drawn(tail, k, 1) + tail[:k].sum() > line
            for tail, line in zip(tails, lines, strict=True)
        ]
        return float(np.any(over, axis=0).mean())

    low, high = 0, 1
    while high < n_candidates and found(high) < power:  # few are enough: look among few first
        low, high = high, 2 * high
    if high >= n_candidates and found(n_candidates) < power:
        return 1.0
    high = min(high, n_candidates)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if found(middle) >= power else (middle, high)
    return high / n_candidates


@dataclass(frozen=True)
class _Stack:
    """What does not change from draw to draw; `known` are rows, none where candidates teach."""

    z: Floats
    folds: Ints
    codes: Ints
    known: Ints
    weights: Floats

    def statistics(self, kept: Ints, index: Ints, status: Bools, labels: Bools) -> Floats:
        """AUC within folds less .5 for labels [B, G] of the groups `index` of the kept rows."""
        rows = np.concatenate([kept, self.known])
        at = np.concatenate([index, np.full(len(self.known), -1)])
        learned = at < 0 if len(self.known) else None
        refit = open_refit(
            self.z[rows], at, learned, self.codes[rows], self.folds[rows], self.weights
        )
        return refit.statistics(labels) / refit.auc_unit(status)


def group_values(score: Floats, index: Ints, keep: Ints) -> list[Floats]:
    """Mean mid-rank of each group, and the tail values of its best image: [G] each."""
    n_groups = len(keep)
    mass = 1.0 / keep[index]
    values, at = np.unique(score, return_inverse=True)
    mass_at = np.bincount(at, mass, minlength=len(values))
    # share of patients below, each by the share of their images; ties half
    below = (np.cumsum(mass_at) - mass_at / 2)[at] / n_groups
    best = np.zeros(n_groups)
    np.maximum.at(best, index, below)
    # the best of m images lies below u with probability u^m, were they independent
    allowed = np.round(keep * np.log(best), 12).astype(np.float64)
    return [group_means(mid_ranks(score), index, n_groups), *_tails(mid_ranks(allowed))]


def _tails(ranks: Floats) -> list[Floats]:
    """The height of ranks by each power: the few highest of N outweigh all others."""
    height = -np.log((len(ranks) - ranks + 0.5) / len(ranks))
    return [height**power for power in TAILS]


def _height(values: Floats, references: list[Floats]) -> Floats:
    """-log of the p-value of each value [B, K] by its law."""
    found = np.empty(values.shape)
    for k, law in enumerate(references):
        slack = 1e-9 * max(1.0, float(np.abs(law).max()))  # equal sums differ by rounding
        above = len(law) - np.searchsorted(law, values[:, k] - slack)
        found[:, k] = -np.log((1 + above) / (1 + len(law)))
    return found
