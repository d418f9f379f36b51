"""Charts as inline SVG: the same text for the same result.

No text of the user enters a chart. Colours are Okabe and Ito's blue and vermilion, told apart by
line style and filling as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vestige.decision.sentences import LEVELS
from vestige.report.svg import CONTROL, DASHED, INK, SUSPECT, Plot, Scale, decades, linear, steps
from vestige.schema.records import PlantedLevel, ReleaseCurve, SetTest
from vestige.types import Floats

BINS = 30
RATES = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""False alarms of the table beside the ROC curves."""
_LARGEST = 1e100  # beyond this, differences overflow and no chart says anything


def drawable(scores: Floats) -> bool:
    """Whether scores can be drawn: some, and none so large that differences overflow."""
    return bool(scores.size) and bool(np.abs(scores).max() < _LARGEST)


def score_range(scores: Floats) -> tuple[float, float, bool]:
    """Range of the histogram, and whether far outliers were gathered in the outermost bars.

    Parameters
    ----------
    scores : Floats, shape (n,)
        At least one, all finite.

    Returns
    -------
    tuple of float, float, bool
        From the smallest to the largest score, unless that is more than twelve interquartile
        ranges wide: then six on either side of the median.
    """
    low, high = float(scores.min()), float(scores.max())
    first, median, third = (float(q) for q in np.quantile(scores, [0.25, 0.5, 0.75]))
    spread = third - first
    gathered = spread > 0 and high - low > 12 * spread
    if gathered:
        low, high = max(low, median - 6 * spread), min(high, median + 6 * spread)
    least = 1e-6 * max(abs(low), abs(high), 1e-300)  # equal scores still need a width
    if high - low <= least:
        middle, half = (low + high) / 2, max(0.5 * max(abs(low), abs(high)), 0.5)
        low, high = middle - half, middle + half
    return low, high, gathered


def shares_in_bins(candidates: Floats, calibration: Floats) -> tuple[Floats, Floats, Floats]:
    """Edges [BINS + 1] on a shared axis, and the share of each side in each bin [BINS], percent.

    Parameters
    ----------
    candidates, calibration : Floats, shapes (n,) and (m,)
        Scores in one unit; `calibration` may be empty.
    """
    low, high, _ = score_range(np.r_[candidates, calibration])
    edges = np.linspace(low, high, BINS + 1)
    return edges, _shares(candidates, edges), _shares(calibration, edges)


def _shares(scores: Floats, edges: Floats) -> Floats:
    counts = np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0]
    return np.asarray(100.0 * counts / max(1, scores.size))


def bars(
    edges: Floats, filled: Floats, line: Floats, names: tuple[str, str], axes: tuple[str, str]
) -> str:
    """Two histograms on the same bins, one filled and one as a line.

    Parameters
    ----------
    edges : Floats, shape (k + 1,)
    filled, line : Floats, shapes (k,) and (k,) or (0,)
        Heights; without any `line` only the first is drawn.
    names, axes : tuple of str
        In the key, and of the two axes; from vestige's own words only.

    Returns
    -------
    str
        One ``<svg>`` element.
    """
    top = 1.05 * max(float(np.r_[filled, line].max()), 1e-9)
    plot = Plot(linear(float(edges[0]), float(edges[-1])), linear(0.0, top, 5))
    xs, ys = steps(edges, np.r_[filled, filled[-1:]])
    plot.area(xs, np.zeros_like(ys), ys, SUSPECT, 0.55, names[0])
    if line.size:
        plot.line(*steps(edges, np.r_[line, line[-1:]]), CONTROL, name=names[1])
    return plot.svg(*axes)


def histogram(candidates: Floats, calibration: Floats, candidates_label: str) -> str:
    """Scores of candidates (filled) over those of calibration images (line), as shares of each."""
    edges, filled, line = shares_in_bins(candidates, calibration)
    names = (
        f"{candidates_label} ({candidates.size:,})",
        f"calibration images ({calibration.size:,})",
    )
    axes = ("score (higher = more likely used)", "share of images (%)")
    return bars(edges, filled, line if calibration.size else line[:0], names, axes)


