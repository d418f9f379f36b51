"""Statistics of sub-bands against pywt, image by image."""

import sys

import numpy as np
import pytest
import pywt

import vestige
from reference_worlds import reference_world
from vestige.features import build_space, wavelets
from vestige.features.wavelets import Wavelets
from vestige.registry.entries import InputError
from vestige.types import Floats, Images

IMAGES = reference_world("null", 0).unused[:20]


def release() -> tuple[Images, Images, Images]:
    world = reference_world("null", 0)
    return world.generated[:100], world.used[:60], world.unused[:60]


def statistics(image: Images, wavelet: str, levels: int) -> list[float]:
    """By nested loops: one decomposition at a time."""
    found = []
    data = image.astype(np.float64)
    bands = []
    for _ in range(levels):
        data, details = pywt.dwt2(data, wavelet)
        bands = list(details) + bands
    for band in [data - data.mean(), *bands]:
        found.append(np.log(np.mean(band**2) + 1e-6))
        found += [np.log(np.quantile(np.abs(band), q) + 1e-3) for q in (0.5, 0.9, 0.99)]
    return found


def standardised(rows: Floats) -> Floats:
    return np.asarray((rows - rows.mean(axis=0)) / rows.std(axis=0))


@pytest.mark.parametrize(("wavelet", "levels"), [("db2", 3), ("haar", 2), ("db2", 0)])
def test_equals_one_decomposition_at_a_time(wavelet: str, levels: int) -> None:
    wanted = np.array([statistics(image, wavelet, levels) for image in IMAGES])
    found = Wavelets(size=32, wavelet=wavelet, levels=levels).fit(IMAGES).transform(IMAGES)
    assert found.shape == (20, 4 * (1 + 3 * levels))
    np.testing.assert_allclose(found, standardised(wanted), rtol=1e-5, atol=1e-6)


def test_the_block_size_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Wavelets().fit(IMAGES).transform(IMAGES)
    monkeypatch.setattr(wavelets, "BLOCK", 3)
    np.testing.assert_array_equal(Wavelets().fit(IMAGES).transform(IMAGES), whole)


@pytest.mark.parametrize(("side", "levels"), [(32, 3), (16, 2), (8, 1), (2, 0)])
def test_there_are_as_many_levels_as_the_side_holds(side: int, levels: int) -> None:
    small = IMAGES[:, :side, :side]
    assert Wavelets(levels=3).fit(small).transform(small).shape[1] == 4 * (1 + 3 * levels)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pywt", None)
    with pytest.raises(InputError, match=r"needs PyWavelets: pip install 'vestige\[wavelets\]'"):
        build_space("wavelets")
    assert len(vestige.audit(*release(), effort="low").findings) == 60  # nothing else needs it


def test_a_statistic_that_never_varies_is_not_scaled() -> None:
    flat = np.full((5, 16, 16), 0.3, np.float32)
    rows = Wavelets().fit(flat).transform(IMAGES[:, ::2, ::2])
    assert np.isfinite(rows).all()
    assert np.abs(rows).max() < 20  # logarithms, not logarithms over rounding
    np.testing.assert_allclose(Wavelets().fit(flat).transform(flat), 0, atol=1e-6)


def test_bad_options_are_refused() -> None:
    with pytest.raises(InputError, match="levels must be 0 or more, -1"):
        Wavelets(levels=-1)
    with pytest.raises(InputError, match="unknown wavelet 'db99'. Known: .*haar"):
        Wavelets(wavelet="db99").fit(IMAGES)
