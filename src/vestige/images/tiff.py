"""TIFF through tifffile; compressions it cannot undo alone go through Pillow's libtiff."""

import io
import math
import os
from dataclasses import replace
from typing import Any

import numpy as np

from vestige.images.flags import NO_PHOTOMETRIC
from vestige.images.frame import (
    MAX_PIXELS,
    Frame,
    Unreadable,
    Window,
    check_pages,
    check_size,
    from_any,
    from_bits,
    from_colour,
    oriented,
    over_black,
)
from vestige.images.packed import check_unfolds, is_harmless
from vestige.images.raster import read_pillow

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE = range(4)
_NAMES = ("MINISWHITE", "MINISBLACK", "RGB", "PALETTE")
_PHOTOMETRIC, _ORIENTATION, _LZW = 262, 274, 5
_SIGNED, _MULTIPLIED, _PACKED = 2, 1, 12
"""Sample format of signed levels, kind of alpha, and bits of a level that Pillow unpacks."""
_CODINGS = {8: "deflate", 32946: "deflate", 32773: "runs", 34925: "lzma"}
"""Compressions that tifffile undoes itself, without asking how far the bytes unfold."""
_REDUCED_OR_MASK = 1 | 4  # bits of NewSubfileType: not an image of its own


def read_tiff(path: str | os.PathLike[str], window: Window | None = None) -> list[Frame]:
    """Decode every page of one TIFF; 8 and 16 bit by their type, float must lie in 0..1."""
    del window
    import tifffile

    with tifffile.TiffFile(path) as tif:
        check_pages(len(tif.pages))
        everything: list[Any] = list(tif.pages)
        pages = [p for p in everything if not int(p.subfiletype) & _REDUCED_OR_MASK]
        _check_sizes(pages)
        for page in pages:
            _check_samples(page)
            _check_complete(page, tif.filehandle)
        stack = _one_block(tif, pages)
        if stack is not None:
            return [_grey(pages[0], image) for image in stack]
        bits = int(pages[0].bitspersample) if pages else 0
        if not all(_plain(page) for page in pages):
            return _read_by_pillow(path, bits)
        try:
            return [_grey(page, page.asarray(maxworkers=1)) for page in pages]
        except (ValueError, ImportError) as error:
            if "imagecodecs" not in str(error):
                raise
    return _read_by_pillow(path, bits)


def _check_samples(page: Any) -> None:
    """Refuse signed levels, which a decoder might take for unsigned ones."""
    bits = int(page.bitspersample)
    if int(page.sampleformat) == _SIGNED:
        raise Unreadable(
            f"holds int{bits} values, whose range is not known. "
            "Save as uint8, uint16 or float in 0..1"
        )
    if 8 < bits < 16 and bits != _PACKED:
        raise Unreadable(f"holds levels of {bits} bits, which are not unpacked; save as 16 bit")


def _one_block(tif: Any, pages: list[Any]) -> np.ndarray[Any, Any] | None:
    """The stack that ImageJ, or tifffile itself, may store behind a single page."""
    if len(pages) != 1 or int(pages[0].samplesperpixel) != 1:
        return None
    # of the many kinds that tifffile knows, only these: others may open further files
    if not (tif.is_imagej or tif.is_shaped) or tif.is_ome or tif.is_mmstack or tif.is_lsm:
        return None
    if len(tif.series) != 1:
        return None
    series = tif.series[0]
    if len(series.shape) < 3 or not series.axes.endswith("YX"):
        return None
    *outer, height, width = (int(n) for n in series.shape)
    check_size(height, width, int(np.prod(outer)))
    block: np.ndarray[Any, Any] = series.asarray().reshape(-1, height, width)
    return block


def _check_sizes(pages: list[Any]) -> None:
    for page in pages:
        check_size(int(page.imagelength), int(page.imagewidth))
    # depth and channels count too, and a tile that is larger than its image
    planes = [math.prod(map(int, page.shaped)) for page in pages]
    tiles = [math.prod(map(int, page.chunks)) for page in pages if page.is_tiled]
    if sum(planes) > MAX_PIXELS or any(tile > MAX_PIXELS for tile in tiles):
        raise Unreadable(f"unfolds to more than {MAX_PIXELS / 1e6:.0f} million pixels; split it")


