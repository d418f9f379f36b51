"""Which rows a benchmark has: `auto`, detectors by name or as objects, and the controls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vestige.benchmark.cells import DEFAULT, UNLABELLED
from vestige.benchmark.result import CONTROL_ROWS, Row
from vestige.detectors import AUTO, DETECTORS, DetectorEntry
from vestige.images.kinds import Kind
from vestige.registry.entries import create
from vestige.scoring.plan import (
    Options,
    find_entries,
    plan_columns,
    weights_digests,
    weights_missing,
)
from vestige.types import Detector


@dataclass(frozen=True)
class AskedDetectors:
    """Detectors that have a row each beside `auto`.

    alone : as they were given, each name once
    entries : row -> entry
    objects : row -> the object, of those that are objects
    kinds : of the images of the worlds
    """

    alone: tuple[str | Detector, ...]
    entries: Mapping[str, DetectorEntry]
    objects: Mapping[str, Detector]
    kinds: frozenset[Kind] = frozenset({"grey"})

    def rows(self) -> tuple[Row, ...]:
        """All rows of the benchmark."""
        entries = self.entries.items()
        alone = [Row(name, "detector", not entry.needs_labels) for name, entry in entries]
        controls = [Row(name, "control", True) for name in CONTROL_ROWS]
        automatic = Row(DEFAULT, "default", False), Row(UNLABELLED, "default", True)
        return (*automatic, *alone, *controls)

    def weights(self, options: Options) -> dict[str, str]:
        """Digests of the weights that the rows use, and where foreign detectors come from.

        Raises
        ------
        InputError
            Options that do not fit, a detector that does not compare images of one of the kinds.
        """
        kinds = sorted(self.kinds) if self.alone else ()
        plans = (plan_columns(self.alone, True, options, kind=kind) for kind in kinds)
        plan = [column for columns in plans for column in columns]
        foreign = {c.detector: str(c.choice.origin) for c in plan if c.choice.origin}
        return weights_digests(plan) | foreign


def ask_detectors(
    detectors: Sequence[str | Detector] | None,
    options: Options,
    kinds: frozenset[Kind] = frozenset({"grey"}),
) -> AskedDetectors:
    """The detectors that were named or given; without any, all that need nothing more.

    Then they are those that compare images of all `kinds` of the worlds. "auto" has its rows
    anyway; alone it asks for no others.

    Raises
    ------
    InputError
        An unknown name, a broken plug-in, an object that is no detector.
    """
    given: list[str | Detector] = [*detectors] if detectors else [*_runnable(options, kinds)]
    names = dict.fromkeys(one for one in given if isinstance(one, str) and one != AUTO)
    alone: tuple[str | Detector, ...] = (
        *names,
        *(one for one in given if not isinstance(one, str)),
    )
    entries = find_entries(alone) if alone else {}
    objects: dict[str, Detector] = {
        name: one for name, one in zip(entries, alone, strict=True) if not isinstance(one, str)
    }
    return AskedDetectors(alone, entries, objects, kinds)


def _runnable(options: Options, kinds: frozenset[Kind]) -> list[str]:
    """Built-in detectors that compare all `kinds` and need nothing that was not given."""
    able = {name: entry for name, entry in DETECTORS.items() if all(map(entry.compares, kinds))}
    return [
        name
        for name, choice in able.items()
        if not weights_missing(choice, create(DETECTORS, name, "detector", **options.get(name, {})))
        and (choice.extra != "deep" or name in options)  # minutes per cell: when asked for
    ]
