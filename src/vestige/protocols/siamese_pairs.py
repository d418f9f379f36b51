"""Evaluation of the two Siamese papers: accuracy over pairs of a held-out 80/20 split."""

from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.features.pixels import as_images
from vestige.protocols.measures import pair_figure, rule
from vestige.protocols.result import PaperRun
from vestige.protocols.trial import Reals, Trial, folds_by_group, split_by_image, split_rows
from vestige.types import Bools, Floats

PAIRS = "held-out real and generated images; reals split 80/20"


def run_pairs(trial: Trial) -> PaperRun:
    """Held-out reals with held-out generated images; then the rule on the queries.

    As published, the reals are split image by image, so that slices of a patient lie on both sides
    and the network knows the patient. The honest figure is the same one split by group; a fifth of
    the patients is few, so that each fifth has its turn.
    """
    reals = trial.labelled
    folds = folds_by_group(reals, trial.seed)
    parts = [_held_out_pairs(trial, folds == k, by_group=True) for k in np.unique(folds)]
    p = np.empty((len(reals), parts[0].shape[1]))
    for fold, found in enumerate(parts):
        p[folds == fold] = found
    honest = pair_figure(p, reals, f"{PAIRS} by group, each fifth in turn")
    late = split_by_image(reals, trial.seed)
    own = pair_figure(
        _held_out_pairs(trial, late, by_group=False), reals.take(late), f"{PAIRS} by image"
    )
    called = trial.fit(reals, stage="rule").paper_rule(trial.queries.images)
    how = "fitted on all labelled images; used where the mean p over the pairs is above .5"
    return PaperRun(honest, own, (rule(called, trial.queries, how),))


def _held_out_pairs(trial: Trial, held_out: Bools, by_group: bool) -> Floats:
    """Of every pair of held-out images, float64 [n, m]: probability that its real was used."""
    late = split_rows(len(trial.generated), trial.seed)
    known, checked = trial.labelled.take(~held_out), trial.labelled.take(held_out)
    split = f"80/20 by {'group' if by_group else 'image'}"
    detector = trial.fit(known, trial.generated[~late], by_group, split)
    return _probabilities(detector, checked, trial.generated[late])


def _probabilities(detector: Any, reals: Reals, generated: npt.NDArray[np.uint8]) -> Floats:
    from scipy.special import expit

    from vestige.nets.pair_library import with_generated

    model = with_generated(detector.model_, as_images(generated))
    return np.asarray(expit(model.logits(as_images(reals.images))))
