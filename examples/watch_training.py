"""Is my generator starting to memorise? Watch it while it trains.

    python examples/watch_training.py world/ --generator gan --out curve.csv --option steps=3000

Takes the reals of a world (see `vestige world build`), trains a generator on its members and looks
ten times on the way whether the members show in 1,000 samples. Rows are written as they come. A
training loop of your own needs only the lines inside `look`.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

import vestige
from vestige.registry.entries import create
from vestige.worlds import GENERATORS
from vestige.worlds.options import parse_options
from vestige.worlds.record import read_truth

LOOKS = 10
SAMPLES = 1000


def reals(world: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Members and non-members (without the reference), uint8 [n, h, w]."""
    truth = [row for row in read_truth(world) if row.role != "reference"]
    images = np.stack([np.asarray(Image.open(world / row.id)) for row in truth])
    used = np.array([row.used for row in truth])
    return images[used], images[~used]


def main() -> None:
    """Train, and look ten times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("world", type=Path)
    parser.add_argument("--generator", default="gan")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    members, others = reals(asked.world)
    options = parse_options(asked.generator, asked.option)
    generator = create(GENERATORS, asked.generator, "generator", **options)
    watch = vestige.Watch(members, others, looks=LOOKS)
    names = ["step", "auc", "low", "high", "p_value"]
    with asked.out.open("w", newline="", encoding="utf-8", buffering=1) as file:
        writer = csv.writer(file)
        writer.writerow(names)

        def look(stage: str, done: int, total: int) -> None:
            if done % max(1, total // LOOKS):
                return
            told = watch(generator.sample(SAMPLES), done)
            found = [told[f"vestige/{name}"] for name in ("auc", "auc_low", "auc_high", "p_value")]
            writer.writerow([done, *found])
            print(f"step {done}: AUC {found[0]:.2f}, p = {found[3]:.3g} after all looks so far")

        generator.fit(members.astype(np.float32) / np.float32(255), progress=look)


if __name__ == "__main__":
    main()
