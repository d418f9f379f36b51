"""`vestige inspect`: what vestige sees of single files."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vestige.cli.options import OUTPUT, Json, Window
from vestige.cli.terminal import output, say
from vestige.files.whole import whole
from vestige.registry.entries import InputError
from vestige.registry.options import parse_window

if TYPE_CHECKING:
    from vestige.images.inspecting import Seen, Whole


def inspect(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="The files to look at, one by one."),
    ],
    *,
    window: Window = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A folder for one PNG thumbnail of each file, named by the digest of its pixels. "
            "A thumbnail shows the patient: keep the folder as you keep the files.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what vestige sees of each file: format, bits, window, grey rule, patient, flags.

    Patient and series are told as digests, never as ids.
    """
    from vestige.images.inspecting import inspect_file

    folders = [name for name in files if Path(name).is_dir()]
    if folders:
        raise InputError(f"{folders[0]} is a folder: name the files in it, such as {folders[0]}/*.")
    limits = parse_window(window) if window else None
    seen = []
    with nullcontext() if out is None else output(out, [("FILE", name) for name in files]):
        for name in files:
            one, picture = inspect_file(name, limits)
            seen.append(one)
            if out is not None and picture:
                with whole(out / f"{one.sha256}.png") as partial:
                    partial.write_bytes(picture)
            if not as_json:
                say("\n".join(_lines(one)))
    if as_json:
        say(json.dumps([asdict(one) for one in seen], indent=1))
    if not any(one.images for one in seen):
        raise typer.Exit(2)


def _lines(seen: "Seen") -> Iterator[str]:
    """The name of a file, then one line for each thing that is known of it."""
    yield seen.file
    for title, told in _facts(seen):
        yield f"  {title:<9} {told}"
    for row in seen.problems:
        yield f"  {row.severity:<9} {row.what}"


def _facts(seen: "Seen") -> Iterator[tuple[str, str]]:
    from vestige.images.frame import NOBODY

    header, rule = seen.header, seen.rule
    names = ", ".join(part for part in (header.sop_class, header.packing) if part)
    yield "format", f"{seen.format or 'unknown'}{names and f' ({names})'}"
    if not seen.images or seen.shape is None:
        return
    yield "images", f"{seen.images} of {seen.shape[0]} x {seen.shape[1]} (height x width)"
    if seen.whole is not None:
        yield "whole", _told_whole(seen.whole)
    sign = {None: "", True: ", signed", False: ", unsigned"}[header.is_signed]
    bits = header.bits_stored or header.bits_allocated
    of = f" of {header.bits_allocated}" if header.bits_allocated else ""
    yield "stored", f"{bits}{of} bits{sign}, {seen.mode}"
    if header.slope is not None or header.intercept is not None:
        slope = 1 if header.slope is None else header.slope
        start = header.intercept or 0.0
        yield "rescale", f"level x {slope:g} {'-' if start < 0 else '+'} {abs(start):g}"
    if header.window:
        centre, width = header.window
        yield "window", f"centre {centre:g}, width {width:g}, {header.window_function}"
    if header.display and header.display[0] < header.display[1]:
        yield "display", f"{header.display[0]:g} to {header.display[1]:g}"
    if rule is not None:
        order = "white to black" if rule.is_inverted else "black to white"
        yield "grey", f"{rule.code}: {rule.low:g} to {rule.high:g} is {order}"
    patient = "a placeholder" if seen.patient == NOBODY else seen.patient
    yield "patient", patient or "not told"
    yield "series", seen.series or "not told"
    if seen.values is not None:
        low, mean, high = seen.values
        yield "values", f"{low:.3f} to {high:.3f}, mean {mean:.3f}"
    yield "pixels", seen.sha256


def _told_whole(whole: "Whole") -> str:
    """What is compared where whole volumes are, or why nothing is."""
    if whole.shape is None or whole.spacing is None:
        return f"no volume: {whole.why}"
    sides = " x ".join(map(str, whole.shape))
    steps = " x ".join(f"{step:g}" for step in whole.spacing)
    stored = f", stored as {whole.orientation}" if whole.orientation else ""
    count = "1 volume" if whole.volumes == 1 else f"{whole.volumes} volumes"
    return f"{count} of {sides} (slices x height x width), voxels of {steps} mm{stored}"
