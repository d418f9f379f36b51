"""The quick way through a plain PNG ends at the same pixels as Pillow's, or leaves it to Pillow."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from vestige.images import png
from vestige.images.frame import Frame, Unreadable
from vestige.images.raster import FORMATS, read_pillow, read_raster

pytest.importorskip("isal", reason="without ISA-L Pillow reads every PNG")
RNG = np.random.default_rng(0)
GREY = np.cumsum(RNG.integers(-9, 10, (40, 33)), axis=1).astype(np.uint8)


def saved(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def written(filtered: bytes, width: int, height: int, pieces: int = 1, more: bytes = b"") -> bytes:
    """A grey PNG of filtered rows, its pixels in so many chunks."""
    packed = zlib.compress(filtered)
    step = -(-len(packed) // pieces)
    data = b"".join(chunk(b"IDAT", packed[k : k + step]) for k in range(0, len(packed), step))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + more + data + chunk(b"IEND", b"")


def read_plain_png(path: Path) -> Frame | None:
    with path.open("rb") as file:
        return png.read_plain_png(file)


def by_pillow(path: Path) -> Frame | str:
    try:
        with path.open("rb") as file:
            return read_pillow(file, FORMATS)[0]
    except Exception as error:
        return type(error).__name__


def by_us(path: Path) -> Frame | str:
    try:
        return read_raster(path)[0]
    except Exception as error:
        return type(error).__name__


def assert_same(path: Path) -> None:
    one, other = by_us(path), by_pillow(path)
    if isinstance(one, str) or isinstance(other, str):
        assert one == other
        return
    np.testing.assert_array_equal(one.stored, other.stored)
    assert one.stored.dtype == other.stored.dtype
    told = [(f.bits, f.mode, f.flags, f.patient, f.series, f.coding) for f in (one, other)]
    assert told[0] == told[1]


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    width=st.sampled_from([1, 2, 7, 40]), height=st.integers(1, 9), pieces=st.integers(1, 4),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_every_row_filter(
    width: int, height: int, pieces: int, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 256, (height, width + 1), dtype=np.uint8)
    rows[:, 0] = rng.integers(0, 5, height)
    path = tmp_path_factory.mktemp("png") / "x.png"
    path.write_bytes(written(rows.tobytes(), width, height, pieces))
    assert read_plain_png(path) is not None
    assert_same(path)


EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"  # turned by 90 degrees
PLAIN = {
    "grey": saved(Image.fromarray(GREY)),
    "large": saved(Image.fromarray(np.tile(GREY, (8, 9)))),  # more than one stored block
    "palette": saved(Image.fromarray(GREY).convert("P", palette=Image.Palette.ADAPTIVE)),
    "resolution": saved(Image.fromarray(GREY), dpi=(90, 90)),
}
NOT_PLAIN = {
    "1 bit": saved(Image.fromarray(GREY > 99)),
    "16 bit": saved(Image.fromarray(GREY.astype(np.uint16) * 200)),
    "colour": saved(Image.fromarray(np.stack([GREY, GREY, GREY], axis=-1))),
    "alpha": saved(Image.fromarray(np.stack([GREY, GREY], axis=-1))),
    "transparent": saved(Image.fromarray(GREY), transparency=7),
    "exif": saved(Image.fromarray(GREY), exif=EXIF),
    "few colours": saved(Image.fromarray(GREY // 64 * 64).convert("P"), bits=2),
    "animated": saved(Image.fromarray(GREY), save_all=True, append_images=[Image.new("L", (9, 9))]),
    "jpeg": b"\xff\xd8\xff\xe0 no image",
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_plain_ones_are_read_the_quick_way(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(PLAIN[name])
    assert read_plain_png(path) is not None
    assert_same(path)


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_others_are_left_to_pillow(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(NOT_PLAIN[name])
    assert read_plain_png(path) is None
    assert_same(path)


def test_text_is_left_to_pillow(tmp_path: Path) -> None:
    told = PngImagePlugin.PngInfo()
    told.add_text("Raw profile type exif", "x")
    path = tmp_path / "x.png"
    path.write_bytes(saved(Image.fromarray(GREY), pnginfo=told))
    assert read_plain_png(path) is None


@settings(deadline=None, max_examples=300, derandomize=True)
@given(
    name=st.sampled_from(sorted(PLAIN)),
    cut=st.one_of(st.none(), st.integers(0, 400)),
    flips=st.lists(st.tuples(st.integers(0, 100_000), st.integers(1, 255)), max_size=3),
)
def test_a_damaged_file_is_what_pillow_says_it_is(
    name: str,
    cut: int | None,
    flips: list[tuple[int, int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    content = bytearray(PLAIN[name])
    for place, bits in flips:
        content[place % len(content)] ^= bits
    path = tmp_path_factory.mktemp("png") / "x.png"
    path.write_bytes(content if cut is None else content[: len(content) - cut])
    assert_same(path)


def test_a_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(written(b"\0" * 100, 60_000, 60_000))
    with pytest.raises(Unreadable, match="million pixels"):
        read_plain_png(path)
    path.write_bytes(written(b"\0" * 5_000_000, 10, 10))  # unfolds to more than it says
    assert_same(path)
    monkeypatch.setattr(png, "MOST_BYTES", 100)
    path.write_bytes(PLAIN["grey"])
    assert read_plain_png(path) is None
    assert_same(path)


def test_without_the_package_pillow_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "isal_zlib", None)
    path = tmp_path / "x.png"
    path.write_bytes(PLAIN["grey"])
    assert read_plain_png(path) is None
    np.testing.assert_array_equal(read_raster(path)[0].stored, GREY)
