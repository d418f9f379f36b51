"""Charts of a result for a notebook or a paper; matplotlib is imported when one is drawn."""

import io
from typing import Any, Literal, get_args

import numpy as np

from vestige.decision.audited import Audited
from vestige.registry.entries import InputError
from vestige.registry.rules import OneOf
from vestige.report import charts, words
from vestige.report.drawn import curve_of, scores_of
from vestige.schema.records import Role

Plot = Literal["scores", "roc", "pairs"]
PLOT = OneOf("plot", get_args(Plot))
PAIRS = 6
_SUSPECT, _KNOWN = "#b3561e", "#333333"


def plot(result: Audited, what: Plot = "scores", ax: Any = None) -> Any:
    """Draw one chart.

    Parameters
    ----------
    what : "scores", "roc" or "pairs"
        Histogram of the scores of target and calibration images; ROC curve with its 95 % band;
        the nearest pairs, each real image above its generated one.
    ax : matplotlib Axes, optional
        Where to draw; default: a new figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InputError
        Without matplotlib; for another word; where there is nothing to draw.
    """
    PLOT.check(what)
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise InputError("plot needs matplotlib: pip install 'vestige[plot]'") from error
    picture = _pairs(result) if what == "pairs" else None
    data = None if what == "pairs" else _scores(result)
    if ax is None:
        ax = pyplot.subplots()[1]
    if picture is not None:
        ax.imshow(picture, cmap="gray", vmin=0, vmax=255)
        ax.set_axis_off()
        ax.set_title("real images (above) and generated images (below)")
    elif data is not None:
        (_draw_scores if what == "scores" else _draw_roc)(result, ax, *data)
    return ax


def _role(result: Audited) -> Role:
    if result.set_test is not None:
        return result.set_test.candidates
    return "used" if result.question.mode == "release" else "query"


def _scores(result: Audited) -> tuple[Any, Any, Any]:
    tested, scores, calibration = scores_of(result, _role(result))
    if not scores.size or not charts.drawable(np.r_[scores, calibration]):
        raise InputError("this result has no scores that can be drawn; see findings.csv")
    return tested, scores, calibration


def _draw_scores(result: Audited, ax: Any, _: Any, scores: Any, calibration: Any) -> None:
    edges, filled, line = charts.shares_in_bins(scores, calibration)
    label = f"{words.candidates_word(_role(result))} ({scores.size:,})"
    ax.stairs(filled, edges, fill=True, color=_SUSPECT, alpha=0.5, label=label)
    if calibration.size:
        label = f"calibration images ({calibration.size:,})"
        ax.stairs(line, edges, color=_KNOWN, label=label)
    ax.set(xlabel="score (higher = more likely used)", ylabel="share of images (%)")
    ax.legend()


def _draw_roc(result: Audited, ax: Any, tested: Any, scores: Any, calibration: Any) -> None:
    curve, _ = curve_of(result, tested, scores, calibration)
    if curve is None:
        raise InputError("this result has no unused images of other patients: there is no curve")
    ax.fill_between(
        curve.grid, curve.low, curve.high, step="post", color=_SUSPECT, alpha=0.25, lw=0,
        label="95 % band",
    )  # fmt: skip
    ax.plot([0, 1], [0, 1], "--", color=_KNOWN, lw=1, label="guessing")
    ax.step(curve.fpr, curve.tpr, where="post", color=_SUSPECT, label="this audit")
    ax.set(xlabel="unused images above (false alarms)", ylabel="candidates above")
    ax.legend()


def _pairs(result: Audited) -> Any:
    """The nearest pairs as one picture, uint8 [h, w] or [h, w, 3]."""
    from PIL import Image

    keys = [key.removesuffix(":real") for key in result.thumbnails if key.endswith(":real")]
    columns = []
    for key in keys[:PAIRS]:
        pair = []
        for part in ("real", "generated"):
            with Image.open(io.BytesIO(result.thumbnails[f"{key}:{part}"])) as image:
                pair.append(np.asarray(image.convert("RGB").resize((128, 128))))
        columns.append(np.concatenate(pair))
    if not columns:
        raise InputError(
            "this result has no pictures: they are not in result.json, and a redacted result has "
            "none; see report.html"
        )
    return np.concatenate(columns, axis=1)
