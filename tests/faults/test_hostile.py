"""Hostile files one by one: frames or one clear error, in bounded time and memory."""

import gzip
import json
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hostile
from vestige.images import frame, packed
from vestige.images.cage import CPU_SECONDS
from vestige.images.flags import CMYK, TEXT_LEFT_OUT
from vestige.images.frame import Unreadable
from vestige.images.readers import read_file
from vestige.images.shards import read_shard

GOOD = dict(hostile.good())
BROKEN = {name: (content, said) for name, content, said in hostile.broken()}


def needs_decoder(name: str) -> None:
    """Skip what only the extra `gpl` decodes."""
    if name in hostile.GPL:
        pytest.importorskip("libjpeg", reason="needs vestige[gpl]")


def read(folder: Path, name: str, content: bytes) -> list[Any]:
    (folder / name).write_bytes(content)
    return read_file(folder / name)


# --- what is good is read, whatever its coding
@pytest.mark.parametrize("name", GOOD)
def test_good_files_are_read(tmp_path: Path, name: str) -> None:
    needs_decoder(name)
    frames = read(tmp_path, name, GOOD[name])
    several = (
        "animated",
        "pages",
        "imagej",
        "frames",
        "lossless.dcm",
        "share.npy",
        ".nii",
        ".nrrd",
        ".mha",
        ".mg",
        ".h5",
    )
    assert len(frames) == (1 if not any(s in name for s in several) else len(frames))
    assert len(frames) > 1 or not any(s in name for s in several)
    for one in frames:
        assert 0 <= one.pixels.min() < one.pixels.max() <= 1 or name in ("bare.tif", "version2.npy")


@pytest.mark.parametrize("name", ["deflated", "rle", "lossless", "jpeg2000", "frames", "implicit"])
def test_packed_dicom_shows_the_same_picture(tmp_path: Path, name: str) -> None:
    needs_decoder(f"{name}.dcm")
    got = read(tmp_path, f"{name}.dcm", GOOD[f"{name}.dcm"])
    side = hostile.picture(32, 32) if name == "jpeg2000" else hostile.picture()
    np.testing.assert_allclose(got[0].pixels, side / np.float32(255), rtol=1e-6)


def test_cmyk_and_private_tags_are_read_and_a_wrong_suffix_is_no_matter(tmp_path: Path) -> None:
    (cmyk,) = read(tmp_path, "a.jpg", GOOD["cmyk.jpg"])
    assert CMYK in cmyk.flags
    plain = hostile.dicom(hostile.picture())
    private = hostile.element(0x0009, 0x0010, 8, b"OB") + b"ACME 1.0"
    private += hostile.element(0x0009, 0x1001, 6) + b"<b>\0\xff\xfe"
    place = plain.index(b"\x10\x00\x20\x00LO")  # the first element after group 8
    with_private = plain[:place] + private + plain[place:]
    (one,) = read(tmp_path, "a.dcm", with_private)
    np.testing.assert_array_equal(one.pixels, read(tmp_path, "b.dcm", plain)[0].pixels)
    for name, content in (("a.dcm", "grey.png"), ("a.png", "grey.dcm"), ("a.jpg", "share.npy")):
        assert len(read(tmp_path, name, GOOD[content])) >= 1


