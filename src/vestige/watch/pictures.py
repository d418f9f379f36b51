"""Images that a training loop holds become pictures of one side."""

from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.features.pixels import shrink
from vestige.images.frame import Unreadable, unit_floats
from vestige.images.given_arrays import Given, held
from vestige.images.layouts import layout_of
from vestige.images.preprocess import to_working
from vestige.registry.entries import InputError
from vestige.types import Images


def pictures_of(source: Any, what: str) -> Images:
    """What a program holds (`vestige.images.given_arrays`) as float32 [n, h, w] or [n, h, w, 3].

    Parameters
    ----------
    source : [n, h, w], [n, h, w, c] or [n, c, h, w] with 1 or 3 channels, or a list of images
        uint8, uint16, bool, or floats in 0..1 or -1..1; tensors of any device, data sets, loaders.
    what : str
        Name of the set, for errors.

    Raises
    ------
    InputError
        For other shapes, channels, types or ranges, NaN, and lists of images of unequal size.
    """
    values = _array(source, what)
    if values.dtype.kind not in "bfu" or values.ndim not in (3, 4) or not values.size:
        raise InputError(
            f"{what} must be images [n, h, w], [n, h, w, c] or [n, c, h, w] of uint8, bool or "
            f"floats, found {values.dtype.name} of shape {values.shape}."
        )
    try:
        values = layout_of(values.shape).apply(values, is_told=True)
        if values.ndim == 4 and values.shape[3] != 3:
            raise Unreadable(f"has {values.shape[3]} channels; give one or three")
        if values.dtype.kind == "b":
            return values.astype(np.float32)
        if values.dtype.kind == "f":
            return unit_floats(values)[0]
    except Unreadable as error:
        raise InputError(f"the array of {what} {error}.") from error
    return np.asarray(values, np.float32) / np.float32(np.iinfo(values.dtype).max)


def at_side(images: Images, side: int) -> Images:
    """Images of any size as squares [n, side, side] or [n, side, side, 3], padded with black."""
    n, height, width = images.shape[:3]
    planes = images if images.ndim == 3 else np.moveaxis(images, 3, 1).reshape(-1, height, width)
    if height == width and height % side == 0:
        small = shrink(planes, side)
    else:
        small = np.stack([to_working(plane, side) for plane in planes])
    if images.ndim == 4:
        small = np.moveaxis(small.reshape(n, 3, side, side), 1, 3)
    return np.ascontiguousarray(small)


def _array(source: Any, what: str) -> npt.NDArray[Any]:
    given = held(source)
    if not isinstance(given, Given):
        raise InputError(
            f"{what} must be images in memory, one or more: an array, a tensor, or a list of them "
            "or of Pillow images."
        )
    if isinstance(given.values, np.ndarray):
        return given.values
    shapes = sorted({image.shape for image in given.values})
    found = " and ".join(map(str, shapes[:2]))
    raise InputError(f"a list of {what} needs images of one shape and type, found {found}.")
