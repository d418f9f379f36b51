"""Charts as inline SVG: drawn by matplotlib without pyplot, the same bytes for the same result.

No text of the user enters a chart. Colours are Okabe and Ito's blue and vermilion, told apart by
line style and filling as well.
"""

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.schema.records import ReleaseCurve, SetTest
from vestige.types import Floats

SUSPECT = "#d55e00"
CONTROL = "#0072b2"
INK = "#1b1f24"
FAINT = "#8a929c"
BINS = 30
_LARGEST = 1e100  # beyond this, differences overflow and no chart says anything

_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: small, selectable, readable aloud
    "svg.hashsalt": "vestige",
    "font.family": ["sans-serif"],
    "font.sans-serif": ["Helvetica", "Arial", "Liberation Sans", "DejaVu Sans", "sans-serif"],
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "path.simplify": True,
}


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


def histogram(candidates: Floats, calibration: Floats, candidates_label: str) -> str:
    """Scores of candidates (filled) over those of calibration images (line), as shares of each.

    Parameters
    ----------
    candidates, calibration : Floats, shapes (n,) and (m,)
        Scores in one unit; `calibration` may be empty.
    candidates_label : str
        Name in the legend; from vestige's own words only.

    Returns
    -------
    str
        One ``<svg>`` element.
    """
    low, high, _ = score_range(np.r_[candidates, calibration])
    edges = np.linspace(low, high, BINS + 1)
    shares = [_shares(s, edges) for s in (candidates, calibration)]

    def draw(axes: Any) -> None:
        axes.stairs(
            shares[0], edges, fill=True, color=SUSPECT, alpha=0.55, clip_on=False,
            label=f"{candidates_label} ({candidates.size:,})",
        )  # fmt: skip
        if calibration.size:
            axes.stairs(
                shares[1], edges, color=CONTROL, linewidth=2, clip_on=False, baseline=None,
                label=f"calibration images ({calibration.size:,})",
            )  # fmt: skip
        axes.set_xlim(low, high)
        axes.set_ylim(0, 1.05 * max(max(s.max() for s in shares), 1e-9))
        axes.set_xlabel("score (higher = more likely used)")
        axes.set_ylabel("share of images (%)")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderpad=0)

    return render("scores", (4.6, 3.1), draw)


def _shares(scores: Floats, edges: Floats) -> Floats:
    counts = np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0]
    return np.asarray(100.0 * counts / max(1, scores.size))


def roc(
    candidates: Floats,
    calibration: Floats,
    candidate_groups: npt.NDArray[Any],
    calibration_groups: npt.NDArray[Any],
    seed: int,
) -> str:
    """ROC step curve with its pointwise 95 % band (bootstrap over groups).

    Parameters
    ----------
    candidates, calibration : Floats, shapes (n,) and (m,)
        Scores in one unit, at least one each.
    candidate_groups, calibration_groups : arrays, shapes (n,) and (m,)
        The units that are resampled.
    seed : int
        Of the bootstrap.

    Returns
    -------
    str
        One ``<svg>`` element.
    """
    from vestige.stats.intervals import roc_band, roc_points

    fpr, tpr = roc_points(candidates, calibration)
    grid = np.linspace(0.0, 1.0, 201)
    repeats = (
        1000 if candidates.size + calibration.size < 4000 else 200
    )  # the page must come quickly
    low, high = roc_band(
        candidates, calibration, grid, candidate_groups, calibration_groups, seed, repeats=repeats
    )

    def draw(axes: Any) -> None:
        axes.fill_between(
            grid, low, high, step="post", color=SUSPECT, alpha=0.25, linewidth=0, clip_on=False,
            label="95 % band",
        )  # fmt: skip
        axes.plot(
            [0, 1], [0, 1], color=INK, linestyle=(0, (4, 3)), linewidth=1, clip_on=False,
            label="guessing",
        )  # fmt: skip
        axes.step(
            fpr, tpr, where="post", color=SUSPECT, linewidth=2, clip_on=False, label="this audit"
        )
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_xlabel("unused images above the threshold (false alarms)")
        axes.set_ylabel("candidates above the threshold")
        axes.legend(loc="lower right")

    return render("roc", (4.6, 3.1), draw)


