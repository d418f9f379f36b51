"""Encoders trained without labels: losses and targets by formula, views, odd training sets."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs vestige[deep]")

from skimage.metrics import structural_similarity  # noqa: E402

from reference_worlds import population  # noqa: E402
from vestige.nets import encoders  # noqa: E402
from vestige.nets.encoders import GENTLE, LOOSE, EncoderPlan, encode  # noqa: E402
from vestige.nets.losses import nt_xent  # noqa: E402
from vestige.nets.ssim import ssim  # noqa: E402
from vestige.nets.views import Changes, view  # noqa: E402
from vestige.types import Images  # noqa: E402

IMAGES = population(24, np.random.default_rng(0))[0]
PLAN = EncoderPlan(steps=3, batch=8, width=4, learning_rate=1e-3, precision="float32", seed=0)
FITS = [encoders.fit_contrastive, encoders.fit_ssim]
each_fit = pytest.mark.parametrize("fit", FITS)


def test_nt_xent_is_the_mean_over_all_views() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 6, 5))
    rows = np.concatenate([first, second])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    terms = []
    for i in range(12):
        partner = (i + 6) % 12
        others = [np.exp(rows[i] @ rows[k] / 0.1) for k in range(12) if k != i]
        terms.append(-np.log(np.exp(rows[i] @ rows[partner] / 0.1) / sum(others)))
    found = float(nt_xent(torch.from_numpy(first), torch.from_numpy(second), 0.1))
    assert found == pytest.approx(np.mean(terms), rel=1e-6)


def test_nt_xent_does_not_overflow_where_its_exponentials_do() -> None:
    rows = torch.eye(4)
    with np.errstate(over="ignore"):
        assert np.isinf(np.exp(np.float32(1 / 0.01)))
    assert float(nt_xent(rows, rows, 0.01)) == pytest.approx(0, abs=1e-6)
    assert float(nt_xent(rows, rows.roll(1, 0), 0.01)) == pytest.approx(100, rel=1e-5)


@pytest.mark.parametrize(("side", "window"), [(32, 11), (20, 11), (11, 11), (8, 7)])
def test_structural_similarity_is_that_of_scikit_image(side: int, window: int) -> None:
    a = IMAGES[:8, :side, :side].astype(np.float64)
    b = IMAGES[8:16, :side, :side] * 0.7 + 0.2
    found = ssim(torch.from_numpy(a), torch.from_numpy(b.astype(np.float64))).numpy()
    truncate = (window // 2) / 1.5
    wanted = [
        structural_similarity(
            x, y, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        if window == 11
        else _small(x, y, truncate)
        for x, y in zip(a, b.astype(np.float64), strict=True)
    ]
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
    single = ssim(torch.from_numpy(a).float(), torch.from_numpy(b).float()).numpy()
    np.testing.assert_allclose(single, wanted, atol=1e-4)


def _small(x: Images, y: Images, truncate: float) -> float:
    """The same formula by scipy's filter, with the window that fits."""
    from scipy.ndimage import gaussian_filter

    def mean(z: Images) -> Images:
        r = round(truncate * 1.5)
        return np.asarray(gaussian_filter(z, 1.5, truncate=truncate)[r:-r, r:-r])

    mx, my = mean(x), mean(y)
    vx, vy, c = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    top = (2 * mx * my + 1e-4) * (2 * c + 9e-4)
    return float((top / ((mx * mx + my * my + 1e-4) * (vx + vy + 9e-4))).mean())


def test_structural_similarity_of_constant_images() -> None:
    black, white = torch.zeros(1, 16, 16), torch.ones(1, 16, 16)
    assert float(ssim(black, black)) == pytest.approx(1)
    assert float(ssim(white, white)) == pytest.approx(1, abs=1e-5)
    assert float(ssim(black, white)) == pytest.approx(1e-4 / (1 + 1e-4), rel=1e-3)


def test_no_change_is_no_change() -> None:
    images = torch.from_numpy(IMAGES)
    rng = torch.Generator().manual_seed(0)
    torch.testing.assert_close(view(images, Changes(), rng), images, atol=1e-5, rtol=0)
    never = Changes(0.2, 30, 0.2, (0.5, 2), 0, 0.3, chance=0)
    torch.testing.assert_close(view(images, never, rng), images, atol=1e-5, rtol=0)


