"""A small diffusion model: v-prediction U-Net, cosine schedule, DDIM sampling.

Sources: Ho et al. 2020 (arXiv:2006.11239), Nichol & Dhariwal 2021 (cosine schedule,
arXiv:2102.09672), Salimans & Ho 2022 (v-prediction, arXiv:2202.00512), Song et al. 2021 (DDIM,
arXiv:2010.02502).
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vestige.nets.training import autocast, descend
from vestige.registry.entries import InputError
from vestige.worlds.deep import DeepGenerator, Optimizers, Parts
from vestige.worlds.tensors import Form, convolution, from_channels, halving, to_channels


@dataclass
class Diffusion(DeepGenerator):
    """Train a U-Net to predict v, and sample with DDIM.

    Parameters
    ----------
    steps, batch : int
        Training steps and images per step.
    width : int
        Channels of the first level; the others have twice as many. A multiple of 8.
    patch : int
        Pixels of `patch` x `patch`, or voxels of `patch` a side, become channels before the U-Net;
        0 chooses 16 x 16 places for 32 pixels and 32 x 32 for more, and 2 for volumes.
    blocks : int
        Residual blocks per level and direction.
    learning_rate, average : float
        Of Adam, after 100 steps of warm-up, falling to a tenth; decay of the weight average.
    flip : bool
        Mirror training images left to right at random, volumes along their last axis.
    sampling_steps : int
        Of DDIM.
    precision : "auto", "float32" or "bfloat16"
    """

    steps: int = 3000
    batch: int = 32
    width: int = 48
    patch: int = 0
    blocks: int = 1
    learning_rate: float = 4e-4
    average: float = 0.998
    flip: bool = False
    sampling_steps: int = 30
    precision: str = "auto"
    positive = ("steps", "batch", "width", "blocks", "learning_rate", "sampling_steps")

    def networks(self, form: Form) -> dict[str, nn.Module]:
        """The U-Net.

        Raises
        ------
        InputError
            A side, width and patch that do not fit together.
        """
        side = form.side
        patch = self.patch or max(2, side // 32)
        if self.width % 8 or patch < 0 or side % (4 * patch):
            raise InputError(
                "diffusion needs a width that is a multiple of 8 and a side that is a multiple of "
                f"4 x patch, not {self.width} and {side} with patch {patch}."
            )
        return {"net": UNet(form, patch, self.width, self.blocks)}

    def optimizers(self, nets: Mapping[str, nn.Module]) -> Optimizers:
        """Adam with a little weight decay."""
        weights = nets["net"].parameters()
        return {"optimizer": torch.optim.AdamW(weights, self.learning_rate, weight_decay=1e-4)}

    def step(self, parts: Parts, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Lower the error of v at random times."""
        net, optimizer = parts.nets["net"], parts.optimizers["optimizer"]
        x = parts.batch(self.batch, rng)
        if self.flip and torch.rand((), generator=rng) < 0.5:
            x = x.flip(-1)
        noise = torch.randn(x.shape, generator=rng).to(x.device)
        # one time per stratum: the same mean loss with less noise
        time = (torch.arange(self.batch) + torch.rand(self.batch, generator=rng)) / self.batch
        time = time.to(x.device)
        signal, spread = _schedule(time, x.ndim)
        with parts.autocast():
            guess = net(signal * x + spread * noise, time)
        loss = functional.mse_loss(guess.float(), signal * noise - spread * x)
        for group in optimizer.param_groups:
            group["lr"] = self.learning_rate * _pace(step, self.steps)
        descend(loss, optimizer, net.parameters())
        return {"loss": loss}

    def draw(self, m: int, rng: torch.Generator, device: torch.device) -> Iterator[Tensor]:
        """From noise to images by DDIM."""
        precision, most = self.computes_in(device), self.sampling_batch // 2
        times = torch.linspace(1, 0, self.sampling_steps + 1, device=device)
        for start in range(0, m, most):
            count = min(most, m - start)
            x = torch.randn((count, *self.form_.shape), generator=rng).to(device)
            for now, then in itertools.pairwise(times):
                signal, spread = _schedule(now.expand(count), x.ndim)
                with autocast(device, precision):
                    v = self.net_(x, now.expand(count)).float()
                image, noise = (signal * x - spread * v).clamp(-1, 1), spread * x + signal * v
                signal, spread = _schedule(then.expand(count), x.ndim)
                x = signal * image + spread * noise
            yield image


