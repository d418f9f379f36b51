"""Does the line for near copies hold? Worlds without a copy, and with copies of every kind.

    python benchmarks/copy_rule.py [null] [recall] [used] [--worlds N] [--seed N] [--data DIR]

One process; Markdown tables on standard output. `null`: N worlds in which every generated image was
made of persons in no role. Four worlds share their images and their search and differ in which
patients are judged, which calibrate and how many images of a patient count. `recall`: shares of
near copies that are named. `used`: calibrating images that were copied too. Without the folder of
images (--data) only phantoms are searched.
"""

import argparse
import csv
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, rotate

from vestige.copies.pairs import Block, compare
from vestige.copies.search import CAUTIOUS_FLOOR, CopySearch, search_copies
from vestige.features.pixels import shrink
from vestige.stats.copy_line import copy_line
from vestige.worlds.phantom import chest_phantoms

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
FOLDERS = {
    "X-ray": ("cxr_kermany", "person"),
    "CT": ("ct_iqoth", "group"),
    "skin": ("skin_pad_ufes", "group"),
}
DIVISIONS = 4
MADE_OF = ("other persons' images", "blends", "Gaussian", "smooth", "mixed")
CAPS = ((1, 1), (1, 10), (10, 1), (10, 10), (3, 3))
"""Most images of a calibrating and of a target patient."""
SETS = (("20 + 20 patients", 20, 20), ("20 + 280 patients", 20, 280), ("100 + 200", 100, 200))
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Source:
    """Real images [n, 64, 64] and their persons, 0 to `persons` - 1."""

    name: str
    images: Array
    person: Array

    @property
    def persons(self) -> int:
        """Number of persons."""
        return int(self.person.max()) + 1

    def drawn(self, counts: Array, rng: np.random.Generator) -> Array:
        """Rows of at most counts[i] random images of person i."""
        order = rng.permutation(len(self.person))
        order = order[np.argsort(self.person[order], kind="stable")]
        persons = self.person[order]
        rank = np.arange(len(order)) - np.searchsorted(persons, persons)
        return order[rank < counts[persons]]


def best_lead(best: Array | None, block: Block) -> Array:
    """Pass over all pairs: the largest lead of each real."""
    found = block.lead.max(axis=0)
    return found if best is None else np.maximum(best, found)


