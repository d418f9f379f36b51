"""What packed pixels claim and how far they unfold, found out before they are unfolded."""

import lzma
import struct
import zlib
from collections.abc import Iterator
from typing import IO

from vestige.images.frame import MAX_BYTES, Unreadable

_HARMLESS = 64 * 2**20
"""What cannot unfold to more than this needs no closer look."""
_MOST = {"deflate": 1032, "lzma": 2**14, "runs": 64}
"""Bytes that one packed byte can become at most (LZMA: about 7,000, as measured)."""
_STEP = 2**20


def check_unfolds(data: bytes, coding: str, most: int) -> None:
    """Refuse packed bytes that unfold to more than `most` bytes.

    Parameters
    ----------
    data : bytes
    coding : "deflate" (with or without the header of zlib), "lzma" or "runs" (PackBits, DICOM RLE)
    most : int
        What the header promises. Up to 64 MiB is always let through.

    Raises
    ------
    Unreadable, zlib.error, lzma.LZMAError
    """
    if is_harmless(len(data), coding, most):
        return
    most = max(_HARMLESS, most)
    unfolded = 0
    for step in _runs(data) if coding == "runs" else _steps(data, coding):
        unfolded += step
        if unfolded > most:
            raise Unreadable(f"is a possible decompression bomb: unfolds to more than {most} bytes")


def is_harmless(size: int, coding: str, most: int) -> bool:
    """Whether `size` packed bytes cannot unfold beyond what `check_unfolds` lets through."""
    return size * _MOST[coding] <= max(_HARMLESS, most)


def check_deflated(file: IO[bytes]) -> None:
    """Refuse the rest of a file, raw deflate, if it unfolds to more than `MAX_BYTES`."""
    unpacker, unfolded = zlib.decompressobj(-zlib.MAX_WBITS), 0
    waiting = file.read(_STEP)
    while waiting and not unpacker.eof:
        unfolded += len(unpacker.decompress(waiting, _STEP))
        if unfolded > MAX_BYTES:
            raise Unreadable(f"is a decompression bomb: unfolds to more than {MAX_BYTES} bytes")
        waiting = unpacker.unconsumed_tail or file.read(_STEP)


def _steps(data: bytes, coding: str) -> Iterator[int]:
    """Sizes of the pieces, at most a megabyte each, that packed bytes unfold to."""
    if coding == "lzma":
        while data:  # one stream after another, as the decoder does
            stream = lzma.LZMADecompressor()
            piece = stream.decompress(data, _STEP)
            while piece and not stream.eof:
                yield len(piece)
                piece = stream.decompress(b"", _STEP)
            yield len(piece)
            data = stream.unused_data
        return
    inflater = zlib.decompressobj()
    while data and not inflater.eof:
        yield len(inflater.decompress(data, _STEP))
        data = inflater.unconsumed_tail


def _runs(data: bytes) -> Iterator[int]:
    """Sizes of the runs: literal ones below 128, copies of one byte above."""
    place = 0
    while place < len(data):
        code = data[place]
        if code < 128:
            yield code + 1
            place += code + 2
        elif code > 128:
            yield 257 - code
            place += 2
        else:
            place += 1


def stream_shape(data: bytes) -> tuple[int, int, int] | None:
    """Height, width and channels of a JPEG, JPEG-LS or JPEG 2000 code stream; None if not found."""
    if data[:2] == b"\xff\xd8":
        return _jpeg_shape(data)
    start = _jpeg_2000_start(data)
    if start is None or data[start : start + 4] != _SOC_SIZ or len(data) < start + 42:
        return None
    right, lower, left, upper = struct.unpack_from(">4I", data, start + 8)
    return lower - upper, right - left, int.from_bytes(data[start + 40 : start + 42], "big")


def _jpeg_2000_start(data: bytes) -> int | None:
    """Where the code stream begins: at once, or in the box for it of a JP2 cover."""
    if data[:4] == _SOC_SIZ:
        return 0
    place = 0
    while data[4:8] == b"jP  " and place + 16 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        long = size == 1
        if kind == b"jp2c":
            return place + (16 if long else 8)
        size = int.from_bytes(data[place + 8 : place + 16], "big") if long else size
        if size < 8:  # 0: to the end
            return None
        place += size
    return None


def stream_bits(data: bytes) -> int:
    """Bits of a level of the first channel of a JPEG 2000 code stream; 0 if not found."""
    start = _jpeg_2000_start(data)
    if start is None or start + 42 >= len(data):
        return 0
    return (data[start + 42] & 127) + 1


_SOC_SIZ = b"\xff\x4f\xff\x51"
"""Markers that a code stream of JPEG 2000 begins with; the second states its size."""
_SIZED = (
    *range(0xC0, 0xC4),
    *range(0xC5, 0xC8),
    *range(0xC9, 0xCC),
    *range(0xCD, 0xD0),
    0xDE,
    0xF7,
)
"""Markers whose segment states a size: all frames (SOF), the hierarchical one, JPEG-LS."""


def _jpeg_shape(data: bytes) -> tuple[int, int, int] | None:
    place = 2
    while place + 10 <= len(data):
        if data[place] != 0xFF:
            return None
        marker = data[place + 1]
        if marker == 0xFF:  # fill
            place += 1
        elif marker in _SIZED:
            height, width, channels = struct.unpack_from(">HHB", data, place + 5)
            return height, width, channels
        elif 0xD0 <= marker <= 0xD8 or marker == 1:
            place += 2
        else:
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return None


def jpeg_scans(data: bytes) -> int:
    """Passes over the picture that a JPEG may ask for; 1 unless it is progressive."""
    shape = data.find(b"\xff\xc2")
    return max(1, data.count(b"\xff\xda")) if shape >= 0 else 1
