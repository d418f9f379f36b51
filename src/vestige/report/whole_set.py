"""The parts of the page about the whole generated set: test, curves, detectors, measures.

No section computes a statistic anew; charts only show the numbers of the result.
"""

import numpy as np

from vestige.decision.audited import Audited
from vestige.report import charts, words
from vestige.report.blocks import Block, Chart, Charts, Row, Section, Table, Text
from vestige.schema.records import CurvePoint, Finding, ReleaseCurve, Role


def whole_set(result: Audited) -> Section | None:
    """Set test, score histogram and ROC curve; without calibration images, why not."""
    test = result.set_test
    role: Role = test.candidates if test else _default_candidates(result)
    candidates = [f for f in result.findings if f.role == role]
    if any(f.p_value is not None for f in candidates):
        candidates = [
            f for f in candidates if f.p_value is not None
        ]  # copies of known images: no test
    blocks: list[Block] = []
    if test is not None:
        label = (
            f"AUC {test.auc.value:.2f}, 95 % interval "
            f"{words.interval(test.auc.low, test.auc.high)}; guessing is 0.50."
        )
        caption = "Grey: effects that an audit with this many images would miss too often."
        blocks.append(Charts((Chart(charts.auc_line(test), label, caption, wide=True),)))
        if result.run_history is not None:
            blocks.append(Text(words.run_history_meaning(result.run_history)))
        blocks.append(Text(words.carrier_meaning(test)))
        if needed := words.needed_meaning(test):
            blocks.append(Text(needed))
    if not result.calibration.scores:
        blocks.append(
            Text(
                "Uncalibrated: no calibration images were given. The scores put the images in "
                "order, but nobody can say how high an unused image would score. So there are no "
                "p-values, no ROC curve, and nobody is named. Give unused images of the same "
                "source (--unused).",
                "box",
            )
        )
    elif test is None:
        blocks.append(
            Text("No set test was made; the reason is given in the decision above.", "box")
        )
    blocks += _score_charts(result, role, candidates)
    if test is not None and test.tpr_at:
        blocks.append(_rates(result))
    return Section("set", "The whole set", tuple(blocks)) if blocks else None


def _default_candidates(result: Audited) -> Role:
    return "used" if result.question.mode == "release" else "query"


def _score_charts(result: Audited, role: Role, candidates: list[Finding]) -> list[Block]:
    scores = np.array([f.score for f in candidates], dtype=np.float64)
    calibration = np.array(result.calibration.scores, dtype=np.float64)
    both = np.r_[scores, calibration]
    if not scores.size:
        return []
    if not charts.drawable(both):
        return [Text("The scores are too large to be drawn; see findings.csv.", "box")]
    candidates_label = words.candidates_word(role)
    caption = f"Filled: {candidates_label}. "
    if calibration.size:
        caption += (
            "Line: calibration images. The further the filled part lies to the right of the "
            "line, the stronger the evidence."
        )
    if charts.score_range(both)[2]:
        caption += " The outermost bars also hold all scores further out."
    histogram = charts.histogram(scores, calibration, candidates_label)
    drawn = [
        Chart(
            histogram, f"Histogram of scores: {candidates_label} and calibration images.", caption
        )
    ]
    shared = {f.group for f in candidates} & set(result.calibration.groups)
    groups = np.array([f.group for f in candidates])
    calibration_groups = np.array(result.calibration.groups)
    mine, theirs = (~np.isin(g, list(shared)) for g in (groups, calibration_groups))
    if mine.any() and theirs.any():
        roc = charts.roc(
            scores[mine], calibration[theirs], groups[mine], calibration_groups[theirs],
            result.manifest.seed,
        )  # fmt: skip
        caption = "Every threshold at once. A curve along the dashed diagonal is guessing."
        if shared:
            caption += f" Without the {words.plural(len(shared), 'group')} that both sides share."
        drawn.append(Chart(roc, "ROC step curve with its 95 % band.", caption))
    return [Charts(tuple(drawn))]


