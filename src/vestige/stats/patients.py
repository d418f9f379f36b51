"""One row of evidence and one p-value per patient, whatever the dependence of his slices.

A patient enters as one: his row is made from his images by a rule that is the same for suspects
and controls, and is then compared with the rows of control patients (METHODS 4.1). No p-value of an
image is used, so nothing is assumed of how they depend on each other.
"""

from typing import Literal

import numpy as np

from vestige.choices import InputError
from vestige.stats.combine import rank_average
from vestige.stats.groups import Labels, group_index, group_means
from vestige.stats.stack import normal_scores, stack_p_values
from vestige.types import Bools, Floats

Rule = Literal["mean", "max"]
RULES: tuple[Rule, ...] = ("mean", "max")


def patient_rows(columns: Floats, patients: Labels, rule: Rule = "mean", seed: int = 0) -> Floats:
    """Evidence of each patient from that of his images, [n, D] -> [patients, D].

    Each column becomes normal scores over all images first, so that one large distance does not
    outweigh the other slices.

    Parameters
    ----------
    columns : [n, D]
        Scores, higher = more likely used; rows in an order that does not depend on names.
    patients : [n]
        Patients are returned in sorted order of their labels.
    rule : "mean" or "max"
        Mean over all images of the patient; or the largest of k images drawn at random, k being
        the number that the patient with fewest images has: equal for all, so that many slices are
        no advantage.
    seed : int
        Of the draw.

    Raises
    ------
    InputError
        For an unknown rule.
    """
    check_rule(rule)
    index, n_patients = group_index(patients, len(columns))
    z = normal_scores(columns)
    if rule == "mean":
        return group_means(z, index, n_patients)
    drawn = np.random.default_rng(seed).permutation(len(z))
    drawn = drawn[np.argsort(index[drawn], kind="stable")]  # patient by patient
    sizes = np.bincount(index)
    first = np.cumsum(sizes) - sizes
    chosen = drawn[first[:, np.newaxis] + np.arange(sizes.min())]
    return np.asarray(z[chosen].max(axis=1))


def patient_p_values(
    rows: Floats,
    patients: Labels,
    judged: Bools,
    controls: Bools,
    known_used: Bools | None,
    weights: Floats,
) -> Floats:
    """Conformal p-values of the judged patients against control patients, one row each.

    Exact when a patient, his number of images included, is exchangeable with the control patients.
    Without `known_used` by the rank average, else by full conformal prediction with the stack
    (`vestige.stats.stack.stack_p_values`).

    Parameters
    ----------
    rows : [r, D]
    patients : [r]
        A judged patient may have a second row among the known used; it is left out of his fit.
    judged, controls, known_used : [r]
    weights : [D], fixed beforehand

    Returns
    -------
    Floats, shape (judged rows,)
        From 1 / (control patients + 1) to 1.
    """
    z = normal_scores(rows)
    index, _ = group_index(patients, len(rows))
    if known_used is None:
        return rank_average(z[judged], z[controls], weights, index[judged], index[controls])[1]
    at, unused, used = (np.flatnonzero(mask) for mask in (judged, controls, known_used))
    return stack_p_values(z, at, unused, used, index, weights)


def check_rule(rule: str) -> None:
    """Refuse a rule that nobody knows.

    Raises
    ------
    InputError
        Naming those there are.
    """
    if rule not in RULES:
        raise InputError(f"unknown patient score {rule!r}. Known: {', '.join(RULES)}.")
