"""Small changes to an image after which it is still that image (docs/methods.md 2.14).

Every draw comes from one torch generator on the CPU.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vestige.nets.augment import warp


@dataclass(frozen=True)
class Changes:
    """How far a view may go; each change happens with probability `chance`, image by image.

    Parameters
    ----------
    shift, cut : float
        Largest shift either way and side of the blanked square, in sides of the image.
    turn : float
        Largest angle either way, degrees.
    scale : float
        Largest relative change of size either way.
    gamma : (low, high)
        Grey levels 0..1 are raised to a power between these, uniform in the logarithm.
    noise : float
        Standard deviation of the noise that is added.
    """

    shift: float = 0.0
    turn: float = 0.0
    scale: float = 0.0
    gamma: tuple[float, float] = (1.0, 1.0)
    noise: float = 0.0
    cut: float = 0.0
    chance: float = 1.0


def view(images: Tensor, changes: Changes, rng: torch.Generator) -> Tensor:
    """One view of each image [n, h, w], 0..1; what comes in from outside is black."""
    n, height, width = images.shape

    def amount(size: float, *shape: int) -> Tensor:
        """Uniform in -size..size, 0 where the change is not picked."""
        drawn = size * (2 * torch.rand((n, *shape), generator=rng) - 1)
        picked = torch.rand(n, generator=rng) < changes.chance
        return drawn * picked.reshape(n, *[1] * len(shape))

    out = warp(
        images,
        _similarities(
            2 * amount(changes.shift, 2),
            torch.deg2rad(amount(changes.turn)),
            1 + amount(changes.scale),
        ).to(images),
    )
    out = out.clamp(0, 1) ** _powers(n, changes, rng)[:, None, None].to(out)
    if changes.noise:
        out = out + changes.noise * torch.randn(out.shape, generator=rng).to(out)
    if changes.cut:
        out = out * _without_a_square(n, height, width, changes, rng).to(out)
    return out


def _powers(n: int, changes: Changes, rng: torch.Generator) -> Tensor:
    low, high = (math.log(power) for power in changes.gamma)
    drawn = torch.exp(low + (high - low) * torch.rand(n, generator=rng))
    return torch.where(torch.rand(n, generator=rng) < changes.chance, drawn, torch.ones(n))


def _similarities(shift: Tensor, angle: Tensor, scale: Tensor) -> Tensor:
    """Maps [n, 3, 3] from output to input places in -1..1."""
    maps = torch.eye(3).repeat(len(shift), 1, 1)
    maps[:, 0, 0] = maps[:, 1, 1] = angle.cos() * scale
    maps[:, 0, 1], maps[:, 1, 0] = -angle.sin() * scale, angle.sin() * scale
    maps[:, :2, 2] = shift
    return maps


def _without_a_square(
    n: int, height: int, width: int, changes: Changes, rng: torch.Generator
) -> Tensor:
    """1 but for one square per image that is 0, [n, h, w]."""
    side = max(1, round(changes.cut * min(height, width)))
    picked = torch.rand(n, generator=rng) < changes.chance
    inside = picked[:, None, None]
    for axis, length in ((1, height), (2, width)):
        start = (torch.rand(n, generator=rng) * (length - side + 1)).long()[:, None]
        at = torch.arange(length)[None]
        inside = inside & ((at >= start) & (at < start + side)).unsqueeze(3 - axis)
    return (~inside).float()
