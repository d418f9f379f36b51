"""Seeds of the fuzzer: the valid files of tests/hostile.py and those below, behind their form."""

import gzip
import hashlib
import io
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import hostile

FORMS = (
    ("png", "as is"),
    ("png", "check sums"),
    ("jpg", "as is"),
    ("tif", "as is"),
    ("bmp", "as is"),
    ("webp", "as is"),
    ("npy", "as is"),
    ("npz", "as is"),
    ("npz", "zip"),
    ("dcm", "as is"),
    ("nii", "as is"),
    ("nii.gz", "as is"),
    ("nii.gz", "gzip"),
    ("gif", "as is"),
    ("pgm", "as is"),
    ("jp2", "as is"),
    ("nrrd", "as is"),
    ("mha", "as is"),
    ("mgh", "as is"),
    ("mgz", "gzip"),
    ("h5", "as is"),
    ("ppm", "as is"),
    ("xyz", "as is"),
    ("nrrd", "as is"),
    ("mha", "as is"),
    ("mgh", "as is"),
    ("mgz", "gzip"),
    ("h5", "as is"),
)
"""Suffix and wrapping by first byte. Packed inside the harness, what a check sum or a compressor
would hide from mutation is reached: the fuzzer changes the bytes within."""


def wrap(data: bytes, how: str) -> bytes:
    """The file that stands for fuzzed bytes."""
    if how == "gzip":
        return gzip.compress(data, 1, mtime=0)
    if how == "zip":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("images.npy", data)
        return out.getvalue()
    return _with_check_sums(data) if how == "check sums" else data


def _with_check_sums(data: bytes) -> bytes:
    """A PNG whose chunks all have the right check sum, as far as their lengths lead."""
    out, place = bytearray(data), 8
    while place + 12 <= len(out):
        end = place + 8 + int.from_bytes(out[place : place + 4], "big")
        if end + 4 > len(out):
            break
        out[end : end + 4] = zlib.crc32(out[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(out)


def further() -> Iterator[tuple[str, bytes]]:
    """Palettes, tables, several pictures in one file, layouts and volumes: (name, content)."""
    grey, wide = hostile.picture(), hostile.picture().astype(np.uint16) * 16
    colour = np.stack([hostile.picture(seed=k) for k in range(3)], axis=-1)
    yield "animated.gif", hostile.animated("GIF", 3)
    yield "phone.jpg", _several("MPO", colour, colour[::-1])
    yield "twelve.pgm", b"P5\n12 16\n4095\n" + wide.astype(">u2").tobytes()
    yield "words.pgm", b"P2\n# comment\n3 2\n255\n" + b"1 2 3\n4 5 6\n"
    yield "wide.jp2", hostile.by_pillow(wide, "JPEG2000")
    share = (grey / 255).astype(np.float32)
    for name, values in (
        ("channels", colour.transpose(2, 0, 1)[None]),
        ("last", np.stack([colour, colour])),
        ("volumes", np.stack([grey] * 6).reshape(2, 3, 16, 12)),
        ("symmetric", 2 * share - 1),
        ("rounded", share * np.float32(1 + 1e-6)),
    ):
        yield f"{name}.npy", hostile.npy(values)
    yield "med.npz", hostile.zipped(train_images=hostile.npy(np.stack([grey] * 4)))
    alpha = np.concatenate([colour, grey[..., None]], axis=-1)
    yield "alpha.tif", hostile.tiff(alpha, photometric="rgb", extrasamples=["assocalpha"])
    yield from _dicom(grey, wide, colour)
    volume = np.stack([grey, grey[::-1]], axis=-1)
    head = b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 12 16 2\nencoding: raw\n\n"
    yield "grey.nrrd", head + volume.tobytes()
    head = b"ObjectType = Image\nNDims = 3\nDimSize = 12 16 2\nElementType = MET_UCHAR\n"
    yield "grey.mha", head + b"ElementDataFile = LOCAL\n" + volume.tobytes()
    import nibabel

    yield "grey.mgh", nibabel.MGHImage(volume.astype(np.uint8), np.eye(4)).to_bytes()
    try:
        import h5py
    except ImportError:
        return
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file["images"] = np.stack([grey, grey])
    yield "grey.h5", out.getvalue()


def _several(name: str, *pictures: Any) -> bytes:
    first, *others = map(Image.fromarray, pictures)
    out = io.BytesIO()
    first.save(out, name, save_all=True, append_images=others)
    return out.getvalue()


def _dicom(grey: Any, wide: Any, colour: Any) -> Iterator[tuple[str, bytes]]:
    """Every row of the table of grey values, and palettes."""
    from pydicom import Dataset, Sequence, dcmread

    def changed(levels: Any, change: Any, **tags: Any) -> bytes:
        dataset = dcmread(io.BytesIO(hostile.dicom(levels, **tags)))
        change(dataset)
        out = io.BytesIO()
        dataset.save_as(out, enforce_file_format=True)
        return out.getvalue()

    def palette(dataset: Any, words: Any, bits: int) -> None:
        for name in ("Red", "Green", "Blue"):
            place = f"{name}PaletteColorLookupTable"
            setattr(dataset, f"{place}Descriptor", [256, 0, bits])
            dataset[f"{place}Descriptor"].VR = "US"
            setattr(dataset, f"{place}Data", words.tobytes())
            dataset[f"{place}Data"].VR = "OW"

    def table(dataset: Any, sequence: str) -> None:
        item = Dataset()
        item.LUTDescriptor, item.LUTData = [256, 0, 16], list(range(0, 65536, 256))
        item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
        setattr(dataset, sequence, Sequence([item]))

    entries, indexed = np.arange(256), {"PhotometricInterpretation": "PALETTE COLOR"}
    for bits, words in ((8, entries.astype("u1")), (8, entries.astype("<u2")),
                        (16, (entries * 257).astype("<u2"))):  # fmt: skip
        whole = changed(grey, lambda d, w=words, b=bits: palette(d, w, b), **indexed)
        yield f"palette{bits}.dcm", whole
    for sequence in ("ModalityLUTSequence", "VOILUTSequence"):
        whole = changed(grey, lambda dataset, name=sequence: table(dataset, name))
        yield f"{sequence}.dcm", whole
    for function in ("LINEAR_EXACT", "SIGMOID"):
        yield (
            f"{function}.dcm",
            hostile.dicom(wide, WindowCenter=900, WindowWidth=700, VOILUTFunction=function),
        )
    yield "inverse.dcm", hostile.dicom(grey, PresentationLUTShape="INVERSE")
    yield "labelled.dcm", hostile.dicom(colour, PhotometricInterpretation="MONOCHROME2")
    yield "bare_wide.dcm", hostile.dicom(wide, "1.2.840.10008.1.2")[132:]


def write_seeds(folder: Path) -> int:
    """Write the seeds; returns their number."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for name, content in (*hostile.good(), *further()):
        for first, (suffix, how) in enumerate(FORMS):
            if not name.endswith("." + suffix):
                continue
            inside = content
            if how == "gzip":
                inside = gzip.decompress(content)
            elif how == "zip":
                with zipfile.ZipFile(io.BytesIO(content)) as archive:
                    inside = archive.read(archive.namelist()[0])
            seed = bytes([first]) + inside
            (folder / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
            count += 1
    return count


if __name__ == "__main__":
    print(write_seeds(Path(sys.argv[1])), "seeds")
