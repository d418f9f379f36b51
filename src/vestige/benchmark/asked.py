"""Which rows a benchmark has: `auto`, detectors by name or as objects, and the controls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vestige.benchmark.cells import DEFAULT, UNLABELLED
from vestige.benchmark.result import CONTROL_ROWS, Row
from vestige.detectors import AUTO, DETECTORS, DetectorEntry
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
    """

    alone: tuple[str | Detector, ...]
    entries: Mapping[str, DetectorEntry]
    objects: Mapping[str, Detector]

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
            Options that do not fit.
        """
        plan = plan_columns(self.alone, True, options) if self.alone else ()
        foreign = {c.detector: str(c.choice.origin) for c in plan if c.choice.origin}
        return weights_digests(plan) | foreign


def ask_detectors(detectors: Sequence[str | Detector] | None, options: Options) -> AskedDetectors:
    """The detectors that were named or given; without any, all that need nothing more.

    "auto" has its rows anyway; alone it asks for no others.

    Raises
    ------
    InputError
        An unknown name, a broken plug-in, an object that is no detector.
    """
    given: list[str | Detector] = [*detectors] if detectors else [*_runnable(options)]
    names = dict.fromkeys(one for one in given if isinstance(one, str) and one != AUTO)
    alone: tuple[str | Detector, ...] = (
        *names,
        *(one for one in given if not isinstance(one, str)),
    )
    entries = find_entries(alone) if alone else {}
    objects: dict[str, Detector] = {
        name: one for name, one in zip(entries, alone, strict=True) if not isinstance(one, str)
    }
    return AskedDetectors(alone, entries, objects)


def _runnable(options: Options) -> list[str]:
    """Built-in detectors that need nothing that was not given."""
    return [
        name
        for name, choice in DETECTORS.items()
        if not weights_missing(choice, create(DETECTORS, name, "detector", **options.get(name, {})))
        and (choice.extra != "deep" or name in options)  # minutes per cell: when asked for
    ]
