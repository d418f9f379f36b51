"""Pictures of copies for the report: the real image, the generated one, and their difference."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from vestige.decision.records import Copy, Withheld
from vestige.images.imageset import ImageSet
from vestige.images.kinds import in_view
from vestige.images.preprocess import shrink_cubes
from vestige.images.thumbnails import Voxel, as_png, drawn, kind_of_one, shown
from vestige.symmetries import INVERSE
from vestige.types import Float32s

SIDE = 160
DRAWN = 48
"""Copies of which the report has pictures."""
LEAFED = 5
"""Copies of volumes of which it has slices as well."""
SLICES = 16
NEIGHBOURHOOD = 4
"""The part of the side of a volume that counts as the neighbourhood of a voxel."""


def draw_pairs(pairs: Sequence[Copy | Withheld], sets: Mapping[str, ImageSet]) -> dict[str, bytes]:
    """PNG bytes by "copy:<number>:real", ":generated" and ":difference", of the first pairs.

    The generated image is turned back into the view of the real one. The difference is black where
    the two agree, white where they differ by half the grey scale or more; in colour, channel by
    channel.

    Of volumes the planes through `best_voxel`; of the first pairs also "copy:<number>:slice:<z>",
    the axial slices z with real, generated and difference side by side. The first of them lies in
    the planes.
    """
    places = {role: {id_: k for k, id_ in enumerate(images.ids)} for role, images in sets.items()}
    pictures: dict[str, bytes] = {}
    for number, copy in enumerate(pairs[:DRAWN]):
        real = shown(sets[copy.role], places[copy.role][copy.real], SIDE)
        generated = shown(sets["generated"], places["generated"][copy.generated], SIDE)
        real, generated = _alike(real, _turned_back(generated, copy))
        trio = {"real": real, "generated": generated}
        trio["difference"] = np.clip(2 * np.abs(real - generated), 0, 1)
        is_volume = kind_of_one(real) == "volume"
        voxel = best_voxel(real, generated) if is_volume else None
        for name, image in trio.items():
            pictures[f"copy:{number}:{name}"] = as_png(drawn(image, voxel))
        if voxel is not None and number < LEAFED:
            for z in _slices(len(real), voxel[0]):
                side_by_side = np.concatenate([image[z] for image in trio.values()], axis=1)
                pictures[f"copy:{number}:slice:{z}"] = as_png(side_by_side)
    return pictures


def best_voxel(real: Float32s, generated: Float32s) -> Voxel:
    """The voxel whose three planes hold most of the structure that two volumes [s, s, s] share.

    Structure is what is left of a voxel when the mean of its neighbourhood, a cube of a quarter of
    the side, is taken away. Its product is summed over each plane.
    """
    from scipy.ndimage import uniform_filter

    width = max(3, len(real) // NEIGHBOURHOOD)
    first, second = (
        one - uniform_filter(one, width) for one in (np.float64(real), np.float64(generated))
    )
    shared = first * second
    sums = shared.sum(axis=(1, 2)), shared.sum(axis=(0, 2)), shared.sum(axis=(0, 1))
    up, back, left = (int(np.argmax(one)) for one in sums)
    return up, back, left


def _slices(side: int, through: int) -> Iterator[int]:
    """Numbers of evenly spaced slices, at most `SLICES`, with `through` first."""
    step = -(-side // SLICES)
    yield through
    yield from (z for z in range(through % step, side, step) if z != through)


def _turned_back(generated: Float32s, copy: Copy | Withheld) -> Float32s:
    """A generated image as it is seen where its copy is the real one."""
    view = in_view(generated[np.newaxis], INVERSE[copy.view])[0]
    return np.asarray(1 - view if copy.inverted else view, np.float32)


def _alike(real: Float32s, generated: Float32s) -> tuple[Float32s, Float32s]:
    """Both in one size: a generated picture in that of the real one, volumes in the smaller."""
    if real.shape == generated.shape:
        return real, generated
    if kind_of_one(real) == "volume":
        side = min(len(real), len(generated))
        return shrink_cubes(real[np.newaxis], side)[0], shrink_cubes(generated[np.newaxis], side)[0]
    from PIL import Image

    size = real.shape[1::-1]
    planes = [
        Image.fromarray(np.ascontiguousarray(plane, np.float32)).resize(
            size, Image.Resampling.BILINEAR
        )
        for plane in np.atleast_3d(generated).transpose(2, 0, 1)
    ]
    resized = np.stack([np.asarray(plane, np.float32) for plane in planes], axis=2)
    return real, np.asarray(resized.reshape(real.shape), np.float32)
