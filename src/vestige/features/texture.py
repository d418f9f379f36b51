"""Texture of an image as rows whose L1 distance is the mean Wasserstein distance of 19 maps."""

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from vestige.features.pixels import shrink
from vestige.features.texture_maps import (
    NAMES,
    PATTERN_CODES,
    Levels,
    body_mask,
    texture_maps,
    to_levels,
)
from vestige.images.kinds import grey_only
from vestige.registry.rules import at_least, check_words
from vestige.stats.neighbours import same_width
from vestige.stats.wasserstein import bin_masses, l1_parts
from vestige.types import Float32s, Floats, Images, Ints

BINS = 256
RANGE_IMAGES = 128
"""Images drawn to find the range of each map; fewer are all taken."""
SCALE_PAIRS = 10_000
NARROWEST = 1e-3
"""A map that is constant over the set still needs a range."""
PATTERN_MAPS = len(PATTERN_CODES)
STARTS: Ints = np.cumsum([0, *PATTERN_CODES, *[BINS] * (len(NAMES) - PATTERN_MAPS - 1)])
"""First column of each map in a row of `Texture`."""


@dataclass
class Texture:
    """Laws of 19 texture maps (`texture_maps`), each scaled by its spread over the fitted set.

    A law is the cumulative distribution of a map on 256 bins between the .1 % and 99.9 % quantile
    of that map over the fitted set (values beyond are clipped); a binary pattern has one bin per
    code. W_k, the distance of two laws, is Wasserstein-1; for binary patterns, whose codes have no
    order, total variation. W_k is divided by w_k, its median over random pairs of the fitted set.
    Source: Mehdipour Ghazi, GAN-ISI, CEUR-WS 3497, pp. 1588-1595, 2023 (abstract: texture maps,
    CDFs, Wasserstein distance); docs/methods.md 1.5.

    Parameters
    ----------
    size : int
        Side in pixels; smaller images stay as they are. The paper preset is 256.
    mask : bool
        Only the body: the largest connected part brighter than 12/255.
    harmonise : bool
        First 64 grey levels, then a Gaussian of .7 px, for every set alike (docs/methods.md 6.3): a
        generator's own level set would else be a texture.
    lbp_distance : "tv" or "cdf"
        Total variation, or the order-dependent Wasserstein distance of codes.
    seed : int
        Of the images and pairs drawn in `fit`.
    """

    size: int = 128
    mask: bool = False
    harmonise: bool = True
    lbp_distance: Literal["tv", "cdf"] = "tv"
    seed: int = 0
    side_: tuple[int, ...] = field(init=False, repr=False, compare=False)
    low_: Floats = field(init=False, repr=False, compare=False)
    high_: Floats = field(init=False, repr=False, compare=False)
    factor_: Float32s = field(init=False, repr=False, compare=False)
    order_: Ints = field(init=False, repr=False, compare=False)

    def fit(self, images: Images) -> Self:
        """Learn the ranges and w_k of the maps."""
        self.fit_transform(images)
        return self

    def fit_transform(self, images: Images) -> Float32s:
        """Fit on images [n, h, w] and return their rows."""
        check_words(self)
        at_least(1, self, "size")
        levels = self._levels(images)
        self.side_ = levels.shape[1:]
        self.order_ = drawn_order(levels, self.seed)
        self.low_, self.high_ = self._range(levels[self.order_[:RANGE_IMAGES]])
        laws = self._laws(levels)
        widths = np.append(np.ones(PATTERN_MAPS), (self.high_ - self.low_) / BINS)
        first, second = self.order_[_pairs(len(levels), self.seed)]
        # a distance below one bin is below what the laws can tell
        spread = np.append(np.full(PATTERN_MAPS, 1 / BINS), widths[PATTERN_MAPS:])
        if len(first):
            distances = l1_parts(laws[first], laws[second], STARTS) * widths
            spread = np.maximum(np.median(distances, axis=0), spread)
        columns = np.diff([*STARTS, laws.shape[1]])
        self.factor_ = np.repeat(widths / spread / len(NAMES), columns).astype(np.float32)
        laws *= self.factor_
        return laws

    def transform(self, images: Images) -> Float32s:
        """Images [n, h, w] -> rows [n, 4380]; L1 distance = mean over maps of W_k / w_k."""
        if not hasattr(self, "factor_"):
            raise RuntimeError("call fit(images) before transform(images)")
        levels = self._levels(images)
        same_width(levels[0].size, int(np.prod(self.side_)))
        laws = self._laws(levels)
        laws *= self.factor_
        return laws

    def _levels(self, images: Images) -> Levels:
        small = shrink(grey_only(images), self.size)
        if not self.harmonise:
            return to_levels(small)
        coarse = (to_levels(small) // 4).astype(np.float32) / np.float32(63)
        return to_levels(ndimage.gaussian_filter(coarse, (0, 0.7, 0.7), mode="reflect"))

    def _maps(self, levels: Levels) -> tuple[npt.NDArray[np.uint8], Float32s]:
        """Codes [2, pixels] and values [17, pixels] of one image, inside the mask."""
        patterns, others = texture_maps(levels)
        if self.mask:
            inside = body_mask(levels, air=12)
            return patterns[:, inside], others[:, inside]
        return patterns.reshape(len(patterns), -1), others.reshape(len(others), -1)

    def _range(self, levels: Levels) -> tuple[Floats, Floats]:
        """.1 % and 99.9 % quantile of each map over images, from one sample of pixels."""
        values = np.concatenate([_thinned(self._maps(image)[1]) for image in levels], axis=1)
        low, high = np.quantile(values, [0.001, 0.999], axis=1).astype(np.float64)
        return low, np.maximum(high, low + NARROWEST)

    def _laws(self, levels: Levels) -> Float32s:
        """Unscaled laws [n, 4380]: half the masses or the sums of codes, the sums of bins."""
        laws = np.empty((len(levels), STARTS[-1] + BINS), np.float32)
        for law, image in zip(laws, levels, strict=True):
            patterns, values = self._maps(image)
            for codes, start, n in zip(patterns, STARTS, PATTERN_CODES, strict=False):
                masses = np.bincount(codes, minlength=n) / len(codes)
                tv = self.lbp_distance == "tv"
                law[start : start + n] = masses / 2 if tv else np.cumsum(masses)
            sums = np.cumsum(bin_masses(values, self.low_, self.high_, BINS), axis=1)
            law[STARTS[PATTERN_MAPS] :] = sums.ravel()
        return laws


def drawn_order(levels: Levels, seed: int) -> Ints:
    """A random order of images that follows from their content and the seed alone."""
    key = seed.to_bytes(16, "little", signed=True)
    digests = [blake2b(image.tobytes(), key=key, digest_size=16).digest() for image in levels]
    return np.array(sorted(range(len(digests)), key=digests.__getitem__), np.int64)


def _pairs(n: int, seed: int) -> Ints:
    """Pairs [2, p] of different numbers below n: all of them, or 10,000 drawn."""
    if n * (n - 1) // 2 <= SCALE_PAIRS:
        return np.stack(np.triu_indices(n, 1))
    rng = np.random.default_rng(seed)
    first = rng.integers(n, size=SCALE_PAIRS)
    return np.stack([first, (first + rng.integers(1, n, SCALE_PAIRS)) % n])


def _thinned(values: Float32s, enough: int = 4096) -> Float32s:
    """Every j-th pixel; j is odd, so that it does not stay in a few columns of the picture."""
    return values[:, :: max(1, values.shape[1] // enough) | 1]
