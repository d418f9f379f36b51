"""Can candidates and calibration images be told apart without the generated set?

If so, the sets differ by themselves (scanner, window, kernel, file history) and a detector that
separates them proves nothing.
"""

from typing import TYPE_CHECKING

import numpy as np

from vestige.features.pca import PCA
from vestige.features.pixels import Pixels
from vestige.schema.records import Check
from vestige.stats.folds import FoldedScores, auc_in_folds
from vestige.stats.intervals import auc_interval
from vestige.stats.learned_max_t import cross_fit, learned_max_t
from vestige.stats.neighbours import nearest, nearest_outside_group
from vestige.types import Floats, Images

if TYPE_CHECKING:
    from vestige.checks import Comparison

ALPHA = 0.01
"""The p-value below which the check fails (docs/methods.md 5)."""
DIMS, SIZE, FOLDS = 64, 32, 5
STRENGTH = 0.01
"""C of the logistic regression on the principal components (docs/methods.md 5)."""


def blind_check(comparison: "Comparison") -> Check:
    """Test image statistics, the distance to other reals, and a classifier on pixels.

    Statistics and distance count in both directions; the classifier is cross-fitted by group and
    fitted again for each relabelling. One p-value by group permutation, max-T over all; the AUC is
    that of whatever separates most, turned so that candidates are high.
    """
    named = image_statistics(comparison.images) | {"distance to other reals": _apart(comparison)}
    columns = np.stack(list(named.values()), axis=1)
    candidate, groups, seed = comparison.is_candidate, comparison.groups, comparison.seed
    pixels = PCA(DIMS, SIZE).fit(comparison.images).transform(comparison.images)
    classifier = cross_fit(pixels.astype(np.float64), groups, FOLDS, 4 / STRENGTH)
    both = np.hstack([columns, -columns])
    statistics, p_value = learned_max_t(both, classifier, candidate, groups, seed=seed)
    best = int(statistics.argmax())
    if best < both.shape[1]:
        what, values = list(named)[best % len(named)], both[:, best]
        sides = (values[candidate], values[~candidate], groups[candidate], groups[~candidate])
        auc = auc_interval(*sides, seed=seed)
    else:
        what, values = "their pixels (a classifier)", classifier.scores(candidate)
        used, unused = (
            FoldedScores(values[side], classifier.folds[side], groups[side])
            for side in (candidate, ~candidate)
        )
        auc = auc_in_folds(used, unused, seed=seed)
    passed = p_value >= ALPHA
    vetoes = (
        f"none: what differs most ({what}) is within chance"
        if passed
        else f"any verdict: the sets differ by themselves in {what}"
    )
    return Check("blind", auc, p_value, passed, vetoes)


def _apart(comparison: "Comparison") -> Floats:
    """Distance [n] to the nearest reference image or, without one, image of another group."""
    rows = Pixels(SIZE).transform(comparison.images)
    if comparison.reference is not None:
        return nearest(rows, Pixels(SIZE).transform(comparison.reference))[0][:, 0]
    return nearest_outside_group(rows, comparison.groups)[:, 0]


def image_statistics(images: Images) -> dict[str, Floats]:
    """Statistics [n] of the working images that need no model.

    Mean, spread, quantiles, shares of black and white, sharpness, fine noise, spectral slope,
    border level and the centre of mass (docs/methods.md 6.5, the part that working images can
    show).
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
