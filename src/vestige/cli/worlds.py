"""`vestige world build`, `vestige world check` and `vestige benchmark`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from vestige.cli.terminal import output, progress_bars
from vestige.registry.choices import InputError

app = typer.Typer(
    help="Build and check worlds: reals and a generated set with known truth.",
    no_args_is_help=True,
)

Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, no summary.")]


@app.command("build")
def build(
    generator: Annotated[str, typer.Argument(help="See vestige list generators.")],
    images: Annotated[Path, typer.Option(metavar="DIR", help="Real images.")],
    members: Annotated[int, typer.Option(help="Real images to train on.")],
    samples: Annotated[int, typer.Option(help="Images to generate.")],
    out: Annotated[Path, typer.Option(metavar="WORLD", help="Folder of the world.")],
    groups: Annotated[Path | None, typer.Option(metavar="CSV", help="Columns id, group.")] = None,
    group_regex: Annotated[
        str | None, typer.Option(metavar="RE", help="First capture group of the id.")
    ] = None,
    unused: Annotated[
        int | None, typer.Option(help="Reals with known status, not trained on; default: as many.")
    ] = None,
    reference: Annotated[
        int | None, typer.Option(help="Further unused reals; default: what remains, up to 1000.")
    ] = None,
    query_share: Annotated[
        float, typer.Option(help="Share of members and of unused that become queries.")
    ] = 0.5,
    per_group: Annotated[
        int | None, typer.Option(metavar="K", help="Use at most K images of a group.")
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the images, pixels.")] = 64,
    seed: Annotated[int, typer.Option(help="Determines everything.")] = 0,
    option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Of the generator; repeatable.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Split reals by patient, train a generator on the members, and keep all with its truth.

    The same command goes on where a killed one was.
    """
    from vestige.worlds.build import build_world
    from vestige.worlds.options import parse_options
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
    )
    finished = (out / RECORD).exists()
    with output(out), progress_bars(quiet) as progress:
        record = build_world(recipe, out, progress=progress)
    if quiet:
        return
    count = record.counts
    print(
        f"{count['members']} members, {count['unused'] + count['query_unused']} unused "
        f"({count['query']} of both are queries), {count['reference']} reference, "
        f"{count['generated']} generated. Groups from {record.groups_from}."
    )
    print(f"{'This world was there already, unchanged' if finished else 'World'}: {out}")


@app.command("check")
def check(
    world: Annotated[Path, typer.Argument(metavar="WORLD")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Check that a world is sound: unchanged, nobody on two sides, both sides alike."""
    from vestige.worlds.check import check_world

    checks = check_world(world)
    failed = [found.name for found in checks if not found.passed]
    if as_json:
        answer = {"passed": not failed, "checks": [asdict(found) for found in checks]}
        print(json.dumps(answer, indent=1))
    else:
        width = max(len(found.name) for found in checks)
        for found in checks:
            print(f"{'ok' if found.passed else 'FAILED':6}  {found.name:{width}}  {found.detail}")
    if failed:
        raise InputError(
            f"the world {world} is not sound: {', '.join(failed)} failed. Build it again."
        )


def benchmark(
    worlds: Annotated[list[Path], typer.Argument(metavar="WORLD...")],
    out: Annotated[Path, typer.Option(help="Folder for benchmark.json and the tables.")],
    detector: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Repeatable; default: all.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="DETECTOR.NAME=VALUE", help="Of a detector; repeatable."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Audits per world and row.")] = 1,
    null_seeds: Annotated[int, typer.Option(help="Audits per world with nothing to find.")] = 10,
    null_all: Annotated[
        bool, typer.Option("--null-all", help="Those for every detector, not the default run only.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Cells side by side; default: one per core.")
    ] = None,
    engine: Annotated[str, typer.Option(help="local or dask:ADDRESS.")] = "local",
    protocol: Annotated[
        str | None,
        typer.Option(
            metavar="paper", help="Evaluate as the papers did, ours beside it; --detector names it."
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Measure every detector on worlds whose truth is known: one table, with null rows."""
    if protocol is not None:
        others = (seeds, null_seeds, null_all, workers, engine) != (1, 10, False, None, "local")
        _paper_protocols(worlds, out, protocol, detector, option, others, quiet)
        return
    from vestige.benchmark.run import Repeats, run_benchmark
    from vestige.scoring.plan import parse_options

    with output(out), progress_bars(quiet) as progress:
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
        print(f"{len(found.cells)} cells over {len(found.worlds)} worlds: {out / 'table.html'}")
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
    with output(out), progress_bars(quiet) as progress:
        found = run_protocols(worlds, out, protocols=names, options=options, progress=progress)
    if not quiet:
        for name, why in found.left_out.items():
            print(f"{name} left out: {why}")
        print(f"{len(found.cells)} rows over {len(found.worlds)} worlds: {out / 'protocols.html'}")
    if found.errors:
        world, system, part, why = found.errors[0]
        raise InputError(
            f"{len(found.errors)} of {3 * len(found.cells)} parts were not measured, the first: "
            f"world {world}, {system}, {part}: {why} The rest is in {out}; the same command tries "
            "them again."
        )
