"""A world in memory, and who plays which role in the audits that are made of it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.files.whole import whole
from vestige.images.kinds import Kind, kind_of
from vestige.images.readers import read_file
from vestige.registry.entries import InputError
from vestige.types import Bools, Ints
from vestige.worlds.record import GENERATED, REALS, load_world, read_truth

Rows = Mapping[str, Ints]
"""Role in an audit -> rows of `WorldArrays.reals`."""
STEP = 0.01
"""Levels by which a voxel, read as a float, may lie beside one of 0..255."""


@dataclass(frozen=True, eq=False)
class WorldArrays:
    """A world in memory: generated and real images with the truth [n] of the reals.

    generated, reals : uint8 [m, ...] and [n, ...]
        Grey [n, h, w], colour [n, h, w, 3] or volumes [n, s, s, s].
    """

    generated: npt.NDArray[np.uint8]
    reals: npt.NDArray[np.uint8]
    roles: npt.NDArray[Any]
    groups: Ints
    used: Bools

    @property
    def kind(self) -> Kind:
        """What the images are."""
        return kind_of(self.reals.shape)

    def save(self, path: Path) -> None:
        """Write one .npz, whole or not at all."""
        try:
            with whole(path) as partial, partial.open("wb") as file:
                np.savez(file, **vars(self))
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror or error}") from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "WorldArrays":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as kept:
            return cls(**{name: kept[name] for name in kept.files})

    def rows(self, **masks: Bools) -> Rows:
        """Rows of the roles that have any."""
        return {role: np.flatnonzero(mask) for role, mask in masks.items() if mask.any()}

    @classmethod
    def read(cls, folder: Path) -> "WorldArrays":
        """Decode a world folder, as the kind that its record names.

        Raises
        ------
        InputError
            When world.json or truth.csv cannot be read, or an image has no 8 bits.
        """
        kind, truth = load_world(folder).recipe.kind, read_truth(folder)
        codes = {group: k for k, group in enumerate(dict.fromkeys(row.group for row in truth))}
        files = sorted(file for file in (folder / GENERATED).iterdir() if file.name[0] != ".")
        return cls(
            generated=np.stack([_levels(file, kind) for file in files]),
            reals=np.stack([_levels(folder / row.id, kind) for row in truth]),
            roles=np.array([row.role for row in truth]),
            groups=np.array([codes[row.group] for row in truth], np.int64),
            used=np.array([row.used for row in truth]),
        )


def release_rows(world: WorldArrays) -> Rows:
    """Members against non-members; the reference stays apart."""
    reference = world.roles == "reference"
    return world.rows(
        used=world.used, unused=~world.used & ~reference, reference=~world.used & reference
    )


def forensic_rows(world: WorldArrays) -> Rows:
    """The roles as they are; empty without unused images or without queries of both kinds."""
    query = world.roles == "query"
    asked = np.unique(world.used[query])
    if len(asked) < 2 or not (world.roles == "unused").any():
        return {}
    return world.rows(**{role: world.roles == role for role in REALS})


def null_rows(world: WorldArrays, digest: str, seed: int) -> Rows:
    """Non-members, dealt by group and by lot into three roles as large, in proportion.

    The lot depends on the world's digest too: worlds over the same reals have splits of their own.

    Raises
    ------
    InputError
        When there are too few groups.
    """
    others = np.flatnonzero(~world.used)
    wanted = {role: len(index) for role, index in release_rows(world).items()}
    names = np.unique(world.groups[others])
    if len(names) < 2 * len(wanted):
        raise InputError(
            f"{len(names)} groups of non-members are too few to deal into {len(wanted)} roles: "
            "build the world with more --unused or --reference images."
        )
    order = np.random.default_rng([seed, int(digest[:12], 16)]).permutation(names)
    sizes = np.array([(world.groups[others] == name).sum() for name in order])
    # a group goes where its middle image falls
    middles = (sizes.cumsum() - sizes / 2) / sizes.sum()
    ends = np.cumsum(list(wanted.values()))[:-1] / sum(wanted.values())
    part = np.searchsorted(ends, middles, side="right")
    roles = {
        role: others[np.isin(world.groups[others], order[part == k])]
        for k, role in enumerate(wanted)
    }
    empty = [role for role, index in roles.items() if not len(index)]
    if empty:
        raise InputError(f"no group of non-members fell to the role {empty[0]}: groups are uneven.")
    return roles


def _levels(file: Path, kind: Kind) -> npt.NDArray[np.uint8]:
    (frame,) = read_file(file, whole=kind == "volume")
    # voxels are read as floats in 0..1
    shown = frame.pixels * 255 if kind == "volume" else frame.shown_as(kind)
    levels = np.rint(shown).astype(np.uint8)
    if shown.dtype != np.uint8 and (kind != "volume" or np.abs(shown - levels).max() > STEP):
        raise InputError(f"{file} is not an 8-bit image: build the world again.")
    return levels
