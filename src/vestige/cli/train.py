"""`vestige train`."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from vestige.cli.terminal import progress_bars
from vestige.registry.options import parse_window

INTERRUPTED = 130


def train(
    detector: Annotated[str, typer.Argument(help="One that learns; see vestige list detectors.")],
    generated: Annotated[str, typer.Option(metavar="DIR", help="Synthetic images.")],
    used: Annotated[str, typer.Option(metavar="DIR", help="Reals the generator learned from.")],
    unused: Annotated[str, typer.Option(metavar="DIR", help="Reals it never saw.")],
    out: Annotated[Path, typer.Option(metavar="MODEL.safetensors", help="The model to write.")],
    groups: Annotated[Path | None, typer.Option(metavar="CSV", help="Columns id, group.")] = None,
    group_regex: Annotated[
        str | None, typer.Option(metavar="RE", help="First capture group of the id.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Of the detector; repeatable.")
    ] = None,
    window: Annotated[
        str | None, typer.Option(metavar="C,W", help="DICOM/NIfTI window, centre and width.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of splits, draws and weights.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no summary.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Train a detector on reals of known status.

    The same command goes on where a killed one was.
    """
    from vestige.training.train import (
        TrainingOptions,
        checkpoint_folder,
        parse_options,
        run_training,
    )

    try:
        with progress_bars(quiet) as progress:
            asked = TrainingOptions(
                groups=groups,
                group_regex=group_regex,
                options=parse_options(detector, option or []),
                window=None if window is None else parse_window(window),
                out=out,
                seed=seed,
            )
            found = run_training(detector, generated, used, unused, asked, progress)
    except KeyboardInterrupt:
        folder = checkpoint_folder(out)
        where = f"goes on from {folder}" if folder.exists() else "starts again"
        print(f"vestige: interrupted; the same command {where}.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    training = {k: v for k, v in found.training.items() if not k.endswith("learned_from")}
    if as_json:
        answer = {"model": str(out), "detector": detector, "figures": dict(found.figures)}
        problems = [asdict(problem) for problem in found.problems]
        print(json.dumps(answer | {"training": training, "problems": problems}, indent=1))
        return
    for problem in found.problems:
        print(f"vestige: {problem.severity}: {problem.path} {problem.what}", file=sys.stderr)
    if quiet:
        return
    n = training["counts"]
    print(
        f"{detector} learned from {n['used']} used and {n['unused']} unused images "
        f"({training['groups']} groups) and {n['generated']} generated ones."
    )
    if "held_out_auc" in found.figures:
        told = found.figures
        print(f"AUC {told['held_out_auc']:.3f} on held-out groups, epoch {told['best_epoch']}.")
    print(f"Model: {out}")
