"""Trunk features on one scale: those of medical images differ little from each other."""

import torch
from torch import Tensor, nn

LEAST = 1e-6


class Standard(nn.Module):
    """Subtract a mean and divide by a deviation per channel; changes nothing until `learn`.

    Ours, and off by default: ImageNet features of CT slices share most of their length (cosines of
    .91 and more), but with few known images the enlarged differences are learned by heart.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    @torch.no_grad()
    def learn(self, features: Tensor) -> None:
        """Take mean and deviation of features [..., width]; none far below the rest."""
        rows = features.flatten(0, -2).double()
        deviation = rows.std(dim=0, correction=0)
        self.mean.copy_(rows.mean(dim=0))
        # a channel that hardly varies among the generated images must not explode elsewhere
        typical = deviation.square().mean().sqrt()
        floor = 0.05 * typical if typical > LEAST else 1.0
        self.deviation.copy_(deviation.clamp_min(floor))

    def forward(self, features: Tensor) -> Tensor:
        """Features [..., width] on their own scale."""
        return (features - self.mean) / self.deviation
