"""NIfTI through nibabel: axial slices of the canonical volume, as DICOM would show them."""

import gzip
import math
import os
from collections.abc import Sequence
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from vestige.images.derived import LABELS, is_label_map
from vestige.images.frame import (
    DISPLAY_NOT_USED,
    NAN_BACKGROUND,
    NO_ORIENTATION,
    PERCENTILES,
    Frame,
    Unreadable,
    Window,
    check_size,
)
from vestige.images.grey_scale import between, by_percentiles, is_hounsfield, keeps_body
from vestige.images.window import LUNG, apply_window
from vestige.registry.entries import InputError
from vestige.types import Float32s

_MAX_OFFSET = 16 * 2**20
_PAIRED = (b"ni1", b"ni2")
"""Magic of a header whose voxels are in a file of their own."""
_GZIP = b"\x1f\x8b"
_FILLED = 0.25
"""Share of the range of an unsigned type above 8 bits that the 99 % level reaches, if meant."""


def read_nifti(path: str | os.PathLike[str], window: Window | None = None) -> list[Frame]:
    """Decode every axial slice of one NIfTI file, feet to head, volume by volume.

    Rows run from front to back and columns from the patient's right to the left, whatever the
    order in the file. The scale is `window`, else the header's display range where it keeps most of
    the body, else the range of an unsigned data type that is filled, else the lung window where
    values look like HU, else the 1 % and 99 % levels of each volume, which is flagged. NaN is
    background; label maps are flagged so (`vestige.images.derived`).
    """
    with _opened(path) as file:
        header, kind = _header(file, path)
        pair = _voxel_file(header, path)
        shape = tuple(int(n) for n in header.get_data_shape())
        dtype = header.get_data_dtype()
        if dtype.fields is not None or dtype.kind not in "iuf":
            raise Unreadable(f"holds {dtype} voxels; save one grey channel")
        if len(shape) < 2 or any(n != 1 for n in shape[4:]):
            raise Unreadable(f"has shape {shape}; a volume has 2 to 4 dimensions")
        shape = (*shape, 1, 1)[:4]
        check_size(shape[0], shape[1], shape[2] * shape[3])
        start = int(header.get_data_offset())
        if start > _MAX_OFFSET:
            raise Unreadable(f"has {start} bytes before its voxels, more than {_MAX_OFFSET}")
        with _opened(pair) if pair else nullcontext(file) as holder:
            # straight to the voxels: extensions, which may claim anything, are never read
            voxels = kind.ImageArrayProxy(holder, header, mmap=False)
            values = np.asarray(voxels, np.float32).reshape(shape)
    scaling = float(voxels.slope), float(voxels.inter)
    codes = int(header["sform_code"]), int(header["qform_code"])
    affine = header.get_best_affine()
    display = float(header["cal_min"]), float(header["cal_max"])
    flags: tuple[str, ...] = () if any(codes) else (NO_ORIENTATION,)
    values, more = _finite(values)
    values, flags = _canonical(values, affine), (*flags, *more)
    if is_label_map(values):
        flags = (*flags, LABELS)
    shown, more = _scaled(values, window, display, dtype, scaling)
    bits, mode = 8 * dtype.itemsize, f"NIfTI {dtype.name}"
    return [
        Frame(np.ascontiguousarray(shown[::-1, ::-1, k, t].T), bits, mode, (*flags, *more))
        for t in range(shown.shape[3])
        for k in range(shown.shape[2])
    ]


