"""Grey of DICOM as the standard has it (PS3.3 C.7.6.3, C.11), from levels that GDCM decodes.

Nothing of vestige is called: only the rule that it names for files without a window is looked up,
and its ends are computed here again from the header.
"""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from truth_pictures import Array, NoReference, luma

LUNG = (-1350.0, 149.0)
"""Centre -600, width 1500."""
_IMAGECODECS = {
    **dict.fromkeys(("50", "51", "57", "70"), "jpeg_decode"),
    **dict.fromkeys(("80", "81"), "jpegls_decode"),
    **dict.fromkeys(("90", "91", "201", "202", "203"), "jpeg2k_decode"),
}


def read(path: str, rules: list[Any], decoder: str) -> list[Array]:
    """Every frame in 0..1.

    Parameters
    ----------
    rules : of each frame, the code and the two ends that vestige tells (`GreyRule`)
    decoder : a key of `DECODERS`
    """
    import pydicom

    dataset = pydicom.dcmread(path, force=True)
    found = DECODERS[decoder](path, dataset)
    if found is None:
        raise NoReference("does not decode it")
    levels, photometric = found
    if levels.ndim == 4:
        frames = [_colour(one, photometric, int(dataset.BitsStored)) for one in levels]
    elif dataset.PhotometricInterpretation == "PALETTE COLOR":
        frames = [_palette(one, dataset) for one in levels]
    else:
        rules = rules or [None] * len(levels)
        frames = [_grey(dataset, one, k, levels, rules[k]) for k, one in enumerate(levels)]
    inverse = dataset.get("PhotometricInterpretation") == "MONOCHROME1"
    if inverse or dataset.get("PresentationLUTShape") == "INVERSE":
        frames = [1 - one for one in frames]
    if levels.ndim == 3 and dataset.PhotometricInterpretation != "PALETTE COLOR":
        for one, stored in zip(frames, levels, strict=True):
            one[_padding(dataset, stored)] = 0
    return frames


def _by_gdcm(path: str, dataset: Any) -> tuple[Array, str] | None:
    try:
        import gdcm
    except ImportError:
        return None
    for name in ("WarningOff", "ErrorOff", "DebugOff"):
        getattr(gdcm.Trace, name)()
    reader = gdcm.ImageReader()
    reader.SetFileName(os.fspath(path))
    if not reader.Read():
        return None
    image = reader.GetImage()
    kind, text = image.GetPixelFormat(), image.GetBuffer()
    if text is None or kind.GetScalarTypeAsString() not in (
        *("UINT8", "INT8", "UINT16", "INT16", "UINT32", "INT32"),
    ):
        return None
    name = kind.GetScalarTypeAsString().lower()
    values = np.frombuffer(text.encode("utf-8", "surrogateescape"), name)
    photometric = image.GetPhotometricInterpretation().GetString()
    shape = _shape(dataset, int(kind.GetSamplesPerPixel()), int(image.GetPlanarConfiguration()))
    if values.size != np.prod(shape):
        return None
    planar = int(image.GetPlanarConfiguration())
    return _ordered(values.reshape(shape), planar, dataset), photometric


