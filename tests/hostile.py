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


_TYPES = {"B": 1, "s": 2, "H": 3, "I": 4}


def tiff_pages(*pages: dict[int, tuple[str, tuple[int, ...]]], data: bytes = bytes(256)) -> bytes:
    """A little-endian TIFF from bare tags {code: (type, values)}; the data lie at byte 8."""
    out = bytearray(struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data)
    for k, tags in enumerate(pages):
        rows, far = b"", b""
        after = len(out) + 2 + 12 * len(tags) + 4
        for code, (kind, values) in sorted(tags.items()):
            packed = struct.pack(f"<{len(values)}{kind.replace('s', 'B')}", *values)
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


def nrrd(values: Array, coding: str = "raw") -> bytes:
    """A volume of 8 bits as NRRD, raw or gzip."""
    vectors = "(1,0,0) (0,1,0) (0,0,1)"
    head = (
        f"NRRD0005\ntype: uchar\ndimension: 3\nsizes: {' '.join(map(str, values.shape))}\n"
        f"space: left-posterior-superior\nspace directions: {vectors}\nencoding: {coding}\n\n"
    )
    data = values.tobytes(order="F")
    return head.encode() + (gzip.compress(data, mtime=0) if coding == "gzip" else data)


def metaimage(values: Array, packed: bool = False) -> bytes:
    """A volume of 8 bits as MHA."""
    head = (
        f"ObjectType = Image\nNDims = 3\nBinaryData = True\nCompressedData = {packed}\n"
        "TransformMatrix = 1 0 0 0 1 0 0 0 1\nElementSpacing = 1 1 1\n"
        f"DimSize = {' '.join(map(str, values.shape))}\nElementType = MET_UCHAR\n"
        "ElementDataFile = LOCAL\n"
    )
    data = values.tobytes(order="F")
    return head.encode() + (zlib.compress(data) if packed else data)


def mgh(values: Array) -> bytes:
    """A volume of 8 bits as MGH."""
    head = struct.pack(">7i", 1, *values.shape, 1, 0, 0)
    head += struct.pack(">h3f9f", 1, 1, 1, 1, -1, 0, 0, 0, -1, 0, 0, 0, 1)
    return head.ljust(284, b"\0") + values.tobytes(order="F")


def hdf5(values: Array, **options: Any) -> bytes:
    """One dataset in a group, and its labels."""
    import h5py

    out = io.BytesIO()
    with h5py.File(out, "w", track_order=False) as file:
        file.create_dataset("scans/t1", data=values, track_times=False, **options)
        file.create_dataset("labels", data=np.arange(len(values)), track_times=False)
    return out.getvalue()


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


