"""Detectors of other packages: objects of a user, and plug-ins by entry point."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

from vestige.detectors import DETECTORS, DetectorEntry
from vestige.registry.plugins import Plugged, summary_of
from vestige.types import Detector, PoolDetector, learns

COLUMNS = {
    name + suffix
    for name, choice in DETECTORS.items()
    for suffix in (*choice.columns, *choice.in_colour)
}
TAKEN = COLUMNS | DETECTORS.keys()
"""Names that no other detector may have."""


def find_detector(name: str) -> DetectorEntry:
    """The entry of a detector, built in or of a plug-in (`Plugged.find`)."""
    return DETECTORS_AND_PLUGINS.find(name)


def object_entry(made: Detector, used: Collection[str]) -> tuple[str, DetectorEntry]:
    """Name (its class, with a number where that is `used`) and entry of an object of a user."""
    entry = DETECTORS_AND_PLUGINS.of_object(made)
    options = entry.origin.options if entry.origin else {}
    names = _names(type(made).__name__)
    name = next(name for name in names if name not in used and name not in TAKEN)
    return name, replace(entry, columns={"": options})


def _names(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{number}" for number in count(2))


def _entry(made: Detector, factory: Callable[..., Any]) -> DetectorEntry:
    """What a detector needs is read from its methods."""
    learning, pool = learns(type(made)), isinstance(made, PoolDetector)
    return DetectorEntry(
        summary_of(made), factory, needs_labels=learning, needs_reference=pool and not learning
    )


DETECTORS_AND_PLUGINS = Plugged(
    "detector", "vestige.detectors", DETECTORS, TAKEN, ("fit", "score_samples"), "D1", _entry
)
