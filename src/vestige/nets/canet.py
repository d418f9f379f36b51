"""Hybrid CANet: is this real image behind this synthetic one? (Zhou & Ding, CLEF 2025)"""

from typing import Literal

import torch
from torch import Tensor, nn

from vestige.nets.attention import Attention
from vestige.nets.siamese import Tokens, check_tokens
from vestige.nets.standard import Standard
from vestige.registry.entries import InputError

PairInput = Literal["concat", "difference"]


class HybridCANet(nn.Module):
    """[generated ; real] -> three layers -> self-attention -> logit (docs/methods.md 1.4 d4).

    5,644,801 parameters at `dim` 768.

    Parameters
    ----------
    dim : int
        Width of one fingerprint.
    tokens : "patches" or "single"
        "single" is the published form, whose attention over one token is a fixed linear map.
    gate : bool
        The "cross-modal gating unit": the input times a sigmoid of itself.
    pair : "concat" or "difference"
        "concat" is published: the network must learn by itself what it is to be alike, which takes
        far more than some hundred known images. "difference" (ours) gives it |g - x| and g x.
    """

    def __init__(
        self,
        dim: int = 768,
        tokens: Tokens = "patches",
        gate: bool = False,
        pair: PairInput = "concat",
    ) -> None:
        super().__init__()
        check_tokens(tokens)
        if pair not in ("concat", "difference"):
            raise InputError(f"unknown pair {pair!r}. Known: concat, difference.")
        self.pair = pair
        self.patches = tokens == "patches"
        self.standard = Standard(dim)
        self.gate = nn.Sequential(nn.Linear(2 * dim, 2 * dim), nn.Sigmoid()) if gate else None
        self.layers = nn.Sequential(
            nn.Linear(2 * dim, 2 * dim), nn.LayerNorm(2 * dim), nn.GELU(), nn.Dropout(0.6),
            nn.Linear(2 * dim, 1024), nn.GELU(),
            nn.Linear(1024, 512), nn.GELU(),
        )  # fmt: skip
        self.attention = Attention(512)
        self.score = nn.Sequential(nn.Linear(512, 256), nn.GELU(), nn.Linear(256, 1))

    def forward(self, generated: Tensor, real: Tensor) -> Tensor:
        """Logits [n] of aligned tokens [n, t, dim], or of fingerprints [n, dim]."""
        g, x = self.standard(generated), self.standard(real)
        sides = (g, x) if self.pair == "concat" else ((g - x).abs(), g * x)
        pair = torch.cat(sides, dim=-1)
        if pair.ndim == 2:
            pair = pair[:, None]
        if self.gate is not None:
            pair = pair * self.gate(pair)
        hidden = self.layers(pair)
        logits: Tensor = self.score(self.attention(hidden, hidden).mean(dim=1))
        return logits[:, 0]
