"""What the table of detectors says of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from vestige.images.kinds import Kind, Takes
from vestige.registry.entries import RegistryEntry
from vestige.types import Detector

AUTO = "auto"
"""Stands for all detectors of the asked effort."""
Effort = Literal["low", "normal", "high"]
EFFORTS: dict[Effort, str] = {
    "low": "the matched filters and three distances",
    "normal": "all that costs seconds on one core",
    "high": "also structural similarity, patches and encoders that are trained: minutes",
}

TAKES: dict[Takes, str] = {
    "grey": "grey images, and the luma of colour images",
    "colour": "grey and colour images",
    "all": "grey images, colour images and volumes",
}


@dataclass(frozen=True)
class DetectorEntry(RegistryEntry[Detector]):
    """A detector, the columns it gives (suffix -> options) and its weight per column.

    `effort` None: runs only when it is named. `weights` names its options that hold weights of a
    network: they must be given, since nothing is downloaded unasked. `views`: takes the option of
    that name, and by default finds mirrored copies too; without it only copies as they are.
    `in_colour`: further columns where colour images are compared.
    `takes`: the kinds of images that it compares as they are (`TAKES`).
    """

    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"": {}})
    in_colour: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    effort: Effort | None = None
    weight: float = 1.0
    weights: tuple[str, ...] = ()
    views: bool = False
    takes: Takes = "grey"

    def compares(self, kind: Kind) -> bool:
        """Whether images of this kind can be given to it."""
        return kind != "volume" or self.takes == "all"

    def columns_of(self, kind: Kind) -> Mapping[str, Mapping[str, Any]]:
        """The columns that it gives of images of this kind."""
        return {**self.columns, **self.in_colour} if kind == "colour" else self.columns
