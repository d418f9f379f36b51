"""Colour images and volumes of real patients: what is found beyond grey pictures, at which cost.

    python benchmarks/kinds.py [PART...] [--seeds N] [--steps N]

Reads skin_pad_ufes (colour) and hippocampus_msd (volumes) below VESTIGE_DATA, splits both by
patient, makes worlds of known truth in memory and prints one line per result; results/kinds.json
holds all of them. AUC is that of the label-free combination of the detectors of effort normal,
members (where only some are copied, those) against unused images; primary is the column that
evidence is told by; luma is the same audit of the same world in grey.

chroma : generated images with the luma of strangers and the chroma of members (all, half of them)
plain : colour copiers, of which luma shows enough, with copies that are 1, 5 and 8 times as far as
    usual from their source; and without copies
cost : seconds of all columns in colour and in luma
copies : volumes of which a tenth are near copies of members: which ones the copy search names
grid : each generator of colour (skin, 32 pixels) and of volumes (hippocampus), of 60 members; a
    generator that trains takes --steps, and --only NAME,NAME runs some of them
leak : a 3-D VAE (or --generator diffusion) of 60 members that was trained for long; the volume
    audit against the audits of its middle axial, coronal and sagittal planes
"""

import argparse
import csv
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from vestige.copies.search import search_copies
from vestige.features.pixels import shrink
from vestige.images.kinds import kind_of, luma_of, pictures_of, planes_of
from vestige.images.preprocess import shrink_cubes
from vestige.registry.entries import create
from vestige.scoring.columns import Reals, score_columns
from vestige.scoring.plan import plan_columns
from vestige.stats.combine import pooled_rank_score
from vestige.stats.intervals import auc
from vestige.types import Bools, Float32s, Images, Ints
from vestige.worlds import GENERATORS
from vestige.worlds.copier import Copier

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("VESTIGE_DATA", HERE.parents[1] / "shared/data"))
MADE = 600
CROP = 48
"""Voxels of 1 mm a side that are kept around the middle of a hippocampus volume."""
PLANES = ("axial", "coronal", "sagittal")
PRIMARY = "matched_filter_pool_32"
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


def both(world: Split, generated: Images) -> dict[str, Any]:
    """The audit in colour and in luma."""
    colour, luma = audited(world, generated), audited(seen(world, luma_of), luma_of(generated))
    return {"colour": colour, "luma": luma}


def recoloured(luma_from: Images, chroma_from: Images) -> Images:
    """Pictures with the luma of some and the chroma of others, in steps of 1/255.

    Where a colour would leave 0..1, its chroma is made weaker, so that luma stays.
    """
    luma = planes_of(luma_from)[0][..., np.newaxis]
    blue, red = np.moveaxis(planes_of(chroma_from)[1], 1, 0)
    shift = np.stack([1.402 * red, np.zeros_like(red), 1.772 * blue], axis=3)
    shift[..., 1] = -(0.299 * shift[..., 0] + 0.114 * shift[..., 2]) / 0.587
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(shift > 0, (1 - luma) / shift, -luma / shift)
    weaker = np.nan_to_num(room, nan=1.0, posinf=1.0).min(axis=3, keepdims=True).clip(0, 1)
    return np.rint(np.clip(luma + weaker * shift, 0, 1) * 255).astype(np.float32) / np.float32(255)


def marked(world: Split, sources: Ints) -> Bools:
    """Which members some generated image copies."""
    return np.isin(np.arange(len(world.members)), sources)


