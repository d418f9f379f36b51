"""The axes of a volume: which of them lead to the head, the front and the right, and how far."""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.images.frame import Unreadable

Spacing = tuple[float, float, float]
"""Millimetres between voxels: feet to head, front to back, right to left."""


def canonical(values: npt.NDArray[Any], affine: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The axes in the order right, front, head, without any interpolation."""
    from nibabel import orientations

    untyped: Any = orientations
    turned: npt.NDArray[Any] = untyped.apply_orientation(values, _orientation(affine))
    return turned


def upright(values: npt.NDArray[Any], affine: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A volume in the order in which it is shown, without any interpolation.

    Parameters
    ----------
    values : array [i, j, k]
    affine : float [4, 4]
        From indices to millimetres to the right, to the front and to the head (RAS).

    Returns
    -------
    array [d, h, w]
        Feet to head, front to back, the patient's right to the left: the axial slices as pictures.

    Raises
    ------
    Unreadable
        When the affine does not say which axis is which.
    """
    return np.ascontiguousarray(canonical(values, affine)[::-1, ::-1].T)


def spacing_of(affine: npt.NDArray[Any]) -> Spacing:
    """Millimetres between the voxels of `upright`."""
    axes = _orientation(affine)[:, 0]
    steps = np.sqrt((np.asarray(affine, np.float64)[:3, :3] ** 2).sum(axis=0))
    right, front, head = (float(steps[np.flatnonzero(axes == k)[0]]) for k in (0, 1, 2))
    return head, front, right


def orientation_of(affine: npt.NDArray[Any]) -> str:
    """Where the axes of a volume lead to as it is stored, such as "LPS"."""
    return "".join(
        ("LR", "PA", "IS")[int(axis)][int(sign > 0)] for axis, sign in _orientation(affine)
    )


def _orientation(affine: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """For each axis as stored: which of right, front, head it is nearest to, and its sign."""
    return _of_numbers(np.asarray(affine, np.float64).tobytes())


@lru_cache(maxsize=64)
def _of_numbers(affine: bytes) -> npt.NDArray[Any]:
    from nibabel import orientations

    untyped: Any = orientations
    numbers = np.frombuffer(affine, np.float64).reshape(4, 4)
    axes = np.full((3, 2), np.nan)
    if np.isfinite(numbers).all():
        axes = untyped.io_orientation(numbers)
    if not np.isfinite(axes).all():
        raise Unreadable("has a header whose axes are degenerate; mend its orientation")
    axes.flags.writeable = False
    return axes
