"""Siamese network with optional cross-attention (team SCOPE)."""

from dataclasses import dataclass
from typing import Any, ClassVar

from vestige.detectors.pair_network import PairNetwork


@dataclass
class Siamese(PairNetwork):
    """One trunk for both images, cross-attention between them, adaptive similarity.

    Attacker: holds labelled used and unused reals. Source: Areeb, Vashist & Kalinathan, CLEF 2025
    working notes; docs/methods.md 1.1. With random pairing the score is almost a function of the
    real image alone: read it beside the blind check.

    Parameters
    ----------
    backbone : str
        "resnet50", "densenet161", "efficientnet_b2", "vit_b_16" as published, "squeezenet1_1", or
        "tiny" and "tiny_vit".
    attention : bool
        False compares the mean vectors (the paper's baselines).
    tokens : "patches" or "single"
        "single" attends to one vector per image.
    """

    name: ClassVar[str] = "siamese"

    backbone: str = "resnet50"
    attention: bool = True

    def network(self, weights: str) -> Any:
        """The untrained network."""
        from vestige.nets import siamese
        from vestige.nets.networks import trunk

        seen = trunk(self.backbone, weights, self.seed, self.size)
        return siamese.Siamese(seen, self.attention, self.tokens, self.product)