def sources(data: Path) -> list[Source]:
    """Phantoms, and what the folder has."""
    images, person = chest_phantoms(900, 64, seed=5, slices_per_patient=2)
    found = [Source("phantom", images, person)]
    for name, (folder, column) in FOLDERS.items():
        if not (data / folder).is_dir():
            continue
        with open(data / folder / "index.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        pictures = [Image.open(data / folder / row["file"]).convert("L") for row in rows]
        pixels = np.stack([np.asarray(picture, np.float32) / 255 for picture in pictures])
        person = np.unique([row[column] for row in rows], return_inverse=True)[1]
        found.append(Source(name, shrink(pixels, 64), person))
    return found


def stored(images: Array) -> Array:
    """As 8-bit files hold them."""
    return np.asarray(np.rint(np.clip(images, 0, 1) * 255) / 255, np.float32)


def made_of(kind: str, reals: Array, m: int, rng: np.random.Generator) -> Array:
    """Generated images that copy nobody but the strangers they are made of."""
    if kind == "other persons' images":
        return reals[rng.permutation(len(reals))[:m]]
    if kind == "blends":
        weights = rng.dirichlet(np.full(4, 3.0), m)
        weights[np.arange(4) >= rng.integers(2, 5, m)[:, None]] = 0
        weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
        parts = rng.integers(0, len(reals), (m, 4))
        return sum(weights[:, j, None, None] * reals[parts[:, j]] for j in range(4))
    if kind == "Gaussian":
        rows = reals[rng.permutation(len(reals))[:300]].reshape(min(300, len(reals)), -1)
        mean = rows.mean(axis=0)
        _, scale, axes = np.linalg.svd(rows - mean, full_matrices=False)
        axes = axes[:16] * scale[:16, None] / np.sqrt(len(rows))
        drawn = mean + rng.standard_normal((m, len(axes))) @ axes
        return stored(drawn.reshape(m, *reals.shape[1:]))
    if kind == "smooth":
        chosen = reals[rng.integers(0, len(reals), m)]
        return stored(gaussian_filter(chosen, (0, *[rng.uniform(1, 3)] * 2)))
    third = m // 3
    parts = [made_of(kind, reals, third, rng) for kind in MADE_OF[:2]]
    return np.concatenate([*parts, made_of("Gaussian", reals, m - 2 * third, rng)])


def turned(images: Array) -> Array:
    """By two degrees."""
    return rotate(images, 2, axes=(1, 2), reshape=False, order=1, mode="nearest")


def noisy(images: Array, rng: np.random.Generator) -> Array:
    """With noise of 4 grey values of 255."""
    return images + rng.normal(0, 4 / 255, images.shape)


def all_three(images: Array, rng: np.random.Generator) -> Array:
    """Turned, blurred and noisy."""
    return noisy(gaussian_filter(turned(images), (0, 0.5, 0.5)), rng)


def jpeg(images: Array, quality: int = 75) -> Array:
    """Written as JPEG and read again."""
    again = []
    for image in np.rint(images * 255).astype(np.uint8):
        Image.fromarray(image).save(file := BytesIO(), "JPEG", quality=quality)
        again.append(np.asarray(Image.open(file), np.float32) / 255)
    return np.stack(again)


KINDS = {
    "verbatim": lambda x, rng: x,
    "turn 2 degrees": lambda x, rng: turned(x),
    "blur .5 px": lambda x, rng: gaussian_filter(x, (0, 0.5, 0.5)),
    "noise 4/255": noisy,
    "JPEG 75": lambda x, rng: jpeg(x),
    "gamma .8": lambda x, rng: x**0.8,
    "gamma 1.25": lambda x, rng: x**1.25,
    "turn, blur, noise": all_three,
    "mirrored": lambda x, rng: x[:, :, ::-1],
    "mirrored, turn, blur, noise": lambda x, rng: all_three(x, rng)[:, :, ::-1],
}


def copied(kind: str, images: Array, rng: np.random.Generator) -> Array:
    """Near copies of a kind."""
    return stored(KINDS[kind](images, rng))


def spread_log(low: int, high: int, rng: np.random.Generator) -> int:
    """A number between two, evenly on a log scale."""
    return int(np.exp(rng.uniform(np.log(low), np.log(high + 1))))


def null_worlds(pools: list[Source], worlds: int, seed: int) -> Iterator[dict[str, Any]]:
    """What is named in worlds without copies."""
    for number in range(-(-worlds // DIVISIONS)):
        rng = np.random.default_rng([seed, number])
        source = pools[rng.integers(len(pools))]
        n = min(spread_log(40, 2500, rng), int(0.8 * source.persons))
        cap, side = int(rng.choice([1, 3, 10])), int(rng.choice([32, 64]))
        counts = np.zeros(source.persons, int)
        order = rng.permutation(source.persons)
        counts[order[:n]] = rng.integers(1, cap + 1, n)
        rows = source.drawn(counts, rng)
        strangers = shrink(source.images[np.isin(source.person, order[n:])], side)
        kind = MADE_OF[number % len(MADE_OF)]
        made = made_of(kind, strangers, spread_log(100, 2000, rng), rng)
        persons = source.person[rows]
        pool = compare(shrink(source.images[rows], side), persons, made, "mirror")
        best = pool.over_all(best_lead, np.maximum)
        between = pool.best_lead_between_reals() if len(rows) < 1500 else None
        cautious = None
        if between is not None:
            line = copy_line(between, persons, len(rows), n, floor=CAUTIOUS_FLOOR)
            cautious = bool((best > line.line).any())
        for division in range(DIVISIONS):
            calibrating = spread_log(20, min(500, n - 20), rng)
            few, many = CAPS[rng.integers(len(CAPS))]
            caps = np.zeros(source.persons, int)
            among = rng.permutation(order[:n])
            caps[among[:calibrating]], caps[among[calibrating:]] = few, many
            rank = np.arange(len(rows)) - np.searchsorted(persons, persons)
            kept, calibration = rank < caps[persons], np.isin(persons, among[:calibrating])
            c, t = kept & calibration, kept & ~calibration
            line = copy_line(best[c], persons[c], int(t.sum()), n - calibrating)
            yield {
                "source": source.name,
                "made": kind,
                "calibrating": calibrating,
                "targets": bool((best[t] > line.line).any()),
                "calibration": line.copied > 0 or not line.usable,
                "line": line.line,
                "old": bool((best[t] > best[c].max() + 2 * best[c].std()).any()),
                "cautious": cautious if division == 0 else None,
            }


def null_table(pools: list[Source], worlds: int, seed: int) -> None:
    """Shares of null worlds in which anything is named."""
    rows = list(null_worlds(pools, worlds, seed))
    print("| worlds | number | target named | calibration named | by + 2 sd | line, 50, 95 % |")
    print("|---|---|---|---|---|---|")
    sizes = ((20, 49), (50, 149), (150, 500))
    parts = {"all": rows}
    parts |= {
        f"{a} to {b} calibrate": [r for r in rows if a <= r["calibrating"] <= b] for a, b in sizes
    }
    parts |= {name: [r for r in rows if r["made"] == name] for name in MADE_OF}
    parts |= {s.name: [r for r in rows if r["source"] == s.name] for s in pools}
    for name, part in parts.items():
        if not part:
            continue
        shares = [np.mean([r[k] for r in part]) for k in ("targets", "calibration", "old")]
        middle, high = np.quantile([r["line"] for r in part], (0.5, 0.95))
        shown = " | ".join(f"{100 * share:.2f} %" for share in shares)
        print(f"| {name} | {len(part)} | {shown} | {middle:.2f}, {high:.2f} |")
    cautious = [r["cautious"] for r in rows if r["cautious"] is not None]
    print(f"\nWithout calibration: {sum(cautious)} of {len(cautious)} null sets name any real.\n")


@dataclass(frozen=True)
class Setting:
    """A cohort with its roles, and a generated set without copies."""

    images: Array
    person: Array
    calibration: Array
    made: Array

    def searched(self, made: Array, calibration: Array | None = None) -> CopySearch:
        """The search in another generated set."""
        calibration = self.calibration if calibration is None else calibration
        return search_copies(self.images, self.person, calibration, ~self.calibration, made)


def setting(
    source: Source, calibrating: int, targets: int, kind: str, side: int, rng: np.random.Generator
) -> Setting:
    """One image a patient where there are many, up to ten where there are few; 1,000 generated."""
    if source.persons < calibrating + targets + 10:
        targets = source.persons - calibrating - 10
    order = rng.permutation(source.persons)
    roles, cap = order[: calibrating + targets], 10 if targets <= 30 else 1
    counts = np.zeros(source.persons, int)
    counts[roles] = rng.integers(1, cap + 1, len(roles))
    rows = source.drawn(counts, rng)
    strangers = source.images[np.isin(source.person, order[len(roles) :])]
    made = made_of(kind, shrink(strangers, side), 1000, rng)
    calibration = np.isin(source.person[rows], roles[:calibrating])
    return Setting(shrink(source.images[rows], side), source.person[rows], calibration, made)


def planted(
    world: Setting, originals: Array, kinds: list[str], rng: np.random.Generator
) -> tuple[Array, Array]:
    """The generated set with copies of some rows in it, and where they are."""
    at = rng.permutation(len(world.made))[: len(originals)]
    made = world.made.copy()
    for kind in set(kinds):
        those = np.array([k == kind for k in kinds])
        made[at[those]] = copied(kind, world.images[originals[those]], rng)
    return made, at


def named(real: Array, generated: Array, originals: Array, at: Array) -> Array:
    """Which of the planted pairs are among those that were found."""
    pairs = set(zip(real.tolist(), generated.tolist(), strict=True))
    return np.array([pair in pairs for pair in zip(originals.tolist(), at.tolist(), strict=True)])


def recall_table(pools: list[Source], repeats: int, seed: int) -> None:
    """Shares of planted pairs that are named: one of each kind in a set, and all of one kind."""
    print("| kind | set | one copy: pairs, named | all copied: pairs, named | worst set |")
    print("|---|---|---|---|---|")
    found: dict[tuple[str, str, bool], list[Array]] = defaultdict(list)
    for number in range(repeats):
        for s, source in enumerate(pools):
            for t, (title, calibrating, targets) in enumerate(SETS):
                if source.persons < calibrating + 30:
                    continue
                rng = np.random.default_rng([seed, number, s, t])
                side, kind = (32, 64)[(number + s) % 2], MADE_OF[(number + s + t) % len(MADE_OF)]
                world = setting(source, calibrating, targets, kind, side, rng)
                targets = np.flatnonzero(~world.calibration)[: len(world.made)]
                originals = rng.permutation(targets)[: len(KINDS)]
                kinds = rng.permutation(list(KINDS)).tolist()[: len(originals)]
                made, at = planted(world, originals, kinds, rng)
                near = world.searched(made).targets
                for k, hit in zip(
                    kinds, named(near.real, near.generated, originals, at), strict=True
                ):
                    found[k, title, False].append(np.array([hit]))
                for k in rng.permutation(list(KINDS))[:3].tolist():
                    made, at = planted(world, targets[:1000], [k] * min(len(targets), 1000), rng)
                    near = world.searched(made).targets
                    found[k, title, True].append(
                        named(near.real, near.generated, targets[:1000], at)
                    )
    for kind in KINDS:
        for title, *_ in SETS:
            alone = np.concatenate([*found[kind, title, False], np.empty(0, bool)])
            many = found[kind, title, True]
            pooled = np.concatenate([*many, np.empty(0, bool)])
            if not len(alone) or not many:
                continue
            worst = min(part.mean() for part in many)
            print(
                f"| {kind} | {title} | {len(alone)}, {100 * alone.mean():.1f} % "
                f"| {len(pooled)}, {100 * pooled.mean():.1f} % | {100 * worst:.1f} % |"
            )
    print()


def used_table(pools: list[Source], repeats: int, seed: int) -> None:
    """Calibrating images that have copies themselves."""
    print(
        "| calibrating copied | sets | usable | targets named | calibrating named | others named |"
    )
    print("|---|---|---|---|---|---|")
    for share in (0.1, 1 / 3, 0.9):
        rows = []
        for number in range(repeats):
            for s, source in enumerate(pools):
                rng = np.random.default_rng([seed, number, s, int(100 * share)])
                side, kind = (32, 64)[number % 2], MADE_OF[(number + s) % len(MADE_OF)]
                world = setting(source, 20, (20, 280)[number % 2], kind, side, rng)
                first = np.unique(world.person, return_index=True)[1]
                calibration, targets = (
                    first[world.calibration[first]],
                    first[~world.calibration[first]],
                )
                bad = rng.permutation(calibration)[: round(share * len(calibration))]
                good = rng.permutation(targets)[:5]
                originals = np.concatenate([bad, good])
                kinds = rng.choice(list(KINDS), len(originals)).tolist()
                made, at = planted(world, originals, kinds, rng)
                found = world.searched(made)
                near, far = found.targets, found.calibration
                hits = named(near.real, near.generated, good, at[len(bad) :])
                reported = named(far.real, far.generated, bad, at[: len(bad)])
                other = len(set(near.real.tolist() + far.real.tolist()) - set(originals.tolist()))
                rows.append((found.line.usable, hits.mean(), reported.mean(), other))
        usable, hits, reported, other = np.array(rows, float).T
        print(
            f"| {100 * share:.0f} % | {len(rows)} | {int(usable.sum())} "
            f"| {100 * hits.mean():.1f} % | {100 * reported.mean():.1f} % | {int(other.sum())} |"
        )
    print()


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", default=[], help="null, recall, used; all by default")
    parser.add_argument("--worlds", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5, help="of recall and used")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=DATA)
    asked = parser.parse_args()
    parts = asked.parts or ["null", "recall", "used"]
    pools = sources(asked.data)
    if "null" in parts:
        null_table(pools, asked.worlds, asked.seed)
    if "recall" in parts:
        recall_table(pools, asked.repeats, asked.seed)
    if "used" in parts:
        used_table(pools, asked.repeats, asked.seed)


if __name__ == "__main__":
    main()
