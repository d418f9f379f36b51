"""The sentences of the report: for a data-protection officer (release) or an examiner."""

from typing import Literal

from vestige.decision.audited import Audited
from vestige.decision.records import Code, Gate
from vestige.decision.sentences import GATES, HEADINGS, decision_parts
from vestige.decision.sentences import plural as plural
from vestige.decision.sentences_next import next_command, next_lead
from vestige.files.printable import printable
from vestige.images.group_sources import option_of
from vestige.report.blocks import Banner
from vestige.schema.records import ReleaseCurve, RunHistory, SetTest

ROLES = ("generated", "query", "used", "unused", "reference")

ROLE_MEANING = {
    "generated": "synthetic images under audit",
    "query": "real images of unknown status, to be judged",
    "used": "real images the generator was trained on",
    "unused": "real images of the same source that were not used: p-values compare with them",
    "reference": "further unused images that detectors learn from; p-values do not compare with "
    "them",
}

_LOOKS: dict[Gate, Literal["alarm", "caution", "calm"]] = {
    "closed": "alarm",
    "open": "calm",
    "undecided": "caution",
}

CHECK_FIGURES = (
    "What the checks measured. For “planted” it is the share of planted copies that were found, "
    "from unchanged copies to fainter and fainter ones: the audit sees no copy that is fainter "
    "than those it found here. For the other checks it is an AUC."
)

COPYING_SHOWS_AS = {
    "data_copying": "far below 0",
    "authenticity": "low, of 100",
    "closest_share": "above .5, up to 1",
}
"""How the value of a published measure of the set reads when there is copying."""

PREPARATION = (
    "Statistics of the images as they are in their files: size, grey levels, sharpness, noise, "
    "traces of compression and resizing, borders, position. Images that were prepared in another "
    "way can be told apart by that alone. KS: largest gap between the two distributions, 0 to 1; "
    "the adjusted p-value allows for all statistics, and sets differ below .01. The three most "
    "different of each pair are listed. Generated images differ from real ones; this is "
    "reported and not judged."
)

MEANT = "What the words and columns mean"

STATISTICS = (
    "How the decision was reached: the question, the test of the whole set with its charts, every "
    "detector, the checks, how the images were prepared, and what is needed to repeat the audit."
)

CAUTIONS: dict[Code, str] = {
    "check_failed": "A validity check failed: the sets differ for another reason, so neither "
    "the AUC nor the p-values below say anything about training.",
    "patients_guessed": "Patients were guessed from the pixels: the intervals below are too narrow "
    "and the p-values too small if slices of one patient count as several.",
    "finding_not_specific": "Another generated set gives the same signal: neither the AUC nor "
    "the p-values below say anything about this generator.",
    "planted_missed": "Planted copies were not found again: the audit could have missed a leak, so "
    "the smallest visible AUC below does not hold.",
    "planted_not_possible": "No copy could be planted: the audit could have missed a leak, so the "
    "smallest visible AUC below may not hold.",
    "calibration_used": "Unused images may have been used: the AUC and the p-values below can only "
    "be too weak.",
    "distribution": "The AUC below may come from kinds of images that are more frequent among "
    "the targets, and not from single images.",
    "repeated_runs": "The same images were audited several times and the runs do not agree, or the "
    "best of them is within chance for so many runs.",
    "selected_part": "These images may have been chosen by the answer of an earlier audit: none of "
    "the p-values below holds.",
    "bound_above_limit": "There are too few patients for a negative answer to mean anything.",
}


def banner(result: Audited) -> Banner:
    """The decision: its heading, its sentence, and what to do next."""
    decision = result.decision
    parts = decision_parts(decision)
    if " ".join(parts) != decision.text:  # of an earlier version, in its own words
        parts = (decision.text,)
    return Banner(
        look=_LOOKS[decision.gate],
        label=GATES[decision.gate],
        headline=HEADINGS[decision.state],
        detail=decision.text,
        finding=parts[0],
        rest=" ".join(parts[1:]),
        lead=next_lead(decision),
        command=next_command(
            decision, result.question.counts, option_of(result.question.groups_from)
        ),
    )


def candidates_word(role: str) -> str:
    """How the page calls the images under suspicion."""
    return "training images" if role == "used" else "queried images"


def auc_meaning(test: SetTest) -> str:
    """One sentence on an AUC: a share of pairs, and whether guessing explains it."""
    pairs = (
        f"In {percent(test.auc.value)} of all pairs of one target and one calibration image, the "
        "target has the higher score. Guessing gives 50 %."
    )
    if test.auc.low > 0.5:
        return pairs + " The interval lies above guessing."
    if test.auc.high < 0.5:
        return (
            pairs
            + " The interval lies below guessing: there may be a fault in how the sets were made."
        )
    return pairs + " The interval includes guessing."


