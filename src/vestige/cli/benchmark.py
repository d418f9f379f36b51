"""`vestige benchmark`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vestige.cli.options import (
    IMAGES,
    OUTPUT,
    QUESTION,
    RUNNING,
    DetectorNames,
    DetectorOptions,
    Engine,
    GroupRegex,
    Groups,
    Quiet,
    Shared,
)
from vestige.cli.terminal import given, output, progress_bars, say
from vestige.cli.worlds import pairs_listed, warn_of
from vestige.files.places import Named
from vestige.files.whole import write_together
from vestige.registry.entries import InputError

if TYPE_CHECKING:
    from vestige.types import Progress
    from vestige.worlds.importing import Origin


def benchmark(
    worlds: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="WORLD...", help="Folders that `vestige world build` or `import` wrote."
        ),
    ] = None,
    *,
    imageclef: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="In the place of worlds: a folder in the layout of the ImageCLEF tasks of 2023 or "
            "2025. Its used, not used and generated images become a world below --out.",
            rich_help_panel=IMAGES,
        ),
    ] = None,
    shared: Shared = "refuse",
    groups: Groups = None,
    group_regex: GroupRegex = None,
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
    figures: Annotated[
        bool,
        typer.Option(
            "--figures",
            help="Also draw intervals.pdf, ranks.pdf and roc.pdf (needs vestige[pdf]).",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
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
    places = _inputs(worlds, imageclef, (groups, group_regex, shared))
    if protocol is not None:
        others = (seeds, null_seeds, null_all, workers, engine, figures)
        if protocol != "paper":
            raise InputError(f"unknown --protocol {protocol!r}. Known: paper.")
        if others != (1, 10, False, None, "local", False):
            raise InputError(
                "--protocol paper takes --imageclef and its patients, --detector, --option and "
                "--out; leave out others."
            )
    from vestige.benchmark.figures import check_figures, draw_figures
    from vestige.benchmark.run import Repeats, run_benchmark
    from vestige.protocols.run import refuse_kind
    from vestige.scoring.plan import parse_options
    from vestige.worlds.importing import found_kind

    if figures:
        check_figures()
    with output(out, places), progress_bars(quiet) as progress:
        known = worlds or []
        if imageclef is not None:
            origin = _origin(imageclef, (groups, group_regex, shared))
            if protocol is not None:
                refuse_kind(found_kind(origin), str(imageclef))
            known = [_imported(origin, out, progress)]
        if protocol is not None:
            _paper_protocols(known, out, detector, option, progress, quiet)
            return
        found = run_benchmark(
            known,
            out,
            detectors=detector,
            options=parse_options(option or []),
            repeats=Repeats(seeds, null_seeds, null_all),
            workers=workers,
            engine=engine,
            progress=progress,
        )
        if figures:
            drawn = draw_figures(found)
            write_together({out / name: pdf for name, pdf in drawn.items()})
    if not quiet:
        say(f"{len(found.cells)} cells over {len(found.worlds)} worlds: {out / 'table.html'}")
    if found.errors:
        first = found.errors[0]
        raise InputError(
            f"{len(found.errors)} of {len(found.cells)} cells were not measured, the first: world "
            f"{first.world}, row {first.row}: {first.error} The rest is in {out}; the same command "
            "tries them again."
        )


Patients = tuple[Path | None, str | None, str]
"""--groups, --group-regex and --shared."""


def _inputs(worlds: list[Path] | None, imageclef: Path | None, patients: Patients) -> list[Named]:
    """What is read; worlds or a folder of a challenge, and not both."""
    if (not worlds) == (imageclef is None):
        raise InputError("which worlds? Name folders of worlds, or --imageclef DIR, not both.")
    if imageclef is None and patients != (None, None, "refuse"):
        raise InputError(
            "--groups, --group-regex and --shared are for --imageclef: worlds know their patients."
        )
    named = [("a world", world) for world in worlds or []]
    return named + given(imageclef=imageclef, groups=patients[0])


def _origin(folder: Path, patients: Patients) -> "Origin":
    """The folders of a challenge, of which a world is made; half of the patients are queries."""
    from vestige.images.imageclef import open_imageclef
    from vestige.worlds.importing import Origin

    roles = open_imageclef(folder)
    for role in ("used", "unused"):
        if role not in roles:
            raise InputError(
                f"{folder} has no folder of {role} images: a world needs used, not used and "
                "generated ones."
            )
    groups, regex, shared = patients
    return Origin(
        members=str(roles["used"]),
        non_members=str(roles["unused"]),
        generated=str(roles["generated"]),
        groups=None if groups is None else str(groups),
        group_regex=regex,
        shared=shared,  # type: ignore[arg-type]  # checked by Origin
        query_share=0.5,
    )


def _imported(origin: "Origin", out: Path, progress: "Progress") -> Path:
    """The world of a challenge folder, below --out."""
    from vestige.worlds.reopening import open_or_import

    with pairs_listed():
        found = open_or_import(origin, out / "imageclef", progress=progress)
    warn_of(found.problems)
    return out / "imageclef"


def _paper_protocols(
    worlds: list[Path],
    out: Path,
    names: list[str] | None,
    option: list[str] | None,
    progress: "Progress",
    quiet: bool,
) -> None:
    """`vestige benchmark --protocol paper`."""
    from vestige.protocols.addressed import parse_protocol_options
    from vestige.protocols.run import run_protocols

    options = parse_protocol_options(option or [])
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
