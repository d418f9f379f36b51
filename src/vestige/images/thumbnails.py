"""Small PNGs for the gallery of the report."""

import io

import numpy as np

from vestige.images.imageset import ImageSet
from vestige.images.preprocess import to_working
from vestige.registry.entries import InputError
from vestige.types import Float32s

SIDE = 128


def thumbnail(images: ImageSet, i: int) -> bytes:
    """PNG bytes of image i, read again in full size, at most 128 px; no metadata.

    Where its file has gone or changed since, the image at the working size.
    """
    return as_png(shown(images, i, SIDE))


def shown(images: ImageSet, i: int, side: int) -> Float32s:
    """Image i read again in full size, at most `side` pixels wide, [h, w] in 0..1."""
    try:
        pixels = images.original(i)
    except InputError:  # gone or changed by now: what was judged is shown
        pixels = images.pixels[i]
    return np.asarray(to_working(pixels, min(side, max(pixels.shape))), np.float32)


def as_png(pixels: Float32s) -> bytes:
    """PNG bytes of pixels [h, w] in 0..1; no metadata."""
    from PIL import Image

    grey = np.round(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(grey, mode="L").save(out, format="PNG")
    return out.getvalue()
