"""Decisions against the truth -> the figures of a protocol."""

from typing import Literal

import numpy as np

from vestige.protocols.result import Figure, Rule
from vestige.protocols.trial import Reals
from vestige.schema.records import Estimate
from vestige.stats.agreement import agreement, constant_baselines
from vestige.types import Bools, Floats, Ints

Metric = Literal["accuracy", "f1", "kappa"]


def figure(metric: Metric, decisions: Bools, used: Bools, groups: Ints | None, how: str) -> Figure:
    """One measure of decisions [n], its interval by group, and what a constant answer reaches."""
    measures, constant = agreement(decisions, used, groups), constant_baselines(used)
    value, baseline = {
        "accuracy": (measures.accuracy, constant.majority_accuracy),
        "f1": (measures.f1, constant.all_used_f1),
        "kappa": (measures.kappa, 0.0),
    }[metric]
    if value is None:
        value = Estimate(0.0, 0.0, 0.0, len(used))  # nothing to agree on
    return Figure(metric, value, baseline, how, measures)


def pair_figure(probabilities: Floats, reals: Reals, how: str) -> Figure:
    """Accuracy over pairs: the real image of row i with every column [n, pairs], p > .5."""
    pairs = probabilities.shape[1]
    used, groups = np.repeat(reals.used, pairs), np.repeat(reals.groups, pairs)
    how = f"accuracy of p > .5 over {probabilities.size:,} pairs of {how}"
    return figure("accuracy", probabilities.ravel() > 0.5, used, groups, how)


def rule(decisions: Bools, queries: Reals, how: str, optimistic: bool = False) -> Rule:
    """The paper's decisions [n] on the queries."""
    return Rule(how, optimistic, agreement(decisions, queries.used, queries.groups))
