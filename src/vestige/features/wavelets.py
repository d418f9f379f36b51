"""How much there is at each scale and in each direction: statistics of wavelet sub-bands."""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from vestige.features.pixels import BLOCK, shrink
from vestige.images.kinds import grey_only
from vestige.registry.entries import InputError
from vestige.registry.rules import at_least
from vestige.stats.neighbours import same_width
from vestige.types import Float32s, Floats, Images

QUANTILES = (0.5, 0.9, 0.99)
FLOOR = 1e-3
"""Added to coefficients (0..1 grey) before the logarithm: a quarter of an 8-bit grey level."""
FLAT = 1e-6
"""A statistic that is constant over the fitted images is not scaled."""


@dataclass
class Wavelets:
    """Logarithms of energy and quantiles of every wavelet sub-band, each of unit variance.

    Per sub-band: log(mean square + 1e-6), and log(quantile of the absolute coefficients + .001)
    at .5, .9 and .99; first the approximation without its mean, then horizontal, vertical and
    diagonal details from coarse to fine. Centred and scaled by the fitted images.
    Source: wavelet signatures of texture (Mallat, IEEE PAMI 11, 1989).

    Parameters
    ----------
    wavelet : str
        Any discrete wavelet of PyWavelets.
    levels : int
        Scales, 0 or more; as many of them as the side holds.
    """

    size: int = 64
    wavelet: str = "db2"
    levels: int = 3
    pixels_: int = field(init=False, repr=False, compare=False)
    mean_: Floats = field(init=False, repr=False, compare=False)
    scale_: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _find_pywt()  # asked for when options are read, not after hours
        at_least(0, self, "levels")

    def fit(self, images: Images) -> Self:
        """Learn centre and scale of each statistic."""
        return self._learn(images)

    def fit_pair(self, first: Images, second: Images) -> Self:
        """Learn them from two sets of equal weight."""
        return self._learn(first, second)

    def _learn(self, *sets: Images) -> Self:
        self.pixels_ = self._pixels(sets[0])
        for images in sets[1:]:
            same_width(self._pixels(images), self.pixels_)
        raw = [self._statistics(images) for images in sets]
        self.mean_ = np.mean([rows.mean(axis=0) for rows in raw], axis=0)
        variance = np.mean([((rows - self.mean_) ** 2).mean(axis=0) for rows in raw], axis=0)
        self.scale_ = np.where(variance > FLAT**2, np.sqrt(variance), 1.0)
        return self

    def transform(self, images: Images) -> Float32s:
        """Images [n, h, w] -> rows [n, 4 * (1 + 3 * levels)]."""
        if not hasattr(self, "mean_"):
            raise RuntimeError("call fit(images) before transform(images)")
        same_width(self._pixels(images), self.pixels_)
        return ((self._statistics(images) - self.mean_) / self.scale_).astype(np.float32)

    def _pixels(self, images: Images) -> int:
        return int(shrink(grey_only(images[:1]), self.size).size)

    def _statistics(self, images: Images) -> Floats:
        pywt = _find_pywt()
        known = pywt.wavelist(kind="discrete")
        if self.wavelet not in known:
            raise InputError(f"unknown wavelet {self.wavelet!r}. Known: {', '.join(known)}.")
        small = shrink(grey_only(images), self.size)
        levels = min(self.levels, pywt.dwtn_max_level(small.shape[1:], self.wavelet))
        blocks = []
        for start in range(0, len(small), BLOCK):
            part = small[start : start + BLOCK].astype(np.float64)
            coarse, *details = pywt.wavedec2(part, self.wavelet, level=levels)
            bands = [coarse - coarse.mean(axis=(1, 2), keepdims=True)]
            bands += [band for level in details for band in level]
            blocks.append(np.concatenate([_measures(band) for band in bands], axis=1))
        return np.concatenate(blocks)


def _find_pywt() -> Any:
    """PyWavelets, or one line for users without the extra."""
    try:
        import pywt
    except ImportError as error:
        raise InputError(
            "the feature space wavelets needs PyWavelets: pip install 'vestige[wavelets]', or take "
            "another space."
        ) from error
    return pywt


def _measures(band: Floats) -> Floats:
    """Log energy and log quantiles of coefficients [n, h, w], [n, 4]."""
    size = np.abs(band).reshape(len(band), -1)
    energy = np.log((size**2).mean(axis=1) + FLOOR**2)
    return np.column_stack([energy, *np.log(np.quantile(size, QUANTILES, axis=1) + FLOOR)])