def _check_complete(page: Any, file: Any) -> None:
    # tifffile leaves a strip or tile without data black; missing data must be an error instead
    parts = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    if not parts or any(offset + count > file.size or count == 0 for offset, count in parts):
        raise Unreadable("is truncated: some of its pixel data are missing")
    coding = _CODINGS.get(int(page.compression))
    if coding is None:
        return
    part = page.chunks if page.is_tiled else page.shaped
    most = math.prod(map(int, part)) * int(page.bitspersample) // 8
    for offset, count in parts:
        if is_harmless(count, coding, most):
            continue
        file.seek(offset)
        check_unfolds(file.read(count), coding, most)


def _plain(page: Any) -> bool:
    known = int(page.compression) in (1, _LZW, *_CODINGS)
    return known and _photometric(page) <= _PALETTE and page.bitspersample in (8, 16, 32, 64)


def _grey(page: Any, values: np.ndarray[Any, Any]) -> Frame:
    samples, photometric = int(page.samplesperpixel), _photometric(page)
    flags: tuple[str, ...] = ()
    if _PHOTOMETRIC not in page.tags:
        flags = (NO_PHOTOMETRIC,)
    mode = f"TIFF {_NAMES[photometric]} {values.dtype.name}"
    if samples > 1 and values.ndim == 3 and int(page.planarconfig) == 2:
        values = np.moveaxis(values, 0, -1)
    if photometric == _PALETTE:
        table = np.asarray(page.colormap, np.uint16)
        if (table % 257 == 0).all():
            table = (table // 257).astype(np.uint8)  # an 8-bit palette stays 8-bit
        elif table.max() <= 255:
            table = table.astype(np.uint8)  # written as if the entries had 8 bits
        frame = from_colour(np.moveaxis(table, 0, -1)[values], mode)
    elif photometric == _RGB:
        if values.ndim != 3 or values.shape[-1] < 3 or values.dtype.kind != "u":
            raise Unreadable(f"is an RGB TIFF of {values.dtype.name} {values.shape}; save as grey")
        frame = from_colour(values[..., :3], mode)
        if values.shape[-1] > 3 and _has_alpha(page):
            frame = over_black(frame, values[..., 3], _is_multiplied(page))
    else:
        grey = values[..., 0] if samples > 1 else values
        if photometric == _WHITE_IS_ZERO:
            if grey.dtype.kind not in "bu":
                raise Unreadable("is a float TIFF with white as zero; save with black as zero")
            grey = ~grey
        frame = from_any(np.ascontiguousarray(grey), mode)
        if samples > 1:
            if not _has_alpha(page):
                raise Unreadable(f"has {samples} channels without a colour meaning; save as grey")
            frame = over_black(frame, values[..., 1], _is_multiplied(page))
    coding = f"TIFF {_coding_name(page)}"
    frame = replace(frame, coding=coding, flags=(*flags, *frame.flags))
    tag = page.tags.get(_ORIENTATION)
    return oriented(frame, int(tag.value)) if tag is not None else frame


def _photometric(page: Any) -> int:
    """What the file says; where it says nothing, colour for three samples, else black is zero."""
    if _PHOTOMETRIC in page.tags:
        return int(page.photometric)
    return _RGB if int(page.samplesperpixel) >= 3 else _BLACK_IS_ZERO


def _coding_name(page: Any) -> str:
    """Name of the compression; without the tag there is none (TIFF 6.0)."""
    return str(getattr(page.compression, "name", "NONE"))


def _has_alpha(page: Any) -> bool:
    return any(int(kind) in (_MULTIPLIED, 2) for kind in page.extrasamples)


def _is_multiplied(page: Any) -> bool:
    return any(int(kind) == _MULTIPLIED for kind in page.extrasamples)


def _read_by_pillow(path: str | os.PathLike[str], bits: int) -> list[Frame]:
    with open(path, "rb") as file:
        whole = io.BytesIO(file.read())  # libtiff maps what it opens itself
    frames = [replace(f, mode=f"TIFF {f.mode}") for f in read_pillow(whole, ("TIFF",))]
    if bits != _PACKED:
        return frames
    # the header says 12 bits, which Pillow leaves in words of 16
    return [
        replace(from_bits(f.stored, bits, f.mode), coding=f.coding)
        if f.stored.dtype == np.uint16
        else f
        for f in frames
    ]