def test_each_change_stays_within_its_bounds() -> None:
    n, side = 400, 33
    rng = torch.Generator().manual_seed(1)
    point = torch.zeros(n, side, side)
    point[:, 12:21, 12:21] = 1

    def centres(changes: Changes) -> torch.Tensor:
        out = view(point, changes, rng)
        at = torch.arange(side, dtype=torch.float32) - side // 2
        mass = out.sum(dim=(1, 2))
        return torch.stack([(out.sum(dim=2) @ at) / mass, (out.sum(dim=1) @ at) / mass])

    moved = centres(Changes(shift=0.125)).abs()
    assert moved.max() < 0.125 * side + 0.1
    assert moved.max() > 0.1 * side
    assert centres(Changes(turn=20, scale=0.2)).abs().max() < 0.1  # about the centre
    grey = view(torch.full((n, side, side), 0.5), Changes(gamma=(0.5, 2)), rng)[:, 16, 16]
    powers = grey.log() / np.log(0.5)
    assert powers.min() > 0.49
    assert powers.max() < 2.01
    holes = (view(torch.ones(n, side, side), Changes(cut=0.25), rng) < 0.5).sum(dim=(1, 2))
    assert (holes == 64).all()
    sometimes = (view(torch.ones(n, side, side), Changes(cut=0.25, chance=0.33), rng) < 0.5).any(
        dim=2
    )
    # 400 draws of .33: outside .23 to .43 with probability 2e-5
    assert 0.23 < float(sometimes.any(dim=1).float().mean()) < 0.43
    assert LOOSE.chance == 1
    assert GENTLE.cut == GENTLE.shift == 0


@each_fit
def test_order_and_repeats_of_the_training_set_change_nothing(fit: encoders.Fit) -> None:
    wanted = encode(fit(IMAGES, PLAN), IMAGES)
    for other in (IMAGES, IMAGES[::-1], np.concatenate([IMAGES, IMAGES[5:9]])):
        np.testing.assert_array_equal(encode(fit(other, PLAN), IMAGES), wanted)
    assert not np.array_equal(encode(fit(IMAGES[1:], PLAN), IMAGES), wanted)


@each_fit
def test_chance_outside_goes_on_as_before(fit: encoders.Fit) -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    fit(IMAGES, PLAN)
    torch.testing.assert_close(torch.rand(3), wanted, rtol=0, atol=0)


@each_fit
@pytest.mark.parametrize("layer", ["output", "stage1", "stage2", "stage3", "stage4"])
def test_one_image_or_fewer_than_a_batch_are_enough(fit: encoders.Fit, layer: str) -> None:
    for images in (IMAGES[:1], IMAGES[:3], np.zeros((4, 32, 32), np.float32)):
        net = fit(images, PLAN)
        rows = encode(net, np.concatenate([IMAGES, np.ones((1, 32, 32), np.float32)]), layer)
        assert rows.shape[0] == 25
        assert np.isfinite(rows).all()


@each_fit
def test_a_row_ignores_its_company(fit: encoders.Fit) -> None:
    net = fit(IMAGES, PLAN)
    rows = encode(net, IMAGES, "stage2")
    np.testing.assert_allclose(encode(net, IMAGES[7:8], "stage2"), rows[7:8], rtol=1e-6, atol=1e-7)


def test_pairs_are_random_near_and_the_same() -> None:
    anchors, near = encoders._near(torch.from_numpy(IMAGES))
    rng = torch.Generator().manual_seed(0)
    plan = EncoderPlan(1, 400, 4, 1e-3, "float32", 0)
    one, other = encoders._pairs(len(IMAGES), anchors, near, plan, rng)
    assert len(one) == len(other) == 400
    assert (one[300:] == other[300:]).all()
    flat = IMAGES.reshape(24, -1)
    distances = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    nearest = np.argsort(distances, axis=1)[:, :21]
    assert all(b in nearest[a] for a, b in zip(one[200:300], other[200:300], strict=True))
    assert len({(int(a), int(b)) for a, b in zip(one[:200], other[:200], strict=True)}) > 120
