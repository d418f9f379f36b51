"""Folders of invented reals for the tests of worlds."""

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from vestige.types import Images, Ints
from vestige.worlds.phantom import chest_phantoms

PATIENTS, SLICES, SIZE = 36, 3, 32
N = PATIENTS * SLICES


@cache
def _phantoms() -> tuple[Images, Ints]:
    return chest_phantoms(N, SIZE, seed=4, slices_per_patient=SLICES)


def write_reals(folder: Path) -> Path:
    """36 patients of three slices, 8 bit, and beside the folder groups.csv."""
    folder.mkdir(parents=True)
    images, patients = _phantoms()
    rows = ["id,group"]
    for k, (image, patient) in enumerate(zip(images, patients, strict=True)):
        name = f"p{patient:02d}_{k:03d}.png"
        Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(folder / name)
        rows.append(f"{name},p{patient:02d}")
    folder.with_name("groups.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def without_times(root: Path) -> dict[str, bytes]:
    return {name: content for name, content in files(root).items() if name != "world.json"}


def pixels(path: Path) -> Images:
    with Image.open(path) as picture:
        assert picture.mode == "L"
        assert not picture.info
        return np.asarray(picture, np.float32) / np.float32(255)
