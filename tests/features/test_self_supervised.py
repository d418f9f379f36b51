"""Feature spaces learned without labels."""

from collections.abc import Iterator

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs vestige[deep]")

from reference_worlds import population  # noqa: E402
from vestige.features.self_supervised import (  # noqa: E402
    ContrastiveFeatures,
    SelfSupervised,
    SsimFeatures,
)
from vestige.nets.ssim import ssim  # noqa: E402
from vestige.registry.entries import InputError  # noqa: E402

IMAGES = population(40, np.random.default_rng(0))[0]
SMALL = {"steps": 3, "batch": 8, "width": 4}
each = pytest.mark.parametrize("space", [ContrastiveFeatures, SsimFeatures])


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@each
@pytest.mark.parametrize("layer", ["output", "stage1", "stage2", "stage3", "stage4"])
def test_rows_have_length_one(space: type[SelfSupervised], layer: str) -> None:
    rows = space(**SMALL, layer=layer).fit(IMAGES).transform(IMAGES)
    widths = {"output": 32 if space is ContrastiveFeatures else 128}
    widths |= {f"stage{k}": (32 >> k) ** 2 * 4 * 2 ** (k - 1) for k in (1, 2, 3, 4)}
    assert rows.shape == (40, widths[layer])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)


@each
def test_a_seed_repeats_and_another_differs(space: type[SelfSupervised]) -> None:
    first, again, other = (space(**SMALL, seed=s).fit(IMAGES).transform(IMAGES) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other, atol=1e-3)


@each
def test_larger_images_are_looked_at_in_its_own_size(space: type[SelfSupervised]) -> None:
    large = np.kron(IMAGES, np.ones((2, 2), np.float32))
    small = space(size=32, **SMALL).fit(IMAGES)
    np.testing.assert_allclose(small.transform(large), small.transform(IMAGES), atol=1e-5)


@each
def test_what_does_not_fit_is_refused(space: type[SelfSupervised]) -> None:
    with pytest.raises(InputError, match="unknown layer 'head'. Known: output, stage1"):
        space(layer="head")
    with pytest.raises(InputError, match="steps must be above 0, 0 was given"):
        space(steps=0).fit(IMAGES)
    with pytest.raises(InputError, match="different sizes"):
        space(**SMALL).fit(IMAGES).transform(IMAGES[:, ::2, ::2])
    with pytest.raises(RuntimeError, match="call fit"):
        space().transform(IMAGES)


@pytest.mark.slow
def test_the_cosine_of_held_out_images_is_their_structural_similarity() -> None:
    """The cosine of held-out pairs follows their structural similarity, r at least .8.

    .84 with these seeds; the same on every run of a machine, so that nothing is left to chance.
    """
    rng = np.random.default_rng(0)
    training, others = population(500, rng)[0], population(200, rng)[0]
    one, other = rng.integers(200, size=(2, 2000))
    one, other = one[one != other], other[one != other]
    rows = SsimFeatures(precision="float32").fit(training).transform(others)
    cosines = np.einsum("ij,ij->i", rows[one], rows[other])
    wanted = ssim(torch.from_numpy(others[one]), torch.from_numpy(others[other])).numpy()
    assert np.corrcoef(cosines, wanted)[0, 1] > 0.8


def test_it_learns_to_tell_similar_from_different() -> None:
    """The quick form of the test above: .72 after 150 small steps; without training .1 or less."""
    rng = np.random.default_rng(0)
    training, others = population(300, rng)[0], population(100, rng)[0]
    one, other = rng.integers(100, size=(2, 1000))
    one, other = one[one != other], other[one != other]
    wanted = ssim(torch.from_numpy(others[one]), torch.from_numpy(others[other])).numpy()

    def agreement(steps: int) -> float:
        options = {"width": 8, "batch": 64, "learning_rate": 3e-3, "precision": "float32"}
        rows = SsimFeatures(steps=steps, **options).fit(training).transform(others)
        cosines = np.einsum("ij,ij->i", rows[one], rows[other])
        return float(np.corrcoef(cosines, wanted)[0, 1])

    assert agreement(80) > max(0.5, agreement(1) + 0.1)
