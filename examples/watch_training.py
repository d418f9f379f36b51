"""Is my generator starting to memorise? Audit it while it trains.

    python examples/watch_training.py world/ --generator gan --out curve.csv --option steps=3000

Takes the reals of a world (see `vestige world build`), trains a generator on its members and asks
`vestige.audit` ten times on the way whether the members show in 1,000 samples. A training loop of
your own needs only the lines inside `look`.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from PIL import Image

import vestige
from vestige.registry.entries import create
from vestige.worlds import GENERATORS
from vestige.worlds.options import parse_options
from vestige.worlds.record import read_truth

LOOKS = 10
SAMPLES = 1000


def reals(world: Path) -> tuple[np.ndarray, np.ndarray]:
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
    rows = []

    def look(stage: str, done: int, total: int) -> None:
        if done % max(1, total // LOOKS):
            return
        samples = generator.sample(SAMPLES)
        result = vestige.audit(generated=samples, used=members, unused=others)
        assert result.set_test is not None  # noqa: S101  # used and unused images were given
        auc, p = result.set_test.auc, result.set_test.p_value
        rows.append([done, auc.value, auc.low, auc.high, p])
        print(f"step {done}: AUC {auc.value:.2f} [{auc.low:.2f}, {auc.high:.2f}], p = {p:.3g}")

    generator.fit(members.astype(np.float32) / np.float32(255), progress=look)
    with asked.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "auc", "low", "high", "p_value"])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
