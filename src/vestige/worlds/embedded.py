"""The world that comes with the package: invented chests, and a generator that leaks or not."""

import os
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vestige.registry.entries import InputError
from vestige.types import Images, Ints
from vestige.worlds.copier import Copier
from vestige.worlds.phantom import chest_phantoms

Bytes = npt.NDArray[np.uint8]
MIXED = 150  # strangers from whom fresh images are mixed


@dataclass(frozen=True)
class Truth:
    """What an audit of this world should find.

    leaking : whether generated images copy used ones; copied : int64 [n_generated], row of the used
    image that each generated image copies, -1 for none.
    """

    leaking: bool
    copied: Ints


@dataclass(frozen=True)
class World:
    """Real images and a generated set with known truth; all images uint8 [n, size, size].

    groups : names of the patients of `used` and of `unused`; one slice per patient.
    """

    used: Bytes
    unused: Bytes
    generated: Bytes
    groups: dict[str, tuple[str, ...]]
    truth: Truth


def embedded_worlds(
    seed: int = 0,
    n_used: int = 100,
    n_unused: int = 100,
    n_generated: int = 600,
    size: int = 128,
    share: float = 0.1,
    executor: Executor | None = None,
) -> tuple[World, World]:
    """Make a leaking and a clean world over the same real images.

    In the leaking world a share of the generated images are near-copies of used phantoms; in the
    clean one those are near-copies of phantoms that are neither used nor unused. All other
    generated images are the same in both: mixes of yet other phantoms.

    Parameters
    ----------
    seed : int
        0 or more; determines everything.
    n_used, n_unused, n_generated : int
        Numbers of images.
    size : int
        Height and width, pixels.
    share : float
        Share of near-copies, 0..1.
    executor : Executor, optional
        Paints the phantoms (`vestige.engine.engines.open_executor`); the same worlds.

    Returns
    -------
    tuple of World
        Leaking, clean.

    Raises
    ------
    InputError
        For a number that is too small or a share outside 0..1.
    """
    leaking, clean = _worlds(
        (True, False), seed, (n_used, n_unused, n_generated), size, share, executor
    )
    return leaking, clean


def embedded_world(
    leaking: bool,
    seed: int = 0,
    n_used: int = 100,
    n_unused: int = 100,
    n_generated: int = 600,
    size: int = 128,
    share: float = 0.1,
) -> World:
    """Make one of the two worlds of :func:`embedded_worlds`, byte for byte the same."""
    return _worlds((leaking,), seed, (n_used, n_unused, n_generated), size, share)[0]


def _worlds(
    kinds: tuple[bool, ...],
    seed: int,
    counts: tuple[int, int, int],
    size: int,
    share: float,
    executor: Executor | None = None,
) -> tuple[World, ...]:
    n_used, n_unused, n_generated = counts
    for name, value in zip(("n_used", "n_unused", "n_generated"), counts, strict=True):
        if value < 1:
            raise InputError(f"{name} must be 1 or more, {value} was given.")
    if not 0 <= share <= 1:
        raise InputError(f"share must lie in 0..1, it is {share}.")
    # one row of patients, cut into four parts: nobody plays two roles
    ends = np.cumsum([n_used, n_unused, MIXED, n_used if False in kinds else 0])
    images, patients = chest_phantoms(int(ends[-1]), size, seed, executor=executor)
    chests = np.rint(images * 255).astype(np.uint8)
    used, unused, mixed, others = np.split(chests, ends[:-1])
    names = tuple(f"patient{number:04d}" for number in patients)
    groups = {"used": names[:n_used], "unused": names[n_used : n_used + n_unused]}
    worlds: list[World] = []
    generated: Images | None = None
    for leaking in kinds:
        copier = Copier(share=share).fit(used if leaking else others, strangers=mixed)
        generated, copied = copier.sample_with_sources(n_generated, seed, twin=generated)
        truth = Truth(leaking, copied if leaking else np.full_like(copied, -1))
        worlds.append(World(used, unused, np.rint(generated * 255).astype(np.uint8), groups, truth))
    return tuple(worlds)


def write_world(world: World, folder: str | os.PathLike[str], generated: str = "generated") -> Path:
    """Write a world as folders of PNG files: used/, unused/, generated/ and groups.csv.

    Files of an earlier, interrupted call are written again. To put two worlds with the same reals
    side by side, call it twice with other names for `generated`.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        When the folder cannot be written, or holds other files that would be taken for the world's.
    """
    root = Path(folder)
    parts = {
        "used": dict(zip(_ids(world.groups["used"]), world.used, strict=True)),
        "unused": dict(zip(_ids(world.groups["unused"]), world.unused, strict=True)),
        generated: {f"g{i:04d}.png": image for i, image in enumerate(world.generated)},
    }
    try:
        for part, images in parts.items():
            place = root / part
            place.mkdir(parents=True, exist_ok=True)
            foreign = sorted({file.name for file in place.iterdir()} - images.keys())
            if foreign:
                raise InputError(
                    f"{place} already holds other files ({foreign[0]}). Name a new folder."
                )
        for part, images in parts.items():
            for name, image in images.items():
                _write_png(root / part / name, image)
        rows = [
            f"{part}/{name},{group}\n"
            for part, groups in world.groups.items()
            for name, group in zip(_ids(groups), groups, strict=True)
        ]
        (root / "groups.csv").write_text("".join(["id,group\n", *rows]), encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {root}: {error.strerror or error}") from error
    return root


def _ids(groups: tuple[str, ...]) -> list[str]:
    return [f"{group}.png" for group in groups]


def _write_png(path: Path, image: Bytes) -> None:
    from PIL import Image

    Image.fromarray(image).save(path, compress_level=1)
