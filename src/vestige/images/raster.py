"""PNG, JPEG, BMP, WebP, GIF, PGM/PPM, JPEG 2000 through Pillow, in every mode that it reports."""

import hashlib
import io
import os
from dataclasses import replace
from typing import IO, Any

import numpy as np
from PIL import (  # the plug-ins are registered here, before the memory of a file is limited
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    ImageFile,
    Jpeg2KImagePlugin,  # noqa: F401
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    PpmImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401
)

from vestige.images.flags import CMYK, CUT_TO_EIGHT, FIRST_PICTURE, TEXT_LEFT_OUT, TRANSPARENT
from vestige.images.frame import (
    MAX_PIXELS,
    Frame,
    Unreadable,
    Window,
    check_pages,
    check_size,
    from_any,
    from_colour,
    from_floats,
    from_levels,
    oriented,
    over_black,
    scaled,
)
from vestige.images.grey_rule import GreyRule
from vestige.images.packed import jpeg_scans, stream_bits, stream_shape
from vestige.images.png import read_plain_png, without_texts

# Only these: Pillow knows some seventy formats, a few of which start other programs.
FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "PPM", "JPEG2000")
_ORIENTATION = 0x0112
_MAX_SCANNED = 16 * MAX_PIXELS  # pixels times passes: about 5 s
_EXIF_HOLDERS = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")


def read_raster(path: str | os.PathLike[str], window: Window | None = None) -> list[Frame]:
    """Decode every frame of one file; `window` has no meaning here and is not used."""
    del window
    with open(path, "rb") as file:
        plain = read_plain_png(file)
        if plain is not None:
            return [plain]
        file.seek(0)
        try:
            return read_pillow(file, FORMATS)
        except ValueError:  # a picture that any other program shows may hold large texts
            file.seek(0)
            bare = without_texts(file)
            if bare is None:
                raise
        frames = read_pillow(io.BytesIO(bare), FORMATS)
    return [replace(frame, flags=(*frame.flags, TEXT_LEFT_OUT)) for frame in frames]


def read_pillow(file: IO[bytes], formats: tuple[str, ...]) -> list[Frame]:
    """Decode every frame of one file of the given Pillow formats.

    The file is given open, because Pillow maps into memory what it opens by name, and a mapped
    file that another process shortens ends the program (SIGBUS).

    Raises
    ------
    Unreadable, OSError, SyntaxError, ...
        Whatever a broken file makes Pillow say; the caller turns it into one row.
    """
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # some libraries switch it on for the whole process
    with _identified(file, formats) as image:
        # behind the first picture of a JPEG stand previews and gain maps, or nothing any more
        has_more = image.format == "MPO"
        count = 1 if has_more else int(getattr(image, "n_frames", 1))
        check_pages(count)
        check_size(image.height, image.width, count)
        if Image.MAX_IMAGE_PIXELS and image.height * image.width > Image.MAX_IMAGE_PIXELS:
            # Pillow only warns from here to twice the limit
            raise Unreadable(f"is a possible decompression bomb: {image.width} x {image.height}")
        if image.format in ("JPEG", "MPO"):
            _check_scans(file, image.height * image.width)
        bits = _check_stream(file, image) if image.format == "JPEG2000" else 0
        frames = []
        for k in range(count):
            if k:
                image.seek(k)
                check_size(image.height, image.width, count)  # a frame of a GIF may widen it
            frames.append(_frame(image))
    if bits:
        frames = [_on_stream_scale(frame, bits) for frame in frames]
    if has_more:
        frames = [replace(frame, flags=(*frame.flags, FIRST_PICTURE)) for frame in frames]
    return frames


def _identified(file: IO[bytes], formats: tuple[str, ...]) -> Image.Image:
    try:
        return Image.open(file, formats=formats)
    except UnidentifiedImageError as error:  # its words name an object of Python
        raise Unreadable("its first bytes are of no image that is read") from error


def _check_scans(file: IO[bytes], pixels: int) -> None:
    """A progressive JPEG may ask for a pass over all pixels in ten bytes."""
    place = file.tell()
    if file.seek(0, os.SEEK_END) // 10 * pixels <= _MAX_SCANNED:
        file.seek(place)
        return
    file.seek(0)
    scans = jpeg_scans(file.read())
    file.seek(place)
    if scans * pixels > _MAX_SCANNED:
        raise Unreadable(f"is a possible decompression bomb: a JPEG of {scans} scans")


def _check_stream(file: IO[bytes], image: Any) -> int:
    """Bits of a level of a JPEG 2000 file.

    Its cover may claim another size than the stream that is decoded.
    """
    place = file.tell()
    file.seek(0)
    content = file.read()
    file.seek(place)
    found = stream_shape(content)
    if found is None or found[:2] != (image.height, image.width):
        raise Unreadable(
            f"is damaged: {image.width} x {image.height} pixels hold a stream of another size"
        )
    return stream_bits(content)


