"""From a volume in any order of its axes to a cube of the working size, true to millimetres.

A volume is first put into the order in which its axial slices are shown: feet to head, front to
back, the patient's right to the left. That only exchanges and flips axes. Then each axis is
averaged or interpolated on cells of one length in millimetres.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from vestige.images.axes import Spacing, spacing_of, upright
from vestige.images.frame import Unreadable
from vestige.images.kinds import SMALLEST_CUBE
from vestige.registry.entries import InputError
from vestige.types import Float32s, Floats

CUBES: Spacing = (1.0, 1.0, 1.0)
"""Where nothing says the spacing, voxels are cubes."""
LARGEST_GRID = 64
"""Voxels a side at most."""
FEWEST_SLICES = SMALLEST_CUBE
"""Voxels that a volume has along each axis at least."""
LONGEST_TO_SHORTEST = 16.0
"""Lengths of the sides of a volume in millimetres; beyond, it is a slab and its cube is empty."""


def to_grid(values: npt.NDArray[np.generic], affine: Floats, size: int) -> Float32s:
    """A whole volume as a cube of the working size.

    Parameters
    ----------
    values : [i, j, k], 0..1
    affine : float [4, 4]
        From indices to millimetres (RAS).
    size : int
        Voxels a side, 4 to 64.

    Returns
    -------
    Float32s, shape (size, size, size)
        As `on_grid` gives it; it does not depend on the order or the direction of the axes in the
        file.
    """
    return on_grid(np.asarray(upright(values, affine), np.float32), spacing_of(affine), size)


def on_grid(volume: Float32s, spacing: Spacing, size: int) -> Float32s:
    """A volume as it is shown, as a cube of the working size.

    The cube is as long as the longest side of the volume in millimetres, with the volume in its
    middle and black around it: nothing is stretched. A cell that is larger than a voxel is the mean
    of what it covers, a smaller one is interpolated linearly between the centres of the voxels.

    Parameters
    ----------
    volume : float32 [d, h, w], 0..1
        Feet to head, front to back, right to left.
    spacing : (float, float, float)
        Millimetres between voxels along these axes.
    size : int
        Voxels a side, 4 to 64.

    Returns
    -------
    Float32s, shape (size, size, size)
        0..1; a cube of this size comes back bit for bit.
    """
    if not FEWEST_SLICES <= size <= LARGEST_GRID:
        raise InputError(
            f"the working grid of volumes has {FEWEST_SLICES} to {LARGEST_GRID} voxels a side, "
            f"{size} were given."
        )
    shape = volume.shape
    longest = max(n * step for n, step in zip(shape, spacing, strict=True))
    if set(shape) == {size} and len(set(spacing)) == 1:
        return np.array(volume, np.float32)
    grid = np.asarray(volume, np.float32)
    for axis in (0, 1, 2):
        weights = cell_weights(shape[axis], shape[axis] * spacing[axis] / longest, size)
        grid = np.moveaxis(np.moveaxis(grid, axis, -1) @ weights.T, -1, axis)
    grid = np.ascontiguousarray(grid)
    return np.clip(grid, 0, 1, out=grid)  # the weights of a cell sum to 1 only nearly


@lru_cache(maxsize=256)
def cell_weights(voxels: int, share: float, size: int) -> Float32s:
    """Weights [size, voxels] of the cells of a row of the cube on a row of voxels in its middle.

    Parameters
    ----------
    share : float, 0..1
        Of the length of the cube that the voxels fill; beyond them a cell is black.
    """
    step = share * size / voxels  # of voxels, in cells
    edges = np.arange(size + 1) - size / 2
    sides = (np.arange(voxels + 1) - voxels / 2) * step
    low = np.maximum(edges[:-1, None], sides[None, :-1])
    high = np.minimum(edges[1:, None], sides[None, 1:])
    covered: Floats = np.clip(high - low, 0, None)  # [size, voxels], in cells
    if step <= 1:
        return _frozen(covered)
    centres = edges[:-1] + 0.5
    at = np.clip(centres / step + voxels / 2 - 0.5, 0, voxels - 1)
    near = np.clip(1 - np.abs(at[:, None] - np.arange(voxels)), 0, None)
    return _frozen(near * covered.sum(axis=1, keepdims=True))


def check_volume(shape: tuple[int, ...], spacing: Spacing) -> None:
    """Refuse a volume with too few slices along an axis, or one that is no more than a slab.

    Raises
    ------
    Unreadable
    """
    if min(shape) < FEWEST_SLICES:
        sides = " x ".join(map(str, shape))
        raise Unreadable(
            f"is a volume of {sides} voxels; one has {FEWEST_SLICES} and more along each axis. "
            "Leave it out, or read all as pictures with --slices"
        )
    lengths = [n * step for n, step in zip(shape, spacing, strict=True)]
    if max(lengths) > LONGEST_TO_SHORTEST * min(lengths):
        sides = " x ".join(f"{length:.0f}" for length in lengths)
        raise Unreadable(
            f"is a slab of {sides} mm, which would leave nearly all of its cube empty. Leave it "
            "out, or read all as pictures with --slices"
        )


def _frozen(weights: Floats) -> Float32s:
    made = np.asarray(weights, np.float32)
    made.flags.writeable = False
    return made
