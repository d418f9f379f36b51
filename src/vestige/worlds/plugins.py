"""Generators of other packages: objects of a user, and plug-ins by entry point."""

from typing import Any

import numpy as np

from vestige.registry.contract import require
from vestige.registry.origin import Origin
from vestige.registry.plugins import Plugged, summary_of
from vestige.worlds import GENERATORS, GeneratorEntry
from vestige.worlds.record import IMPORTED

GENERATORS_AND_PLUGINS = Plugged(
    "generator", "vestige.generators", GENERATORS, {*GENERATORS, IMPORTED},
    ("fit", "sample", "figures"), "G1",
    # its fit says what it does not take
    lambda made, factory: GeneratorEntry(summary_of(made), factory, takes="all"),
)  # fmt: skip


def find_generator(name: str) -> GeneratorEntry:
    """The entry of a generator, built in or of a plug-in (`Plugged.find`)."""
    return GENERATORS_AND_PLUGINS.find(name)


def check_samples(images: Any, shape: tuple[int, ...], what: str) -> None:
    """Refuse samples of another type, shape or range than float32 `shape` in 0..1.

    Raises
    ------
    ContractError
    """
    found = f"it gave a {type(images).__name__}"
    require(isinstance(images, np.ndarray), what, "G3", found)
    found = f"it gave {images.dtype} {list(images.shape)}"
    require(images.dtype == np.float32 and images.shape == shape, what, "G3", found)
    inside = bool(images.min() >= 0 and images.max() <= 1)  # false for NaN
    require(inside, what, "G3", f"grey levels lie in {images.min():g}..{images.max():g}")


def versions_of(origin: Origin | None) -> dict[str, str]:
    """What world.json says of a generator that is no part of vestige."""
    if origin is None:
        return {}
    return {"generator": origin.path} | ({origin.package: origin.version} if origin.package else {})
