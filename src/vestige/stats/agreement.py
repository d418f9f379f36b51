"""Decisions against the truth: the measures of the ImageCLEF challenge, each with an interval.

For comparison with published tables only; the audit itself never thresholds like this.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vestige.registry.entries import InputError
from vestige.schema.records import Estimate
from vestige.stats.bootstrap import FEWEST_GROUPS, draw_groups, percentile_interval
from vestige.stats.groups import Labels, group_index
from vestige.stats.rates import share_interval
from vestige.types import Bools, Floats, Ints

MEASURES = ("accuracy", "precision", "recall", "specificity", "f1", "kappa")


@dataclass(frozen=True)
class Agreement:
    """Measures over `n` images; None where a measure is undefined (0/0), never 0 instead."""

    n: int
    accuracy: Estimate
    precision: Estimate | None
    recall: Estimate | None
    specificity: Estimate | None
    f1: Estimate | None
    kappa: Estimate | None


@dataclass(frozen=True)
class Baselines:
    """What an answer that looks at nothing reaches on the same truth; kappa of both is 0."""

    all_used_accuracy: float
    all_used_f1: float
    majority_accuracy: float


def agreement(
    decisions: Bools,
    truth: Bools,
    groups: Labels | None = None,
    *,
    level: float = 0.95,
    repeats: int = 2000,
    seed: int = 0,
) -> Agreement:
    """Accuracy, precision, recall, specificity, F1 and Cohen's kappa of decisions.

    One image per group: Clopper-Pearson intervals; F1 = 2J/(1+J) is a rising function of the
    share J = TP/(TP+FP+FN) and takes its limits from it; kappa by the large-sample standard error
    of Fleiss, Cohen and Everitt 1969 (doi:10.1037/h0028106), where that is 0 by the limits of the
    accuracy. Groups: whole groups are drawn with replacement within status; draws in which a
    measure is undefined do not count for it. Where a bootstrap has nothing to vary (or below 10
    groups), the exact limits with groups as units.

    Parameters
    ----------
    decisions, truth : Bools, shape (n,)
        True = used.
    groups : labels of shape (n,), optional
    level, repeats, seed
        Coverage, bootstrap repeats, seed.

    Raises
    ------
    InputError
        Without images, or with arrays that are not boolean or not of one shape.
    """
    decisions, truth = _flags(decisions, "decisions"), _flags(truth, "truth")
    if decisions.shape != truth.shape or not truth.size:
        raise InputError(
            f"decisions and truth must be one flag per image, found {decisions.size} and "
            f"{truth.size}. Give both for the same images."
        )
    index, n_groups = group_index(groups, truth.size)
    cell = 2 * (~truth).astype(np.int64) + (truth != decisions)  # TP, FN, TN, FP
    per_image = np.eye(4)[cell][:, [0, 1, 3, 2]]  # TP, FN, FP, TN
    cells = per_image.sum(axis=0)
    values = _measures(cells)
    draws: dict[str, Floats] = {}
    if FEWEST_GROUPS <= n_groups < truth.size:
        draws = _bootstrap(per_image, index, n_groups, repeats, np.random.default_rng(seed))
    found: dict[str, Estimate | None] = {}
    for name in MEASURES:
        value = float(values[name])
        if math.isnan(value):
            found[name] = None
            continue
        sample = draws[name][np.isfinite(draws[name])] if draws else np.empty(0)
        if sample.size and np.ptp(sample) > 1e-12:
            low, high = percentile_interval(sample, value, level, n_groups)
        else:
            low, high = _exact_limits(name, cells, n_groups / truth.size, level)
        found[name] = Estimate(value, min(low, value), max(high, value), truth.size)
    accuracy = found.pop("accuracy")
    if accuracy is None:  # n >= 1, so there is always an accuracy
        raise AssertionError("accuracy is undefined")
    return Agreement(n=truth.size, accuracy=accuracy, **found)


def kappa_se(tp: float, fn: float, fp: float, tn: float, *, null: bool = False) -> float:
    """Large-sample standard error of Cohen's kappa; `null` gives the one that holds at kappa 0.

    Source: Fleiss, Cohen, Everitt 1969. NaN when kappa is undefined.
    """
    n = tp + fn + fp + tn
    table = np.array([[tp, fn], [fp, tn]]) / n
    row, column = table.sum(axis=1), table.sum(axis=0)
    observed, expected = float(np.trace(table)), float(row @ column)
    if expected == 1.0:
        return math.nan
    if null:
        spread = expected + expected**2 - float((row * column * (row + column)).sum())
        return math.sqrt(max(spread, 0.0) / n) / (1.0 - expected)
    diagonal = np.diag(table) @ ((1.0 - expected) - (row + column) * (1.0 - observed)) ** 2
    off = fn / n * (column[0] + row[1]) ** 2 + fp / n * (column[1] + row[0]) ** 2
    last = (observed * expected - 2.0 * expected + observed) ** 2
    variance = float(diagonal + (1.0 - observed) ** 2 * off - last)
    return math.sqrt(max(variance, 0.0) / n) / (1.0 - expected) ** 2


def constant_baselines(truth: Bools) -> Baselines:
    """Accuracy and F1 of answering "used" always, and accuracy of the more frequent answer."""
    truth = _flags(truth, "truth")
    if not truth.size:
        raise InputError("baselines need at least one image, found none.")
    share = float(truth.mean())
    return Baselines(share, 2.0 * share / (1.0 + share), max(share, 1.0 - share))


def p_against_guessing(decisions: Bools, truth: Bools) -> float:
    """One-sided binomial p-value of the number of right decisions against guessing.

    A guesser, coin or constant, is right with at most the share of the more frequent status (one
    half in a balanced test), which is the probability used. Takes images as independent: with
    several per patient use a permutation of whole groups instead.
    """
    from scipy.stats import binomtest

    decisions, truth = _flags(decisions, "decisions"), _flags(truth, "truth")
    chance = constant_baselines(truth).majority_accuracy
    right = int((decisions == truth).sum())
    return float(binomtest(right, truth.size, chance, alternative="greater").pvalue)


def p_adjusted_for_runs(p: float, runs: int) -> float:
    """p-value of the best of `runs` attempts, 1 - (1 - p)^runs; every attempt counts.

    Raises
    ------
    InputError
        For a p-value outside 0..1 or fewer than one run.
    """
    if not 0.0 <= p <= 1.0 or runs < 1:
        raise InputError(f"a p-value in 0..1 and at least one run are needed, found {p}, {runs}.")
    return 1.0 if p == 1.0 else -math.expm1(runs * math.log1p(-p))


def _measures(cells: Floats) -> dict[str, Floats]:
    """Measures of cells [..., 4] (TP, FN, FP, TN); NaN where undefined."""
    tp, fn, fp, tn = np.moveaxis(cells, -1, 0)
    n = tp + fn + fp + tn
    expected = ((tp + fn) * (tp + fp) + (tn + fp) * (tn + fn)) / n**2
    observed = (tp + tn) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "accuracy": observed,
            "precision": tp / (tp + fp),
            "recall": tp / (tp + fn),
            "specificity": tn / (tn + fp),
            "f1": 2.0 * tp / (2.0 * tp + fp + fn),
            "kappa": (observed - expected) / (1.0 - expected),
        }


def _bootstrap(
    per_image: Floats, index: Ints, n_groups: int, repeats: int, rng: np.random.Generator
) -> dict[str, Floats]:
    table = np.zeros((n_groups, 4))
    np.add.at(table, index, per_image)
    used = table[:, :2].sum(axis=1) > 0
    unused = table[:, 2:].sum(axis=1) > 0
    cells = np.zeros((repeats, 4))
    for stratum in (used & ~unused, unused & ~used, used & unused):
        members = table[stratum]
        if len(members):
            cells += draw_groups(len(members), repeats, rng) @ members
    return _measures(cells)


def _exact_limits(name: str, cells: Floats, weight: float, level: float) -> tuple[float, float]:
    """Limits of one measure when an image counts as `weight` (groups per image) units."""
    from scipy.special import ndtri

    tp, fn, fp, tn = (float(c) for c in cells)
    trials = {
        "accuracy": (tp + tn, tp + tn + fp + fn),
        "precision": (tp, tp + fp),
        "recall": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "f1": (tp, tp + fp + fn),
        "kappa": (tp + tn, tp + tn + fp + fn),
    }
    right, of = trials[name]
    low, high = share_interval(right / of, of * weight, level)
    if name == "f1":
        return 2.0 * low / (1.0 + low), 2.0 * high / (1.0 + high)
    if name != "kappa":
        return low, high
    kappa = float(_measures(cells)["kappa"])
    half = float(ndtri((1.0 + level) / 2.0)) * kappa_se(tp, fn, fp, tn) / math.sqrt(weight)
    if half > 1e-9:
        return max(kappa - half, -1.0), min(kappa + half, 1.0)
    expected = ((tp + fn) * (tp + fp) + (tn + fp) * (tn + fn)) / of**2
    return max((low - expected) / (1.0 - expected), -1.0), (high - expected) / (1.0 - expected)


def _flags(values: npt.ArrayLike, what: str) -> Bools:
    array = np.asarray(values)
    if array.dtype != np.bool_ or array.ndim != 1:
        raise InputError(f"{what} must be True or False per image, found {array.dtype} array.")
    return array
