"""Images that a training loop holds become pictures of one side."""

from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.features.pixels import shrink
from vestige.images.frame import Unreadable, unit_floats
from vestige.images.layouts import layout_of
from vestige.images.preprocess import to_working
from vestige.registry.entries import InputError
from vestige.types import Images

_MODES = ("L", "RGB", "I;16", "F")


def pictures_of(source: Any, what: str) -> Images:
    """Arrays, tensors or lists of either or of Pillow images as float32 [n, h, w] or [n, h, w, 3].

    Parameters
    ----------
    source : [n, h, w], [n, h, w, c] or [n, c, h, w] with 1 or 3 channels, or a list of images
        uint8, uint16, or floats in 0..1 or -1..1; tensors of any device.
    what : str
        Name of the set, for errors.

    Raises
    ------
    InputError
        For other shapes, channels, types or ranges, NaN, and lists of images of unequal size.
    """
    values = _array(source, what)
    if values.dtype.kind not in "fu" or values.ndim not in (3, 4) or not values.size:
        raise InputError(
            f"{what} must be images [n, h, w], [n, h, w, c] or [n, c, h, w] of uint8 or floats, "
            f"found {values.dtype.name} of shape {values.shape}."
        )
    try:
        values = layout_of(values.shape).apply(values, is_told=True)
        if values.ndim == 4 and values.shape[3] != 3:
            raise Unreadable(f"has {values.shape[3]} channels; give one or three")
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
    if not isinstance(source, list | tuple):
        return _numbers(source, what)
    parts = [_numbers(part, what) for part in source]
    shapes = sorted({part.shape for part in parts})
    if len(shapes) != 1:
        found = " and ".join(map(str, shapes[:2])) or "none"
        raise InputError(f"a list of {what} needs images of one shape, found {found}.")
    return np.stack(parts)


def _numbers(part: Any, what: str) -> npt.NDArray[Any]:
    if hasattr(part, "detach"):
        part = part.detach()
        try:
            # half precision of some kinds is unknown to NumPy
            part = (part.float() if part.is_floating_point() else part).cpu().numpy()
        except (RuntimeError, NotImplementedError) as error:
            raise InputError(
                f"the tensors of {what} cannot be copied from device {part.device}. Move them to "
                "the CPU first."
            ) from error
    mode = getattr(part, "mode", None)
    if isinstance(mode, str) and mode not in _MODES:
        part = part.convert("RGB")
    return np.asarray(part)
