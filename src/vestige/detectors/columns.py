"""Run detectors on one audit: a plan of columns, then a matrix [images, columns]."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.choices import InputError, build, choose
from vestige.detectors import DETECTORS
from vestige.types import Detector, Floats, Images, PoolDetector


@dataclass(frozen=True)
class Column:
    """One column of evidence: a detector with its options, and its weight when combined."""

    name: str
    detector: str
    options: Mapping[str, Any]
    weight: float
    pool: bool
    """True when the score depends on the bag of judged images and controls."""


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
            pool = choice.pool or (choice.needs_reference and not has_reference)
            if pool and not isinstance(build(DETECTORS, name, "detector", **options), PoolDetector):
                raise InputError(
                    f"{name} needs a reference: give --reference DIR with unused real images "
                    "that are neither judged nor controls, or use matched_filter_pool."
                )
            plan.append(Column(name + suffix, name, options, choice.weight, pool))
    return tuple(plan)


def score_columns(
    plan: Sequence[Column],
    generated: Images,
    reference: Images | None,
    bag: Images,
    groups: npt.NDArray[Any],
    done: Callable[[str, float], None],
) -> tuple[Floats, dict[str, Detector]]:
    """Score every image of the bag by every column -> float64 [n, D], and the fitted detectors.

    `done` is called with the column's name and its seconds.

    Raises
    ------
    InputError
        When a detector gives a score that is not finite: a column is never imputed.
    """
    from time import perf_counter

    columns = np.empty((len(bag), len(plan)))
    fitted: dict[str, Detector] = {}
    for d, column in enumerate(plan):
        start = perf_counter()
        detector = build(DETECTORS, column.detector, "detector", **column.options)
        detector.fit(generated, unused=reference)
        if column.pool and isinstance(detector, PoolDetector):
            scores = detector.score_pool(bag, groups)
        else:
            scores = detector.score_samples(bag)
        if not np.isfinite(scores).all():
            raise InputError(
                f"detector {column.name} gave a score that is not finite for "
                f"{int((~np.isfinite(scores)).sum())} of {len(bag)} images; leave it out with "
                "--detector."
            )
        columns[:, d] = scores
        fitted[column.name] = detector
        done(column.name, perf_counter() - start)
    return columns, fitted
