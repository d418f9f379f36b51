"""Images through a network once more: in padded batches, and to settle its batch statistics."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from vestige.types import Images

BLOCK = 256


def padded(images: Images, device: torch.device) -> Iterator[tuple[Tensor, slice]]:
    """Batches [256, h, w] of images [n, h, w], the last one padded with black, and their rows.

    All have one shape, so that what a network makes of an image does not depend on its company.
    """
    for start in range(0, len(images), BLOCK):
        part = images[start : start + BLOCK]
        x = torch.zeros((BLOCK, *images.shape[1:]))
        x[: len(part)] = torch.from_numpy(np.ascontiguousarray(part, np.float32))
        yield x.to(device), slice(start, start + len(part))


@torch.no_grad()
def recalibrate_batchnorm(net: nn.Module, data: Tensor) -> None:
    """Replace running batch statistics by those of `data` [n, ...], then leave training mode.

    Running statistics lag behind the weights, and follow augmented images where there are any.
    """
    net.eval()
    for part in net.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.reset_running_stats()
            part.momentum = None  # the plain mean over batches
            part.train()  # and nothing else: no dropout
    for rows in data.split(BLOCK):
        net(rows if len(rows) > 1 else torch.cat([rows, rows]))  # one value has no variance
    net.eval()
