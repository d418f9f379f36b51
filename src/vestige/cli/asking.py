"""The question of an audit on the command line: the options that `audit` and `check` share."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from vestige.cli.options import (
    DETECTORS,
    IMAGES,
    PANELS,
    QUESTION,
    RUNNING,
    Cache,
    Colour,
    DetectorNames,
    DetectorOptions,
    Engine,
    Generated,
    GroupRegex,
    Groups,
    Layout,
    Query,
    Reference,
    Seed,
    Unused,
    Used,
    Volumes,
    Window,
    told_dimensions,
)
from vestige.cli.terminal import given
from vestige.files.places import Named
from vestige.registry.entries import InputError
from vestige.registry.options import parse_window

if TYPE_CHECKING:
    from vestige.auditing.options import AuditOptions


@dataclass(frozen=True)
class Asked:
    """Images by role as they were named, how they are audited, and what is read."""

    folders: dict[str, Any]
    options: "AuditOptions"
    inputs: list[Named]


def question(
    *,
    generated: Generated = None,
    used: Used = None,
    unused: Unused = None,
    query: Query = None,
    reference: Reference = None,
    imageclef: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A folder in the layout of the ImageCLEF tasks of 2023 or 2025, which replaces "
            "the folders above.",
            rich_help_panel=IMAGES,
        ),
    ] = None,
    window: Window = None,
    harmonize: Annotated[
        bool,
        typer.Option(
            "--harmonize",
            help="Prepare all images alike before they are scored: one grey value window, the "
            "coarsest number of grey levels and the same blur.",
            rich_help_panel=IMAGES,
        ),
    ] = False,
    include_derived: Annotated[
        bool,
        typer.Option(
            "--include-derived",
            help="Also judge segmentations, dose grids, localisers, screen captures and label "
            "maps, which are otherwise named as problems and left out.",
            rich_help_panel=IMAGES,
        ),
    ] = False,
    layout: Layout = "",
    colour: Colour = "auto",
    volumes: Volumes = None,
    groups: Groups = None,
    group_regex: GroupRegex = None,
    false_alarm_rate: Annotated[
        float,
        typer.Option(
            metavar="RATE",
            help="The largest accepted probability, between 0 and 1, that an unused image stands "
            "out.",
            rich_help_panel=QUESTION,
        ),
    ] = 0.05,
    max_auc: Annotated[
        float,
        typer.Option(
            metavar="AUC",
            help="The gate opens only if the 95 % upper bound of the AUC is below this limit; 0.5 "
            "is guessing. --release-curve uses the same limit.",
            rich_help_panel=QUESTION,
        ),
    ] = 0.65,
    release_curve: Annotated[
        bool,
        typer.Option(
            "--release-curve",
            help="Also audit random parts of the generated set, to show how the AUC depends on "
            "the number of released images.",
            rich_help_panel=QUESTION,
        ),
    ] = False,
    assigned_by_lot: Annotated[
        bool,
        typer.Option(
            "--assigned-by-lot",
            help="State that used and unused patients were drawn by lot from one pool. The report "
            "then also gives lower bounds of epsilon (differential privacy).",
            rich_help_panel=QUESTION,
        ),
    ] = False,
    checks: Annotated[
        bool,
        typer.Option(
            "--checks/--no-checks",
            help="Run the validity checks, which repeat the audit on manipulated data (default). "
            "Without them the gate never opens.",
            rich_help_panel=QUESTION,
        ),
    ] = True,
    detector: DetectorNames = None,
    effort: Annotated[
        str | None,
        typer.Option(
            metavar="low|normal|high",
            help="Which detectors auto runs, by running time: low takes seconds, high trains "
            "networks and takes minutes (default: normal).",
            rich_help_panel=DETECTORS,
        ),
    ] = None,
    views: Annotated[
        str,
        typer.Option(
            metavar="none|mirror|all",
            help="The symmetries in which detectors look for copies: none, mirrored images, or "
            "all eight symmetries of a square.",
            rich_help_panel=DETECTORS,
        ),
    ] = "mirror",
    option: DetectorOptions = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="MODEL.safetensors",
            help="A detector that `vestige train` has trained and saved; repeat the option for "
            "several.",
            rich_help_panel=DETECTORS,
        ),
    ] = None,
    engine: Engine = "local",
    cache: Cache = None,
    cache_limit: Annotated[
        float,
        typer.Option(
            metavar="GB",
            help="The largest size of the cache in gigabytes; what was not used for longest is "
            "deleted first.",
            rich_help_panel=RUNNING,
        ),
    ] = 50.0,
    seed: Seed = 0,
) -> Asked:
    """What the options ask."""
    from vestige.auditing.options import AuditOptions
    from vestige.scoring.plan import parse_options

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
        release_curve=release_curve,
        max_auc=max_auc,
        assigned_by_lot=assigned_by_lot,
        window=None if window is None else parse_window(window),
        harmonize=harmonize,
        include_derived=include_derived,
        layout=layout,
        dimensions=told_dimensions(volumes),
        colour=colour,  # type: ignore[arg-type]  # checked by AuditOptions
        engine=engine,
        cache=cache,
        cache_limit=cache_limit,
        checks=checks,
        seed=seed,
    )
    inputs = given(**folders, groups=groups, imageclef=imageclef)
    inputs += [("--model", path) for path in model or []]
    return Asked(folders, options, inputs)


def asks(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command with the options of `question` beside its own, in the order of the panels.

    It is called with what `question` makes of them, as `asked`.
    """
    shared = _options(question)
    own = {name: one for name, one in _options(command).items() if name != "asked"}

    def run(**given: Any) -> Any:
        asked = question(**{name: given.pop(name) for name in shared})
        return command(asked=asked, **given)

    run.__doc__ = command.__doc__
    run.__annotations__ = {name: one.annotation for name, one in (shared | own).items()}
    options = sorted((shared | own).values(), key=_place)
    run.__signature__ = signature(run).replace(parameters=options)  # type: ignore[attr-defined]
    return run


def _options(function: Callable[..., Any]) -> dict[str, Parameter]:
    hints = get_type_hints(function, include_extras=True)
    found = signature(function).parameters
    return {name: one.replace(annotation=hints[name]) for name, one in found.items()}


def _place(option: Parameter) -> int:
    """The panel of an option; what has none, the context, comes first."""
    (info,) = getattr(option.annotation, "__metadata__", (None,))
    return -1 if info is None else PANELS.index(info.rich_help_panel)
