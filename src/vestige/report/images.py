"""The parts of the page about single images: the table of findings and the nearest pairs."""

from collections import Counter
from typing import Literal

from vestige.copies.related import beside_nearest, related
from vestige.decision.audited import Audited, strongest_first
from vestige.report import words
from vestige.report.blocks import Block, Gallery, Pair, Row, Section, Table, Text
from vestige.report.gallery import IN_SIGHT, Pictures, Told, gallery, introduction
from vestige.report.kinds import PLANES, THROUGH_BEST, kind_of_result
from vestige.report.lines import finding_line
from vestige.schema.records import Q_LEVEL, WORDS, Finding

MOST_ROWS = 5_000
PICTURE_BUDGET = 1_200_000
"""Bytes of base64 that the pictures may add to the page."""
UNCALLED_IN_SIGHT = 3
"""Pairs that are not folded where no image is named or stands out."""
MOST_CARRIED = 2


def findings(result: Audited) -> Section | None:
    """What is said of each real image: copies first, then names, then by strength."""
    if not result.findings:
        return None
    order = strongest_first(result.findings)
    shown = order[:MOST_ROWS]
    mixed = len({f.role for f in order}) > 1
    rows = tuple(_finding_row(f, mixed) for f in shown)
    blocks = _introduction(result)
    if len(order) > len(shown):
        text = f"The {len(shown):,} strongest of {len(order):,}; all are in findings.csv."
        blocks.append(Text(text, "box"))
    head = (
        "Image",
        "Group",
        "Verdict (role)" if mixed else "Verdict",
        "p",
        "q",
        "Rank",
        "Similarity",
        "Nearest generated",
        "Strongest detectors",
    )
    # short names (hashes above all) stay on one line
    short = tuple(k for k in (0, 1, 2, 7) if k in (1, 2) or _longest(rows, k) <= 24)

    blocks.append(
        Table(
            head,
            rows,
            (3, 4, 5, 6),
            short,
            (8,),
            "Real images, the strongest evidence first.",
            (2,),
        )
    )
    return Section("findings", "Image by image", tuple(blocks))


def pairs(result: Audited) -> Section | None:
    """Named images, or at least the strongest findings, beside their nearest generated images."""
    if result.manifest.options.get("redacted") is True:
        return None  # hashes beside hashes show nothing
    chosen = beside_nearest(result.findings)
    if not chosen:
        return None
    text = "Left the real image, right the generated image nearest to it, mirrored where it is "
    text += "nearer so. Look at them yourself: near copies are evident, and similarity alone "
    text += "proves nothing."
    called = sum(f.verdict == "used" or f.stands_out for f in result.findings if not f.copied)
    if not called:
        text += " None of these images is named or stands out."
    elif called > len(chosen):
        text += f" The {len(chosen)} strongest of {called:,} that are named or stand out are shown."
    if any(f.copied for f in result.findings):
        text += " Images that are copied are shown with their copies."
    blocks: list[Block] = [Text(text)]
    told = [_told(f, result) for f in chosen]
    pictures = Pictures(result.thumbnails, PICTURE_BUDGET)
    found = related(result.copies, result.findings)
    drawn = gallery(told, pictures, found, IN_SIGHT if called else UNCALLED_IN_SIGHT)
    if drawn:
        blocks.append(Text(introduction(result.thumbnails, "named:")))
        if kind_of_result(result) == "volume":
            blocks.append(Text(f"{PLANES} {THROUGH_BEST}"))
        return Section("pairs", "Nearest pairs", (*blocks, *drawn))
    if result.thumbnails:
        text = "Their pictures could not be shown (missing, neither PNG nor JPEG, or too large)."
    else:
        text = "Pictures are not stored in result.json, so this page, made from it, shows names "
        text += "only. The report that the audit itself wrote has the pictures."
    blocks.append(Text(text, "box"))
    blocks.append(Gallery(tuple(Pair(*one.names, "", "", one.caption, one.mark) for one in told)))
    return Section("pairs", "Nearest pairs", tuple(blocks))


def _carried(finding: Finding) -> str:
    """The columns that raise the score most: "density_ratio 41 %, mc_ball 20 %"."""
    parts = finding.carried_by[:MOST_CARRIED]
    return ", ".join(f"{words.name(p.column, 40)} ({words.percent(p.share)})" for p in parts) or "–"


def _introduction(result: Audited) -> list[Block]:
    total = words.plural(len(result.findings), "image")
    if all(f.verdict == "uncalibrated" for f in result.findings):
        text = (
            f"{total}, by score. Nothing can be said of any of them: there are too few "
            "calibration images, or a validity check failed. Do not use p-values that are shown."
        )
        return [Text(text)]
    rate = words.percent(result.question.false_alarm_rate)
    counts = Counter(f.word for f in result.findings)
    count = ", ".join(f"{word}: {counts[word]:,}" for word in WORDS if counts[word])
    text = f"{total} – {count}. Each is counted under its strongest word."
    meant = (
        "“Copy”: a "
        "generated image is a copy of it. “Named”: its patient has "
        f"q ≤ {Q_LEVEL:.2f}, so an image of this patient, or a near copy of it, was used. “Stands "
        f"out”: p ≤ {rate}, as {rate} of unused images would. “Rank” is the place among the unused "
        "images on the normal scale (0: their middle, 2: above about 98 % of them), which orders "
        "images of equal p. “Similarity” is that of the nearest generated image, or of the copy "
        "(1: equal). “Strongest detectors” names the detectors that raise the score of the "
        "image most, with their parts of it. A dash for p: not tested, as the image is a copy "
        "of one whose status is known, or is plain, or no calibration image was given."
    )
    return [Text(text), Text(meant, title=words.MEANT)]


def _finding_row(finding: Finding, mixed: bool) -> Row:
    near = finding.evidence[0] if finding.evidence else None
    return Row(
        (
            words.name(finding.id),
            _group(finding),
            f"{finding.word} ({finding.role})" if mixed else finding.word,
            words.p_text(finding.p_value),
            words.p_text(finding.q_value),
            words.score_text(finding.score),
            f"{near.similarity:.2f}" if near else "–",
            words.name(near.generated) if near else "–",
            _carried(finding),
        ),
        _mark(finding),
    )


def _mark(finding: Finding) -> Literal["alarm", "caution", ""]:
    if finding.verdict == "used":
        return "alarm"
    return "caution" if finding.stands_out else ""


def _group(finding: Finding) -> str:
    group = words.name(finding.group, 24)
    return f"{group} ({finding.relation})" if finding.relation == "same patient used" else group


def _longest(rows: tuple[Row, ...], column: int) -> int:
    return max(len(row.cells[column]) for row in rows)


def _told(finding: Finding, result: Audited) -> Told:
    near = finding.evidence[0]
    numbers = f"{finding.word} · p {words.p_text(finding.p_value)}"
    return Told(
        key=f"named:{finding.id}",
        role=finding.role,
        real=finding.id,
        group=finding.group,
        generated=near.generated,
        line=finding_line(finding, result),
        caption=f"{numbers} · q {words.p_text(finding.q_value)} · similarity {near.similarity:.2f}",
        mark=_mark(finding),
    )
