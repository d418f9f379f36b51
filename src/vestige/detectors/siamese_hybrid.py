"""Hybrid Siamese network of ResNet-50 and ViT (2026)."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from vestige.detectors.pair_network import PairNetwork
from vestige.registry.entries import InputError


@dataclass
class SiameseHybrid(PairNetwork):
    """ViT tokens look at three scales of a CNN; angular loss beside the cross-entropy.

    Attacker: holds labelled used and unused reals. Source: Kalinathan, Areeb, Devi & Vashist,
    Scientific Reports 2026, doi:10.1038/s41598-026-57331-6, of which only the abstract was
    at hand; docs/methods.md 1.2 says what is known and what is ours.

    Parameters
    ----------
    cnn, vit : str
        Names of the two trunks; `weights` belongs to the first, `vit_weights` to the second.
    angular_weight, margin : float
        Weight of the angular loss; cosine up to which an unused pair costs nothing.
    """

    name: ClassVar[str] = "siamese_hybrid"

    cnn: str = "resnet50"
    vit: str = "vit_b_16"
    vit_weights: str = ""
    angular_weight: float = 0.5
    margin: float = 0.2

    def network(self, weights: str) -> Any:
        """The untrained network; `weights` are those of the first trunk."""
        from vestige.nets.hybrid import HybridSiamese
        from vestige.nets.networks import trunk
        from vestige.nets.trunks import ConvTrunk, VitTrunk

        cnn = trunk(self.cnn, weights, self.seed, self.size)
        vit = trunk(self.vit, self.vit_weights, self.seed + 1, self.size)
        if not isinstance(cnn, ConvTrunk) or not isinstance(vit, VitTrunk):
            raise InputError(
                "siamese_hybrid takes a convolutional trunk and a ViT, not "
                f"cnn={self.cnn!r} and vit={self.vit!r}."
            )
        return HybridSiamese(cnn, vit, self.tokens, self.product, self.angular_weight, self.margin)

    @classmethod
    def paper(cls, **options: Any) -> Self:
        """As far as it is known: random pairs, one vector per trunk, everything learns."""
        return replace(super().paper(tokens="single"), **options)
