"""Small worlds for the tests of the benchmark, and cells that do not behave."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from vestige.benchmark.arrays import WorldArrays
from vestige.benchmark.cells import Blind, Cell, Release, Task
from vestige.registry.entries import InputError
from vestige.worlds.build import build_world
from vestige.worlds.phantom import chest_phantoms
from vestige.worlds.record import Recipe

SIZE = 32
PATIENTS, SLICES = 106, 2


def write_worlds(folder: Path) -> dict[str, Path]:
    """ "leaking" (half of the samples are near-copies of members) and "clean", over the same reals.

    40 patients of two slices on either side, half of them queries; 20 of reference.
    """
    reals = folder / "reals"
    reals.mkdir()
    images, patients = chest_phantoms(PATIENTS * SLICES, SIZE, 8, SLICES)
    for k, (image, patient) in enumerate(zip(images, patients, strict=True)):
        levels = np.rint(image * 255).astype(np.uint8)
        Image.fromarray(levels).save(reals / f"p{patient:03d}_{k:03d}.png")
    worlds = {"leaking": 0.5, "clean": 0.0}
    for name, share in worlds.items():
        recipe = Recipe(
            generator="copier",
            images=str(reals),
            group_regex=r"p(\d+)",
            members=80,
            unused=80,
            reference=40,
            samples=100,
            size=SIZE,
            options={"share": share},
        )
        build_world(recipe, folder / name)
    return {name: folder / name for name in worlds}


def arrays(groups: int, per_group: int = 1, reference: bool = True) -> WorldArrays:
    """A world of noise: so many groups in each role; query is used in every second group."""
    roles = ("query", "reference", "unused", "used") if reference else ("query", "unused", "used")
    role = np.repeat(roles, groups * per_group)
    group = np.repeat(np.arange(len(roles) * groups), per_group)
    used = (role == "used") | ((role == "query") & (group % 2 == 0))
    rng = np.random.default_rng(groups)
    noise = rng.integers(0, 256, (len(role) + 12, 8, 8), np.uint8)
    return WorldArrays(noise[:12], noise[12:], role, group, used)


def plain_cell(task: Task) -> Cell:
    """A cell that nobody had to measure."""
    from vestige.schema.records import Estimate

    auc = Estimate(0.5 + task.seed / 100, 0.4, 0.9, 10)
    release = Release(auc, None, None, 0.3, 0.7, "not found", "nothing found", 0.05)
    return Cell(
        task.world, task.row, task.null, task.seed, release, blind=Blind(auc, 0.4, True), seconds=1
    )


def odd_cell(task: Task) -> Cell:
    """Behaves as the name of its row says."""
    if task.row == "refused":
        raise InputError("too few images:\n add some.")
    if task.row == "broken":
        raise ValueError("nobody foresaw this")
    if task.row == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    return plain_cell(task)


@contextmanager
def cluster() -> Iterator[str]:
    """A Dask cluster of one thread in this process; its address for --engine."""
    import distributed

    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as made:
        yield f"dask:{made.scheduler_address}"
