"""Full-conformal scores of images: a model for each target patient, who is among the unused.

One rule with labels and without. The model of a patient learns images that may have been used (the
known used ones, or the other queries) against the unused images *and all their own*. It cannot tell
them from a calibration patient, so their images compare with the very calibration images that the
model was fitted on, and no calibration image is spent on fitting: P(p <= a) <= a whatever the other
queries are. Source: full conformal prediction (Vovk, Gammerman, Shafer 2005), hierarchical over
patients (Lee, Barber, Willett, arXiv:2306.06342).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy

from vestige.registry.entries import InputError
from vestige.stats.calibration import conformal_p_value_rows
from vestige.stats.groups import Labels, group_index
from vestige.stats.scale import equal_group_weights, spread, weighted_median
from vestige.stats.stack import DIGITS, fit_moments, mixed_classes, moments
from vestige.types import Bools, Floats, Ints

_TOGETHER = 4_000_000  # scores of calibration images at once


@dataclass(frozen=True)
class GroupModels:
    """One combination of the columns for each target group.

    names : [g], numbers of the target groups, ascending
    weights : [g, D], not negative, of sum 1
    """

    names: Ints
    weights: Floats

    def of(self, names: Ints) -> "GroupModels":
        """Those of the named groups."""
        keep = np.isin(self.names, names)
        return GroupModels(self.names[keep], self.weights[keep])


@dataclass(frozen=True)
class Scored:
    """What the model of one target group says.

    rows, scores : [k], the target images of the group
    calibration_rows, calibration_scores : [c], images of other groups that calibrate
    """

    name: int
    rows: Ints
    scores: Floats
    calibration_rows: Ints
    calibration_scores: Floats


def group_models(
    z: Floats, targets: Bools, calibration: Bools, positives: Bools, groups: Labels, weights: Floats
) -> GroupModels:
    """Learn the weights of the columns for each target group, drawn to the fixed ones.

    Two ways to look at the positives are mixed. All alike: right where most were used. Each by how
    far the fixed combination puts it above the median: a few used images are not outvoted by the
    others. The more the positives differ from the unused images beyond chance, the more the first
    one counts (James and Stein's share 1 - D / T^2, T^2 of Hotelling). Without positives of other
    groups, or where nothing points upwards, the weights are the fixed ones.

    Parameters
    ----------
    z : [n, D], from `log_scores`
    targets, calibration, positives : [n]
        Positives are the known used images, or the target ones. Images whose answer is known
        already are in none of them.
    groups : [n]
        Each has equal weight. Copies of an image under two names must share one.
    weights : [D], fixed beforehand

    Raises
    ------
    InputError
        Without a calibration image outside the group of each target image, or with a score that is
        not finite.
    """
    if not np.isfinite(z).all():
        raise InputError("a detector gave a score that is not finite.")
    index, n_groups = group_index(groups, len(z))
    fixed = z @ (weights / weights.sum())
    everyone = equal_group_weights(targets | calibration | positives, index)
    usual = weighted_median(fixed[:, np.newaxis], everyone)[0]
    alike, unused, own = (
        equal_group_weights(side, index) for side in (positives, calibration, targets)
    )
    high = alike * np.maximum(fixed - usual, 0.0)
    totals = [moments(z, mass) for mass in (alike, high, unused)]
    names = np.unique(index[targets])
    order = np.argsort(index, kind="stable")
    first = np.searchsorted(index[order], np.arange(n_groups + 1))
    # of each target group: all positives, those that stand out, the unused side with themselves
    sides = [np.empty((len(names), len(total))) for total in totals]
    for g, name in enumerate(names):
        rows = order[first[name] : first[name + 1]]
        here = z[rows]
        sides[0][g] = totals[0] - moments(here, alike[rows])
        sides[1][g] = totals[1] - moments(here, high[rows])
        sides[2][g] = totals[2] + moments(here, own[rows] - unused[rows])
    if len(names) and sides[2][:, 0].min() < 1.5:  # themselves, and nobody
        raise InputError("an image shares its group with every unused image.")
    models = fit_moments(*mixed_classes(*sides), weights)
    return GroupModels(names, models / models.sum(axis=1, keepdims=True))


def pooled_model(
    z: Floats, pool: Bools, positives: Bools, groups: Labels, weights: Floats
) -> Floats:
    """One combination [D] that treats all of the pool alike: known used images against it.

    Known used images of patients in the pool teach nothing. Without others: the fixed weights.

    Parameters
    ----------
    z : [n, D]
    pool : [n], target and unused images
    positives : [n], known used images
    groups : [n]
    weights : [D]
    """
    index, _ = group_index(groups, len(z))
    taught = positives & ~np.isin(index, index[pool])
    sides = [moments(z, equal_group_weights(side, index))[np.newaxis] for side in (taught, pool)]
    model = fit_moments(*mixed_classes(sides[0], sides[0], sides[1]), weights)[0]
    return np.asarray(model / model.sum())


def scored_groups(
    z: Floats, models: GroupModels, targets: Bools, calibration: Bools, groups: Labels
) -> Iterator[Scored]:
    """The target images of each group and the calibration images, by the model of the group."""
    index, _ = group_index(groups, len(z))
    at, own = np.flatnonzero(calibration), np.flatnonzero(targets)
    own = own[np.argsort(index[own], kind="stable")]
    edges = (
        np.searchsorted(index[own], models.names),
        np.searchsorted(index[own], models.names, side="right"),
    )
    shared = np.isin(models.names, index[at])
    chunk = max(1, _TOGETHER // max(len(at), 1))
    for start in range(0, len(models.names), chunk):
        part = models.weights[start : start + chunk]
        usual = np.round(z[at] @ part.T, DIGITS).T
        for g, scores in enumerate(usual, start):
            name = int(models.names[g])
            rows, keep = np.sort(own[edges[0][g] : edges[1][g]]), at
            if shared[g]:
                others = index[at] != name
                keep, scores = at[others], scores[others]
            yield Scored(name, rows, np.round(z[rows] @ models.weights[g], DIGITS), keep, scores)


def image_p_values(
    z: Floats, models: GroupModels, targets: Bools, calibration: Bools, groups: Labels
) -> tuple[Floats, Floats]:
    """p-value and standing of each target image.

    Returns
    -------
    p_values : [targets]
        (1 + sum over calibration groups of the share of their images that reach the image) /
        (calibration groups + 1). For a group of several images cautious: it counts as one that
        reaches itself wholly.
    standing : [targets]
        From `normal_standing`: orders images whose p-values tie.
    """
    index, _ = group_index(groups, len(z))
    p_values, standing = np.empty(len(z)), np.empty(len(z))
    for said in scored_groups(z, models, targets, calibration, index):
        usual = index[said.calibration_rows]
        rows = np.broadcast_to(said.calibration_scores, (len(said.rows), len(usual)))
        p_values[said.rows] = conformal_p_value_rows(said.scores, rows, usual)
        standing[said.rows] = normal_standing(said.scores, said.calibration_scores, usual)
    return np.minimum(p_values[targets], 1.0), standing[targets]


def normal_standing(
    scores: Floats, calibration_scores: Floats, calibration_groups: Labels
) -> Floats:
    """Normal-scale rank of each score [n] among those of unused images, which stand as N(0, 1).

    Between two calibration images by linear interpolation; beyond the largest (or smallest) by the
    distance in standard deviations of the calibration images, so that images above all calibration
    images still have an order.
    """
    index, n_groups = group_index(calibration_groups, len(calibration_scores))
    group_weights = equal_group_weights(np.ones(len(index), np.bool_), index)
    values, codes = np.unique(calibration_scores, return_inverse=True)
    at = np.bincount(codes, group_weights)
    level = scipy.special.ndtri((np.cumsum(at) - 0.5 * at) / n_groups)
    width = float(spread(calibration_scores[:, np.newaxis], group_weights)[0]) or 1.0
    outside = np.maximum(scores - values[-1], 0.0) - np.maximum(values[0] - scores, 0.0)
    return np.asarray(np.interp(scores, values, level) + outside / width)
