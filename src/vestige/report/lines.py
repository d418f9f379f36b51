"""One sentence on each pair of pictures, from what the audit says of it; nothing is computed."""

from vestige.decision.audited import Audited
from vestige.decision.records import Copy, CopySearch, Withheld
from vestige.images.kinds import Kind, told_of
from vestige.report import words
from vestige.schema.records import Finding

NEAR_IDENTICAL = 0.9
"""Similarity from which a near copy is called near-identical."""

MOST_OF_NAME = 60
"""Characters of a name in a sentence."""


def copy_line(copy: Copy, result: Audited, kind: Kind) -> str:
    """What a copy is, and how far beyond the unused images it lies.

    A near copy is one since its lead is above the line, which the leads of unused groups do not
    pass; where pairs of real images stand in for them, these are named instead.
    """
    real, made = _names(copy.role, copy.real, copy.generated)
    if copy.by == "same pixels":
        return f"{real} has {told_of(kind, 'the same pixels')} as {made}{_as_seen(copy)}."
    near = "near-identical to" if copy.value >= NEAR_IDENTICAL else "much nearer than by chance to"
    return f"{real} is {near} {made}{_as_seen(copy)}{_beyond(copy, result)}."


def finding_line(finding: Finding, result: Audited) -> str:
    """The nearest generated image of an image that is no copy, and its place among unused ones."""
    near = finding.evidence[0]
    real, made = _names(finding.role, finding.id, near.generated)
    told = f"{real} is nearest to {made}"
    others = [
        score
        for score, group in zip(result.calibration.scores, result.calibration.groups, strict=True)
        if group != finding.group
    ]
    if not others or finding.p_value is None or finding.verdict == "uncalibrated":
        return f"{told} (similarity {near.similarity:.2f})."
    below = sum(score < finding.score for score in others)
    total = words.plural(len(others), "unused image")
    place = f"any of {total}" if below == len(others) else f"{below:,} of {total}"
    return f"{told} and, by all detectors together, nearer to the generated set than {place}."


def _names(role: str, real: str, generated: str) -> tuple[str, str]:
    """The two images in words; they may have the same name."""
    return (
        f"{role.capitalize()} image {words.name(real, MOST_OF_NAME)}",
        f"generated image {words.name(generated, MOST_OF_NAME)}",
    )


def _as_seen(copy: Copy) -> str:
    """The view of a copy in words, in front of the next clause."""
    view: list[str] = [] if copy.view == "identity" else [copy.view]
    view += ["inverted"] if copy.inverted else []
    view += [moved_text(copy)] if copy.moved else []
    return f" ({', '.join(view)})" if view else ""


def moved_text(copy: Copy | Withheld) -> str:
    """How a moved copy stands to the real image, as the end of a clause."""
    if copy.shown is None:
        return "shifted or cropped"
    if copy.shown.side != 1:
        return f"cropped to {words.percent(round(copy.shown.side, 3))} of the side"
    told = [
        f"{words.percent(abs(by))} {before if by > 0 else after}"
        for by, before, after in (
            (copy.shown.top, "up", "down"),
            (copy.shown.left, "to the left", "to the right"),
        )
        if by
    ]
    return f"shifted by {' and '.join(told)}"


def _beyond(copy: Copy, result: Audited) -> str:
    """What the lead of a near copy is larger than; "" where there is nothing to compare with."""
    search = result.copy_search
    if search is None or search.line is None or copy.role in ("unused", "reference"):
        return ""
    if not search.bystanders:
        return ", nearer than real images of two patients are to each other"
    if not _is_above_all(search):
        return ""
    who = "unused patient" if result.question.patient_ids else "unused group"
    return f", nearer than any of {words.plural(search.bystanders, who)}"


def _is_above_all(search: CopySearch) -> bool:
    """Whether the line, and so every near copy, lies above all unused groups that are no copies."""
    highest = search.highest_bystander
    return highest is None or (search.line is not None and highest <= search.line)
