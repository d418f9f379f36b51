"""Three published measures of a whole generated set, each with a p-value that holds.

They ask how near the generated images lie to the candidates T, compared with the calibration images
P of the same source. The published tests treat generated images as independent, which they are not:
many share a neighbour. Here whole groups are relabelled (see `vestige.stats.permutation`), under
the same assumption as there: how many images a patient has must not depend on being a candidate.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vestige.measures.cells import cell_of, k_means, merged
from vestige.measures.group_neighbours import GroupNeighbours, nearest_groups
from vestige.measures.rank_sums import APART, FEWEST_IN_CELL, c_t
from vestige.registry.entries import InputError
from vestige.stats.groups import Labels
from vestige.stats.neighbours import same_width
from vestige.stats.permutation import SetTestResult, group_labels, permutation_test
from vestige.stats.slices import slices
from vestige.types import Bools, Floats, Ints

PER_CELL = 20
MOST_CELLS = 5
AT_ONCE = 2**16
"""Distances compared at a time: relabellings x images."""


@dataclass(frozen=True)
class Measured:
    """The published value, and a one-sided p-value: small when there is more copying than chance.

    exact : every relabelling was tried
    """

    value: float
    p_value: float
    exact: bool


@dataclass(frozen=True)
class FeatureSets:
    """Generated rows [m, d] and real rows [r, d] of one feature space, and who is a candidate [r].

    Raises
    ------
    InputError
        Without generated rows, candidates or calibration images, with a group on both sides, with
        rows of different width, or with a feature that is not finite.
    """

    generated: Floats
    reals: Floats
    is_candidate: Bools
    groups: Labels | None = None

    def __post_init__(self) -> None:
        for name in ("generated", "reals"):
            rows = np.asarray(getattr(self, name), dtype=np.float64)
            if rows.ndim != 2 or 0 in rows.shape:
                raise InputError(
                    f"{name} must be rows of features [images, features], found {rows.shape}."
                )
            if not np.isfinite(rows).all():
                raise InputError(f"{name}: a feature is not finite. Mend the feature space.")
            object.__setattr__(self, name, rows)
        same_width(self.generated.shape[1], self.reals.shape[1])
        if len(self.reals) != len(self.is_candidate):
            raise InputError(
                f"{len(self.reals)} real rows were given with {len(self.is_candidate)} candidate "
                "flags. Give one flag per row."
            )
        _ = self.status

    @cached_property
    def _labels(self) -> tuple[Bools, Ints]:
        return group_labels(self.is_candidate, self.groups)

    @property
    def status(self) -> Bools:
        """Candidate or calibration image, per group."""
        return self._labels[0]

    @property
    def index(self) -> Ints:
        """Group of each real."""
        return self._labels[1]

    @cached_property
    def of_generated(self) -> GroupNeighbours:
        """The groups nearest to each generated image."""
        smaller = min(self.status.mean(), 1 - self.status.mean())
        return nearest_groups(self.generated, self.reals, self.index, share=float(smaller))

    @cached_property
    def of_reals(self) -> GroupNeighbours:
        """The other groups nearest to each real."""
        share = float(self.status.mean())
        return nearest_groups(self.reals, self.reals, self.index, self.index, share)

    @cached_property
    def _one_of_each(self) -> Ints:
        return np.unique(self.index, return_index=True)[1]

    def groups_of(self, is_candidate: Bools) -> Bools:
        """Relabellings [b, images] as relabellings of groups [b, groups]."""
        return np.asarray(is_candidate[:, self._one_of_each])


def data_copying(sets: FeatureSets, n_permutations: int = 9999, seed: int = 0) -> Measured:
    """C_T: are generated images nearer to candidates than calibration images are? Far below 0: yes.

    L(x) is the distance from x to the nearest candidate (of another group). In each cell of a
    k-means partition the L of generated images are compared with those of calibration images by the
    Mann-Whitney Z of :func:`vestige.measures.rank_sums.rank_sums`; C_T is the mean of Z over cells
    with 20 or more generated images, weighted by the cell's share of calibration images. Source:
    Meehan, Chaudhuri and Dasgupta, AISTATS 2020, arXiv:2004.05675; constants of arXiv:2306.04675;
    docs/methods.md 2.11.

    We decided: k = |P| / 20, at least 1 and at most 5, cells of candidates and calibration images
    together, so that the partition does not know the labels that are permuted (the paper: of
    candidates); a cell without candidates or without calibration images joins the nearest that has
    both; when no cell holds 20 generated images, all are one cell; the variance is corrected for
    ties.

    Parameters
    ----------
    sets : FeatureSets
    n_permutations, seed : int
        Relabellings of whole groups (all, when there are no more), and the seed of those and of
        k-means.

    Returns
    -------
    Measured
        Z is no z-score here (generated images depend on each other); only p says what is usual.

    Raises
    ------
    InputError
        With fewer than 20 generated images.
    """
    m = len(sets.generated)
    if m < FEWEST_IN_CELL:
        raise InputError(
            f"data_copying compares cells of {FEWEST_IN_CELL} or more generated images, {m} were "
            "given. Generate more images."
        )
    # the number of calibration images to expect of so many groups: it must not depend on the labels
    # either
    calibration = (1 - sets.status.mean()) * len(sets.reals)
    k = int(np.clip(calibration / PER_CELL, 1, MOST_CELLS))
    centroids = k_means(sets.reals, k, seed)
    k = len(centroids)
    cells, real_cells = cell_of(sets.generated, centroids), cell_of(sets.reals, centroids)

    def copying(is_candidate: Bools) -> Floats:
        groups = sets.groups_of(is_candidate)
        near, near_reals = sets.of_generated.first(groups)[0], sets.of_reals.first(groups)[0]
        at = [real_cells == cell for cell in range(k)]
        both = [is_candidate[:, c].any(axis=1) & ~is_candidate[:, c].all(axis=1) for c in at]
        new = _merged(centroids, np.stack(both, axis=1))
        of_reals = np.where(is_candidate, APART, new[:, real_cells])
        return -c_t(near, near_reals, new[:, cells], of_reals)

    return _turned(_tested(copying, sets, n_permutations, seed))


def authenticity(sets: FeatureSets, n_permutations: int = 9999, seed: int = 0) -> Measured:
    """AuthPct: share of generated images that are no copies of a candidate, 0..100. Low: copying.

    With x the candidate nearest to a generated image g: g is authentic if x has another candidate,
    of another group, nearer than g. (Without that exception adjacent slices of one patient make
    every copy look authentic.) Source: Alaa, van Breugel, Saveliev and van der Schaar 2022,
    arXiv:2102.08921; docs/methods.md 2.12.

    Parameters
    ----------
    sets, n_permutations, seed
        As for :func:`data_copying`.

    Returns
    -------
    Measured
        p compares with the values that other choices of as many candidate groups give.

    Raises
    ------
    InputError
        With candidates of one group only.
    """
    if sets.status.sum() < 2:
        raise InputError(
            "authenticity compares candidates of different groups (patients), all are of one. "
            "Give candidates of two or more."
        )

    def copying(is_candidate: Bools) -> Floats:
        groups = sets.groups_of(is_candidate)
        near, x = sets.of_generated.first(groups)
        authentic = np.take_along_axis(sets.of_reals.first(groups)[0], x, axis=1) < near
        return np.asarray(-100.0 * authentic.mean(axis=1))

    return _turned(_tested(copying, sets, n_permutations, seed))


def closest_share(sets: FeatureSets, n_permutations: int = 9999, seed: int = 0) -> Measured:
    """Share of generated images nearer to a candidate than to an unused image, 0..1. High: copying.

    The distance to the closest record with a hold-out (DCR). Industry practice; passing it says
    nothing against membership inference ("The DCR Delusion", arXiv:2505.01524); docs/methods.md
    2.13.

    Of the larger side as many groups are drawn as the smaller has; the value is the mean over all
    such draws, which has a closed form (:func:`share_of_draws`); ties count one half. With more
    candidate than calibration groups copies of those not drawn look like chance, and even a pure
    copier stays below 1. The p-value is that of the share without drawing, so that nobody is left
    out: the two agree when both sides have as many groups.

    Parameters
    ----------
    sets, n_permutations, seed
        As for :func:`data_copying`.

    Returns
    -------
    Measured
        A one-sided alarm: a share of .5 is no statement about privacy.
    """
    taken = sets.of_generated.taken()

    def copying(is_candidate: Bools) -> Floats:
        return np.asarray(sets.groups_of(is_candidate) @ taken / len(sets.generated))

    found = _tested(copying, sets, n_permutations, seed)
    n_candidate = int(sets.status.sum())
    n_calibration = sets.status.size - n_candidate
    few = sets.status if n_candidate <= n_calibration else ~sets.status
    nearer, tied = sets.of_generated.passed(few)
    share = share_of_draws(
        nearer, tied, max(n_candidate, n_calibration), min(n_candidate, n_calibration)
    )
    value = share if n_candidate <= n_calibration else 1 - share
    return Measured(value, found.p_value, found.exact)


def _tested(
    statistics: Callable[[Bools], Floats], sets: FeatureSets, n_permutations: int, seed: int
) -> SetTestResult:
    """The permutation test, with so many relabellings at a time as stay in the cache."""
    step = max(1, AT_ONCE // (len(sets.generated) + len(sets.reals)))

    def some(rows: Bools) -> Floats:
        return np.concatenate([statistics(rows[part]) for part in slices(len(rows), step)])

    return permutation_test(some, sets.is_candidate, sets.groups, n_permutations, seed)


def _turned(found: SetTestResult) -> Measured:
    """Of a statistic that was tested with its sign turned: copying is a small value."""
    return Measured(-found.statistic, found.p_value, found.exact)


def _merged(centroids: Floats, kept: Bools) -> Ints:
    """New cells [b, k] of each cell, for b choices [b, k] of those that are kept."""
    different, which = np.unique(kept, axis=0, return_inverse=True)
    return np.stack([merged(centroids, some) for some in different])[which.ravel()]


def share_of_draws(nearer: Ints, tied: Ints, n_large: int, n_small: int) -> float:
    """Mean share of images nearer to the smaller side, over all draws of `n_small` of `n_large`.

    Parameters
    ----------
    nearer, tied : Ints, shape (m,)
        For each generated image, how many of the larger side's groups lie nearer than the smaller
        side's nearest one, and how many as near.
    n_large, n_small : int
        Groups of each side.

    Returns
    -------
    float
        The smaller side wins when none of the nearer groups is drawn, and half when it ties:
        (H(nearer) + H(nearer + tied)) / 2, H(j) = C(n_large - j, n_small) / C(n_large, n_small).
    """
    j = np.arange(n_large)
    factors = np.maximum(0.0, n_large - n_small - j) / (n_large - j)
    none_drawn = np.concatenate([[1.0], np.cumprod(factors)])
    return float((none_drawn[nearer] + none_drawn[nearer + tied]).mean() / 2)
