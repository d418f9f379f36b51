"""Which detectors run, with which options: names -> columns of evidence."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vestige.detectors import AUTO, DETECTORS, EFFORTS, TAKES, DetectorEntry, Effort
from vestige.detectors.plugins import find_detector, object_entry
from vestige.files.whole import file_sha256
from vestige.images.kinds import LARGEST_CUBE, NAMES, Kind
from vestige.registry.entries import InputError, create
from vestige.registry.lazy import Lazy
from vestige.registry.options import split_options, typed_options
from vestige.registry.rules import OneOf, Within
from vestige.registry.values import check_values
from vestige.symmetries import VIEWS, Views
from vestige.types import Detector, PoolDetector

SIDE = Within("size must be 2 to 4,096 pixels a side, {} was given.", least=2, most=4096)
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
    entry: DetectorEntry | None = field(default=None, repr=False, compare=False)
    """Of the detector; None: found by its name."""

    @property
    def choice(self) -> DetectorEntry:
        """The entry of the detector."""
        return self.entry or find_detector(self.detector)

    def make(self) -> Any:
        """The detector, not fitted."""
        return create({self.detector: self.choice}, self.detector, "detector", **self.options)


EFFORT = OneOf("effort", EFFORTS)
VIEW = OneOf("views", VIEWS)


def find_entries(
    detectors: Sequence[str | Detector] | None, effort: Effort | None = None
) -> dict[str, DetectorEntry]:
    """Name -> entry of the detectors; "auto", or no name, stands for all of the effort.

    Raises
    ------
    InputError
        For a name given twice or unknown, a broken plug-in, an unknown effort, or one that nothing
        asks for.
    """
    asked = list(detectors or [AUTO])
    names = [name for name in asked if isinstance(name, str)]
    if len(set(names)) < len(names):
        raise InputError(f"a detector is named twice: {', '.join(names)}.")
    if effort is not None:
        EFFORT.check(effort)
    if effort is not None and AUTO not in names:
        raise InputError(
            "an effort says how much the detectors of `auto` may cost; name auto as well "
            "(--detector auto), or leave the effort out."
        )
    ladder = list(EFFORTS)
    allowed = ladder[: ladder.index(effort or "normal") + 1]
    found: dict[str, DetectorEntry] = {}
    for one in asked:
        if not isinstance(one, str):
            name, entry = object_entry(one, found)
            found[name] = entry
        elif one == AUTO:
            found |= {
                name: choice
                for name, choice in DETECTORS.items()
                if choice.effort in allowed and name not in names
            }
        else:
            found[one] = find_detector(one)
    return found


def plan_columns(
    detectors: Sequence[str | Detector] | None,
    has_reference: bool,
    options: Options | None = None,
    effort: Effort | None = None,
    views: Views = "mirror",
    kind: Kind = "grey",
) -> tuple[Column, ...]:
    """The columns of the named detectors; "auto", or no name, stands for those of the effort.

    A detector that compares with unused reals uses the reference if there is one, else the cohort.
    `views` is the option of all that take it (`DetectorEntry.views`), but for those to whom
    `options` give another. Of `auto` those run that compare images of this `kind`; of detectors of
    several sizes volumes have the columns of up to 32 voxels a side.

    Raises
    ------
    InputError
        Unknown detector or option, a detector named twice, one that needs a reference or weights
        that were not given, options of one that does not run, one that does not compare images of
        this kind; all views of volumes.
    """
    entries = _comparing(find_entries(detectors, effort), detectors, kind)
    options = options or {}
    VIEW.check(views)
    if kind == "volume" and views == "all":
        raise InputError(
            "volumes are compared as they are and with left and right exchanged: give --views "
            "mirror or none."
        )
    for name in options:
        if name not in entries:
            find_detector(name)
            raise InputError(f"options were given for {name}, which does not run: --detector.")
    plan = []
    for name, choice in entries.items():
        for suffix, own in choice.columns_of(kind).items():
            told = "size" in options.get(name, {})
            if kind == "volume" and own.get("size", 0) > LARGEST_CUBE and not told:
                continue
            seen = {"views": views} if choice.views else {}
            own = {**own, **seen, **options.get(name, {})}
            if isinstance(choice.factory, Lazy):
                check_values(choice.factory.load(), own, f"{name}: ")
            made = create(entries, name, "detector", **own)
            SIDE.check(getattr(made, "size", 2))
            for option in weights_missing(choice, made):
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
                    choice,
                )
            )
    return tuple(plan)


def _comparing(
    entries: dict[str, DetectorEntry], named: Sequence[str | Detector] | None, kind: Kind
) -> dict[str, DetectorEntry]:
    """Those that compare images of this kind; one that was named and does not is an error."""
    found = {name: entry for name, entry in entries.items() if entry.compares(kind)}
    for name in entries:
        if name not in found and (name in (named or ()) or name not in DETECTORS):
            takes = TAKES[entries[name].takes]
            raise InputError(
                f"{name} compares {takes}; {NAMES[kind]} were given. "
                "`vestige list detectors` tells which take them."
            )
    return found


def parse_options(
    texts: Sequence[str], kind: str = "DETECTOR", detector_of: Callable[[str], str] = str
) -> Options:
    """Texts such as "siamese.epochs=3" in the types that the detectors declare.

    `kind` is what stands before the dot, for a message, and `detector_of` the detector of each.

    Returns
    -------
    what stands before the dot -> its options

    Raises
    ------
    InputError
        For an unknown detector or option, and for a value of another type.
    """
    given: dict[str, dict[str, str]] = {}
    for option, value in split_options(texts).items():
        owner, dot, name = option.partition(".")
        if not dot:
            raise InputError(f"--option takes {kind}.NAME=VALUE, not {option!r}.")
        given.setdefault(owner, {})[name] = value
    found: dict[str, dict[str, Any]] = {}
    for owner, own in given.items():
        detector = detector_of(owner)
        made = create({detector: find_detector(detector)}, detector, "detector")
        found[owner] = typed_options(made, own, "detector", detector)
    return found


def weights_missing(choice: DetectorEntry, detector: Detector) -> tuple[str, ...]:
    """Options of a built detector that should name weights, and do not."""
    return tuple(o for o in choice.weights if not all(_named(getattr(detector, o))))


def weights_digests(plan: Sequence[Column]) -> dict[str, str]:
    """Detector.option -> SHA-256 of its weights' file; "imagenet" and "none" as they are."""
    found: dict[str, str] = {}
    for column in plan:
        for option in column.choice.weights:
            for name in _named(column.options[option]):
                told = name if name in ("imagenet", "none") else file_sha256(name)
                key = f"{column.detector}.{option}"
                found[key] = f"{found[key]}, {told}" if key in found else told
    return found


def _named(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value
