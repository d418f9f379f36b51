"""The reference worlds of METHODS 0.4: small populations with a known answer.

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


def population(n: int, rng: np.random.Generator) -> tuple[Images, Images]:
    """Images [n, 32, 32] and their soft body masks."""
    axis = (np.arange(SIZE) + 0.5) / SIZE - 0.5
    y, x = np.meshgrid(axis, axis, indexing="ij")
    a, b = rng.uniform(0.3, 0.45, (2, n, 1, 1))
    tilt = rng.uniform(-0.3, 0.3, (n, 1, 1))
    u = x * np.cos(tilt) + y * np.sin(tilt)
    v = y * np.cos(tilt) - x * np.sin(tilt)
    body = ((u / a) ** 2 + (v / b) ** 2 < 1).astype(float)
    body = gaussian_filter(body, (0, 0.7, 0.7))
    texture = gaussian_filter(rng.standard_normal((n, SIZE, SIZE)), (0, 2, 2))
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