# --- bombs
def zeros_deflated(size: int, kind: str) -> bytes:
    """A multiple of 1 MiB of zeros in a thousandth of its size, made without unfolding it.

    kind : "raw" deflate, or "zlib"
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    body = block * (size // 2**20) + packer.flush(zlib.Z_FINISH)
    if kind == "raw":
        return body
    return b"\x78\xda" + body + struct.pack(">I", size % 65521 << 16 | 1)


def zeros_gzipped(size: int) -> bytes:
    """A multiple of 64 MiB of zeros; gzip may hold one member after another."""
    return gzip.compress(bytes(2**26), mtime=0) * (size // 2**26)


def zeros_lzma(size: int) -> bytes:
    """A multiple of 64 MiB of zeros; streams may follow each other here too."""
    return lzma.compress(bytes(2**26), preset=0) * (size // 2**26)


def webp_of_many(frames: int) -> bytes:
    """An animation whose last frame comes again and again."""
    whole = animated("WEBP", 2)
    last = whole[whole.rindex(b"ANMF") :]
    body = whole[8:] + last * (frames - 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg_2000_of(width: int, height: int) -> bytes:
    """A code stream of 32 x 32 pixels that claims another size, in one tile."""
    whole = bytearray(jpeg_2000(picture(32, 32)))
    struct.pack_into(">6I", whole, 8, width, height, 0, 0, width, height)
    return bytes(whole)


def jpeg_of(width: int, height: int) -> bytes:
    """A JPEG that claims another size."""
    whole = bytearray(by_pillow(picture(), "JPEG"))
    struct.pack_into(">HH", whole, whole.index(b"\xff\xc0") + 5, height, width)
    return bytes(whole)


def jpeg_2000_behind_another(width: int, height: int) -> bytes:
    """A JP2 file whose picture claims any size, behind a box that holds one of the stated size."""
    whole = by_pillow(picture(32, 32), "JPEG2000")
    start = whole.index(b"jp2c") - 4
    decoy = whole[start + 8 :]
    claim = jpeg_2000_of(width, height)
    boxes = ((b"free", decoy), (b"jp2c", claim + b"\0" * (len(claim) % 2)))
    return whole[:start] + b"".join(struct.pack(">I4s", 8 + len(b), k) + b for k, b in boxes)


def dicom_of_segments(*segments: tuple[int, ...]) -> bytes:
    """Palette colours of 16 bits whose table comes in segments: words of each."""
    from pydicom import dcmread

    dataset = dcmread(io.BytesIO(dicom(picture(8, 8), PhotometricInterpretation="PALETTE COLOR")))
    data = b"".join(struct.pack(f"<{len(words)}H", *words) for words in segments)
    for colour in ("Red", "Green", "Blue"):
        name = f"{colour}PaletteColorLookupTable"
        setattr(dataset, f"{name}Descriptor", [256, 0, 16])
        dataset[f"{name}Descriptor"].VR = "US"
        setattr(dataset, f"Segmented{name}Data", data)
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def element(group: int, number: int, length: int, kind: bytes = b"UN") -> bytes:
    """The start of an explicit DICOM element of any claimed length."""
    return struct.pack("<HH2sHI", group, number, kind, 0, length)


def bombs() -> Iterator[tuple[str, bytes, str]]:
    """Small files that would become huge, or take for ever: name, content, what is said of them."""
    few, gig = picture(8, 8), 2**30
    yield "claim.png", png(60000, 60000, bytes(1000)), "bomb|unfolds"
    yield "frames.png", _with_frames(10**6), "1000000 pages"
    yield "claim.jpg", jpeg_of(65500, 65500), "bomb|unfolds"
    yield "scans.jpg", many_scans(400, 6000), "scans"
    yield "frames.webp", webp_of_many(60_000), "60000 pages"
    yield "claim.bmp", _bmp_of(60000, 60000), "bomb|unfolds"
    yield "claim.npy", npy_claim("|u1", (2, 2**20, 2**20)), "unfolds"
    yield "strings.npy", npy_claim("|S1000000000", (9, 9)), "bytes"
    yield "header.npy", npy_with_header(100 * 2**20), "header of more than"
    yield "nested.npy", npy_claim("(" * 4000, (9, 9)), "."
    yield "many.npy", npy_claim("|u1", (2**22, 4, 4), bytes(100)), "unfolds|truncated"
    yield "member.npz", zipped(images=npy_with_header(64 * 2**20)), "header of more than"
    yield "claim.npz", zipped(images=npy_claim("<f8", (200, 1000, 1000))), "truncated"
    deflated = zeros_deflated(gig, "zlib")
    yield "deflate.tif", tiff_pages(tiff_tags(16, 16, len(deflated), 8), data=deflated), "bomb"
    xz = zeros_lzma(gig)
    yield "lzma.tif", tiff_pages(tiff_tags(16, 16, len(xz), 34925), data=xz), "bomb"
    runs = b"\x81\x00" * (8 * 2**20)
    yield "runs.tif", tiff_pages(tiff_tags(16, 16, len(runs), 32773), data=runs), "bomb"
    yield "pages.tif", tiff_pages(*[tiff_tags()] * 100_000), "100000 pages"
    yield "claim.tif", tiff_pages(tiff_tags(2**20, 2**20, 2**30)), "unfolds"
    yield "samples.tif", tiff_pages(tiff_tags(9000, 9000, t277=60000)), "unfolds"
    tile = tiff_tags(t322=2**24, t323=2**24, t324=8, t325=256)
    yield "tile.tif", tiff_pages({k: v for k, v in tile.items() if k not in (273, 279)}), "unfolds"
    shape = b'{"shape": [10000000, 16, 16]}\0'
    tags = tiff_tags() | {270: ("s", tuple(shape))}
    yield "shaped.tif", tiff_pages(tags, data=bytes(512)), "unfolds"
    volume = np.zeros((8, 8, 2), np.uint8)
    yield "claim.nii", nifti(volume, dim=[3, 2000, 2000, 2000, 1, 1, 1, 1]), "unfolds"
    yield (
        "offset.nii.gz",
        gzip.compress(nifti(volume, vox_offset=3e9), mtime=0) + zeros_gzipped(4 * gig),
        "before its voxels",
    )
    claim = b"sizes: 2000 2000 2000"
    yield "claim.nrrd", nrrd(volume).replace(b"sizes: 8 8 2", claim), "unfolds"
    yield "claim.mha", metaimage(volume).replace(b"8 8 2", b"2000 2000 2000"), "unfolds"
    yield (
        "claim.mgh",
        mgh(np.zeros((2, 2, 2), np.uint8))[:4]
        + struct.pack(">6i", 9000, 9000, 9000, 1, 0, 0)
        + bytes(400),
        "unfolds",
    )
    yield "claim.dcm", dicom(few, Rows=60000, Columns=60000), "unfolds"
    yield "frames.dcm", dicom(few, NumberOfFrames=10**9), "unfolds"
    yield "samples.dcm", dicom(few, SamplesPerPixel=60000), "samples"
    yield "deflate.dcm", _after_meta(zeros_deflated(4 * gig, "raw"), DEFLATED), "bomb"
    yield "jpeg.dcm", dicom(few, JPEG_BASELINE, [jpeg_of(65500, 65500)]), "promised"
    large = picture(32, 32)
    yield "j2k.dcm", dicom(large, JPEG_2000, [jpeg_2000_of(60000, 60000)]), "promised"
    frame = rle(few)[:64] + b"\x81\x00" * (8 * 2**20)
    yield "rle.dcm", dicom(few, RLE, [frame]), "bomb"
    claim = jpeg_of(65500, 65500)
    junk = claim[:2] + b"\0\x01" + claim[2:]  # decoders skip it
    yield "junk.dcm", dicom(few, JPEG_BASELINE, [junk]), "does not begin as"
    behind = jpeg_2000_behind_another(60000, 60000)
    yield "behind.jp2", behind, "stream of another size"
    yield "behind.dcm", dicom(large, JPEG_2000, [behind]), "promised"
    lines = [(0, 1, 5), *[(1, 65535, 7)] * 3000]
    yield "segments.dcm", dicom_of_segments(*lines), "unfolds to more entries"
    again = [(0, 1, 5), *[(1, 256, 7)] * 200, *[(2, 200, 0, 0)] * 2000]
    yield "again.dcm", dicom_of_segments(*again), "unfolds to more entries"
    deep = dicom(few)
    nest = (element(0x0040, 0x0260, 0xFFFFFFFF, b"SQ") + b"\xfe\xff\x00\xe0\xff\xff\xff\xff") * 5000
    yield "nested.dcm", deep[:-76] + nest, "."


def _with_frames(count: int) -> bytes:
    """An animated PNG that says it has `count` frames."""
    whole = animated("PNG", 2)
    start = whole.index(b"acTL")
    old = whole[start - 4 : start + 16]
    return whole.replace(old, png_chunk(b"acTL", struct.pack(">II", count, 0)))


def _bmp_of(width: int, height: int) -> bytes:
    whole = bytearray(by_pillow(picture(), "BMP"))
    struct.pack_into("<ii", whole, 18, width, height)
    return bytes(whole)


GPL = ("lossless.dcm",)
"""Good files that only a decoder of vestige[gpl] (or GDCM) reads."""


def broken() -> Iterator[tuple[str, bytes, str]]:
    """Files with one thing wrong and nothing large: name, content, what is said of them."""
    grey = picture()
    for name, content in good():
        if name in ("grey.png", "grey.jpg", "grey.bmp", "lossless.webp", "grey.tif", "grey.npy",
                    "one.npz", "grey.dcm", "rle.dcm", "jpeg2000.dcm", "deflated.dcm", "grey.nii",
                    "grey.nii.gz", "gzip.nrrd", "packed.mha", "grey.mgh", "grey.mgz",
                    "packed.h5"):  # fmt: skip
            yield f"cut_{name}", content[: len(content) * 3 // 4], "."
    yield "empty.png", b"", "empty"
    yield "zero.png", png(0, 0, b""), "."
    yield "zero.npy", npy(np.zeros((0, 0), np.uint8)), "no pixels"
    yield "zero.tif", tiff_pages(tiff_tags(0, 0)), "."
    yield "zero.dcm", dicom(grey, Rows=0), "no pixels"
    yield "zero.nii", nifti(np.zeros((8, 8, 2), np.uint8), dim=[3, 0, 8, 2, 1, 1, 1, 1]), "."
    for name, shape in (("row", (1, 5000)), ("column", (5000, 1))):
        line = np.zeros(shape, np.uint8)
        for suffix, content in (
            ("png", by_pillow(line, "PNG")),
            ("npy", npy(line)),
            ("tif", tiff(line)),
            ("dcm", dicom(line)),
            ("nii", nifti(line[..., None])),
        ):
            yield f"{name}.{suffix}", content, "more a line than a picture"
    yield "long.npy", npy(np.zeros((200, 10_001), np.uint8)), "longer than"
    for name, wrong in (("nan", np.nan), ("infinite", -np.inf)):
        share = (grey / 255).astype(np.float32)
        share[3, 5] = wrong
        yield f"{name}.npy", npy(share), "not finite"
        yield f"{name}.npz", zipped(images=npy(share)), "not finite"
        yield f"{name}.tif", tiff(share), "not finite"
        # NaN of a part is background, as registration leaves it
        voxels = np.full_like(share, wrong) if name == "nan" else share
        yield f"{name}.nii", nifti(voxels[..., None]), "not finite"
        yield f"{name}.dcm", dicom(share), "not finite"
    dark = np.zeros((16, 12, 2), np.uint8)
    yield "scale.nii", nifti(dark, scl_slope=-3e38, scl_inter=0), "grey scale"
    yield "beyond.npy", npy(np.full((9, 9), 255.0)), "range is not"
    yield "offset.tif", tiff_pages(tiff_tags(t273=10**6)), "truncated"
    yield "count.tif", tiff_pages(tiff_tags(count=10**6)), "truncated"
    yield "no_strip.tif", tiff_pages(tiff_tags(count=0)), "truncated"
    yield "extension.nii", _with_extension(grey), "."
    yield "huge_element.dcm", _after_meta(element(0x0009, 0x1001, 0xFFFFFFF0)), "."
    cover = bytearray(by_pillow(grey, "JPEG2000"))
    place = cover.index(b"ihdr") + 4
    cover[place : place + 8] = struct.pack(">2I", 4, 4)
    yield "cover.jp2", bytes(cover), "stream of another size"
    wide = bytearray(by_pillow(grey, "GIF"))
    wide[6:10] = struct.pack("<2H", 60_000, 60_000)
    yield "wide.gif", bytes(wide), "unfolds|longer than|bomb"
    yield "small_frame.dcm", dicom(grey, JPEG_BASELINE, [by_pillow(grey[:8], "JPEG")]), "promised"
    yield "no_depth.dcm", dicom(grey, BitsStored=0), "."
    yield "pages.pdf.png", b"%PDF-1.7\n" + bytes(400), "no PNG file"


def _with_extension(grey: Array) -> bytes:
    """A volume whose header promises voxels behind the end."""
    return nifti(grey[..., None], vox_offset=4000)


def _after_meta(rest: bytes, syntax: str = EXPLICIT) -> bytes:
    """A DICOM file with another data set."""
    whole = dicom(picture(), syntax)
    return whole[: 144 + struct.unpack_from("<I", whole, 140)[0]] + rest


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
    yield "grey.gif", by_pillow(grey, "GIF")
    yield "grey.pgm", by_pillow(grey, "PPM")
    yield "colour.ppm", by_pillow(colour, "PPM")
    yield "grey.jp2", by_pillow(grey, "JPEG2000")
    yield "bare.dcm", dicom(grey)[132:]
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
    for name, content in (("plain", nrrd(volume)), ("gzip", nrrd(volume, "gzip"))):
        yield f"{name}.nrrd", content
    yield "plain.mha", metaimage(volume)
    yield "packed.mha", metaimage(volume, True)
    yield "grey.mgh", mgh(volume)
    yield "grey.mgz", gzip.compress(mgh(volume), mtime=0)
    stack = np.moveaxis(volume, -1, 0)[:2]
    yield "plain.h5", hdf5(stack)
    yield "packed.h5", hdf5(stack, chunks=(1, 16, 12), compression="gzip", shuffle=True)
    yield "grey.dcm", dicom(grey)
    yield "wide.dcm", dicom(wide, RescaleSlope=2, RescaleIntercept=-1024, WindowCenter=64000,
                            WindowWidth=130000, Modality="CT", PixelPaddingValue=0)  # fmt: skip
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
