"""The blind check: it must see a shifted set, and must not see patients."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from reference_worlds import population
from vestige.checks import CHECKS, Comparison, run_named_checks
from vestige.checks.blind import ALPHA, image_statistics
from vestige.schema.records import Check
from vestige.types import Images


def comparison(candidates: Images, calibration: Images, seed: int = 0) -> Comparison:
    n = len(candidates) + len(calibration)
    return Comparison(
        np.concatenate([candidates, calibration]),
        np.arange(n) < len(candidates),
        np.arange(n),
        seed,
    )


def blind(asked: Comparison) -> Check:
    """The row of the blind check; no other check is run."""
    [row] = run_named_checks(asked, names=["blind"])
    return row


def shifted_world(seed: int, shift: float) -> Comparison:
    """250 against 250; the candidates are brighter inside the body (W-shift)."""
    rng = np.random.default_rng([seed, 77])
    candidates, body = population(250, rng)
    calibration = population(250, rng)[0]
    brighter = (candidates + shift * body).astype(np.float32)
    return comparison(brighter, calibration, seed)


@pytest.mark.parametrize("worlds", [6, pytest.param(40, marks=pytest.mark.slow)])
def test_a_brightness_shift_is_vetoed(worlds: int) -> None:
    # docs/methods.md 5: in at least 95 of 100 worlds; at that rate fewer has P < 1e-4
    found = [blind(shifted_world(seed, 6 / 255)) for seed in range(worlds)]
    vetoed = sum(not calibration.passed for calibration in found)
    assert vetoed >= binom.ppf(1e-4, worlds, 0.95) >= worlds / 2
    for calibration in found:
        assert calibration.name == "blind"
        if not calibration.passed:
            assert calibration.vetoes.startswith("any verdict: the sets differ by themselves in ")
            assert calibration.auc is not None
            assert calibration.auc.value > 0.5  # turned so that candidates are high
            assert calibration.p_value is not None
            assert calibration.p_value < ALPHA
    darker = blind(shifted_world(0, -12 / 255))
    assert not darker.passed
    assert darker.auc is not None
    assert darker.auc.value > 0.5


def small_null(seed: int) -> Comparison:
    """40 against 40 of one population, at 16 px."""
    images = population(80, np.random.default_rng([seed, 78]))[0][:, ::2, ::2]
    return comparison(images[:40], images[40:], seed)


def test_equal_populations_pass() -> None:
    p = np.array([blind(small_null(seed)).p_value for seed in range(40)], dtype=float)
    # P(p <= .5) <= .5 and P(p < .01) <= .01: each bound fails with probability < 1e-4
    assert (p <= 0.5).sum() <= binom.isf(1e-4, 40, 0.5)
    assert (p < ALPHA).sum() <= binom.isf(1e-4, 40, ALPHA)
    assert (p < 0.5).sum() >= 8  # and it is no constant: max-T is exact up to its 9,999 draws
    assert len(np.unique(p)) > 30


def test_patients_that_differ_are_no_difference_of_sets() -> None:
    # 8 + 8 patients of 10 images; brightness varies by patient, far more than within. By image
    # the sets differ "significantly" almost always; by patient the check passes.
    vetoed = by_image = 0
    for seed in range(12):
        rng = np.random.default_rng([seed, 79])
        images = population(160, rng)[0][:, ::2, ::2]
        patient = np.repeat(np.arange(16), 10)
        images = images + rng.uniform(0, 0.3, 16).astype(np.float32)[patient][:, None, None]
        both = Comparison(images, patient < 8, patient, seed)
        vetoed += not blind(both).passed
        by_image += not blind(replace(both, groups=np.arange(160))).passed
    assert vetoed <= binom.isf(1e-4, 12, ALPHA)  # at a rate of 1 % fails with P < 1e-4
    assert by_image >= 4  # the trap: groups ignored


def test_repeats_with_the_seed() -> None:
    assert run_named_checks(small_null(1)) == run_named_checks(small_null(1))


def test_every_control_reports_its_name() -> None:
    done: dict[str, float] = {}
    rows = run_named_checks(small_null(2), done.__setitem__)
    assert list(done) == list(CHECKS) == [row.name for row in rows]
    assert all(seconds >= 0 for seconds in done.values())
    for row in rows:
        assert row.p_value is None or 0 < row.p_value <= 1
        assert row.vetoes


HOSTILE = {
    "black": np.zeros((20, 8, 8), np.float32),
    "white": np.ones((20, 8, 8), np.float32),
    "one pixel": np.eye(64, dtype=np.float32)[:20].reshape(20, 8, 8),
    "odd side": np.random.default_rng(0).uniform(size=(20, 9, 9)).astype(np.float32),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_statistics_are_finite_on_hostile_images(case: str) -> None:
    images = HOSTILE[case]
    for values in image_statistics(images).values():
        assert values.dtype == np.float64
        assert values.shape == (20,)
        assert np.isfinite(values).all()
    calibration = blind(comparison(images[::2], images[1::2]))
    assert calibration.passed


def test_equal_images_cannot_differ() -> None:
    calibration = blind(comparison(HOSTILE["black"][:10], HOSTILE["black"][10:]))
    assert calibration.passed
    assert calibration.p_value == 1.0


def test_statistics_by_hand() -> None:
    image = np.zeros((1, 4, 4), np.float32)
    image[0, 0, 0] = 1.0
    found = {name: float(values[0]) for name, values in image_statistics(image).items()}
    assert found["mean grey"] == pytest.approx(1 / 16)
    assert found["spread of grey"] == pytest.approx(np.sqrt(15) / 16)
    assert found["share of black"] == pytest.approx(15 / 16)
    assert found["share of white"] == pytest.approx(1 / 16)
    assert found["vertical centre"] == pytest.approx(-1.5)
    assert found["horizontal centre"] == pytest.approx(-1.5)
    assert found["border level"] == pytest.approx(2 / 16)  # a corner is on two sides
    assert found["median grey"] == 0
    assert found["sharpness"] == 0  # no inner pixel touches a corner


def test_white_noise_has_slope_zero_and_smooth_images_a_steep_one() -> None:
    rng = np.random.default_rng(1)
    noise = rng.uniform(size=(50, 32, 32)).astype(np.float32)
    assert image_statistics(noise)["spectral slope"].mean() == pytest.approx(0, abs=0.1)
    smooth = np.cumsum(np.cumsum(noise - noise.mean(), axis=1), axis=2)
    assert (image_statistics(smooth)["spectral slope"] < -1).all()


def test_a_pattern_that_no_statistic_describes_is_seen_by_the_classifier() -> None:
    # two quarters of each candidate a little brighter, two darker: same mean, centre and sharpness
    images = population(200, np.random.default_rng(5))[0][:, ::2, ::2]
    sine = np.sin(2 * np.pi * (np.arange(16) + 0.5) / 16)
    marked = (images[:100] * (1 + 0.2 * sine[:, None] * sine)).astype(np.float32)
    calibration = blind(comparison(marked, images[100:]))
    assert calibration.state == "failed"
    assert "a classifier" in calibration.vetoes
    assert calibration.auc is not None
    assert calibration.auc.low > 0.5


def test_suspects_that_lie_near_the_reference_are_seen_by_distance() -> None:
    # the same population, but the candidates' brothers are in the reference
    rng = np.random.default_rng(6)
    images = population(120, rng)[0][:, ::2, ::2]
    near = np.clip(images[:60] + rng.normal(0, 0.02, (60, 16, 16)), 0, 1).astype(np.float32)
    both = replace(comparison(images[:60], images[60:]), reference=near)
    calibration = blind(both)
    assert calibration.state == "failed"
    assert calibration.vetoes.endswith("distance to other reals")
    assert blind(comparison(images[:60], images[60:])).passed  # not without it
