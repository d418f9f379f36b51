"""A small residual GAN: hinge loss, spectral norm, differentiable augmentation, weight average.

Sources: Miyato et al. 2018 (spectral norm, hinge, residual blocks; arXiv:1802.05957), Zhao et al.
2020 (differentiable augmentation, arXiv:2006.10738), Yazici et al. 2019 (weight average,
arXiv:1806.04498).
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from vestige.images.kinds import Takes
from vestige.worlds.deep import DeepGenerator, Optimizers, Parts
from vestige.worlds.tensors import Form

BETAS = (0.0, 0.9)
SLOPE = 0.2  # of leaky ReLU in the discriminator: plain ones lose half of the signal each


@dataclass
class Gan(DeepGenerator):
    """Train a generator against a discriminator; samples come from the weight average.

    Parameters
    ----------
    steps, batch : int
        Training steps (one of the generator each) and images per step.
    critic_steps : int
        Discriminator steps per generator step.
    width : int
        Channels at full size; they double with every halving, up to 8 x width.
    latent : int
        Length of the latent vector. A small one (2 to 8) brings a collapsed generator about.
    augment : bool
        Differentiable augmentation (brightness, contrast, shift, cutout) of reals and fakes.
    learning_rate, critic_rate, average : float
        Of Adam (betas 0 and .9), generator and discriminator; decay of the weight average.
    precision : "auto", "float32" or "bfloat16"
    """

    steps: int = 4000
    batch: int = 32
    critic_steps: int = 1
    width: int = 16
    latent: int = 64
    augment: bool = True
    learning_rate: float = 2e-4
    critic_rate: float = 4e-4
    average: float = 0.995
    precision: str = "auto"
    positive = ("steps", "batch", "critic_steps", "width", "latent", "learning_rate", "critic_rate")

    takes: ClassVar[Takes] = "colour"

    @property
    def images_per_step(self) -> int:
        """Those that the discriminator sees."""
        return self.batch * self.critic_steps

    def networks(self, form: Form) -> dict[str, nn.Module]:
        """Generator and discriminator."""
        return {
            "net": make_generator(form.side, self.width, self.latent, form.channels),
            "critic": make_discriminator(form.side, self.width, form.channels),
        }

    def optimizers(self, nets: Mapping[str, nn.Module]) -> Optimizers:
        """Adam for each."""
        return {
            "optimizer": torch.optim.Adam(nets["net"].parameters(), self.learning_rate, BETAS),
            "critic_optimizer": torch.optim.Adam(
                nets["critic"].parameters(), self.critic_rate, BETAS
            ),
        }

    def step(self, parts: Parts, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Some steps of the discriminator, then one of the generator."""
        net, critic = parts.nets["net"], parts.nets["critic"]
        optimizer, critic_optimizer = parts.optimizers.values()

        def judge(x: Tensor) -> Tensor:
            with parts.autocast():
                return torch.as_tensor(critic(augment(x, rng) if self.augment else x)).float()

        def dream() -> Tensor:
            with parts.autocast():
                latent = torch.randn((self.batch, self.latent), generator=rng)
                return torch.as_tensor(net(latent.to(parts.data.device))).float()

        for _ in range(self.critic_steps):
            x = parts.batch(self.batch, rng)
            with torch.no_grad():
                fake = dream()
            real_score, fake_score = judge(x), judge(fake)
            critic_loss = (1 - real_score).relu().mean() + (1 + fake_score).relu().mean()
            critic_optimizer.zero_grad()
            critic_loss.backward()
            critic_optimizer.step()
        critic.requires_grad_(False)
        loss = -judge(dream()).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        critic.requires_grad_(True)
        return {"critic": critic_loss, "generator": loss}

    def draw(self, m: int, rng: torch.Generator, device: torch.device) -> Iterator[Tensor]:
        """What the averaged generator makes of random latents."""
        latents = torch.randn((m, self.latent), generator=rng)
        return (self.net_(part.to(device)) for part in latents.split(self.sampling_batch))


