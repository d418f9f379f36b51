"""Images as the tensors of the deep generators, and back."""

import numpy as np
import torch
from torch import Tensor

from vestige.registry.entries import InputError
from vestige.types import Images


def to_tensor(images: Images, device: torch.device) -> Tensor:
    """Float32 [n, h, w] in 0..1 -> [n, 1, h, w] in -1..1, channels last."""
    tensor = torch.from_numpy(np.ascontiguousarray(images, np.float32))[:, None] * 2 - 1
    return tensor.to(device).contiguous(memory_format=torch.channels_last)


def to_images(tensor: Tensor) -> Images:
    """[n, 1, h, w] in -1..1 -> float32 [n, h, w], 0..1 in steps of 1/255."""
    levels = ((tensor[:, 0].float() + 1) * 127.5).clamp(0, 255).round()
    return np.asarray((levels / 255).cpu().numpy(), np.float32)


def check_square(images: Images, sides: tuple[int, ...], name: str) -> int:
    """Side of the training images, or an :class:`InputError` that names the sides that fit."""
    if images.ndim != 3 or images.shape[1] != images.shape[2] or images.shape[1] not in sides:
        raise InputError(
            f"{name} takes square images of {', '.join(map(str, sides))} pixels, "
            f"not {' x '.join(map(str, images.shape[1:]))}: give another --size."
        )
    if len(images) < 2:
        raise InputError(f"{name} needs 2 or more training images, not {len(images)}.")
    return int(images.shape[1])
