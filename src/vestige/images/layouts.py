"""What the axes of an array of images mean, where their lengths leave no doubt."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.images.frame import Unreadable, check_size

_CHANNELS = (3, 4)
_LEAST = 5
"""Pixels on the sides of a picture whose last axis may be its channels."""
_LINE = 4
"""An array whose last axis is so many times shorter than the others holds slices there."""
_SHARED = 0.5
"""Correlation of edges above which three planes are channels of one picture."""


@dataclass(frozen=True)
class Layout:
    """Images [n, h, w] of 1, 3 or 4 channels, which come before or after height and width."""

    n: int
    height: int
    width: int
    channels: int = 1
    is_first: bool = False

    @property
    def samples(self) -> int:
        """Numbers in the array."""
        return self.n * self.height * self.width * self.channels

    def apply(self, values: npt.NDArray[Any], is_told: bool = False) -> npt.NDArray[Any]:
        """The array as [n, h, w] where it is grey, else [n, h, w, channels].

        is_told : a program gives it, and programs give images one after the other

        Raises
        ------
        Unreadable
            For three planes that look like the channels of one picture.
        """
        if self.channels == 1:
            stack = values.reshape(self.n, self.height, self.width)
            if values.ndim == 3 == self.n and not is_told and _look_like_channels(stack):
                raise Unreadable(
                    f"has shape {values.shape}: three grey images, or one picture of three "
                    "channels? Save it as [3, 1, h, w] or as [h, w, 3]"
                )
            return stack
        if self.is_first:
            shape = self.n, self.channels, self.height, self.width
            return np.moveaxis(values.reshape(shape), 1, -1)
        return values.reshape(self.n, self.height, self.width, self.channels)


def layout_of(shape: tuple[int, ...]) -> Layout:
    """The one reading of a shape.

    Raises
    ------
    Unreadable
        For a shape with none or several, which lists them and says how to save the array; and for
        one beyond the limits of `check_size`.
    """
    layout = _layout(shape)
    check_size(layout.height, layout.width, layout.n * layout.channels)
    return layout


def _layout(shape: tuple[int, ...]) -> Layout:
    if len(shape) == 2:
        return Layout(1, *shape)
    if len(shape) == 3:
        return _of_three(*shape)
    if len(shape) == 4:
        return _of_four(*shape)
    raise Unreadable(f"has shape {shape}; images come as [h, w], [n, h, w] or [n, h, w, channels]")


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
            f"{n} x {height}? Save it as [n, 1, h, w]"
        )
    return Layout(n, height, width)


def _of_four(n: int, second: int, third: int, last: int) -> Layout:
    shape = n, second, third, last
    if last in (1, *_CHANNELS) and min(second, third) >= _LEAST:
        return Layout(n, second, third, last)
    if second in (1, *_CHANNELS) and min(third, last) >= _LEAST:
        return Layout(n, third, last, second, True)
    raise Unreadable(
        f"has shape {shape}; images come as [n, h, w, channels] or [n, channels, h, w], with 1, 3 "
        "or 4 channels. Save volumes slice by slice as [n, 1, h, w]"
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
