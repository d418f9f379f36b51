"""A trained Siamese network with the synthetic images it compares with (methods.md 1.1, 1.2)."""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from vestige.nets import fingerprint
from vestige.nets.gallery import Gallery, batches
from vestige.nets.pairs import Pairing, aggregate
from vestige.nets.siamese import Features
from vestige.nets.training import find_device, find_precision
from vestige.registry.rules import above_zero, at_least, check_words
from vestige.types import Float32s, Floats, Images, Ints

PAIRS = 256  # compared at a time
Trainable = Literal["none", "last_stage", "all"]


class PairNetwork(Protocol):
    """What `Siamese` and `HybridSiamese` share; see `vestige.nets.siamese`."""

    trunk: nn.Module
    standards: nn.ModuleList

    def extract(self, x: Tensor) -> Features: ...  # noqa: D102
    def encode(self, features: Features) -> Tensor: ...  # noqa: D102
    def compare(self, a: Tensor, b: Tensor) -> Tensor: ...  # noqa: D102
    def loss(self, a: Tensor, b: Tensor, labels: Tensor) -> Tensor: ...  # noqa: D102
    def head(self) -> list[nn.Parameter]: ...  # noqa: D102


@dataclass(frozen=True)
class Plan:
    """How a pair network is trained; the names are those of the detectors' options."""

    size: int = 224
    pairing: Pairing = "nearest"
    neighbours: int = 4
    anchors: int = 64
    trunk_trainable: Trainable = "none"
    epochs: int = 10
    draws: int | None = None
    batch: int = 32
    learning_rate: float = 5e-4
    trunk_rate: float = 1e-5
    weight_decay: float = 1e-4
    patience: int = 5
    standardise: bool = False
    aggregate: str = "mean"
    precision: str = "auto"
    seed: int = 0

    def check(self) -> None:
        """Refuse what cannot be trained, in one line."""
        at_least(1, self, "size", "neighbours", "anchors", "epochs", "batch", "patience")
        above_zero(self, "learning_rate", "trunk_rate")
        if self.draws is not None:
            at_least(1, self, "draws")
        check_words(self)


@dataclass
class PairModel:
    """A trained pair network with the synthetic images it compares with."""

    net: Any
    search: Any
    """The network whose trunk finds neighbours: as it was before training."""
    plan: Plan
    means: Float32s
    """float32 [m, width], for the search."""
    encoded: Tensor
    """float16 [m, t, d], ready to be compared."""
    figures: dict[str, Any] = field(default_factory=dict)

    def logits(self, images: Images, pairing: Pairing | None = None) -> Floats:
        """Logits [n, k] of each image with its neighbours, or with the anchors."""
        device = find_device()
        precision = find_precision(device, self.plan.precision)
        self.net.to(device).eval()
        gallery = Gallery(images, self.net.extract, self.plan.size, device, precision, cached=False)
        if self.plan.pairing == "nearest":
            finder = Gallery(
                images, self.search.to(device).eval().extract, self.plan.size, device, precision,
                cached=False,
            )  # fmt: skip
            rows = nearest(finder.first(), self.means, self.plan.neighbours)
        else:
            rows = np.tile(np.arange(len(self.encoded)), (len(images), 1))
        out = np.empty(rows.shape)
        with torch.no_grad():
            for part in batches(len(images)):
                features = tuple(f.to(device) for f in gallery.extracted(part))
                a = self.net.encode(features)
                for i, own in enumerate(rows[part]):
                    out[part.start + i] = self._compare(a[i : i + 1], own, device)
        return out

    def scores(self, images: Images) -> Floats:
        """One score [n] per image, float64; higher = more likely used."""
        return aggregate(self.logits(images), self.plan.aggregate)

    def _compare(self, a: Tensor, rows: Ints, device: torch.device) -> Floats:
        parts = []
        for part in batches(len(rows), PAIRS):
            b = self.encoded[rows[part]].to(device).float()
            parts.append(self.net.compare(a.expand(len(b), -1, -1), b).cpu().numpy())
        return np.concatenate(parts).astype(np.float64)


def nearest(rows: Float32s, pool: Float32s, k: int) -> Ints:
    """The k pool rows nearest to each row by cosine, int [n, k]."""
    return fingerprint.top(fingerprint.unit(rows), fingerprint.unit(pool), k)[1]
