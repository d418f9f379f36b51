"""`vestige train`."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from vestige.cli.completing import names_of
from vestige.cli.ending import Ended
from vestige.cli.options import (
    DETECTORS,
    IMAGES,
    OUTPUT,
    Colour,
    GroupRegex,
    Groups,
    Json,
    Quiet,
    Seed,
    Window,
)
from vestige.cli.terminal import given, progress_bars, say, warn
from vestige.files.places import refuse_inside
from vestige.files.temporary import check_temporary
from vestige.registry.options import parse_window

INTERRUPTED = 130


def train(
    detector: Annotated[
        str,
        typer.Argument(
            metavar="DETECTOR",
            autocompletion=names_of("detectors"),
            help="The name of a detector that learns; see `vestige list detectors`.",
        ),
    ],
    *,
    generated: Annotated[
        str,
        typer.Option(
            metavar="DIR",
            help="The synthetic images that the detector compares with.",
            rich_help_panel=IMAGES,
        ),
    ],
    used: Annotated[
        str,
        typer.Option(
            metavar="DIR",
            help="Real images that were used to train the generator.",
            rich_help_panel=IMAGES,
        ),
    ],
    unused: Annotated[
        str,
        typer.Option(
            metavar="DIR",
            help="Real images of the same source that were not used.",
            rich_help_panel=IMAGES,
        ),
    ],
    window: Window = None,
    colour: Colour = "auto",
    groups: Groups = None,
    group_regex: GroupRegex = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="One setting of the detector, such as weights=resnet50.safetensors; repeat the "
            "option for several.",
            rich_help_panel=DETECTORS,
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            metavar="MODEL.safetensors",
            help="The file to write, with the trained model.",
            rich_help_panel=OUTPUT,
        ),
    ],
    quiet: Quiet = False,
    as_json: Json = False,
    seed: Seed = 0,
) -> None:
    """Train a detector on real images of known status.

    After an interruption the same command continues the training.
    """
    from vestige.training.train import (
        TrainingOptions,
        checkpoint_folder,
        parse_options,
        run_training,
    )

    inputs = given(generated=generated, used=used, unused=unused, groups=groups)
    files = (out, out.with_suffix(".json"), checkpoint_folder(out))
    refuse_inside([("--out", file) for file in files], inputs)
    check_temporary()
    try:
        with progress_bars(quiet) as progress:
            asked = TrainingOptions(
                groups=groups,
                group_regex=group_regex,
                options=parse_options(detector, option or []),
                window=None if window is None else parse_window(window),
                colour=colour,  # type: ignore[arg-type]  # checked by TrainingOptions
                out=out,
                seed=seed,
            )
            found = run_training(detector, generated, used, unused, asked, progress)
    except KeyboardInterrupt as end:
        folder = checkpoint_folder(out)
        where = f"goes on from {folder}" if folder.exists() else "starts again"
        warn(f"interrupted; the same command {where}.")
        sys.exit(end.code if isinstance(end, Ended) else INTERRUPTED)
    training = {k: v for k, v in found.training.items() if not k.endswith("learned_from")}
    if as_json:
        answer = {"model": str(out), "detector": detector, "figures": dict(found.figures)}
        problems = [asdict(problem) for problem in found.problems]
        say(json.dumps(answer | {"training": training, "problems": problems}, indent=1))
        return
    for problem in found.problems:
        warn(f"{problem.severity}: {problem.path} {problem.what}")
    if quiet:
        return
    n = training["counts"]
    say(
        f"{detector} learned from {n['used']} used and {n['unused']} unused images "
        f"({training['groups']} groups) and {n['generated']} generated ones."
    )
    if "held_out_auc" in found.figures:
        told = found.figures
        say(f"AUC {told['held_out_auc']:.3f} on held-out groups, epoch {told['best_epoch']}.")
    say(f"Model: {out}")
