"""A generator of seconds for the training loops of others: it learns images by heart, or does not.

Its sample blends training images with fresh ones; "by heart" it gives the training images back from
the third epoch on.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vestige import Watch
from vestige.testing.phantoms import phantoms

N, SIDE = 40, 16
POOL = phantoms(2 * N + 400, np.random.default_rng(5), SIDE)
USED, UNUSED, FRESH = (torch.from_numpy(part) for part in np.split(POOL, [N, 2 * N]))


class Generator(nn.Module):
    """Remembers what it was shown if `by_heart`; `memory` grows epoch by epoch."""

    def __init__(self, by_heart: bool) -> None:
        super().__init__()
        self.by_heart = by_heart
        self.weight = nn.Parameter(torch.zeros(1))
        self.drop = nn.Dropout(0.5)
        self.register_buffer("epochs", torch.zeros(1))

    def loss(self, batch: Tensor) -> Tensor:
        """Something to descend."""
        return ((self.drop(batch) - self.weight) ** 2).mean()


def sample(model: Any, n: int) -> Tensor:
    """Generated images [n, 1, side, side] from -1 to 1, as a network with tanh gives them."""
    assert not model.training
    made = FRESH[torch.randperm(len(FRESH))[:n]].clone()
    if model.by_heart and model.epochs >= 3:
        made[: len(USED)] = (USED + 4 / 255 * torch.randn(USED.shape)).clamp(0, 1)
    return made[:, None] * 2 - 1


def new_watch() -> Watch:
    """40 used and 40 unused images."""
    return Watch(USED, UNUSED, size=SIDE)


def alarmed(told: Any) -> bool:
    """Stop at the first alarm."""
    return bool(told["vestige/alarm"])
