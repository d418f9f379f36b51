"""The folders of a world on disk: each appears whole or not at all."""

import io
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from vestige.files.whole import beside
from vestige.images.kinds import Kind, kind_of
from vestige.registry.entries import InputError
from vestige.worlds.record import (
    FOLDERS,
    REALS,
    RECIPE,
    RECORD,
    TRAINING,
    TRUTH,
    Recipe,
    decode_file,
    digest_files,
    digest_part,
    load_world,
    read_json,
    with_kind,
)

Bytes = npt.NDArray[np.uint8]
NAMES = {*FOLDERS, RECORD, RECIPE, TRUTH, TRAINING}


def claim(root: Path, recipe: Recipe) -> bool:
    """Whether `root` holds the finished world of this recipe; it must hold nothing else.

    What a killed call left half-written is removed.

    Raises
    ------
    InputError
        When it is a file, or holds other files or the world of another recipe.
    """
    if not root.exists():
        return False
    if not root.is_dir():
        raise InputError(f"{root} is a file: name a new folder with --out.")
    visible = {entry.name for entry in root.iterdir() if not entry.name.startswith(".")}
    foreign = sorted(visible - NAMES if visible & {RECORD, RECIPE} else visible)
    if foreign:
        raise InputError(f"{root} already holds other files ({foreign[0]}): name a new --out.")
    for name in NAMES:
        for rest in root.glob(f".{name}.*.tmp"):
            shutil.rmtree(rest) if rest.is_dir() else rest.unlink()
    if not visible:
        return False
    finished = RECORD in visible
    if finished:
        begun = load_world(root).recipe
    else:
        kept = with_kind(read_json(root / RECIPE).get("recipe"))
        begun = decode_file(Recipe, kept, root / RECIPE)
    begun, recipe = begun.told(), recipe.told()  # that of an older world holds whole paths
    if begun != recipe:
        raise InputError(
            f"{root} holds a world of another recipe ({_difference(begun, recipe)}): "
            "name a new --out."
        )
    return finished


def write_folder(place: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder that holds these files and nothing else, whole or not at all.

    Raises
    ------
    InputError
        When it holds files of other names: they are not this package's to remove.
    OSError
        When the disk is full, ...
    """
    if place.exists():
        if digest_part(place) == digest_files(files):
            return
        foreign = sorted({entry.name for entry in place.iterdir()} - files.keys())
        if foreign:
            raise InputError(f"{place} holds a foreign file ({foreign[0]}): take it out.")
    if not files:
        return
    partial = beside(place)
    try:
        partial.mkdir()
        for name, content in files.items():
            (partial / name).write_bytes(content)
        if place.exists():
            shutil.rmtree(place)
        partial.replace(place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def abandon(root: Path) -> None:
    """Remove what `build_world` wrote before training: a recipe that cannot work leaves nothing."""
    for role in REALS:
        shutil.rmtree(root / role, ignore_errors=True)
    for name in (TRUTH, RECIPE):  # recipe.json last: without it the rest would be foreign
        (root / name).unlink(missing_ok=True)


SUFFIXES: dict[Kind, str] = {"grey": ".png", "colour": ".png", "volume": ".nii"}
"""Of the image files of a world."""


def file_bytes(image: Bytes) -> bytes:
    """An image of any kind as the bytes of a file, without metadata.

    Of a volume a NIfTI file with voxels of 1 mm that says that its levels are 0..255.

    Raises
    ------
    InputError
        When nibabel is not installed, for volumes.
    """
    return nifti_bytes(image) if kind_of((1, *image.shape)) == "volume" else png_bytes(image)


def nifti_bytes(volume: Bytes) -> bytes:
    """A NIfTI file of uint8 [s, s, s]: feet to head, front to back, right to left."""
    try:
        import nibabel
    except ImportError as error:
        raise InputError(
            "worlds of volumes need nibabel: pip install 'vestige[medical]'."
        ) from error
    untyped: Any = nibabel
    image = untyped.Nifti1Image(np.ascontiguousarray(volume.T[::-1, ::-1]), np.eye(4))
    image.header["cal_min"], image.header["cal_max"] = 0, 255
    return bytes(image.to_bytes())


def png_bytes(image: Bytes) -> bytes:
    """An 8-bit PNG of uint8 [h, w] or [h, w, 3], without metadata."""
    out = io.BytesIO()
    Image.fromarray(image).save(out, format="PNG", compress_level=1)
    return out.getvalue()


def _difference(one: Recipe, other: Recipe) -> str:
    name = next(name for name in vars(one) if getattr(one, name) != getattr(other, name))
    return f"{name} {getattr(one, name)!r:.60}, not {getattr(other, name)!r:.60}"
