"""Small worlds for the tests of the papers' protocols: patients of near-duplicate slices."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reference_worlds import population
from small_detectors import SMALL
from vestige.benchmark.arrays import WorldArrays
from vestige.protocols import PROTOCOLS
from vestige.protocols.forms import published_form
from vestige.protocols.trial import Trial
from vestige.worlds.build import build_world
from vestige.worlds.record import Recipe

PAPER: dict[str, dict[str, Any]] = {
    "siamese": {"attention": False, "trunk_trainable": "none", "anchors": 5},
    "siamese_hybrid": {"trunk_trainable": "none", "anchors": 5},
    "vit_canet": {
        "taps": "relative", "finetune_epochs": 0, "epochs": 1, "augment": False, "batch": 32,
    },
    "texture_pairs": {"size": 16},
}  # fmt: skip
"""Published forms made small, on top of SMALL."""


def small_options(detector: str) -> dict[str, Any]:
    return SMALL.get(detector, {}) | PAPER.get(detector, {})


@cache
def null_arrays(seed: int = 0, patients: int = 10, slices: int = 2, m: int = 20) -> WorldArrays:
    """`patients` used and as many unused, labelled; the same as queries; m images of strangers."""
    rng = np.random.default_rng(seed)
    n = 4 * patients
    faces, _ = population(n + m, rng)
    noise = rng.normal(0, 2 / 255, (n * slices, *faces.shape[1:]))
    reals = np.clip(np.repeat(faces[:n], slices, axis=0) + noise, 0, 1)
    roles = np.repeat(["used", "unused", "query", "query"], patients * slices)
    used = np.repeat([True, False, True, False], patients * slices)
    levels = [np.rint(images * 255).astype(np.uint8) for images in (faces[n:], reals)]
    return WorldArrays(*levels, roles, np.repeat(np.arange(n), slices), used)


@cache
def copy_arrays(seed: int = 0) -> WorldArrays:
    """The same with a generated image beside every image of a member."""
    world = null_arrays(seed)
    noise = np.random.default_rng(seed).integers(-4, 5, world.reals[world.used].shape)
    copies = np.clip(world.reals[world.used] + noise, 0, 255).astype(np.uint8)
    return WorldArrays(copies, world.reals, world.roles, world.groups, world.used)


def trial(
    name: str, world: WorldArrays, folder: Path = Path("nowhere"), seed: int = 0, **options: Any
) -> Trial:
    """A world for one protocol, with its detector in a small published form."""
    detector = PROTOCOLS[name].factory().detector
    made = published_form(detector, small_options(detector) | {"seed": seed} | options)
    queries = [f"query/{k:03d}.png" for k in range(int((world.roles == "query").sum()))]
    generated = [f"g{k:03d}.png" for k in range(len(world.generated))]
    return Trial(world, made, tuple(queries), tuple(generated), folder, seed)


def write_null_world(folder: Path) -> Path:
    """A world folder in which nothing of the members is generated: 48 patients of two slices."""
    reals = folder / "reals"
    reals.mkdir(parents=True)
    faces, _ = population(48, np.random.default_rng(5))
    noise = np.random.default_rng(6).normal(0, 2 / 255, (2, *faces.shape))
    for k, images in enumerate(noise + faces):
        for patient, image in enumerate(images):
            levels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
            Image.fromarray(levels).save(reals / f"p{patient:02d}_{k}.png")
    recipe = Recipe(
        generator="copier",
        images=str(reals),
        group_regex=r"p(\d+)",
        members=40,
        unused=40,
        reference=0,
        samples=20,
        size=32,
        options={"share": 0.0},
    )
    build_world(recipe, folder / "null")
    return folder / "null"
