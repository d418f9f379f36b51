"""Team Medhastra: cosine thresholds and a circular regression (docs/methods.md 1.3)."""

import warnings
from dataclasses import fields, replace
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from vestige.detectors.cosine import CosineLogistic
from vestige.detectors.cosine_rules import (
    ALPHAS,
    AlphaRow,
    GeneratedMaxima,
    alpha_table,
    best_alpha,
    demo_circular,
    rule_unknown,
)
from vestige.protocols.measures import figure, rule
from vestige.protocols.medhastra_files import alphas_csv, roc_svg, run_csv, similarities_svg
from vestige.protocols.result import Figure, PaperRun, Published
from vestige.protocols.trial import Protocol, Trial, folds_by_group
from vestige.schema.records import Estimate
from vestige.stats.intervals import auc
from vestige.stats.rates import share_interval


def run(trial: Trial) -> PaperRun:
    """The circular accuracy, the same regression on true labels, both rules, and the files."""
    with TemporaryDirectory() as folder:  # the folds of the regression embed the same images
        detector = replace(trial.detector, cache=trial.detector.cache or folder)
        return _run(trial, detector.fit(trial.generated))


def _run(trial: Trial, detector: Any) -> PaperRun:
    reals, queries = trial.labelled, trial.queries
    maxima = detector.maxima(reals.images[reals.used], reals.images[~reals.used])
    known, scores = (detector.score_samples(side.images) for side in (reals, queries))
    tables = {
        "generated, label S_u > S_n": generated_alphas(maxima),
        "labelled": alpha_table(known, reals.used),
        "queries": alpha_table(scores, queries.used),
    }
    circular, nested, tuned = (best_alpha(rows) for rows in tables.values())
    how = "largest cosine above mu + alpha sigma of the queries, alpha = "
    decided = rule_unknown(scores, nested)
    rules = (
        rule(decided, queries, f"{how}{nested:g}, the best on the labelled images"),
        rule(
            rule_unknown(scores, tuned),
            queries,
            f"{how}{tuned:g}, the best on the queries themselves",
            optimistic=True,
        ),
    )
    files = {
        "similarities.svg": similarities_svg(maxima),
        "roc.svg": roc_svg(scores, queries, trial.seed),
        "similarities.csv": maxima.table(trial.generated_ids),
        "alphas.csv": alphas_csv(tables),
        "run.csv": run_csv(trial.query_ids, decided),
    }
    return PaperRun(
        honest=_true_labels(detector, trial),
        own=_circular(maxima),
        rules=rules,
        further=(_flagged(maxima, circular),),
        files=trial.write(files),
    )


def generated_alphas(maxima: GeneratedMaxima) -> tuple[AlphaRow, ...]:
    """`rule_generated` at every alpha against the label S_u > S_n.

    A generated image has no truth. That label is half of the rule: the precision is 1 by
    construction.
    """
    label = maxima.max_used > maxima.max_unused
    ranked = 0.5
    if label.any() and not label.all():
        ranked = auc(maxima.max_used[label], maxima.max_used[~label])
    rows = []
    for alpha in ALPHAS:
        flagged = int(maxima.rule(alpha).sum())
        precision, recall = float(flagged > 0), flagged / max(int(label.sum()), 1)
        f1 = 2 * precision * recall / max(precision + recall, 1e-12)
        rows.append(
            AlphaRow(alpha, maxima.threshold(alpha), flagged, precision, recall, f1, ranked)
        )
    return tuple(rows)


def _circular(maxima: GeneratedMaxima) -> Figure:
    label = maxima.max_used > maxima.max_unused
    accuracy = 1.0  # of a constant, where all labels are equal
    if label.any() and not label.all():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its warning stands in the line below
            accuracy = demo_circular(maxima)
    share = float(label.mean())
    return Figure(
        "accuracy",
        Estimate(accuracy, *share_interval(accuracy, len(label)), len(label)),
        max(share, 1 - share),
        f"training accuracy of a regression on (S_u, S_n) of {len(label):,} generated images "
        "whose label is S_u > S_n: circular, says nothing of membership",
    )


def _true_labels(detector: Any, trial: Trial) -> Figure:
    reals = trial.labelled
    options = {f.name: getattr(detector, f.name) for f in fields(detector) if f.init}
    folds = folds_by_group(reals, trial.seed)
    decided = np.empty(len(reals), bool)
    for fold in np.unique(folds):
        late, early = reals.take(folds == fold), reals.take(folds != fold)
        model = CosineLogistic(**options).fit(
            trial.generated,
            early.images[early.used],
            early.images[~early.used],
            groups_unused=early.groups[~early.used],
        )
        decided[folds == fold] = model.score_samples(late.images) > 0
    how = f"accuracy of a regression on the status of {len(reals)} labelled reals, cross-fitted"
    return figure("accuracy", decided, reals.used, reals.groups, f"{how} by group")


def _flagged(maxima: GeneratedMaxima, alpha: float) -> Figure:
    label = maxima.max_used > maxima.max_unused
    return figure(
        "f1",
        maxima.rule(alpha),
        label,
        None,
        f"F1 of rule_generated with the label S_u > S_n, alpha = {alpha:g}, the best on the same "
        "images: half of the rule is its label",
    )


PROTOCOL = Protocol(
    "cosine_threshold",
    Published(
        *("accuracy", 0.8288),
        *(0.016, 0.508, 0.508, 0.520, 0.514),
        "Chandrasekar et al., CEUR-WS Vol-4038 paper 184, ImageCLEF 2025 run 1288",
        "own figure: training accuracy of the circular regression (P .8738, R .7743, F1 .8211)",
    ),
    run,
)
