"""The eight symmetries form a group, and each is what its name says."""

import numpy as np
import pytest

from vestige.symmetries import SYMMETRIES, TRANSPOSING, VIEWS, seen_as

IMAGES = np.random.default_rng(0).random((2, 3, 5))


def test_all_eight_differ_and_are_closed() -> None:
    square = np.arange(9.0).reshape(3, 3)
    seen = {seen_as(square, s).tobytes() for s in SYMMETRIES}
    assert len(seen) == 8
    twice = {seen_as(seen_as(square, a), b).tobytes() for a in SYMMETRIES for b in SYMMETRIES}
    assert twice == seen


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_shape_and_memory(symmetry) -> None:
    view = seen_as(IMAGES, symmetry)
    assert view.shape == ((2, 5, 3) if symmetry in TRANSPOSING else (2, 3, 5))
    assert np.shares_memory(view, IMAGES)


def test_names() -> None:
    image = np.array([[1, 2], [3, 4]])
    assert seen_as(image, "mirrored").tolist() == [[2, 1], [4, 3]]
    assert seen_as(image, "upside down").tolist() == [[3, 4], [1, 2]]
    assert seen_as(image, "half turn").tolist() == [[4, 3], [2, 1]]
    assert seen_as(image, "quarter turn").tolist() == [[2, 4], [1, 3]]
    assert seen_as(image, "transposed").tolist() == [[1, 3], [2, 4]]
    assert VIEWS["mirror"] == ("identity", "mirrored")
