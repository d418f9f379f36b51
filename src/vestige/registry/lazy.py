"""Classes and functions that are imported when they are first needed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Lazy:
    """A call of something that a module holds; the module is imported by the first call.

    Parameters
    ----------
    module, name : str
        Where it is: "vestige.detectors.mc_ball", "MonteCarloBall".
    preset : mapping
        Keywords that each call gives unless it names them itself.
    """

    module: str
    name: str
    preset: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> Any:
        """What the module holds by this name."""
        return getattr(import_module(self.module), self.name)

    def __call__(self, *given: Any, **options: Any) -> Any:
        """Call it."""
        return self.load()(*given, **{**self.preset, **options})
