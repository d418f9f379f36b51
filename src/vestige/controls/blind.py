"""Can suspects and controls be told apart by something that never sees the generated set?

If so, the sets differ by themselves (scanner, window, kernel, file history) and a detector that
separates them proves nothing.
"""

from typing import TYPE_CHECKING

import numpy as np

from vestige.result import Control
from vestige.stats.intervals import auc_interval
from vestige.stats.permutation import set_tests
from vestige.types import Floats, Images

if TYPE_CHECKING:
    from vestige.controls import Comparison

LIMIT = 0.01
"""The p-value below which the control fails (METHODS 5)."""


def blind_control(comparison: "Comparison") -> Control:
    """Test simple image statistics, each in both directions, with max-T over all of them.

    The p-value is by group permutation and adjusted for the number of statistics; the AUC is that
    of the statistic which separates most, turned so that suspects are high.
    """
    statistics = image_statistics(comparison.images)
    names = list(statistics)
    columns = np.stack([statistics[name] for name in names], axis=1)
    both = np.hstack([columns, -columns])
    suspect, groups = comparison.is_suspect, comparison.groups
    adjusted = set_tests(both, suspect, groups, seed=comparison.seed)[1]
    best = int(adjusted.argmin())
    values, p_value = both[:, best], float(adjusted[best])
    auc = auc_interval(
        values[suspect], values[~suspect], groups[suspect], groups[~suspect], seed=comparison.seed
    )
    passed = p_value >= LIMIT
    what = names[best % len(names)]
    vetoes = (
        f"none: the simple statistic that differs most ({what}) is within chance"
        if passed
        else f"any verdict: the sets differ by themselves in {what}"
    )
    return Control("blind", auc, p_value, passed, vetoes)


def image_statistics(images: Images) -> dict[str, Floats]:
    """Statistics [n] of the working images that need no model.

    Mean, spread, quantiles, shares of black and white, sharpness, fine noise, spectral slope,
    border level and the centre of mass (METHODS 6.5, the part that working images can show).
    """
    flat = images.reshape(len(images), -1).astype(np.float64)
    low, median, high = np.quantile(flat, [0.01, 0.5, 0.99], axis=1)
    inner = images[:, 1:-1, 1:-1]
    laplacian = 4 * inner - (
        images[:, :-2, 1:-1] + images[:, 2:, 1:-1] + images[:, 1:-1, :-2] + images[:, 1:-1, 2:]
    )
    border = np.concatenate(
        [images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1
    )
    weight = np.maximum(flat.sum(axis=1), 1e-9)
    axis = np.arange(images.shape[1]) - (images.shape[1] - 1) / 2
    finest = images[:, ::2, ::2][:, : images.shape[1] // 2, : images.shape[2] // 2]
    neighbour = images[:, 1::2, 1::2][:, : finest.shape[1], : finest.shape[2]]
    return {
        "mean grey": flat.mean(axis=1),
        "spread of grey": flat.std(axis=1),
        "1 % quantile": low,
        "median grey": median,
        "99 % quantile": high,
        "share of black": (flat <= 1 / 255).mean(axis=1),
        "share of white": (flat >= 254 / 255).mean(axis=1),
        "sharpness": laplacian.reshape(len(images), -1).std(axis=1, dtype=np.float64),
        "fine noise": np.median(np.abs(finest - neighbour).reshape(len(images), -1), axis=1).astype(
            np.float64
        ),
        "spectral slope": _spectral_slope(images),
        "border level": border.mean(axis=1, dtype=np.float64),
        "vertical centre": np.einsum("nij,i->n", images, axis) / weight,
        "horizontal centre": np.einsum("nij,j->n", images, axis) / weight,
    }


def _spectral_slope(images: Images) -> Floats:
    """Slope of log power against log frequency, .05 to .45 cycles per pixel."""
    power = np.abs(np.fft.rfft2(images - images.mean(axis=(1, 2), keepdims=True))) ** 2
    fy = np.fft.fftfreq(images.shape[1])[:, None]
    fx = np.fft.rfftfreq(images.shape[2])[None, :]
    frequency = np.hypot(fy, fx)
    band = (frequency >= 0.05) & (frequency <= 0.45)
    x = np.log(frequency[band])
    y = np.log(power[:, band] + 1e-12)
    x = x - x.mean()
    return np.asarray((y @ x) / (x @ x))
