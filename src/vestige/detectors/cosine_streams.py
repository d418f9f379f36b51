"""The earlier routes of team zhouyijiang1: one or two networks (docs/methods.md 1.4b)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from vestige.detectors.cosine import CosineThreshold
from vestige.detectors.inputs import fitted, reference_of
from vestige.features.pixels import as_pictures
from vestige.registry.entries import InputError
from vestige.types import Floats


@dataclass
class Resnet50Retrieval(CosineThreshold):
    """Largest cosine in ResNet-50 features, under the name of its route.

    The computation is `CosineThreshold`'s with top_k=1; the team's decision rule is unpublished.
    Source: Zhou & Ding, CEUR-WS 4038 paper 216, 2025; docs/methods.md 1.4b.
    """


@dataclass
class DualStream:
    """Weighted sum of the largest cosines of two networks.

    Raw cosines of two networks have different spreads, so that the shares mean nothing;
    by default each stream is first standardised over unused reals. Source: Zhou & Ding, CEUR-WS
    4038 paper 216, 2025; docs/methods.md 1.4b.

    Parameters
    ----------
    backbones, weights : pairs of str
        See `vestige.features.backbones.Backbone`.
    shares : pair of float
        Weight of each stream.
    standardise : bool
        z-score each stream over the reference (over the cohort in `score_pool`); False: raw
        cosines.
    size, batch, precision, seed, cache
        See `vestige.features.backbones.Backbone`.
    """

    backbones: Sequence[str] = ("resnet50", "efficientnet_b5")
    weights: Sequence[str] = ("", "")
    shares: Sequence[float] = (0.6, 0.4)
    standardise: bool = True
    size: int = 224
    batch: int = 32
    precision: str = "auto"
    seed: int = 0
    cache: str | None = None
    streams_: tuple[CosineThreshold, ...] | None = field(
        init=False, default=None, repr=False, compare=False
    )
    reference_: Floats | None = field(init=False, default=None, repr=False, compare=False)

    @classmethod
    def paper(cls, **options: Any) -> Self:
        """The published form: raw cosines."""
        return cls(**{"standardise": False} | options)

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Embed the generated set in both spaces; `unused` is the reference, `used` is ignored."""
        if not len(self.backbones) == len(self.weights) == len(self.shares) == 2:
            raise InputError("dual_stream takes two backbones, two weights and two shares.")
        images = as_pictures(generated, self.size)
        self.streams_ = tuple(
            CosineThreshold(
                backbone,
                weights,
                self.size,
                batch=self.batch,
                precision=self.precision,
                seed=self.seed,
                cache=self.cache,
            ).fit(images)
            for backbone, weights in zip(self.backbones, self.weights, strict=True)
        )
        self.reference_ = None
        if self.standardise and unused is not None:
            self.reference_ = self._cosines(as_pictures(unused, self.size))
        return self

    def score_samples(self, images: Any) -> Floats:
        """Sum of the two streams, float64 [n]."""
        cosines = self._cosines(as_pictures(images, self.size))
        if not self.standardise:
            return self._sum(cosines)
        if self.reference_ is None:
            reference_of(None, "dual_stream")
        return self._sum(cosines, self.reference_)

    def score_pool(self, pool: Any, groups: npt.NDArray[Any] | None = None) -> Floats:
        """The cohort is its own reference: mean and deviation of all of it, the same for all."""
        cosines = self._cosines(as_pictures(pool, self.size))
        return self._sum(cosines, cosines if self.standardise else None)

    def _cosines(self, images: Any) -> Floats:
        streams = fitted(self.streams_, "dual_stream")
        return np.stack([stream.score_samples(images) for stream in streams], axis=1)

    def _sum(self, cosines: Floats, reference: Floats | None = None) -> Floats:
        if reference is not None:
            deviation = reference.std(axis=0)
            scale = np.where(deviation > 1e-12, deviation, 1)
            cosines = (cosines - reference.mean(axis=0)) / scale
        return np.asarray(cosines @ np.asarray(self.shares, dtype=np.float64))
