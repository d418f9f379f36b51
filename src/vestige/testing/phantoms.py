"""Small phantom images with a known answer: soft ellipses with a texture of their own."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from vestige.images.kinds import Kind
from vestige.types import Images

NOISE = 4 / 255
"""Standard deviation of what a copy differs by from its source, in grey levels 0..1."""


@dataclass(frozen=True)
class SmallWorld:
    """Real images by role and a generated set, all of one kind."""

    used: Images
    unused: Images
    reference: Images
    generated: Images


def phantoms(n: int, rng: np.random.Generator, side: int = 16) -> Images:
    """Phantom images, float32 [n, side, side], 0..1."""
    axis = (np.arange(side) + 0.5) / side - 0.5
    y, x = np.meshgrid(axis, axis, indexing="ij")
    a, b = rng.uniform(0.3, 0.45, (2, n, 1, 1))
    tilt = rng.uniform(-0.3, 0.3, (n, 1, 1))
    u, v = x * np.cos(tilt) + y * np.sin(tilt), y * np.cos(tilt) - x * np.sin(tilt)
    body = gaussian_filter(((u / a) ** 2 + (v / b) ** 2 < 1) * 1.0, (0, side / 45, side / 45))
    texture = gaussian_filter(rng.standard_normal((n, side, side)), (0, side / 16, side / 16))
    texture /= texture.std(axis=(1, 2), keepdims=True)
    images: Images = np.clip(body * (0.5 + 0.12 * texture), 0, 1).astype(np.float32)
    return images


def colour_phantoms(n: int, rng: np.random.Generator, side: int = 16) -> Images:
    """Phantom images in colour [n, side, side, 3]: a common body, and channels that vary apart."""
    channels = [phantoms(n, rng, side) for _ in range(3)]
    return np.stack([0.7 * channels[0] + 0.3 * channel for channel in channels], axis=3)


def phantom_volumes(n: int, rng: np.random.Generator, side: int = 16) -> Images:
    """Soft ellipsoids with a texture of their own, float32 [n, side, side, side], 0..1."""
    axis = (np.arange(side) + 0.5) / side - 0.5
    places = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"))
    radii = rng.uniform(0.3, 0.45, (n, 3, 1, 1, 1))
    inside = ((places / radii) ** 2).sum(axis=1) < 1
    blur = (0, *3 * (side / 45,)), (0, *3 * (side / 16,))
    body = gaussian_filter(inside * 1.0, blur[0])
    texture = gaussian_filter(rng.standard_normal((n, side, side, side)), blur[1])
    texture /= texture.std(axis=(1, 2, 3), keepdims=True)
    volumes: Images = np.clip(body * (0.5 + 0.12 * texture), 0, 1).astype(np.float32)
    return volumes


PHANTOMS: dict[Kind, Callable[..., Images]] = {
    "grey": phantoms,
    "colour": colour_phantoms,
    "volume": phantom_volumes,
}


def small_world(
    copies: bool, seed: int = 0, n: int = 40, side: int = 16, kind: Kind = "grey"
) -> SmallWorld:
    """`n` used, `n` unused, 2 `n` reference and 3 `n` generated images.

    `copies`: each generated image is a noisy copy of a used one; else all are fresh.
    """
    rng = np.random.default_rng([seed, copies])
    used, unused, reference, fresh = (PHANTOMS[kind](k * n, rng, side) for k in (1, 1, 2, 3))
    source = used[rng.integers(n, size=3 * n)] if copies else fresh
    generated = np.clip(source + rng.normal(0, NOISE, source.shape), 0, 1)
    return SmallWorld(used, unused, reference, generated.astype(np.float32))
