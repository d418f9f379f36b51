"""How an audit is made: checked once, written to the manifest, and read from there again."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

from vestige.cache.shelves import LIMIT_BYTES
from vestige.detectors import DETECTORS, Effort
from vestige.detectors.plugins import find_detector
from vestige.images.choosing import COLOUR, ColourChoice
from vestige.images.dimensions import DIMENSIONS, Dimensions
from vestige.images.given_groups import Groups, Ids, Place, told_groups, told_ids
from vestige.images.harmonize import Preparation
from vestige.images.layouts import parse_layout
from vestige.registry.entries import InputError
from vestige.registry.origin import Origin
from vestige.registry.rules import SEED, Rule, Within, check_fields
from vestige.registry.values import check_values
from vestige.schema.decode import decode
from vestige.schema.records import Manifest
from vestige.scoring.plan import EFFORT, VIEW, Column, Options
from vestige.symmetries import Views
from vestige.types import Detector

MAX_AUC = 0.65
CACHE = "cache"
"""The option of detectors that names a folder to write to."""
_SEPARATOR, _WORD = re.compile(r"[/\\]"), re.compile(r"\w{0,40}")
Detectors = str | Detector | Sequence[str | Detector | tuple[str, Mapping[str, Any]]]
"""Names, objects of a class of yours, and pairs of a name and its options; one or several."""

RULES: dict[str, Rule] = {
    "false_alarm_rate": Within("false-alarm rate {:g} is not between 0 and 1.", above=0, below=1),
    "seed": SEED,
    "cache_limit": Within("a cache of {:g} GB cannot be; give 0 or more.", least=0),
    "max_auc": Within(
        "the largest accepted AUC lies above .5 up to 1, found {:g}.", above=0.5, most=1
    ),
    "effort": EFFORT,
    "views": VIEW,
    "colour": COLOUR,
    "dimensions": DIMENSIONS,
}


@dataclass(frozen=True)
class AuditOptions:
    """Everything that an audit is told beside its images; each is a keyword of `vestige.audit`.

    Those that can move an answer are written to the manifest. Places on this machine (models,
    cache) and what may name patients (groups, `group_regex`, ids) are not.

    Examples
    --------
    >>> quick = AuditOptions(effort="low", detectors=[("mc_ball", {"size": 8})])
    >>> quick.detectors, quick.options
    (('mc_ball',), {'mc_ball': {'size': 8}})

    Raises
    ------
    InputError
        A value of another type or out of its range (`RULES`). Names of detectors and
        their options are checked when the audit begins.
    """

    groups: Groups | None = field(default=None, hash=False)
    group_regex: str | None = None
    ids: Ids | None = field(default=None, hash=False)
    detectors: Detectors | None = None
    options: Options = field(default_factory=dict, hash=False)
    effort: Effort | None = None
    views: Views = "mirror"
    models: Sequence[Place] = ()
    false_alarm_rate: float = 0.05
    release_curve: bool = False
    max_auc: float = MAX_AUC
    assigned_by_lot: bool = False
    window: tuple[float, float] | None = None
    harmonize: bool = False
    include_derived: bool = False
    layout: str = ""
    colour: ColourChoice = "auto"
    dimensions: Dimensions = "auto"
    engine: str = "local"
    cache: Place | None = None
    cache_limit: float = LIMIT_BYTES / 1e9
    checks: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        told = told_groups(self.groups), told_ids(self.ids)  # of more types than a table of types
        object.__setattr__(self, "groups", told[0])
        object.__setattr__(self, "ids", told[1])
        _refuse_misplaced(self.options)
        check_values(AuditOptions, vars(self))
        check_fields(self, RULES)
        object.__setattr__(self, "layout", parse_layout(self.layout))
        own = {name: dict(given) for name, given in (self.options or {}).items()}
        detectors = _named(self.detectors, own)
        object.__setattr__(self, "options", own)  # no one else's dict
        object.__setattr__(self, "models", tuple(self.models))
        object.__setattr__(self, "detectors", detectors)

    @property
    def named(self) -> tuple[str | Detector, ...] | None:
        """The detectors by name and as objects; the options of pairs are among `options`."""
        return _named(self.detectors, {})


def _refuse_misplaced(options: Any) -> None:
    """Refuse what is no dict of dicts: most often it is the keywords of an audit in a dict."""
    if options is None:
        return
    if not isinstance(options, Mapping) or not all(
        isinstance(own, Mapping) for own in options.values()
    ):
        raise InputError(
            "options must be a dict, detector -> its options, such as {'mc_ball': {'size': 8}}, or "
            "an AuditOptions, such as AuditOptions(effort='low'): give keywords of the audit in "
            f"that, or as they are, not {options!r:.60}."
        )


def _named(
    given: Detectors | None, options: dict[str, dict[str, Any]]
) -> tuple[str | Detector, ...] | None:
    """Names and objects of detectors; the options of pairs are added to the others."""
    if given is None:
        return None
    one = isinstance(given, str) or not isinstance(given, Sequence) or _is_pair(given)
    parts: Sequence[Any] = [given] if one else given  # type: ignore[assignment]
    found: list[str | Detector] = []
    for part in parts:
        if not _is_pair(part):
            found.append(part)
            continue
        name, own = part
        clash = options.get(name, {}).keys() & own.keys()
        if clash:
            raise InputError(f"detector {name!r} has the option {min(clash)} twice; give it once.")
        options[name] = {**options.get(name, {}), **own}
        found.append(name)
    return tuple(found)


def _is_pair(part: Any) -> bool:
    return (
        isinstance(part, tuple)
        and len(part) == 2
        and isinstance(part[0], str)
        and isinstance(part[1], Mapping)
    )


@dataclass(frozen=True)
class MadeWith:
    """What ``manifest.options`` says: the options that can move an answer, and what they became.

    detectors, weights, pool : names of the columns, what each counts, and those that depend on the
        cohort of target images and calibration images
    origins : of detectors that are no part of vestige, by name
    combination : how the columns became one score
    working_size : side of the images in pixels
    harmonize : the common preparation of all sets, None without
    """

    detectors: tuple[str, ...]
    detector_options: dict[str, dict[str, Any]]
    effort: Effort
    views: Views
    false_alarm_rate: float
    release_curve: bool
    max_auc: float
    assigned_by_lot: bool
    checks: bool
    weights: dict[str, float]
    pool: tuple[str, ...]
    origins: dict[str, Origin]
    combination: str
    working_size: int
    window: tuple[float, ...] | None
    harmonize: Preparation | None
    include_derived: bool
    layout: str
    colour: ColourChoice
    dimensions: Dimensions
    engine: str

    @property
    def strangers(self) -> list[str]:
        """Columns of trained models, or of detectors of another version."""
        owners = self._owners()
        return [column for column in self.detectors if column not in owners]

    def asked(self, seed: int) -> AuditOptions:
        """The options that ask the same again.

        Raises
        ------
        InputError
            A value out of its range, or columns that no detector has; a detector that was an
            object, or a plug-in that is not there in the same version.
        """
        self.check_origins()
        window = self.window
        if window is not None and (len(window) != 2 or not all(map(isfinite, window))):
            raise InputError(f"window must be a centre and a width, found {list(window)}.")
        if self.strangers or not self.detectors:
            raise InputError(f"no detector has the column {', '.join(self.strangers) or 'asked'}.")
        owners = self._owners()
        return AuditOptions(
            detectors=tuple(dict.fromkeys(owners[column] for column in self.detectors)),
            options=self.detector_options,
            views=self.views,
            false_alarm_rate=self.false_alarm_rate,
            release_curve=self.release_curve,
            max_auc=self.max_auc,
            assigned_by_lot=self.assigned_by_lot,
            window=None if window is None else (window[0], window[1]),
            harmonize=self.harmonize is not None,
            include_derived=self.include_derived,
            layout=self.layout,
            colour=self.colour,
            dimensions=self.dimensions,
            engine=self.engine,
            checks=self.checks,
            seed=seed,
        )

    def places(self) -> dict[str, dict[str, Any]]:
        """Detector -> its options that make it read a file, write to a folder or load something.

        A file that somebody passed on must not choose these.
        """
        found: dict[str, dict[str, Any]] = {}
        for name, own in self.detector_options.items():
            entry = DETECTORS.get(name) or find_detector(name)
            for option, value in own.items():
                if option == CACHE or option in entry.weights or not _is_harmless(value):
                    found.setdefault(name, {})[option] = value
        return found

    def check_origins(self) -> None:
        """Refuse what cannot be made again; no code is looked for that a file names by its path.

        Raises
        ------
        InputError
        """
        for name, origin in self.origins.items():
            if not origin.plugin:
                raise InputError(
                    f"this result rests on {name}, an object of {origin}, which a file cannot "
                    "hold: audit again without it, or with it as a plug-in "
                    "(docs/adding-a-detector.md)."
                )
            found = find_detector(name).origin
            if found != origin:
                raise InputError(
                    f"this result rests on the plug-in {name} ({origin}), found {found}: install "
                    "that version, or audit again."
                )

    def _owners(self) -> Mapping[str, str]:
        """Column -> its detector."""
        entries = dict(DETECTORS)
        entries |= {name: find_detector(name) for name, one in self.origins.items() if one.plugin}
        columns = {name: {**one.columns, **one.in_colour} for name, one in entries.items()}
        return {name + suffix: name for name, own in columns.items() for suffix in own}


def _by_name(value: Any) -> Any:
    """An option without the folder of a file: folders can hold names of people."""
    if isinstance(value, list | tuple):
        return [_by_name(one) for one in value]
    return _SEPARATOR.split(value)[-1] if isinstance(value, str) else value


def _is_harmless(value: Any) -> bool:
    """Whether an option is a number or a word."""
    if isinstance(value, list | tuple):
        return all(map(_is_harmless, value))
    if isinstance(value, str):
        return _WORD.fullmatch(value) is not None
    return value is None or isinstance(value, bool | int | float)


def told_options(
    options: AuditOptions,
    plan: Sequence[Column],
    combination: str,
    working_size: int,
    preparation: Preparation | None,
) -> dict[str, Any]:
    """What the manifest says of the options."""
    told = MadeWith(
        detectors=tuple(column.name for column in plan),
        detector_options={
            name: {option: _by_name(value) for option, value in own.items() if option != CACHE}
            for name, own in options.options.items()
        },
        effort=options.effort or "normal",
        views=options.views,
        false_alarm_rate=options.false_alarm_rate,
        release_curve=options.release_curve,
        max_auc=options.max_auc,
        assigned_by_lot=options.assigned_by_lot,
        checks=options.checks,
        weights={column.name: column.weight for column in plan},
        pool=tuple(column.name for column in plan if column.pool),
        origins={column.detector: one for column in plan if (one := column.choice.origin)},
        combination=combination,
        working_size=working_size,
        window=options.window,
        harmonize=preparation,
        include_derived=options.include_derived,
        layout=options.layout,
        colour=options.colour,
        dimensions=options.dimensions,
        engine=options.engine,
    )
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(told).items()}


def read_options(manifest: Manifest) -> MadeWith:
    """What a manifest says of the options, or which place of it holds something else.

    Raises
    ------
    InputError
        As of `vestige.schema.decode.decode`.
    """
    made: MadeWith = decode(MadeWith, _as_json(manifest.options), "manifest.options")
    return made


def _as_json(value: Any) -> Any:
    """Tuples, of a result that was never a file, as the lists that JSON makes of them."""
    if isinstance(value, Mapping):
        return {key: _as_json(one) for key, one in value.items()}
    return [_as_json(one) for one in value] if isinstance(value, list | tuple) else value
