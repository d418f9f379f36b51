"""Volumes of any format, on one scale: whole, or as the axial slices that DICOM shows."""

import gzip
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from vestige.images.axes import canonical, orientation_of, spacing_of, upright
from vestige.images.derived import LABELS, is_label_map
from vestige.images.flags import DISPLAY_NOT_USED, NAN_BACKGROUND, NOT_SQUARE, PERCENTILES
from vestige.images.frame import Frame, Unreadable, Window, check_size
from vestige.images.grey_rule import GreyRule
from vestige.images.grey_scale import between, is_hounsfield, keeps_body, percentile_ends
from vestige.images.window import LUNG, apply_window, ends
from vestige.images.working_grid import check_volume
from vestige.registry.entries import InputError
from vestige.types import Float32s

AS_STORED = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Affine of a volume that states no orientation: rows and columns as they are stored."""
_GZIP = b"\x1f\x8b"
_FILLED = 0.25
"""Share of the range of an unsigned type above 8 bits that the 99 % level reaches, if meant."""
_SQUARE = 0.01
"""Sides of a pixel that differ by no more count as equal."""


Grid: TypeAlias = tuple[tuple[int, ...], npt.NDArray[Any]]
"""Sides of a volume as stored, and its affine [4, 4]."""


@dataclass(frozen=True, eq=False)
class Volume:
    """What a file of any format holds.

    Parameters
    ----------
    values : float32 [i, j, k, t]
        In units: stored level x slope + start.
    affine : float [4, 4]
        From indices to millimetres to the right, to the front and to the head (RAS).
    stored : dtype of the levels in the file
    mode : name of the format and the type
    display : lowest and highest value to show; equal where the file states none
    flags : what was noticed on the way
    """

    values: Float32s
    affine: npt.NDArray[Any]
    stored: np.dtype[Any]
    mode: str
    slope: float = 1.0
    start: float = 0.0
    display: tuple[float, float] = (0.0, 0.0)
    flags: tuple[str, ...] = ()


def volume_shape(
    shape: Sequence[int], dtype: np.dtype[Any] | None = None
) -> tuple[int, int, int, int]:
    """The four sides of a volume, once they and its type are known to be within the limits."""
    if dtype is not None and (dtype.fields is not None or dtype.kind not in "iuf"):
        raise Unreadable(f"holds {dtype} voxels; save one grey channel")
    if len(shape) < 2 or any(n != 1 for n in shape[4:]):
        raise Unreadable(f"has shape {tuple(shape)}; a volume has 2 to 4 dimensions")
    i, j, k, t = (*shape, 1, 1)[:4]
    check_size(i, j, k * t)
    return i, j, k, t


def frames_of(volume: Volume, window: Window | None) -> list[Frame]:
    """Every axial slice, feet to head, volume by volume.

    Rows run from front to back and columns from the patient's right to the left, whatever the
    order in the file. The scale is `window`, else the display range of the file where it keeps most
    of the body, else the range of an unsigned data type that is filled, else the lung window where
    values look like HU, else the 1 % and 99 % levels of each volume, which is flagged. NaN is
    background; label maps are flagged so (`vestige.images.derived`).
    """
    values, flags = _readable(volume)
    values = canonical(values, volume.affine)
    _, high, wide = spacing_of(volume.affine)
    if abs(wide - high) > _SQUARE * max(wide, high):
        flags = (*flags, NOT_SQUARE)
    shown, more, rules = _scaled(values, window, volume)
    bits, flags = 8 * volume.stored.itemsize, (*flags, *more)
    return [
        Frame(np.ascontiguousarray(shown[::-1, ::-1, k, t].T), bits, volume.mode, flags, rule=rule)
        for t, rule in enumerate(rules)
        for k in range(shown.shape[2])
    ]


def whole_of(volume: Volume, window: Window | None) -> Frame:
    """The whole volume as one image [d, h, w], in the order and on the scale of `frames_of`.

    Raises
    ------
    Unreadable
        For several volumes in one file, and for one that `check_volume` refuses.
    """
    if volume.values.shape[3] > 1:
        raise Unreadable(
            f"holds {volume.values.shape[3]} volumes, one after the other; save each in a file of "
            "its own, or read all as pictures with --slices"
        )
    spacing = spacing_of(volume.affine)
    check_volume(canonical(volume.values[..., 0], volume.affine).shape[::-1], spacing)
    values, flags = _readable(volume)
    shown, more, [rule] = _scaled(values, window, volume)
    return Frame(
        upright(shown[..., 0], volume.affine),
        8 * volume.stored.itemsize,
        volume.mode,
        (*flags, *more),
        rule=rule,
        spacing=spacing,
        orientation=orientation_of(volume.affine),
    )


def _readable(volume: Volume) -> tuple[Float32s, tuple[str, ...]]:
    """Finite values, and the flags of a volume up to its scale."""
    values, more = _finite(volume.values)
    flags = (*volume.flags, *more)
    if is_label_map(values) and LABELS not in flags:
        flags = (*flags, LABELS)
    return values, flags


def shown_sides(grid: Grid) -> tuple[int, int, int]:
    """Axial slices of one volume, and the height and width of each."""
    shape, affine = grid
    sides = (*shape, 1, 1)[: max(3, len(shape))]
    turned = canonical(np.broadcast_to(np.float32(0), sides), affine)
    right, front, head = (int(side) for side in turned.shape[:3])
    return head, front, right


def open_unzipped(path: str | os.PathLike[str] | int) -> gzip.GzipFile | BinaryIO:
    """A file, or an open descriptor, unzipped where its content is gzip, whatever its name."""
    raw = open(path, "rb")  # noqa: SIM115  # given back open
    packed = raw.read(2) == _GZIP
    raw.seek(0)
    if not packed:
        return raw
    file: Any = gzip.GzipFile(fileobj=raw, mode="rb")
    file.myfileobj = raw  # closed with it
    return file  # type: ignore[no-any-return]  # untyped for its private field


def read_levels(
    file: Any, shape: tuple[int, ...], dtype: np.dtype[Any], is_whole: bool = False
) -> npt.NDArray[Any]:
    """Levels [i, j, k, t] from a file at their start, the first axis running fastest.

    No more is read, or unpacked, than the shape asks for.

    Parameters
    ----------
    is_whole : nothing may follow: what does may be another picture
    """
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    parts, missing = [], size
    while missing and (part := file.read(missing)):
        parts.append(part)
        missing -= len(part)
    if missing:
        raise Unreadable(f"is truncated: {size - missing} of {size} bytes of its voxels are there")
    if is_whole and file.read(1):
        raise Unreadable(f"has more voxels than the {size} bytes that its header says; mend it")
    return np.frombuffer(b"".join(parts), dtype).reshape(shape, order="F")


def need_nibabel(path: str | os.PathLike[str], what: str) -> Any:
    """nibabel, which turns volumes; or what to install."""
    try:
        import nibabel as nib
        from nibabel import orientations  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"{os.fspath(path)} is {what}, which needs nibabel: pip install 'vestige[medical]'"
        ) from error
    return nib


def _scaled(
    values: Float32s, window: Window | None, volume: Volume
) -> tuple[Float32s, tuple[str, ...], list[GreyRule]]:
    """Values in 0..1, flags, and the rule of each volume."""
    count = values.shape[3]
    if window is not None:
        rule = GreyRule("window of the user", *ends(*window))
        return apply_window(values, *window), (), [rule] * count
    flags: tuple[str, ...] = ()
    display, dtype = volume.display, volume.stored
    if display[1] > display[0]:
        if keeps_body(values, *display):
            rule = GreyRule("display range of the file", *display)
            return between(values, *display), (), [rule] * count
        flags = (DISPLAY_NOT_USED,)
    if dtype.kind == "u":
        top = float(np.iinfo(dtype).max)
        low, high = sorted((volume.start, volume.slope * top + volume.start))
        if dtype.itemsize == 1 or _fills(values, low, high):
            rule = GreyRule("range of the type", low, high)
            return between(values, low, high), flags, [rule] * count
    if is_hounsfield(values):
        rule = GreyRule("lung window", *ends(*LUNG))
        return apply_window(values, *LUNG), flags, [rule] * count
    limits = [percentile_ends(values[..., t]) for t in range(count)]
    volumes = [between(values[..., t], *limits[t]) for t in range(count)]
    rules = [GreyRule("percentiles", *one) for one in limits]
    return np.stack(volumes, axis=3), (*flags, PERCENTILES), rules


def _fills(values: Float32s, low: float, high: float) -> bool:
    """Whether values are meant on the range of their type, and not on a part of it."""
    return bool(np.percentile(values, 99) - low >= _FILLED * (high - low))


def _finite(values: Float32s) -> tuple[Float32s, tuple[str, ...]]:
    """NaN as the lowest value: registration and skull stripping leave it outside the body."""
    missing = np.isnan(values)
    if missing.all() or np.isinf(values).any():
        raise Unreadable("has voxels that are not finite (NaN or infinity)")
    if not missing.any():
        return values, ()
    return np.where(missing, values[~missing].min(), values), (NAN_BACKGROUND,)