def _by_hand(path: str, dataset: Any) -> tuple[Array, str] | None:
    """Pixels that are not packed, or in runs (PS3.5 annex G), straight from their bytes."""
    del path
    syntax = str(dataset.file_meta.get("TransferSyntaxUID") or "") if dataset.file_meta else ""
    bits, samples = int(dataset.get("BitsAllocated") or 0), int(dataset.get("SamplesPerPixel") or 1)
    photometric = str(dataset.get("PhotometricInterpretation"))
    if "PixelData" not in dataset or photometric == "YBR_FULL_422":
        return None
    sign = "i" if int(dataset.get("PixelRepresentation") or 0) else "u"
    planar = int(dataset.get("PlanarConfiguration") or 0)
    order, content = "<", dataset.PixelData
    if syntax == "1.2.840.10008.1.2.5":
        order, planar, content = ">", 1, _runs(dataset)
    elif dataset["PixelData"].is_undefined_length:
        return None
    elif syntax == "1.2.840.10008.1.2.2" or not dataset.original_encoding[1]:
        order = ">"
    shape = _shape(dataset, samples, planar)
    count = int(np.prod(shape))
    if bits == 1:
        return np.unpackbits(np.frombuffer(content, np.uint8), bitorder="little")[:count].reshape(
            shape
        ), photometric
    if order == ">" and bits == 8 and syntax.endswith(".2.2") and dataset["PixelData"].VR == "OW":
        content = np.frombuffer(content[: len(content) // 2 * 2], "<u2").byteswap().tobytes()
    values = np.frombuffer(content[: count * bits // 8], f"{order}{sign}{bits // 8}")
    native = values.astype(values.dtype.newbyteorder("="))
    return _ordered(native.reshape(shape), planar if samples > 1 else 0, dataset), photometric


def _runs(dataset: Any) -> bytes:
    """Frames of planes, each value with its high byte first."""
    from pydicom.encaps import generate_frames

    size = int(dataset.Rows) * int(dataset.Columns)
    whole = b""
    for packed in generate_frames(
        dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames") or 1)
    ):
        count, *starts = np.frombuffer(packed[:64], "<u4").tolist()
        ends = [*starts[1:count], len(packed)]
        planes = [_unpacked(packed[a:b], size) for a, b in zip(starts, ends, strict=False)]
        width = int(dataset.BitsAllocated) // 8
        for k in range(0, count, width):
            whole += np.stack(planes[k : k + width], axis=-1).tobytes()
    return whole


def _unpacked(packed: bytes, size: int) -> Array:
    out, at = bytearray(), 0
    while at < len(packed) and len(out) < size:
        head = packed[at]
        if head < 128:
            out += packed[at + 1 : at + 2 + head]
            at += 2 + head
        else:
            out += packed[at + 1 : at + 2] * (257 - head if head > 128 else 0)
            at += 2 if head > 128 else 1
    return np.frombuffer(bytes(out[:size]), np.uint8)


def _by_imagecodecs(path: str, dataset: Any) -> tuple[Array, str] | None:
    import imagecodecs
    from pydicom.encaps import generate_frames

    del path
    name = _IMAGECODECS.get(str(dataset.file_meta.TransferSyntaxUID).rpartition(".")[2])
    if name is None or "PixelData" not in dataset:
        return None
    count = int(dataset.get("NumberOfFrames") or 1)
    frames = list(generate_frames(dataset.PixelData, number_of_frames=count))
    try:
        levels = np.stack([getattr(imagecodecs, name)(one) for one in frames])
    except Exception as error:
        raise NoReference(f"does not decode it ({error})") from error
    return _signed(levels, dataset), "RGB" if levels.ndim == 4 else "MONOCHROME2"


DECODERS: dict[str, Callable[[str, Any], tuple[Array, str] | None]] = {
    "GDCM": _by_gdcm,
    "bytes": _by_hand,
    "imagecodecs": _by_imagecodecs,
}


def _shape(dataset: Any, samples: int, planar: int) -> tuple[int, ...]:
    count = int(dataset.get("NumberOfFrames") or 1)
    size = int(dataset.Rows), int(dataset.Columns)
    if samples == 1:
        return (count, *size)
    return (count, samples, *size) if planar else (count, *size, samples)


def _ordered(levels: Array, planar: int, dataset: Any) -> Array:
    if levels.ndim == 4:
        return np.moveaxis(levels, 1, -1) if planar else levels
    return _signed(levels, dataset)


def _signed(levels: Array, dataset: Any) -> Array:
    """Bits above the highest stored one are no part of the level; the sign is that of the rest."""
    bits, width = int(dataset.BitsStored), 8 * levels.dtype.itemsize
    kind = "i" if int(dataset.get("PixelRepresentation") or 0) else "u"
    levels = levels.astype(f"{kind}{width // 8}", copy=False)
    if levels.ndim != 3 or bits >= width:
        return levels
    unsigned = levels.view(f"u{width // 8}") << (width - bits)
    return unsigned.view(levels.dtype) >> (width - bits)


def _colour(levels: Array, photometric: str, bits: int) -> Array:
    """Rec. 601 luma of the colours."""
    values = levels.astype(np.float64)
    if photometric.startswith("YBR_FULL"):  # PS3.3 C.7.6.3.1.2
        y, blue, red = (values[..., k] - (0 if k == 0 else 128) for k in range(3))
        values = np.stack(
            [y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue], axis=-1
        )
        values = np.clip(np.rint(values), 0, 255)
    return np.minimum(luma(values) / (2**bits - 1), 1)


def _palette(levels: Array, dataset: Any) -> Array:
    from pydicom.pixels.processing import apply_color_lut

    colours = apply_color_lut(levels, dataset)[..., :3]
    full = np.iinfo(colours.dtype).max
    tables = [
        np.frombuffer(dataset.get(f"{name}PaletteColorLookupTableData") or b"\xff\xff", "<u2")
        for name in ("Red", "Green", "Blue")
    ]
    if full > 255 and all(table.max() <= 255 for table in tables):
        full = 255  # entries of 8 bits in words
    return luma(colours.astype(np.float64)) / full


def _padding(dataset: Any, stored: Array) -> Array:
    first = dataset.get("PixelPaddingValue")
    if first is None:
        return np.zeros(stored.shape, bool)
    last = dataset.get("PixelPaddingRangeLimit", first)
    ends = np.array([first, last], np.int64).astype(stored.dtype)
    return (stored >= ends.min()) & (stored <= ends.max())


def _grey(dataset: Any, stored: Array, k: int, stack: Array, rule: Any) -> Array:
    from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

    per_frame = _of_frame(dataset, k, "PixelValueTransformationSequence")
    if per_frame is not None and "RescaleSlope" in per_frame:
        start, slope = float(per_frame.RescaleIntercept), float(per_frame.RescaleSlope)
        values = stored * slope + start
    else:
        slope, start = _number(dataset, "RescaleSlope", 1), _number(dataset, "RescaleIntercept", 0)
        table = dataset.get("ModalityLUTSequence")
        if table and len(table) and table[0].get("LUTData") is not None:
            values = apply_modality_lut(stored, dataset).astype(np.float64)
        else:
            values = stored * slope + start
    padding = _padding(dataset, stored)
    if padding.any() and not padding.all():
        values[padding] = values[~padding].min()
    voi = _of_frame(dataset, k, "FrameVOILUTSequence") or dataset
    centre, width = _number(voi, "WindowCenter", None), _number(voi, "WindowWidth", None)
    code = rule.code if rule else "range of the type"
    if centre is not None and width is not None and (width >= 1 or code.endswith("of the file")):
        return _windowed(values, centre, width, str(voi.get("VOILUTFunction") or "LINEAR"))
    if dataset.get("VOILUTSequence") and code == "display table of the file":
        bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
        shown = apply_voi_lut(np.rint(values).astype(np.int64), dataset, prefer_lut=True)
        return shown / (2.0**bits - 1)
    if code == "lung window":
        if dataset.get("Modality") != "CT":
            raise AssertionError("a lung window on something else than CT")
        low, high = LUNG
    elif code == "percentiles":
        real = stack[~_padding(dataset, stack)]
        low, high = sorted(float(x) * slope + start for x in np.percentile(real, (1, 99)))
    else:
        bits, signed = int(dataset.BitsStored), int(dataset.get("PixelRepresentation") or 0)
        least = -(2 ** (bits - 1)) if signed and stack[~_padding(dataset, stack)].min() < 0 else 0
        ends = (least, 2 ** (bits - bool(signed)) - 1)
        low, high = sorted(level * slope + start for level in ends)
        if dataset.get("ModalityLUTSequence") and len(dataset.ModalityLUTSequence[0]):
            low, high = 0, 2.0 ** int(dataset.ModalityLUTSequence[0].LUTDescriptor[2]) - 1
    return np.clip((values - low) / (high - low), 0, 1) if high > low else np.zeros(values.shape)


def _windowed(values: Array, centre: float, width: float, function: str) -> Array:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3 with output from 0 to 1."""
    if function == "SIGMOID":
        return 1 / (1 + np.exp(-4 * (values - centre) / width))
    if function == "LINEAR_EXACT":
        return np.clip((values - centre) / width + 0.5, 0, 1)
    if width == 1:
        return (values > centre - 0.5).astype(np.float64)
    return np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)


def _of_frame(dataset: Any, k: int, group: str) -> Any:
    """An item of the functional groups of a frame, its own before the shared one."""
    for sequence, item in (
        ("PerFrameFunctionalGroupsSequence", k),
        ("SharedFunctionalGroupsSequence", 0),
    ):
        groups = dataset.get(sequence)
        if groups and item < len(groups) and groups[item].get(group):
            return groups[item].get(group)[0]
    return None


def _number(dataset: Any, name: str, missing: Any) -> Any:
    value = dataset.get(name)
    if value is None or value == "":
        return missing
    return float(value[0] if hasattr(value, "__len__") and not isinstance(value, str) else value)
