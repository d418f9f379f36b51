"""A small convolutional variational auto-encoder (Kingma & Welling 2014, arXiv:1312.6114)."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from vestige.nets.training import descend
from vestige.worlds.deep import SAMPLING_BATCH, DeepGenerator, Optimizers, Parts


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

    def networks(self, side: int) -> dict[str, nn.Module]:
        """Encoder and decoder in one."""
        return {"net": Network(side, self.width, self.latent)}

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
        error = functional.mse_loss(back, x, reduction="none").sum(dim=(1, 2, 3)) / 0.02
        divergence = (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1) / 2
        loss = (error + self.beta * divergence).mean() / self.side_**2
        descend(loss, optimizer, net.parameters())
        return {"error": error.mean(), "divergence": divergence.mean()}

    def draw(self, m: int, rng: torch.Generator, device: torch.device) -> Iterator[Tensor]:
        """Decode draws of a Gaussian."""
        latents = torch.randn((m, self.latent), generator=rng)
        return (self.net_.decode(part.to(device)) for part in latents.split(SAMPLING_BATCH))


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