@dataclass(frozen=True)
class Roc:
    """A step curve with its pointwise 95 % band: true over false positive rates, all 0..1.

    fpr, tpr : shapes (m,), corners of the curve
    grid, low, high : shapes (k,), the band
    smallest : the smaller of one image of either side, as a share
    """

    fpr: Floats
    tpr: Floats
    grid: Floats
    low: Floats
    high: Floats
    smallest: float

    def at(self) -> list[tuple[float, float, float, float]]:
        """False alarms, found, and the band, at a few rates, for a table."""
        found = [float(self.tpr[self.fpr <= r + 1e-9].max()) for r in RATES]
        band = np.searchsorted(self.grid, RATES)
        return list(
            zip(RATES, found, self.low[band].tolist(), self.high[band].tolist(), strict=True)
        )


def roc_of(
    candidates: Floats,
    calibration: Floats,
    candidate_groups: npt.NDArray[np.generic],
    calibration_groups: npt.NDArray[np.generic],
    seed: int,
) -> Roc:
    """The curve of scores and its band by a bootstrap over groups.

    Parameters
    ----------
    candidates, calibration : Floats, shapes (n,) and (m,)
        Scores in one unit, at least one each.
    candidate_groups, calibration_groups : arrays, shapes (n,) and (m,)
        The units that are resampled.
    seed : int
        Of the bootstrap.
    """
    from vestige.stats.roc import roc_band, roc_points

    fpr, tpr = roc_points(candidates, calibration)
    smallest = 1.0 / max(candidates.size, calibration.size)
    grid = np.unique(np.r_[np.linspace(0.0, 1.0, 101), np.geomspace(smallest, 1.0, 60), RATES])
    many = candidates.size + calibration.size >= 4000  # the page must come quickly
    low, high = roc_band(
        candidates, calibration, grid, candidate_groups, calibration_groups, seed,
        repeats=200 if many else 1000,
    )  # fmt: skip
    return Roc(fpr, tpr, grid, low, high, smallest)


def roc(curve: Roc, log: bool = False) -> str:
    """The curve on linear axes, or with both axes logarithmic to show the fewest false alarms.

    Returns
    -------
    str
        One ``<svg>`` element. On logarithmic axes what is 0 stands at the end of its axis.
    """
    scale = decades(min(curve.smallest, 0.1)) if log else linear(0.0, 1.0, 5)
    plot = Plot(scale, scale)
    xs, low = steps(curve.grid, curve.low)
    plot.area(xs, low, steps(curve.grid, curve.high)[1], SUSPECT, 0.25, "95 % band")
    ends = np.array([scale.low, 1.0])
    plot.line(ends, ends, INK, 1, DASHED, "guessing")
    plot.line(*steps(curve.fpr, curve.tpr), SUSPECT, name="this audit")
    return plot.svg("unused images above (false alarms)", "targets above")


def auc_line(test: SetTest) -> str:
    """The AUC with its interval on a line that marks guessing and the smallest visible effect."""
    value, low, high = test.auc.value, test.auc.low, test.auc.high
    smallest = min(max(test.minimum_detectable_auc, 0.5), 1.0)
    x = linear(max(0.0, min(0.4, low - 0.05)), 1.0)
    plot = Plot(x, Scale(-1.0, 1.0), (430, 34), (20, 42), 1)
    unseen = np.array([0.5, smallest])
    plot.area(unseen, np.full(2, -1.0), np.ones(2), "#8a929c", 0.3)
    plot.line(np.array([0.5, 0.5]), np.array([-1.0, 1.0]), INK, 1, DASHED)
    plot.line(np.array([low, high]), np.zeros(2), SUSPECT, 3)
    plot.strokes(np.array([low, high]), np.full(2, -0.4), np.full(2, 0.4), SUSPECT, 3)
    plot.dots(np.array([value]), np.zeros(1), SUSPECT, 6)
    plot.words(0.5, 1.0, "guessing", "end", (-5, -6))
    plot.words(0.5, 1.0, f"up to {smallest:.2f}: too weak to be seen reliably", shift=(5, -6))
    return plot.svg("AUC with its 95 % interval")


