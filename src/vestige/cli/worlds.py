"""`vestige world build`, `vestige world check` and `vestige world import`."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vestige.cli.completing import names_of
from vestige.cli.options import (
    IMAGES,
    OUTPUT,
    PATIENTS,
    RUNNING,
    Colour,
    Command,
    GroupRegex,
    Groups,
    Json,
    Quiet,
    Seed,
    Shared,
    Volumes,
    told_dimensions,
)
from vestige.cli.terminal import given, output, progress_bars, say, warn
from vestige.files.places import refuse_inside
from vestige.registry.entries import InputError

if TYPE_CHECKING:
    from vestige.schema.records import Problem

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
            autocompletion=names_of("generators"),
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
            help="What the images are read as: auto (what an audit would find), grey, colour or "
            "volume.",
            rich_help_panel=IMAGES,
        ),
    ] = "auto",
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
    from vestige.worlds.options import find_kind, parse_options
    from vestige.worlds.record import RECORD, Recipe, load_world

    options = parse_options(generator, option or [])
    finished = (out / RECORD).exists()
    if finished and kind == "auto":
        kind = load_world(out).recipe.kind
    found, problems = find_kind(kind, str(images), generator)
    recipe = Recipe(
        generator=generator,
        images=str(images),
        members=members,
        samples=samples,
        options=options,
        groups=None if groups is None else str(groups),
        group_regex=group_regex,
        unused=unused,
        reference=reference,
        query_share=query_share,
        per_group=per_group,
        size=size,
        seed=seed,
        kind=found,
    )
    with output(out, given(images=images, groups=groups)), progress_bars(quiet) as progress:
        record = build_world(recipe, out, progress=progress)
    warn_of(problems)
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


@app.command("import", cls=Command)
def import_(
    *,
    members: Annotated[
        str,
        typer.Option(
            metavar="DIR",
            help="The folder of real images that the generator was trained on.",
            rich_help_panel=IMAGES,
        ),
    ],
    non_members: Annotated[
        str,
        typer.Option(
            metavar="DIR",
            help="The folder of real images of the same source that it was not trained on.",
            rich_help_panel=IMAGES,
        ),
    ],
    generated: Annotated[
        str,
        typer.Option(
            metavar="DIR",
            help="The folder of images that the generator made.",
            rich_help_panel=IMAGES,
        ),
    ],
    size: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="The side length of all images of the world in pixels, of volumes in voxels "
            "(default: that of the smallest images, at most 1,024).",
            rich_help_panel=IMAGES,
        ),
    ] = None,
    colour: Colour = "auto",
    volumes: Volumes = None,
    query_share: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="The share of the patients of either side, between 0 and 1, that become queries.",
            rich_help_panel=IMAGES,
        ),
    ] = 0.0,
    shared: Shared = "refuse",
    groups: Groups = None,
    group_regex: GroupRegex = None,
    out: Annotated[
        Path,
        typer.Option(metavar="WORLD", help="The folder of the new world.", rich_help_panel=OUTPUT),
    ],
    quiet: Quiet = False,
    seed: Seed = 0,
) -> None:
    """Keep real images and samples that were made elsewhere as a world with its truth.

    Pairs of images that two roles share go to stdout, one in a line.
    """
    from vestige.worlds.importing import Origin, import_world

    origin = Origin(
        members=members,
        non_members=non_members,
        generated=generated,
        groups=None if groups is None else str(groups),
        group_regex=group_regex,
        shared=shared,  # type: ignore[arg-type]  # checked by Origin
        query_share=query_share,
        size=size,
        colour=colour,  # type: ignore[arg-type]  # checked by import_world
        dimensions=told_dimensions(volumes),
        seed=seed,
    )
    inputs = given(members=members, non_members=non_members, generated=generated, groups=groups)
    refuse_inside([("--out", out)], inputs)
    with pairs_listed(), progress_bars(quiet) as progress:
        found = import_world(origin, out, progress=progress)
    warn_of(found.problems)
    if quiet:
        return
    record, count = found.record, found.record.counts
    say(
        f"{count['members']} members, {count['non_members']} non-members "
        f"({count['query']} of both are queries), {count['generated']} generated. "
        f"Groups from {record.groups_from}."
    )
    if count["left_out"]:
        say(f"{count['left_out']} non-members share images or patients with members: left out.")
    for check in found.checks:
        if not check.passed:
            say(f"Not as in a world built here: {check.name}. {check.detail}.")
    say(f"World: {out}")


def warn_of(problems: Iterable["Problem"]) -> None:
    """Print what is to be known of files."""
    for row in problems:
        warn(f"{row.severity}: {row.path}: {row.what}")


@contextmanager
def pairs_listed() -> Iterator[None]:
    """Print every pair of images that two roles share, before the line that refuses them."""
    from vestige.worlds.importing import RolesOverlap

    try:
        yield
    except RolesOverlap as error:
        for pair in error.pairs:
            say(f"{pair.member} = {pair.non_member} ({pair.by})")
        raise
