"""Good and bad image files of every format, made from nothing: seeds of the fuzzer, and its tests.

Every maker returns bytes. Nothing here comes from other people's files.
"""

import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

Array = np.ndarray[Any, Any]


def picture(height: int = 16, width: int = 12, seed: int = 0) -> Array:
    """Smooth uint8 levels [h, w] with some noise, so that every codec has something to do."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(seed).integers(0, 40, (height, width))
    levels: Array = ((9 * y + 5 * x) % 200 + noise).astype(np.uint8)
    return levels


# --- Pillow's formats
def by_pillow(levels: Array, name: str, mode: str | None = None, **options: Any) -> bytes:
    """One picture, in another mode if asked for."""
    image = Image.fromarray(levels)
    out = io.BytesIO()
    (image.convert(mode) if mode else image).save(out, name, **options)
    return out.getvalue()


def animated(name: str, frames: int, side: int = 12) -> bytes:
    """An animated PNG, WebP or TIFF whose frames all differ."""
    first, *others = (Image.fromarray(picture(side, side, k)) for k in range(frames))
    out = io.BytesIO()
    first.save(out, name, save_all=True, append_images=others)
    return out.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG with its check sum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes, *more: bytes, depth: int = 8) -> bytes:
    """A grey PNG of any claim: `data` unfold to whatever they like, `more` are chunks before."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0))
    body = b"".join(more) + png_chunk(b"IDAT", zlib.compress(data, 9))
    return b"\x89PNG\r\n\x1a\n" + header + body + png_chunk(b"IEND", b"")


def png_with_text(size: int) -> bytes:
    """A PNG with a compressed text of `size` zeros and one of plain text."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", "\0" * size, zip=True)
    texts.add_text("Title", "a picture")
    return by_pillow(picture(), "PNG", pnginfo=texts)


def many_scans(scans: int, side: int) -> bytes:
    """A progressive grey JPEG of `side` pixels whose last scan comes `scans` times."""
    out = io.BytesIO()
    Image.new("L", (side, side), 77).save(out, "JPEG", progressive=True)
    whole = out.getvalue()
    last = whole.rindex(b"\xff\xc4", 0, whole.rindex(b"\xff\xda"))
    return whole[:last] + whole[last:-2] * scans + b"\xff\xd9"


# --- arrays
def npy(values: Array, **options: Any) -> bytes:
    """As numpy.save writes it."""
    out = io.BytesIO()
    np.save(out, values, **options)
    return out.getvalue()


def npy_claim(descr: str, shape: tuple[int, ...], data: bytes = bytes(100)) -> bytes:
    """An array that claims any type and shape."""
    out = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, header)
    return out.getvalue() + data


def npy_with_header(size: int) -> bytes:
    """Format 2.0, which may have a header of up to 4 GB: here of blanks."""
    text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (4, 4)}".ljust(size) + b"\n"
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(text)) + text + bytes(16)


def zipped(**members: bytes) -> bytes:
    """A deflated archive; `images` becomes images.npy."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return out.getvalue()


# --- TIFF
def tiff(values: Array, **options: Any) -> bytes:
    """As tifffile writes it."""
    import tifffile

    out = io.BytesIO()
    tifffile.imwrite(out, values, **options)
    return out.getvalue()


_TYPES = {"B": 1, "H": 3, "I": 4}


def tiff_pages(*pages: dict[int, tuple[str, tuple[int, ...]]], data: bytes = bytes(256)) -> bytes:
    """A little-endian TIFF from bare tags {code: (type, values)}; the data lie at byte 8."""
    out = bytearray(struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data)
    for k, tags in enumerate(pages):
        rows, far = b"", b""
        after = len(out) + 2 + 12 * len(tags) + 4
        for code, (kind, values) in sorted(tags.items()):
            packed = struct.pack(f"<{len(values)}{kind}", *values)
            if len(packed) > 4:
                packed, far = struct.pack("<I", after + len(far)), far + packed
            rows += struct.pack("<HHI", code, _TYPES[kind], len(values)) + packed.ljust(4, b"\0")
        last = k == len(pages) - 1
        out += struct.pack("<H", len(tags)) + rows
        out += struct.pack("<I", 0 if last else after + len(far)) + far
    return bytes(out)


def tiff_tags(
    width: int = 16, height: int = 16, count: int = 256, compression: int = 1, **more: int
) -> dict[int, tuple[str, tuple[int, ...]]]:
    """Tags of one 8-bit grey page of one strip; `more` are t<code>=value."""
    tags = {256: width, 257: height, 258: 8, 259: compression, 262: 1, 273: 8, 277: 1}
    tags |= {278: height, 279: count} | {int(code[1:]): value for code, value in more.items()}
    return {code: ("I", (value,)) for code, value in tags.items()}


