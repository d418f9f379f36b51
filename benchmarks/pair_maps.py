"""Are the maps of pair networks faithful? Deletion curves against random maps.

    PYTHONPATH=tests python benchmarks/pair_maps.py [NAME...]

Each network learns on 60 used and 60 unused images of the reference world "copy", and judges the 40
other used ones, each beside the generated image nearest to it. In one image of a pair the places of
the map are replaced, strongest first, by the mean of the generated images; the area under the curve
of the match score is compared with the mean area of random maps of the same grid.
"""

import sys
from typing import Any

import numpy as np

from reference_worlds import reference_world
from vestige.detectors.siamese import Siamese
from vestige.detectors.siamese_hybrid import SiameseHybrid
from vestige.detectors.vit_canet import VitCanet
from vestige.images.overlay import enlarged
from vestige.stats.intervals import auc
from vestige.types import Float32s, Floats, Images

KNOWN, STEPS, RANDOM = 60, 16, 20
FEWER = {"siamese_hybrid": (8, 5)}
"""Steps and random maps of the network whose scores are dear."""
SMALL: dict[str, Any] = {
    "weights": "none", "size": 32, "batch": 32, "epochs": 10, "learning_rate": 1e-3,
}  # fmt: skip
PAIRED: dict[str, Any] = {**SMALL, "neighbours": 3, "draws": 1000}
NETWORKS: dict[str, tuple[Any, int]] = {
    "siamese": (Siamese(backbone="tiny", attention=False, **PAIRED), 4),
    "siamese_hybrid": (
        SiameseHybrid(
            cnn="tiny",
            vit="tiny_vit",
            vit_weights="none",
            **{**PAIRED, "epochs": 5, "draws": 500},
        ),
        7,
    ),
    "vit_canet": (VitCanet(backbone="tiny_vit", **SMALL), 2),
}
"""The detectors, and the side of the finest grid that each looks at."""


def area(detector: Any, pairs: tuple[Images, Images], side: int, maps: Float32s) -> Floats:
    """Mean of the match score [k] over the shares of the image that are replaced, 0 to 1."""
    steps = FEWER.get(detector.name, (STEPS, RANDOM))[0]
    fill, pixels = FILL, maps[0].size
    order = np.argsort(-maps.reshape(len(maps), -1), axis=1, kind="stable")
    scores = []
    for share in np.linspace(0, 1, steps + 1):
        gone = np.zeros((len(maps), pixels), bool)
        np.put_along_axis(gone, order[:, : int(share * pixels)], True, axis=1)
        shown = list(pairs)
        shown[side] = np.where(gone.reshape(maps.shape), fill, pairs[side])
        scores.append(detector.score_pairs(*shown))
    return np.asarray(np.mean(scores, axis=0))


WORLD = reference_world("copy", 3)
FILL = WORLD.generated.mean(axis=0)


def main() -> None:
    """One line per network and side: the figures of the page."""
    used, unused = WORLD.used[KNOWN:], WORLD.unused[KNOWN:]
    apart = ((used[:, np.newaxis] - WORLD.generated) ** 2).mean(axis=(2, 3))
    pairs = used, WORLD.generated[apart.argmin(axis=1)]
    rng = np.random.default_rng(0)
    for name in sys.argv[1:] or list(NETWORKS):
        detector, grid = NETWORKS[name]
        detector.fit(WORLD.generated, WORLD.used[:KNOWN], WORLD.unused[:KNOWN])
        scores = [detector.score_samples(one) for one in (used, unused)]
        print(f"{name}: AUC {auc(*scores):.3f}")
        maps = detector.explain_pairs(*pairs)
        for side, told in enumerate(("real", "generated")):
            shape = (FEWER.get(name, (STEPS, RANDOM))[1], len(used), grid, grid)
            strange = rng.random(shape).astype(np.float32)
            chance = [
                area(detector, pairs, side, np.stack([enlarged(m, maps.shape[-1]) for m in one]))
                for one in strange
            ]
            by_map, by_chance = area(detector, pairs, side, maps[:, side]), np.mean(chance, axis=0)
            blank = list(pairs)
            blank[side] = np.broadcast_to(FILL, pairs[side].shape)
            lost = (detector.score_pairs(*pairs) - detector.score_pairs(*blank)).mean()
            gain = (by_chance - by_map).mean() / lost
            print(
                f"  {told}: area {by_map.mean():.3f}, random {by_chance.mean():.3f} "
                f"({gain:.1%} of the {lost:.2f} that is lost in all), "
                f"lower in {np.mean(by_map < by_chance):.1%} of {len(used)} pairs",
                flush=True,
            )


if __name__ == "__main__":
    main()
