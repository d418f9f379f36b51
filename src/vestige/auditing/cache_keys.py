"""By what the cache knows an audit again: every input that can move an answer."""

import os
from collections.abc import Mapping

import numpy as np

from vestige.auditing.gathering import Gathered
from vestige.auditing.options import AuditOptions
from vestige.cache.feature_rows import array_sha256
from vestige.cache.run_history import digest
from vestige.controls.pipeline import Pipeline
from vestige.decision.records import CopySearch
from vestige.schema.records import Likeness, SetTest
from vestige.scoring.score_cache import KeptScores, open_kept_scores


def scores_kept(
    cache: str | os.PathLike[str] | None, gathered: Gathered, weights: Mapping[str, str]
) -> KeptScores | None:
    """Scores that an earlier run kept; all that determines a column is in the question."""
    if cache is None:
        return None
    sets, bag = gathered.sets, gathered.bag
    pixels = [(role, sets[role].sha256) for role in ("generated", "reference") if role in sets]
    images = (bag.images.shape, array_sha256(bag.images), bag.units.tolist())
    told = (pixels, *images, gathered.preparation)
    folds = None if bag.folds is None else bag.folds.tolist()
    known = bag.known_used.tolist(), bag.control.tolist(), folds
    return open_kept_scores(cache, digest([told, known, sorted(weights.items())]))


def answers_kept(
    kept: KeptScores | None,
    pipeline: Pipeline,
    test: SetTest | None,
    alike: Likeness | None,
    options: AuditOptions,
    copy_search: CopySearch,
) -> KeptScores | None:
    """What the cache has of controls and measures: all that moves them is in the question."""
    if kept is None:
        return None
    bag, theirs = pipeline.bag, np.unique(pipeline.reference_groups, return_inverse=True)[1]
    masks = [array_sha256(mask) for mask in (pipeline.suspects, bag.judged, bag.control, theirs)]
    asked = [
        array_sha256(pipeline.columns),
        pipeline.plan,
        sorted(pipeline.trained),
        bag.roles.tolist(),
    ]
    moved = (options.false_alarm_rate, options.controls, options.seed)
    return kept.about(repr((masks, asked, test, alike, *moved, copy_search)))
