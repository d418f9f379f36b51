"""What the axes of an array of images mean: as told, or where their lengths leave no doubt."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.images.frame import Unreadable, check_size
from vestige.registry.entries import InputError

_CHANNELS = (3, 4)
_LEAST = 5
"""Pixels on the sides of a picture whose last axis may be its channels."""
_LINE = 4
"""An array whose last axis is so many times shorter than the others holds slices there."""
_SHARED = 0.5
"""Correlation of edges above which three planes are channels of one picture."""
_AXES = "ndhwc"
"""Letters of a layout, in the order in which the axes are put."""
_PICTURE_SIDE = 8


@dataclass(frozen=True)
class Layout:
    """Images [n, h, w] of 1, 3 or 4 channels.

    order : axes of the array in the order (images, slices, height, width, channels), as far as it
        has them; () as they are
    is_told : somebody said so
    """

    n: int
    height: int
    width: int
    channels: int = 1
    order: tuple[int, ...] = ()
    is_told: bool = False

    def apply(self, values: npt.NDArray[Any], is_told: bool = False) -> npt.NDArray[Any]:
        """The array as [n, h, w] where it is grey, else [n, h, w, channels].

        is_told : a program gives it, and programs give images one after the other

        Raises
        ------
        Unreadable
            For three planes that look like the channels of one picture.
        """
        if self.order:
            values = np.transpose(values, self.order)
        if self.channels > 1:
            return values.reshape(self.n, self.height, self.width, self.channels)
        stack = values.reshape(self.n, self.height, self.width)
        told = is_told or self.is_told
        if values.ndim == 3 == self.n and not told and _look_like_channels(stack):
            raise Unreadable(
                f"has shape {values.shape}: three grey images, or one picture of three channels? "
                "Give --layout n,h,w or c,h,w, or save it as [3, 1, h, w] or as [h, w, 3]"
            )
        return stack


def parse_layout(text: str) -> str:
    """The letters of a layout such as "n,h,w"; "" for none.

    Raises
    ------
    InputError
        For other letters than n, d, h, w and c, one that comes twice, or none for h or w.

    Examples
    --------
    >>> parse_layout("h, w, n")
    'hwn'
    """
    letters = text.replace(",", "").replace(" ", "").lower()
    known = set(letters) <= set(_AXES) and len(set(letters)) == len(letters)
    if text and not (known and {"h", "w"} <= set(letters)):
        raise InputError(
            f"the layout {text[:40]!r} is not known: name each axis of the arrays once, from n "
            "(images), d (slices), h (height), w (width) and c (channels), such as n,h,w."
        )
    return letters


def layout_of(shape: tuple[int, ...], told: str = "") -> Layout:
    """The one reading of a shape.

    Parameters
    ----------
    told : what `parse_layout` gives; a single [h, w] needs none

    Raises
    ------
    Unreadable
        For a shape with none or several, which lists them and says how to save the array; and for
        one beyond the limits of `check_size`.
    """
    layout = _told(shape, told) if told and len(shape) != 2 else _layout(shape)
    check_size(layout.height, layout.width, layout.n * layout.channels)
    return layout


def may_be_pictures(shape: tuple[int, ...]) -> bool:
    """Whether two of the sides of an array are those of an image; a table of labels has none."""
    return sum(side >= _PICTURE_SIDE for side in shape[-3:]) >= 2 and len(shape) >= 2


def _told(shape: tuple[int, ...], told: str) -> Layout:
    if len(shape) != len(told):
        raise Unreadable(
            f"has shape {shape}, and the layout {','.join(told)} names {len(told)} axes; save all "
            "arrays alike, or leave --layout out"
        )
    sides = dict(zip(told, shape, strict=True))
    channels = sides.get("c", 1)
    if channels not in (1, *_CHANNELS):
        raise Unreadable(
            f"has shape {shape}, and by the layout {','.join(told)} {channels} colours"
        )
    n = sides.get("n", 1) * sides.get("d", 1)
    order = tuple(told.index(letter) for letter in _AXES if letter in told)
    return Layout(n, sides["h"], sides["w"], channels, order, True)


def _layout(shape: tuple[int, ...]) -> Layout:
    if len(shape) == 2:
        return Layout(1, *shape)
    if len(shape) == 3:
        return _of_three(*shape)
    if len(shape) == 4:
        return _of_four(*shape)
    raise Unreadable(
        f"has shape {shape}; images come as [h, w], [n, h, w] or [n, h, w, channels], volumes as "
        "[n, d, h, w], [n, 1, d, h, w] or [n, d, h, w, 1]"
    )


def _of_three(n: int, height: int, width: int) -> Layout:
    shape = n, height, width
    if min(n, height) >= _LEAST:
        if width == 1:
            return Layout(1, n, height)
        if width in _CHANNELS:
            return Layout(1, n, height, width)
    if width > 1 and (n == height != width or _LINE * width <= min(n, height)):
        raise Unreadable(
            f"has shape {shape}: {n} images of {height} x {width}, or {width} slices of "
            f"{n} x {height}? Give --layout n,h,w or h,w,n, or save it as [n, 1, h, w]"
        )
    return Layout(n, height, width)


def _of_four(n: int, second: int, third: int, last: int) -> Layout:
    shape = n, second, third, last
    if last in (1, *_CHANNELS) and min(second, third) >= _LEAST:
        return Layout(n, second, third, last)
    if second in (1, *_CHANNELS) and min(third, last) >= _LEAST:
        return Layout(n, third, last, second, (0, 2, 3, 1))
    raise Unreadable(
        f"has shape {shape}: images [n, h, w, channels] or [n, channels, h, w] (1, 3 or 4), or "
        "volumes? Give --layout n,h,w,c or n,c,h,w or n,d,h,w, or save slices as "
        "[n, 1, h, w]"
    )


def _look_like_channels(planes: npt.NDArray[Any]) -> bool:
    """Whether the edges of any two planes lie in the same places, as in colour pictures."""
    edges = np.diff(planes.astype(np.float64), axis=2).reshape(len(planes), -1)
    edges = edges - edges.mean(axis=1, keepdims=True)
    norms = np.sqrt((edges**2).sum(axis=1))
    if not np.isfinite(norms).all():
        return False
    shared = np.abs(edges @ edges.T)
    return bool((np.triu(shared, 1) > _SHARED * np.outer(norms, norms)).any())
