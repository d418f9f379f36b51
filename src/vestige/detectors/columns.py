"""Run detectors on one audit: a plan of columns, then a matrix [images, columns]."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.choices import InputError, build, choose
from vestige.detectors import DETECTORS
from vestige.engine import cores
from vestige.types import Bools, Detector, Floats, Images, Ints, PoolDetector


@dataclass(frozen=True)
class Column:
    """One column of evidence: a detector with its options, and its weight when combined."""

    name: str
    detector: str
    options: Mapping[str, Any]
    weight: float
    pool: bool
    """True when the score depends on the bag of judged images and controls."""
    learns: bool = False
    """True when the detector learns from labelled images: it is cross-fitted by group."""


@dataclass(frozen=True)
class Known:
    """Labelled images of the bag, for detectors that learn: masks [n], and folds of whole groups.

    Every image of a fold, labelled or not, is scored by the model that was fitted without it, so
    that queries and controls of a fold are treated alike.
    """

    used: Bools
    unused: Bools
    folds: Ints


def plan_columns(detectors: Sequence[str] | None, has_reference: bool) -> tuple[Column, ...]:
    """The columns of the named detectors, or of the default run.

    A detector that compares with unused reals uses the reference if there is one, else the bag.

    Raises
    ------
    InputError
        Unknown detector, one named twice, or one that needs a reference that was not given.
    """
    names = list(detectors) if detectors else [n for n, c in DETECTORS.items() if c.default]
    if len(set(names)) < len(names):
        raise InputError(f"a detector is named twice: {', '.join(names)}.")
    plan = []
    for name in names:
        choice = choose(DETECTORS, name, "detector")
        for suffix, options in choice.columns.items():
            without = choice.needs_reference and not has_reference and not choice.needs_labels
            pool = choice.pool or without
            if pool and not isinstance(build(DETECTORS, name, "detector", **options), PoolDetector):
                raise InputError(
                    f"{name} needs a reference: give --reference DIR with unused real images "
                    "that are neither judged nor controls, or use matched_filter_pool."
                )
            learns = choice.needs_labels
            plan.append(Column(name + suffix, name, options, choice.weight, pool, learns))
    return tuple(plan)


def score_columns(
    plan: Sequence[Column],
    generated: Images,
    reference: Images | None,
    bag: Images,
    groups: npt.NDArray[Any],
    done: Callable[[str, float], None],
    known: Known | None = None,
) -> tuple[Floats, dict[str, Detector]]:
    """Score every image of the bag by every column -> float64 [n, D], and the fitted detectors.

    Columns run side by side, each on one core: nothing in a column then depends on how many cores
    there are, down to the last bit. `done` is called with a column's name and its seconds. `known`
    is for detectors that learn from labelled images.

    Raises
    ------
    InputError
        When a detector gives a score that is not finite (a column is never imputed), or learns and
        nothing is labelled.
    """
    from threadpoolctl import threadpool_limits

    columns = np.empty((len(bag), len(plan)))
    fitted: dict[str, Detector] = {}
    with threadpool_limits(1), ThreadPoolExecutor(cores()) as executor:
        running = {
            executor.submit(_score_column, column, generated, reference, bag, groups, known): d
            for d, column in sorted(enumerate(plan), key=_largest_first)
        }
        try:
            for future in as_completed(running):
                column = plan[running[future]]
                columns[:, running[future]], fitted[column.name], seconds = future.result()
                done(column.name, seconds)
        except BaseException:
            executor.shutdown(cancel_futures=True)
            raise
    return columns, fitted


def _largest_first(entry: tuple[int, Column]) -> int:
    return -int(entry[1].options.get("size", 0))


def _score_column(
    column: Column,
    generated: Images,
    reference: Images | None,
    bag: Images,
    groups: npt.NDArray[Any],
    known: Known | None,
) -> tuple[Floats, Detector, float]:
    start = perf_counter()
    detector = build(DETECTORS, column.detector, "detector", **column.options)
    if column.learns:
        scores, detector = _cross_fit(column, generated, bag, known)
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
    column: Column, generated: Images, bag: Images, known: Known | None
) -> tuple[Floats, Detector]:
    """Scores [n] of models that never saw the group they score, and the last model."""
    if known is None or not (known.used.any() and known.unused.any()):
        raise InputError(
            f"{column.detector} learns from labelled images: give both --used and --unused."
        )
    scores = np.empty(len(bag))
    for fold in np.unique(known.folds):
        inside = known.folds == fold
        detector = build(DETECTORS, column.detector, "detector", **column.options)
        used, unused = bag[known.used & ~inside], bag[known.unused & ~inside]
        scores[inside] = detector.fit(generated, used, unused).score_samples(bag[inside])
    return scores, detector