def _on_stream_scale(frame: Frame, bits: int) -> Frame:
    """Levels of a JPEG 2000 file, which Pillow shifts to the upper or the lower end of its type."""
    width = 16 if frame.stored.dtype == np.uint16 else 8
    # Pillow rounds 9 bits and more up to 256, which becomes 0; of fewer no alpha is opaque
    if bits > width or (bits < width and TRANSPARENT in frame.flags):
        raise Unreadable(
            f"holds colour or alpha of {bits} bits, which the decoder of JPEG 2000 gets wrong; "
            "save with 8 bits, or as 16-bit PNG"
        )
    if bits == width:
        return frame
    scale = np.float32((2**width - 1) / ((2**bits - 1) << (width - bits)))
    rule = GreyRule("bits of the header", 0, 2**bits - 1)
    shown, colours = np.minimum(frame.pixels * scale, np.float32(1)), frame.colours
    if colours is not None:
        colours = np.minimum(scaled(colours) * scale, np.float32(1))
    return replace(frame, stored=shown, bits=bits, rule=rule, colours=colours)


def _frame(image: Any) -> Frame:
    told = image.tile[0][3] if image.tile else ""  # gone once the image is loaded
    stored = told if isinstance(told, str) else str(told and told[0])  # numbers follow, as 1650
    image.load()
    frame = replace(_grey(image, stored), coding=_coding(image))
    if any(holder in image.info for holder in _EXIF_HOLDERS):
        frame = oriented(frame, image.getexif().get(_ORIENTATION, 1))
    return frame


def _coding(image: Any) -> str:
    """Format; for JPEG a digest of the quantisation tables, and whether chroma has fewer pixels.

    Encoder and quality choose both.
    """
    tables = getattr(image, "quantization", None)
    if not tables:
        return str(image.format)
    text = repr(sorted((k, list(table)) for k, table in tables.items()))
    name = "JPEG" if image.format == "MPO" else image.format
    layers = getattr(image, "layer", [])
    thinned = " with thinned chroma" if any(one[1:3] != layers[0][1:3] for one in layers) else ""
    return f"{name} {hashlib.sha256(text.encode()).hexdigest()[:8]}{thinned}"


def _grey(image: Any, stored: str) -> Frame:
    mode, has_key = image.mode, "transparency" in image.info
    if mode in ("L", "1") and not has_key:
        return from_levels(np.asarray(image), mode)
    if mode == "P" and not has_key and image.palette.mode == "RGB":
        return _through_palette(image)
    if mode.startswith("I;16"):
        levels = np.asarray(image)
        frame = from_levels(levels, mode)
        return over_black(frame, levels != image.info["transparency"]) if has_key else frame
    if mode == "I":
        return _from_int32(np.asarray(image))
    if mode == "F":
        return from_floats(np.asarray(image), mode)
    if mode in ("CMYK", "YCbCr", "RGBX"):
        rgb = np.asarray(image.convert("RGB"))  # the decoder undoes Adobe's inversion
        return from_colour(rgb, mode, (CMYK,) if mode == "CMYK" else ())
    flags = (CUT_TO_EIGHT,) if "16" in stored else ()
    if mode in ("L", "1", "LA", "La"):
        pair = np.asarray(image.convert("LA"))
        return over_black(from_levels(pair[..., 0], mode, flags), pair[..., 1])
    if mode == "RGB" and not has_key:
        return from_colour(np.asarray(image), mode, flags)
    if mode in ("RGB", "RGBA", "RGBa", "P", "PA"):
        four = np.asarray(image.convert("RGBA"))
        return over_black(from_colour(four[..., :3], mode, flags), four[..., 3])
    raise Unreadable(f"has pixels of mode {mode}, which have no plain grey meaning; save as grey")


def _through_palette(image: Any) -> Frame:
    """Colours of a palette image, never its index."""
    entries = np.frombuffer(image.palette.tobytes(), np.uint8)
    entries = entries[: entries.size // 3 * 3].reshape(-1, 3)
    if (entries == entries[:, :1]).all():
        # byte by byte: the fastest table look-up at hand, four times as fast as Pillow's convert
        table = entries[:, 0].tobytes()[:256].ljust(256, b"\0")
        levels = np.frombuffer(image.tobytes().translate(table), np.uint8)
        return from_levels(levels.reshape(image.height, image.width), "P")
    return from_colour(np.asarray(image.convert("RGB")), "P")


def _from_int32(values: np.ndarray[Any, Any]) -> Frame:
    # Pillow before 11 opens 16-bit grey PNG in this mode
    if values.size and (values.min() < 0 or values.max() > 65535):
        raise Unreadable(
            f"has 32-bit values from {values.min()} to {values.max()}, whose range is not known. "
            "Save as uint16, or as float in 0..1"
        )
    return from_any(values.astype(np.uint16), "I")
