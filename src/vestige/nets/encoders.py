"""Encoders that learn from unlabelled images alone: contrastive, and by structural similarity."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vestige.nets.losses import cosine, nt_xent
from vestige.nets.pairs import content_order
from vestige.nets.passes import padded, recalibrate_batchnorm
from vestige.nets.rng import seeded
from vestige.nets.schedules import cosine_rate
from vestige.nets.ssim import ssim
from vestige.nets.training import (
    Part,
    Training,
    autocast,
    descend,
    find_device,
    find_precision,
)
from vestige.nets.views import Changes, view
from vestige.registry.entries import InputError
from vestige.registry.rules import above_zero
from vestige.stats.neighbours import nearest
from vestige.types import Float32s, Images, Progress, quiet

Fit = Callable[[Images, "EncoderPlan"], "Encoder"]
TEMPERATURE = 0.1
NEAR, ANCHORS = 20, 4096
LOOSE = Changes(1 / 16, 5, 0.05, (0.8, 1.25), 0.02, 1 / 4)
"""Views of the contrastive encoder: at 64 px a shift of 4 px and a blank square of 16."""
GENTLE = Changes(turn=9.74, gamma=(0.5, 1.5), chance=0.33)
"""Views of the SSIM encoder; no flips, which would hide the side of the body."""
SMALLEST = 16
"""Side in px that four halvings leave something of."""


@dataclass(frozen=True)
class EncoderPlan:
    """How an encoder is trained; see `vestige.features.self_supervised`."""

    steps: int
    batch: int
    width: int
    learning_rate: float
    precision: str
    seed: int


class Encoder(nn.Module):
    """Four stages of two 3 x 3 convolutions, the mean over places, a head of two layers.

    Parameters
    ----------
    width : int
        Channels of the first stage; each further one doubles them.
    hidden, out : int
        Widths of the head.
    projector : bool
        The head serves the training alone: the output is the mean below it.
    """

    def __init__(
        self, width: int, hidden: int, out: int, dropout: float = 0.0, projector: bool = False
    ) -> None:
        super().__init__()
        widths = [1, *(width * 2**level for level in range(4))]
        self.trunk = nn.Sequential(*(_stage(a, b) for a, b in pairwise(widths)))
        top = widths[-1]
        self.head = nn.Sequential(
            nn.BatchNorm1d(top), nn.Linear(top, hidden), nn.GELU(), nn.Dropout(dropout),
            nn.Linear(hidden, out),
        )  # fmt: skip
        self.projector = projector

    def forward(self, images: Tensor) -> Tensor:
        """Images [n, h, w] -> rows [n, out] of the head."""
        rows: Tensor = self.head(self.trunk(images[:, None]).mean(dim=(2, 3)))
        return rows

    def rows(self, images: Tensor, layer: str) -> Tensor:
        """Rows [n, d]: of the "output", or every place of the map after "stage1" to "stage4"."""
        if layer != "output":
            stages = int(layer.removeprefix("stage"))
            return torch.as_tensor(self.trunk[:stages](images[:, None]).flatten(1))
        if self.projector:
            return torch.as_tensor(self.trunk(images[:, None]).mean(dim=(2, 3)))
        return torch.as_tensor(self(images))


def fit_contrastive(images: Images, plan: EncoderPlan, progress: Progress = quiet) -> Encoder:
    """Two views of an image find each other among those of others (NT-Xent).

    Images [m, h, w] in any order; equal ones count once: they cannot be told apart.
    """
    data = _distinct(images, plan)
    net, training, optimizer = _start(plan, progress, hidden=128, out=64, projector=True)
    device = data.device
    precision = find_precision(device, plan.precision)
    with seeded(plan.seed):
        for step, rng in training:
            _set_rate(optimizer, plan, step)
            x = data[torch.randperm(len(data), generator=rng)[: plan.batch].to(device)]
            both = torch.cat([view(x, LOOSE, rng), view(x, LOOSE, rng)])
            with autocast(device, precision):
                first, second = net(both).float().chunk(2)
            loss = nt_xent(first, second, TEMPERATURE)
            descend(loss, optimizer, net.parameters())
            training.note(step, contrast=loss)
    recalibrate_batchnorm(net, data)
    return net.cpu()


def fit_ssim(images: Images, plan: EncoderPlan, progress: Progress = quiet) -> Encoder:
    """The cosine of two images becomes their structural similarity (mean squared error).

    Half of the pairs are random, a quarter near in pixels, a quarter an image with itself; each
    side is seen changed, the target is that of the unchanged pair.

    Raises
    ------
    InputError
        For images of less than 16 px.
    """
    data = _distinct(images, plan)
    anchors, near = _near(data)
    net, training, optimizer = _start(plan, progress, hidden=256, out=128, dropout=0.33)
    device = data.device
    precision = find_precision(device, plan.precision)
    with seeded(plan.seed):
        for step, rng in training:
            torch.manual_seed((plan.seed << 32) + step)  # dropout
            _set_rate(optimizer, plan, step)
            one, other = (side.to(device) for side in _pairs(len(data), anchors, near, plan, rng))
            wanted = ssim(data[one], data[other])
            both = view(data[torch.cat([one, other])], GENTLE, rng)
            with autocast(device, precision):
                first, second = net(both).float().chunk(2)
            loss = (cosine(first, second) - wanted).square().mean()
            descend(loss, optimizer, net.parameters())
            training.note(step, ssim=loss)
    recalibrate_batchnorm(net, data)
    return net.cpu()


@torch.no_grad()
def encode(net: Encoder, images: Images, layer: str = "output") -> Float32s:
    """Rows [n, d] of images [n, h, w]; see `Encoder.rows`."""
    device = find_device()
    net.to(device).eval()
    parts = [
        net.rows(x, layer)[: rows.stop - rows.start].cpu().numpy()
        for x, rows in padded(images, device)
    ]
    net.cpu()
    return np.concatenate(parts)


def _stage(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.GELU(),
        nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after), nn.GELU(),
    )  # fmt: skip


def _distinct(images: Images, plan: EncoderPlan) -> Tensor:
    """The different images as a tensor on its device, in an order of their own."""
    if (side := min(images.shape[1:])) < SMALLEST:
        raise InputError(
            f"an encoder learns from images of {SMALLEST} px or more, found {side} px."
        )
    above_zero(plan, "steps", "batch", "width", "learning_rate")
    ordered = images[content_order(images)]
    new = np.ones(len(ordered), bool)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=(1, 2))
    return torch.from_numpy(ordered[new]).to(find_device())


def _start(
    plan: EncoderPlan, progress: Progress, **head: Any
) -> tuple[Encoder, Training, torch.optim.Optimizer]:
    with seeded(plan.seed):
        net = Encoder(plan.width, **head)
    net.to(find_device(), memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(net.parameters(), plan.learning_rate, weight_decay=1e-3)
    parts: dict[str, Part] = {"net": net, "optimizer": optimizer}
    return net.train(), Training(parts, plan.steps, plan.seed, "", progress=progress), optimizer


def _set_rate(optimizer: torch.optim.Optimizer, plan: EncoderPlan, step: int) -> None:
    rate = cosine_rate(step / plan.steps, plan.learning_rate, plan.learning_rate / 20)
    for group in optimizer.param_groups:
        group["lr"] = rate


def _near(data: Tensor) -> tuple[Tensor, Tensor]:
    """Rows [a], and the rows [a, k] of the images nearest to each in pixels."""
    step = -(-len(data) // ANCHORS)
    rows = data.cpu().numpy().reshape(len(data), -1)
    found = nearest(rows[::step], rows, NEAR + 1)[1]
    return torch.arange(0, len(data), step), torch.from_numpy(found)


def _pairs(
    m: int, anchors: Tensor, near: Tensor, plan: EncoderPlan, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Rows of both images of `batch` pairs: half random, a quarter near, a quarter themselves."""
    quarter = max(1, plan.batch // 4)
    one, other = torch.randint(m, (2, 2 * quarter), generator=rng)
    picked = torch.randint(len(anchors), (quarter,), generator=rng)
    places = torch.randint(near.shape[1], (quarter,), generator=rng)
    same = torch.randint(m, (quarter,), generator=rng)
    return torch.cat([one, anchors[picked], same]), torch.cat([other, near[picked, places], same])
