"""Run detectors on one audit: a plan of columns, then a matrix [images, columns]."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import as_completed
from copy import copy
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.engine.machine import Threads, cores
from vestige.engine.threads import one_core
from vestige.images.elsewhere import Elsewhere
from vestige.registry.entries import InputError
from vestige.schema.records import Problem
from vestige.scoring.contract import Watched
from vestige.scoring.plan import Column
from vestige.scoring.score_cache import KeptScores
from vestige.types import (
    Bools,
    Detector,
    Floats,
    Images,
    Ints,
    LearningDetector,
    PairExplainer,
    PoolDetector,
    Progress,
    quiet,
)


@dataclass(frozen=True)
class LabelledSet:
    """Labelled images of the cohort, for detectors that learn: masks [n], folds of whole groups.

    Every image of a fold, labelled or not, is scored by the model that was fitted without it, so
    that queries and calibration images of a fold are treated alike.
    """

    used: Bools
    unused: Bools
    folds: Ints


@dataclass(frozen=True)
class Reals:
    """Real images of any kind, scored together, their groups [n], and what is known of them.

    known : for detectors that learn from labelled images
    """

    images: Images
    groups: npt.NDArray[Any]
    known: LabelledSet | None = None


@dataclass(frozen=True)
class Ready:
    """What need not be made: detectors that have learned already, by column, and kept scores."""

    trained: Mapping[str, Detector] = field(default_factory=dict)
    kept: KeptScores | None = None

    def find(self, column: Column) -> Floats | None:
        """The scores of a column, None where they are not kept."""
        return None if self.kept is None or column.name in self.trained else self.kept.find(column)

    def keep(self, column: Column, detector: Detector, scores: Floats) -> None:
        """Keep the scores, unless the detector has something to say of its search in each run."""
        silent = not getattr(detector, "notes_", ())
        if self.kept is not None and column.name not in self.trained and silent:
            self.kept.keep(column, scores)


@dataclass(frozen=True)
class PairJudge:
    """Networks that judged pairs for one column: one trained model, or one for each fold.

    by_fold : fold -> the network that scored its images; folds : [n] of the cohort
    """

    by_fold: Mapping[int, PairExplainer]
    folds: Ints

    def of(self, row: int) -> PairExplainer:
        """The network that scored this image of the cohort."""
        return self.by_fold[int(self.folds[row])]


@dataclass(frozen=True)
class Scored:
    """Columns of evidence of one audit.

    columns : [n, D], of the images of the cohort
    fitted : the detectors, by column, but for those whose scores were kept
    ready : what was not made for it
    weights : digests of the networks' weights and of trained models, by detector and option
    judges : networks that judged pairs, by column; none of those whose scores were kept
    """

    plan: tuple[Column, ...]
    columns: Floats
    fitted: Mapping[str, Detector]
    ready: Ready
    weights: Mapping[str, str]
    judges: Mapping[str, PairJudge] = field(default_factory=dict)


def _unnoted(name: str, seconds: float) -> None:
    """Note no seconds."""


def score_columns(
    plan: Sequence[Column],
    generated: Images,
    reference: Images | None,
    reals: Reals,
    done: Callable[[str, float], None] = _unnoted,
    progress: Progress = quiet,
    ready: Ready = Ready(),  # frozen
    judges: dict[str, PairJudge] | None = None,
) -> tuple[Floats, dict[str, Detector]]:
    """Score every real image by every column -> float64 [n, D], and the fitted detectors.

    Columns run side by side, each on one core: nothing in a column then depends on how many cores
    there are, down to the last bit. `done` is called with a column's name and its seconds,
    `progress` by detectors that learn. A column that is `ready` is not computed, and one whose
    scores were kept has no detector. The networks that judged pairs are put into `judges`, if it is
    given.

    Raises
    ------
    InputError
        When a detector gives a score that is not finite (a column is never imputed), or learns and
        nothing is labelled.
    """
    columns = np.empty((len(reals.images), len(plan)))
    fitted: dict[str, Detector] = {}
    todo = []
    for d, column in enumerate(plan):
        scores = ready.find(column)
        if scores is None:
            todo.append((d, column))
        else:
            columns[:, d] = scores
            done(column.name, 0.0)
    # where workers hold the images, all columns ask them at once
    threads = max(1, len(todo)) if isinstance(generated, Elsewhere) else cores()
    with one_core(), Threads(threads) as executor:
        running = {
            executor.submit(
                _score_column,
                column,
                generated,
                reference,
                reals,
                progress,
                ready.trained.get(column.name),
                judges,
            ): d
            for d, column in sorted(todo, key=_largest_first)
        }
        try:
            for future in as_completed(running):
                column = plan[running[future]]
                columns[:, running[future]], fitted[column.name], seconds = future.result()
                ready.keep(column, fitted[column.name], columns[:, running[future]])
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
    reals: Reals,
    progress: Progress,
    trained: Detector | None,
    judges: dict[str, PairJudge] | None,
) -> tuple[Floats, Detector, float]:
    start = perf_counter()
    watched = Watched(column)
    with watched.watch():
        if trained is not None:
            scores, detector = trained.score_samples(watched.lend(reals.images)), trained
            if judges is not None and isinstance(trained, PairExplainer):
                everybody = np.zeros(len(reals.images), np.int64)
                judges[column.name] = PairJudge({0: trained}, everybody)
        elif column.learns:
            scores, detector = _cross_fit(
                column, watched, watched.lend(generated), reals, progress, judges
            )
        else:
            scores, detector = _fit_and_score(
                column, watched, watched.lend(generated), watched.lend(reference), reals
            )
    lost = int((~np.isfinite(scores)).sum())
    if lost:
        raise InputError(
            f"detector {column.name} gave a score that is not finite for {lost} of {len(scores)} "
            "images; leave it out with --detector."
        )
    return scores, detector, perf_counter() - start


def _fit_and_score(
    column: Column,
    watched: Watched,
    generated: Images,
    reference: Images | None,
    reals: Reals,
) -> tuple[Floats, Detector]:
    detector: Any = column.make()
    images, n = watched.lend(reals.images), len(reals.images)
    watched.fitted(detector.fit(generated, unused=reference), detector)
    if column.pool and isinstance(detector, PoolDetector):
        scores = watched.form(detector.score_pool(images, reals.groups), n)
        watched.order_of_bag(detector.score_pool, images, reals.groups, scores)
    else:
        scores = watched.form(detector.score_samples(images), n)
        watched.order(detector.score_samples, images, scores)
    return scores, detector


def _cross_fit(
    column: Column,
    watched: Watched,
    generated: Images,
    reals: Reals,
    progress: Progress,
    judges: dict[str, PairJudge] | None,
) -> tuple[Floats, Detector]:
    """Scores [n] of models that never saw the group they score, and the last model."""
    cohort, groups, known = watched.lend(reals.images), reals.groups, reals.known
    if known is None or not (known.used.any() and known.unused.any()):
        raise InputError(
            f"{column.detector} learns from labelled images: give both --used and --unused."
        )
    scores = np.empty(len(cohort))
    folds = np.unique(known.folds)
    # one detector, fitted anew for each fold: it may keep what it made of the generated set
    detector: Any = column.make()
    assert isinstance(detector, LearningDetector)  # noqa: S101  # by needs_labels
    by_fold: dict[int, PairExplainer] = {}
    for number, fold in enumerate(folds, 1):
        inside = known.folds == fold
        used, unused = known.used & ~inside, known.unused & ~inside
        detector.fit(
            generated,
            cohort[used],
            cohort[unused],
            groups_used=groups[used],
            groups_unused=groups[unused],
            progress=_within(progress, f"{column.name}, fold {number} of {len(folds)}"),
        )
        scores[inside] = watched.form(detector.score_samples(cohort[inside]), int(inside.sum()))
        if judges is not None and isinstance(detector, PairExplainer):
            by_fold[int(fold)] = copy(detector)  # the next fit gives this one another model
    if judges is not None and by_fold:
        judges[column.name] = PairJudge(by_fold, known.folds)
    watched.order(detector.score_samples, cohort[inside], scores[inside])
    return scores, detector


def _within(progress: Progress, name: str) -> Progress:
    """Stages of a training, told apart from those of other folds and columns."""
    return lambda stage, done, total: progress(f"{name}: {stage}", done, total)