def _schedule(time: Tensor, axes: int = 4) -> tuple[Tensor, Tensor]:
    """Share of signal and of noise at time 0..1 (cosine), each [n, 1, ...] with so many axes."""
    angle = (0.008 + time.clamp(0, 1) * 0.99) / 1.008 * (math.pi / 2)
    return _spread(angle.cos(), axes), _spread(angle.sin(), axes)


def _spread(values: Tensor, axes: int) -> Tensor:
    """[n, ...] with further axes of length 1 at its end."""
    return values.reshape(*values.shape, *[1] * (axes - values.ndim))


def _pace(step: int, steps: int) -> float:
    """Learning rate: warm-up, then a cosine down to a tenth."""
    return min(1.0, (step + 1) / 100) * (0.55 + 0.45 * math.cos(math.pi * step / steps))


class UNet(nn.Module):
    """Three levels of residual blocks on images in patches, attention at the lowest."""

    def __init__(self, form: Form, patch: int, width: int, blocks: int) -> None:
        super().__init__()
        wide, features, axes = 2 * width, 4 * width, form.axes
        block = partial(Block, axes, features)
        inner = form.channels * patch**axes
        self.time = nn.Sequential(
            nn.Linear(64, features), nn.SiLU(), nn.Linear(features, features), nn.SiLU()
        )
        self.patch = patch
        self.stem = convolution(axes, inner, width, 3)
        channels, before = (width, wide, wide), width
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        skips = []
        for level, c in enumerate(channels):
            shrink: nn.Module = halving(axes) if level else nn.Identity()
            sizes = [before] + [c] * (blocks - 1)
            self.down.append(nn.ModuleList([shrink, *(block(n, c) for n in sizes)]))
            skips += [c] * blocks
            before = c
        self.middle = nn.ModuleList([block(wide, wide), Attention(wide), block(wide, wide)])
        for level, c in reversed(list(enumerate(channels))):
            made = []
            for _ in range(blocks):
                made.append(block(before + skips.pop(), c))
                before = c
            grow: nn.Module = nn.Upsample(scale_factor=2) if level else nn.Identity()
            self.up.append(nn.ModuleList([*made, grow]))
        last = convolution(axes, width, inner, 3)
        nn.init.zeros_(last.weight)
        self.out = nn.Sequential(nn.GroupNorm(8, width), nn.SiLU(), last)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """v, [n, c, ...], for noisy images [n, c, ...] at times [n] in 0..1."""
        waves = time[:, None] * torch.logspace(0, 3, 32, device=x.device)
        t = self.time(torch.cat([waves.sin(), waves.cos()], dim=1))
        x = self.stem(to_channels(x, self.patch))
        kept = []
        for shrink, *blocks in _lists(self.down):
            x = shrink(x)
            for block in blocks:
                x = block(x, t)
                kept.append(x)
        first, attention, second = self.middle
        x = second(attention(first(x, t)), t)
        for *blocks, grow in _lists(self.up):
            for block in blocks:
                x = block(torch.cat([x, kept.pop()], dim=1), t)
            x = grow(x)
        return from_channels(self.out(x), self.patch)


def _lists(levels: nn.ModuleList) -> list[list[Any]]:
    return [list(level) for level in levels]  # type: ignore[call-overload]


class Block(nn.Module):
    """Residual block; the time scales and shifts its middle."""

    def __init__(self, axes: int, features: int, channels_in: int, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(8, channels_in)
        self.conv1 = convolution(axes, channels_in, channels, 3)
        self.time = nn.Linear(features, 2 * channels)
        self.norm2 = nn.GroupNorm(8, channels)
        self.conv2 = convolution(axes, channels, channels, 3)
        same = channels_in == channels
        self.skip = nn.Identity() if same else convolution(axes, channels_in, channels, 1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """[n, c, ...] -> [n, channels, ...]."""
        h = self.conv1(functional.silu(self.norm1(x)))
        scale, shift = _spread(self.time(t), h.ndim).chunk(2, dim=1)
        h = self.conv2(functional.silu(self.norm2(h) * (1 + scale) + shift))
        return torch.as_tensor(self.skip(x) + h)


class Attention(nn.Module):
    """Self-attention over all places, added to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.attend = nn.MultiheadAttention(channels, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """[n, c, ...] -> the same shape."""
        places = self.norm(x).flatten(2).transpose(1, 2)
        out, _ = self.attend(places, places, places, need_weights=False)
        return torch.as_tensor(x + out.transpose(1, 2).reshape(x.shape))
