"""Generators to test an audit on, and worlds: reals and a generated set with known truth."""

from typing import Any, Protocol, Self

from vestige.choices import Choice
from vestige.types import Images


class Generator(Protocol):
    """Makes images like those it was fitted on; both steps are determined by their seed."""

    def fit(self, images: Images, seed: int = 0) -> Self:
        """Learn from training images, float32 [n, h, w] in 0..1."""
        ...

    def sample(self, m: int, seed: int = 0) -> Images:
        """Draw `m` images, float32 [m, h, w], 0..1 in steps of 1/255."""
        ...


def _copier(**options: Any) -> Generator:
    from vestige.worlds.copier import Copier

    return Copier(**options)


GENERATORS: dict[str, Choice[Generator]] = {
    "copier": Choice("near-copies of a set share of training images, the rest fresh", _copier),
}
