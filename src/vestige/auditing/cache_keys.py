"""By what the cache knows an audit again: every input that can move an answer."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from vestige.cache.feature_rows import array_sha256
from vestige.cache.run_history import Run, contents, digest
from vestige.controls.pipeline import Pipeline
from vestige.controls.planted import PLAIN
from vestige.decision.records import CopySearch
from vestige.images.imageset import ImageSet
from vestige.images.preparation import Preparation
from vestige.judging.cohort import JUDGED, Bag, Mode
from vestige.schema.records import Likeness, SetTest
from vestige.scoring.plan import Column
from vestige.scoring.score_cache import KeptScores, open_kept_scores
from vestige.types import Bools
from vestige.version import __version__


def noted_run(
    plan: Sequence[Column],
    weights: Mapping[str, str],
    sets: Mapping[str, ImageSet],
    bag: Bag,
    mode: Mode,
    test: SetTest | None,
    vetoed: bool,
    conform: bool,
    seed: int,
) -> Run:
    """What the cache notes: the question, and whatever else can move its p-value."""
    pixels = contents({role: images.sha256 for role, images in sets.items()})
    beside = [mode, pixels.pop("generated")]
    asked = [*beside, pixels.pop(JUDGED[mode])]
    columns = [[c.name, c.detector, dict(c.options), c.weight] for c in plan]
    moved = [
        __version__,
        columns,
        weights,
        pixels,
        bag.units.tolist(),
        bag.images.shape[1],
        conform,
    ]
    p_value = None if test is None else test.p_value
    names = tuple(column.name for column in plan)
    return Run(digest(asked), digest(moved), seed, names, p_value, digest(beside), vetoed)


def open_images(sets: Mapping[str, ImageSet], bag: Bag, mode: Mode, suspects: Bools) -> list[str]:
    """Digests of the pixels of the suspects [n], but for plain ones.

    One blank slice is like another: it would make two questions about different images one.
    """
    rows = np.flatnonzero(suspects)
    told = rows[bag.images[rows].std(axis=(1, 2)) >= PLAIN]
    return [sets[JUDGED[mode]].sha256[k] for k in bag.index[told]]


def scores_kept(
    cache: str | os.PathLike[str] | None,
    sets: Mapping[str, ImageSet],
    bag: Bag,
    preparation: Preparation | None,
    weights: Mapping[str, str],
) -> KeptScores | None:
    """Scores that an earlier run kept; all that determines a column is in the question."""
    if cache is None:
        return None
    pixels = [(role, sets[role].sha256) for role in ("generated", "reference") if role in sets]
    told = (pixels, bag.images.shape, array_sha256(bag.images), bag.units.tolist(), preparation)
    folds = None if bag.folds is None else bag.folds.tolist()
    known = bag.known_used.tolist(), bag.control.tolist(), folds
    return open_kept_scores(cache, digest([told, known, sorted(weights.items())]))


def answers_kept(
    kept: KeptScores | None,
    pipeline: Pipeline,
    test: SetTest | None,
    alike: Likeness | None,
    false_alarm_rate: float,
    controls: bool,
    seed: int,
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
    told = (masks, asked, test, alike, false_alarm_rate, controls, seed, copy_search)
    return kept.about(repr(told))
