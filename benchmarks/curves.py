"""AUC against the number of released samples, for worlds that `benchmarks/grid.py` built.

    python benchmarks/curves.py --worlds worlds

Writes benchmarks/results/samples.json; benchmarks/leakage.py draws it.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

import vestige
from vestige.worlds.record import read_truth

HERE = Path(__file__).resolve().parent
SIZES = (30, 100, 300, 1000, 2000)


def pixels(files: list[Path]) -> np.ndarray:
    """Images as uint8 [n, h, w]."""
    return np.stack([np.asarray(Image.open(file)) for file in files])


def curve(world: Path) -> list[dict[str, float]]:
    """The release question, asked of the first k generated images."""
    truth = [row for row in read_truth(world) if row.role != "reference"]
    used = pixels([world / row.id for row in truth if row.used])
    unused = pixels([world / row.id for row in truth if not row.used])
    generated = pixels(sorted((world / "generated").iterdir()))
    points = []
    for size in (s for s in SIZES if s <= len(generated)):
        test = vestige.audit(generated=generated[:size], used=used, unused=unused).set_test
        auc = test.auc
        point = {"samples": size, "auc": auc.value, "low": auc.low, "high": auc.high}
        points.append(point | {"p_value": test.p_value})
        print(world.name, points[-1], flush=True)
    return points


def main() -> None:
    """Measure the worlds whose default AUC is worth a curve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=Path, default=Path("worlds"))
    parser.add_argument("--only", nargs="+", required=True, help="names of worlds")
    asked = parser.parse_args()
    file = HERE / "results" / "samples.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    for name in asked.only:
        known[name] = curve(asked.worlds / name)
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