# --- NIfTI
def nifti(values: Array, second: bool = False, **header: Any) -> bytes:
    """A volume; keyword arguments overwrite header fields after the fact."""
    import nibabel as nib

    kind: Any = nib.Nifti2Image if second else nib.Nifti1Image
    image = kind(values, np.diag([-1.0, 1, 1, 1]))
    whole = bytearray(image.to_bytes())
    if header:
        start = image.header_class.from_fileobj(io.BytesIO(whole), check=False)
        for name, value in header.items():
            start.structarr[name] = value
        raw = start.binaryblock
        whole[: len(raw)] = raw
    return bytes(whole)


# --- DICOM
def dicom(
    stored: Array, syntax: str = "1.2.840.10008.1.2.1", encoded: Any = None, **tags: Any
) -> bytes:
    """Levels [h, w], [h, w, 3] or [frames, h, w] as one file.

    Parameters
    ----------
    syntax : str
        UID of the transfer syntax.
    encoded : list of bytes or None
        The frames as code streams; None leaves the pixels as they are.
    tags : keyword of DICOM, value
        None removes the element.
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID, SecondaryCaptureImageStorage

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = "1.2.3.4"
    colour = stored.ndim == 3 and stored.shape[-1] == 3
    shape = stored.shape[:-1] if colour else stored.shape
    dataset.Modality = "OT"
    dataset.PatientID, dataset.SeriesInstanceUID = "P1", "1.2.3"
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = shape[-2:]
    if len(shape) == 3:
        dataset.NumberOfFrames = shape[0]
    if stored.dtype.kind == "f":
        dataset.BitsAllocated = 8 * stored.dtype.itemsize
    else:
        dataset.BitsAllocated = dataset.BitsStored = 8 * stored.dtype.itemsize
        dataset.HighBit = dataset.BitsStored - 1
        dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    raw = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    raw += b"\0" * (len(raw) % 2)
    if encoded is not None:
        dataset.PixelData = encapsulate(encoded)
        dataset["PixelData"].VR = "OB"
    elif stored.dtype.kind == "f":
        name = "FloatPixelData" if stored.dtype.itemsize == 4 else "DoubleFloatPixelData"
        setattr(dataset, name, raw)
    else:
        dataset.PixelData = raw
    for name, value in tags.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


EXPLICIT, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"
RLE, JPEG_BASELINE = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50"
JPEG_LOSSLESS, JPEG_2000 = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90"


def jpeg_2000(levels: Array) -> bytes:
    """A lossless JPEG 2000 code stream."""
    from openjpeg.utils import encode_array

    return bytes(encode_array(levels))


def rle(levels: Array) -> bytes:
    """One frame as DICOM RLE: literal runs only, one segment for each byte of a level."""
    size = levels.dtype.itemsize
    planes = levels.astype(levels.dtype.newbyteorder(">")).view(np.uint8).reshape(-1, size)
    segments = []
    for k in range(size):
        plane = planes[:, k].tobytes()
        runs = (plane[i : i + 128] for i in range(0, len(plane), 128))
        segment = b"".join(bytes([len(run) - 1]) + run for run in runs)
        segments.append(segment + b"\0" * (len(segment) % 2))
    starts = [64 + sum(map(len, segments[:k])) for k in range(size)]
    return struct.pack("<16I", size, *starts, *[0] * (15 - size)) + b"".join(segments)


def jpeg_lossless(levels: Array) -> bytes:
    """JPEG process 14 by the left neighbour, with one Huffman code of 8 bits for all categories."""
    bits = 8 * levels.dtype.itemsize
    height, width = levels.shape
    wide = levels.astype(np.int64)
    before = np.empty_like(wide)
    before[:, 1:] = wide[:, :-1]
    before[1:, 0] = wide[:-1, 0]
    before[0, 0] = 2 ** (bits - 1)
    text = []
    for value in ((wide - before).ravel() + 2**15) % 2**16 - 2**15:
        size = int(abs(value)).bit_length()
        text.append(f"{size:08b}")
        if 0 < size < 16:
            text.append(f"{value if value > 0 else value + 2**size - 1:0{size}b}")
    packed = "".join(text)
    packed += "1" * (-len(packed) % 8)
    data = int(packed, 2).to_bytes(len(packed) // 8, "big").replace(b"\xff", b"\xff\0")
    frame = struct.pack(">HBHHBBBB", 11, bits, height, width, 1, 1, 0x11, 0)
    table = bytes([0, *[0] * 7, 17, *[0] * 8, *range(17)])
    table = struct.pack(">H", 2 + len(table)) + table
    scan = struct.pack(">HBBBBBB", 8, 1, 1, 0, 1, 0, 0)
    return (
        b"\xff\xd8\xff\xc3" + frame + b"\xff\xc4" + table + b"\xff\xda" + scan + data + b"\xff\xd9"
    )


def good() -> Iterator[tuple[str, bytes]]:
    """Valid small files of every format and coding that is read, as (name, content)."""
    grey, wide = picture(), picture().astype(np.uint16) * 257
    colour = np.stack([picture(seed=k) for k in range(3)], axis=-1)
    share = (grey / 255).astype(np.float32)
    yield "grey.png", by_pillow(grey, "PNG")
    yield "palette.png", by_pillow(grey, "PNG", "P")
    yield "one_bit.png", by_pillow(grey, "PNG", "1")
    yield "alpha.png", by_pillow(colour, "PNG", "RGBA")
    yield "transparent.png", by_pillow(grey, "PNG", transparency=3)
    yield "wide.png", by_pillow(wide, "PNG")
    yield "text.png", png_with_text(300)
    yield "animated.png", animated("PNG", 3)
    yield "grey.jpg", by_pillow(grey, "JPEG")
    yield "colour.jpg", by_pillow(colour, "JPEG")
    yield "cmyk.jpg", by_pillow(colour, "JPEG", "CMYK")
    yield "progressive.jpg", by_pillow(colour, "JPEG", progressive=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "turned.jpg", by_pillow(grey, "JPEG", exif=exif)
    yield "grey.bmp", by_pillow(grey, "BMP")
    yield "colour.bmp", by_pillow(colour, "BMP")
    yield "colour.webp", by_pillow(colour, "WEBP")
    yield "lossless.webp", by_pillow(colour, "WEBP", lossless=True)
    yield "animated.webp", animated("WEBP", 3)
    yield "grey.tif", tiff(grey)
    yield "wide.tif", tiff(wide, byteorder=">")
    yield "share.tif", tiff(share)
    yield "pages.tif", tiff(np.stack([grey, grey[::-1]]), photometric="minisblack")
    yield "imagej.tif", tiff(np.stack([grey, grey[::-1]]), imagej=True)
    yield "bigtiff.tif", tiff(grey, bigtiff=True)
    yield "tiles.tif", tiff(picture(32, 32), tile=(16, 16))
    yield "colour.tif", tiff(colour, photometric="rgb")
    yield "palette.tif", by_pillow(grey, "TIFF", "P")
    for coding in ("tiff_adobe_deflate", "tiff_lzw", "packbits", "jpeg", "group4"):
        mode = "1" if coding == "group4" else None
        yield f"{coding}.tif", by_pillow(grey, "TIFF", mode, compression=coding)
    yield "bare.tif", tiff_pages(tiff_tags())
    packed = lzma.compress(grey.tobytes())
    yield "lzma.tif", tiff_pages(tiff_tags(12, 16, len(packed), 34925), data=packed)
    yield "grey.npy", npy(grey)
    yield "share.npy", npy(np.stack([share, share]))
    yield "version2.npy", npy_with_header(100)
    yield "one.npz", zipped(images=npy(grey))
    yield "two.npz", zipped(images=npy(grey), labels=npy(grey))
    volume = np.stack([grey, grey[::-1], grey], axis=-1)
    yield "grey.nii", nifti(volume)
    yield "signed.nii", nifti(volume.astype(np.int16) * 4 - 500)
    yield "share.nii", nifti(volume.astype(np.float32))
    yield "second.nii", nifti(volume, second=True)
    yield "scaled.nii", nifti(volume, scl_slope=2.0, scl_inter=-3.0)
    yield "grey.nii.gz", gzip.compress(nifti(volume), mtime=0)
    yield "grey.dcm", dicom(grey)
    yield "wide.dcm", dicom(wide, RescaleSlope=2, RescaleIntercept=-1024, WindowCenter=40,
                            WindowWidth=400, Modality="CT", PixelPaddingValue=0)  # fmt: skip
    yield "signed.dcm", dicom(wide.astype(np.int16))
    yield "inverted.dcm", dicom(grey, PhotometricInterpretation="MONOCHROME1")
    yield "colour.dcm", dicom(colour)
    yield "frames.dcm", dicom(np.stack([wide, wide[::-1]]))
    yield "share.dcm", dicom(share)
    yield "double.dcm", dicom(share.astype(np.float64))
    yield "implicit.dcm", dicom(grey, "1.2.840.10008.1.2")
    yield "deflated.dcm", dicom(grey, DEFLATED)
    yield "rle.dcm", dicom(wide, RLE, [rle(wide)])
    yield "jpeg.dcm", dicom(grey, JPEG_BASELINE, [by_pillow(grey, "JPEG")])
    yield "lossless.dcm", dicom(wide, JPEG_LOSSLESS, [jpeg_lossless(wide)] * 2, NumberOfFrames=2)
    large = picture(32, 32)  # the smallest that the encoder takes
    yield "jpeg2000.dcm", dicom(large, JPEG_2000, [jpeg_2000(large)])