def p_meaning(p: float) -> str:
    """One sentence on the p-value of the set test."""
    if p > 0.5:
        return "Chance alone gives a difference this large in most audits."
    return (
        f"If no target had been used, chance alone would give a difference this large in about "
        f"{one_in(p)} audits."
    )


def power_meaning(smallest: float, share: float) -> str:
    """One sentence on the minimum detectable AUC and share of copied patients."""
    copied = "" if share >= 1 else f", and so would copies of {percent(share)} of the patients"
    if smallest >= 0.995 and not copied:
        return "With so few images hardly any leak would have been noticed."
    return (
        f"A leak with an AUC of {smallest:.2f} or more would have been noticed in four of five "
        f"such audits{copied}; a weaker one may go unseen."
    )


def carrier_meaning(test: SetTest) -> str:
    """Which of its three statistics the set test rests on."""
    told = {
        "mean": "the mean rank, which sees many patients that are a little closer",
        "tail": "the tail, which sees a few patients that stand out",
        "stack": "the learned combination of the detectors",
    }[test.carried_by]
    return f"The test is made of three statistics; the one that stood out most is {told}."


def needed_meaning(test: SetTest) -> str:
    """What smaller effects would take; "" in results of earlier versions."""
    if not test.needed:
        return ""
    parts = "; ".join(f"an AUC of {n.auc:.2f}: {plural(n.n, n.unit[:-1])}" for n in test.needed)
    kind = " with as many images each" if test.needed[0].unit == "groups" else ""
    return (
        f"Needed on each side{kind}, to notice an effect in four of five audits – {parts}. "
        "Estimated from this audit."
    )


def run_history_meaning(run_history: RunHistory) -> str:
    """How often the question was asked before, and what that does to the p-value."""
    if run_history.runs_before is None:
        return (
            "Earlier runs on the same images are unknown, since no cache folder was given: the "
            "p-value is right if this was the only run."
        )
    if run_history.runs_before == 0:
        return "No other run on the same images is known to the cache folder."
    p = p_text(run_history.p_adjusted)
    if run_history.part_of:
        return (
            f"One of {plural(run_history.runs_before, 'other run')} also asked about images that "
            f"are missing here ({plural(run_history.part_of, 'image')} in all): "
            "no p-value of a part holds."
        )
    return (
        f"{plural(run_history.runs_before, 'other run')} on these images, or some of them, with "
        "other options, seeds or further images "
        f"({plural(run_history.option_sets, 'set of options', 'sets of options')} and "
        f"{plural(run_history.columns, 'column')} in all): the p-value corrected for all of them "
        f"is {p}. "
        "The decision uses it."
    )


def curve_meaning(curve: ReleaseCurve) -> str:
    """One sentence on the largest part that may go by the stated limit."""
    limit, of = f"{curve.limit:.2f}", f"of {plural(curve.points[-1].n, 'synthetic image')}"
    if curve.largest is None:
        return (
            f"No part {of} was shown to stay below an AUC of {limit}: the interval of the smallest "
            "part reaches it, and larger parts are not judged after that."
        )
    return (
        f"A random part of {plural(curve.largest, 'image')} {of} stays below an AUC of {limit} "
        "(upper end of the 95 % interval), and so does every smaller part tried. An average says "
        "nothing about single patients."
    )


def rate_meaning(fpr: float, value: float) -> str:
    """One sentence on a true positive rate."""
    return (
        f"With a threshold that at most {percent(fpr)} of the unused images pass, "
        f"{percent(value)} of the targets pass it."
    )


def p_text(p: float | None) -> str:
    """A p- or q-value for a table; a dash when there is none."""
    if p is None:
        return "–"
    if p >= 0.001:
        return f"{p:.3f}"
    return f"{p:.1g}" if p >= 1e-4 else "< 0.0001"


def percent(share: float) -> str:
    """A share as a percentage, with decimals only where they matter."""
    value = 100 * share
    number = f"{value:.0f}" if value >= 10 or value == round(value) else f"{value:.2g}"
    return f"{number}\N{NO-BREAK SPACE}%"


def one_in(p: float) -> str:
    """A small probability as "1 in N"."""
    return f"1 in {round(1 / p):,}" if p > 1e-9 else "1 in a thousand million"


def interval(low: float, high: float) -> str:
    """A 95 % interval in words."""
    return f"{low:.2f} to {high:.2f}"


def score_text(score: float) -> str:
    """A score with four digits."""
    return f"{score:.4g}"


def visible(text: str) -> str:
    r"""Show what a hostile name hides: control and direction characters as escapes, \x00."""
    return printable(text, keep="\N{NO-BREAK SPACE}")


def name(text: str, length: int = 120) -> str:
    """A file or group name for the page: the middle of a long one becomes an ellipsis."""
    half = length // 2 - 1
    return text if len(text) <= length else f"{text[:half]} … {text[-half:]}"
