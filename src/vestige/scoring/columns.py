"""Run detectors on one audit: a plan of columns, then a matrix [images, columns]."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.detectors import DETECTORS
from vestige.engine.engines import cores
from vestige.engine.threads import one_core
from vestige.registry.choices import InputError, build
from vestige.schema.records import Problem
from vestige.scoring.plan import Column
from vestige.scoring.score_cache import KeptScores
from vestige.types import (
    Bools,
    Detector,
    Floats,
    Images,
    Ints,
    LearningDetector,
    PoolDetector,
    Progress,
    quiet,
)


@dataclass(frozen=True)
class Known:
    """Labelled images of the bag, for detectors that learn: masks [n], and folds of whole groups.

    Every image of a fold, labelled or not, is scored by the model that was fitted without it, so
    that queries and controls of a fold are treated alike.
    """

    used: Bools
    unused: Bools
    folds: Ints


def score_columns(
    plan: Sequence[Column],
    generated: Images,
    reference: Images | None,
    bag: Images,
    groups: npt.NDArray[Any],
    done: Callable[[str, float], None],
    known: Known | None = None,
    progress: Progress = quiet,
    trained: Mapping[str, Detector] | None = None,
    kept: KeptScores | None = None,
) -> tuple[Floats, dict[str, Detector]]:
    """Score every image of the bag by every column -> float64 [n, D], and the fitted detectors.

    Columns run side by side, each on one core: nothing in a column then depends on how many cores
    there are, down to the last bit. `done` is called with a column's name and its seconds. `known`
    and `progress` are for detectors that learn from labelled images; `trained` holds those that
    have learned already, by column. A column that is `kept` is not computed, and has no detector.

    Raises
    ------
    InputError
        When a detector gives a score that is not finite (a column is never imputed), or learns and
        nothing is labelled.
    """
    trained = trained or {}
    columns = np.empty((len(bag), len(plan)))
    fitted: dict[str, Detector] = {}
    todo = []
    for d, column in enumerate(plan):
        scores = None if kept is None or column.name in trained else kept.find(column)
        if scores is None:
            todo.append((d, column))
        else:
            columns[:, d] = scores
            done(column.name, 0.0)
    with one_core(), ThreadPoolExecutor(cores()) as executor:
        running = {
            executor.submit(
                _score_column,
                column,
                generated,
                reference,
                bag,
                groups,
                known,
                progress,
                trained.get(column.name),
            ): d
            for d, column in sorted(todo, key=_largest_first)
        }
        try:
            for future in as_completed(running):
                column = plan[running[future]]
                columns[:, running[future]], fitted[column.name], seconds = future.result()
                # one that has something to say of its search says it again in each run
                silent = not getattr(fitted[column.name], "notes_", ())
                if kept is not None and column.name not in trained and silent:
                    kept.keep(column, columns[:, running[future]])
                done(column.name, seconds)
        except BaseException:
            executor.shutdown(cancel_futures=True)
            raise
    return columns, fitted


def notes_of(fitted: Mapping[str, Detector]) -> list[Problem]:
    """What detectors have to say of their own search: rows of `problems`."""
    return [
        Problem(f"detector/{name}", note, "warning")
        for name, detector in fitted.items()
        for note in getattr(detector, "notes_", ())
    ]


def _largest_first(entry: tuple[int, Column]) -> int:
    return -int(entry[1].options.get("size", 0))


def _score_column(
    column: Column,
    generated: Images,
    reference: Images | None,
    bag: Images,
    groups: npt.NDArray[Any],
    known: Known | None,
    progress: Progress,
    trained: Detector | None,
) -> tuple[Floats, Detector, float]:
    start = perf_counter()
    detector = trained or build(DETECTORS, column.detector, "detector", **column.options)
    if trained is not None:
        scores = trained.score_samples(bag)
    elif column.learns:
        scores, detector = _cross_fit(column, generated, bag, groups, known, progress)
    elif column.pool and isinstance(detector, PoolDetector):
        detector.fit(generated, unused=reference)
        scores = detector.score_pool(bag, groups)
    else:
        scores = detector.fit(generated, unused=reference).score_samples(bag)
    lost = int((~np.isfinite(scores)).sum())
    if lost:
        raise InputError(
            f"detector {column.name} gave a score that is not finite for {lost} of {len(bag)} "
            "images; leave it out with --detector."
        )
    return scores, detector, perf_counter() - start


def _cross_fit(
    column: Column,
    generated: Images,
    bag: Images,
    groups: npt.NDArray[Any],
    known: Known | None,
    progress: Progress,
) -> tuple[Floats, Detector]:
    """Scores [n] of models that never saw the group they score, and the last model."""
    if known is None or not (known.used.any() and known.unused.any()):
        raise InputError(
            f"{column.detector} learns from labelled images: give both --used and --unused."
        )
    scores = np.empty(len(bag))
    folds = np.unique(known.folds)
    # one detector, fitted anew for each fold: it may keep what it made of the generated set
    detector: Any = build(DETECTORS, column.detector, "detector", **column.options)
    assert isinstance(detector, LearningDetector)  # noqa: S101  # by needs_labels
    for number, fold in enumerate(folds, 1):
        inside = known.folds == fold
        used, unused = known.used & ~inside, known.unused & ~inside
        detector.fit(
            generated,
            bag[used],
            bag[unused],
            groups_used=groups[used],
            groups_unused=groups[unused],
            progress=_within(progress, f"{column.name}, fold {number} of {len(folds)}"),
        )
        scores[inside] = detector.score_samples(bag[inside])
    return scores, detector


def _within(progress: Progress, name: str) -> Progress:
    """Stages of a training, told apart from those of other folds and columns."""
    return lambda stage, done, total: progress(f"{name}: {stage}", done, total)
