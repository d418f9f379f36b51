"""Statistics of working images that colour images and volumes have, and grey images have not."""

from collections.abc import Callable

import numpy as np

from vestige.images.kinds import kind_of, planes_of
from vestige.images.spool import blocks
from vestige.types import Floats, Images

AXES = ("feet to head", "front to back", "right to left")
"""Of a volume, in the order of its axes."""
COLOUR = ("mean red", "mean green", "mean blue", "white balance", "saturation", "chroma detail")
STEPS = tuple(f"steps {axis}" for axis in AXES)
CENTRES = tuple(f"centre {axis}" for axis in AXES)
VOLUME = (*STEPS, "share of background", *CENTRES)
BACKGROUND = 0.1
"""Of the 99 % quantile: what lies below is background."""
_DARK = 1e-6


def colour_statistics(images: Images) -> dict[str, Floats]:
    """`COLOUR`, each [n].

    White balance: mean red less mean blue, as a share of the mean grey. Saturation: mean distance
    of the strongest from the weakest channel. Chroma detail: mean step of chroma within 2 x 2
    pixels over that between them, which is small where a JPEG held chroma at half the side.

    Parameters
    ----------
    images : [n, h, w, 3], 0..1
    """
    means = images.mean(axis=(1, 2), dtype=np.float64)
    balance = (means[:, 0] - means[:, 2]) / np.maximum(means.mean(axis=1), _DARK)
    saturation = (images.max(axis=3) - images.min(axis=3)).mean(axis=(1, 2), dtype=np.float64)
    steps = np.abs(np.diff(planes_of(images)[1], axis=3))
    within, between = (
        steps[..., start::2].mean(axis=(1, 2, 3), dtype=np.float64) if steps.shape[3] > start else 0
        for start in (0, 1)
    )
    detail = (within + _DARK) / (between + _DARK)
    return dict(zip(COLOUR, (*means.T, balance, saturation, detail), strict=True))


def volume_statistics(images: Images) -> dict[str, Floats]:
    """`VOLUME`, each [n].

    Steps: mean difference of neighbours along an axis, as a share of the standard deviation: thick
    slices and smoothing show there. Background: share of voxels below a tenth of the 99 % quantile.
    Centre: the centre of mass along an axis, in voxels from the middle.

    Parameters
    ----------
    images : [n, s, s, s], 0..1
    """
    spread = np.maximum(images.std(axis=(1, 2, 3), dtype=np.float64), _DARK)
    steps = [
        np.abs(np.diff(images, axis=axis)).mean(axis=(1, 2, 3), dtype=np.float64) / spread
        for axis in (1, 2, 3)
    ]
    flat = images.reshape(len(images), -1)
    bright = np.quantile(flat, 0.99, axis=1)
    background = (flat < BACKGROUND * bright[:, np.newaxis]).mean(axis=1)
    place = np.arange(images.shape[1]) - (images.shape[1] - 1) / 2
    weight = np.maximum(flat.sum(axis=1, dtype=np.float64), _DARK)
    centres = [np.einsum(f"nijk,{axis}->n", images, place) / weight for axis in "ijk"]
    return dict(zip(VOLUME, (*steps, background, *centres), strict=True))


def kind_statistics(images: Images) -> dict[str, Floats]:
    """What images of their kind have beside a grey image, each [n]; nothing of grey images."""
    kind = kind_of(images.shape)
    if kind == "grey":
        return {}
    of_kind = colour_statistics if kind == "colour" else volume_statistics
    return in_parts(of_kind, images)


def in_parts(
    statistics: Callable[[Images], dict[str, Floats]], images: Images
) -> dict[str, Floats]:
    """Statistics that know one image at a time, of a few images at a time."""
    parts = [statistics(np.asarray(part)) for part in blocks(images)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
