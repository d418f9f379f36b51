"""Cosines in an encoder's features against brute force; the encoder sees no real image."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs vestige[deep]")

from reference_worlds import reference_world  # noqa: E402
from vestige.detectors.encoder_cosine import (  # noqa: E402
    ContrastiveEncoder,
    EncoderCosine,
    SsimEncoder,
)
from vestige.features.self_supervised import SelfSupervised  # noqa: E402
from vestige.registry.entries import InputError  # noqa: E402
from vestige.stats.intervals import auc  # noqa: E402
from vestige.types import Floats, Images  # noqa: E402

WORLD = reference_world("copy", 4)
G, R = WORLD.generated[:60], WORLD.reference[:30]
X = np.concatenate([WORLD.used[:10], WORLD.unused[:10]])
GROUPS = np.arange(20) // 2
SMALL: dict[str, Any] = {"steps": 3, "batch": 8, "width": 4, "precision": "float32"}
each = pytest.mark.parametrize("kind", [ContrastiveEncoder, SsimEncoder])
each_layer = pytest.mark.parametrize("layer", ["output", "stage2"])


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def rows_of(detector: EncoderCosine, images: Images) -> Floats:
    return np.asarray(detector.embed_.transform(images).astype(np.float64))


def whitened(rows: Floats, by: Floats) -> Floats:
    """Principal components of `by`, each over sqrt(variance + a tenth of the mean), unit rows."""
    _, values, span = np.linalg.svd(by - by.mean(axis=0), full_matrices=False)
    variances = values**2 / len(by)
    kept = variances > 1e-6 * variances[0]
    variances, span = variances[kept], span[kept]
    out = (rows - by.mean(axis=0)) @ span.T / np.sqrt(variances + 0.1 * variances.mean())
    return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True))


@each
@each_layer
def test_the_difference_equals_brute_force(kind: type[EncoderCosine], layer: Any) -> None:
    detector = kind(**SMALL, layer=layer, whiten=False).fit(G, unused=R)
    x, g, r = (rows_of(detector, images) for images in (X, G, R))
    wanted = (x @ g.T).max(axis=1) - (x @ r.T).max(axis=1)
    np.testing.assert_allclose(detector.score_samples(X), wanted, atol=1e-6)
    among = x @ x.T
    among[GROUPS[:, None] == GROUPS] = -2
    wanted = (x @ g.T).max(axis=1) - among.max(axis=1)
    np.testing.assert_allclose(detector.score_pool(X, GROUPS), wanted, atol=1e-6)


@each
@each_layer
def test_the_whitened_form_equals_brute_force(kind: type[EncoderCosine], layer: Any) -> None:
    detector = kind(**SMALL, layer=layer).fit(G, unused=R)
    x, g, r = (rows_of(detector, images) for images in (X, G, R))
    for by, found in ((r, detector.score_samples(X)), (x, detector.score_pool(X, GROUPS))):
        cosines = whitened(x, by) @ whitened(g, by).T
        wanted = np.sort(cosines, axis=1)[:, -3:].mean(axis=1)
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=2e-4)  # float32 components


@each
def test_the_encoder_never_sees_a_real_image(
    kind: type[EncoderCosine], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Images] = []
    before = SelfSupervised.fit

    def spy(self: SelfSupervised, images: Images) -> SelfSupervised:
        seen.append(images)
        return before(self, images)

    monkeypatch.setattr(SelfSupervised, "fit", spy)
    detector = kind(**SMALL).fit(G, used=WORLD.used, unused=R)
    detector.score_samples(X)
    detector.score_pool(X, GROUPS)
    assert len(seen) == 1
    np.testing.assert_array_equal(seen[0], G)


@each
def test_a_reference_is_needed_unless_nothing_is_compared_with_it(
    kind: type[EncoderCosine],
) -> None:
    plain = kind(**SMALL, whiten=False, calibrate=False).fit(G)
    x, g = (rows_of(plain, images) for images in (X, G))
    np.testing.assert_allclose(plain.score_samples(X), (x @ g.T).max(axis=1), atol=1e-6)
    np.testing.assert_array_equal(plain.score_pool(X), plain.score_samples(X))
    for options in ({"whiten": True, "calibrate": False}, {"whiten": False}):
        with pytest.raises(InputError, match="unused real images"):
            kind(**SMALL, **options).fit(G).score_samples(X)
    with pytest.raises(InputError, match="at least two groups"):
        kind(**SMALL, whiten=False).fit(G).score_pool(X, np.zeros(20))


@each
def test_a_verbatim_copy_is_a_finding(kind: type[EncoderCosine]) -> None:
    detector = kind(**SMALL, whiten=False, calibrate=False).fit(np.concatenate([G, X[:1]]))
    found = detector.score_samples(X)
    assert found[0] == pytest.approx(1, abs=1e-6)
    assert found.argmax() == 0


@each
@pytest.mark.parametrize(("layer", "whiten"), [("stage2", True), ("stage2", False)])
def test_finds_copies(kind: type[EncoderCosine], layer: Any, whiten: bool) -> None:
    """Above .95 (docs/methods.md 2.14): the same on every run, by reference and in the cohort."""
    world = reference_world("copy", 1)
    queries = np.concatenate([world.used, world.unused])
    options = SMALL | {"steps": 20, "batch": 32, "width": 8}
    detector = kind(**options, layer=layer, whiten=whiten)
    detector.fit(world.generated, unused=world.reference)
    for scores in (detector.score_samples(queries), detector.score_pool(queries)):
        assert auc(scores[:100], scores[100:]) > 0.95