def nifti_shape(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width of an axial slice, from the header."""
    with _opened(path) as file:
        header, _ = _header(file, path)
    shape = tuple(int(n) for n in header.get_data_shape())
    small = np.broadcast_to(np.float32(0), (*shape, 1, 1)[: max(3, len(shape))])
    turned = _canonical(small, header.get_best_affine())
    return int(turned.shape[1]), int(turned.shape[0])


def voxel_file(path: str | os.PathLike[str]) -> Path | None:
    """The other file of a pair; None where the voxels follow the header."""
    with _opened(path) as file:
        return _voxel_file(_header(file, path)[0], path)


def slices_of(data: bytes, kept: Sequence[int]) -> bytes | None:
    """The bytes of one NIfTI file with some of its axial slices, and all else as it is.

    The slices close up, so that their places in space hold no longer.

    Parameters
    ----------
    kept : numbers of slices, in the order of `read_nifti`

    Returns
    -------
    bytes or None
        None for several volumes.
    """
    from nibabel import orientations

    untyped: Any = orientations
    header = _header(BytesIO(data), "the volume")[0]
    told = tuple(int(n) for n in header.get_data_shape())
    if len(told) < 3 or any(n != 1 for n in told[3:]):
        return None
    dtype, start = header.get_data_dtype(), int(header.get_data_offset())
    voxels = np.frombuffer(data, dtype, math.prod(told), start).reshape(told, order="F")
    axes = untyped.io_orientation(header.get_best_affine())
    [axis] = np.flatnonzero(axes[:, 0] == 2)
    last = told[axis] - 1
    chosen = sorted(last - k if axes[axis, 1] < 0 else k for k in kept)
    header.set_data_shape((*told[:axis], len(chosen), *told[axis + 1 :]))
    head = header.binaryblock
    return b"".join([head, data[len(head) : start], voxels.take(chosen, axis).tobytes(order="F")])


def _opened(path: str | os.PathLike[str]) -> gzip.GzipFile | BinaryIO:
    with open(path, "rb") as raw:
        packed = raw.read(2) == _GZIP
    # by content, because nibabel goes by the name alone
    return gzip.open(path, "rb") if packed else open(path, "rb")


def _header(file: gzip.GzipFile | BinaryIO, path: str | os.PathLike[str]) -> tuple[Any, Any]:
    """The header without its extensions, and the class of its images; the file is at its start."""
    try:
        import nibabel as nib
    except ImportError as error:
        raise InputError(
            f"{os.fspath(path)} is NIfTI, which needs nibabel: pip install 'vestige[medical]'"
        ) from error
    block = file.read(540)
    file.seek(0)
    second = block[:4] in (b"\x1c\x02\x00\x00", b"\x00\x00\x02\x1c")  # 540: NIfTI-2
    kind: Any = nib.Nifti2Image if second else nib.Nifti1Image
    return kind.header_class(block[: 540 if second else 348]), kind


def _canonical(values: npt.NDArray[Any], affine: npt.NDArray[Any]) -> npt.NDArray[Any]:
    from nibabel import orientations

    untyped: Any = orientations
    axes = untyped.io_orientation(affine)
    if not np.isfinite(axes).all():
        raise Unreadable("has a header whose axes are degenerate; mend its affine")
    turned: npt.NDArray[Any] = untyped.apply_orientation(values, axes)
    return turned


def _scaled(
    values: Float32s,
    window: Window | None,
    display: tuple[float, float],
    dtype: np.dtype[Any],
    scaling: tuple[float, float],
) -> tuple[Float32s, tuple[str, ...]]:
    if window is not None:
        return apply_window(values, *window), ()
    flags: tuple[str, ...] = ()
    if display[1] > display[0]:
        if keeps_body(values, *display):
            return between(values, *display), ()
        flags = (DISPLAY_NOT_USED,)
    if dtype.kind == "u":
        slope, start = scaling
        ends = sorted((start, slope * float(np.iinfo(dtype).max) + start))
        if dtype.itemsize == 1 or _fills(values, *ends):
            return between(values, *ends), flags
    if is_hounsfield(values):
        return apply_window(values, *LUNG), flags
    volumes = [by_percentiles(values[..., t]) for t in range(values.shape[3])]
    return np.stack(volumes, axis=3), (*flags, PERCENTILES)


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


def _voxel_file(header: Any, path: str | os.PathLike[str]) -> Path | None:
    """The file with the voxels of a pair (.hdr and .img); None where they follow the header."""
    if header["magic"].item() not in _PAIRED:
        return None
    own = Path(path)
    stem = own.name.removesuffix(".gz").removesuffix(own.suffix if own.suffix != ".gz" else "")
    stem = stem.removesuffix(".hdr")
    for name in (f"{stem}.img", f"{stem}.img.gz"):
        if own.with_name(name).is_file():
            return own.with_name(name)
    raise Unreadable(f"has its voxels in {stem}.img, which is not beside it; keep both together")
