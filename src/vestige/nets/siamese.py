"""The Siamese network of team SCOPE (Areeb et al., CLEF 2025), with and without cross-attention.

A pair network works in three steps, so that everything before the pair is computed once per image:
`extract` (the trunk; cached when it is frozen), `encode` (what is learned on one image) and
`compare` (what is learned on two).
"""

from typing import Literal

import torch
from torch import Tensor, nn

from vestige.nets.attention import CrossAttention, position_code
from vestige.nets.losses import bce
from vestige.nets.standard import Standard
from vestige.nets.trunks import ConvTrunk, every_place
from vestige.registry.entries import InputError

Features = tuple[Tensor, ...]
"""What a trunk gives per image: the first, [b, width], finds the neighbours; the others, tokens
[b, t, width], are compared."""
Tokens = Literal["patches", "single"]
Product = Literal["dot", "elementwise"]
HIDDEN = 256
ATTENDED = 512


class AdaptiveSimilarity(nn.Module):
    """MLP on |a - b| and the product of a and b (divided by the width) -> logit [n]."""

    def __init__(self, dim: int, product: Product = "dot") -> None:
        super().__init__()
        if product not in ("dot", "elementwise"):
            raise InputError(f"unknown product {product!r}. Known: dot, elementwise.")
        self.dim, self.product = dim, product
        self.score = nn.Sequential(
            nn.Linear(dim + 1 if product == "dot" else 2 * dim, HIDDEN),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(HIDDEN, 1),
        )

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Logits [n] of rows a, b [n, dim]; the same when a and b change places."""
        product = a * b
        if self.product == "dot":
            product = product.sum(dim=1, keepdim=True) / self.dim
        logits: Tensor = self.score(torch.cat([(a - b).abs(), product], dim=1))
        return logits[:, 0]


class Siamese(nn.Module):
    """One trunk for both images, optional cross-attention, adaptive similarity (methods.md 1.1).

    Parameters
    ----------
    trunk : module
        Images -> mean [b, width] and tokens [b, t, width].
    attention : bool
        Cross-attention between the images; False compares the means.
    tokens : "patches" or "single"
        "single" attends to one mean vector per image, as the authors' follow-up does: the softmax
        over one key is 1, and attention is a fixed linear map of the other image.
    product : "dot" or "elementwise"
    """

    def __init__(
        self,
        trunk: nn.Module,
        attention: bool = True,
        tokens: Tokens = "patches",
        product: Product = "dot",
    ) -> None:
        super().__init__()
        check_tokens(tokens)
        width = int(trunk.width)  # type: ignore[arg-type]
        self.trunk, self.patches = trunk, attention and tokens == "patches"
        dim = ATTENDED if attention else width
        self.standards = nn.ModuleList([Standard(width)])
        self.project = nn.Linear(width, dim) if attention else None
        self.attention = CrossAttention(dim) if attention else None
        self.similarity = AdaptiveSimilarity(dim, product)

    def train(self, mode: bool = True) -> "Siamese":
        """Train, but for the trunk's batch statistics: a score depends on no other image."""
        super().train(mode)
        self.trunk.eval()
        return self

    def extract(self, x: Tensor) -> Features:
        """Prepared images [b, 3, s, s] -> mean for the search, tokens (or the mean) to compare."""
        mean, tokens = self.trunk(x)
        return (mean, tokens) if self.patches else (mean, mean[:, None])

    def places(self, x: Tensor) -> Features:
        """Prepared images -> what is compared, before places are averaged, [b, t, width]."""
        if isinstance(self.trunk, ConvTrunk) and not self.patches:
            return (every_place(self.trunk.maps(x)[-1]),)
        return self.extract(x)[1:]

    def encode(self, features: Features) -> Tensor:
        """Tokens [b, t, 512] with their place, or the mean as one token [b, 1, dim]."""
        tokens: Tensor = self.standards[0](features[1])
        if self.project is None:
            return tokens
        tokens = self.project(tokens)
        return with_places(tokens) if self.patches else tokens

    def vectors(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Encoded images [n, t, dim] -> one vector [n, dim] each, seen beside the other."""
        if self.attention is not None:
            a, b = self.attention(a, b)
        return a.mean(dim=1), b.mean(dim=1)

    def compare(self, a: Tensor, b: Tensor) -> Tensor:
        """Logits [n] of encoded pairs: higher = the real one was used."""
        logits: Tensor = self.similarity(*self.vectors(a, b))
        return logits

    def loss(self, a: Tensor, b: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy of encoded pairs."""
        return bce(self.compare(a, b), labels)

    def head(self) -> list[nn.Parameter]:
        """Everything but the trunk."""
        return [p for name, p in self.named_parameters() if not name.startswith("trunk.")]


def with_places(tokens: Tensor) -> Tensor:
    """Add the fixed position code to the tokens [b, t, dim] of a square grid."""
    side = round(tokens.shape[1] ** 0.5)
    return tokens + position_code(side, side, tokens.shape[2]).to(tokens)


def check_tokens(tokens: str) -> None:
    """Refuse anything but patches and single."""
    if tokens not in ("patches", "single"):
        raise InputError(f"unknown tokens {tokens!r}. Known: patches, single.")
