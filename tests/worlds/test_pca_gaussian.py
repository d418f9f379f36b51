import numpy as np
import pytest

from vestige.images.kinds import KINDS, Kind
from vestige.registry.entries import InputError
from vestige.testing.phantoms import PHANTOMS
from vestige.types import Images
from vestige.worlds.pca_gaussian import PcaGaussian
from vestige.worlds.phantom import chest_phantoms


@pytest.fixture(scope="module")
def used() -> Images:
    return chest_phantoms(40, 32, seed=3)[0]


def test_samples_have_the_mean_and_covariance_of_the_components(used: Images) -> None:
    samples = PcaGaussian(rank=5, noise=0).fit(used).sample(4000, 1).reshape(4000, -1)
    flat = used.reshape(len(used), -1)
    assert np.abs(samples.mean(axis=0) - flat.mean(axis=0)).mean() < 0.005
    _, scale, axes = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    spread = ((samples - samples.mean(axis=0)) @ axes[:5].T).std(axis=0)
    # clipping to 0..1 takes a little; the standard error of a spread is 1 %
    np.testing.assert_allclose(spread, scale[:5] / np.sqrt(len(used) - 1), rtol=0.1)


def test_the_rank_bounds_what_samples_can_hold(used: Images) -> None:
    samples = PcaGaussian(rank=3, noise=0).fit(0.3 + 0.2 * used).sample(50)
    values = np.linalg.svd(samples.reshape(50, -1) - samples.reshape(50, -1).mean(0))[1]
    assert values[3] < 0.1 * values[2]  # what is left is rounding to 8 bits


def test_samples_are_8_bit_and_repeat_by_seed(used: Images) -> None:
    model = PcaGaussian().fit(used)
    images = model.sample(6, 2)
    assert images.dtype == np.float32
    assert images.shape == (6, 32, 32)
    np.testing.assert_allclose(images * 255, np.rint(images * 255), atol=1e-4)
    np.testing.assert_array_equal(images, model.sample(6, 2))
    assert (images != model.sample(6, 3)).any()


@pytest.mark.parametrize("kind", KINDS)
def test_samples_lie_in_the_span_of_the_training_images(kind: Kind) -> None:
    reals = np.float32(0.3) + np.float32(0.4) * PHANTOMS[kind](12, np.random.default_rng(0), 16)
    samples = PcaGaussian(rank=11, noise=0).fit(reals).sample(4).reshape(4, -1)
    mean = reals.reshape(12, -1).mean(axis=0)
    axes = np.linalg.svd(reals.reshape(12, -1) - mean, full_matrices=False)[2][:11]
    rest = samples - mean
    left = rest - rest @ axes.T @ axes
    assert np.abs(left).max() < 3 / 255  # rounding to 8 bits
    assert rest.std() > 0.01


def test_unfit_inputs_are_refused(used: Images) -> None:
    with pytest.raises(InputError, match="2 or more"):
        PcaGaussian().fit(used[:1])
    with pytest.raises(InputError, match="rank"):
        PcaGaussian(rank=0).fit(used)
    with pytest.raises(InputError, match="noise"):
        PcaGaussian(noise=float("nan")).fit(used)
    with pytest.raises(InputError, match="samples"):
        PcaGaussian().fit(used).sample(0)
    with pytest.raises(RuntimeError, match="fit"):
        PcaGaussian().sample(1)