def chroma(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Copies that show in the chroma alone."""
    images, groups = skin()
    for seed in range(asked.seeds):
        world = split(images, groups, (0.3, 0.3), seed)
        half = len(world.strangers) // 2
        shapes = Copier(share=1).fit(world.strangers[:half]).sample(MADE, seed)
        copies, sources = Copier(share=1).fit(world.members).sample_with_sources(MADE, seed + 100)
        others = Copier(share=1).fit(world.strangers[half:]).sample(MADE, seed + 200)
        for copied in (1.0, 0.5, 0.0):
            colours = np.where(np.arange(MADE)[:, None, None, None] < copied * MADE, copies, others)
            shown_members = marked(world, sources[: int(copied * MADE)]) if copied else None
            found = both(replace(world, copied=shown_members), recoloured(shapes, colours))
            yield {"copied": copied, "seed": seed, **found}


def plain(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Copies that show in luma as well, and none (share 0)."""
    images, groups = skin()
    for seed in range(asked.seeds):
        world = split(images, groups, (0.3, 0.3), seed)
        for share, far in ((0.1, 1), (0.1, 5), (0.1, 8), (0.0, 1)):
            copier = Copier(share, 2.0 * far, 0.01 * far, 0.5 * far, 0.01 * far)
            copier.fit(world.members, strangers=world.strangers)
            made, sources = copier.sample_with_sources(MADE, seed)
            known = replace(world, copied=marked(world, sources) if share else None)
            yield {"share": share, "far": far, "seed": seed, **both(known, made)}


def cost(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Seconds in colour as a multiple of those in luma."""
    images, groups = skin()
    world = split(images, groups, (0.3, 0.3), 0)
    made = Copier().fit(world.members, strangers=world.strangers).sample(MADE)
    taken: list[float] = []
    for _ in range(asked.seeds):
        found = both(world, made)
        taken.append(found["colour"]["seconds"] / found["luma"]["seconds"])
    yield {"colour_over_grey": median(taken), "each": taken}


def copies(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Near copies of volumes, and none (share 0)."""
    images, groups = hippocampi(32)
    for seed in range(asked.seeds):
        world = split(images, groups, (0.3, 0.3), seed)
        for share in (0.1, 0.0):
            copier = Copier(share=share).fit(world.members, strangers=world.strangers)
            made, sources = copier.sample_with_sources(MADE, seed)
            start, used = perf_counter(), world.used
            found = search_copies(world.cohort, world.groups, ~used, used, made)
            pairs = found.targets
            right = sources[pairs.generated] == pairs.real
            yield {
                "share": share,
                "seed": seed,
                "copies": int((sources >= 0).sum()),
                "recall": len(set(pairs.generated[right])) / max(1, int((sources >= 0).sum())),
                "false_names": int((~right).sum()) + len(found.calibration.real),
                "seconds": perf_counter() - start,
                "auc": audited(
                    replace(world, copied=marked(world, sources) if share else None), made
                )["auc"],
            }


def leak(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A generator of volumes that memorised; the audits of volumes and of single planes."""
    images, groups = hippocampi(asked.side)
    persons = np.random.default_rng(0).permutation(np.unique(groups))
    first = np.array([np.flatnonzero(groups == person)[0] for person in persons])
    members, unused = images[first[:60]], images[first[60:120]]
    world = Split(members, unused, members[:0], groups[first[:120]])
    options = json.loads(asked.options) | {"steps": asked.steps}
    made = create(GENERATORS, asked.generator, "generator", **options)
    folder = None if asked.folder is None else Path(asked.folder)
    generated = made.fit(members, 0, folder=folder).sample(MADE, 1)
    yield {"view": "volume", "figures": dict(made.figures), **audited(world, generated)}
    for k, plane in enumerate(PLANES):

        def look(volumes: Images, k: int = k) -> Images:
            return np.ascontiguousarray(pictures_of(volumes)[:, k])

        yield {"view": plane, **audited(seen(world, look), look(generated))}


GRID = {
    "skin": ("copier", "vae", "gan", "diffusion"),
    "hippocampus": ("copier", "pca_gaussian", "vae", "diffusion"),
}
"""Generators of each kind of images."""


def grid(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Generators of 60 members of each kind, audited as that kind; colour also as luma."""
    for name, generators in GRID.items():
        images, groups = skin(32) if name == "skin" else hippocampi(asked.side)
        patients = np.random.default_rng(0).permutation(np.unique(groups))
        first = np.array([np.flatnonzero(groups == patient)[0] for patient in patients])
        members, unused = images[first[:60]], images[first[60:120]]
        world = Split(members, unused, members[:0], groups[first[:120]])
        for generator in generators:
            if asked.only and generator not in asked.only.split(","):
                continue
            entry = GENERATORS[generator]
            own = {"steps": asked.steps} if entry.trains else {}
            made = create(GENERATORS, generator, "generator", **own)
            strangers = images[first[120:]] if entry.strangers else None
            generated = made.fit(members, 0, strangers=strangers).sample(MADE, 1)
            found = both(world, generated) if name == "skin" else audited(world, generated)
            yield {"data": name, "generator": generator, **own, **found}


PARTS = {
    "grid": grid,
    "chroma": chroma,
    "plain": plain,
    "cost": cost,
    "copies": copies,
    "leak": leak,
}


def told(row: dict[str, Any]) -> str:
    """One line: columns of evidence are told by the best one."""
    words = []
    for key, value in row.items():
        if key == "columns":
            best = max(value, key=value.__getitem__)
            words.append(f"primary {value[PRIMARY]:.3f}, best {best} {value[best]:.3f}")
        elif isinstance(value, dict):
            words.append(f"{key} ({told(value)})")
        else:
            words.append(f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}")
    return ", ".join(words)


def main() -> None:
    """Run the named parts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--side", type=int, default=24)
    parser.add_argument("--generator", default="vae")
    parser.add_argument("--options", default='{"batch": 8, "width": 16, "beta": 0.1}')
    parser.add_argument("--only", default="", help="names of generators, of the part grid")
    parser.add_argument("--folder", help="for the checkpoint of the training")
    asked = parser.parse_args()
    place = HERE / "results" / "kinds.json"
    results = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
    for part in asked.parts:
        name = f"{part} {asked.generator}" if part == "leak" else part
        results[name] = []
        for row in PARTS[part](asked):
            print(f"{part}: {told(row)}", flush=True)
            results[name].append(row)
        place.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
