"""Texture of real and generated images, compared by Wasserstein distances (GAN-ISI)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from vestige.cache.feature_rows import array_sha256
from vestige.detectors.inputs import fitted, groups_of, reference_of
from vestige.detectors.labelled_set import labelled
from vestige.detectors.saving import read_model, write_model
from vestige.features.pixels import as_grey
from vestige.features.texture import STARTS, Texture
from vestige.registry.entries import InputError
from vestige.registry.rules import check_words
from vestige.stats.logistic import fit_logistic, logits
from vestige.stats.wasserstein import l1_parts, nearest_l1
from vestige.types import Bools, Float32s, Floats, Ints, Progress, quiet

FITTED = ("side_", "low_", "high_", "factor_", "order_")
"""What a texture learns from the generated set."""
RANDOM_PAIRS = 500
"""Generated images that each real meets when pairs are random."""


@dataclass
class _Textured:
    """The options, and the texture of the generated set."""

    size: int = 128
    mask: bool = False
    harmonise: bool = True
    lbp_distance: Literal["tv", "cdf"] = "tv"
    seed: int = 0
    texture_: Texture = field(init=False, repr=False, compare=False)
    generated_: Float32s | None = field(init=False, default=None, repr=False, compare=False)
    fitted_to_: str = field(init=False, default="", repr=False, compare=False)

    def _texture(self) -> Texture:
        return Texture(self.size, self.mask, self.harmonise, self.lbp_distance, self.seed)

    def _fit_texture(self, generated: Any) -> None:
        images, texture = as_grey(generated, self.size), self._texture()
        asked = f"{array_sha256(images)} {texture}"
        if asked == self.fitted_to_:  # fitted again for another fold: the set is the same
            return
        self.generated_, self.fitted_to_ = texture.fit_transform(images), asked
        self.texture_ = texture

    def nearest(self, images: Any, k: int) -> tuple[Floats, Ints]:
        """Minus distances [n, k] and rows [n, k] of the nearest generated images."""
        pool = fitted(self.generated_, "texture")
        distances, rows = nearest_l1(self.texture_.transform(as_grey(images, self.size)), pool, k)
        return -distances, rows


@dataclass
class TextureWasserstein(_Textured):
    """Minus the smallest mean texture distance to a generated image.

    The distance is the mean over 19 texture maps of W_k / w_k: Wasserstein-1 between the
    distributions of a map in the two images, in units of its median between generated images.
    Attacker: holds the released set only. Source: Mehdipour Ghazi and Mehdipour Ghazi, GAN-ISI,
    CEUR-WS 3497, pp. 1588-1595, 2023 (the abstract); docs/methods.md 1.5 for everything it leaves
    open.

    Parameters
    ----------
    size : int
        Side in pixels at which textures are compared; smaller images stay as they are.
    mask : bool
        Textures of the body only.
    harmonise : bool
        64 grey levels and a Gaussian of .7 px for every set alike, before anything else.
    lbp_distance : "tv" or "cdf"
        Of binary patterns: total variation, or (after the paper's words) of their CDFs.
    seed : int
        Of the generated pairs that give the units.
    """

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Measure the textures of the generated set; the others are ignored."""
        self._fit_texture(generated)
        return self

    def score_samples(self, images: Any) -> Floats:
        """Minus the distance, float64 [n]: 0 for a verbatim copy."""
        return self.nearest(images, 1)[0][:, 0]


@dataclass
class CalibratedTexture(_Textured):
    """Distance to the nearest unused real minus distance to the nearest generated image.

    The distance of `TextureWasserstein`; an ordinary texture is near to everything, and the
    difference removes that. Source: docs/methods.md 1.5, calibrated.
    """

    reference_: Float32s | None = field(init=False, default=None, repr=False, compare=False)

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Measure the textures of the generated set and the reference; `used` is ignored."""
        self._fit_texture(generated)
        self.reference_ = None
        if unused is not None:
            self.reference_ = self.texture_.transform(as_grey(unused, self.size))
        return self

    def score_samples(self, images: Any) -> Floats:
        """Score against the reference of `fit`, float64 [n]."""
        pool = fitted(self.generated_, "texture_calibrated")
        if self.reference_ is None:
            reference_of(None, "texture_calibrated")  # raises, and says what to give
        reference = fitted(self.reference_, "texture_calibrated")
        rows = self.texture_.transform(as_grey(images, self.size))
        usual = nearest_l1(rows, reference)[0]
        return np.asarray((usual - nearest_l1(rows, pool)[0])[:, 0])

    def score_pool(self, pool: Any, groups: npt.NDArray[Any] | None = None) -> Floats:
        """Score one cohort; each image's reference is the rest of the cohort without its group."""
        generated = fitted(self.generated_, "texture_calibrated")
        rows = self.texture_.transform(as_grey(pool, self.size))
        labels = groups_of(groups, len(rows))
        usual = nearest_l1(rows, rows, 1, labels, labels)[0]
        if not np.isfinite(usual).all():
            raise InputError("texture_calibrated needs images of at least two groups.")
        return np.asarray((usual - nearest_l1(rows, generated)[0])[:, 0])


@dataclass
class TexturePairs(_Textured):
    """A classifier of pairs (real, generated) on their 19 texture distances; learns from labels.

    A pair has the features log(W_k / w_k + .001) and the label of its real image; L2 logistic
    regression, C = 1, balanced. A real's score is the mean (or largest) logit of its pairs.
    Source: GAN-ISI as above; docs/methods.md 1.5.

    Parameters
    ----------
    pairs : "nearest" or "random"
        A real's `k` nearest generated images, or the same 500 drawn ones for every real. Random
        pairs follow docs/methods.md 1.5 (the paper names no choice); the mean over them says little
        but how usual a texture is.
    k : int
        Nearest images per real; more than there are copies of it dilute what they show.
    aggregate : "mean" or "max"
    """

    pairs: Literal["nearest", "random"] = "nearest"
    k: int = 1
    aggregate: Literal["mean", "max"] = "mean"
    model_: Floats | None = field(init=False, default=None, repr=False, compare=False)

    @classmethod
    def paper(cls, **options: Any) -> Self:
        """As near to the paper as its abstract allows: random pairs, 256 px, CDFs of all maps."""
        return replace(cls(256, lbp_distance="cdf", pairs="random"), **options)

    def __post_init__(self) -> None:
        check_words(self)

    def fit(
        self,
        generated: Any,
        used: Any = None,
        unused: Any = None,
        *,
        groups_used: npt.NDArray[Any] | None = None,
        groups_unused: npt.NDArray[Any] | None = None,
        progress: Progress = quiet,
    ) -> Self:
        """Learn from reals of known status; they must share no group with the target images.

        Groups and `progress` are there because every learning detector has them.
        """
        known = labelled(used, unused, "texture_pairs", self.size)
        self.model_ = None
        self._fit_texture(generated)
        features = [self.pair_features(images) for images in known]
        rows = np.concatenate(features)
        labels = np.arange(len(rows)) < len(features[0])
        self.model_ = fit_logistic(
            rows.reshape(-1, rows.shape[2]), np.repeat(labels, rows.shape[1])
        )
        return self

    def score_samples(self, images: Any) -> Floats:
        """Mean or largest logit of an image's pairs, float64 [n]."""
        values = self.pair_logits(images)
        return np.asarray(values.mean(axis=1) if self.aggregate == "mean" else values.max(axis=1))

    def pair_logits(self, images: Any) -> Floats:
        """Logits [n, pairs] that the real image of a pair was used."""
        return logits(fitted(self.model_, "texture_pairs"), self.pair_features(images))

    def pair_features(self, images: Any) -> Floats:
        """What the classifier sees of each image's pairs, float64 [n, pairs, 19]."""
        fitted(self.generated_, "texture_pairs")
        return self._features(self.texture_.transform(as_grey(images, self.size)))

    def paper_rule(self, images: Any) -> Bools:
        """Used where the mean probability over the drawn pairs exceeds .5, [n] (methods.md 1.5).

        Raises
        ------
        InputError
            When the pairs are not random: the rule is of the same pairs for every image.
        """
        if self.pairs != "random":
            raise InputError("the paper's rule is over random pairs: TexturePairs(pairs='random').")
        from scipy.special import expit

        return np.asarray(expit(self.pair_logits(images)).mean(axis=1) > 0.5)

    def _features(self, rows: Float32s) -> Floats:
        """log(W_k / w_k + .001), float64 [n, pairs, 19]."""
        pool = fitted(self.generated_, "texture_pairs")
        if self.pairs == "nearest":
            chosen = nearest_l1(rows, pool, self.k)[1]
        else:
            drawn = np.sort(self.texture_.order_[:RANDOM_PAIRS])
            chosen = np.broadcast_to(drawn, (len(rows), len(drawn)))
        parts = [l1_parts(row, pool[near], STARTS) for row, near in zip(rows, chosen, strict=True)]
        return np.asarray(np.log(np.stack(parts) * len(STARTS) + 1e-3))

    def save(self, path: str | os.PathLike[str], training: Mapping[str, Any] | None = None) -> None:
        """Write PATH (.safetensors) and the JSON beside it.

        `training` is what it learned from, kept in the JSON.
        """
        model = fitted(self.model_, "texture_pairs")
        texture = {name: np.asarray(getattr(self.texture_, name)) for name in FITTED}
        arrays = texture | {"generated": self.generated_, "model": model}
        options = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        write_model(path, "texture_pairs", options, arrays, {"parameters": len(model)}, training)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote; needs no images."""
        card, arrays = read_model(path, "texture_pairs")
        try:
            detector = cls(**card.options)
            texture = detector._texture()
            for name in FITTED:
                setattr(texture, name, arrays[name])
            detector.generated_, detector.model_ = arrays["generated"], arrays["model"]
        except (TypeError, KeyError) as error:
            raise InputError(f"{path}: its options are not those of texture_pairs.") from error
        texture.side_ = tuple(int(n) for n in arrays["side_"])
        detector.texture_ = texture
        return detector
