"""A small convolutional variational auto-encoder (Kingma & Welling 2014, arXiv:1312.6114)."""

import copy
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from vestige.nets.training import (
    SHEET,
    Training,
    autocast,
    demand_positive,
    ema_update,
    find_device,
    find_precision,
    identity,
)
from vestige.registry.entries import InputError
from vestige.types import Images, Progress, quiet
from vestige.worlds.tensors import check_square, to_images, to_tensor

SIDES = (32, 64, 128, 256)
SAMPLING_BATCH = 256


@dataclass
class Vae:
    """Train encoder and decoder; samples are decoded draws of a Gaussian.

    Parameters
    ----------
    steps, batch : int
        Training steps and images per step.
    width : int
        Channels after the first halving; they double with every halving, up to 4 x width.
    latent : int
        Length of the latent vector.
    beta : float
        Weight of the Kullback-Leibler term against a squared error with standard deviation .1 (in
        units of -1..1) per pixel. Small values reconstruct sharply.
    learning_rate, average : float
        Of Adam; decay of the weight average.
    precision : "auto", "float32" or "bfloat16"
    """

    steps: int = 4000
    batch: int = 32
    width: int = 32
    latent: int = 64
    beta: float = 1.0
    learning_rate: float = 1e-3
    average: float = 0.99
    precision: str = "auto"
    figures: dict[str, float | str] = field(init=False, default_factory=dict, repr=False)
    net_: "Network | None" = field(init=False, default=None, repr=False)

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
        side = check_square(images, SIDES, "vae")
        demand_positive(self, "steps", "batch", "width", "latent", "learning_rate", "beta")
        device = find_device()
        precision = find_precision(device, self.precision)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            net = Network(side, self.width, self.latent)
        net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.net_ = average = copy.deepcopy(net).eval().requires_grad_(False)
        optimizer = torch.optim.Adam(net.parameters(), self.learning_rate)
        data = to_tensor(images, device)
        training = Training(
            {"net": net, "average": average, "optimizer": optimizer},
            self.steps,
            seed,
            identity(self, images, seed),
            lambda: self.sample(SHEET * SHEET, seed),
            folder,
            progress,
        )
        for step, rng in training:
            x = data[torch.randint(len(data), (self.batch,), generator=rng).to(device)]
            noise = torch.randn((self.batch, self.latent), generator=rng).to(device)
            with autocast(device, precision):
                mean, log_variance = (part.float() for part in net.encode(x))
                back = net.decode(mean + (log_variance / 2).exp() * noise).float()
            error = functional.mse_loss(back, x, reduction="none").sum(dim=(1, 2, 3)) / 0.02
            divergence = (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1) / 2
            loss = (error + self.beta * divergence).mean() / side**2
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            ema_update(average, net, self.average, step)
            training.note(step, error=error.mean(), divergence=divergence.mean())
        self.figures = training.figures(self.batch, len(data), net, precision)
        return self

    @torch.no_grad()
    def sample(self, m: int, seed: int = 0) -> Images:
        """Draw `m` images, float32 [m, s, s], 0..1 in steps of 1/255."""
        if self.net_ is None:
            raise RuntimeError("call fit(images) before sample(m)")
        if m < 1:
            raise InputError(f"the number of samples must be 1 or more, {m} was given.")
        device = next(self.net_.parameters()).device
        latents = torch.randn((m, self.latent), generator=torch.Generator().manual_seed(seed))
        done = [self.net_.decode(part.to(device)) for part in latents.split(SAMPLING_BATCH)]
        return to_images(torch.cat(done))


class Network(nn.Module):
    """Encoder and decoder of strided convolutions, down to 4 x 4."""

    def __init__(self, side: int, width: int, latent: int) -> None:
        super().__init__()
        halvings = (side // 4).bit_length() - 1
        channels = [1] + [width * min(2**level, 4) for level in range(halvings)]
        steps = list(itertools.pairwise(channels))
        down = [nn.Sequential(nn.Conv2d(a, b, 4, 2, 1), _norm(b), nn.SiLU()) for a, b in steps]
        up = [nn.Sequential(nn.Upsample(scale_factor=2), *_grow(b, a)) for a, b in steps[::-1]]
        top = channels[-1]
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(16 * top, 2 * latent))
        self.decoder = nn.Sequential(
            nn.Linear(latent, 16 * top), nn.Unflatten(1, (top, 4, 4)), *up, nn.Tanh()
        )

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latent, each [n, latent], for images [n, 1, s, s]."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 4)

    def decode(self, z: Tensor) -> Tensor:
        """Images [n, 1, s, s] in -1..1."""
        return torch.as_tensor(self.decoder(z))


def _norm(channels: int) -> nn.Module:
    return nn.GroupNorm(1, channels)


def _grow(before: int, after: int) -> list[nn.Module]:
    if after == 1:
        return [nn.Conv2d(before, before // 2, 3, padding=1), nn.SiLU(),
                nn.Conv2d(before // 2, 1, 3, padding=1)]  # fmt: skip
    return [nn.Conv2d(before, after, 3, padding=1), _norm(after), nn.SiLU()]
