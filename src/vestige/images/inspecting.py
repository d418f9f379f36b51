"""What is seen of one file: what its header says, and which rule made its grey values.

Only numbers and words of the DICOM standard are taken from a header; who a file is of, is told as
the digests that make the groups.
"""

import os
import re
from dataclasses import dataclass, replace
from typing import Any

from vestige.images.cage import caged
from vestige.images.derived import KINDS as DERIVED
from vestige.images.dicom_grey import lookup, number
from vestige.images.formats import VOLUMES, format_of_content, format_of_name
from vestige.images.frame import Frame, Unreadable, Window
from vestige.images.grey_rule import GreyRule
from vestige.images.imageset import flag_problems, pixel_digest
from vestige.images.preprocess import to_working
from vestige.images.readers import ARRAYS, read_file
from vestige.images.remote import local_copy
from vestige.images.shards import record_of
from vestige.images.thumbnails import SIDE, as_png
from vestige.images.unread import fault_of
from vestige.images.window import FUNCTIONS
from vestige.schema.records import Problem

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Header:
    """What the header of a file says; None where it says nothing.

    Parameters
    ----------
    sop_class, packing : str
        Of DICOM: names of the standard, "unknown" for others.
    bits_stored, bits_allocated : int or None
        Bits of a level that are used, and that it takes.
    is_signed : bool or None
    slope, intercept : float or None
        Of the rescale; of the first image where each has its own.
    window : (centre, width) or None
        First window of the first image.
    window_function : str
        "LINEAR", "LINEAR_EXACT", "SIGMOID" or "unknown"; "" without a window.
    display : (low, high) or None
        Display range of NIfTI; both 0 where the file has none.
    """

    sop_class: str = ""
    packing: str = ""
    bits_stored: int | None = None
    bits_allocated: int | None = None
    is_signed: bool | None = None
    slope: float | None = None
    intercept: float | None = None
    window: tuple[float, float] | None = None
    window_function: str = ""
    display: tuple[float, float] | None = None


@dataclass(frozen=True)
class Whole:
    """What a file gives where whole volumes are compared.

    Parameters
    ----------
    volumes : int
        How many it holds; 0 if it gives none, then `why` says the reason.
    shape : (slices, height, width) or None
        Voxels of the first, like all that follows.
    spacing : (float, float, float) or None
        Millimetres between voxels along these axes, 1 where the file does not say it.
    orientation : str
        Where the axes as stored lead to, such as "LPS"; "" where nothing says it.
    why : str
    """

    volumes: int = 0
    shape: tuple[int, int, int] | None = None
    spacing: tuple[float, float, float] | None = None
    orientation: str = ""
    why: str = ""


@dataclass(frozen=True)
class Seen:
    """One file as vestige sees it.

    Parameters
    ----------
    file : str
        As it was named.
    format : str
        By the content, else by the name; "" for neither.
    images : int
        How many it holds; 0 if it was not read, then `problems` says why.
    shape : (height, width) or None
        Of the middle image, like all that follows.
    mode : str
        How the file stores a pixel ("L", "MONOCHROME2", ...).
    header : Header
    rule : GreyRule or None
        Which rule made the grey values.
    patient, series : str
        sha256 as the groups use them, "" if there is none.
    sha256 : str
        Digest of the pixels; with ".png", the name of the thumbnail.
    values : (lowest, mean, highest) or None
        Of the grey values of all images, 0 is black and 1 is white.
    problems : tuple of Problem
        Rows as an audit would have them for this file alone.
    whole : Whole or None
        Of a file of a volume format, and of an array that cannot be read as pictures; all else is
        told of its slices.
    """

    file: str
    format: str = ""
    images: int = 0
    shape: tuple[int, int] | None = None
    mode: str = ""
    header: Header = Header()
    rule: GreyRule | None = None
    patient: str = ""
    series: str = ""
    sha256: str = ""
    values: tuple[float, float, float] | None = None
    problems: tuple[Problem, ...] = ()
    whole: Whole | None = None


def inspect_file(name: str, window: Window | None = None) -> tuple[Seen, bytes]:
    """What is seen of one file, and a PNG of its middle image (no bytes if it was not read).

    Within the budget of one file; nothing that a file does raises, but a missing package.

    Raises
    ------
    InputError
        When the package that reads this format is not installed.
    """
    try:
        with local_copy(name) as path:
            return caged(_seen, path, name, window)
    except OSError as error:
        why = error.strerror or "does not open"
        row: Problem = fault_of(name, f"cannot be opened: {why}", "not reached")
    except Unreadable as error:
        row = fault_of(name, str(error), error.kind)
    return Seen(name, format_of_file(name), problems=(row,)), b""


