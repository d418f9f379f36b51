"""The checks on the page: what each asks, how it ended, what it measured."""

from vestige.decision.audited import Audited
from vestige.report import words
from vestige.report.blocks import Block, Row, Section, Table, Text


def checks(result: Audited) -> Section | None:
    """Experiments whose right answer is known."""
    if not result.checks:
        return None
    rows = tuple(
        Row(
            (
                check.name,
                "FAILED" if check.state == "failed" else check.state,
                f"{check.auc.value:.2f} ({words.interval(check.auc.low, check.auc.high)})"
                if check.auc
                else "–",
                words.p_text(check.p_value),
                check.question,
                check.vetoes,
            ),
            "caution" if check.state == "failed" else "",
        )
        for check in result.checks
    )
    head = ("Check", "Outcome", "AUC (95 %)", "p", "Question", "What it takes back")
    note = Text(
        "The right answer of these experiments is known in advance. A failed check can take an "
        "answer back; no check makes an answer stronger."
    )
    blocks: list[Block] = [
        note,
        Table(head, rows, numeric=(2, 3), short=(0, 1), caption="The checks."),
    ]
    if figures := _check_figures(result):
        blocks += [Text(words.CHECK_FIGURES), figures]
    return Section("checks", "Validity checks", tuple(blocks))


def _check_figures(result: Audited) -> Table | None:
    rows = tuple(
        Row(
            (
                check.name,
                what,
                f"{figure.value:.2f}",
                words.interval(figure.low, figure.high),
                f"{figure.n:,}",
            )
        )
        for check in result.checks
        for what, figure in check.details.items()
    )
    head = ("Check", "Of what", "Value", "95 % interval", "Images")
    caption = "What the checks measured."
    return Table(head, rows, numeric=(2, 3, 4), short=(0,), caption=caption) if rows else None
