"""`vestige benchmark`."""

from pathlib import Path
from typing import Annotated

import typer

from vestige.cli.options import (
    OUTPUT,
    QUESTION,
    RUNNING,
    DetectorNames,
    DetectorOptions,
    Engine,
    Quiet,
)
from vestige.cli.terminal import output, progress_bars, say
from vestige.registry.entries import InputError


def benchmark(
    worlds: Annotated[
        list[Path],
        typer.Argument(metavar="WORLD...", help="Folders that `vestige world build` wrote."),
    ],
    *,
    protocol: Annotated[
        str | None,
        typer.Option(
            metavar="paper",
            help="With the value paper: evaluate as the published papers did and beside it as "
            "vestige does; --detector then names the papers.",
            rich_help_panel=QUESTION,
        ),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="The number of audits for each world and each detector.",
            rich_help_panel=QUESTION,
        ),
    ] = 1,
    null_seeds: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="The number of audits for each world in which there is nothing to find, which "
            "measure false alarms.",
            rich_help_panel=QUESTION,
        ),
    ] = 10,
    null_all: Annotated[
        bool,
        typer.Option(
            "--null-all",
            help="Measure the false alarms of every detector, and not of the default audit only.",
            rich_help_panel=QUESTION,
        ),
    ] = False,
    detector: DetectorNames = None,
    option: DetectorOptions = None,
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="The folder for benchmark.json and the tables.",
            rich_help_panel=OUTPUT,
        ),
    ],
    quiet: Quiet = False,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="The number of audits that run at the same time (default: one for each core).",
            rich_help_panel=RUNNING,
        ),
    ] = None,
    engine: Engine = "local",
) -> None:
    """Measure every detector on worlds whose truth is known: one table, with null rows."""
    if protocol is not None:
        others = (seeds, null_seeds, null_all, workers, engine) != (1, 10, False, None, "local")
        _paper_protocols(worlds, out, protocol, detector, option, others, quiet)
        return
    from vestige.benchmark.run import Repeats, run_benchmark
    from vestige.scoring.plan import parse_options

    inputs = [("a world", world) for world in worlds]
    with output(out, inputs), progress_bars(quiet) as progress:
        found = run_benchmark(
            worlds,
            out,
            detectors=detector,
            options=parse_options(option or []),
            repeats=Repeats(seeds, null_seeds, null_all),
            workers=workers,
            engine=engine,
            progress=progress,
        )
    if not quiet:
        say(f"{len(found.cells)} cells over {len(found.worlds)} worlds: {out / 'table.html'}")
    if found.errors:
        first = found.errors[0]
        raise InputError(
            f"{len(found.errors)} of {len(found.cells)} cells were not measured, the first: world "
            f"{first.world}, row {first.row}: {first.error} The rest is in {out}; the same command "
            "tries them again."
        )


def _paper_protocols(
    worlds: list[Path],
    out: Path,
    protocol: str,
    names: list[str] | None,
    option: list[str] | None,
    others: bool,
    quiet: bool,
) -> None:
    """`vestige benchmark --protocol paper`."""
    from vestige.protocols.run import run_protocols
    from vestige.scoring.plan import parse_options

    if protocol != "paper":
        raise InputError(f"unknown --protocol {protocol!r}. Known: paper.")
    if others:
        raise InputError("--protocol paper takes --detector, --option and --out; leave out others.")
    options = parse_options(option or [])
    inputs = [("a world", world) for world in worlds]
    with output(out, inputs), progress_bars(quiet) as progress:
        found = run_protocols(worlds, out, protocols=names, options=options, progress=progress)
    if not quiet:
        for name, why in found.left_out.items():
            say(f"{name} left out: {why}")
        say(f"{len(found.cells)} rows over {len(found.worlds)} worlds: {out / 'protocols.html'}")
    if found.errors:
        world, system, part, why = found.errors[0]
        raise InputError(
            f"{len(found.errors)} of {3 * len(found.cells)} parts were not measured, the first: "
            f"world {world}, {system}, {part}: {why} The rest is in {out}; the same command tries "
            "them again."
        )
