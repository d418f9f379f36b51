"""The reference worlds of docs/methods.md 0.4: small populations with a known answer.

100 used, 100 unused, 200 reference images and 500 generated ones of 32 x 32 px.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter

from vestige.types import Images

NAMES = ("copy", "part", "blend", "collapse", "null", "shift")
SIZE = 32


@dataclass(frozen=True)
class ReferenceWorld:
    used: Images
    unused: Images
    reference: Images
    generated: Images


def population(n: int, rng: np.random.Generator, side: int = SIZE) -> tuple[Images, Images]:
    """Images [n, side, side] and their soft body masks; a larger side shows the same, smoother."""
    axis = (np.arange(side) + 0.5) / side - 0.5
    scale = side / SIZE
    y, x = np.meshgrid(axis, axis, indexing="ij")
    a, b = rng.uniform(0.3, 0.45, (2, n, 1, 1))
    tilt = rng.uniform(-0.3, 0.3, (n, 1, 1))
    u = x * np.cos(tilt) + y * np.sin(tilt)
    v = y * np.cos(tilt) - x * np.sin(tilt)
    body = ((u / a) ** 2 + (v / b) ** 2 < 1).astype(float)
    body = gaussian_filter(body, (0, 0.7 * scale, 0.7 * scale))
    texture = gaussian_filter(rng.standard_normal((n, side, side)), (0, 2 * scale, 2 * scale))
    texture /= texture.std(axis=(1, 2), keepdims=True)
    return np.clip(body * (0.5 + 0.12 * texture), 0, 1).astype(np.float32), body


@cache
def reference_world(name: str, seed: int) -> ReferenceWorld:
    """One of NAMES; noise of the generated set has sd 4/255."""
    rng = np.random.default_rng([seed, NAMES.index(name)])
    used, used_body = population(100, rng)
    unused, _ = population(100, rng)
    reference, _ = population(200, rng)
    fresh, fresh_body = population(500, rng)
    noise = rng.normal(0, 4 / 255, fresh.shape)
    if name == "copy":
        generated = used[rng.integers(100, size=500)] + noise
    elif name == "part":
        generated = fresh + noise
        generated[:50] = used[rng.integers(50, size=50)] + noise[:50]
    elif name == "blend":
        first, second = rng.integers(100, size=(2, 500))
        generated = 0.7 * used[first] + 0.3 * used[second] + noise
    elif name == "collapse":
        generated = used[rng.integers(5, size=500)] + noise
    elif name == "null":
        generated = fresh + noise
    else:
        used = used + 6 / 255 * used_body
        generated = fresh + 6 / 255 * fresh_body
    return ReferenceWorld(
        used.astype(np.float32), unused, reference, np.clip(generated, 0, 1).astype(np.float32)
    )


@cache
def patch_world(seed: int, side: int = 64, grid: int = 8) -> ReferenceWorld:
    """W-patch of methods.md 2.17: 100 of the 500 generated images hold a patch of one used image.

    Each used image lends one patch, a quarter of the side wide; it stands where it stood, on a
    multiple of side / `grid`.
    """
    rng = np.random.default_rng([seed, len(NAMES)])
    used, unused, reference, generated = (population(n, rng, side)[0] for n in (100, 100, 200, 500))
    step, width = side // grid, side // 4
    low, high = side // 8 // step, (side - width - side // 8) // step
    for image, source in zip(generated, used, strict=False):
        top, left = step * rng.integers(low, high + 1, 2)
        part = np.s_[top : top + width, left : left + width]
        image[part] = source[part]
    generated = generated + rng.normal(0, 4 / 255, generated.shape)
    return ReferenceWorld(used, unused, reference, np.clip(generated, 0, 1).astype(np.float32))