def _seen(path: str | os.PathLike[str], name: str, window: Window | None) -> tuple[Seen, bytes]:
    kind = format_of_content(path) or format_of_name(path)
    frames, whole = _read(path, kind, window)
    middle = frames[len(frames) // 2]
    side = min(SIDE, max(middle.stored.shape))
    lowest = min(float(frame.pixels.min()) for frame in frames)
    highest = max(float(frame.pixels.max()) for frame in frames)
    mean = sum(float(frame.pixels.mean()) for frame in frames) / len(frames)
    seen = Seen(
        file=name,
        format=kind,
        images=len(frames),
        shape=(middle.stored.shape[0], middle.stored.shape[1]),
        mode=middle.mode,
        header=_header(path, kind, middle),
        rule=middle.rule,
        patient=middle.patient,
        series=middle.series,
        sha256=pixel_digest(middle.stored),
        values=(lowest, mean, highest),
        problems=tuple(_rows(frames, name)),
        whole=whole,
    )
    return seen, as_png(to_working(middle.pixels, side))


def _read(
    path: str | os.PathLike[str], kind: str, window: Window | None
) -> tuple[list[Frame], Whole | None]:
    """The images of a file, of volumes their slices, and what it gives as whole volumes."""
    if kind in VOLUMES:
        return read_file(path, window), _as_volumes(path, window)[1]
    try:
        return read_file(path, window), None
    except Unreadable:
        if kind not in ARRAYS:
            raise
        volumes, whole = _as_volumes(path, window)
        if not volumes:
            raise
    return [replace(one, stored=level) for one in volumes for level in one.stored], whole


def _as_volumes(path: str | os.PathLike[str], window: Window | None) -> tuple[list[Frame], Whole]:
    try:
        volumes = read_file(path, window, whole=True)
    except Unreadable as error:
        return [], Whole(why=str(error))
    slices, height, width = volumes[0].stored.shape
    first = volumes[0]
    return volumes, Whole(len(volumes), (slices, height, width), first.spacing, first.orientation)


def format_of_file(name: str) -> str:
    """The format of one file by its content, else by its name; "" for neither."""
    try:
        with local_copy(name) as path:
            return str(caged(format_of_content, path)) or format_of_name(path)
    except (OSError, Unreadable):
        return format_of_name(name)


def _rows(frames: list[Frame], name: str) -> list[Problem]:
    """What is told of the images, and a row for what would not be judged."""
    records = [
        record_of(frame, frame.stored, name, "", (k, len(frames))) for k, frame in enumerate(frames)
    ]
    told = [replace(row, path=name) for row in flag_problems(records, "")]
    kinds = dict.fromkeys(flag for frame in frames for flag in frame.flags if flag in DERIVED)
    return told + [
        fault_of(name, f"is {DERIVED[kind]}; not judged", "not judged") for kind in kinds
    ]


def _header(path: str | os.PathLike[str], kind: str, frame: Frame) -> Header:
    if kind == "dicom":
        return _dicom_header(path)
    if kind == "nifti":
        from vestige.images.nifti import nifti_facts

        return Header(**nifti_facts(path))
    return Header(bits_stored=frame.bits)


def _dicom_header(path: str | os.PathLike[str]) -> Header:
    from vestige.images.dicom_file import read_header

    dataset = read_header(path, stop_before_pixels=True)
    group = "FrameVOILUTSequence"
    pair = (lookup(dataset, 0, group, name) for name in ("WindowCenter", "WindowWidth"))
    centre, width = (number(value, float("nan")) for value in pair)
    has_window = centre == centre and width == width
    function = str(lookup(dataset, 0, group, "VOILUTFunction") or "LINEAR")
    units = "PixelValueTransformationSequence"
    return Header(
        sop_class=_known(dataset.get("SOPClassUID")),
        packing=_known(dataset.file_meta.TransferSyntaxUID),
        bits_stored=_whole(dataset.get("BitsStored")),
        bits_allocated=_whole(dataset.get("BitsAllocated")),
        is_signed=bool(_whole(dataset.get("PixelRepresentation"))),
        slope=_told(lookup(dataset, 0, units, "RescaleSlope")),
        intercept=_told(lookup(dataset, 0, units, "RescaleIntercept")),
        window=(centre, width) if has_window else None,
        window_function=(function if function in FUNCTIONS else UNKNOWN) if has_window else "",
    )


def _known(uid: Any) -> str:
    """The name that the standard gives an identifier; one of its own may hold anything."""
    from pydicom._uid_dict import UID_dictionary

    entry = UID_dictionary.get(str(uid or ""))
    return str(entry[0]) if entry else UNKNOWN


def _whole(value: Any) -> int | None:
    return None if value is None or not re.fullmatch(r"\d{1,4}", str(value)) else int(value)


def _told(value: Any) -> float | None:
    found = number(value, float("nan"))
    return None if found != found else found
