"""The controls on the page: what each asks, how it ended, what it measured."""

from vestige.decision.audited import Audited
from vestige.report import words
from vestige.report.blocks import Block, Row, Section, Table, Text


def controls(result: Audited) -> Section | None:
    """Experiments whose right answer is known."""
    if not result.controls:
        return None
    rows = tuple(
        Row(
            (
                control.name,
                "FAILED" if control.state == "failed" else control.state,
                f"{control.auc.value:.2f} ({words.interval(control.auc.low, control.auc.high)})"
                if control.auc
                else "–",
                words.p_text(control.p_value),
                words.CONTROL_MEANING.get(control.name, ""),
                control.vetoes,
            ),
            "caution" if control.state == "failed" else "",
        )
        for control in result.controls
    )
    head = ("Check", "Outcome", "AUC (95 %)", "p", "Question", "What it takes back")
    note = Text(
        "The right answer of these experiments is known in advance. A failed check can take an "
        "answer back; no check makes an answer stronger."
    )
    blocks: list[Block] = [note, Table(head, rows, numeric=(2, 3), short=(0, 1))]
    if figures := _control_figures(result):
        blocks += [Text(words.CONTROL_FIGURES), figures]
    return Section("controls", "Validity checks", tuple(blocks))


def _control_figures(result: Audited) -> Table | None:
    rows = tuple(
        Row(
            (
                control.name,
                what,
                f"{figure.value:.2f}",
                words.interval(figure.low, figure.high),
                f"{figure.n:,}",
            )
        )
        for control in result.controls
        for what, figure in control.details.items()
    )
    head = ("Check", "Of what", "Value", "95 % interval", "Images")
    return Table(head, rows, numeric=(2, 3, 4), short=(0,)) if rows else None
