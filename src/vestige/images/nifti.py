"""NIfTI through nibabel: axial slices of the canonical volume, as DICOM would show them."""

import gzip
import os
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from vestige.images.frame import (
    NO_ORIENTATION,
    PERCENTILES,
    Frame,
    Unreadable,
    Window,
    check_size,
)
from vestige.images.window import LUNG, apply_window
from vestige.registry.entries import InputError
from vestige.types import Float32s

_MAX_OFFSET = 16 * 2**20
_GZIP = b"\x1f\x8b"
_LOOKS_LIKE_HU = -200  # below this a float or signed value can hardly be anything else


def read_nifti(path: str | os.PathLike[str], window: Window | None = None) -> list[Frame]:
    """Decode every axial slice of one NIfTI file, feet to head, volume by volume.

    Rows run from front to back and columns from the patient's right to the left, whatever the
    order in the file. The scale is `window`, else the header's display range, else the range of
    an unsigned data type, else the lung window where values look like HU, else the 1 % and 99 %
    levels of each volume, which is flagged.
    """
    with _opened(path) as file:
        header, kind = _header(file, path)
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
        # straight to the voxels: extensions, which may claim anything, are never read
        voxels = kind.ImageArrayProxy(file, header, mmap=False)
        values = np.asarray(voxels, np.float32).reshape(shape)
    scaling = float(voxels.slope), float(voxels.inter)
    codes = int(header["sform_code"]), int(header["qform_code"])
    affine = header.get_best_affine()
    display = float(header["cal_min"]), float(header["cal_max"])
    if not np.isfinite(values).all():
        raise Unreadable("has voxels that are not finite (NaN or infinity)")
    values = _canonical(values, affine)
    flags: tuple[str, ...] = () if any(codes) else (NO_ORIENTATION,)
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
    if display[1] > display[0]:
        return _between(values, *display), ()
    if dtype.kind == "u":
        slope, start = scaling
        ends = start, slope * float(np.iinfo(dtype).max) + start
        return _between(values, min(ends), max(ends)), ()
    if values.min() < _LOOKS_LIKE_HU:
        return apply_window(values, *LUNG), ()
    volumes = [values[..., t] for t in range(values.shape[3])]
    ends_of = [np.percentile(volume, (1, 99)) for volume in volumes]
    shown = [_between(v, float(a), float(b)) for v, (a, b) in zip(volumes, ends_of, strict=True)]
    return np.stack(shown, axis=3), (PERCENTILES,)


def _between(values: Float32s, low: float, high: float) -> Float32s:
    """Low to high as 0..1, clipped; a constant volume is black."""
    if high <= low:
        return np.zeros_like(values)
    out = (values - np.float32(low)) / np.float32(high - low)
    return np.clip(out, 0, 1, out=out)
