"""Arrays that hold volumes: [d, h, w], [n, d, h, w], or either with one channel."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.images.arrays import Stack, on_one_range
from vestige.images.flags import MINUS_ONE_TO_ONE, NO_SPACING
from vestige.images.frame import UNIT, Frame, Unreadable, check_size, from_any
from vestige.images.working_grid import CUBES, FEWEST_SLICES, check_volume

_AXES = "ndhwc"


@dataclass(frozen=True)
class VolumeLayout:
    """Volumes of these sides (slices, height, width).

    order : axes of the array in the order of `_AXES`, as far as it has them
    """

    n: int
    sides: tuple[int, int, int]
    order: tuple[int, ...]

    def apply(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The array as [n, d, h, w]."""
        return np.transpose(values, self.order).reshape(self.n, *self.sides)


def volume_layout_of(shape: tuple[int, ...], told: str = "") -> VolumeLayout:
    """The one reading of a shape as volumes.

    Parameters
    ----------
    told : what `vestige.images.layouts.parse_layout` gives; "" for [d, h, w], [n, d, h, w],
        [n, 1, d, h, w] or [n, d, h, w, 1]

    Raises
    ------
    Unreadable
        For any other shape, several channels, and volumes that `check_volume` refuses.
    """
    letters = told or _letters(shape)
    if len(letters) != len(shape):
        raise Unreadable(
            f"has shape {shape}, and the layout {','.join(letters)} names {len(letters)} axes; "
            "save all arrays alike, or leave --layout out"
        )
    if "d" not in letters:
        raise Unreadable(
            f"is read by the layout {','.join(letters)}, which names no slices (d); volumes are "
            "n,d,h,w. Or read all as pictures with --slices"
        )
    sizes = dict(zip(letters, shape, strict=True))
    if sizes.get("c", 1) != 1:
        raise Unreadable(
            f"has shape {shape}: volumes of {sizes['c']} channels; save one grey channel"
        )
    sides = sizes["d"], sizes["h"], sizes["w"]
    check_size(sides[1], sides[2], sizes.get("n", 1) * sides[0])
    check_volume(sides, CUBES)
    order = tuple(letters.index(letter) for letter in _AXES if letter in letters)
    return VolumeLayout(sizes.get("n", 1), sides, order)


def _letters(shape: tuple[int, ...]) -> str:
    if len(shape) == 3:
        return "dhw"
    if len(shape) == 4 and min(shape[1:]) >= FEWEST_SLICES:
        return "ndhw"
    if len(shape) == 5:
        return "ncdhw" if shape[1] < FEWEST_SLICES else "ndhwc"
    raise Unreadable(
        f"has shape {shape}; volumes are [n, d, h, w] of {FEWEST_SLICES} and more voxels along d, "
        "h and w. Save them so, or read all as pictures with --slices"
    )


def split_volumes(values: Stack, mode: str) -> list[Frame]:
    """Volumes [n, d, h, w] of any accepted type as frames.

    Slices run from feet to head, rows from front to back, columns from the patient's right to the
    left; the voxels count as cubes, which is flagged. The range of floats is found for all volumes
    together.
    """
    bits = [8 * volume.dtype.itemsize for volume in values]
    values, flags = on_one_range(values)
    rule = UNIT if MINUS_ONE_TO_ONE not in flags else replace(UNIT, low=-1)
    frames = [from_any(np.ascontiguousarray(volume), mode) for volume in values]
    is_float = len(values) > 0 and values[0].dtype.kind == "f"
    return [
        replace(
            one,
            bits=own if is_float else one.bits,
            rule=rule if is_float else one.rule,
            flags=(*flags, *one.flags, NO_SPACING),
            spacing=CUBES,
        )
        for one, own in zip(frames, bits, strict=True)
    ]
