"""Real colour images and volumes, split by patient, and audits of them in memory.

A part of benchmarks/kinds.py. Reads skin_pad_ufes (colour) and hippocampus_msd (volumes) below
VESTIGE_DATA.
"""

import csv
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from vestige.features.pixels import shrink
from vestige.images.kinds import kind_of
from vestige.images.preprocess import shrink_cubes
from vestige.scoring.columns import Reals, score_columns
from vestige.scoring.plan import plan_columns
from vestige.stats.combine import pooled_rank_score
from vestige.stats.intervals import auc
from vestige.types import Bools, Float32s, Images

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("VESTIGE_DATA", HERE.parents[1] / "shared/data"))
CROP = 48
"""Voxels of 1 mm a side that are kept around the middle of a hippocampus volume."""
Labels = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Split:
    """Members, unused images and strangers: no patient is in two of them.

    `copied`, where it is known, are the members that some generated image copies.
    """

    members: Images
    unused: Images
    strangers: Images
    groups: Labels
    """Of members, then unused images."""
    copied: Bools | None = None

    @property
    def cohort(self) -> Images:
        """Members, then unused images."""
        return np.concatenate([self.members, self.unused])

    @property
    def used(self) -> Bools:
        """Which of the cohort are members."""
        return np.arange(len(self.groups)) < len(self.members)


def rows_of(folder: str) -> list[dict[str, str]]:
    """The rows of the index of a data set."""
    with open(DATA / folder / "index.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def skin(side: int = 64) -> tuple[Images, Labels]:
    """Colour photographs [n, side, side, 3] and their patients."""
    rows = rows_of("skin_pad_ufes")
    levels = [np.asarray(Image.open(DATA / "skin_pad_ufes" / row["file"])) for row in rows]
    channels = np.moveaxis(np.stack(levels).astype(np.float32) / 255, 3, 0)
    images = np.stack([shrink(channel, side) for channel in channels], axis=3)
    return images, np.array([row["group"] for row in rows])


def hippocampi(side: int) -> tuple[Images, Labels]:
    """Volumes [n, side, side, side] and their persons; both sides of a person share a name."""
    import nibabel

    rows = rows_of("hippocampus_msd")
    cubes = []
    for row in rows:
        image = nibabel.as_closest_canonical(nibabel.load(DATA / "hippocampus_msd" / row["file"]))
        volume = np.asarray(image.dataobj, np.float32).transpose(2, 1, 0)[:, ::-1, ::-1]
        low, high = np.percentile(volume, (0.5, 99.5))
        cubes.append(_cropped(np.clip((volume - low) / (high - low), 0, 1)))
    return shrink_cubes(np.stack(cubes), side), np.array([row["group"] for row in rows])


def _cropped(volume: Float32s) -> Float32s:
    """The cube of `CROP` voxels around the middle; outside is 0."""
    cube = np.zeros((CROP, CROP, CROP), np.float32)
    here, there = [], []
    for length in volume.shape:
        kept = min(length, CROP)
        start = (length - kept) // 2
        here.append(slice(start, start + kept))
        there.append(slice((CROP - kept) // 2, (CROP - kept) // 2 + kept))
    cube[tuple(there)] = volume[tuple(here)]
    return cube


def split(images: Images, groups: Labels, shares: tuple[float, float], seed: int) -> Split:
    """Deal the patients by lot: shares of members and of unused; the others are strangers."""
    names = np.random.default_rng(seed).permutation(np.unique(groups))
    ends = (np.cumsum(shares) * len(names)).astype(int)
    rows = [np.flatnonzero(np.isin(groups, part)) for part in np.split(names, ends)]
    members, unused, strangers = (images[part] for part in rows)
    return Split(members, unused, strangers, np.concatenate([groups[rows[0]], groups[rows[1]]]))


def audited(world: Split, generated: Images) -> dict[str, Any]:
    """AUC of every column and of their combination, and processor seconds of all columns."""
    plan = plan_columns(None, has_reference=False, kind=kind_of(generated.shape))
    start = process_time()
    columns, _ = score_columns(plan, generated, None, Reals(world.cohort, world.groups))
    seconds = process_time() - start
    used, unused = world.used, ~world.used
    if world.copied is not None:  # the other members left no trace
        used[: len(world.copied)] &= world.copied
    together = pooled_rank_score(columns, np.array([column.weight for column in plan]))
    return {
        "auc": auc(together[used], together[unused]),
        "columns": {
            column.name: auc(scores[used], scores[unused])
            for column, scores in zip(plan, columns.T, strict=True)
        },
        "seconds": seconds,
    }


def seen(world: Split, look: Callable[[Images], Images]) -> Split:
    """The same world with other eyes."""
    parts = (look(part) for part in (world.members, world.unused, world.strangers))
    return Split(*parts, world.groups, world.copied)
