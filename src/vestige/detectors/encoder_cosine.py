"""Cosines in the features of an encoder that was trained on the generated set alone."""

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from vestige.detectors.cosine import most_similar
from vestige.detectors.cosine_search import top_cosines
from vestige.detectors.inputs import fitted, groups_of, reference_of
from vestige.detectors.pair_network import need_torch
from vestige.features.pixels import as_grey
from vestige.features.self_supervised import (
    ContrastiveFeatures,
    Layer,
    SelfSupervised,
    SsimFeatures,
)
from vestige.features.whitening import whitening
from vestige.registry.entries import InputError
from vestige.types import Float32s, Floats

BLOCK = 2**23  # products held at a time


def largest_outside_group(rows: Floats, groups: npt.NDArray[Any]) -> Floats:
    """Largest cosine [n] of each unit row with a row of another group; -inf if there is none."""
    codes = np.unique(groups, return_inverse=True)[1]
    largest = np.empty(len(rows))
    for start in range(0, len(rows), step := max(1, BLOCK // len(rows))):
        part = slice(start, start + step)
        cosines = rows[part] @ rows.T
        cosines[codes[part, None] == codes] = -np.inf
        largest[part] = cosines.max(axis=1)
    return largest


@dataclass
class EncoderCosine:
    """max_g cos(f(x), f(g)) - max_r cos(f(x), f(r)), or the cosines of whitened features.

    Attacker: holds the released set and unused reals. The encoder f is trained on the generated
    set and never sees a real image. A real image with the very pixels of a generated one is a
    finding, not an error. The published verdict bands (DeepSSIM: .6 and .85) belong to other images
    and are not used: docs/methods.md 2.14.

    Parameters
    ----------
    size, steps, batch, width, layer, learning_rate, precision, seed
        See `vestige.features.self_supervised.SelfSupervised`. As published: layer="output" and
        whiten=False. On eight development worlds that gives AUC .47 to .69 where the whitened map
        after the second stage, which still knows where things are, gives .57 to .95.
    whiten : bool
        Whiten the features by the reference or the cohort, as `matched_filter` does with pixels,
        and take the mean of the `top` largest cosines: no difference is taken then.
    top, ridge
        Cosines averaged, and ridge of the whitening, as of `matched_filter`.
    calibrate : bool
        Without whitening: subtract the largest cosine with unused reals; False needs none.
    """

    name: ClassVar[str] = ""
    space: ClassVar[type[SelfSupervised]] = SelfSupervised

    size: int = 32
    steps: int = 300
    batch: int = 128
    width: int = 16
    layer: Layer = "stage2"
    whiten: bool = True
    top: int = 3
    ridge: float = 0.1
    calibrate: bool = True
    learning_rate: float = 2e-3
    precision: str = "auto"
    seed: int = 0
    embed_: Any = field(init=False, default=None, repr=False, compare=False)
    generated_: Float32s | None = field(init=False, default=None, repr=False, compare=False)
    reference_: Float32s | None = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._space()  # refuses an unknown layer

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Train the encoder on the generated set; `used` is ignored, `unused` is the reference."""
        need_torch(self.name)
        images = as_grey(generated, self.size)
        self.embed_ = self._space().fit(images)
        self.generated_ = self.embed_.transform(images)
        self.reference_ = None if unused is None else self._rows(unused)
        return self

    def score_samples(self, images: Any) -> Floats:
        """Score against the reference of `fit`, float64 [n]."""
        generated = fitted(self.generated_, self.name)
        if self.reference_ is None and (self.whiten or self.calibrate):
            reference_of(None, self.name)  # says what to give
        rows = self._rows(images)
        if self.whiten:
            return self._whitened(rows, generated, self.reference_)
        found = _largest(rows, generated)
        return found - _largest(rows, self.reference_) if self.calibrate else found

    def score_pool(self, pool: Any, groups: npt.NDArray[Any] | None = None) -> Floats:
        """Score one cohort; its rest without an image's own group is that image's reference.

        Whitening is by the whole cohort, and so symmetric in its members.
        """
        generated = fitted(self.generated_, self.name)
        rows = self._rows(pool)
        labels = groups_of(groups, len(rows))
        if self.whiten:
            return self._whitened(rows, generated, rows)
        found = _largest(rows, generated)
        if not self.calibrate:
            return found
        usual = largest_outside_group(rows.astype(np.float64), labels)
        if not np.isfinite(usual).all():
            raise InputError(f"{self.name} needs images of at least two groups.")
        return found - usual

    def _whitened(self, rows: Float32s, generated: Float32s, usual: Any) -> Floats:
        filters = whitening(usual, self.ridge)
        cosines = top_cosines(filters.apply(rows), generated, filters, self.top)[0]
        return np.asarray(cosines.mean(axis=1, dtype=np.float64))

    def _rows(self, images: Any) -> Float32s:
        rows: Float32s = self.embed_.transform(as_grey(images, self.size))
        return rows

    def _space(self) -> SelfSupervised:
        return self.space(
            **{f.name: getattr(self, f.name) for f in fields(SelfSupervised) if f.init}
        )


def _largest(rows: Float32s, pool: Any) -> Floats:
    """Largest cosine [n] of unit rows [n, d] with unit rows of the pool."""
    return most_similar(rows.astype(np.float64), pool.astype(np.float64), 1)[0][:, 0]


@dataclass
class ContrastiveEncoder(EncoderCosine):
    """`EncoderCosine` in `ContrastiveFeatures` (Dar et al. 2025)."""

    name: ClassVar[str] = "contrastive_encoder"
    space: ClassVar[type[SelfSupervised]] = ContrastiveFeatures


@dataclass
class SsimEncoder(EncoderCosine):
    """`EncoderCosine` in `SsimFeatures` (DeepSSIM, Scardace et al.)."""

    name: ClassVar[str] = "ssim_encoder"
    space: ClassVar[type[SelfSupervised]] = SsimFeatures
