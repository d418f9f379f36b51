"""A result in a few lines: for a terminal, as Markdown, and as a card in a notebook."""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vestige.copies.related import beside_nearest
from vestige.decision.audited import Audited, named_groups
from vestige.decision.sentences import GATES, HEADINGS
from vestige.report import words
from vestige.report.lines import copy_line, finding_line
from vestige.report.page import environment
from vestige.report.uris import data_uri

MOST_BYTES = 20_000
"""Of a card: a notebook keeps it with each output."""
PAIRS, SIDE = 4, 64
_SIGNS = re.compile(r"([\\`*_{}\[\]()<>#+|~&!$])")
"""What Markdown would obey."""
_COLOURS = {"closed": "#b3261e", "open": "#1e6b3a", "undecided": "#7a5c00"}


@dataclass(frozen=True)
class Figure:
    """One number of an audit, what it counts, and what is to be known of it."""

    value: str
    label: str
    note: str


@dataclass(frozen=True)
class Pair:
    """A real image and the generated image nearest to it, with their pictures if they fit."""

    line: str
    real: str = ""
    generated: str = ""


def figures(result: Audited) -> tuple[Figure, Figure, Figure]:
    """Copies, the AUC of the test of the set, and the patients that can be named."""
    copied = len({copy.generated for copy in result.copies})
    asked = result.question
    named = len(named_groups(result.findings, result.patients))
    judged = len({finding.group for finding in result.findings})
    test = result.set_test
    auc = Figure("–", "AUC", "the set was not tested")
    if test is not None:
        told = f"{words.interval(test.auc.low, test.auc.high)}, p = {words.p_text(test.p_value)}"
        auc = Figure(f"{test.auc.value:.2f}", "AUC", told)
    who = "patients" if asked.patient_ids else "groups"
    return (
        Figure(f"{copied:,}", "copies", f"of {asked.counts.get('generated', 0):,} generated"),
        auc,
        Figure(
            f"{named:,}",
            f"{who} named",
            f"of {judged:,}, by statistics",
        ),
    )


def one_line(result: Audited) -> str:
    """The answer of an audit in one line."""
    copies, auc, named = figures(result)
    decision = result.decision
    parts = [f"{copies.value} {copies.label}", f"{auc.label} {auc.value} ({auc.note})"]
    parts.append(f"{named.value} {named.label}")
    return f"<AuditResult: {decision.state}, gate {decision.gate}; {'; '.join(parts)}>"


def summary(result: Audited) -> str:
    """The decision, three numbers and the nearest pairs as plain text."""
    lines = [result.decision.text, GATES[result.decision.gate], ""]
    lines += [f"{one.label:>15}: {one.value} ({one.note})" for one in figures(result)]
    if pairs := list(_lines(result)):
        lines += ["", "Nearest pairs:", *(f"  {line}" for _, line in pairs)]
    if unread := sum(problem.severity == "error" for problem in result.problems):
        lines += ["", f"{words.plural(unread, 'file')} could not be read; see problems."]
    return "\n".join(map(words.visible, lines))


def markdown(result: Audited) -> str:
    """The same as Markdown; no name of a file can be a sign of it."""
    lines = [f"**{HEADINGS[result.decision.state]}.** {_plain(result.decision.text)}", ""]
    told = figures(result)
    lines.append("| " + " | ".join(_plain(one.label) for one in told) + " |")
    lines.append("|" + "---|" * len(told))
    lines.append("| " + " | ".join(f"{_plain(one.value)} ({_plain(one.note)})" for one in told))
    lines[-1] += " |"
    if pairs := list(_lines(result)):
        lines += ["", *(f"- {_plain(line)}" for _, line in pairs)]
    return "\n".join(lines) + "\n"


def html(result: Audited) -> str:
    """The same as HTML of less than `MOST_BYTES`: no script, no style sheet, nothing to load.

    Names and pictures are those of the result: of a redacted one (`vestige.report.redact`) hashes
    and none. Pictures come first to the nearest pairs, as far as they fit.
    """
    template = environment().get_template("card.html.j2")
    decision = result.decision
    lines = list(_lines(result))

    def card(pairs: list[Pair]) -> str:
        page: str = template.render(
            colour=_COLOURS[decision.gate],
            heading=HEADINGS[decision.state],
            gate=GATES[decision.gate],
            text=words.name(decision.text, 1500),
            figures=figures(result),
            pairs=pairs,
            counts=_counts(result),
        )
        return page

    pairs = [Pair(line) for _, line in lines]
    for place, (key, line) in enumerate(lines):
        drawn = _drawn(result.thumbnails, key)
        if drawn is not None:
            fuller = [*pairs]
            fuller[place] = Pair(line, *drawn)
            pairs = fuller if len(card(fuller).encode()) < MOST_BYTES else pairs
    return card(pairs)


def _lines(result: Audited) -> Iterator[tuple[str, str]]:
    """Of the nearest pairs the key of their pictures, and a sentence; copies first."""
    count = 0
    for number, copy in enumerate(result.copies[:PAIRS]):
        yield f"copy:{number}", copy_line(copy, result, result.manifest.kind)
        count += 1
    for one in beside_nearest(result.findings)[: PAIRS - count]:
        yield f"named:{one.id}", finding_line(one, result)


def _drawn(pictures: Mapping[str, bytes], key: str) -> tuple[str, str] | None:
    """Real and generated image as small pictures; None where one is missing."""
    found = [pictures.get(f"{key}:{part}") for part in ("real", "generated")]
    if not all(found):
        return None
    real, generated = (_small(one) for one in found if one)
    return real, generated


def _small(picture: bytes) -> str:
    """A picture of ours as a data URI of a few hundred bytes."""
    from PIL import Image

    with Image.open(io.BytesIO(picture)) as image:
        image.thumbnail((SIDE, SIDE))
        out = io.BytesIO()
        image.save(out, "JPEG", quality=70, optimize=True)
    return data_uri(out.getvalue())


def _counts(result: Audited) -> str:
    counts = result.question.counts
    told = " · ".join(f"{counts[role]:,} {role}" for role in words.ROLES if counts.get(role))
    return f"{told} · vestige {result.manifest.vestige}"


def _plain(text: str) -> str:
    """A text that Markdown shows as it is, on one line."""
    return _SIGNS.sub(r"\\\1", words.visible(text))
