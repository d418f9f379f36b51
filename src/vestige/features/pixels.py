"""Grey values as features, at a smaller size if asked."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from vestige.registry.entries import InputError
from vestige.types import Float32s, Images

BLOCK = 256


def as_images(source: Any, required_resolution: int = 64) -> Images:
    """Accept arrays, ImageSets, folders and lists of paths.

    `required_resolution` is the largest side in pixels at which anything looks at images read here.

    Returns
    -------
    float32 [n, h, w], grey, 0..1
    """
    if hasattr(source, "pixels"):
        source = source.pixels
    if not isinstance(source, np.ndarray):
        from vestige.images.listing import peek_size
        from vestige.images.reading import read_images

        pixels: Images = read_images(
            source, role="images", size=peek_size([source], required_resolution)
        ).pixels
        return pixels
    if source.ndim != 3 or 0 in source.shape:
        raise InputError(f"images need shape [n, h, w] with no empty side, got {source.shape}.")
    if source.dtype in (np.uint8, np.uint16):
        return np.asarray(source, dtype=np.float32) / np.float32(np.iinfo(source.dtype).max)
    if source.dtype.kind != "f":
        raise InputError(f"images are uint8, uint16 or float in 0..1, found {source.dtype.name}.")
    if isinstance(source, np.memmap) and source.dtype == np.float32 and source.flags.c_contiguous:
        return source  # stays in its file
    return np.ascontiguousarray(source, dtype=np.float32)


def shrink(images: Images, size: int) -> Images:
    """Area-average square images [n, s, s] to [n, size, size]; smaller ones stay as they are.

    Only an integer factor is an area average; other sizes go through the common kernel of
    `vestige.images.preprocess`.
    """
    n, side, width = images.shape
    if side == width and side <= size:
        return images
    if side == width and side % size == 0:
        f = side // size
        small = np.empty((n, size, size), dtype=np.float32)
        # sums of slices, a few images at a time: in the cache, far faster than a mean over axes
        for start in range(0, n, BLOCK):
            part = images[start : start + BLOCK]
            rows = part[:, 0::f].copy()
            for k in range(1, f):
                rows += part[:, k::f]
            sums = small[start : start + BLOCK]
            sums[:] = rows[:, :, 0::f]
            for k in range(1, f):
                sums += rows[:, :, k::f]
            sums *= np.float32(1 / f**2)
        return small
    from vestige.images.preprocess import to_working

    return np.stack([to_working(image, size) for image in images])


def local_contrast(images: Images) -> Images:
    """Subtract the mean and divide by (standard deviation + .02), image by image."""
    mean = images.mean(axis=(1, 2), keepdims=True)
    deviation = images.std(axis=(1, 2), keepdims=True)
    normalised: Images = (images - mean) / (deviation + np.float32(0.02))
    return normalised


@dataclass
class Pixels:
    """Grey values at `size` px, optionally local-contrast-normalised. Nothing is learned.

    Source: GAN-Leaks (arXiv:1909.03935) compares pixels; docs/methods.md 2.3.
    """

    size: int = 32
    contrast: bool = False

    def fit(self, images: Images) -> Self:
        """Nothing to learn."""
        return self

    def transform(self, images: Images) -> Float32s:
        """Images [n, h, w] -> rows [n, size * size]."""
        small = shrink(images, self.size)
        if self.contrast:
            small = local_contrast(small)
        return small.reshape(len(small), -1)
