"""A whole volume from the slices of one DICOM series, whichever files hold them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vestige.images.axes import orientation_of, spacing_of, upright
from vestige.images.cage import caged
from vestige.images.derived import KINDS
from vestige.images.dicom import frames_of_dataset
from vestige.images.dicom_file import open_dicom
from vestige.images.dicom_grey import lookup
from vestige.images.flags import NOT_SQUARE
from vestige.images.foreign_words import own_words
from vestige.images.frame import MAX_PIXELS, Frame, NotJudged, Unreadable, Window
from vestige.images.one_scale import rescaled, scales_of
from vestige.images.series import paths_of
from vestige.images.working_grid import FEWEST_SLICES, check_volume
from vestige.registry.entries import InputError
from vestige.types import Floats

_TURNED = 0.01
"""Direction cosines of slices of one volume, and shares of their pixel sizes, differ by no more."""
_SAME_PLACE, _EVEN = 0.05, 0.1
"""Of the usual step between slices: closer ones lie at one place, others differ by no more."""
_MORE = "or read all as pictures with --slices"


@dataclass(frozen=True, eq=False)
class _Slice:
    """One frame, and where it lies: origin [3], axes [2, 3] of a row and of a column, steps [2].

    Millimetres to the left, to the back and to the head (LPS).
    """

    frame: Frame
    file: str
    origin: Floats
    axes: Floats
    steps: Floats


def read_series(path: str | os.PathLike[str], window: Window | None = None) -> Frame:
    """One volume from the files of a DICOM series, or from one file with many frames.

    Slices are sorted by their position along the normal of their plane. Their grey values are those
    of `vestige.images.dicom.read_dicom`, on the scale of the whole series.

    Raises
    ------
    Unreadable
        When a slice cannot be read, lies where another lies, differs in size, orientation or
        patient, or is missing; the message names the file.
    """
    paths = paths_of(path)
    slices: list[_Slice] = []
    try:
        for one in paths:
            slices += _read(one, window, alone=len(paths) == 1)
            if sum(each.frame.stored.size for each in slices) > MAX_PIXELS:
                raise Unreadable(f"has more than {MAX_PIXELS} voxels; shrink it")
        return _stacked(slices)
    except Unreadable as error:
        derived = [flag for each in slices for flag in each.frame.flags if flag in KINDS]
        if derived:  # it would not be judged anyhow
            raise NotJudged(f"is {KINDS[derived[0]]}; not judged") from error
        raise


def _read(path: str, window: Window | None, alone: bool) -> list[_Slice]:
    name = os.path.basename(path)
    try:
        return caged(_slices, path, window)
    except (InputError, OSError):
        raise
    except Unreadable as error:
        if alone:
            raise
        raise Unreadable(f"has a slice that cannot be read: {name} {error}") from error
    except Exception as error:  # hostile files make decoders raise almost anything
        why = own_words(str(error))
        what = "cannot be decoded" if alone else f"has a slice that cannot be decoded: {name}"
        raise Unreadable(f"{what}: {why}") from error


def _slices(path: str, window: Window | None) -> list[_Slice]:
    dataset = open_dicom(path)
    name, found = os.path.basename(path), []
    for k, frame in enumerate(frames_of_dataset(dataset, window)):
        place = lookup(dataset, k, "PlanePositionSequence", "ImagePositionPatient")
        axes = lookup(dataset, k, "PlaneOrientationSequence", "ImageOrientationPatient")
        steps = lookup(dataset, k, "PixelMeasuresSequence", "PixelSpacing")
        found.append(
            _Slice(frame, name, _numbers(place, 3), _numbers(axes, 6).reshape(-1, 3),
                   _numbers(steps, 2))
        )  # fmt: skip
    return found


def _numbers(value: Any, count: int) -> Floats:
    """So many numbers of a tag; none where it has others."""
    if value is None or isinstance(value, str) or not hasattr(value, "__len__"):
        return np.zeros(0)
    numbers = np.array([float(one) for one in value], np.float64)
    return numbers if len(numbers) == count and np.isfinite(numbers).all() else np.zeros(0)


def _stacked(slices: Sequence[_Slice]) -> Frame:
    first = slices[0]
    sides = first.frame.stored.shape
    if len(slices) < FEWEST_SLICES:
        check_volume((len(slices), *sides), (1.0, 1.0, 1.0))
    _check_alike(slices)
    normal = np.cross(first.axes[0], first.axes[1])
    along = np.array([one.origin @ normal for one in slices])
    order = np.argsort(along, kind="stable")
    step = _even_step([slices[k] for k in order], along[order])
    frames = _on_one_scale([slices[k].frame for k in order])
    affine = np.eye(4)
    # columns of the picture follow its rows, from left, back and head to right, front and head
    affine[:3, :3] = np.stack(
        [first.axes[0] * first.steps[1], first.axes[1] * first.steps[0], normal * step], axis=1
    )
    affine = np.diag([-1.0, -1, 1, 1]) @ affine
    spacing = spacing_of(affine)
    check_volume(upright(np.broadcast_to(np.uint8(0), (*sides[::-1], len(frames))), affine).shape,
                 spacing)  # fmt: skip
    values = np.stack([frame.stored for frame in frames])
    flags = dict.fromkeys(flag for frame in frames for flag in frame.flags if flag != NOT_SQUARE)
    return replace(
        frames[0],
        stored=upright(values.T, affine),
        flags=tuple(flags),
        position=None,
        ends=None,
        colours=None,
        alpha=None,
        spacing=spacing,
        orientation=orientation_of(affine),
    )


def _on_one_scale(frames: Sequence[Frame]) -> list[Frame]:
    flag, scales = scales_of(frames)
    flags = (flag,) if flag else ()
    return [
        replace(frame, stored=rescaled(frame.pixels, scale), flags=(*frame.flags, *flags))
        for frame, scale in zip(frames, scales, strict=True)
    ]


def _check_alike(slices: Sequence[_Slice]) -> None:
    """Refuse slices that do not say where they lie, or that differ from the others."""
    for one in slices:
        if not (one.origin.size and one.axes.size and one.steps.size and one.steps.min() > 0):
            raise Unreadable(
                f"has a slice that does not say where it lies: {one.file} lacks its position, its "
                f"orientation or the size of its pixels; leave it out, {_MORE}"
            )
    sizes = [str(one.frame.stored.shape) for one in slices]
    _refuse_odd(slices, sizes, "is of another size than the others")
    first = slices[0]
    turned = [str(np.abs(one.axes - first.axes).max() > _TURNED) for one in slices]
    _refuse_odd(slices, turned, "lies in another plane than the others")
    spaced = [str(np.abs(one.steps / first.steps - 1).max() > _TURNED) for one in slices]
    _refuse_odd(slices, spaced, "has pixels of another size than the others")
    _refuse_odd(slices, [one.frame.alias for one in slices], "is of another patient")


def _refuse_odd(slices: Sequence[_Slice], words: Sequence[str], what: str) -> None:
    """Name the first slice whose word is not that of most."""
    if len(set(words)) > 1:
        usual = max(sorted(set(words)), key=words.count)
        odd = next(one for one, word in zip(slices, words, strict=True) if word != usual)
        raise Unreadable(f"has a slice that {what}: {odd.file}; leave it out, {_MORE}")


def _even_step(slices: Sequence[_Slice], along: Floats) -> float:
    """Millimetres between neighbours, which are sorted; refused where it differs between them."""
    steps = np.diff(along)
    usual = float(np.median(steps))
    places = 1 + int((steps > _SAME_PLACE * max(usual, 1e-3)).sum())
    if places * 2 <= len(slices) and len(slices) % places == 0:
        raise Unreadable(
            f"holds {len(slices) // places} slices at each of {places} places (a series in time, "
            f"or of several echoes); keep one volume a series, {_MORE}"
        )
    for k, step in enumerate(steps):
        pair = f"{slices[k].file} and {slices[k + 1].file}"
        if step <= _SAME_PLACE * usual:
            raise Unreadable(f"has two slices at one place: {pair}; keep one of them, {_MORE}")
        if abs(step - usual) > _EVEN * usual:
            raise Unreadable(
                f"has slices {usual:.2f} mm apart, but {step:.2f} mm between {pair}: one may be "
                f"missing; add it, leave the series out, {_MORE}"
            )
    return float((along[-1] - along[0]) / (len(along) - 1))