def _rates(result: Audited) -> Table:
    rows = tuple(
        Row(
            (
                words.percent(rate.fpr),
                words.percent(rate.value),
                f"{words.percent(rate.low)} to {words.percent(rate.high)}",
                words.rate_meaning(rate.fpr, rate.value),
            )
        )
        for rate in (result.set_test.tpr_at if result.set_test else ())
    )
    head = ("Of the unused, at most", "Of the targets", "95 % interval", "In words")
    return Table(head, rows, numeric=(0, 1, 2))


def release(result: Audited) -> Section | None:
    """What random parts of the generated set would give away."""
    curve = result.release_curve
    if curve is None or not curve.points:
        return None
    blocks: list[Block] = [Text(words.curve_meaning(curve), "box")]
    if any(c.spoils for c in result.checks):
        blocks.append(
            Text("A validity check failed: this curve says nothing about training.", "box")
        )
    label = "; ".join(f"{p.n:,} images: AUC {p.auc.value:.2f}" for p in curve.points)
    caption = (
        "Random parts of the synthetic set, each scored as if it were all that is released. A "
        "smaller part exposes fewer patients, but those as clearly."
    )
    blocks.append(Charts((Chart(charts.release_curve(curve), label, caption, wide=True),)))
    rows = tuple(
        Row(
            (
                f"{p.n:,}",
                f"{p.auc.value:.2f}",
                words.interval(p.auc.low, p.auc.high),
                words.p_text(p.p_value),
                _below(curve, p),
            )
        )
        for p in curve.points
    )
    head = ("Released images", "AUC", "95 % interval", "p", f"Limit {curve.limit:.2f}")
    blocks.append(Table(head, rows, numeric=(0, 1, 2, 3)))
    return Section("release", "If fewer images were released", tuple(blocks))


def _below(curve: ReleaseCurve, point: CurvePoint) -> str:
    """Whether a part may go by the limit: parts are read from small to the first that fails."""
    if curve.largest is not None and point.n <= curve.largest:
        return "below the limit"
    return "not shown to be below" if point.auc.high >= curve.limit else "a smaller part is not"


def detectors(result: Audited) -> Section | None:
    """The set test of every detector, with the price of having looked at all of them."""
    if result.set_test is None or not result.set_test.detectors:
        return None
    alpha = result.question.false_alarm_rate
    rows = tuple(
        Row(
            (
                test.name,
                f"{test.auc:.3f}",
                words.p_text(test.p_value),
                words.p_text(test.p_adjusted),
                words.percent(round(test.weight, 3)),
                "above chance" if test.p_adjusted <= alpha else "within chance",
            ),
            "alarm" if test.p_adjusted <= alpha else "",
        )
        for test in sorted(result.set_test.detectors, key=lambda d: (d.p_adjusted, -d.auc, d.name))
    )
    note = Text(
        "With many detectors, some AUC is high by chance. Use the adjusted p-value to judge a "
        "single row. Weight: the part of the detector in the combined score, from which the "
        "decision comes."
    )
    head = ("Detector", "AUC", "p", "adjusted p", "Weight", "In words")
    return Section("detectors", "The detectors", (note, Table(head, rows, numeric=(1, 2, 3, 4))))


def measures(result: Audited) -> Section | None:
    """Published measures of the whole set; they inform beside the verdict."""
    if not result.set_measures:
        return None
    rows = tuple(
        Row(
            (
                measure.name,
                "–" if measure.value is None else f"{measure.value:.2f}",
                words.COPYING_SHOWS_AS.get(measure.name, ""),
                words.p_text(measure.p_value),
                measure.says,
            )
        )
        for measure in result.set_measures
    )
    note = (
        "What other evaluations of synthetic data report, for comparison. The decision does not "
        "rest on them: they average over the whole synthetic set. Small p: more copying than "
        "other "
        "choices of as many groups would show."
    )
    blocks: list[Block] = [Text(note)]
    if any(c.spoils for c in result.checks):
        blocks.append(
            Text("A validity check failed: these p-values say nothing about training.", "box")
        )
    head = ("Measure", "Value", "Copying shows as", "p", "In words")
    table = Table(head, rows, numeric=(1, 3), short=(0, 2), whole=(4,))
    return Section("measures", "Published measures of the set", (*blocks, table))
