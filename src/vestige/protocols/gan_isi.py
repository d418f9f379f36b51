"""GAN-ISI: classifier of pairs on texture distances (docs/methods.md 1.5)."""

import numpy as np
from scipy.special import expit

from vestige.protocols.measures import figure, pair_figure, rule
from vestige.protocols.result import Figure, PaperRun, Published
from vestige.protocols.trial import Protocol, Reals, Trial, folds_by_group, split_rows
from vestige.stats.logistic import fit_logistic, logits
from vestige.types import Floats


def run(trial: Trial) -> PaperRun:
    """Accuracy over held-out pairs; the rule on the queries.

    The split is not published. Taken at its word, "a binary classifier per pair" is split by pair,
    so that every real is on both sides; the honest figure is split by group.
    """
    detector = trial.fit(trial.labelled, stage="textures")
    features = detector.pair_features(trial.labelled.images)
    called = detector.paper_rule(trial.queries.images)
    how = "fitted on all labelled images; used where the mean p over the pairs is above .5"
    return PaperRun(
        honest=_by_group(features, trial.labelled, trial.seed),
        own=_by_pair(features, trial.labelled, trial.seed),
        rules=(rule(called, trial.queries, how),),
    )


def _by_pair(features: Floats, reals: Reals, seed: int) -> Figure:
    n, pairs, width = features.shape
    rows, used = features.reshape(-1, width), np.repeat(reals.used, pairs)
    late = split_rows(n * pairs, seed)
    model = fit_logistic(rows[~late], used[~late])
    return figure(
        "accuracy",
        logits(model, rows[late]) > 0,
        used[late],
        np.repeat(reals.groups, pairs)[late],
        f"accuracy of p > .5 over {late.sum():,} pairs; pairs split 80/20, so that every real is "
        "on both sides (our reading: the split is not published)",
    )


def _by_group(features: Floats, reals: Reals, seed: int) -> Figure:
    folds = folds_by_group(reals, seed)
    p = np.empty(features.shape[:2])
    for fold in np.unique(folds):
        late = folds == fold
        used = np.repeat(reals.used[~late], features.shape[1])
        model = fit_logistic(features[~late].reshape(-1, features.shape[2]), used)
        p[late] = expit(logits(model, features[late]))
    return pair_figure(p, reals, "held-out real images with generated ones, cross-fitted by group")


PROTOCOL = Protocol(
    "texture_pairs",
    Published(
        *("", None),
        *(0.08, 0.54, None, None, None),
        "Mehdipour Ghazi & Mehdipour Ghazi, CEUR-WS Vol-3497, pp. 1588-1595, ImageCLEF 2023",
        "abstract only: accuracy .54, F1 above .5; the kappa follows from a balanced test",
    ),
    run,
)
