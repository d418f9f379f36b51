"""Can candidates and calibration images be told apart without the generated set?

If so, the sets differ by themselves (scanner, window, kernel, file history) and a detector that
separates them proves nothing.
"""

from functools import reduce
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from vestige.checks.kind_statistics import in_parts, kind_statistics
from vestige.features.pca import PCA
from vestige.features.pixels import Pixels
from vestige.images.kinds import Kind, in_grey, inside, kind_of
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
DIMS, FOLDS = 64, 5
SIZES: dict[Kind, int] = {"grey": 32, "colour": 32, "volume": 12}
"""Side at which pixels are compared; 12 x 12 x 12 voxels are about as many as colour has values."""
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
    size = SIZES[kind_of(comparison.images.shape)]
    pixels = PCA(DIMS, size).fit(comparison.images).transform(comparison.images)
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
    space = Pixels(SIZES[kind_of(comparison.images.shape)])
    rows = space.transform(comparison.images)
    if comparison.reference is not None:
        return nearest(rows, space.transform(comparison.reference))[0][:, 0]
    return nearest_outside_group(rows, comparison.groups)[:, 0]


def image_statistics(images: Images) -> dict[str, Floats]:
    """Statistics [n] of the working images that need no model.

    Mean, spread, quantiles, shares of black and white, sharpness, fine noise, spectral slope,
    border level and the centre of mass (docs/methods.md 6.5, the part that working images can
    show); of colour those of luma, and `kind_statistics`; of volumes those in space, and these.
    """
    if kind_of(images.shape) == "volume":
        return in_parts(_statistics, images) | kind_statistics(images)
    return _statistics(in_grey(images)) | kind_statistics(images)


def _statistics(images: Images) -> dict[str, Floats]:
    """Of pictures or volumes [n, ...]."""
    flat = images.reshape(len(images), -1).astype(np.float64)
    low, median, high = np.quantile(flat, [0.01, 0.5, 0.99], axis=1)
    n, axes = len(images), inside(images)
    middle = slice(1, -1)
    inner = images[(slice(None), *(middle for _ in axes))]
    beside = [
        images[(slice(None), *(side if axis == along else middle for axis in axes))]
        for along, side in product(axes, (slice(-2), slice(2, None)))
    ]
    laplacian = len(beside) * inner - reduce(np.add, beside)
    ends = [images.take(end, axis).reshape(n, -1) for axis, end in product(axes, (0, -1))]
    border = np.concatenate(ends, axis=1)
    pairs = [tuple(slice(start, side // 2 * 2, 2) for side in images.shape[1:]) for start in (0, 1)]
    finest, neighbour = (images[(slice(None), *pair)] for pair in pairs)
    found = {
        "mean grey": flat.mean(axis=1),
        "spread of grey": flat.std(axis=1),
        "1 % quantile": low,
        "median grey": median,
        "99 % quantile": high,
        "share of black": (flat <= 1 / 255).mean(axis=1),
        "share of white": (flat >= 254 / 255).mean(axis=1),
        "sharpness": laplacian.reshape(n, -1).std(axis=1, dtype=np.float64),
        "fine noise": np.median(np.abs(finest - neighbour).reshape(n, -1), axis=1).astype(
            np.float64
        ),
        "spectral slope": _spectral_slope(images),
        "border level": border.mean(axis=1, dtype=np.float64),
    }
    if len(axes) == 2:
        weight = np.maximum(flat.sum(axis=1), 1e-9)
        place = np.arange(images.shape[1]) - (images.shape[1] - 1) / 2
        found["vertical centre"] = np.einsum("nij,i->n", images, place) / weight
        found["horizontal centre"] = np.einsum("nij,j->n", images, place) / weight
    return found


def _spectral_slope(images: Images) -> Floats:
    """Slope of log power against log frequency, .05 to .45 cycles per pixel."""
    axes, (*sides, width) = inside(images), images.shape[1:]
    power = np.abs(np.fft.rfftn(images - images.mean(axis=axes, keepdims=True), axes=axes)) ** 2
    frequency = reduce(np.hypot, np.ix_(*map(np.fft.fftfreq, sides), np.fft.rfftfreq(width)))
    band = (frequency >= 0.05) & (frequency <= 0.45)
    x = np.log(frequency[band])
    y = np.log(power[:, band] + 1e-12)
    x = x - x.mean()
    return np.asarray((y @ x) / (x @ x))
