"""The cube of a volume: one for every order of its axes, true to millimetres, never stretched."""

from itertools import permutations, product
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform

from vestige.images.axes import orientation_of, spacing_of, upright
from vestige.images.frame import Unreadable
from vestige.images.preprocess import shrink_cubes
from vestige.images.volumes import Volume, frames_of, whole_of
from vestige.images.working_grid import cell_weights, check_volume, on_grid, to_grid
from vestige.registry.entries import InputError
from vestige.testing.phantoms import phantom_volumes

RNG = np.random.default_rng(0)
RAS = RNG.random((9, 12, 7)).astype(np.float32)
STEPS = np.array([0.7, 1.1, 2.5])
AFFINE = np.diag([*STEPS, 1.0])
ORIENTATIONS = [
    "".join(codes) for order in permutations(("LR", "PA", "IS")) for codes in product(*order)
]


def stored(codes: str, ras: Any = RAS, affine: Any = AFFINE) -> tuple[Any, Any]:
    """A volume with axes in the order of `codes`, and its affine [4, 4]."""
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    values = nib.orientations.apply_orientation(ras, turn)
    return np.asfortranarray(values), affine @ inv_ornt_aff(turn, ras.shape)


def test_there_are_48_orientations() -> None:
    assert len(set(ORIENTATIONS)) == 48


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_the_grid_does_not_depend_on_the_order_of_the_axes(codes: str) -> None:
    values, affine = stored(codes)
    assert orientation_of(affine) == codes
    assert spacing_of(affine) == pytest.approx((2.5, 1.1, 0.7))
    np.testing.assert_array_equal(to_grid(values, affine, 16), to_grid(RAS, AFFINE, 16))


def test_the_slices_of_a_volume_are_those_that_are_shown_as_pictures() -> None:
    volume = Volume(RAS[..., None] * 255, AFFINE, np.dtype(np.uint8), "any")
    whole = whole_of(volume, None)
    slices = frames_of(volume, None)
    assert whole.stored.shape == (7, 12, 9)
    assert (whole.spacing, whole.orientation) == ((2.5, 1.1, 0.7), "RAS")
    np.testing.assert_array_equal(whole.stored, np.stack([one.stored for one in slices]))


def test_left_is_right_in_a_flipped_affine() -> None:
    flipped = AFFINE @ np.diag([-1.0, 1, 1, 1])
    mirrored = to_grid(RAS, flipped, 16)
    np.testing.assert_allclose(mirrored, to_grid(RAS, AFFINE, 16)[:, :, ::-1], atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("size", [5, 8, 16, 40])
def test_the_grid_of_a_mirrored_volume_is_the_mirrored_grid(axis: int, size: int) -> None:
    volume = upright(RAS, AFFINE)
    spacing = spacing_of(AFFINE)
    got = on_grid(np.flip(volume, axis), spacing, size)
    np.testing.assert_allclose(got, np.flip(on_grid(volume, spacing, size), axis), atol=1e-6)


@pytest.mark.parametrize("factors", [(2, 2, 2), (1, 3, 2), (4, 1, 1)])
def test_another_spacing_of_the_same_volume_gives_the_same_grid(
    factors: tuple[int, int, int],
) -> None:
    volume = phantom_volumes(1, np.random.default_rng(1), 24)[0]
    finer = volume
    for axis, factor in enumerate(factors):
        finer = np.repeat(finer, factor, axis)
    spacing = tuple(1.0 / factor for factor in factors)
    plain = on_grid(volume, (1.0, 1.0, 1.0), 12)
    np.testing.assert_allclose(on_grid(finer, spacing, 12), plain, atol=1e-5)  # type: ignore[arg-type]


def test_millimetres_alone_change_nothing() -> None:
    volume = upright(RAS, AFFINE)
    one, other = (on_grid(volume, (2.0 * k, 1.0 * k, 0.5 * k), 16) for k in (1, 8))
    np.testing.assert_array_equal(one, other)


def test_nothing_is_stretched_and_black_is_around() -> None:
    grid = on_grid(np.ones((4, 16, 8), np.float32), (1.0, 1.0, 1.0), 16)
    expected = np.zeros((16, 16, 16), np.float32)
    expected[6:10, :, 4:12] = 1
    np.testing.assert_allclose(grid, expected, atol=1e-6)


def test_a_whole_factor_is_an_area_average_and_the_same_size_comes_back() -> None:
    volumes = phantom_volumes(2, np.random.default_rng(2), 16)
    shrunk = np.stack([on_grid(one, (3.0, 3.0, 3.0), 8) for one in volumes])
    np.testing.assert_allclose(shrunk, shrink_cubes(volumes, 8), atol=1e-6)
    np.testing.assert_array_equal(on_grid(volumes[0], (3.0, 3.0, 3.0), 16), volumes[0])


def test_growing_is_linear_between_the_centres_of_the_voxels() -> None:
    ramp = np.linspace(0, 1, 8, dtype=np.float32)
    volume = np.broadcast_to(ramp[:, None, None], (8, 8, 8))
    grown = on_grid(volume, (1.0, 1.0, 1.0), 16)[:, 8, 8]
    centres = np.clip((np.arange(16) + 0.5) / 2 - 0.5, 0, 7) / 7
    np.testing.assert_allclose(grown, centres, atol=1e-6)


@pytest.mark.parametrize(("voxels", "share", "size"), [(7, 1, 5), (7, 0.31, 64), (90, 0.77, 33)])
def test_cells_that_are_covered_weigh_one(voxels: int, share: float, size: int) -> None:
    weights = cell_weights(voxels, share, size).sum(axis=1)
    covered = np.clip(share * size / 2 - (np.abs(np.arange(size) + 0.5 - size / 2) - 0.5), 0, 1)
    np.testing.assert_allclose(weights, covered, atol=1e-5)


@pytest.mark.parametrize("size", [3, 65])
def test_a_grid_has_4_to_64_voxels_a_side(size: int) -> None:
    with pytest.raises(InputError, match="4 to 64"):
        on_grid(RAS, (1.0, 1.0, 1.0), size)


@pytest.mark.parametrize(
    ("shape", "spacing", "told"),
    [
        ((1, 64, 64), (1.0, 1.0, 1.0), "1 x 64 x 64 voxels"),
        ((30, 3, 30), (1.0, 1.0, 1.0), "30 x 3 x 30 voxels"),
        ((10, 512, 512), (1.0, 1.0, 1.0), "slab of 10 x 512 x 512 mm"),
    ],
)
def test_a_slice_is_no_volume(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], told: str
) -> None:
    with pytest.raises(Unreadable, match=told):
        check_volume(shape, spacing)
    check_volume((10, 512, 512), (8.0, 0.7, 0.7))


def test_several_volumes_in_one_file_are_refused_with_the_remedy() -> None:
    volume = Volume(np.stack([RAS, RAS], axis=3), AFFINE, np.dtype(np.uint8), "any")
    with pytest.raises(Unreadable, match=r"holds 2 volumes.*a file of its own.*--slices"):
        whole_of(volume, None)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_voxels_that_are_no_numbers(bad: float) -> None:
    values = RAS.copy()[..., None]
    values[0, 0, 0] = bad
    volume = Volume(values, AFFINE, np.dtype(np.float32), "any")
    if np.isinf(bad):
        with pytest.raises(Unreadable, match="not finite"):
            whole_of(volume, None)
    else:
        assert np.isfinite(whole_of(volume, None).stored).all()
