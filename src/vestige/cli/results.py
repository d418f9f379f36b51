"""`vestige export`, `vestige score` and `vestige report`: what is made of a result or a run."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vestige.cli.completing import run_formats
from vestige.cli.options import OUTPUT, PATIENTS, QUESTION, Json
from vestige.cli.terminal import say, warn
from vestige.files.places import refuse_inside
from vestige.files.whole import write_together
from vestige.registry.entries import InputError

if TYPE_CHECKING:
    from vestige.result import AuditResult

Result = Annotated[
    Path, typer.Argument(metavar="RESULT.json", help="The result.json that `vestige audit` wrote.")
]


def export(
    result: Result,
    *,
    top_half: Annotated[
        bool,
        typer.Option(
            "--top-half",
            help="Call the upper half of the images used, by their rank among unused images.",
            rich_help_panel=QUESTION,
        ),
    ] = False,
    named: Annotated[
        bool,
        typer.Option(
            "--named",
            help="Call only copies and named images used; of the names at most one in ten is "
            "expected to be false.",
            rich_help_panel=QUESTION,
        ),
    ] = False,
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            autocompletion=run_formats,
            help="The name of the format to write; see `vestige list formats`.",
            rich_help_panel=OUTPUT,
        ),
    ],
    header: Annotated[
        bool | None,
        typer.Option(
            "--header/--no-header",
            help="Write the names of the columns in the first line, or leave them out (default: "
            "as the format wants it).",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            metavar="RUN.csv", help="The challenge file to write.", rich_help_panel=OUTPUT
        ),
    ],
) -> None:
    """Write a challenge submission from a result.

    Images that stand out (p at most the false-alarm rate) and copies count as used.
    """
    from vestige.imageclef.challenge import By, export_run, without_verdict
    from vestige.result import AuditResult

    if top_half and named:
        raise InputError("--top-half and --named exclude each other: give one of them.")
    refuse_inside([("--out", out)], [("the result", result)])
    by: By = "top half" if top_half else "named" if named else "stands out"
    audited = AuditResult.load(result)
    write_together({out: export_run(audited, format_, header, by)})
    if by == "named" and (unsaid := without_verdict(audited.findings)):
        warn(f"{unsaid} query images have no calibrated verdict and are written as not used.")


def score(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN.csv", help="The challenge file to score, with one image a row."
        ),
    ],
    truth: Annotated[
        Path,
        typer.Argument(
            metavar="TRUTH.csv", help="The truth in the same format: 1 for used images."
        ),
    ],
    *,
    groups: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="A CSV file with the columns id and patient, which names the patient of each "
            "image.",
            rich_help_panel=PATIENTS,
        ),
    ] = None,
    group_regex: Annotated[
        str | None,
        typer.Option(
            metavar="RE",
            help="A regular expression whose first group in parentheses finds the patient in the "
            "id of an image.",
            rich_help_panel=PATIENTS,
        ),
    ] = None,
    runs: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="The number of runs that were tried, this one included; the p-value is corrected "
            "for them.",
            rich_help_panel=QUESTION,
        ),
    ] = 1,
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
        say(json.dumps(asdict(card), indent=1))
        return
    whose = "" if card.patients is None else f" of {card.patients} patients"
    say(
        f"{card.n} images{whose}; decisions from the {card.decided_by}; "
        f"AUC from the {card.auc_from}"
    )
    for name in ("kappa", "accuracy", "precision", "recall", "specificity", "f1", "auc"):
        e = getattr(card, name)
        shown = f"{e.value:6.3f}  [{e.low:.3f}, {e.high:.3f}]" if e else "undefined"
        say(f"{name:>12}  {shown}")
    base = card.baselines
    say(
        f"{'constants':>12}  all used: F1 {base.all_used_f1:.3f}, kappa 0; "
        f"majority: accuracy {base.majority_accuracy:.3f}"
    )
    what = "p (guessing)" if card.patients is None else "p (patients)"
    say(f"{what:>12}  {card.p_value:.3g}, for {card.runs} run(s) {card.p_adjusted:.3g}")


def report(
    result: Result,
    *,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="The HTML file to write. With --annex it may end in .pdf, with --redact in .json, "
            "and with --annex-template it is a TOML file.",
            rich_help_panel=OUTPUT,
        ),
    ],
    redact: Annotated[
        bool,
        typer.Option(
            "--redact",
            help="Write hashes and totals only: no file name, no patient, no picture.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    annex: Annotated[
        Path | None,
        typer.Option(
            metavar="CONTEXT.toml",
            help="Write the document for a board, with what this TOML file states about the "
            "release. It names nobody unless --with-names is given.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    annex_template: Annotated[
        bool,
        typer.Option(
            "--annex-template",
            help="Write an empty TOML file for --annex, in which every key is explained.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    with_names: Annotated[
        bool,
        typer.Option(
            "--with-names",
            help="Show patients and small subgroups by name in the document for a board.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    compare: Annotated[
        Path | None,
        typer.Option(
            metavar="OTHER.json",
            help="Write a page that shows this result beside another one, such as that of another "
            "release or another generator.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
) -> None:
    """Make the report again from result.json, or another document of it."""
    from vestige.result import AuditResult

    asked = [("--redact", redact), ("--annex", annex), ("--annex-template", annex_template)]
    given = [name for name, value in [*asked, ("--compare", compare)] if value]
    if len(given) > 1:
        raise InputError(f"{given[0]} and {given[1]} exclude each other: give one of them.")
    if with_names and annex is None:
        raise InputError("--with-names belongs to --annex, the document for a board: give both.")
    read = [("the result", result), ("--annex", annex), ("--compare", compare)]
    refuse_inside([("--out", out)], [(name, path) for name, path in read if path is not None])
    _check_suffix(out, annex_template, annex is not None, redact)
    audited = AuditResult.load(result)
    if annex_template:
        from vestige.report.annex_context import template

        if out.exists():  # it may be filled in
            raise InputError(f"{out} is there already: name another file, or remove it.")
        write_together({out: template()})
    elif annex is not None:
        write_together({out: _annex(audited, annex, with_names, out)})
    elif compare is not None:
        from vestige.report.compared import render_comparison

        write_together({out: render_comparison(audited, AuditResult.load(compare))})
    elif out.suffix.lower() == ".json":
        from vestige.report import redact as without_names

        write_together({out: without_names(audited).to_json()})
    else:
        from vestige.report import render_html

        write_together({out: render_html(audited, redact=redact)})


def _check_suffix(out: Path, template: bool, annex: bool, redact: bool) -> None:
    """Refuse a name that says that the file is something else than what is written."""
    suffix = out.suffix.lower()
    if suffix == ".json" and redact:
        return
    if suffix == ".pdf" and not annex:
        raise InputError(
            "only --annex, the document for a board, can be a PDF: name an .html file."
        )
    fitting = (".toml",) if template else (".html", ".htm", ".pdf")
    if suffix not in fitting:
        raise InputError(
            f"--out {out} does not end in {fitting[0]}, which is what is written: name it so."
        )


def _annex(audited: "AuditResult", context: Path, names: bool, out: Path) -> str | bytes:
    from vestige.report.annex import render_annex
    from vestige.report.annex_context import read_context
    from vestige.report.annex_pdf import to_pdf

    stated = read_context(context)
    refuse_inside([("--out", out)], stated.files())
    page = render_annex(audited, stated, names)
    return to_pdf(page) if out.suffix.lower() == ".pdf" else page
