"""Images as the tensors of the deep generators, and back; their layers in two and three axes."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vestige.images.kinds import NAMES, Kind, Takes, kind_of
from vestige.registry.entries import InputError
from vestige.types import Images

SIDES = (32, 64, 128, 256)
CUBES = (16, 24, 32)
"""Sides of volumes: larger ones do not train in a sensible time on one processor."""


@dataclass(frozen=True)
class Form:
    """What the networks of a generator make: images of one kind and side."""

    kind: Kind = "grey"
    side: int = 0

    @property
    def channels(self) -> int:
        """Red, green and blue of colour; one of everything else."""
        return 3 if self.kind == "colour" else 1

    @property
    def axes(self) -> int:
        """Axes of space."""
        return 3 if self.kind == "volume" else 2

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image as a tensor: channels, then the sides."""
        return (self.channels, *[self.side] * self.axes)

    @property
    def values(self) -> int:
        """Numbers in one image."""
        return math.prod(self.shape)

    @property
    def memory_format(self) -> torch.memory_format:
        """The faster one on a processor: channels last for pictures, as they come for volumes."""
        return torch.contiguous_format if self.axes == 3 else torch.channels_last


def to_tensor(images: Images, device: torch.device) -> Tensor:
    """Float32 images of any kind in 0..1 -> [n, c, ...] in -1..1."""
    form = Form(kind_of(images.shape))
    tensor = torch.from_numpy(np.ascontiguousarray(images, np.float32))
    tensor = tensor.movedim(-1, 1) if form.kind == "colour" else tensor[:, None]
    return (tensor * 2 - 1).to(device).contiguous(memory_format=form.memory_format)


def to_images(tensor: Tensor) -> Images:
    """Tensor [n, c, ...] in -1..1 -> float32 images, 0..1 in steps of 1/255."""
    tensor = tensor[:, 0] if tensor.shape[1] == 1 else tensor.movedim(1, -1)
    levels = ((tensor.float() + 1) * 127.5).clamp(0, 255).round()
    return np.ascontiguousarray((levels / 255).cpu().numpy(), np.float32)


def check_form(images: Images, takes: Takes, name: str) -> Form:
    """Kind and side of the training images.

    Raises
    ------
    InputError
        Names the generator and what it takes instead.
    """
    kind = kind_of(images.shape)
    if kind == "volume" and takes != "all":
        raise InputError(
            f"{name} makes pictures, since its networks have no third axis; {NAMES[kind]} were "
            "given: take vae or diffusion."
        )
    sides, what = (CUBES, "volumes") if kind == "volume" else (SIDES, "square images")
    if images.shape[1] != images.shape[2] or images.shape[1] not in sides:
        given = " x ".join(map(str, images.shape[1 : 4 if kind == "volume" else 3]))
        unit = "voxels a side" if kind == "volume" else "pixels"
        raise InputError(
            f"{name} takes {what} of {', '.join(map(str, sides))} {unit}, "
            f"not {given}: give another --size."
        )
    if len(images) < 2:
        raise InputError(f"{name} needs 2 or more training images, not {len(images)}.")
    return Form(kind, int(images.shape[1]))


def convolution(
    axes: int, before: int, after: int, size: int, step: int = 1
) -> nn.Conv2d | nn.Conv3d:
    """A convolution over two or three axes that keeps the sides, or halves them with step 2."""
    layer = nn.Conv3d if axes == 3 else nn.Conv2d
    return layer(before, after, size, step, (size - 1) // 2)


def halving(axes: int) -> nn.Module:
    """The mean of 2 x 2 pixels or 2 x 2 x 2 voxels."""
    return nn.AvgPool3d(2) if axes == 3 else nn.AvgPool2d(2)


def to_channels(x: Tensor, patch: int) -> Tensor:
    """Images [n, c, ...]: patches of `patch` a side become channels."""
    if x.ndim == 4:
        return nn.functional.pixel_unshuffle(x, patch)
    n, c, *sides = x.shape
    parts = x.reshape(n, c, *(size for side in sides for size in (side // patch, patch)))
    parts = parts.permute(0, 1, 3, 5, 7, 2, 4, 6)
    return parts.reshape(n, c * patch**3, *(side // patch for side in sides))


def from_channels(x: Tensor, patch: int) -> Tensor:
    """What undoes `to_channels`."""
    if x.ndim == 4:
        return nn.functional.pixel_shuffle(x, patch)
    n, c, *sides = x.shape
    parts = x.reshape(n, c // patch**3, patch, patch, patch, *sides)
    parts = parts.permute(0, 1, 5, 2, 6, 3, 7, 4)
    return parts.reshape(n, c // patch**3, *(side * patch for side in sides))
