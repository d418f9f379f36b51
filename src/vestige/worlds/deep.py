"""What the generators that train have in common: one training, one way of sampling.

A generator adds its options, its networks, what one step does, and how latents become images.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from vestige.nets.training import (
    SHEET,
    Training,
    autocast,
    ema_update,
    find_device,
    find_precision,
    identity,
)
from vestige.registry.entries import InputError
from vestige.registry.rules import above_zero
from vestige.types import Images, Progress, quiet
from vestige.worlds import Figures
from vestige.worlds.tensors import check_square, to_images, to_tensor

SIDES = (32, 64, 128, 256)
SAMPLING_BATCH = 256
Optimizers = Mapping[str, torch.optim.Optimizer]


@dataclass(frozen=True)
class Parts:
    """What a step works with: networks and optimizers by name, training images [n, 1, s, s]."""

    nets: Mapping[str, Any]
    optimizers: Optimizers
    data: Tensor
    precision: torch.dtype

    def batch(self, size: int, rng: torch.Generator) -> Tensor:
        """Training images, drawn with replacement."""
        rows = torch.randint(len(self.data), (size,), generator=rng)
        return self.data[rows.to(self.data.device)]

    def autocast(self) -> torch.autocast:
        """Compute in the precision of this training."""
        return autocast(self.data.device, self.precision)


class DeepGenerator(ABC):
    """A generator whose network "net" is trained; samples come from the average of its weights."""

    positive: ClassVar[tuple[str, ...]]
    """Options that must be above 0."""
    steps: int
    batch: int
    average: float
    precision: str
    figures: Figures = MappingProxyType({})
    net_: Any = None
    side_: int = 0

    def fit(
        self,
        images: Images,
        seed: int = 0,
        *,
        strangers: Images | None = None,
        folder: Path | None = None,
        progress: Progress = quiet,
    ) -> Self:
        """Train on float32 [n, s, s], 0..1; s one of 32, 64, 128, 256.

        Raises
        ------
        InputError
            Images of another shape, options out of range, a checkpoint of other settings.
        """
        del strangers
        kind = type(self).__name__.lower()
        self.side_ = check_square(images, SIDES, kind)
        above_zero(self, *self.positive, of=f"{kind}: ")
        device = find_device()
        precision = find_precision(device, self.precision)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            nets = self.networks(self.side_)
        for net in nets.values():
            net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        net = nets["net"]
        self.net_ = average = copy.deepcopy(net).eval().requires_grad_(False)
        parts = Parts(nets, self.optimizers(nets), to_tensor(images, device), precision)
        training = Training(
            {**nets, "average": average, **parts.optimizers},
            self.steps,
            seed,
            identity(self, images, seed),
            lambda: self.sample(SHEET * SHEET, seed),
            folder,
            progress,
        )
        for step, rng in training:
            losses = self.step(parts, step, rng)
            ema_update(average, net, self.average, step)
            training.note(step, **losses)
        self.figures = training.figures(self.images_per_step, len(images), net, precision)
        return self

    @torch.no_grad()
    def sample(self, m: int, seed: int = 0) -> Images:
        """Draw `m` images, float32 [m, s, s], 0..1 in steps of 1/255."""
        if self.net_ is None:
            raise RuntimeError("call fit(images) before sample(m)")
        if m < 1:
            raise InputError(f"the number of samples must be 1 or more, {m} was given.")
        device = next(self.net_.parameters()).device
        drawn = self.draw(m, torch.Generator().manual_seed(seed), device)
        return to_images(torch.cat(list(drawn)))

    @property
    def images_per_step(self) -> int:
        """How many training images a step sees."""
        return self.batch

    @abstractmethod
    def networks(self, side: int) -> dict[str, nn.Module]:
        """Networks for images of this side, with fresh weights; "net" is the one that samples."""

    @abstractmethod
    def optimizers(self, nets: Mapping[str, nn.Module]) -> Optimizers:
        """What moves the weights."""

    @abstractmethod
    def step(self, parts: Parts, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Do one step -> its losses by name."""

    @abstractmethod
    def draw(self, m: int, rng: torch.Generator, device: torch.device) -> Iterator[Tensor]:
        """Batches of images [b, 1, s, s] in -1..1, `m` in all, by the averaged network."""
