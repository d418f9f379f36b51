"""ResNet-50 and ViT, fused over scales, with an angular term (Kalinathan et al. 2026)."""

import torch
from torch import Tensor, nn

from vestige.nets.attention import Attention, CrossAttention
from vestige.nets.losses import angular, bce, cosine
from vestige.nets.siamese import (
    AdaptiveSimilarity,
    Features,
    Product,
    Tokens,
    check_tokens,
    with_places,
)
from vestige.nets.standard import Standard
from vestige.nets.trunks import ConvTrunk, VitTrunk, every_place, tokens_of
from vestige.registry.entries import InputError

DIM = 256
SCALES = 3


class HybridSiamese(nn.Module):
    """Two trunks per image; ViT tokens look at three scales of the ResNet (docs/methods.md 1.2).

    Parameters
    ----------
    cnn : ConvTrunk
        Its last three maps are used.
    vit : VitTrunk
    tokens : "patches" or "single"
        "single" fuses one vector per trunk, as published.
    product : "dot" or "elementwise"
    angular_weight, margin : float
        Weight of the angular loss, and the cosine up to which an unused pair costs nothing.
    """

    def __init__(
        self,
        cnn: ConvTrunk,
        vit: VitTrunk,
        tokens: Tokens = "patches",
        product: Product = "dot",
        angular_weight: float = 0.5,
        margin: float = 0.2,
    ) -> None:
        super().__init__()
        check_tokens(tokens)
        if angular_weight < 0 or not -1 <= margin < 1:
            raise InputError(
                "the weight of the angular loss must be 0 or more and its margin in -1..1, "
                f"not {angular_weight} and {margin}."
            )
        self.trunk = nn.ModuleList([cnn, vit])
        self.patches, self.angular_weight, self.margin = tokens == "patches", angular_weight, margin
        widths = cnn.widths[-SCALES:] if self.patches else cnn.widths[-1:]
        self.standards = nn.ModuleList(Standard(width) for width in (*widths, vit.width))
        self.from_cnn = nn.ModuleList(nn.Linear(width, DIM) for width in widths)
        self.scale = nn.Parameter(torch.zeros(len(widths), DIM))
        nn.init.normal_(self.scale, std=0.02)
        self.from_vit = nn.Linear(vit.width, DIM)
        self.fusion, self.norm = Attention(DIM), nn.LayerNorm(DIM)
        self.attention = CrossAttention(DIM)
        self.similarity = AdaptiveSimilarity(DIM, product)

    def train(self, mode: bool = True) -> "HybridSiamese":
        """Train, but for the trunks' batch statistics."""
        super().train(mode)
        self.trunk.eval()
        return self

    def extract(self, x: Tensor) -> Features:
        """Prepared images -> CNN mean, then the tokens of each scale, then those of the ViT."""
        cnn, vit = self.trunk
        maps = cnn.maps(x)[-SCALES:]  # type: ignore[operator]
        mean = maps[-1].mean(dim=(2, 3))
        start, patches = vit(x)
        if not self.patches:
            return mean, mean[:, None], start[:, None]
        side = round(patches.shape[1] ** 0.5)
        grid = patches.transpose(1, 2).unflatten(2, (side, side))
        return mean, *(tokens_of(m) for m in maps), tokens_of(grid)

    def places(self, x: Tensor) -> Features:
        """Prepared images -> what is compared, before places are averaged, [b, t, width]."""
        if self.patches:
            return self.extract(x)[1:]
        cnn, vit = self.trunk
        return every_place(cnn.maps(x)[-1]), vit(x)[0][:, None]  # type: ignore[operator]

    def encode(self, features: Features) -> Tensor:
        """LN(V + attention of V to the CNN's tokens), [b, t, 256]."""
        parts = [own(part) for own, part in zip(self.standards, features[1:], strict=True)]
        *scales, seen = parts
        memory = torch.cat(
            [self.from_cnn[i](part) + self.scale[i] for i, part in enumerate(scales)], dim=1
        )
        query = self.from_vit(seen)
        fused: Tensor = self.norm(query + self.fusion(query, memory))
        return with_places(fused) if self.patches else fused

    def vectors(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Encoded images -> one vector [n, 256] each, seen beside the other."""
        a, b = self.attention(a, b)
        return a.mean(dim=1), b.mean(dim=1)

    def compare(self, a: Tensor, b: Tensor) -> Tensor:
        """Logits [n] of encoded pairs."""
        logits: Tensor = self.similarity(*self.vectors(a, b))
        return logits

    def loss(self, a: Tensor, b: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy plus the weighted angular term."""
        a, b = self.vectors(a, b)
        total = bce(self.similarity(a, b), labels)
        if self.angular_weight:
            total = total + self.angular_weight * angular(cosine(a, b), labels, self.margin)
        return total

    def head(self) -> list[nn.Parameter]:
        """Everything but the trunks."""
        return [p for name, p in self.named_parameters() if not name.startswith("trunk.")]
