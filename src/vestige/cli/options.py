"""Options that several commands share, each with the sentence that explains it.

Every help text is a full sentence with its unit; the panels group the options of a command.
"""

import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from vestige.cli.completing import detector_names, names_of
from vestige.cli.terminal import warn
from vestige.registry.entries import InputError

IMAGES, PATIENTS, QUESTION = "Images", "Patients", "Question"
DETECTORS, OUTPUT, RUNNING = "Detectors", "Output", "Running"
PANELS = (IMAGES, PATIENTS, QUESTION, DETECTORS, OUTPUT, RUNNING)
"""The groups of options in the help, in this order."""
RENAMED = {
    "--limit-auc": "--max-auc",
    "--balanced": "--top-half",
    "--curve": "--release-curve",
    "--conform": "--harmonize",
    "--controls": "--checks",
    "--no-controls": "--no-checks",
}
"""Spellings of version 0.1, which warn and go in 0.3."""


class Command(TyperCommand):
    """A command that also takes the old names of its options, and lists --help with the others."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put new names in the place of old ones that this command has, with a warning each."""
        known = {name for option in self.params for name in (*option.opts, *option.secondary_opts)}
        new = []
        for argument in args:
            name, equals, value = argument.partition("=")
            if not argument or (equals and not value and name.startswith("--")):
                # an unset variable of a script: an empty path would be the current folder
                raise InputError(f"{name or 'an option or argument'} is empty: give it a value.")
            if RENAMED.get(name) in known:
                warn(f"{name} is now {RENAMED[name]} and will go in 0.3.")
                name = RENAMED[name]
            new.append(name + equals + value)
        unknown: Any = sys.modules[typer.BadParameter.__module__].NoSuchOption
        try:
            return super().parse_args(ctx, new)
        except unknown as error:  # misspelt: by old names, the new ones are suggested
            near = get_close_matches(error.option_name, known | RENAMED.keys(), cutoff=0.7)
            suggested = {RENAMED.get(name, name) for name in near} & known
            error.possibilities = sorted(suggested) or error.possibilities
            raise

    def get_help_option(self, ctx: Any) -> Any:
        """The --help option, in the last panel."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.help = "Show this help and exit."
            option.rich_help_panel = RUNNING
        return option


def _folder(what: str) -> Any:
    return typer.Option(metavar="DIR", help=what, rich_help_panel=IMAGES)


Generated = Annotated[
    str | None,
    _folder(
        "The synthetic images to audit. This and the next four options take a folder, a CSV list "
        "of files, a NumPy file or an address such as s3://bucket/folder."
    ),
]
Used = Annotated[str | None, _folder("Real images that were used to train the generator.")]
Unused = Annotated[
    str | None,
    _folder(
        "Real images of the same source that were not used. All p-values compare with them, so "
        "they are called calibration images."
    ),
]
Query = Annotated[
    str | None, _folder("Real images of unknown status. The audit says which were used.")
]
Reference = Annotated[
    str | None,
    _folder(
        "Further real images that were not used. Detectors learn from them what such images look "
        "like; no p-value compares with them."
    ),
]
Window = Annotated[
    str | None,
    typer.Option(
        metavar="C,W",
        help="The centre and width of the grey value window for DICOM files and volumes, such as "
        "-600,1500. By default the files tell their window.",
        rich_help_panel=IMAGES,
    ),
]
Layout = Annotated[
    str,
    typer.Option(
        metavar="AXES",
        help="What the axes of NumPy and HDF5 arrays mean where their lengths leave doubt: the "
        "letters n (images), d (slices), h (height), w (width) and c (channels) in their order, "
        "such as n,h,w or h,w,n.",
        rich_help_panel=IMAGES,
    ),
]
Colour = Annotated[
    str,
    typer.Option(
        metavar="auto|grey|rgb",
        help="What is compared: colour images, grey images, or by default colour where the "
        "generated and the real images are in colour.",
        rich_help_panel=IMAGES,
    ),
]
Volumes = Annotated[
    bool | None,
    typer.Option(
        "--volumes/--slices",
        help="Compare volumes whole or slice by slice; by default whole where all sides hold "
        "volumes and no pictures.",
        show_default=False,
        rich_help_panel=IMAGES,
    ),
]
Groups = Annotated[
    Path | None,
    typer.Option(
        metavar="CSV",
        help="A CSV file with the columns id and group, which names the patient of each image.",
        rich_help_panel=PATIENTS,
    ),
]
GroupRegex = Annotated[
    str | None,
    typer.Option(
        metavar="RE",
        help="A regular expression whose first group in parentheses finds the patient in the path "
        "of an image.",
        rich_help_panel=PATIENTS,
    ),
]
DetectorNames = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        autocompletion=detector_names,
        help="The name of a detector to run; repeat the option for several. See `vestige list "
        "detectors`. The default of an audit is auto, that of a benchmark is all.",
        rich_help_panel=DETECTORS,
    ),
]
DetectorOptions = Annotated[
    list[str] | None,
    typer.Option(
        metavar="DETECTOR.NAME=VALUE",
        help="One setting of one detector, such as siamese.weights=resnet50.safetensors; repeat "
        "the option for several.",
        rich_help_panel=DETECTORS,
    ),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", help="Print no progress bars and no summary.", rich_help_panel=OUTPUT),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print the answer as JSON.", rich_help_panel=OUTPUT),
]
Seed = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="The seed of all random numbers: the same seed and images give the same result.",
        rich_help_panel=RUNNING,
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        metavar="ENGINE",
        autocompletion=names_of("engines"),
        help="Where images are read and scored: local uses all cores, local:N uses N processes, "
        "dask:ADDRESS uses a Dask cluster, and cuda multiplies large matrices on an NVIDIA GPU.",
        rich_help_panel=RUNNING,
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="A folder that keeps decoded images and scores, so that a stopped audit continues. "
        "It also counts the audits of the same images and corrects p-values for them.",
        rich_help_panel=RUNNING,
    ),
]
Shared = Annotated[
    str,
    typer.Option(
        metavar="refuse|drop",
        help="What happens when non-members share images or patients with members: refuse the "
        "world and list all pairs, or leave these non-members out.",
        rich_help_panel=IMAGES,
    ),
]


def told_dimensions(volumes: bool | None) -> Literal["auto", "2d", "3d"]:
    """What --volumes and --slices ask for."""
    return "auto" if volumes is None else "3d" if volumes else "2d"
