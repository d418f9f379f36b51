"""`vestige export`, `vestige score` and `vestige report`: what is made of a result or a run."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from vestige.files import write_together
from vestige.result import AuditResult

Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


def export(
    result: Annotated[Path, typer.Argument(metavar="RESULT.json")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    format_: Annotated[str, typer.Option("--format", help="See vestige list formats.")],
    header: Annotated[bool | None, typer.Option("--header/--no-header")] = None,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="The top half by score, not the verdicts.")
    ] = False,
) -> None:
    """Write a challenge submission from a result."""
    from vestige.challenge import export_run

    write_together({out: export_run(AuditResult.load(result), format_, header, balanced)})


def score(
    run: Annotated[Path, typer.Argument(metavar="RUN.csv")],
    truth: Annotated[Path, typer.Argument(metavar="TRUTH.csv")],
    runs: Annotated[int, typer.Option(help="Runs tried, this one included.")] = 1,
    as_json: Json = False,
) -> None:
    """Score a run against the truth, with intervals and the constant baselines."""
    from vestige.challenge import read_run, score_run

    card = score_run(read_run(run), read_run(truth), runs=runs)
    if as_json:
        print(json.dumps(asdict(card), indent=1))
        return
    print(f"{card.n} images; decisions from the {card.decided_by}; AUC from the {card.auc_from}")
    for name in ("kappa", "accuracy", "precision", "recall", "specificity", "f1", "auc"):
        e = getattr(card, name)
        shown = f"{e.value:6.3f}  [{e.low:.3f}, {e.high:.3f}]" if e else "undefined"
        print(f"{name:>12}  {shown}")
    base = card.baselines
    print(
        f"{'constants':>12}  all used: F1 {base.all_used_f1:.3f}, kappa 0; "
        f"majority: accuracy {base.majority_accuracy:.3f}"
    )
    print(f"{'p (guessing)':>12}  {card.p_value:.3g}, for {card.runs} run(s) {card.p_adjusted:.3g}")


def report(
    result: Annotated[Path, typer.Argument(metavar="RESULT.json")],
    out: Annotated[Path, typer.Option(help="The HTML file to write.")],
    redact: Annotated[
        bool, typer.Option("--redact", help="Hashes and aggregates only: no name, no picture.")
    ] = False,
) -> None:
    """Make the report again from result.json."""
    from vestige.report import render_html

    write_together({out: render_html(AuditResult.load(result), redact=redact)})