def release_curve(curve: ReleaseCurve) -> str:
    """AUC with its interval against the number of released images, the limit as a line."""
    sizes = np.array([float(point.n) for point in curve.points])
    values = np.array([point.auc.value for point in curve.points])
    low = np.array([point.auc.low for point in curve.points])
    high = np.array([point.auc.high for point in curve.points])
    ticks = tuple((float(point.n), f"{point.n:,}") for point in curve.points)
    x = Scale(float(sizes[0]) / 1.25, float(sizes[-1]) * 1.25, ticks, log=True)
    bottom = max(0.0, min(0.45, float(low.min()) - 0.02))
    plot = Plot(x, linear(bottom, min(1.0, max(curve.limit, float(high.max())) + 0.03)), (430, 190))
    ends = np.array([x.low, x.high])
    plot.line(ends, np.full(2, curve.limit), CONTROL, 1.5, name=f"limit: {curve.limit:.2f}")
    plot.line(ends, np.full(2, 0.5), INK, 1, DASHED, "guessing: 0.50")
    plot.line(sizes, values, SUSPECT, name="AUC (95 %)")
    plot.strokes(sizes, low, high, SUSPECT)
    plot.dots(sizes, values, SUSPECT)
    return plot.svg("released images (each part holds the smaller ones)", "AUC")


def strips(rows: Sequence[Floats], calibration: Floats, line: float) -> str:
    """Scores of the images of each patient, one row each, under those of calibration images.

    Parameters
    ----------
    rows : sequence of Floats
        At least one patient, drawn from the top and numbered from 1; each at least one score.
    calibration : Floats, shape (m,)
        At least one; at most 400 are drawn, evenly by rank.
    line : float
        Score above which few calibration images lie.
    """
    low, high, _ = score_range(np.concatenate([*rows, calibration]))
    pad = 0.02 * (high - low)
    places = tuple((float(-k), str(k)) for k in range(len(rows), 0, -1))
    y = Scale(-len(rows) - 0.6, 0.6, (*places, (0.0, "unused")))
    plot = Plot(linear(low - pad, high + pad), y, (430, 18 * len(rows) + 26), (58, 42), 1)
    known = np.sort(calibration)
    if known.size > 400:
        known = known[np.linspace(0, known.size - 1, 400).round().astype(int)]
    plot.strokes(known, np.full(known.size, -0.35), np.full(known.size, 0.35), CONTROL, 0.75)
    plot.line(
        np.array([line, line]), np.array([y.low, y.high]), INK, 1, DASHED, "stands out right of"
    )
    for k, scores in enumerate(rows, start=1):
        plot.line(np.array([scores.min(), scores.max()]), np.full(2, -k), SUSPECT, 1)
        name = "one image" if k == 1 else ""
        plot.dots(scores, np.full(scores.size, -k), SUSPECT, 3.5, name=name)
    return plot.svg("score (higher = more likely used)")


def ladder(levels: Sequence[PlantedLevel]) -> str:
    """Of the planted copies of each level: the share listed as copies, and that which stands out.

    Parameters
    ----------
    levels : sequence of PlantedLevel
        At least one, each with at least one source; drawn from the top.
    """
    places = tuple((-float(k), LEVELS[one.level]) for k, one in enumerate(levels))
    y = Scale(-len(levels) + 0.5, 0.5, places[::-1])
    left = 24 + int(6.4 * max(len(word) for _, word in places))
    plot = Plot(linear(0.0, 100.0, 5), y, (max(150, 480 - left), 24 * len(levels)), (left, 42), 1)
    for k, one in enumerate(levels):
        named = np.array([0.0, 100.0 * one.named / one.sources])
        sides = (np.full(2, -k - 0.28), np.full(2, -k + 0.28))
        plot.area(named, *sides, CONTROL, 0.8, "" if k else "listed as a copy")
    shares = np.array([100.0 * one.found / one.sources for one in levels])
    plot.dots(
        shares,
        np.linspace(0.0, 1.0 - len(levels), len(levels)),
        SUSPECT,
        5,
        True,
        "its real image stands out",
    )
    return plot.svg("share of the planted copies (%)")
