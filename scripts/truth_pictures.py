"""Grey of pictures, TIFF, arrays and volumes as other libraries decode them."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]


class NoReference(Exception):
    """No other library decodes this file."""


def luma(colours: Array) -> Array:
    """Rec. 601 luma of [..., 3]; the one channel where all agree."""
    red, green, blue = (colours[..., k] for k in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return np.asarray(red)
    return np.asarray(0.299 * red + 0.587 * green + 0.114 * blue)


def unit(levels: Array) -> Array:
    """Levels [h, w], [h, w, 1 to 4] as grey in 0..1 by the range of their type, alpha on black."""
    if levels.dtype == bool:
        levels = levels.astype(np.uint8) * 255
    full = 1.0 if levels.dtype.kind == "f" else float(np.iinfo(levels.dtype).max)
    values = levels.astype(np.float64) / full
    if values.ndim == 2:
        return values
    channels = values.shape[-1]
    grey = luma(values[..., :3]) if channels >= 3 else values[..., 0]
    return grey * values[..., -1] if channels in (2, 4) else grey


def by_pillow(path: str) -> list[Array]:
    """Every frame through Pillow's own conversions to RGBA."""
    from PIL import Image, ImageOps

    frames = []
    with Image.open(path) as image:
        count = 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
        for k in range(count):
            image.seek(k)
            image.load()
            one: Any = ImageOps.exif_transpose(image)
            if one.mode.startswith("I;16") or one.mode == "I":
                levels = np.asarray(one).astype(np.uint16)
                key = one.info.get("transparency")
                frames.append(unit(levels) * (1 if key is None else levels != key))
            elif one.mode == "F":
                frames.append(np.asarray(one, np.float64))
            else:
                one = one.convert("RGB") if one.mode == "CMYK" else one
                frames.append(unit(np.asarray(one.convert("RGBA"))))
    return frames


def by_imagecodecs(path: str) -> list[Array]:
    """One picture through libpng, libjpeg-turbo, libwebp or OpenJPEG."""
    import imagecodecs
    from PIL import Image

    with Image.open(path) as image:
        kind, turn = image.format, int(image.getexif().get(0x0112, 1))
        several = kind != "MPO" and getattr(image, "n_frames", 1) > 1
        odd = image.mode in ("CMYK", "YCbCr", "LAB", "1") or "transparency" in image.info
    decode: Callable[[bytes], Array] | None = {
        "PNG": imagecodecs.png_decode,
        "JPEG": imagecodecs.jpeg8_decode,
        "MPO": imagecodecs.jpeg8_decode,
        "WEBP": imagecodecs.webp_decode,
        "JPEG2000": imagecodecs.jpeg2k_decode,
    }.get(str(kind))
    if decode is None or odd or several:
        raise NoReference("not a picture that imagecodecs knows")
    with open(path, "rb") as file:
        content = file.read()
    levels = decode(content)
    if kind == "JPEG2000":
        levels = _of_stream(levels, content)
    return [_turned(unit(levels), turn)]


def _of_stream(levels: Array, content: bytes) -> Array:
    """Levels of JPEG 2000 as floats in 0..1, by the bits and the sign of the SIZ segment."""
    told = content[content.index(b"\xff\x4f\xff\x51") + 42]
    bits, is_signed = (told & 127) + 1, told > 127
    return (levels + (2.0 ** (bits - 1) if is_signed else 0)) / (2.0**bits - 1)


def by_tifffile(path: str) -> list[Array]:
    """Every page of a TIFF, all compressions through imagecodecs."""
    import tifffile

    with tifffile.TiffFile(path) as tif:
        pages: list[Any] = [p for p in tif.pages if not int(p.subfiletype) & 5]
        if len(pages) == 1 and (tif.is_imagej or tif.is_shaped) and len(tif.series) == 1:
            stack = tif.series[0].asarray()
            if stack.ndim > 2 and int(pages[0].samplesperpixel) == 1:
                return [_page(pages[0], one) for one in stack.reshape(-1, *stack.shape[-2:])]
        if any(int(page.compression) == 6 for page in pages):
            raise NoReference("how old-style JPEG interpolates its colours is not fixed")
        return [_page(page, page.asarray()) for page in pages]


