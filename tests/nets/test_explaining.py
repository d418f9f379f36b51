"""What a network sees of a pair: shapes, sums, sides, and curves of deletion."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs vestige[deep]")

from reference_worlds import reference_world  # noqa: E402
from vestige.detectors.siamese import Siamese  # noqa: E402
from vestige.detectors.siamese_hybrid import SiameseHybrid  # noqa: E402
from vestige.detectors.vit_canet import VitCanet  # noqa: E402
from vestige.images.overlay import enlarged  # noqa: E402
from vestige.nets.explaining import PairView, blurred  # noqa: E402
from vestige.types import Float32s, Floats, Images, PairExplainer  # noqa: E402

WORLD = reference_world("copy", 3)
G, U, N = WORLD.generated[:30], WORLD.used[:12], WORLD.unused[:10]
SMALL: dict[str, Any] = {"weights": "none", "size": 32, "epochs": 1, "batch": 8}
PAIRED: dict[str, Any] = {**SMALL, "draws": 16, "neighbours": 3}
HYBRID: dict[str, Any] = {"cnn": "tiny", "vit": "tiny_vit", "vit_weights": "none", **PAIRED}
MAKERS: dict[str, Any] = {
    "means": lambda: Siamese(backbone="tiny", attention=False, **PAIRED),
    "patches": lambda: Siamese(backbone="tiny", **PAIRED),
    "vit patches": lambda: Siamese(backbone="tiny_vit", **PAIRED),
    "hybrid": lambda: SiameseHybrid(**HYBRID),
    "hybrid single": lambda: SiameseHybrid(tokens="single", **HYBRID),
    "canet": lambda: VitCanet(backbone="tiny_vit", neighbours=2, strangers=1, **SMALL),
}


@pytest.mark.parametrize("name", MAKERS)
def test_every_network_has_maps_of_both_images(name: str) -> None:
    detector = MAKERS[name]().fit(G, U, N)
    assert isinstance(detector, PairExplainer)
    real, made = WORLD.used[20:30], WORLD.generated[40:50]
    maps = detector.explain_pairs(real, made)
    assert maps.shape == (10, 2, 32, 32) and maps.dtype == np.float32
    assert np.isfinite(maps).all() and maps.min() >= 0
    assert maps.any(axis=(0, 2, 3)).all()
    assert np.ptp(maps, axis=(2, 3)).max() > 0
    # a pair is explained and judged by itself
    np.testing.assert_allclose(detector.explain_pairs(real[3:4], made[3:4]), maps[3:4], atol=1e-6)
    scores = detector.score_pairs(real, made)
    assert scores.shape == (10,) and scores.dtype == np.float64
    np.testing.assert_allclose(detector.score_pairs(real[3:4], made[3:4]), scores[3:4], rtol=1e-4)


def test_a_pair_has_the_score_that_the_detector_gives_it() -> None:
    detector = MAKERS["patches"]().fit(G, U, N)
    detector.model_.plan = replace(detector.model_.plan, pairing="random")
    real = WORLD.used[20:21]
    logits = detector.model_.logits(real)[0]  # with every generated image, kept in 16 bits
    own = detector.score_pairs(np.repeat(real, len(G), axis=0), G)
    np.testing.assert_allclose(np.sort(own), np.sort(logits), atol=2e-3)


@pytest.mark.parametrize("tokens", ["patches", "single"])
def test_vectors_without_a_place_have_no_map(tokens: str) -> None:
    vit = Siamese(backbone="tiny_vit", attention=False, **PAIRED).fit(G, U, N)
    assert vit.explain_pairs(U[:2], G[:2]) is None
    canet = VitCanet(backbone="tiny_vit", tokens="single", neighbours=2, strangers=1, **SMALL)
    assert canet.fit(G, U, N).explain_pairs(U[:2], G[:2]) is None


def test_places_add_up_to_what_the_blur_costs() -> None:
    """A network that counts, so that each place is known: only where the images agree."""

    def places(x: Any) -> Any:
        grid = torch.nn.functional.avg_pool2d(x[:, :1], 4)
        return (grid.flatten(2).transpose(1, 2),)

    def judge(real: Any, generated: Any) -> Any:
        return 3 * (real[0] * generated[0]).sum(dim=(1, 2))

    view = PairView(places, judge, 32, torch.device("cpu"))
    real = np.full((2, 32, 32), 0.449, np.float32)  # close to the mean that networks take off
    real[0, 8:12, 20:24], real[1, 24:28, 4:8] = 1, 1
    maps = view.maps(real, real)
    assert maps is not None
    for pair, (row, column) in enumerate(((8, 20), (24, 4))):
        for side in (0, 1):
            at = np.unravel_index(maps[pair, side].argmax(), (32, 32))
            assert row - 1 <= at[0] <= row + 4 and column - 1 <= at[1] <= column + 4
    lost = view.logits(real, real) - view.logits(blurred(real), real)
    np.testing.assert_allclose(maps[:, 0].sum(axis=(1, 2)), lost, rtol=0.1)


def deleted(detector: Any, pairs: tuple[Images, Images], side: int, maps: Float32s) -> Floats:
    """Mean match score [k] while the places of a map are replaced, the strongest first."""
    fill = WORLD.generated.mean(axis=0)
    order = np.argsort(-maps.reshape(len(maps), -1), axis=1, kind="stable")
    scores = []
    for share in np.linspace(0, 1, 9):
        gone = np.zeros((len(maps), maps[0].size), bool)
        np.put_along_axis(gone, order[:, : int(share * maps[0].size)], True, axis=1)
        shown = list(pairs)
        shown[side] = np.where(gone.reshape(maps.shape), fill, pairs[side])
        scores.append(detector.score_pairs(*shown))
    return np.asarray(np.mean(scores, axis=0))


@pytest.mark.slow
@pytest.mark.parametrize("side", [0, 1])
def test_what_a_map_shows_carries_the_score(side: int) -> None:
    """Random maps of the same grid; measured with benchmarks/pair_maps.py: lower in .93 and .98."""
    options = {**PAIRED, "epochs": 10, "batch": 32, "draws": 1000, "learning_rate": 1e-3}
    detector = Siamese(backbone="tiny", attention=False, **options)
    detector.fit(WORLD.generated, WORLD.used[:60], WORLD.unused[:60])
    used = WORLD.used[60:]
    apart = ((used[:, np.newaxis] - WORLD.generated) ** 2).mean(axis=(2, 3))
    pairs = used, WORLD.generated[apart.argmin(axis=1)]
    found = deleted(detector, pairs, side, detector.explain_pairs(*pairs)[:, side])
    rng = np.random.default_rng(0)
    chance = np.mean(
        [
            deleted(detector, pairs, side, np.stack([enlarged(m, 32) for m in strange]))
            for strange in rng.random((10, len(used), 4, 4)).astype(np.float32)
        ],
        axis=0,
    )
    assert found.mean() < chance.mean() - 0.05 and np.mean(found < chance) > 0.8
