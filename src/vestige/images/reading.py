"""From a source to an ImageSet: files in shards, through worker processes or not."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import numpy as np

from vestige.engine.kept import Keeping, open_keeping
from vestige.engine.shards import map_shards
from vestige.engine.threads import one_core
from vestige.images.accounts import account
from vestige.images.array_volumes import split_volumes
from vestige.images.arrays import Stack, split
from vestige.images.blind import refuse_blind
from vestige.images.cache import kept_or_read, read_shard_cached
from vestige.images.derived import KINDS as DERIVED
from vestige.images.fetching import read_fetched
from vestige.images.flags import FEW_LEVELS
from vestige.images.frame import BLACK, Colour, Frame, Unreadable, Window, scaled
from vestige.images.given_arrays import Given
from vestige.images.holding import Place, arranged, places_of, told
from vestige.images.imageset import ImageSet, Record, flag_problems, in_series_order
from vestige.images.kinds import NAMES, Kind
from vestige.images.layouts import parse_layout
from vestige.images.listing import Files, Listing, Source, listed
from vestige.images.remote import is_address, lives_here
from vestige.images.series_listing import in_series
from vestige.images.series_scale import on_one_scale, scaled_records
from vestige.images.shards import (
    Decoding,
    Shard,
    Stored,
    at_working_size,
    picture_of,
    read_shard,
    record_of,
)
from vestige.images.spool import spooled, take
from vestige.images.stored_statistics import stored_statistics
from vestige.images.unread import FileFault, fault_of
from vestige.registry.entries import InputError
from vestige.schema.records import Problem

SHARD_FILES = 64
MEASURED = 500
"""Generated images whose statistics as stored are taken: they are only compared as a set."""


@dataclass(frozen=True)
class Wanted:
    """What is taken of a source.

    include_derived : also segmentations, dose grids, localisers, screen captures and label maps
    measured : take the statistics as stored of about so many images, which their pixels choose;
        None: of all
    layout : what the axes of arrays mean, such as "n,h,w"; "" where their lengths leave no doubt
    kind : what the images become; grey images in colour have three equal channels, volumes are one
        image for each file or DICOM series
    background : what lies behind transparent colour images; behind grey ones lies black
    held : the images may stay with the workers of a cluster that read them
    """

    include_derived: bool = False
    measured: int | None = None
    layout: str = ""
    kind: Kind = "grey"
    background: Colour = BLACK
    held: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "layout", parse_layout(self.layout))


EVERYTHING = Wanted()


@one_core()
def read_images(
    source: Source,
    *,
    role: str,
    size: int = 64,
    window: Window | None = None,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
    cache: str | os.PathLike[str] | None = None,
    wanted: Wanted = EVERYTHING,
) -> ImageSet:
    """Read all images of a source at the working size.

    Parameters
    ----------
    source : folder, file, CSV list, list of paths, address, array, or ImageSet
        Arrays are [n, h, w] or [n, h, w, channels] (`vestige.images.layouts`), of volumes
        [n, d, h, w] (`vestige.images.array_volumes`), uint8, uint16 or float in 0..1 or -1..1;
        "file.npz::name" is the array of that name; tensors, Pillow images, lists and data sets of
        them are read as `vestige.images.given_arrays.held` says. An ImageSet of this size is
        returned as it is.
    role : str
        Name of the set in messages and in the paths of problems ("used", "generated", ...).
    size : int
        Working size in pixels, of volumes the voxels along each axis of their grid, 4 to 64.
    window : (centre, width) or None
        For DICOM and NIfTI, in modality units.
    executor : Executor or None
        Where to decode; the result does not depend on it.
    cache : folder or None
        Where decoded images are kept between runs (`vestige.cache.shelves`).
    wanted : Wanted
        What is judged, and of how many images the statistics as stored are taken.
    progress : callable or None
        Called with the number of files done so far and in all.

    Returns
    -------
    ImageSet
        In natural order of the ids; slices of one DICOM series by position.

    Raises
    ------
    InputError
        For a missing or empty source, or one without a single readable image.
    """
    if window is not None and not (np.isfinite(window).all() and window[1] >= 1):
        raise InputError(f"the window {window} is (centre, width) with a width of at least 1")
    source = listed(source)
    if isinstance(source, ImageSet):
        if source.pixels.shape[1] != size:
            raise InputError(
                f"the {role} images were read at {source.pixels.shape[1]} pixels, {size} are "
                "needed: read them again."
            )
        if source.kind != wanted.kind:
            raise InputError(
                f"the {role} images were read as {NAMES[source.kind]}, {NAMES[wanted.kind]} are "
                "needed: read them again."
            )
        return source
    if isinstance(source, Given):
        return _from_memory(source, role, size, wanted)
    assert isinstance(source, Listing)  # noqa: S101  # what is left is on disk
    if wanted.kind == "volume":
        source = in_series(source, executor)
    files = source.files
    if lives_here(files[0][1]):
        executor = None
    share = 1.0 if wanted.measured is None else wanted.measured / len(files)
    how = Decoding(window, share, wanted.layout, wanted.kind, wanted.background)
    records: list[Record] = []
    faults: list[Problem] = []
    counts: list[int] = []
    unreached: set[str] = set()

    def shards_judged() -> Iterator[Shard]:
        for shard in _read_shards(files, size, how, keeping or executor, cache):
            start = len(counts)
            sent = files[start : start + how.together(SHARD_FILES)]
            _check_answer(shard, sent)
            refuse_blind(executor, shard, sent)
            if not wanted.include_derived:
                shard = _judged(shard, sent)
            records.extend(shard.records)
            faults.extend(shard.problems)
            counts.extend(shard.counts)
            unreached.update(shard.unreached)
            if progress is not None:
                progress(len(counts), len(files))
            yield shard

    keeping = open_keeping(executor, told) if wanted.held else None
    shape, places = how.shape(size), list[Place]()
    if keeping is None:
        pixels = spooled((shard.pixels for shard in shards_judged()), shape, len(files))
    else:
        places = [place for shard in shards_judged() for place in places_of(shard)]
    if not wanted.include_derived:
        _check_masks(records, faults, role, source.name)
    if not records:
        raise InputError(
            f"no readable image among the {len(files)} files of {role} "
            f"({source.name}). First fault: {role}/{faults[0].path} {faults[0].what}"
        )
    _check_names(records, role)
    if keeping is None:
        pixels, records = on_one_scale(pixels, records)
    else:
        records = scaled_records(records)
    order = in_series_order(records)
    in_order = bool((order == np.arange(len(order))).all())
    records = records if in_order else [records[k] for k in order]
    if keeping is not None:
        pixels = arranged(keeping, [places[k] for k in order], records, shape)
    elif not in_order:
        pixels = take(pixels, order)
    found, problems = account(source, role, counts, faults, unreached)
    rows = [replace(p, path=f"{role}/{p.path}") for p in problems]
    rows += flag_problems(records, role)
    return ImageSet(
        pixels,
        tuple(records),
        tuple(rows),
        source.root,
        window,
        wanted.layout,
        wanted.background,
        files=found,
    )


def _check_answer(shard: Shard, files: Files) -> None:
    if not shard.answers([identifier for identifier, _ in files]):
        raise InputError(
            f"the answer on the {len(files)} files from {files[0][0]} on lacks images: a worker "
            "runs other code, or lost some. Start the workers anew, or read with --engine local."
        )


def _check_masks(
    records: Sequence[Record], faults: Sequence[Problem], role: str, name: str
) -> None:
    """Refuse a source of which every image shows 2 to 4 grey levels, or no patient at all."""
    aside = any(isinstance(one, FileFault) and one.kind == "not judged" for one in faults)
    if (records or aside) and all(FEW_LEVELS in record.flags for record in records):
        if not records and any(one.severity == "error" for one in faults):
            return  # there was an image to read
        raise InputError(
            f"{name} ({role}) holds nothing but masks: every image has 2 to 4 grey levels, or is "
            "said to show no patient. Give the images themselves, or --include-derived."
        )


def _check_names(records: Sequence[Record], role: str) -> None:
    """Refuse a file that has the name of an image within another, as `a.npy#0` beside `a.npy`."""
    seen: set[str] = set()
    for record in records:
        if record.id in seen:
            raise InputError(
                f"two images of {role} have the name {record.id}: one is within a file of several, "
                "the other is a file of that name. Rename that file."
            )
        seen.add(record.id)


def _judged(shard: Shard, files: Files) -> Shard:
    """A shard without the images that are no images of the patient: a row for each file."""
    kinds = {
        record.path: (record, flag)
        for record in shard.records
        for flag in record.flags
        if flag in DERIVED
    }
    if not kinds:
        return shard
    kept = [k for k, record in enumerate(shard.records) if record.path not in kinds]
    rows = [
        fault_of(
            record.id.removesuffix(f"#{record.frame}"),
            f"is {DERIVED[flag]}; not judged",
            "not judged",
        )
        for record, flag in kinds.values()
    ]
    aside = {row.path for row in rows}
    return replace(
        shard,
        pixels=shard.pixels[kept],
        records=tuple(shard.records[k] for k in kept),
        problems=(*shard.problems, *rows),
        counts=tuple(0 if i in aside else n for (i, _), n in zip(files, shard.counts, strict=True)),
    )


def _read_shards(
    files: Files,
    size: int,
    how: Decoding,
    executor: Executor | None,
    cache: str | os.PathLike[str] | None,
) -> Iterator[Shard]:
    """Shards in the order of the files, with a bounded number on their way."""
    read: Callable[..., Shard] = read_shard
    arguments: tuple[Any, ...] = (size, how)
    if cache is not None:
        cache = os.path.abspath(cache)  # workers stand elsewhere
        read, arguments = read_shard_cached, (*arguments, cache, uuid4().hex)
    if elsewhere := is_address(files[0][1]):
        read, arguments = read_fetched, (read, *arguments)
    step = how.together(SHARD_FILES)
    shards = [files[k : k + step] for k in range(0, len(files), step)]

    def mapped(some: Sequence[Files]) -> Iterator[Shard]:
        return map_shards(executor, read, some, *arguments, name=lambda shard: shard[0][0])

    if cache is None or elsewhere or isinstance(executor, Keeping):
        return mapped(shards)
    return kept_or_read(shards, mapped, size, how, cache)


def _from_memory(source: Given, role: str, size: int, wanted: Wanted) -> ImageSet:
    try:
        stack = source.pictures(wanted.layout, wanted.kind)
        frames = (split_volumes if wanted.kind == "volume" else split)(stack, "array")
    except Unreadable as error:
        raise InputError(f"the array of {role} images {error}") from error
    if not frames:
        raise InputError(f"the array of {role} images is empty; give at least one image")
    if source.ids and len(source.ids) != len(frames):
        raise InputError(
            f"{len(source.ids)} ids were given for {len(frames)} {role} images; give one for each"
        )
    shown = [frame.shown_as(wanted.kind, wanted.background) for frame in frames]
    ids = source.ids or [f"{k:06d}" for k in range(len(frames))]
    both = list(zip(frames, shown, strict=True))
    pictures = [picture_of(frame) for frame in frames]
    if isinstance(stack, np.ndarray):
        rows = stored_statistics(np.stack(pictures)).tolist()
    else:
        rows = [stored_statistics(one[np.newaxis])[0].tolist() for one in pictures]
    records = tuple(
        replace(record_of(*one, ids[k], "", (k, 1)), statistics=tuple(row))
        for k, (one, row) in enumerate(zip(both, rows, strict=True))
    )
    if wanted.kind == "volume" or not isinstance(stack, np.ndarray):
        parts = (at_working_size([one], size) for one in both)
        pixels = spooled(parts, Decoding(kind=wanted.kind).shape(size), len(both))
    else:
        pixels = at_working_size(both, size)
    problems = tuple(flag_problems(records, role))
    return ImageSet(pixels, records, problems, arrays=_as_shown(stack, frames, shown))


def _as_shown(stack: Stack, frames: Sequence[Frame], shown: Sequence[Stored]) -> Stack:
    """What `ImageSet.original` shows, where that depends on more than the levels of an image."""
    if not isinstance(stack, np.ndarray):
        return tuple(map(scaled, shown))
    pictures = frames[0].spacing is None
    if pictures and (stack.ndim == 4 or any(frame.flags for frame in frames)):
        return np.stack([scaled(one) for one in shown])
    return stack
