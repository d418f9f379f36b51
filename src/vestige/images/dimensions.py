"""Whether an audit compares whole volumes or pictures, from a few files of each role."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from vestige.images.array_volumes import volume_layout_of
from vestige.images.cage import caged
from vestige.images.frame import Unreadable
from vestige.images.given_arrays import Given, held
from vestige.images.imageset import ImageSet
from vestige.images.layouts import layout_of
from vestige.images.listing import Files, Listing, Source, spread
from vestige.images.readers import ARRAYS
from vestige.images.remote import is_address, local_copy
from vestige.images.series_listing import header_of
from vestige.images.whole_volumes import peek_sides
from vestige.images.working_grid import FEWEST_SLICES
from vestige.registry.entries import InputError
from vestige.registry.rules import OneOf
from vestige.schema.records import Problem

Dimensions = Literal["auto", "2d", "3d"]
DIMENSIONS = OneOf("choice of dimensions", get_args(Dimensions))
SAMPLED = 16
"""Files of each role that are looked at, evenly spread."""


@dataclass(frozen=True)
class _Held:
    """Of some files of a role: how many hold volumes, and how many pictures."""

    volumes: int
    pictures: int

    @property
    def only_volumes(self) -> bool:
        return self.volumes > 0 and self.pictures == 0


@dataclass(frozen=True)
class Volumes:
    """Whether an audit compares whole volumes.

    roles : those that hold volumes and no pictures
    problems : what the user should know where only some roles, or only some files, hold volumes
    """

    whole: bool
    roles: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def hold_volumes(sources: Mapping[str, Source], layout: str = "") -> Volumes:
    """Whether all roles hold volumes and no pictures, from up to `SAMPLED` files of each.

    Volumes are files of volume formats with 4 and more slices, DICOM files whose series has as many
    that say where they lie, and arrays that can only be read as volumes. A row says so where only
    some roles, or only some files, hold volumes: then all are compared as pictures.

    Parameters
    ----------
    sources : role -> files, arrays, or images as read
    layout : as given to the readers
    """
    held = {role: _held(source, layout) for role, source in sources.items()}
    roles = tuple(role for role, one in held.items() if one.only_volumes)
    if len(roles) == len(held):
        return Volumes(True, roles)
    with_volumes = [role for role, one in held.items() if one.volumes]
    if not with_volumes:
        return Volumes(False)
    with_pictures = [role for role, one in held.items() if one.pictures]
    first = with_volumes[0]
    what = (
        f"volumes (of {' and '.join(with_volumes)}) lie beside pictures (of "
        f"{' and '.join(with_pictures) or 'none'}): all are compared as pictures, volumes slice by "
        "slice. Give volumes only, or --volumes to leave the pictures out"
    )
    return Volumes(False, roles, (Problem(first, what, "warning"),))


def _held(source: Source, layout: str) -> _Held:
    if isinstance(source, ImageSet):
        is_volume = source.kind == "volume"
        return _Held(int(is_volume), int(not is_volume))
    source = held(source)
    if isinstance(source, Given):
        found = Counter(_of_array(shape, layout) for shape in set(source.shapes))
    elif isinstance(source, Listing):
        found = Counter(
            _of_file(source.files, k, layout) for k in spread(len(source.files), SAMPLED)
        )
    else:
        found = Counter()
    return _Held(found["volume"], found["picture"])


def _of_array(shape: tuple[int, ...], layout: str) -> str:
    """What an array can be read as; pictures first, unless the layout names slices."""
    for name, read in (("picture", layout_of), ("volume", volume_layout_of)):
        if name == "picture" and "d" in layout:
            continue
        try:
            read(shape, layout)
        except Unreadable:
            continue
        return name
    return ""


def _of_file(files: Files, k: int, layout: str) -> str:
    """What file k holds; "" for what is no image, or cannot be opened."""
    path = files[k][1]
    try:
        with local_copy(path) as here:
            kind, sides = caged(peek_sides, here)
    except InputError:
        raise
    except Exception:  # not silent: reading the file itself reports the fault
        return ""
    if not kind:
        return ""
    if kind == "dicom":
        return "volume" if not is_address(path) and _is_slice(files, k) else "picture"
    if kind in ARRAYS:
        return _of_array(sides, layout)
    return "volume" if len(sides) == 3 and min(sides) >= FEWEST_SLICES else "picture"


def _is_slice(files: Files, k: int) -> bool:
    """Whether a DICOM file has slices enough for a volume, with those of its series beside it."""
    own = header_of(files[k][1])
    if not own.series or not own.is_placed:
        return False
    count, step = own.frames, 1
    while count < FEWEST_SLICES and step < FEWEST_SLICES:
        near = [files[at][1] for at in (k - step, k + step) if 0 <= at < len(files)]
        found = [one for path in near if (one := header_of(path)).series == own.series]
        count += sum(one.frames for one in found if one.is_placed)
        step += 1
    return count >= FEWEST_SLICES
