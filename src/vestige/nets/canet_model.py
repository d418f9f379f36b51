"""A trained ViT encoder and CANet with the fingerprint library they search (methods.md 1.4)."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from vestige.nets.canet import HybridCANet
from vestige.nets.fingerprint import Library
from vestige.nets.gallery import Gallery, Outputs, batches, half
from vestige.nets.pairs import aggregate
from vestige.nets.training import find_device, find_precision
from vestige.nets.vit_encoder import VitEncoder
from vestige.registry.entries import InputError
from vestige.registry.rules import above_zero, at_least
from vestige.types import Bools, Float32s, Floats, Images, Ints

PAIRS = 256  # judged at a time


@dataclass(frozen=True)
class CanetPlan:
    """How encoder and CANet are trained and searched; names as in the detector's options."""

    size: int = 224
    augment: bool = True
    views: int = 2
    neighbours: int = 10
    strangers: int = 10
    epochs: int = 10
    finetune_epochs: int = 0
    batch: int = 32
    learning_rate: float = 1e-4
    rate_end: float = 5e-6
    decay_start: float = 1e-4
    decay_end: float = 1e-3
    contrastive: float = 0.1
    adversarial: float = 0.5
    patience: int = 3
    standardise: bool = False
    candidates: int = 100
    graph: int = 50
    min_keep: int = 5
    min_similarity: float = 0.6
    aggregate: str = "max"
    faiss: bool = False
    precision: str = "auto"
    seed: int = 0

    def check(self) -> None:
        """Refuse what cannot be trained, in one line."""
        at_least(1, self, "size", "views", "neighbours", "epochs", "patience")
        at_least(1, self, "candidates", "graph", "min_keep")
        at_least(2, self, "batch")
        at_least(0, self, "strangers", "finetune_epochs", "contrastive", "adversarial")
        above_zero(self, "learning_rate", "rate_end")


@dataclass
class CanetModel:
    """Scores real images by the generated ones that look most like them."""

    encoder: VitEncoder
    canet: HybridCANet
    plan: CanetPlan
    temperature: float = 1.0
    library: Library | None = None
    """Fingerprints of the generated images."""
    tokens: Tensor | None = None
    """Their tokens, float16 [m, t, dim]."""
    figures: dict[str, Any] = field(default_factory=dict)

    def learn_library(self, generated: Images) -> None:
        """Fill the library."""
        prints, self.tokens = self.describe(generated)
        self.library = Library(prints, self.plan.faiss)

    def describe(self, images: Images) -> tuple[Float32s, Tensor]:
        """Fingerprints, float32 [n, dim], and tokens, float16 [n, t, dim]."""
        device = find_device()
        precision = find_precision(device, self.plan.precision)
        self.encoder.to(device).eval()
        layers = layers_of(self.encoder, self.canet.patches)
        gallery = Gallery(images, layers, self.plan.size, device, precision, cached=False)
        prints, tokens = [], []
        with torch.no_grad():
            for rows in batches(len(images)):
                whole, parts = self.encoder.fuse(*(f.to(device) for f in gallery.extracted(rows)))
                prints.append(whole.cpu().numpy())
                tokens.append(half(parts))
        return np.concatenate(prints).astype(np.float32), torch.cat(tokens)

    def scores(self, images: Images) -> Floats:
        """Aggregated calibrated logit [n] over each image's pool of candidates."""
        prints, tokens = self.describe(images)
        cosines, rows = self._library().search(prints, self.plan.candidates)
        kept = self._pool(self._library(), cosines, rows)
        out = np.empty(len(images))
        for i, keep in enumerate(kept):
            logits = self.judge(rows[i, keep], tokens[i : i + 1])
            out[i] = aggregate(logits[None], self.plan.aggregate)[0]
        return out

    def rule(
        self, images: Images, side: Literal["generated", "real"], confidence: float = 0.6
    ) -> Bools:
        """True [n] where some pair among the candidates has a confidence above `confidence`.

        "real" searches the given images for each generated one, as published: the verdict then
        depends on which images are judged together. "generated" searches the generated ones.
        """
        if side not in ("generated", "real"):
            raise InputError(f"unknown library {side!r}. Known: generated, real.")
        limit = float(np.log(confidence) - np.log1p(-confidence))
        if side == "generated":
            prints, tokens = self.describe(images)
            cosines, rows = self._library().search(prints, self.plan.candidates)
            kept = self._pool(self._library(), cosines, rows)
            judged = (self.judge(rows[i, k], tokens[i : i + 1]) for i, k in enumerate(kept))
            return np.array([bool((logits > limit).any()) for logits in judged])
        prints, tokens = self.describe(images)
        reals = Library(prints, self.plan.faiss)
        cosines, rows = reals.search(self._library().rows, self.plan.candidates)
        kept = self._pool(reals, cosines, rows)
        flagged = np.zeros(len(images), bool)
        for g, keep in enumerate(kept):
            mine = rows[g, keep]
            flagged[mine] |= self.judge(np.full(len(mine), g), tokens[mine]) > limit
        return flagged

    @torch.no_grad()
    def judge(self, rows: Ints, reals: Tensor) -> Floats:
        """Calibrated logits [n] of generated rows [n] with the tokens of one real, or of n."""
        assert self.tokens is not None  # noqa: S101 (learn_library came first)
        device = find_device()
        self.canet.to(device).eval()
        reals = reals.expand(len(rows), -1, -1)
        parts = [
            self.canet(
                self.tokens[rows[part]].to(device).float(), reals[part].to(device).float()
            ).cpu()
            for part in batches(len(rows), PAIRS)
        ]
        return np.asarray(torch.cat(parts).double().numpy() / self.temperature)

    def _pool(self, library: Library, cosines: Floats, rows: Ints) -> Bools:
        plan = self.plan
        return library.pool(cosines, rows, plan.graph, plan.min_keep, plan.min_similarity)

    def _library(self) -> Library:
        assert self.library is not None  # noqa: S101
        return self.library


def layers_of(encoder: VitEncoder, patches: bool, keep: Any = None) -> Any:
    """Prepared images -> what the gate fuses, without the patches where they are not judged.

    `keep(n, t)`, if given, draws the mask of the patch tokens.
    """

    def run(x: Tensor) -> Outputs:
        mask = keep(len(x), encoder.vit.positions.shape[1] - 1).to(x) if keep else None
        starts, parts = encoder.layers(x, mask)
        return (starts, parts) if patches else (starts,)

    return run
