"""A small convolutional variational auto-encoder (Kingma & Welling 2014, arXiv:1312.6114)."""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from vestige.nets.training import descend
from vestige.worlds.deep import DeepGenerator, Optimizers, Parts
from vestige.worlds.tensors import Form, convolution


@dataclass
class Vae(DeepGenerator):
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
    positive = ("steps", "batch", "width", "latent", "learning_rate", "beta")

    def networks(self, form: Form) -> dict[str, nn.Module]:
        """Encoder and decoder in one."""
        return {"net": Network(form, self.width, self.latent)}

    def optimizers(self, nets: Mapping[str, nn.Module]) -> Optimizers:
        """Adam."""
        return {"optimizer": torch.optim.Adam(nets["net"].parameters(), self.learning_rate)}

    def step(self, parts: Parts, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Lower the error of the images drawn again, and the divergence of their latents."""
        net, optimizer = parts.nets["net"], parts.optimizers["optimizer"]
        x = parts.batch(self.batch, rng)
        noise = torch.randn((self.batch, self.latent), generator=rng).to(x.device)
        with parts.autocast():
            mean, log_variance = (part.float() for part in net.encode(x))
            back = net.decode(mean + (log_variance / 2).exp() * noise).float()
        inside = tuple(range(1, x.ndim))
        error = functional.mse_loss(back, x, reduction="none").sum(dim=inside) / 0.02
        divergence = (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1) / 2
        loss = (error + self.beta * divergence).mean() / self.form_.values
        descend(loss, optimizer, net.parameters())
        return {"error": error.mean(), "divergence": divergence.mean()}

    def draw(self, m: int, rng: torch.Generator, device: torch.device) -> Iterator[Tensor]:
        """Decode draws of a Gaussian."""
        latents = torch.randn((m, self.latent), generator=rng)
        return (self.net_.decode(part.to(device)) for part in latents.split(self.sampling_batch))


class Network(nn.Module):
    """Encoder and decoder of strided convolutions, down to 4 places a side (6 from 24)."""

    def __init__(self, form: Form, width: int, latent: int) -> None:
        super().__init__()
        axes = form.axes
        halvings = (form.side // 4).bit_length() - 1
        bottom = [form.side >> halvings] * axes
        channels = [form.channels] + [width * min(2**level, 4) for level in range(halvings)]
        steps = list(itertools.pairwise(channels))
        down = [nn.Sequential(convolution(axes, a, b, 4, 2), _norm(b), nn.SiLU()) for a, b in steps]
        up = [
            nn.Sequential(nn.Upsample(scale_factor=2), *_grow(axes, b, a, level == 0))
            for level, (a, b) in reversed(list(enumerate(steps)))
        ]
        top = channels[-1]
        places = top * math.prod(bottom)
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(places, 2 * latent))
        self.decoder = nn.Sequential(
            nn.Linear(latent, places), nn.Unflatten(1, (top, *bottom)), *up, nn.Tanh()
        )

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latent, each [n, latent], for images [n, c, ...]."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 4)

    def decode(self, z: Tensor) -> Tensor:
        """Images [n, c, ...] in -1..1."""
        return torch.as_tensor(self.decoder(z))


def _norm(channels: int) -> nn.Module:
    return nn.GroupNorm(1, channels)


def _grow(axes: int, before: int, after: int, last: bool) -> list[nn.Module]:
    if last:
        return [convolution(axes, before, before // 2, 3), nn.SiLU(),
                convolution(axes, before // 2, after, 3)]  # fmt: skip
    return [convolution(axes, before, after, 3), _norm(after), nn.SiLU()]
