"""The command line: one short function per command.

Exit codes: 0 done, 2 bad usage or input, 3 gate closed, 4 gate undecided.
"""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from vestige.auditing.audit import audit, run_audit
from vestige.auditing.options import MAX_AUC, AuditOptions
from vestige.cli.results import export, report, score
from vestige.cli.scrub import scrub
from vestige.cli.terminal import output, progress_bars, tell
from vestige.cli.train import train
from vestige.cli.worlds import app as world_commands
from vestige.cli.worlds import benchmark
from vestige.engine.engines import collect_rarely, keep_freed_memory
from vestige.registry.choices import Choice, InputError
from vestige.registry.options import parse_window
from vestige.scoring.plan import parse_options
from vestige.version import __version__

app = typer.Typer(
    help="Was this real medical image used to train the generator behind those synthetic images?",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Out = Annotated[Path, typer.Option(help="Folder for result.json, findings.csv and report.html.")]
Folder = Annotated[str | None, typer.Option(metavar="DIR")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, no summary.")]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
Seed = Annotated[int, typer.Option(help="Seed of permutations and bootstraps.")]
INTERRUPTED = 130


class Kind(StrEnum):
    """What `vestige list` can list."""

    detectors = "detectors"
    backbones = "backbones"
    generators = "generators"
    formats = "formats"
    engines = "engines"
    measures = "measures"


@app.command("audit")
def audit_command(
    out: Out,
    generated: Folder = None,
    used: Folder = None,
    unused: Folder = None,
    query: Folder = None,
    reference: Folder = None,
    imageclef: Annotated[
        Path | None, typer.Option(metavar="DIR", help="An ImageCLEF folder, 2023 or 2025.")
    ] = None,
    groups: Annotated[Path | None, typer.Option(metavar="CSV", help="Columns id, group.")] = None,
    group_regex: Annotated[
        str | None, typer.Option(metavar="RE", help="First capture group of the id.")
    ] = None,
    detector: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Repeatable, default auto; see vestige list."),
    ] = None,
    effort: Annotated[
        str | None,
        typer.Option(metavar="low|normal|high", help="What auto may cost; default normal."),
    ] = None,
    views: Annotated[
        str, typer.Option(metavar="none|mirror|all", help="Symmetries in which copies may appear.")
    ] = "mirror",
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="DETECTOR.NAME=VALUE", help="Of a detector; repeatable."),
    ] = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(metavar="MODEL.safetensors", help="From vestige train; repeatable."),
    ] = None,
    false_alarm_rate: Annotated[
        float, typer.Option(help="Accepted probability that an unused image is called used.")
    ] = 0.05,
    curve: Annotated[
        bool, typer.Option("--curve", help="Also audit random parts of the generated set.")
    ] = False,
    max_auc: Annotated[
        float,
        typer.Option(
            help="The gate opens, and --curve accepts a part, only if the 95 % upper bound of the "
            "AUC is below this."
        ),
    ] = MAX_AUC,
    limit_auc: Annotated[float | None, typer.Option(hidden=True)] = None,
    assigned_by_lot: Annotated[
        bool,
        typer.Option(
            "--assigned-by-lot",
            help="Used and unused patients were drawn by lot: also give lower bounds of epsilon.",
        ),
    ] = False,
    window: Annotated[
        str | None, typer.Option(metavar="C,W", help="DICOM/NIfTI window, centre and width.")
    ] = None,
    conform: Annotated[
        bool, typer.Option("--conform", help="One common preparation for all sets first.")
    ] = False,
    engine: Annotated[str, typer.Option(help="local, local:N or dask:ADDRESS.")] = "local",
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep decoded images and scores, and note each run."),
    ] = None,
    cache_limit: Annotated[float, typer.Option(metavar="GB", help="Largest cache.")] = 50.0,
    controls: Annotated[
        bool, typer.Option("--controls/--no-controls", help="Ask the audit again (default).")
    ] = True,
    seed: Seed = 0,
    gate: Annotated[
        bool,
        typer.Option("--gate", help="Exit with 0 for open, 3 for closed, 4 for undecided."),
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Judge real images against a generated set, with error rates."""
    folders: dict[str, Any] = {
        "generated": generated,
        "used": used,
        "unused": unused,
        "query": query,
        "reference": reference,
    }
    folders = {role: folder for role, folder in folders.items() if folder is not None}
    if imageclef is not None:
        from vestige.images.imageclef import open_imageclef

        folders = open_imageclef(imageclef) | folders
    if limit_auc is not None:
        print("vestige: --limit-auc is now --max-auc and will go in 0.3.", file=sys.stderr)
        max_auc = limit_auc
    if "generated" not in folders:
        raise InputError("which synthetic images? Give --generated DIR (or --imageclef DIR).")
    options = AuditOptions(
        groups=groups,
        group_regex=group_regex,
        detectors=detector,
        options=parse_options(option or []),
        effort=effort,  # type: ignore[arg-type]  # checked by AuditOptions
        views=views,  # type: ignore[arg-type]  # checked by AuditOptions
        models=model or [],
        false_alarm_rate=false_alarm_rate,
        release_curve=curve,
        max_auc=max_auc,
        assigned_by_lot=assigned_by_lot,
        window=None if window is None else parse_window(window),
        conform=conform,
        engine=engine,
        cache=cache,
        cache_limit=cache_limit,
        controls=controls,
        seed=seed,
    )
    with output(out), progress_bars(quiet) as progress:
        result = run_audit(folders, options, progress)
        report = result.save(out)
    tell(result, report, quiet, as_json, gate)
    return result.decision.exit_code if gate else 0


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for images and reports.")] = Path(
        "vestige-demo"
    ),
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Audit one leaking and one clean set of embedded CT-like phantoms."""
    from vestige.worlds.embedded import write_demo

    with output(out), progress_bars(quiet) as progress:
        progress("drawing phantoms", 0, 1)
        asked = write_demo(out, seed)
        progress("drawing phantoms", 1, 1)
        for name, inputs in asked.items():
            result = audit(
                inputs["generated"],
                inputs["used"],
                inputs["unused"],
                groups=inputs["groups"],
                seed=seed,
                progress=progress,
            )
            report = result.save(out / name)
            if not quiet and not as_json:
                print(f"The {name} set:")
            tell(result, report, quiet, as_json)


app.command()(scrub)
app.command()(train)
app.add_typer(world_commands, name="world")
app.command()(benchmark)


app.command()(export)
app.command()(score)
app.command()(report)


@app.command("list")
def list_choices(kind: Kind, as_json: Json = False) -> None:
    """List what can be chosen by name, and which detectors search all of --views."""
    table = _table(kind)
    if as_json:
        print(json.dumps({name: choice.summary for name, choice in table.items()}, indent=1))
        return
    width = max(map(len, table), default=0)
    for name, choice in table.items():
        extra = f"  [needs vestige[{choice.extra}]]" if choice.extra else ""
        seen = "  [views]" if getattr(choice, "views", False) else ""
        print(f"{name:{width}}  {choice.summary}{extra}{seen}")


@app.callback()
def before_command(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Was this real medical image used to train the generator behind those synthetic images?"""
    if version:
        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; every error a user can mend is one line on stderr and exit code 2."""
    # click's exceptions, from wherever typer has them: newer versions bring click within
    keep_freed_memory()
    collect_rarely()
    usage_error: Any = sys.modules[typer.BadParameter.__module__].ClickException
    try:
        code = app(args=arguments, standalone_mode=False)
    except InputError as error:
        code = _fail(str(error))
    except usage_error as error:
        code = _fail(error.format_message())
    except OSError as error:
        code = _fail(f"{error.strerror or error}: {error.filename or ''}")
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    if code == INTERRUPTED:  # typer may also return it
        _fail("interrupted before the result was written.")
    sys.exit(code or 0)


def _fail(message: str) -> int:
    line = " ".join(message.split())
    # a file name may hold codes that a terminal obeys
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
    print(f"vestige: {shown}", file=sys.stderr)
    return 2


def _table(kind: Kind) -> dict[str, Choice[Any]]:
    if kind is Kind.detectors:
        from vestige.detectors import DETECTORS

        return dict(DETECTORS)
    if kind is Kind.engines:
        from vestige.engine.engines import ENGINES

        return dict(ENGINES)
    if kind is Kind.measures:
        from vestige.measures import SET_MEASURES

        return dict(SET_MEASURES)
    if kind is Kind.generators:
        from vestige.worlds import GENERATORS

        return dict(GENERATORS)
    if kind is Kind.formats:
        from vestige.imageclef.challenge import FORMATS
        from vestige.images.readers import READERS

        return dict(READERS) | dict(FORMATS)
    from vestige.features import BACKBONES

    return dict(BACKBONES)


if __name__ == "__main__":
    main()
