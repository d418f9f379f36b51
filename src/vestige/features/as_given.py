"""Images for a detector that is used by itself: read by the rules of an audit."""

from typing import Any

import numpy as np

from vestige.images.arrays import on_one_range, split
from vestige.images.dimensions import hold_volumes
from vestige.images.frame import Unreadable, scaled
from vestige.images.given_arrays import Given
from vestige.images.kinds import Kind
from vestige.images.layouts import layout_of
from vestige.images.listing import listed, peek_size
from vestige.images.reading import Wanted, read_images
from vestige.registry.entries import InputError
from vestige.types import Float32s, Images


def read_as_given(source: Any, required_resolution: int) -> Images:
    """Files at the working size, grey; what a program holds as the kind that its shapes say.

    Pictures of one size keep it.

    Returns
    -------
    float32 [n, h, w] grey, [n, h, w, 3] colour or [n, s, s, s] volumes, 0..1
    """
    kind: Kind = "grey"
    given = listed(source)
    if isinstance(given, Given):
        try:
            kind = _kind_of(given)
            if kind != "volume" and isinstance(given.values, np.ndarray):
                frames = split(given.pictures(), "array")
                return np.stack([scaled(frame.shown_as(kind)) for frame in frames])
        except Unreadable as error:
            raise InputError(f"the array of images {error}") from error
    size = peek_size([given], required_resolution, kind=kind)
    return read_images(given, role="images", size=size, wanted=Wanted(kind=kind)).pixels


def have_channels(shape: tuple[int, ...]) -> bool:
    """Whether an array holds pictures with channels, such as [n, 3, h, w]."""
    try:
        return len(shape) == 4 and layout_of(shape).channels > 0
    except Unreadable:
        return False


def _kind_of(given: Given) -> Kind:
    if hold_volumes({"images": given}).whole:
        return "volume"
    return "colour" if any(picture.ndim == 3 for picture in given.pictures()) else "grey"


def check_range(images: Float32s) -> None:
    """Refuse floats whose range is not known, and those that are not finite.

    Raises
    ------
    InputError
    """
    try:
        on_one_range(images)
    except Unreadable as error:
        raise InputError(f"the array of images {error}") from error
