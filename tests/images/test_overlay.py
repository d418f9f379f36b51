"""Maps over images: nothing where the map is zero, and colours that differ in brightness."""

import numpy as np
import pytest

from vestige.images.overlay import DIMMED, HIGH, LOW, enlarged, laid_over


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("side", [8, 12, 40])
def test_an_enlarged_map_keeps_its_place(side: int, axes: int) -> None:
    places = np.zeros((8,) * axes, np.float32)
    places[(slice(2, 4),) * axes] = 1
    found = enlarged(places, side)
    assert found.shape == (side,) * axes and found.dtype == np.float32
    assert found.min() >= 0 and found.max() <= 1
    where = (np.arange(side) + 0.5) / side
    middle = found.sum(axis=tuple(range(1, axes))) @ where / found.sum()
    assert middle == pytest.approx(3 / 8, abs=0.01)
    if side == 8:
        np.testing.assert_array_equal(found, places)


@pytest.mark.parametrize("colour", [False, True])
def test_the_image_is_seen_where_nothing_matches(colour: bool) -> None:
    picture = np.full((4, 4, 3) if colour else (4, 4), 0.5, np.float32)
    places = np.zeros((4, 4), np.float32)
    places[0] = 1
    found = laid_over(picture, places)
    np.testing.assert_allclose(found[1:], 0.5 * DIMMED, atol=1e-6)
    assert (found[0, :, :2].mean() - found[0, :, 2].mean()) > 0.3  # yellow


def test_the_two_colours_differ_in_brightness_for_every_eye() -> None:
    """Luminance of WCAG 2: 3.5 to 1 apart, so that the map is read without any colour."""

    def luminance(colour: np.ndarray) -> float:
        linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    assert (luminance(HIGH) + 0.05) / (luminance(LOW) + 0.05) > 3.5
