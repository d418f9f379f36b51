"""Attention between the tokens of two images, and the position code they carry."""

import math

import torch
from torch import Tensor, nn

from vestige.registry.entries import InputError


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017, arXiv:1706.03762), tokens [b, t, dim].

    Written out rather than fused: with a single key the softmax is exactly 1, and so is its
    gradient exactly 0, which a fused kernel only reaches up to rounding.
    """

    def __init__(self, dim: int, heads: int = 8) -> None:
        super().__init__()
        if dim % heads:
            raise InputError(f"{heads} attention heads do not divide the width {dim}.")
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))

    def weights(self, query: Tensor, memory: Tensor) -> Tensor:
        """What each query token takes from each memory token, [b, heads, q, m], rows sum to 1."""
        q, k = self._split(self.query(query)), self._split(self.key(memory))
        weights: Tensor = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(dim=-1)
        return weights

    def forward(self, query: Tensor, memory: Tensor) -> Tensor:
        """Tokens [b, q, dim] that look at tokens [b, m, dim]."""
        taken = self.weights(query, memory) @ self._split(self.value(memory))
        joined: Tensor = self.out(taken.transpose(1, 2).flatten(2))
        return joined

    def _split(self, tokens: Tensor) -> Tensor:
        parts: Tensor = tokens.unflatten(-1, (self.heads, -1))
        return parts.transpose(1, 2)


class CrossAttention(nn.Module):
    """Each image looks at the other; the same weights serve both directions (methods.md 1.1)."""

    def __init__(self, dim: int, heads: int = 8, dropout: float = 0.1) -> None:
        super().__init__()
        self.attention = Attention(dim, heads)
        self.first, self.second = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)
        self.forward_part = nn.Sequential(
            nn.Linear(dim, 2 * dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * dim, dim)
        )

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens of both images, [n, t, dim] each, before and after."""
        return self.look(a, b), self.look(b, a)

    def look(self, query: Tensor, memory: Tensor) -> Tensor:
        """One direction: LN(Q + attention), then LN(. + feed-forward)."""
        seen = self.first(query + self.dropout(self.attention(query, memory)))
        out: Tensor = self.second(seen + self.dropout(self.forward_part(seen)))
        return out


def position_code(height: int, width: int, dim: int) -> Tensor:
    """Fixed sine-cosine code of a grid, float32 [height * width, dim]: rows first, then columns."""
    if dim % 4:
        raise InputError(f"a position code needs a width that 4 divides, not {dim}.")
    rates = torch.exp(torch.arange(dim // 4) * (-math.log(10000.0) / (dim // 4)))
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    angles = [place.reshape(-1, 1) * rates for place in (y, x)]
    return torch.cat([part for angle in angles for part in (angle.sin(), angle.cos())], dim=1)
