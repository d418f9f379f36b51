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

import numpy as np
import torch
from torch import Tensor, nn

from vestige.images.kinds import Takes, kind_of, pictures_of
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
from vestige.worlds.tensors import Form, check_form, to_images, to_tensor

SAMPLING_BATCH = 256
Optimizers = Mapping[str, torch.optim.Optimizer]


@dataclass(frozen=True)
class Parts:
    """What a step works with: networks and optimizers by name, training images [n, c, ...]."""

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
    takes: ClassVar[Takes] = "all"
    """As its entry in `GENERATORS` says."""
    steps: int
    batch: int
    average: float
    precision: str
    figures: Figures = MappingProxyType({})
    net_: Any = None
    form_: Form = Form()

    def fit(
        self,
        images: Images,
        seed: int = 0,
        *,
        strangers: Images | None = None,
        folder: Path | None = None,
        progress: Progress = quiet,
    ) -> Self:
        """Train on float32 images in 0..1: [n, s, s] or [n, s, s, 3], s one of 32, 64, 128, 256.

        Volumes are [n, s, s, s], s one of 16, 24, 32; their networks compute in float32.

        Raises
        ------
        InputError
            Images of another shape, options out of range, a checkpoint of other settings.
        """
        del strangers
        name = type(self).__name__.lower()
        self.form_ = check_form(images, self.takes, name)
        above_zero(self, *self.positive, of=f"{name}: ")
        device = find_device()
        precision = self.computes_in(device)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            nets = self.networks(self.form_)
        for net in nets.values():
            net.to(device, memory_format=self.form_.memory_format)  # type: ignore[call-overload]
        net = nets["net"]
        self.net_ = average = copy.deepcopy(net).eval().requires_grad_(False)
        parts = Parts(nets, self.optimizers(nets), to_tensor(images, device), precision)
        training = Training(
            {**nets, "average": average, **parts.optimizers},
            self.steps,
            seed,
            identity(self, images, seed),
            lambda: _shown(self.sample(SHEET * SHEET, seed)),
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
        """Draw `m` images of the shape of the training images, float32, 0..1 in steps of 1/255."""
        if self.net_ is None:
            raise RuntimeError("call fit(images) before sample(m)")
        if m < 1:
            raise InputError(f"the number of samples must be 1 or more, {m} was given.")
        device = next(self.net_.parameters()).device
        drawn = self.draw(m, torch.Generator().manual_seed(seed), device)
        return np.concatenate([to_images(part) for part in drawn])

    def computes_in(self, device: torch.device) -> torch.dtype:
        """The precision of training and sampling.

        Raises
        ------
        InputError
            For bfloat16 and volumes: on a processor its convolutions over three axes give values
            that are not finite (torch 2.15).
        """
        if self.form_.kind != "volume":
            return find_precision(device, self.precision)
        if self.precision == "bfloat16":
            raise InputError("volumes are computed in float32 only: give precision=float32.")
        return find_precision(device, "float32" if self.precision == "auto" else self.precision)

    @property
    def sampling_batch(self) -> int:
        """How many images are made at a time; volumes are large."""
        return SAMPLING_BATCH // 8 if self.form_.kind == "volume" else SAMPLING_BATCH

    @property
    def images_per_step(self) -> int:
        """How many training images a step sees."""
        return self.batch

    @abstractmethod
    def networks(self, form: Form) -> dict[str, nn.Module]:
        """Networks for images of this form, with fresh weights; "net" is the one that samples."""

    @abstractmethod
    def optimizers(self, nets: Mapping[str, nn.Module]) -> Optimizers:
        """What moves the weights."""

    @abstractmethod
    def step(self, parts: Parts, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Do one step -> its losses by name."""

    @abstractmethod
    def draw(self, m: int, rng: torch.Generator, device: torch.device) -> Iterator[Tensor]:
        """Batches of images [b, c, ...] in -1..1, `m` in all, by the averaged network."""


def _shown(samples: Images) -> Images:
    """Samples as pictures: of a volume its middle axial plane."""
    return pictures_of(samples)[:, 0] if kind_of(samples.shape) == "volume" else samples
