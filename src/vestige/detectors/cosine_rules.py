"""Medhastra's rules on similarities (methods.md 1.3): decisions for tables, never for p-values.

The pair of a generated image G is (S_u, S_n): its largest cosine to the used and to the unused
reals. Only the last function learns anything, and shows why that is circular.
"""

import csv
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vestige.files.spreadsheet import cell
from vestige.registry.entries import InputError
from vestige.stats.intervals import auc
from vestige.stats.logistic import fit_logistic, logits
from vestige.types import Bools, Floats

ALPHAS = (0.1, 0.3, 0.5, 0.7, 1.0)
Over = Literal["maxima", "pairs"]


@dataclass(frozen=True)
class AlphaRow:
    """How the rule "above mu + alpha sigma" fares against the truth."""

    alpha: float
    threshold: float
    flagged: int
    precision: float
    recall: float
    f1: float
    auc: float


@dataclass(frozen=True)
class GeneratedMaxima:
    """Largest cosine of every generated image to the used and to the unused reals, float64 [m].

    `pair_mean` and `pair_sd` are those of all cosines, generated with known real.
    """

    max_used: Floats
    max_unused: Floats
    pair_mean: float
    pair_sd: float

    def threshold(self, alpha: float = 0.5, over: Over = "maxima") -> float:
        """T = mu + alpha sigma over the maxima of both sets, or over all pairs."""
        if over == "maxima":
            return threshold(np.concatenate([self.max_used, self.max_unused]), alpha)
        if over == "pairs":
            return self.pair_mean + alpha * self.pair_sd
        raise InputError(f"unknown over={over!r}. Known: maxima, pairs.")

    def rule(self, alpha: float = 0.5, over: Over = "maxima") -> Bools:
        """Generated images flagged: S_u > S_n and S_u > T, bool [m]."""
        above = self.max_used > self.threshold(alpha, over)
        return np.asarray(above & (self.max_used > self.max_unused))

    def histogram(self, bins: int = 40) -> tuple[Floats, Floats, Floats]:
        """Edges [bins + 1] on a shared axis, and counts of S_u and S_n [bins]."""
        both = np.concatenate([self.max_used, self.max_unused])
        edges = np.histogram_bin_edges(both, bins)
        counts = [np.histogram(s, edges)[0] for s in (self.max_used, self.max_unused)]
        return edges, counts[0].astype(float), counts[1].astype(float)

    def table(self, ids: Sequence[str]) -> str:
        """CSV text `generated,max_used,max_not_used`, one line per generated image."""
        values = zip(ids, self.max_used, self.max_unused, strict=True)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["generated", "max_used", "max_not_used"])
        writer.writerows([cell(name), f"{u:.6f}", f"{n:.6f}"] for name, u, n in values)
        return text.getvalue()


def threshold(similarities: Floats, alpha: float = 0.5) -> float:
    """T = mu + alpha sigma, population standard deviation."""
    return float(np.mean(similarities) + alpha * np.std(similarities))


def rule_unknown(scores: Floats, alpha: float = 0.5) -> Bools:
    """Used iff s(x) > T over the scores of all queries, bool [n].

    The verdict depends on the other queries: never to be mixed with a p-value.
    """
    return np.asarray(scores > threshold(scores, alpha))


def alpha_table(
    scores: Floats, truth: Bools, alphas: Sequence[float] = ALPHAS
) -> tuple[AlphaRow, ...]:
    """`rule_unknown` at every alpha against the truth.

    Choosing the alpha with the best F1 of this table is optimistic on the same images.

    Parameters
    ----------
    scores : float64 [n]
    truth : bool [n]
        Both kinds must be there.
    """
    if truth.all() or not truth.any():
        raise InputError("the table over alpha needs used and unused images.")
    ranked = auc(scores[truth], scores[~truth])
    rows = []
    for alpha in alphas:
        flagged = rule_unknown(scores, alpha)
        hits = int((flagged & truth).sum())
        precision, recall = hits / max(int(flagged.sum()), 1), hits / int(truth.sum())
        f1 = 2 * precision * recall / max(precision + recall, 1e-12)
        told = (int(flagged.sum()), precision, recall, f1, ranked)
        rows.append(AlphaRow(alpha, threshold(scores, alpha), *told))
    return tuple(rows)


def best_alpha(rows: Sequence[AlphaRow]) -> float:
    """The alpha of the largest F1; the smaller one of equals."""
    return max(rows, key=lambda row: (row.f1, -row.alpha)).alpha


def demo_circular(maxima: GeneratedMaxima) -> float:
    """Accuracy of the published logistic regression on its own labels.

    It is trained on (S_u, S_n) with the label S_u > S_n, which those two numbers decide: the
    accuracy says nothing about membership.
    """
    warnings.warn(
        "demo_circular learns a label that its own two inputs define: its accuracy is no evidence.",
        stacklevel=2,
    )
    pair = np.column_stack([maxima.max_used, maxima.max_unused])
    pair = (pair - pair.mean(axis=0)) / np.maximum(pair.std(axis=0), 1e-12)
    label = maxima.max_used > maxima.max_unused
    return float(np.mean((logits(fit_logistic(pair, label), pair) > 0) == label))
