"""Which detectors run, with which options: names -> columns of evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vestige.detectors import AUTO, DETECTORS, EFFORTS, Effort
from vestige.files.whole import file_sha256
from vestige.registry.entries import InputError, choose, create
from vestige.registry.options import split_options, typed_options
from vestige.registry.rules import OneOf
from vestige.symmetries import VIEWS, Views
from vestige.types import Detector, PoolDetector

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
    """True when the score depends on the cohort of target images and calibration images."""
    learns: bool = False
    """True when the detector learns from labelled images: it is cross-fitted by group."""
    required_resolution: int = 1
    """Largest side in pixels at which the detector looks at images."""


EFFORT = OneOf("effort", EFFORTS)
VIEW = OneOf("views", VIEWS)


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
    if effort is not None:
        EFFORT.check(effort)
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

    A detector that compares with unused reals uses the reference if there is one, else the cohort.
    `views` is the option of all that take it (`DetectorEntry.views`), but for those to whom
    `options` give another.

    Raises
    ------
    InputError
        Unknown detector or option, a detector named twice, one that needs a reference or weights
        that were not given, options of one that does not run.
    """
    names = expand_names(detectors, effort)
    options = options or {}
    VIEW.check(views)
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
            made = create(DETECTORS, name, "detector", **own)
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
                    "that are neither targets nor calibration images, or use matched_filter_pool."
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
        name: typed_options(create(DETECTORS, name, "detector"), own, "detector", name)
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
