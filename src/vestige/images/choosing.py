"""What an audit compares, grey or colour images or volumes, decided once from a few images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from vestige.images.arrays import on_one_range, split
from vestige.images.cage import caged
from vestige.images.dimensions import Dimensions, Volumes, hold_volumes
from vestige.images.frame import BLACK, Colour, Frame, Unreadable, Window, scaled
from vestige.images.given_arrays import Given, held
from vestige.images.imageset import ImageSet
from vestige.images.kinds import NAMES, Kind
from vestige.images.listing import Listing, Source, spread
from vestige.images.readers import may_be_colour, read_file
from vestige.images.remote import local_copy
from vestige.registry.entries import InputError
from vestige.registry.rules import OneOf
from vestige.schema.records import Problem
from vestige.types import Floats

ColourChoice = Literal["auto", "grey", "rgb"]
COLOUR = OneOf("choice of colour", get_args(ColourChoice))
SAMPLED = 24
"""Files or images of each role that are looked at, evenly spread."""
_TINT = 2.5 / 255
"""Channels that differ by 2 levels or less are what JPEG leaves of grey."""
_TINTED = 0.001
"""Share of the pixels that must be coloured: a burnt-in mark is larger."""
_STEPS = 32
"""Levels of a channel by which backgrounds are counted."""
_GREY_BESIDE_COLOUR = Problem(
    "generated",
    "the generated images are grey, real ones are in colour, and all are compared in colour: a "
    'copy without its colours may be missed. Compare all as grey (colour "grey")',
    "warning",
)


@dataclass(frozen=True)
class Chosen:
    """What all roles are read as.

    background : what lies behind transparent colour images: the most frequent colour at the edges
        of the real images
    problems : what the user should know of the choice
    """

    kind: Kind = "grey"
    background: Colour = BLACK
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, eq=False)
class _Seen:
    """Of some images of one role: how many, how many in colour, and the greys at their edges."""

    images: int
    coloured: int
    edges: Floats

    @property
    def in_colour(self) -> bool:
        return 2 * self.coloured >= self.images > 0


def choose_kind(
    sources: Mapping[str, Source],
    colour: ColourChoice = "auto",
    window: Window | None = None,
    layout: str = "",
    dimensions: Dimensions = "auto",
) -> Chosen:
    """Volumes, grey or colour, from up to `SAMPLED` images of each role.

    "auto" compares in colour when at least half of the generated images and of the images of a
    real role are in colour: the channels of more than one pixel in a thousand differ by more than
    2 of 255 levels.

    Parameters
    ----------
    sources : role -> files, arrays, or images as read (which stay what they are)
    colour : "auto", "grey" or "rgb"
    window, layout : as given to the readers
    dimensions : "auto", "2d" or "3d"
        Whole volumes or pictures, of volumes their slices; "auto" as
        `vestige.images.dimensions.hold_volumes` says.

    Raises
    ------
    InputError
        Volumes in colour, or beside colour pictures. Grey generated images beside real ones that
        are all in colour; images that were read as different kinds.
    """
    fixed = {role: source.kind for role, source in sources.items() if isinstance(source, ImageSet)}
    if len(fixed) == len(sources) or "volume" in fixed.values():
        return Chosen(_agreed(fixed))
    volumes = Volumes(dimensions == "3d")
    if dimensions == "auto":
        volumes = hold_volumes(sources, layout)
    told = volumes.problems
    if volumes.whole and colour == "rgb":
        raise InputError("volumes are compared in grey: leave --colour out, or give --slices")
    if volumes.whole or colour == "grey":
        return Chosen("volume" if volumes.whole else "grey", problems=told)
    seen = {role: _look(role, source, window, layout) for role, source in sources.items()}
    reals = {role: one for role, one in seen.items() if role != "generated"}
    chosen = Chosen("colour", _background([one.edges for one in reals.values()]), told)
    made, real = seen["generated"].in_colour, [one.in_colour for one in reals.values()]
    if colour == "rgb":
        of_grey = (_GREY_BESIDE_COLOUR,) if seen["generated"].images and not made else ()
        return replace(chosen, problems=(*told, *(of_grey if any(real) else ())))
    if not seen["generated"].images:
        return Chosen(problems=told)  # reading will say why none can be read
    _check_volumes(volumes.roles, [role for role, one in seen.items() if one.in_colour])
    if not made and real and all(real):
        raise InputError(
            "the generated images are grey and the real ones are in colour. Give the colour images "
            "that the generator made, or compare all as grey: --colour grey"
        )
    rows = told or tuple(_mixed(seen))  # slices are grey because of the volumes they are of
    if made and any(real):
        return Chosen("colour", chosen.background, rows)
    return Chosen(problems=rows)


def _check_volumes(of_volumes: Sequence[str], coloured: Sequence[str]) -> None:
    """Refuse volumes beside colour pictures: neither is what the other was made from."""
    if of_volumes and coloured:
        raise InputError(
            f"volumes ({', '.join(of_volumes)}) cannot be compared with colour pictures "
            f"({', '.join(coloured)}): give volumes in all roles, or pictures in all."
        )


def _agreed(kinds: Mapping[str, Kind]) -> Kind:
    found = sorted(set(kinds.values()))
    if len(found) > 1:
        one, other = (next(role for role in kinds if kinds[role] == kind) for kind in found[:2])
        raise InputError(
            f"the {one} images were read as {NAMES[found[0]]} and the {other} images as "
            f"{NAMES[found[1]]}: read all as one kind."
        )
    return found[0]


def _mixed(seen: Mapping[str, _Seen]) -> Iterator[Problem]:
    """Rows for roles of another kind than others, and for roles of several kinds."""
    coloured = [role for role, one in seen.items() if one.in_colour]
    if coloured and len(coloured) < len(seen):
        grey = [role for role in seen if role not in coloured]
        what = f"{' and '.join(coloured)} hold colour images, {' and '.join(grey)} grey ones"
        yield Problem(coloured[0], what, "warning")
    for role, one in seen.items():
        if 0 < one.coloured < one.images:
            what = f"{one.coloured} of {one.images} images looked at are in colour, the others grey"
            yield Problem(role, what, "warning")


def _look(role: str, source: Source, window: Window | None, layout: str) -> _Seen:
    try:
        frames = list(_frames(source, window, layout))
    except Unreadable as error:
        raise InputError(f"the array of {role} images {error}") from error
    edges = [_edge(frame) for frame in frames if frame.alpha is None]
    return _Seen(
        len(frames),
        sum(map(_is_coloured, frames)),
        np.concatenate(edges) if edges else np.zeros((0, 3)),
    )


def _frames(source: Source, window: Window | None, layout: str) -> Iterator[Frame]:
    """Some images of a source; what cannot be read is told when all are read."""
    source = held(source)
    if isinstance(source, ImageSet):
        yield from split(source.pixels[spread(len(source), SAMPLED)], "array")
    elif isinstance(source, Given):
        stack, _ = on_one_range(source.pictures(layout))
        yield from split(tuple(stack[k] for k in spread(len(stack), SAMPLED)), "array")
    elif isinstance(source, Listing):
        for k in spread(len(source.files), SAMPLED):
            try:
                with local_copy(source.files[k][1]) as path:
                    yield caged(_first, path, window, layout)
            except (OSError, Unreadable):
                continue


def _first(path: str, window: Window | None, layout: str) -> Frame:
    """The first image of a file; of a file that can only be grey, a black one."""
    if not may_be_colour(path):
        return Frame(np.zeros((1, 1), np.uint8), 8, "L")
    return read_file(path, window, layout)[0]


def _is_coloured(frame: Frame) -> bool:
    if frame.colours is None:
        return False
    colours = scaled(frame.colours)
    differ = colours.max(axis=2) - colours.min(axis=2) > _TINT
    return bool(differ.mean() > _TINTED)


def _edge(frame: Frame) -> Floats:
    """Colours [k, 3] along the four edges."""
    colours = scaled(frame.shown_as("colour"))
    sides = colours[0], colours[-1], colours[1:-1, 0], colours[1:-1, -1]
    return np.concatenate(sides).astype(np.float64)


def _background(edges: list[Floats]) -> Colour:
    """The most frequent colour, in steps of an eighth of 256 levels."""
    colours = np.concatenate(edges) if edges else np.zeros((0, 3))
    if not len(colours):
        return BLACK
    steps = np.round(colours * (_STEPS - 1)).astype(np.int64)
    found, counts = np.unique(steps, axis=0, return_counts=True)
    red, green, blue = (float(level) / (_STEPS - 1) for level in found[counts.argmax()])
    return red, green, blue
