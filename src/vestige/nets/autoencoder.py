"""A small auto-encoder (docs/methods.md 2.2), and how well it draws an image again."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vestige.nets.pairs import content_order
from vestige.nets.passes import padded, recalibrate_batchnorm
from vestige.nets.rng import seeded
from vestige.nets.schedules import cosine_rate
from vestige.nets.training import (
    Part,
    Training,
    autocast,
    find_device,
    find_precision,
)
from vestige.registry.rules import above_zero
from vestige.stats.neighbours import same_width
from vestige.types import Floats, Images, Progress, quiet

LEAST = 4  # the side at which the encoder stops halving


@dataclass(frozen=True)
class AutoEncoderPlan:
    """How an auto-encoder is trained; see `vestige.detectors.autoencoder`."""

    latent: int
    width: int
    steps: int
    batch: int
    learning_rate: float
    precision: str
    seed: int


class AutoEncoder(nn.Module):
    """Strided 3 x 3 convolutions down to 4 px, `latent` numbers, and nearest x2 with 3 x 3 back.

    The maps have `width` channels after the first halving and twice as many after each other one.
    No mean over places before the latent numbers: it would lose where things are.
    """

    def __init__(self, shape: tuple[int, int], latent: int, width: int) -> None:
        super().__init__()
        shapes, widths = [shape], [1]
        while max(shapes[-1]) > LEAST:
            height, wide = shapes[-1]
            shapes.append(((height + 1) // 2, (wide + 1) // 2))
            widths.append(width * 2 ** (len(widths) - 1))
        steps = list(pairwise(widths))
        grown = list(zip(steps, shapes, strict=False))  # each step back to the shape before it
        top = (widths[-1], *shapes[-1])
        size = int(np.prod(top))
        self.shape = shape
        self.encoder = nn.Sequential(
            *(_halve(a, b) for a, b in steps), nn.Flatten(), nn.Linear(size, latent)
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent, size), nn.LeakyReLU(0.2), nn.Unflatten(1, top),
            *(_double(b, max(a, width), to) for (a, b), to in reversed(grown)),
            nn.Conv2d(width if grown else 1, 1, 3, padding=1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Images [n, 1, h, w] in -1..1, drawn again."""
        drawn: Tensor = self.decoder(self.encoder(x)).tanh()
        return drawn


def fit_autoencoder(
    images: Images, plan: AutoEncoderPlan, progress: Progress = quiet
) -> AutoEncoder:
    """Train on images [m, h, w] by mean squared error; their order changes nothing."""
    above_zero(plan, "latent", "width", "steps", "batch", "learning_rate")
    device = find_device()
    precision = find_precision(device, plan.precision)
    data = torch.from_numpy(images[content_order(images)])[:, None].to(device) * 2 - 1
    with seeded(plan.seed):
        net = AutoEncoder(images.shape[1:], plan.latent, plan.width)
    net.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(net.parameters(), plan.learning_rate)
    parts: dict[str, Part] = {"net": net, "optimizer": optimizer}
    training = Training(parts, plan.steps, plan.seed, "", progress=progress)
    for step, rng in training:
        rate = cosine_rate(step / plan.steps, plan.learning_rate, plan.learning_rate / 20)
        optimizer.param_groups[0]["lr"] = rate
        x = data[torch.randint(len(data), (plan.batch,), generator=rng).to(device)]
        with autocast(device, precision):
            drawn = net(x)
        loss = functional.mse_loss(drawn.float(), x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        training.note(step, error=loss)
    recalibrate_batchnorm(net, data)
    return net.cpu()


@torch.no_grad()
def errors(net: AutoEncoder, images: Images) -> Floats:
    """Mean squared error of each image [n, h, w] drawn again, float64 [n], grey levels 0..1."""
    same_width(int(np.prod(net.shape)), int(np.prod(images.shape[1:])))
    device = find_device()
    net.to(device)
    out = np.empty(len(images))
    for x, rows in padded(images, device):
        x = x[:, None] * 2 - 1
        missing = ((net(x) - x) / 2).double().square().mean(dim=(1, 2, 3))
        out[rows] = missing[: rows.stop - rows.start].cpu().numpy()
    net.cpu()
    return out


def _halve(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(before, after, 3, 2, 1), nn.LeakyReLU(0.2)]
    if before > 1:  # none after the first convolution, as published
        layers.insert(1, nn.BatchNorm2d(after))
    return nn.Sequential(*layers)


def _double(before: int, after: int, shape: tuple[int, int]) -> nn.Sequential:
    return nn.Sequential(
        nn.Upsample(size=shape), nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after),
        nn.LeakyReLU(0.2),
    )  # fmt: skip