def _page(page: Any, levels: Array) -> Array:
    photometric, samples = int(page.photometric), int(page.samplesperpixel)
    if 262 not in page.tags:
        photometric = 2 if samples >= 3 else 1
    if samples > 1 and int(page.planarconfig) == 2:
        levels = np.moveaxis(levels, 0, -1)
    if int(page.bitspersample) not in (1, 8, 16, 32, 64) and levels.dtype.kind == "u":
        levels = levels / (2.0 ** int(page.bitspersample) - 1)
    elif int(page.bitspersample) == 1:
        levels = levels.astype(bool)
    kinds = [int(kind) for kind in page.extrasamples]
    alpha = levels[..., -1] if kinds else None
    if photometric == 3:
        table = np.moveaxis(np.asarray(page.colormap), 0, -1)
        index = levels[..., 0] if levels.ndim == 3 else levels
        grey = luma(table[index].astype(np.float64)) / (255 if table.max() <= 255 else 65535)
    elif photometric == 5:
        ink = levels[..., :4].astype(np.float64) / np.iinfo(levels.dtype).max
        grey, alpha = luma((1 - ink[..., :3]) * (1 - ink[..., 3:4])), None
    elif photometric in (0, 1, 2, 6):
        colours = levels.ndim == 3 and photometric in (2, 6)
        grey = unit(levels[..., :3] if colours else levels[..., 0] if samples > 1 else levels)
        grey = 1 - grey if photometric == 0 else grey
    else:
        raise NoReference(f"photometric interpretation {photometric} is not in this script")
    if alpha is not None and kinds[-1] == 2:  # not multiplied already
        grey = grey * unit(alpha)
    tag = page.tags.get(274)
    return _turned(grey, int(tag.value) if tag is not None else 1)


def _turned(grey: Array, tag: int) -> Array:
    """As the orientation tag of EXIF and TIFF says."""
    if tag >= 5:
        grey = grey.T
    flips = {2: (1, -1), 3: (-1, -1), 4: (-1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}
    up, left = flips.get(tag, (1, 1))
    return grey[::up, ::left]


def by_numpy(path: str) -> list[Array]:
    """The images of an array: [h, w], [n, h, w], or with channels in the last axis."""
    loaded = np.load(path, allow_pickle=False)
    values = loaded if isinstance(loaded, np.ndarray) else loaded[_only(loaded.files)]
    if values.dtype.kind == "f" and values.min() < -0.5:
        values = values / 2 + 0.5
    one_colour = values.ndim == 3 and values.shape[-1] in (3, 4)
    return [unit(one) for one in (values[None] if values.ndim == 2 or one_colour else values)]


def _only(names: list[str]) -> str:
    return names[0] if len(names) == 1 else "images"


def by_nibabel(path: str, rules: list[Any]) -> list[Array]:
    """Axial slices of every volume, by the rule that vestige names and ends from the header."""
    import nibabel as nib

    untyped: Any = nib
    loaded = untyped.load(path)
    image = untyped.as_closest_canonical(loaded)
    values = np.asarray(image.dataobj, np.float64)
    values = values.reshape((*values.shape, 1, 1)[:4])
    if np.isnan(values).any():
        values = np.where(np.isnan(values), np.nanmin(values), values)
    depth = values.shape[2]
    frames = []
    for k in range(depth * values.shape[3]):
        volume = values[..., k // depth]
        code = rules[k].code if k < len(rules) and rules[k] else "percentiles"
        low, high = _ends(loaded, volume, code)
        shown = np.zeros(volume.shape[:2])
        if high > low:
            shown = np.clip((volume[:, :, k % depth] - low) / (high - low), 0, 1)
        frames.append(shown[::-1, ::-1].T)
    return frames


def _ends(image: Any, volume: Array, code: str) -> tuple[float, float]:
    if code == "lung window":
        return -1350.0, 149.0
    if code == "display range of the file":
        return float(image.header["cal_min"]), float(image.header["cal_max"])
    if code == "range of the type":
        slope, start = image.dataobj.slope, image.dataobj.inter
        limits = np.iinfo(image.get_data_dtype())
        low, high = sorted(float(end) * slope + start for end in (limits.min, limits.max))
        return low, high
    low, high = np.percentile(volume, (1, 99))
    return float(low), float(high)
