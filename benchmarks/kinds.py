"""Colour images and volumes of real patients: what is found beyond grey pictures, at which cost.

    python benchmarks/kinds.py [PART...] [--seeds N] [--only DATA-GENERATOR,...]

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
grid : each generator of colour (skin) and of volumes (hippocampus), of 60 members; colour also as
    luma, volumes also by their middle planes alone; --only skin-vae,... runs some and keeps the
    results of the others
null : --worlds whole audits of each kind in which nothing was used: random splits by patient,
    beside draws of a Gaussian fitted on others; how often the set test rejects, names and copies
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import numpy as np
from scipy.stats import binom

import vestige
from kinds_data import HERE, Split, audited, hippocampi, seen, skin, split
from vestige.copies.search import search_copies
from vestige.images.kinds import luma_of, pictures_of, planes_of
from vestige.registry.entries import create
from vestige.schema.records import Q_LEVEL
from vestige.types import Bools, Images, Ints
from vestige.worlds import GENERATORS
from vestige.worlds.copier import Copier
from vestige.worlds.pca_gaussian import PcaGaussian

MADE = 600
PLANES = ("axial", "coronal", "sagittal")
PRIMARY = "matched_filter_pool_32"


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
    both(world, made)  # what the first run alone pays, such as imports, is no cost of colour
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


GRID: dict[str, dict[str, tuple[int, dict[str, Any]]]] = {
    "skin": {
        "copier": (32, {}),
        "vae": (32, {"steps": 300}),
        "gan": (32, {"steps": 300}),
        "diffusion": (32, {"steps": 300, "sampling_steps": 20}),
    },
    "hippocampus": {
        "copier": (24, {}),
        "pca_gaussian": (24, {}),
        "vae": (24, {"steps": 1500, "batch": 8, "width": 16, "beta": 0.1}),
        "diffusion": (
            16,
            {
                "steps": 2000,
                "batch": 8,
                "width": 32,
                "learning_rate": 1e-3,
                "sampling_steps": 20,
            },
        ),
    },
}
"""Side and options of each generator of each data set."""
MEMBERS = 60


def grid(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Generators of 60 members; as many others are the unused images, the rest are strangers."""
    for data, generators in GRID.items():
        for name, (side, options) in generators.items():
            if asked.only and f"{data}-{name}" not in asked.only.split(","):
                continue
            images, groups = skin(side) if data == "skin" else hippocampi(side)
            patients = np.random.default_rng(0).permutation(np.unique(groups))
            first = np.array([np.flatnonzero(groups == patient)[0] for patient in patients])
            members, unused, rest = np.split(images[first], [MEMBERS, 2 * MEMBERS])
            world = Split(members, unused, members[:0], groups[first[: 2 * MEMBERS]])
            made = create(GENERATORS, name, "generator", **options)
            strangers = rest if GENERATORS[name].strangers else None
            start = process_time()
            generated = made.fit(members, 0, strangers=strangers).sample(MADE, 1)
            taken = {"minutes": (process_time() - start) / 60, "figures": dict(made.figures)}
            found = both(world, generated) if data == "skin" else by_plane(world, generated)
            yield {"data": data, "generator": name, "side": side, **options, **taken, **found}


def by_plane(world: Split, generated: Images) -> dict[str, Any]:
    """The audit of volumes, and those of their middle planes."""
    found = {"volume": audited(world, generated)}
    for k, plane in enumerate(PLANES):

        def look(volumes: Images, k: int = k) -> Images:
            return np.ascontiguousarray(pictures_of(volumes)[:, k])

        found[plane] = audited(seen(world, look), look(generated))
    return found


NULL: dict[str, tuple[int, tuple[float, float]]] = {
    "hippocampus": (12, (0.2, 0.2)),
    "skin": (32, (0.06, 0.06)),
}
"""Side, and shares of the patients that are called used and unused."""
NULL_MADE, NULL_FITTED = 40, 100
RATES = (0.01, 0.05, 0.1)


def null(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Audits of random splits by patient beside images that know neither side."""
    for data, (side, shares) in NULL.items():
        images, groups = skin(side) if data == "skin" else hippocampi(side)
        start, told = process_time(), []
        for seed in range(asked.worlds):
            world = split(images, groups, shares, seed)
            made = PcaGaussian().fit(world.strangers[:NULL_FITTED], seed).sample(NULL_MADE, seed)
            told.append(_said(world, made, seed))
        p = np.array([one["p"] for one in told])
        counts = {f"set {rate:g}": int((p <= rate + 1e-12).sum()) for rate in RATES}
        for name in ("named", "copies", "found"):
            counts[name] = sum(one[name] for one in told)
        bands = {f"band {rate:g}": binom.interval(0.99, len(p), rate) for rate in RATES}
        minutes = (process_time() - start) / 60
        row: dict[str, Any] = {"data": data, "side": side, "worlds": len(p), **counts}
        yield (
            row
            | {"minutes": minutes, "p": p.tolist()}
            | {name: [int(end) for end in ends] for name, ends in bands.items()}
        )


def _said(world: Split, made: Images, seed: int) -> dict[str, Any]:
    """P of the set, images named, generated images called copies, whether something is found."""
    patients = [*(f"used/{k:06d}" for k in range(len(world.members)))]
    patients += [f"unused/{k:06d}" for k in range(len(world.unused))]
    with TemporaryDirectory() as folder:
        table = Path(folder) / "groups.csv"
        rows = [f"{name},{group}" for name, group in zip(patients, world.groups, strict=True)]
        table.write_text("\n".join(["id,group", *rows]), encoding="utf-8")
        result = vestige.audit(
            made, world.members, world.unused, groups=table, seed=seed, checks=False,
            detectors=["matched_filter_pool", "nearest_distance"], engine="local:1",
            release_curve=False,
        )  # fmt: skip
    return {
        "p": 1.0 if result.set_test is None else result.set_test.p_value,
        "named": sum(f.q_value is not None and f.q_value <= Q_LEVEL for f in result.findings),
        "copies": len(result.copies),
        "found": result.decision.gate == "closed",
    }


PARTS = {
    "grid": grid,
    "chroma": chroma,
    "plain": plain,
    "cost": cost,
    "copies": copies,
    "null": null,
}


def told(row: dict[str, Any]) -> str:
    """One line: columns of evidence are told by the best one."""
    words = []
    for key, value in row.items():
        if key == "p":
            continue
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
    parser.add_argument("--worlds", type=int, default=200, help="of the part null")
    parser.add_argument("--only", default="", help="names of generators, of the part grid")
    asked = parser.parse_args()
    place = HERE / "results" / "kinds.json"
    results = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
    for part in asked.parts:
        kept = results.get(part, []) if part == "grid" and asked.only else []
        again = asked.only.split(",")
        results[part] = [r for r in kept if f"{r['data']}-{r['generator']}" not in again]
        for row in PARTS[part](asked):
            print(f"{part}: {told(row)}", flush=True)
            results[part].append(row)
            place.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
