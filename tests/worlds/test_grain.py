import math

import numpy as np
import pytest

from vestige.types import Float32s
from vestige.worlds.grain import field, reconstruction_noise, streaks


def correlation(a: Float32s, b: Float32s) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def rng() -> np.random.Generator:
    return np.random.default_rng(11)


@pytest.mark.parametrize(
    "grain",
    [
        field(rng(), 96, 2.0, 5.0, 0.0),
        reconstruction_noise(rng(), 96, 0.6),
        streaks(rng(), 96),
    ],
)
def test_fields_have_unit_variance_and_no_seed_of_their_own(grain: Float32s) -> None:
    assert grain.dtype == np.float32
    assert grain.shape == (96, 96)
    assert float(grain.std()) == pytest.approx(1, abs=1e-4)


def test_scale_is_in_millimetres() -> None:
    grain = field(rng(), 256, 2.0, 8.0, 0.0)
    # the correlation of white noise after a Gaussian of sd s falls as exp(-d^2 / 4 s^2)
    for pixels in (2, 4, 8):
        expected = math.exp(-((2.0 * pixels) ** 2) / (4 * 8.0**2))
        assert correlation(grain[:, :-pixels], grain[:, pixels:]) == pytest.approx(
            expected, abs=0.1
        )


def test_phase_turns_one_field_into_another() -> None:
    still, near, far = (field(rng(), 96, 2.0, 3.0, phase) for phase in (0.0, 0.3, math.pi / 2))
    assert correlation(still, near) == pytest.approx(math.cos(0.3), abs=0.1)
    assert abs(correlation(still, far)) < 0.25


def test_noise_of_a_reconstruction_is_not_white() -> None:
    power = np.abs(np.fft.rfft2(reconstruction_noise(rng(), 128, 0.6))) ** 2
    radius = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.rfftfreq(128))
    low = power[(radius > 0) & (radius < 0.05)].mean()
    middle = power[(radius > 0.15) & (radius < 0.25)].mean()
    high = power[radius > 0.45].mean()
    # expected 1 : 5 : 0.7; every mean is over 60 and more independent values
    assert low < middle / 2
    assert high < middle / 2


def test_streaks_run_from_side_to_side() -> None:
    grain = streaks(rng(), 128)
    assert correlation(grain[:, :-6], grain[:, 6:]) > 0.5 + correlation(grain[:-6], grain[6:])