def make_generator(side: int, width: int, latent: int, channels: int = 1) -> nn.Sequential:
    """Latent [n, latent] -> images [n, channels, side, side] in -1..1, by doublings from 4 x 4."""
    widths = _widths(side, width)[::-1]
    blocks = [GrowBlock(a, b) for a, b in itertools.pairwise(widths)]
    return nn.Sequential(
        nn.Linear(latent, 16 * widths[0]),
        nn.Unflatten(1, (widths[0], 4, 4)),
        *blocks,
        nn.BatchNorm2d(widths[-1]),
        nn.ReLU(),
        nn.Conv2d(widths[-1], channels, 3, padding=1),
        nn.Tanh(),
    )


def make_discriminator(side: int, width: int, channels: int = 1) -> nn.Sequential:
    """Images [n, channels, side, side] -> scores [n, 1], by halvings to 4 x 4."""
    widths = _widths(side, width)
    blocks = [ShrinkBlock(a, b) for a, b in itertools.pairwise(widths)]
    return nn.Sequential(
        spectral_norm(nn.Conv2d(channels, widths[0], 3, padding=1)),
        *blocks,
        nn.LeakyReLU(SLOPE),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        Scale(16.0),  # the sum over 4 x 4 places: a mean would leave the margin out of reach
        spectral_norm(nn.Linear(widths[-1], 1)),
    )


def _widths(side: int, width: int) -> list[int]:
    """Channels at side, side / 2, ... 4."""
    levels = (side // 4).bit_length()
    return [width * min(2**level, 8) for level in range(levels)]


class Scale(nn.Module):
    """Multiply by a constant."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return self.by * x


class GrowBlock(nn.Module):
    """Residual block that doubles the size."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(before), nn.BatchNorm2d(after)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.skip = nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[n, before, h, w] -> [n, after, 2h, 2w]."""
        h = functional.interpolate(self.norm1(x).relu(), scale_factor=2.0)
        h = self.conv2(self.norm2(self.conv1(h)).relu())
        return torch.as_tensor(h + functional.interpolate(self.skip(x), scale_factor=2.0))


class ShrinkBlock(nn.Module):
    """Residual block that halves the size, with spectral norm."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv1 = spectral_norm(nn.Conv2d(before, before, 3, padding=1))
        self.conv2 = spectral_norm(nn.Conv2d(before, after, 3, padding=1))
        self.skip = spectral_norm(nn.Conv2d(before, after, 1))

    def forward(self, x: Tensor) -> Tensor:
        """[n, before, h, w] -> [n, after, h / 2, w / 2]."""
        h = functional.avg_pool2d(self.conv1(functional.leaky_relu(x, SLOPE)), 2)
        return torch.as_tensor(
            self.conv2(functional.leaky_relu(h, SLOPE)) + self.skip(functional.avg_pool2d(x, 2))
        )


def augment(x: Tensor, rng: torch.Generator) -> Tensor:
    """Random brightness, contrast, shift by up to 1/8 and a blank quarter, each image its own."""
    n, channels, side, _ = x.shape
    bright, strength, down, right, top, left = torch.rand((6, n), generator=rng).to(x.device)
    x = x + (bright[:, None, None, None] - 0.5)
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    x = (x - mean) * (strength[:, None, None, None] + 0.5) + mean
    reach = side // 8
    rows = _moved(side, down, reach)
    columns = _moved(side, right, reach)
    padded = functional.pad(x, (1, 1, 1, 1))
    images = torch.arange(n, device=x.device)[:, None, None, None]
    colours = torch.arange(channels, device=x.device)[None, :, None, None]
    x = padded[images, colours, rows[:, None, :, None], columns[:, None, None, :]]
    hole = _inside(side, top)[:, :, None] & _inside(side, left)[:, None, :]
    return x * ~hole[:, None]


def _moved(side: int, share: Tensor, reach: int) -> Tensor:
    """Rows of the padded image [n, side] after a shift of -reach..reach; outside is the edge."""
    shift = (share * (2 * reach + 1)).long() - reach
    places = torch.arange(side, device=share.device)[None] + shift[:, None] + 1
    return places.clamp(0, side + 1)


def _inside(side: int, share: Tensor) -> Tensor:
    """Whether each place [n, side] lies in a window of half the side at a random position."""
    start = (share * (side + 1)).long() - side // 4
    places = torch.arange(side, device=share.device)[None]
    return (places >= start[:, None]) & (places < start[:, None] + side // 2)
