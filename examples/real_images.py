"""Real X-rays and CT slices with a known answer: a copier is found, strangers are not.

    python examples/real_images.py cxr|ct DATA_FOLDER OUT [--seed N] [--clean]

DATA_FOLDER holds PNG files and an index.csv (columns file and person or group). Real images are
split by person; 10 % of the generated set are used images after a 2-degree turn, a slight blur
and noise, the rest are smooth mixes of strangers. With --clean the copies are of other persons,
who take no part in the audit. Writes OUT/used, OUT/unused, OUT/generated, OUT/query,
OUT/groups.csv and prints the commands to audit them.
"""

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import gaussian_filter, rotate

Floats: TypeAlias = npt.NDArray[np.floating]
GENERATED = 1000
COPIES = 100


@dataclass(frozen=True)
class Real:
    """One real image file and its person."""

    file: str
    group: str


def read_index(data: Path) -> list[Real]:
    """Rows of index.csv."""
    with (data / "index.csv").open(newline="", encoding="utf-8") as handle:
        return [
            Real(row["file"], row.get("person") or row["group"]) for row in csv.DictReader(handle)
        ]


def near_copy(pixels: Floats, rng: np.random.Generator) -> Floats:
    """Turn by 2 degrees, blur slightly, add noise; float 0..1."""
    turned = rotate(pixels, rng.choice([-2, 2]), reshape=False, order=1, mode="nearest")
    scale = pixels.shape[0] / 128
    noisy = gaussian_filter(turned, 0.7 * scale) + rng.normal(0, 0.02, pixels.shape)
    return np.asarray(np.clip(noisy, 0, 1))


def smooth_mix(strangers: Floats, rng: np.random.Generator) -> Floats:
    """Weighted mean of four strangers, blurred, with the same noise."""
    chosen = rng.choice(len(strangers), 4, replace=False)
    mixed = np.tensordot(rng.dirichlet(np.full(4, 2.0)), strangers[chosen], axes=1)
    blurred = gaussian_filter(mixed, strangers.shape[1] / 128)
    return np.asarray(np.clip(blurred + rng.normal(0, 0.02, mixed.shape), 0, 1))


def split(
    reals: list[Real], shares: dict[str, int], rng: np.random.Generator, one_each: bool
) -> dict[str, list[Real]]:
    """Persons -> roles: `shares` persons each; one image per person, or all of them."""
    groups = rng.permutation(sorted({real.group for real in reals}))
    roles: dict[str, list[Real]] = {}
    start = 0
    for role, count in shares.items():
        chosen = set(groups[start : start + count])
        start += count
        members = [real for real in reals if real.group in chosen]
        if one_each:
            members = list({real.group: real for real in reversed(members)}.values())
        roles[role] = members
    return roles


def build(kind: str, data: Path, out: Path, seed: int = 0, clean: bool = False) -> list[str]:
    """Write the folders; returns the ids (in used/, or in query/ for CT) that were copied.

    X-rays: 200 used and 200 unused persons, one image each (release mode: used against unused).
    CT: few groups of many slices; used and innocent groups are the queries, 22 groups calibrate.
    """
    rng = np.random.default_rng(seed)
    reals = read_index(data)
    if kind == "cxr":
        shares = {"used": 200, "unused": 200, "others": 200, "strangers": 400}
    else:
        shares = {"used": 14, "unused": 22, "innocent": 8, "others": 7, "strangers": 7}
    roles = split(reals, shares, rng, one_each=kind == "cxr")

    def load(members: list[Real]) -> Floats:
        return np.stack(
            [np.asarray(Image.open(data / r.file).convert("F"), np.float32) / 255 for r in members]
        )

    source = roles["others" if clean else "used"]
    chosen = rng.choice(len(source), min(COPIES, len(source)), replace=False)
    copied = [source[i] for i in chosen]
    strangers = load(roles["strangers"])
    generated = [near_copy(pixels, rng) for pixels in load(copied)]
    generated += [smooth_mix(strangers, rng) for _ in range(GENERATED - len(generated))]
    for k, pixels in enumerate(generated):
        save(out / "generated" / f"{k:04d}.png", pixels)
    folders = {"used": ["used"], "unused": ["unused"]}
    if kind == "ct":
        folders = {"query": ["used", "innocent"], "unused": ["unused"]}
    with (out / "groups.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "group"])
        for folder, members in folders.items():
            for role in members:
                for real in roles[role]:
                    (out / folder).mkdir(parents=True, exist_ok=True)
                    (out / folder / real.file).write_bytes((data / real.file).read_bytes())
                    writer.writerow([f"{folder}/{real.file}", real.group])
    if kind == "ct":
        with (out / "innocent.txt").open("w", encoding="utf-8") as handle:
            handle.writelines(f"{real.file}\n" for real in roles["innocent"])
    return [] if clean else [real.file for real in copied]


def save(path: Path, pixels: Floats) -> None:
    """8-bit grey PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.round(pixels * 255).astype(np.uint8)).save(path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=["cxr", "ct"])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clean", action="store_true")
    given = parser.parse_args()
    copied = build(given.kind, given.data, given.out, given.seed, given.clean)
    (given.out / "copied.txt").write_text("".join(f"{c}\n" for c in copied), encoding="utf-8")
    judged = "used" if given.kind == "cxr" else "query"
    print(
        f"vestige audit --generated {given.out}/generated --{judged} {given.out}/{judged} "
        f"--unused {given.out}/unused --groups {given.out}/groups.csv --out {given.out}/audit"
    )


if __name__ == "__main__":
    main()