def auc_line(test: SetTest) -> str:
    """The AUC with its interval on a line that marks guessing and the smallest visible effect."""

    def draw(axes: Any) -> None:
        value, low, high = test.auc.value, test.auc.low, test.auc.high
        start = max(0.0, min(0.4, low - 0.05))
        smallest = min(max(test.minimum_detectable_auc, 0.5), 1.0)
        axes.axvspan(0.5, smallest, color="#e4e7eb", linewidth=0, clip_on=False)
        axes.axvline(0.5, color=INK, linestyle=(0, (4, 3)), linewidth=1, clip_on=False)
        axes.plot([low, high], [0, 0], color=SUSPECT, linewidth=3, clip_on=False)
        for end in (low, high):
            axes.plot([end, end], [-0.25, 0.25], color=SUSPECT, linewidth=3, clip_on=False)
        axes.scatter([value], [0], s=90, color=SUSPECT, zorder=3, clip_on=False)
        for text, side, shift in (
            ("guessing: 0.50", "right", -5),
            (f"up to {smallest:.2f}: too weak to be seen reliably", "left", 5),
        ):
            axes.annotate(
                text, (0.5, 1.0), (shift, 4), textcoords="offset points", ha=side, va="bottom",
                annotation_clip=False,
            )  # fmt: skip
        axes.set_xlim(start, 1)
        axes.set_ylim(-1, 1)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("AUC with its 95 % interval")

    return render("auc", (5.4, 1.15), draw)


def release_curve(curve: ReleaseCurve) -> str:
    """AUC with its interval against the number of released images, the limit as a line."""
    sizes = [point.n for point in curve.points]
    values = np.array([point.auc.value for point in curve.points])
    low = np.array([point.auc.low for point in curve.points])
    high = np.array([point.auc.high for point in curve.points])

    def draw(axes: Any) -> None:
        axes.axhline(
            curve.limit, color=CONTROL, linewidth=1.5, clip_on=False,
            label=f"limit: {curve.limit:.2f}",
        )  # fmt: skip
        axes.axhline(
            0.5, color=INK, linestyle=(0, (4, 3)), linewidth=1, clip_on=False,
            label="guessing: 0.50",
        )  # fmt: skip
        axes.plot(
            sizes, values, color=SUSPECT, linewidth=2, marker="o", clip_on=False,
            label="AUC (95 %)",
        )  # fmt: skip
        for n, bottom, top in zip(sizes, low, high, strict=True):
            axes.plot([n, n], [bottom, top], color=SUSPECT, linewidth=2, marker="_", clip_on=False)
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [f"{n:,}" for n in sizes])
        axes.minorticks_off()
        axes.set_xlim(sizes[0] / 1.25, sizes[-1] * 1.25)
        axes.set_ylim(
            max(0.0, min(0.45, float(low.min()) - 0.02)),
            min(1.0, max(curve.limit, float(high.max())) + 0.03),
        )
        axes.set_xlabel("released images (each part holds the smaller ones)")
        axes.set_ylabel("AUC")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, borderpad=0)

    return render("release", (5.4, 3.1), draw)


def render(name: str, inches: tuple[float, float], draw: Any) -> str:
    """Draw on one pair of axes and return an <svg> that scales with the page."""
    with _away_from_here():
        import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    out = io.StringIO()
    with mpl.rc_context():
        mpl.rcdefaults()  # a page depends on its result alone, not on settings of this machine
        mpl.rcParams.update(_STYLE)
        figure = Figure(figsize=inches, layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.add_subplot()
        axes.patch.set_visible(False)
        draw(axes)
        blank = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        canvas: Any = FigureCanvasSVG(figure)  # matplotlib leaves this method untyped
        canvas.print_svg(out, metadata=blank)
    return _for_html(out.getvalue(), name)


@contextmanager
def _away_from_here() -> Iterator[None]:
    """Import in another folder: matplotlib takes settings from a file in the current one.

    It may come with the images, and such settings start other programs.
    """
    if "matplotlib" in sys.modules:
        yield
        return
    try:
        here = os.open(".", os.O_RDONLY)
    except OSError:  # the current folder is gone, and no file is in it
        yield
        return
    try:
        os.chdir(Path(__file__).parent)
        yield
    finally:
        os.fchdir(here)
        os.close(here)


def _for_html(svg: str, name: str) -> str:
    """Drop what only a stand-alone file needs, and give ids that are unique on the page."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<style.*?</style>|<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s(?:width|height)="[\d.]+pt"', "", svg, count=2)
    svg = re.sub(r'\sxmlns(?::xlink)?="[^"]*"', "", svg)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'\b(?:xlink:)?href="#', f'href="#{name}-', svg)
    svg = svg.replace("url(#", f"url(#{name}-")
    return re.sub(r"\s*\n\s*", "\n", svg)
