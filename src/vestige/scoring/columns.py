"""Run detectors on one audit: a plan of columns, then a matrix [images, columns]."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.detectors import AUTO, DETECTORS, EFFORTS, Effort
from vestige.engine.engines import cores
from vestige.engine.threads import one_core
from vestige.files.whole import file_sha256
from vestige.registry.choices import InputError, build, choose
from vestige.registry.options import split_options, typed_options
from vestige.schema.records import Problem
from vestige.scoring.score_cache import KeptScores
from vestige.symmetries import VIEWS, Views
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

Options = Mapping[str, Mapping[str, Any]]
"""Detector -> its options."""


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
    seen: int = 1
    """Largest side in pixels at which the detector looks at images."""


@dataclass(frozen=True)
class Known:
    """Labelled images of the bag, for detectors that learn: masks [n], and folds of whole groups.

    Every image of a fold, labelled or not, is scored by the model that was fitted without it, so
    that queries and controls of a fold are treated alike.
    """

    used: Bools
    unused: Bools
    folds: Ints


def expand_names(detectors: Sequence[str] | None, effort: Effort | None = None) -> list[str]:
    """Names of detectors, with all of the effort (default: normal) in the place of "auto".

    Raises
    ------
    InputError
        For a name given twice, an unknown effort, or one that nothing asks for.
    """
    asked = list(detectors or [AUTO])
    if len(set(asked)) < len(asked):
        raise InputError(f"a detector is named twice: {', '.join(asked)}.")
    if effort is not None and effort not in EFFORTS:
        raise InputError(f"unknown effort {effort!r}. Known: {', '.join(EFFORTS)}.")
    if effort is not None and AUTO not in asked:
        raise InputError(
            "an effort says how much the detectors of `auto` may cost; name auto as well "
            "(--detector auto), or leave the effort out."
        )
    ladder = list(EFFORTS)
    allowed = ladder[: ladder.index(effort or "normal") + 1]
    automatic = [name for name, choice in DETECTORS.items() if choice.effort in allowed]
    names = []
    for name in asked:
        names += [n for n in automatic if n not in asked] if name == AUTO else [name]
    return names


def plan_columns(
    detectors: Sequence[str] | None,
    has_reference: bool,
    options: Options | None = None,
    effort: Effort | None = None,
    views: Views = "mirror",
) -> tuple[Column, ...]:
    """The columns of the named detectors; "auto", or no name, stands for those of the effort.

    A detector that compares with unused reals uses the reference if there is one, else the bag.
    `views` is the option of all that take it (`DetectorChoice.views`), but for those to whom
    `options` give another.

    Raises
    ------
    InputError
        Unknown detector or option, a detector named twice, one that needs a reference or weights
        that were not given, options of one that does not run.
    """
    names = expand_names(detectors, effort)
    options = options or {}
    if views not in VIEWS:
        raise InputError(f"unknown views {views!r}. Known: {', '.join(VIEWS)}.")
    for name in options:
        choose(DETECTORS, name, "detector")
        if name not in names:
            raise InputError(f"options were given for {name}, which does not run: --detector.")
    plan = []
    for name in names:
        choice = choose(DETECTORS, name, "detector")
        for suffix, own in choice.columns.items():
            seen = {"views": views} if choice.views else {}
            own = {**own, **seen, **options.get(name, {})}
            made = build(DETECTORS, name, "detector", **own)
            for option in weights_missing(name, made):
                raise InputError(
                    f"{name} needs the weights of its network: --option {name}.{option}=FILE "
                    f"(safetensors or a state dict), or {name}.{option}=imagenet to download them."
                )
            without = choice.needs_reference and not has_reference and not choice.needs_labels
            pool = choice.pool or without
            if pool and not isinstance(made, PoolDetector):
                raise InputError(
                    f"{name} needs a reference: give --reference DIR with unused real images "
                    "that are neither judged nor controls, or use matched_filter_pool."
                )
            plan.append(
                Column(
                    name + suffix,
                    name,
                    own,
                    choice.weight,
                    pool,
                    choice.needs_labels,
                    getattr(made, "size", 1),
                )
            )
    return tuple(plan)


def parse_options(texts: Sequence[str]) -> Options:
    """Texts such as "siamese.epochs=3" in the types that the detectors declare.

    Raises
    ------
    InputError
        For an unknown detector or option, and for a value of another type.
    """
    given: dict[str, dict[str, str]] = {}
    for option, value in split_options(texts).items():
        detector, dot, name = option.partition(".")
        if not dot:
            raise InputError(f"--option takes DETECTOR.NAME=VALUE, not {option!r}.")
        given.setdefault(detector, {})[name] = value
    return {
        name: typed_options(build(DETECTORS, name, "detector"), own, "detector", name)
        for name, own in given.items()
    }


def weights_missing(name: str, detector: Detector) -> tuple[str, ...]:
    """Options of a built detector that should name weights, and do not."""
    return tuple(o for o in DETECTORS[name].weights if not all(_named(getattr(detector, o))))


def weights_digests(plan: Sequence[Column]) -> dict[str, str]:
    """Detector.option -> SHA-256 of its weights' file; "imagenet" and "none" as they are."""
    found: dict[str, str] = {}
    for column in plan:
        for option in DETECTORS[column.detector].weights:
            for name in _named(column.options[option]):
                told = name if name in ("imagenet", "none") else file_sha256(name)
                key = f"{column.detector}.{option}"
                found[key] = f"{found[key]}, {told}" if key in found else told
    return found


def _named(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value


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
