"""What an array of images holds: grey pictures, colour pictures or volumes.

The shape says it: [n, h, w], [n, h, w, 3] and [n, d, h, w]. Volumes are cubes of at least
`SMALLEST_CUBE` voxels a side; their last axis runs from the patient's right to the left.
"""

from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from vestige.registry.entries import InputError
from vestige.symmetries import Symmetry, seen_as
from vestige.types import Float32s, Images

Kind = Literal["grey", "colour", "volume"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NAMES: dict[Kind, str] = {
    "grey": "grey images",
    "colour": "colour images",
    "volume": "3-D volumes",
}
_VOLUME_WORDS = (
    ("pixel", "voxel"),
    ("slices of one patient", "volumes of one patient"),
    ("slices of the same patients", "volumes of the same patients"),
    ("whose other slices", "whose other volumes"),
)
Takes = Literal["grey", "colour", "all"]
"""What something works on as it is: grey images only, colour images too, or volumes too."""
SMALLEST_CUBE = 4
"""Voxels a side; fewer say nothing, and [n, 3, 3, 3] would be colour."""
LARGEST_CUBE = 32
"""Voxels a side up to which columns of several sizes look at volumes: 32,768 voxels, as many as
181 x 181 pixels have."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Rec. 601, as grey comes about where colour files are read as grey."""


def kind_of(shape: tuple[int, ...]) -> Kind:
    """What images of this shape are, the number of images first.

    Raises
    ------
    InputError
        For any other shape, and for volumes that are not cubes.
    """
    if len(shape) == 3:
        return "grey"
    if len(shape) == 4 and shape[3] == 3:
        return "colour"
    if len(shape) == 4 and len(set(shape[1:])) == 1 and shape[1] >= SMALLEST_CUBE:
        return "volume"
    raise InputError(
        "images have the shape [n, h, w], colour [n, h, w, 3], volumes [n, s, s, s], "
        f"found {shape}."
    )


def told_of(kind: Kind, sentence: str) -> str:
    """A sentence of vestige's own, about voxels where volumes are compared.

    Names of the user must not stand in it: they would be changed as well.
    """
    if kind == "volume":
        for of_pictures, of_volumes in _VOLUME_WORDS:
            sentence = sentence.replace(of_pictures, of_volumes)
    return sentence


def luma_of(images: Images) -> Images:
    """Colour images [..., 3] as grey [...], 0..1."""
    luma: Images = np.asarray(images, np.float32) @ LUMA
    return np.minimum(luma, np.float32(1))


def grey_only(images: Images) -> Images:
    """Images as pictures [n, h, w]: grey as they are, of colour the luma.

    Raises
    ------
    InputError
        For volumes.
    """
    kind = kind_of(images.shape)
    if kind == "volume":
        raise InputError(
            f"{NAMES[kind]} of shape {images.shape} were given where pictures are compared. "
            "`vestige list detectors` tells which detectors take volumes."
        )
    return luma_of(images) if kind == "colour" else images


def in_view(images: npt.NDArray[Any], symmetry: Symmetry) -> npt.NDArray[Any]:
    """Images of any kind as a symmetry shows them; a volume slice by slice."""
    if kind_of(images.shape) != "colour":
        return seen_as(images, symmetry)
    return np.moveaxis(seen_as(np.moveaxis(images, 3, 1), symmetry), 1, 3)


def planes_of(images: Images) -> tuple[Float32s, Float32s]:
    """Colour images [n, h, w, 3] as luma [n, h, w] and two chroma planes [n, 2, h, w].

    Luma is what grey images show; the chroma planes are blue and red less luma, scaled so that
    each lies in -.5..0.5 (Rec. 601). Grey pixels have no chroma.
    """
    images = np.asarray(images, np.float32)
    luma: Float32s = images @ LUMA
    chroma = np.stack(
        [(images[..., 2] - luma) / np.float32(1.772), (images[..., 0] - luma) / np.float32(1.402)],
        axis=1,
    )
    return luma, np.asarray(chroma, np.float32)


def chroma_added(luma: npt.NDArray[Any], chroma: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Colour images [n, h, w, 3] of the planes that `planes_of` gives; not cut off at 0 and 1."""
    blue = luma + np.float32(1.772) * chroma[:, 0]
    red = luma + np.float32(1.402) * chroma[:, 1]
    green = (luma - LUMA[0] * red - LUMA[2] * blue) / LUMA[1]
    return np.stack([red, green, blue], axis=3)


def in_grey(images: Images) -> Images:
    """Colour images as their luma [n, h, w]; grey images and volumes as they are."""
    return luma_of(images) if kind_of(images.shape) == "colour" else images


def inside(images: npt.NDArray[Any]) -> tuple[int, ...]:
    """The axes within an image, of images of any kind."""
    return tuple(range(1, images.ndim))


def slice_by_slice(volumes: Images) -> Images:
    """Volumes [n, s, s, s] as pictures [n * s, s, s]."""
    return volumes.reshape(-1, *volumes.shape[2:])


def pictures_of(images: Images) -> Images:
    """Square grey pictures [n, k, s, s] that stand for images of any kind.

    Of grey and colour images one (luma); of volumes the middle axial, coronal and sagittal plane.
    """
    if kind_of(images.shape) != "volume":
        return in_grey(images)[:, np.newaxis]
    middle = images.shape[1] // 2
    return np.stack([images[:, middle], images[:, :, middle], images[:, :, :, middle]], axis=1)
