"""The parts of the page about the whole generated set: test, curves, detectors, measures.

No section computes a statistic anew; charts only show the numbers of the result.
"""

from vestige.decision.audited import Audited
from vestige.report import charts, words
from vestige.report.blocks import Block, Chart, Charts, Fact, Facts, Row, Section, Table, Text
from vestige.report.drawn import score_charts
from vestige.schema.records import CurvePoint, ReleaseCurve, Role, SetTest


def whole_set(result: Audited) -> Section | None:
    """Set test, score histogram and ROC curves; without calibration images, why not."""
    test = result.set_test
    role: Role = test.candidates if test else _default_candidates(result)
    blocks: list[Block] = []
    if test is not None:
        label = (
            f"AUC {test.auc.value:.2f}, 95 % interval "
            f"{words.interval(test.auc.low, test.auc.high)}; guessing is 0.50."
        )
        caption = "Grey: effects that an audit with this many images would miss too often."
        blocks.append(_test_facts(result, test))
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
    blocks += score_charts(result, role)
    if test is not None and test.tpr_at:
        blocks.append(_rates(result))
    return Section("set", "The whole set", tuple(blocks)) if blocks else None


def _test_facts(result: Audited, test: SetTest) -> Facts:
    """The p-value of the set test and the smallest effect it would see."""
    unseen, whole = test.minimum_detectable_auc, "whole set"
    if result.run_history is not None and result.run_history.runs_before:
        corrected = words.p_text(result.run_history.p_adjusted)
        whole += f"; {corrected} corrected for {result.run_history.runs_before + 1} runs"
    meaning = words.power_meaning(unseen, test.minimum_detectable_share)
    return Facts(
        (
            Fact("p-value", words.p_text(test.p_value), whole, words.p_meaning(test.p_value)),
            Fact("Smallest visible AUC", f"{unseen:.2f}", "80 % power", meaning),
        )
    )


def _default_candidates(result: Audited) -> Role:
    return "used" if result.question.mode == "release" else "query"


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
    caption = "Targets above a threshold that few unused images pass."
    return Table(head, rows, numeric=(0, 1, 2), caption=caption)


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
    blocks.append(
        Table(head, rows, numeric=(0, 1, 2, 3), caption="Random parts of the generated set.")
    )
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
    table = Table(head, rows, numeric=(1, 2, 3, 4), caption="The set test of each detector.")
    return Section("detectors", "The detectors", (note, table))


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
    table = Table(
        head, rows, numeric=(1, 3), short=(0, 2), whole=(4,), caption="Measures of others."
    )
    return Section("measures", "Published measures of the set", (*blocks, table))
