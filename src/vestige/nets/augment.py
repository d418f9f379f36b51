"""What the ViT sees in training instead of the plain image (docs/methods.md 1.4 d2).

Every draw comes from one torch generator, so that a training that goes on repeats.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

DISTORTION, TURN, BRIGHTNESS = 0.2, 15.0, 0.2
GABOR_AMPLITUDE, GABOR_SIDE = 0.02, 31


def augment(images: Tensor, rng: torch.Generator, chance: float = 0.6) -> Tensor:
    """Perspective, rotation, brightness, Gabor noise, each with its own chance, in that order.

    Parameters
    ----------
    images : float32 [n, h, w] or [n, h, w, 3], 0..1
    rng : torch.Generator
        On the CPU.
    chance : float
        Of each change, for each image by itself.

    Returns
    -------
    float32, of the shape of the images, 0..1; what comes in from outside is black.
    """
    n, side = len(images), images.shape[2]
    planes = images[:, None] if images.ndim == 3 else images.movedim(3, 1)
    picked = torch.rand((4, n), generator=rng) < chance
    moved = _identity(n)
    moved[picked[0]] = _perspectives(n, rng)[picked[0]]
    turned = _identity(n)
    turned[picked[1]] = _rotations(n, rng)[picked[1]]
    out = warp_planes(planes, (moved @ turned).to(images))
    factor = 1 + BRIGHTNESS * (2 * torch.rand(n, generator=rng) - 1)
    factor = torch.where(picked[2], factor, torch.ones(n)).to(images)
    out = out * factor[:, None, None, None]
    noise = torch.stack([gabor_noise(side, rng) for _ in range(n)])
    noise[~picked[3]] = 0
    out = (out + GABOR_AMPLITUDE * noise.to(out)[:, None]).clamp(0, 1)
    return out[:, 0] if images.ndim == 3 else out.movedim(1, 3)


def warp(images: Tensor, maps: Tensor) -> Tensor:
    """Sample images [n, h, w] through maps [n, 3, 3] from output to input, places in -1..1."""
    return warp_planes(images[:, None], maps)[:, 0]


def warp_planes(planes: Tensor, maps: Tensor) -> Tensor:
    """Sample planes [n, c, h, w], those of one image alike, as `warp` does."""
    n, _, height, width = planes.shape
    y, x = torch.meshgrid(_places(height), _places(width), indexing="ij")
    flat = torch.stack([x, y, torch.ones_like(x)]).reshape(3, -1).to(planes)
    at = (maps @ flat).transpose(1, 2)
    grid = (at[..., :2] / at[..., 2:]).reshape(n, height, width, 2)
    return functional.grid_sample(planes, grid, align_corners=False)


def gabor_noise(side: int, rng: torch.Generator) -> Tensor:
    """White noise through one random Gabor kernel, [side, side], standard deviation 1."""
    angle = math.pi * float(torch.rand((), generator=rng))
    length = 4 + 12 * float(torch.rand((), generator=rng))
    kernel = gabor_kernel(angle, length)
    reach = side + GABOR_SIDE - 1
    white = torch.randn((1, 1, reach, reach), generator=rng)
    noise = functional.conv2d(white, kernel[None, None])[0, 0]
    return noise / noise.std().clamp_min(1e-6)


def gabor_kernel(angle: float, length: float, gamma: float = 0.5) -> Tensor:
    """exp(-(x'^2 + gamma^2 y'^2) / 2 sigma^2) cos(2 pi x' / length), sigma .56 length, [31, 31]."""
    half = GABOR_SIDE // 2
    places = torch.arange(-half, half + 1, dtype=torch.float32)
    y, x = torch.meshgrid(places, places, indexing="ij")
    along = x * math.cos(angle) + y * math.sin(angle)
    across = -x * math.sin(angle) + y * math.cos(angle)
    sigma = 0.56 * length
    bell = torch.exp(-(along**2 + gamma**2 * across**2) / (2 * sigma**2))
    return bell * torch.cos(2 * math.pi * along / length)


def patch_mask(n: int, patches: int, rng: torch.Generator, chance: float = 0.2) -> Tensor:
    """1 to keep a patch token and 0 to blank it, float32 [n, patches, 1]."""
    return (torch.rand((n, patches, 1), generator=rng) >= chance).float()


def _identity(n: int) -> Tensor:
    return torch.eye(3).repeat(n, 1, 1)


def _places(side: int) -> Tensor:
    return (torch.arange(side) + 0.5) * 2 / side - 1


def _rotations(n: int, rng: torch.Generator) -> Tensor:
    angles = torch.deg2rad(TURN * (2 * torch.rand(n, generator=rng) - 1))
    maps = _identity(n)
    maps[:, 0, 0] = maps[:, 1, 1] = angles.cos()
    maps[:, 0, 1], maps[:, 1, 0] = -angles.sin(), angles.sin()
    return maps


def _perspectives(n: int, rng: torch.Generator) -> Tensor:
    """Maps under which the corners move inwards, by up to `DISTORTION` of half a side."""
    corners = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    inwards = 1 - DISTORTION * torch.rand((n, 4, 2), generator=rng)
    return _homography(corners * inwards, corners)


def _homography(start: Tensor, end: Tensor) -> Tensor:
    """The projective map [n, 3, 3] with start [n, 4, 2] -> end [4, 2]: eight equations each."""
    n = len(start)
    x, y = start.unbind(dim=2)
    u, v = end.expand(n, -1, -1).unbind(dim=2)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    first = torch.stack([x, y, one, zero, zero, zero, -u * x, -u * y], dim=2)
    second = torch.stack([zero, zero, zero, x, y, one, -v * x, -v * y], dim=2)
    solved = torch.linalg.solve(
        torch.cat([first, second], dim=1), torch.cat([u, v], dim=1)[..., None]
    )
    return torch.cat([solved[..., 0], torch.ones((n, 1))], dim=1).reshape(n, 3, 3)
