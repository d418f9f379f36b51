"""Seeds of the fuzzer: every valid file of tests/hostile.py behind the byte of its form."""

import gzip
import hashlib
import io
import sys
import zipfile
import zlib
from pathlib import Path

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


def write_seeds(folder: Path) -> int:
    """Write the seeds; returns their number."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    import hostile

    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for name, content in hostile.good():
        for first, (suffix, how) in enumerate(FORMS):
            if not name.endswith("." + suffix):
                continue
            inside = content
            if how == "gzip":
                inside = gzip.decompress(content)
            elif how == "zip":
                with zipfile.ZipFile(io.BytesIO(content)) as archive:
                    inside = archive.read("images.npy")
            seed = bytes([first]) + inside
            (folder / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
            count += 1
    return count


if __name__ == "__main__":
    print(write_seeds(Path(sys.argv[1])), "seeds")
