"""`vestige world build`, `vestige world check` and `vestige benchmark`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from vestige.cli.options import (
    IMAGES,
    OUTPUT,
    PATIENTS,
    QUESTION,
    RUNNING,
    Command,
    DetectorNames,
    DetectorOptions,
    Engine,
    GroupRegex,
    Groups,
    Json,
    Quiet,
    Seed,
)
from vestige.cli.terminal import given, output, progress_bars, say
from vestige.registry.entries import InputError

app = typer.Typer(
    help="Build and check worlds: real images and a generated set whose truth is known.",
    no_args_is_help=True,
)


@app.command("build", cls=Command)
def build(
    generator: Annotated[
        str,
        typer.Argument(
            metavar="GENERATOR",
            help="The name of the generator to train; see `vestige list generators`.",
        ),
    ],
    *,
    images: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="The folder of real images that the world is made of.",
            rich_help_panel=IMAGES,
        ),
    ],
    members: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="The number of real images to train the generator on.",
            rich_help_panel=IMAGES,
        ),
    ],
    samples: Annotated[
        int,
        typer.Option(metavar="N", help="The number of images to generate.", rich_help_panel=IMAGES),
    ],
    unused: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="The number of real images with known status that the generator is not trained "
            "on (default: as many as members).",
            rich_help_panel=IMAGES,
        ),
    ] = None,
    reference: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="The number of further unused images (default: all that remain, at most 1000).",
            rich_help_panel=IMAGES,
        ),
    ] = None,
    query_share: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="The share of members and of unused images, between 0 and 1, that become queries.",
            rich_help_panel=IMAGES,
        ),
    ] = 0.5,
    size: Annotated[
        int,
        typer.Option(
            metavar="PIXELS",
            help="The side length of all images in pixels, of volumes in voxels.",
            rich_help_panel=IMAGES,
        ),
    ] = 64,
    kind: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="What the images are read as: grey, colour or volume.",
            rich_help_panel=IMAGES,
        ),
    ] = "grey",
    groups: Groups = None,
    group_regex: GroupRegex = None,
    per_group: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="Use at most this number of images of each patient.",
            rich_help_panel=PATIENTS,
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(metavar="WORLD", help="The folder of the new world.", rich_help_panel=OUTPUT),
    ],
    quiet: Quiet = False,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="One setting of the generator, such as epochs=20; repeat the option for several.",
            rich_help_panel=RUNNING,
        ),
    ] = None,
    seed: Seed = 0,
) -> None:
    """Split real images by patient, train a generator on the members, and keep the truth.

    After an interruption the same command continues.
    """
    from vestige.worlds.build import build_world
    from vestige.worlds.options import parse_kind, parse_options
    from vestige.worlds.record import RECORD, Recipe

    recipe = Recipe(
        generator=generator,
        images=str(images),
        members=members,
        samples=samples,
        options=parse_options(generator, option or []),
        groups=None if groups is None else str(groups),
        group_regex=group_regex,
        unused=unused,
        reference=reference,
        query_share=query_share,
        per_group=per_group,
        size=size,
        seed=seed,
        kind=parse_kind(kind),
    )
    finished = (out / RECORD).exists()
    with output(out, given(images=images, groups=groups)), progress_bars(quiet) as progress:
        record = build_world(recipe, out, progress=progress)
    if quiet:
        return
    count = record.counts
    say(
        f"{count['members']} members, {count['unused'] + count['query_unused']} unused "
        f"({count['query']} of both are queries), {count['reference']} reference, "
        f"{count['generated']} generated. Groups from {record.groups_from}."
    )
    say(f"{'This world was there already, unchanged' if finished else 'World'}: {out}")


@app.command("check", cls=Command)
def check(
    world: Annotated[
        Path, typer.Argument(metavar="WORLD", help="The folder that `vestige world build` wrote.")
    ],
    as_json: Json = False,
) -> None:
    """Check that a world is unchanged, that no patient has two roles, and that roles are alike."""
    from vestige.worlds.check import check_world

    checks = check_world(world)
    failed = [found.name for found in checks if not found.passed]
    if as_json:
        answer = {"passed": not failed, "checks": [asdict(found) for found in checks]}
        say(json.dumps(answer, indent=1))
    else:
        width = max(len(found.name) for found in checks)
        for found in checks:
            say(f"{'ok' if found.passed else 'FAILED':6}  {found.name:{width}}  {found.detail}")
    if failed:
        raise InputError(
            f"the world {world} is not sound: {', '.join(failed)} failed. Build it again."
        )


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
