"""`vestige export`, `vestige score` and `vestige report`: what is made of a result or a run."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from vestige.files.whole import write_together
from vestige.registry.choices import InputError
from vestige.result import AuditResult

Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


def export(
    result: Annotated[Path, typer.Argument(metavar="RESULT.json")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    format_: Annotated[str, typer.Option("--format", help="See vestige list formats.")],
    header: Annotated[bool | None, typer.Option("--header/--no-header")] = None,
    top_half: Annotated[
        bool,
        typer.Option(
            "--top-half", help="Call the upper half of the images used, by their rank among unused."
        ),
    ] = False,
    named: Annotated[
        bool, typer.Option("--named", help="Call only copies and named images used (q <= .10).")
    ] = False,
    balanced: Annotated[bool, typer.Option("--balanced", hidden=True)] = False,
) -> None:
    """Write a challenge submission from a result.

    Images that stand out (p at most the false-alarm rate) and copies count as used.
    """
    from vestige.imageclef.challenge import By, export_run, without_verdict

    if balanced:
        print("vestige: --balanced is now --top-half and will go in 0.3.", file=sys.stderr)
    half = top_half or balanced
    if half and named:
        raise InputError("--top-half and --named exclude each other: give one of them.")
    by: By = "top half" if half else "named" if named else "stands out"
    audited = AuditResult.load(result)
    write_together({out: export_run(audited, format_, header, by)})
    if by == "named" and (unsaid := without_verdict(audited.findings)):
        told = f"{unsaid} query images have no calibrated verdict and are written as not used."
        print(f"vestige: {told}", file=sys.stderr)


def score(
    run: Annotated[Path, typer.Argument(metavar="RUN.csv")],
    truth: Annotated[Path, typer.Argument(metavar="TRUTH.csv")],
    runs: Annotated[int, typer.Option(help="Runs tried, this one included.")] = 1,
    groups: Annotated[
        Path | None,
        typer.Option(help="A CSV file with the patient of each image (columns id, patient)."),
    ] = None,
    group_regex: Annotated[
        str | None,
        typer.Option(help="A regular expression that finds the patient in the id of an image."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Score a run against the truth, with intervals and the constant baselines.

    Give the patients if some have several images: intervals are too narrow otherwise.
    """
    from vestige.imageclef.challenge import group_truth, read_run, score_run

    answers, right = read_run(run), read_run(truth)
    patients = group_truth(right, groups, group_regex)
    card = score_run(answers, right, runs=runs, groups=patients)
    if as_json:
        print(json.dumps(asdict(card), indent=1))
        return
    whose = "" if card.patients is None else f" of {card.patients} patients"
    print(
        f"{card.n} images{whose}; decisions from the {card.decided_by}; "
        f"AUC from the {card.auc_from}"
    )
    for name in ("kappa", "accuracy", "precision", "recall", "specificity", "f1", "auc"):
        e = getattr(card, name)
        shown = f"{e.value:6.3f}  [{e.low:.3f}, {e.high:.3f}]" if e else "undefined"
        print(f"{name:>12}  {shown}")
    base = card.baselines
    print(
        f"{'constants':>12}  all used: F1 {base.all_used_f1:.3f}, kappa 0; "
        f"majority: accuracy {base.majority_accuracy:.3f}"
    )
    what = "p (guessing)" if card.patients is None else "p (patients)"
    print(f"{what:>12}  {card.p_value:.3g}, for {card.runs} run(s) {card.p_adjusted:.3g}")


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
