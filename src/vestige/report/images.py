"""The parts of the page about single images: the table of findings and the nearest pairs."""

from collections import Counter
from typing import Literal

from vestige.decision.audited import Audited, strongest_first
from vestige.report import words
from vestige.report.blocks import Block, Gallery, Pair, Row, Section, Table, Text
from vestige.report.kinds import PLANES, THROUGH_MIDDLE, kind_of_result
from vestige.report.uris import data_uri
from vestige.schema.records import Q_LEVEL, WORDS, Finding

MOST_ROWS = 5_000
MOST_PAIRS = 12
PICTURE_BUDGET = 1_000_000
"""Bytes of base64 that the pictures may add to the page."""
MOST_CARRIED = 2


def findings(result: Audited) -> Section | None:
    """What is said of each real image: copies first, then names, then by strength."""
    if not result.findings:
        return None
    order = strongest_first(result.findings)
    shown = order[:MOST_ROWS]
    mixed = len({f.role for f in order}) > 1
    rows = tuple(_finding_row(f, mixed) for f in shown)
    blocks: list[Block] = [Text(_introduction(result))]
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
    """The strongest findings beside their nearest generated images."""
    if result.manifest.options.get("redacted") is True:
        return None  # hashes beside hashes show nothing
    chosen = [f for f in strongest_first(result.findings) if f.evidence][:MOST_PAIRS]
    if not chosen:
        return None
    pictures = _Pictures(result.thumbnails)
    drawn = tuple(_pair(f, pictures) for f in chosen)
    text = "Left the real image, right the generated image nearest to it. Look at them yourself: "
    text += "near copies are evident, and similarity alone proves nothing."
    if not any(f.verdict == "used" or f.stands_out for f in chosen):
        text += " None of these images is named or stands out."
    blocks: list[Block] = [Text(text)]
    if result.thumbnails and kind_of_result(result) == "volume":
        blocks.append(Text(f"{PLANES} {THROUGH_MIDDLE}"))
    if not result.thumbnails:
        blocks.append(
            Text(
                "Pictures are not stored in result.json, so this page, made from it, shows names "
                "only. The report that the audit itself wrote has the pictures.",
                "box",
            )
        )
    elif pictures.left_out:
        count = words.plural(pictures.left_out, "picture")
        blocks.append(Text(f"{count} could not be shown (missing, not PNG, or too large).", "box"))
    return Section("pairs", "Nearest pairs", (*blocks, Gallery(drawn)))


def _carried(finding: Finding) -> str:
    """The columns that raise the score most: "density_ratio 41 %, mc_ball 20 %"."""
    parts = finding.carried_by[:MOST_CARRIED]
    return ", ".join(f"{words.name(p.column, 40)} ({words.percent(p.share)})" for p in parts) or "–"


def _introduction(result: Audited) -> str:
    total = words.plural(len(result.findings), "image")
    if all(f.verdict == "uncalibrated" for f in result.findings):
        return (
            f"{total}, by score. Nothing can be said of any of them: there are too few "
            "calibration images, or a validity check failed. Do not use p-values that are shown."
        )
    rate = words.percent(result.question.false_alarm_rate)
    counts = Counter(f.word for f in result.findings)
    count = ", ".join(f"{word}: {counts[word]:,}" for word in WORDS if counts[word])
    return (
        f"{total} – {count}; each is counted under its strongest word. “Copy”: a "
        "generated image is a copy of it. “Named”: its patient has "
        f"q ≤ {Q_LEVEL:.2f}, so an image of this patient, or a near copy of it, was used. “Stands "
        f"out”: p ≤ {rate}, as {rate} of unused images would. “Rank” is the place among the unused "
        "images on the normal scale (0: their middle, 2: above about 98 % of them), which orders "
        "images of equal p. “Similarity” is that of the nearest generated image, or of the copy "
        "(1: equal). “Strongest detectors” names the detectors that raise the score of the "
        "image most, with their parts of it. A dash for p: not tested, as the image is a copy "
        "of one whose status is known, or is plain, or no calibration image was given."
    )


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


class _Pictures:
    """Hands out thumbnails as data URIs until the page would become too large."""

    def __init__(self, thumbnails: dict[str, bytes]) -> None:
        self.thumbnails = thumbnails
        self.left = PICTURE_BUDGET
        self.left_out = 0

    def uri(self, key: str) -> str:
        uri = data_uri(self.thumbnails.get(key, b""))
        if not uri or len(uri) > self.left:
            self.left_out += 1
            return ""
        self.left -= len(uri)
        return uri


def _pair(finding: Finding, pictures: _Pictures) -> Pair:
    near = finding.evidence[0]
    numbers = f"{finding.word} · p {words.p_text(finding.p_value)}"
    return Pair(
        real=words.name(finding.id, 80),
        generated=words.name(near.generated, 80),
        real_uri=pictures.uri(f"real:{finding.id}"),
        generated_uri=pictures.uri(f"generated:{near.generated}"),
        caption=f"{numbers} · q {words.p_text(finding.q_value)} · similarity {near.similarity:.2f}",
        mark=_mark(finding),
    )
