"""A small diffusion model: v-prediction U-Net, cosine schedule, DDIM sampling.

Sources: Ho et al. 2020 (arXiv:2006.11239), Nichol & Dhariwal 2021 (cosine schedule,
arXiv:2102.09672), Salimans & Ho 2022 (v-prediction, arXiv:2202.00512), Song et al. 2021 (DDIM,
arXiv:2010.02502).
"""

import copy
import itertools
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

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
SAMPLING_BATCH = 128


@dataclass
class Diffusion:
    """Train a U-Net to predict v, and sample with DDIM.

    Parameters
    ----------
    steps, batch : int
        Training steps and images per step.
    width : int
        Channels of the first level; the others have twice as many. A multiple of 8.
    patch : int
        Pixels of `patch` x `patch` become channels before the U-Net; 0 chooses 16 x 16 places for
        32 pixels and 32 x 32 for more.
    blocks : int
        Residual blocks per level and direction.
    learning_rate, average : float
        Of Adam, after 100 steps of warm-up, falling to a tenth; decay of the weight average.
    flip : bool
        Mirror training images left to right at random.
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
    figures: dict[str, float | str] = field(init=False, default_factory=dict, repr=False)
    net_: nn.Module | None = field(init=False, default=None, repr=False)
    side_: int = field(init=False, default=0, repr=False)

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
        self.side_ = side = check_square(images, SIDES, "diffusion")
        demand_positive(self, "steps", "batch", "width", "blocks", "learning_rate")
        demand_positive(self, "sampling_steps")
        patch = self.patch or max(2, side // 32)
        if self.width % 8 or patch < 0 or side % (4 * patch):
            raise InputError(
                "diffusion needs a width that is a multiple of 8 and a side that is a multiple of "
                f"4 x patch, not {self.width} and {side} with patch {patch}."
            )
        device = find_device()
        precision = find_precision(device, self.precision)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            net = UNet(patch, self.width, self.blocks)
        net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.net_ = average = copy.deepcopy(net).eval().requires_grad_(False)
        optimizer = torch.optim.AdamW(net.parameters(), self.learning_rate, weight_decay=1e-4)
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
            rows = torch.randint(len(data), (self.batch,), generator=rng)
            x = data[rows.to(device)]
            if self.flip and torch.rand((), generator=rng) < 0.5:
                x = x.flip(-1)
            noise = torch.randn(x.shape, generator=rng).to(device)
            # one time per stratum: the same mean loss with less noise
            time = (torch.arange(self.batch) + torch.rand(self.batch, generator=rng)) / self.batch
            time = time.to(device)
            signal, spread = _schedule(time)
            with autocast(device, precision):
                guess = net(signal * x + spread * noise, time)
            loss = functional.mse_loss(guess.float(), signal * noise - spread * x)
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate * _pace(step, self.steps)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            ema_update(average, net, self.average, step)
            training.note(step, loss=loss)
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
        precision = find_precision(device, self.precision)
        rng = torch.Generator().manual_seed(seed)
        times = torch.linspace(1, 0, self.sampling_steps + 1, device=device)
        done = []
        for start in range(0, m, SAMPLING_BATCH):
            count = min(SAMPLING_BATCH, m - start)
            x = torch.randn((count, 1, self.side_, self.side_), generator=rng).to(device)
            for now, then in itertools.pairwise(times):
                signal, spread = _schedule(now.expand(count))
                with autocast(device, precision):
                    v = self.net_(x, now.expand(count)).float()
                image, noise = (signal * x - spread * v).clamp(-1, 1), spread * x + signal * v
                signal, spread = _schedule(then.expand(count))
                x = signal * image + spread * noise
            done.append(image)
        return to_images(torch.cat(done))


def _schedule(time: Tensor) -> tuple[Tensor, Tensor]:
    """Share of signal and of noise at time 0..1 (cosine), each [n, 1, 1, 1]."""
    angle = (0.008 + time.clamp(0, 1) * 0.99) / 1.008 * (math.pi / 2)
    return angle.cos()[:, None, None, None], angle.sin()[:, None, None, None]


def _pace(step: int, steps: int) -> float:
    """Learning rate: warm-up, then a cosine down to a tenth."""
    return min(1.0, (step + 1) / 100) * (0.55 + 0.45 * math.cos(math.pi * step / steps))


class UNet(nn.Module):
    """Three levels of residual blocks on pixel-unshuffled images, attention at the lowest."""

    def __init__(self, patch: int, width: int, blocks: int) -> None:
        super().__init__()
        wide, features = 2 * width, 4 * width
        self.time = nn.Sequential(
            nn.Linear(64, features), nn.SiLU(), nn.Linear(features, features), nn.SiLU()
        )
        self.patch = patch
        self.stem = nn.Conv2d(patch * patch, width, 3, padding=1)
        channels, before = (width, wide, wide), width
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        skips = []
        for level, c in enumerate(channels):
            shrink: nn.Module = nn.AvgPool2d(2) if level else nn.Identity()
            sizes = [before] + [c] * (blocks - 1)
            self.down.append(nn.ModuleList([shrink, *(Block(n, c, features) for n in sizes)]))
            skips += [c] * blocks
            before = c
        self.middle = nn.ModuleList(
            [Block(wide, wide, features), Attention(wide), Block(wide, wide, features)]
        )
        for level, c in reversed(list(enumerate(channels))):
            made = []
            for _ in range(blocks):
                made.append(Block(before + skips.pop(), c, features))
                before = c
            grow: nn.Module = nn.Upsample(scale_factor=2) if level else nn.Identity()
            self.up.append(nn.ModuleList([*made, grow]))
        last = nn.Conv2d(width, patch * patch, 3, padding=1)
        nn.init.zeros_(last.weight)
        self.out = nn.Sequential(nn.GroupNorm(8, width), nn.SiLU(), last)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """v, [n, 1, s, s], for noisy images [n, 1, s, s] at times [n] in 0..1."""
        waves = time[:, None] * torch.logspace(0, 3, 32, device=x.device)
        t = self.time(torch.cat([waves.sin(), waves.cos()], dim=1))
        x = self.stem(functional.pixel_unshuffle(x, self.patch))
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
        return functional.pixel_shuffle(self.out(x), self.patch)


def _lists(levels: nn.ModuleList) -> list[list[Any]]:
    return [list(level) for level in levels]  # type: ignore[call-overload]


class Block(nn.Module):
    """Residual block; the time scales and shifts its middle."""

    def __init__(self, channels_in: int, channels: int, features: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(8, channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels, 3, padding=1)
        self.time = nn.Linear(features, 2 * channels)
        self.norm2 = nn.GroupNorm(8, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.skip = (
            nn.Identity() if channels_in == channels else nn.Conv2d(channels_in, channels, 1)
        )
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """[n, c, h, w] -> [n, channels, h, w]."""
        h = self.conv1(functional.silu(self.norm1(x)))
        scale, shift = self.time(t)[:, :, None, None].chunk(2, dim=1)
        h = self.conv2(functional.silu(self.norm2(h) * (1 + scale) + shift))
        return torch.as_tensor(self.skip(x) + h)


class Attention(nn.Module):
    """Self-attention over all places, added to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.attend = nn.MultiheadAttention(channels, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """[n, c, h, w] -> the same shape."""
        places = self.norm(x).flatten(2).transpose(1, 2)
        out, _ = self.attend(places, places, places, need_weights=False)
        return torch.as_tensor(x + out.transpose(1, 2).reshape(x.shape))
