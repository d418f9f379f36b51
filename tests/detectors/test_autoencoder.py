"""Auto-encoder detectors: errors by hand, one training for any order, copies found."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs vestige[deep]")

from reference_worlds import population, reference_world  # noqa: E402
from vestige.detectors.autoencoder import (  # noqa: E402
    AutoencoderOutlier,
    ReconstructionAutoencoder,
)
from vestige.nets.autoencoder import AutoEncoder, errors  # noqa: E402
from vestige.nets.pairs import content_order  # noqa: E402
from vestige.registry.entries import InputError  # noqa: E402
from vestige.stats.intervals import auc  # noqa: E402
from vestige.types import Floats, Images  # noqa: E402

WORLD = reference_world("copy", 3)
G, R = WORLD.generated[:60], WORLD.reference[:40]
X = np.concatenate([WORLD.used[:6], WORLD.unused[:6]])
SMALL: dict[str, Any] = {"steps": 6, "width": 4, "latent": 8, "batch": 16, "precision": "float32"}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def by_hand(net: AutoEncoder, images: Images) -> Floats:
    with torch.no_grad():
        drawn = (net(torch.from_numpy(images)[:, None] * 2 - 1)[:, 0].double() + 1) / 2
    return np.asarray(((drawn.numpy() - images) ** 2).mean(axis=(1, 2)))


@pytest.mark.parametrize("shape", [(32, 32), (64, 64), (16, 16), (24, 18), (5, 5), (3, 3)])
def test_any_shape_comes_back(shape: tuple[int, int]) -> None:
    net = AutoEncoder(shape, latent=7, width=4).eval()
    images = np.random.default_rng(0).random((3, *shape), dtype=np.float32)
    assert net(torch.zeros(2, 1, *shape)).shape == (2, 1, *shape)
    assert net.encoder(torch.zeros(2, 1, *shape)).shape == (2, 7)
    np.testing.assert_allclose(errors(net, images), by_hand(net, images), rtol=1e-6)


def test_the_outlier_score_is_minus_the_error() -> None:
    detector = AutoencoderOutlier(**SMALL).fit(G)
    np.testing.assert_allclose(detector.score_samples(X), -by_hand(detector.model_, X), rtol=1e-6)


def test_a_twentieth_is_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Images] = []
    before = AutoencoderOutlier._train

    def spy(self: AutoencoderOutlier, images: Images) -> Any:
        seen.append(images)
        return before(self, images)

    monkeypatch.setattr(AutoencoderOutlier, "_train", spy)
    for m, held in ((60, 3), (19, 0), (1, 0)):
        detector = AutoencoderOutlier(**SMALL).fit(G[:m], used=X, unused=R)
        assert detector.held_out_ is not None
        assert len(detector.held_out_) == held
        learned = {image.tobytes() for image in seen.pop()}
        rest = [image for image in G[:m] if image.tobytes() not in learned]
        assert len(learned) == m - held
        assert len(rest) == held
        if rest:
            order = content_order(np.stack(rest))
            wanted = by_hand(detector.model_, np.stack(rest)[order])
            np.testing.assert_allclose(detector.held_out_, wanted, rtol=1e-6)
    assert not seen


def test_the_ratio_is_of_two_networks_trained_alike() -> None:
    detector = ReconstructionAutoencoder(**SMALL).fit(G, unused=R)
    wanted = np.log(by_hand(detector.usual_, X)) - np.log(by_hand(detector.model_, X))
    np.testing.assert_allclose(detector.score_samples(X), wanted, atol=1e-6)
    backward = ReconstructionAutoencoder(**SMALL).fit(R, unused=G)
    np.testing.assert_array_equal(backward.score_samples(X), -detector.score_samples(X))
    same = ReconstructionAutoencoder(**SMALL).fit(G, unused=G[::-1])
    np.testing.assert_array_equal(same.score_samples(X), 0)


def test_the_bag_is_the_other_set() -> None:
    wanted = ReconstructionAutoencoder(**SMALL).fit(G, unused=X).score_samples(X)
    detector = ReconstructionAutoencoder(**SMALL).fit(G)
    np.testing.assert_array_equal(detector.score_pool(X), wanted)
    np.testing.assert_array_equal(detector.score_pool(X[::-1], np.arange(12))[::-1], wanted)


def test_another_seed_is_another_network() -> None:
    first, other = (AutoencoderOutlier(**SMALL, seed=s).fit(G).score_samples(X) for s in (0, 1))
    assert not np.allclose(first, other, rtol=1e-3)


def test_the_error_falls_with_training() -> None:
    short, long = (AutoencoderOutlier(**SMALL | {"steps": s}).fit(G).held_out_ for s in (2, 80))
    assert short is not None
    assert long is not None
    assert long.mean() < 0.5 * short.mean()


def test_a_constant_image_comes_back() -> None:
    grey = np.random.default_rng(0).random((40, 1, 1), dtype=np.float32) * np.ones(
        (1, 16, 16), np.float32
    )
    options = SMALL | {"steps": 100, "learning_rate": 5e-3}
    assert -AutoencoderOutlier(**options).fit(grey).score_samples(grey).min() < 0.01


def test_options_that_cannot_train_are_refused() -> None:
    with pytest.raises(InputError, match="latent must be above 0, 0 was given"):
        AutoencoderOutlier(latent=0).fit(G)


def test_finds_copies() -> None:
    """At 16 px .78 by reference, .80 in the cohort, .63 without either; the same on every run."""
    world = reference_world("copy", 0)
    used, unused, reference, generated = (
        np.ascontiguousarray(images[:, ::2, ::2])
        for images in (world.used, world.unused, world.reference, world.generated)
    )
    options: dict[str, Any] = SMALL | {"steps": 200, "width": 8, "latent": 64, "batch": 32}
    options["learning_rate"] = 5e-3
    ratio = ReconstructionAutoencoder(**options).fit(generated, unused=reference)
    outlier = AutoencoderOutlier(**options).fit(generated)
    queries = np.concatenate([used, unused])
    scores = ratio.score_samples(queries), ratio.score_pool(queries), outlier.score_samples(queries)
    by_reference, in_a_bag, alone = (auc(found[:100], found[100:]) for found in scores)
    assert by_reference > 0.7
    assert in_a_bag > 0.72
    assert alone > 0.56


def test_other_pictures_are_outliers() -> None:
    """Noise is drawn worse than images like those learned from."""
    others = population(10, np.random.default_rng(9))[0]
    noise = np.random.default_rng(0).random((10, 32, 32), dtype=np.float32)
    detector = AutoencoderOutlier(**SMALL | {"steps": 40}).fit(G)
    assert detector.score_samples(others).min() > detector.score_samples(noise).max()
