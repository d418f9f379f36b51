"""Pictures of copies for the report: the real image, the generated one, and their difference."""

from collections.abc import Mapping, Sequence

import numpy as np

from vestige.decision.records import Copy, Withheld
from vestige.images.imageset import ImageSet
from vestige.images.thumbnails import as_png, shown
from vestige.symmetries import INVERSE, seen_as
from vestige.types import Float32s

SIDE = 160
DRAWN = 48
"""Copies of which the report has pictures."""


def draw_pairs(pairs: Sequence[Copy | Withheld], sets: Mapping[str, ImageSet]) -> dict[str, bytes]:
    """PNG bytes by "copy:<number>:real", ":generated" and ":difference", of the first pairs.

    The generated image is turned back into the view of the real one. The difference is black where
    the two agree, white where they differ by half the grey scale or more.
    """
    places = {role: {id_: k for k, id_ in enumerate(images.ids)} for role, images in sets.items()}
    drawn = {}
    for number, copy in enumerate(pairs[:DRAWN]):
        real = shown(sets[copy.role], places[copy.role][copy.real], SIDE)
        generated = shown(sets["generated"], places["generated"][copy.generated], SIDE)
        generated = _turned_back(generated, real, copy)
        difference = np.clip(2 * np.abs(real - generated), 0, 1)
        for name, picture in (("real", real), ("generated", generated), ("difference", difference)):
            drawn[f"copy:{number}:{name}"] = as_png(picture)
    return drawn


def _turned_back(generated: Float32s, real: Float32s, copy: Copy | Withheld) -> Float32s:
    """A generated image as it is seen where its copy is the real one, in the size of that."""
    view = seen_as(generated, INVERSE[copy.view])
    view = 1 - view if copy.inverted else view
    if view.shape != real.shape:
        from PIL import Image

        resized = Image.fromarray(np.ascontiguousarray(view, np.float32)).resize(
            real.shape[::-1], Image.Resampling.BILINEAR
        )
        view = np.asarray(resized)
    return np.asarray(view, np.float32)
