"""The eight symmetries of a square: the views in which a copy may appear."""

from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

Symmetry = Literal[
    "identity",
    "mirrored",
    "upside down",
    "half turn",
    "quarter turn",
    "three quarter turn",
    "transposed",
    "anti-transposed",
]
Views = Literal["none", "mirror", "all"]
"""What `--views` takes."""
SYMMETRIES: tuple[Symmetry, ...] = get_args(Symmetry)
VIEWS: dict[Views, tuple[Symmetry, ...]] = {
    "none": ("identity",),
    "mirror": ("identity", "mirrored"),
    "all": SYMMETRIES,
}
"""The symmetries of each choice. "mirrored" changes left and right, as the usual augmentation of a
generator's training images does; turns are counter-clockwise. A volume is seen slice by slice: its
slices keep their order, and "mirrored" reverses its last axis, from the patient's right to the
left. Near copies of volumes are looked for with "none" or "mirror" only; equal pixels are looked
for in all eight, whatever the choice."""
TRANSPOSING: frozenset[Symmetry] = frozenset(
    ("quarter turn", "three quarter turn", "transposed", "anti-transposed")
)
"""Those that change rows and columns."""
INVERSE: dict[Symmetry, Symmetry] = {symmetry: symmetry for symmetry in SYMMETRIES} | {
    "quarter turn": "three quarter turn",
    "three quarter turn": "quarter turn",
}
"""What undoes each."""


def seen_as(images: npt.NDArray[Any], symmetry: Symmetry) -> npt.NDArray[Any]:
    """Images [..., h, w] as a symmetry shows them: a view of the same memory.

    Returns
    -------
    array, [..., h, w], or [..., w, h] for those in `TRANSPOSING`
    """
    turned = {"quarter turn": 1, "half turn": 2, "three quarter turn": 3}
    if symmetry in turned:
        return np.rot90(images, turned[symmetry], axes=(-2, -1))
    if symmetry == "mirrored":
        return images[..., :, ::-1]
    if symmetry == "upside down":
        return images[..., ::-1, :]
    if symmetry == "transposed":
        return np.swapaxes(images, -2, -1)
    if symmetry == "anti-transposed":
        return np.rot90(np.swapaxes(images, -2, -1), 2, axes=(-2, -1))
    return images