# --- what is broken is one line
@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_one_clear_error(tmp_path: Path, name: str, capfd: Any) -> None:
    content, said = BROKEN[name]
    with pytest.raises(Unreadable, match=said) as caught:
        read(tmp_path, name, content)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 300
    assert str(tmp_path) not in text and "<_io." not in text
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", GOOD)
def test_cut_or_with_turned_bits_it_is_read_or_refused(tmp_path: Path, name: str) -> None:
    content, rng = GOOD[name], np.random.default_rng(0)
    for k in range(20):
        spoiled = bytearray(content)
        if k < 8:
            del spoiled[len(content) * k // 8 :]
        else:
            for bit in rng.integers(8 * len(content), size=1 + k % 3):
                spoiled[bit // 8] ^= 1 << bit % 8
        (tmp_path / name).write_bytes(spoiled)
        shard = read_shard([("a", tmp_path / name)], 8)
        assert len(shard.problems) + len(shard.records) >= 1
        assert np.isfinite(shard.pixels).all()
        assert not shard.pixels.size or 0 <= shard.pixels.min() <= shard.pixels.max() <= 1


# --- bombs are refused before they unfold
MEMORY, SECONDS = 512, CPU_SECONDS
"""MiB above what the imports take, and seconds of the processor as the cage allows them."""
READER = """
import json, resource, sys, time
import PIL.Image, tifffile, nibabel, pydicom, pydicom.pixels, zipfile, lzma
from vestige.images.readers import Unreadable, peek_shape, read_file
from vestige.images.shards import read_shard
read_shard([(p, p) for p in sys.argv[2:4]], 16)
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
limit = held + int(sys.argv[1]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
said = {}
for path in sys.argv[4:]:
    begun = time.process_time()
    try:
        peek_shape(path)
    except Exception:
        pass
    try:
        read_file(path)
        text = "was read"
    except Unreadable as error:
        text = str(error)
    said[path] = time.process_time() - begun, text
print(json.dumps(said))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory by RLIMIT_AS")
def test_bombs_are_refused_in_little_time_and_memory(tmp_path: Path) -> None:
    warm = []
    for name in ("grey.dcm", "grey.tif"):
        (tmp_path / name).write_bytes(GOOD[name])
        warm.append(str(tmp_path / name))
    expected = {}
    for name, content, words in hostile.bombs():
        place = tmp_path / name.replace(".", "_bomb.", 1)
        place.write_bytes(content)
        expected[str(place)] = words
    done = subprocess.run(
        [sys.executable, "-c", READER, str(MEMORY), *warm, *expected],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    for path, words in expected.items():
        seconds, text = said[path]
        assert any(word in text for word in words.split("|")) or words == ".", (path, text)
        assert text != "was read" and "allocate" not in text, (path, text)
        assert seconds < SECONDS, (path, seconds)


def test_a_picture_with_much_behind_it_is_read_without_that(tmp_path: Path) -> None:
    # valid files whose packed stream goes on for a gigabyte behind the last pixel
    more = hostile.zeros_gzipped(2**30)
    volume = gzip.compress(hostile.nifti(np.full((16, 12, 2), 7, np.uint8)), mtime=0)
    behind = zlib.decompress(hostile.zeros_deflated(2**20, "zlib"))
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    assert len(read(tmp_path, "a.nii.gz", volume + more)) == 2
    whole = hostile.png(16, 12, bytes(17 * 12) + behind)
    assert len(read(tmp_path, "a.png", whole)) == 1
    assert len(read(tmp_path, "text.png", hostile.png_with_text(2**18))) == 1
    (bare,) = read(tmp_path, "text.png", hostile.png_with_text(2**26))
    (same,) = read(tmp_path, "a.png", hostile.png_with_text(9))
    assert bare.flags == (TEXT_LEFT_OUT,)
    np.testing.assert_array_equal(bare.pixels, same.pixels)
    assert len(read(tmp_path, "a.npz", hostile.zipped(images=GOOD["grey.npy"] + behind))) == 1
    assert time.process_time() - begun < SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 * 1024


def test_an_extension_of_a_volume_is_never_followed(tmp_path: Path) -> None:
    # size 0 made nibabel read backwards without end, and size 2 GB unfold all that follows
    volume = bytearray(hostile.nifti(np.full((16, 12, 2), 7, np.uint8), vox_offset=384))
    volume[348:352] = b"\x01\0\0\0"
    for size in (0, -8, 2**31 - 16):
        extension = size.to_bytes(4, "little", signed=True) + bytes(28)
        content = bytes(volume[:352]) + extension + bytes(volume[352:])
        assert len(read(tmp_path, "a.nii", content)) == 2


def test_many_small_images_of_one_file_are_read(tmp_path: Path) -> None:
    assert len(read(tmp_path, "a.npy", hostile.npy(np.zeros((5000, 8, 8), np.uint8)))) == 5000
    assert len(read(tmp_path, "a.tif", hostile.tiff_pages(*[hostile.tiff_tags()] * 500))) == 500
    assert len(read(tmp_path, "a.webp", hostile.webp_of_many(300))) == 300
    assert len(read(tmp_path, "a.png", hostile.animated("PNG", 60))) == 60


# --- limits
def test_the_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unreadable, match="no pixels"):
        frame.check_size(8, 8, 0)
    frame.check_size(10_000, 200)
    frame.check_size(64, 1)
    with pytest.raises(Unreadable, match="more a line"):
        frame.check_size(65, 1)
    frame.check_size(4, 4, 2**18)
    with pytest.raises(Unreadable, match="unfolds"):
        frame.check_size(4, 4, 2**18 + 1)
    with (tmp_path / "long.png").open("wb") as file:
        file.truncate(frame.MAX_BYTES + 1)  # without a block on the disk
    with pytest.raises(Unreadable, match="bytes, more than"):
        read_file(tmp_path / "long.png")


def test_how_far_packed_bytes_unfold() -> None:
    size = 2**27
    for coding, data in (
        ("deflate", hostile.zeros_deflated(size, "zlib")),
        ("lzma", hostile.zeros_lzma(size)),
        ("runs", b"\x81\0" * (size // 128)),
    ):
        assert size / len(data) <= packed._MOST[coding]  # the bound by which small ones pass
        packed.check_unfolds(data, coding, size)
        with pytest.raises(Unreadable, match="bomb"):
            packed.check_unfolds(data, coding, size - 1)
    assert packed.stream_shape(GOOD["colour.jpg"]) == (16, 12, 3)
    assert packed.stream_shape(hostile.jpeg_lossless(hostile.picture())) == (16, 12, 1)
    assert packed.stream_shape(hostile.jpeg_2000_of(7, 9)) == (9, 7, 1)
    assert packed.stream_shape(GOOD["grey.jp2"]) == (16, 12, 1)
    assert packed.stream_shape(hostile.jpeg_2000_behind_another(7, 9)) == (9, 7, 1)
    assert packed.stream_shape(GOOD["grey.jp2"][:90]) is None
    assert packed.stream_shape(b"\xff\xd8\xff\xe0") is None
    assert packed.jpeg_scans(GOOD["grey.jpg"]) == 1
    assert packed.jpeg_scans(hostile.many_scans(9, 16)) > 9


WEIGHER = """
import sys
import PIL.Image, tifffile, nibabel
from vestige.images.readers import read_file
def peak():
    with open("/proc/self/status") as file:
        return 1024 * next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
before = peak()
frames = read_file(sys.argv[1])
print((peak() - before) / sum(frame.stored.size for frame in frames))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
@pytest.mark.parametrize(("name", "most"), [("a.nii", 14), ("a.npz", 14), ("a.png", 23)])
def test_memory_of_a_large_file(tmp_path: Path, name: str, most: float) -> None:
    # bytes for each pixel; docs/hostile-input.md multiplies by the largest file that is read
    noise = np.random.default_rng(0).integers(0, 255, (2048, 2048, 4), dtype=np.uint8)
    content = {
        "a.nii": lambda: hostile.nifti(noise.astype(np.float32)),
        "a.npz": lambda: hostile.zipped(images=hostile.npy(np.moveaxis(noise, 2, 0) / 255)),
        "a.png": lambda: hostile.by_pillow(noise, "PNG", compress_level=1),
    }[name]()
    (tmp_path / name).write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", WEIGHER, str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < most


# --- files that change while they are read
@pytest.mark.parametrize("name", GOOD)
def test_nothing_is_mapped_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    needs_decoder(name)

    # a mapped file that shrinks kills the process (SIGBUS)
    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("a file was mapped")

    monkeypatch.setattr("mmap.mmap", refuse)
    read(tmp_path, name, GOOD[name])


RACER = """
import sys
from vestige.images.readers import Unreadable, read_file
print("begun", flush=True)
read = refused = 0
while True:
    for path in sys.argv[1:]:
        try:
            read += len(read_file(path))
        except Unreadable:
            refused += 1
    if read > 30 and refused > 15:
        break
print(read, refused)
"""


def test_files_that_shrink_and_grow_while_they_are_read(tmp_path: Path) -> None:
    big = hostile.picture(400, 400)
    contents = {
        "a.png": hostile.by_pillow(big, "PNG"),
        "a.bmp": hostile.by_pillow(big, "BMP"),
        "a.jpg": hostile.by_pillow(big, "JPEG"),
        "a.tif": hostile.tiff(big),
        "lzw.tif": hostile.by_pillow(big, "TIFF", compression="tiff_lzw"),
        "a.npy": hostile.npy(big),
        "a.nii": hostile.nifti(big[..., None]),
        "a.dcm": hostile.dicom(big),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    paths = [str(tmp_path / name) for name in contents]
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", RACER, *paths],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as racer:
        assert racer.stdout is not None
        racer.stdout.readline()
        end = time.monotonic() + 300  # against a hang; two seconds otherwise
        while racer.poll() is None and time.monotonic() < end:
            for name, content in contents.items():
                with (tmp_path / name).open("r+b") as file:
                    file.truncate(0)
                    file.write(content)
        racer.kill()
    assert racer.returncode == 0
