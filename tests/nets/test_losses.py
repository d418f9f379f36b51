"""Losses at values worked out by hand."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs vestige[deep]")

from vestige.nets import losses  # noqa: E402
from vestige.nets.schedules import cosine_rate, linear_decay  # noqa: E402


@pytest.mark.parametrize(
    ("label", "cos", "wanted"), [(1, 1, 0), (0, 0.2, 0), (0, -1, 0), (0, 0.7, 0.5), (1, 0, 1)]
)
def test_the_angular_loss(label: int, cos: float, wanted: float) -> None:
    found = losses.angular(torch.tensor([float(cos)]), torch.tensor([label]), margin=0.2)
    assert float(found) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_angle_of_parallel_vectors_has_a_finite_gradient(sign: int) -> None:
    a = torch.tensor([[3.0, 4.0]], requires_grad=True)
    loss = losses.angular(losses.cosine(a, sign * a.detach()), torch.tensor([1]))
    loss.backward()
    assert torch.isfinite(a.grad).all()


def test_a_zero_vector_has_no_angle() -> None:
    assert float(losses.cosine(torch.zeros(1, 3), torch.ones(1, 3))) == 0


def test_info_nce_rewards_the_own_view() -> None:
    rows = torch.eye(4)
    alike, apart = losses.info_nce(rows, rows, 0.07), losses.info_nce(rows, rows.roll(1, 0), 0.07)
    e = math.exp(1 / 0.07)
    assert float(alike) == pytest.approx(math.log((e + 3) / e), abs=1e-6)
    assert float(apart) == pytest.approx(math.log(e + 3), rel=1e-5)


def test_its_temperature_cools_from_07_to_05() -> None:
    assert losses.contrastive_temperature(0) == pytest.approx(0.07)
    assert losses.contrastive_temperature(1) == pytest.approx(0.05)


def test_the_adversarial_step_is_that_of_the_unit_vector() -> None:
    rows = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    gradient = torch.tensor([[-2.0, 1.0], [0.0, -1.0]])
    moved = losses.fgsm_step(rows, gradient, 0.01)
    length = rows.norm(dim=1, keepdim=True)
    step = (moved - rows) / length
    torch.testing.assert_close(step, 0.01 * torch.tensor([[-1.0, 1.0], [0.0, -1.0]]))


@pytest.mark.parametrize("true", [0.5, 1.0, 4.0])
def test_the_temperature_is_found_again(true: float) -> None:
    rng = np.random.default_rng(0)
    right = rng.normal(0, 2, 20_000)
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-right))).astype(float)
    assert losses.fit_temperature(right * true, labels) == pytest.approx(true, rel=0.1)


def test_the_temperature_stays_positive_where_no_pair_is_mistaken() -> None:
    found = losses.fit_temperature(np.array([-1.0, 1.0]), np.array([0.0, 1.0]))
    assert 0.04 < found < 0.06


def test_the_schedules_begin_and_end_as_published() -> None:
    assert cosine_rate(0) == pytest.approx(1e-4)
    assert cosine_rate(1) == pytest.approx(5e-6)
    assert cosine_rate(0.5) == pytest.approx((1e-4 + 5e-6) / 2)
    assert linear_decay(0) == pytest.approx(1e-4)
    assert linear_decay(1) == pytest.approx(1e-3)
    assert linear_decay(0.5) == pytest.approx(5.5e-4)
