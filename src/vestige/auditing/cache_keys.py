"""By what the cache knows an audit again: every input that can move an answer."""

import os
from collections.abc import Mapping

import numpy as np

from vestige.auditing.gathering import Gathered
from vestige.auditing.options import AuditOptions
from vestige.cache.feature_rows import array_sha256
from vestige.cache.run_history import digest
from vestige.checks.rerun import AuditRerun
from vestige.decision.records import CopySearch
from vestige.products.product import name_of_maker
from vestige.schema.records import PreparationComparison, SetTest
from vestige.scoring.score_cache import KeptScores, open_kept_scores


def scores_kept(
    cache: str | os.PathLike[str] | None, gathered: Gathered, weights: Mapping[str, str]
) -> KeptScores | None:
    """Scores that an earlier run kept; all that determines a column is in the question.

    Nothing is kept beside a detector that is no part of vestige: its code may have changed.
    """
    if cache is None or any(column.choice.origin for column in gathered.plan):
        return None
    sets, cohort = gathered.sets, gathered.cohort
    pixels = [(role, sets[role].sha256) for role in ("generated", "reference") if role in sets]
    images = (cohort.images.shape, array_sha256(cohort.images), cohort.group_index.tolist())
    told = (pixels, *images, gathered.preparation, name_of_maker())
    folds = None if cohort.folds is None else cohort.folds.tolist()
    known = cohort.known_used.tolist(), cohort.calibration.tolist(), folds
    return open_kept_scores(cache, digest([told, known, sorted(weights.items())]))


def answers_kept(
    kept: KeptScores | None,
    rerun: AuditRerun,
    test: SetTest | None,
    alike: PreparationComparison | None,
    options: AuditOptions,
    copy_search: CopySearch,
) -> KeptScores | None:
    """What the cache has of checks and measures: all that moves them is in the question."""
    if kept is None:
        return None
    cohort, theirs = rerun.cohort, np.unique(rerun.reference_groups, return_inverse=True)[1]
    masks = [
        array_sha256(mask)
        for mask in (rerun.candidates, cohort.targets, cohort.calibration, theirs)
    ]
    asked = [
        array_sha256(rerun.columns),
        rerun.plan,
        sorted(rerun.trained),
        cohort.roles.tolist(),
    ]
    moved = (options.false_alarm_rate, options.checks, options.seed)
    return kept.about(repr((masks, asked, test, alike, *moved, copy_search)))
