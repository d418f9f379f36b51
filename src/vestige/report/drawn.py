"""The charts of the page: each with its sentence and, folded, the numbers it is drawn from."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vestige.decision.audited import Audited, strongest_first
from vestige.report import charts, words
from vestige.report.blocks import Block, Chart, Charts, Row, Table, Text
from vestige.schema.records import Finding, Role
from vestige.types import Floats, Ints

MOST_STRIPS = 20
"""Patients whose scores are drawn."""


def score_charts(result: Audited, role: Role) -> list[Block]:
    """Histogram of the scores of a role and, where it is calibrated, both ROC curves."""
    tested, scores, calibration = scores_of(result, role)
    if not scores.size:
        return []
    if not charts.drawable(np.r_[scores, calibration]):
        return [Text("The scores are too large to be drawn; see findings.csv.", "box")]
    drawn = [_histogram(scores, calibration, words.candidates_word(role))]
    return [Charts((*drawn, *_curves(result, tested, scores, calibration)))]


def scores_of(result: Audited, role: Role) -> tuple[list[Finding], Floats, Floats]:
    """Findings of a role as they are drawn, their scores, and those of the calibration images."""
    tested = _tested(result, role)
    calibration = np.array(result.calibration.scores, dtype=np.float64)
    return tested, np.array([f.score for f in tested], dtype=np.float64), calibration


def _tested(result: Audited, role: Role) -> list[Finding]:
    """Findings of a role, without copies of known images where others have a p-value."""
    own = [f for f in result.findings if f.role == role]
    return [f for f in own if f.p_value is not None] or own


def _histogram(scores: Floats, calibration: Floats, label: str) -> Chart:
    caption = f"Filled: {label}. "
    if calibration.size:
        caption += (
            "Line: calibration images. The further the filled part lies to the right of the "
            "line, the stronger the evidence."
        )
    if charts.score_range(np.r_[scores, calibration])[2]:
        caption += " The outermost bars also hold all scores further out."
    edges, filled, line = charts.shares_in_bins(scores, calibration)
    rows = tuple(
        Row((f"{low:.3g} to {high:.3g}", f"{a:.1f}", f"{b:.1f}" if calibration.size else "–"))
        for low, high, a, b in zip(edges[:-1], edges[1:], filled, line, strict=True)
    )
    return Chart(
        charts.histogram(scores, calibration, label),
        f"Histogram of scores: {label} and calibration images.",
        caption,
        table=Table(
            ("Score", f"{label} (%)", "calibration images (%)"), rows, (1, 2), short=(0,),
            caption="Share of the images in each bar.",
        ),
    )  # fmt: skip


def curve_of(
    result: Audited, tested: Sequence[Finding], scores: Floats, calibration: Floats
) -> tuple[charts.Roc | None, int]:
    """The ROC curve of what `scores_of` gives, and the number of groups left out of it.

    These have target and calibration images. None where no others are left.
    """
    shared = {f.group for f in tested} & set(result.calibration.groups)
    groups = np.array([f.group for f in tested])
    theirs = np.array(result.calibration.groups)
    mine, others = (~np.isin(g, list(shared)) for g in (groups, theirs))
    if not (mine.any() and others.any()):
        return None, len(shared)
    mine_numbers = _numbered(groups[mine], scores[mine])
    their_numbers = _numbered(theirs[others], calibration[others]) + len(mine_numbers)
    curve = charts.roc_of(
        scores[mine], calibration[others], mine_numbers, their_numbers, result.manifest.seed
    )
    return curve, len(shared)


def _curves(
    result: Audited, tested: Sequence[Finding], scores: Floats, calibration: Floats
) -> list[Chart]:
    curve, shared = curve_of(result, tested, scores, calibration)
    if curve is None:
        return []
    caption = "Every threshold at once. A curve along the dashed diagonal is guessing."
    if shared:
        caption += f" Without the {words.plural(shared, 'group')} that both sides share."
    rows = tuple(
        Row((words.percent(r), words.percent(t), words.percent(low), words.percent(high)))
        for r, t, low, high in curve.at()
    )
    head = ("False alarms, at most", "Candidates above", "Band from", "to")
    table = Table(head, rows, (0, 1, 2, 3), caption="Points of both ROC curves.")
    close = "The same curve with both axes logarithmic: the left end shows how many are found "
    close += "while hardly any unused image is. Values of 0 stand at the ends of the axes."
    return [
        Chart(charts.roc(curve), "ROC step curve with its 95 % band.", caption, table=table),
        Chart(charts.roc(curve, log=True), "ROC step curve on logarithmic axes.", close),
    ]


def _numbered(groups: npt.NDArray[np.str_], scores: Floats) -> Ints:
    """Numbers for groups, shape (n,), in the order of their scores: names change no chart."""
    own: dict[str, list[float]] = {}
    for group, score in zip(groups.tolist(), scores.tolist(), strict=True):
        own.setdefault(group, []).append(score)
    order = sorted(own, key=lambda group: sorted(own[group]))
    number = {group: k for k, group in enumerate(order)}
    return np.array([number[group] for group in groups.tolist()])


def strips(result: Audited) -> list[Block]:
    """Scores of all images of the patients with the strongest ones, or nothing to draw."""
    known = np.array(result.calibration.scores, dtype=np.float64)
    own: dict[str, list[Finding]] = {}
    for finding in strongest_first([f for f in result.findings if f.p_value is not None]):
        own.setdefault(finding.group, []).append(finding)
    top = list(own.items())[:MOST_STRIPS]
    rows = [np.array([f.score for f in images]) for _, images in top]
    if not rows or not known.size or not charts.drawable(np.concatenate([*rows, known])):
        return []
    line = float(np.quantile(known, 1.0 - result.question.false_alarm_rate))
    rate = words.percent(result.question.false_alarm_rate)
    who = "patient" if result.question.patient_ids else "group"
    many = words.plural(len(rows), who)
    caption = (
        f"Each row is one of the {many} with the strongest images, each dot one image. In the top "
        f"row, each stroke is an unused image; {rate} of them lie to the right of the dashed line."
    )
    cells = tuple(
        Row(
            (
                str(k),
                words.name(patient),
                f"{len(images):,}",
                words.score_text(float(scores.max())),
                words.score_text(float(np.median(scores))),
                words.score_text(float(scores.min())),
            )
        )
        for k, ((patient, images), scores) in enumerate(zip(top, rows, strict=True), start=1)
    )
    head = ("Row", who.capitalize(), "Images", "Highest score", "Middle", "Lowest")
    table = Table(head, cells, (0, 2, 3, 4, 5), caption=f"Scores of the {who}s in the chart.")
    label = f"Scores of the images of {many}, one row each, below those of the unused images."
    return [Charts((Chart(charts.strips(rows, known, line), label, caption, True, table),))]
