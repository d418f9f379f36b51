"""Generators to test an audit on, and worlds: reals and a generated set with known truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from vestige.images.kinds import Kind, Takes
from vestige.registry.entries import RegistryEntry
from vestige.registry.lazy import Lazy
from vestige.types import Images, Progress, quiet

Figures = Mapping[str, float | str]


class Generator(Protocol):
    """Makes images like those it was fitted on; both steps are determined by their seed."""

    @property
    def figures(self) -> Figures:
        """What training took: steps, seconds, ...; empty for generators that do not train."""
        ...

    def fit(
        self,
        images: Images,
        seed: int = 0,
        *,
        strangers: Images | None = None,
        folder: Path | None = None,
        progress: Progress = quiet,
    ) -> Self:
        """Learn from training images, float32 in 0..1: [n, h, w], or another kind that it takes.

        `strangers` are reals that took no part, for generators that want some; `folder` keeps
        checkpoints, and training goes on from there when the same settings and images come again.
        """
        ...

    def sample(self, m: int, seed: int = 0) -> Images:
        """Draw `m` images of the shape of the training images, float32, 0..1 in steps of 1/255."""
        ...


@dataclass(frozen=True)
class GeneratorEntry(RegistryEntry[Generator]):
    """A generator: whether it trains, wants strangers, and may return training images verbatim.

    `takes`: the kinds of images that it learns from; colour is never turned to grey for it.
    """

    trains: bool = False
    strangers: bool = False
    copies: bool = False
    takes: Takes = "grey"

    def learns(self, kind: Kind) -> bool:
        """Whether it can be trained on images of this kind."""
        return kind == "grey" or self.takes in (kind, "all")


def _of(path: str) -> Lazy:
    """A class of this package, "file:Class"."""
    file, _, name = path.partition(":")
    return Lazy(f"vestige.worlds.{file}", name)


GENERATORS: dict[str, GeneratorEntry] = {
    "copier": GeneratorEntry(
        "near-copies of a set share of training images, the rest fresh",
        _of("copier:Copier"),
        strangers=True,
        copies=True,
        takes="all",
    ),
    "pca_gaussian": GeneratorEntry(
        "draws of a Gaussian on mean and first principal components: returns no single image",
        _of("pca_gaussian:PcaGaussian"),
        takes="all",
    ),
    "vae": GeneratorEntry(
        "variational auto-encoder",
        _of("vae:Vae"),
        extra="deep",
        trains=True,
        takes="all",
    ),
    "gan": GeneratorEntry(
        "residual GAN: hinge loss, spectral norm, differentiable augmentation, weight average",
        _of("gan:Gan"),
        extra="deep",
        trains=True,
        takes="colour",
    ),
    "diffusion": GeneratorEntry(
        "diffusion model: v-prediction U-Net, cosine schedule, DDIM sampling",
        _of("diffusion:Diffusion"),
        extra="deep",
        trains=True,
        takes="all",
    ),
}
