"""The same picture in every mode gives the same pixels; what differs is flagged."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from vestige.images.frame import Unreadable
from vestige.images.imageset import pixel_digest
from vestige.images.readers import READERS, read_file

from .picture import grey, save

LUMA = np.array([0.299, 0.587, 0.114])


def opaque(channels: int, alpha: int = 255) -> np.ndarray[Any, Any]:
    picture = grey()
    colour = [picture] * (channels - 1)
    return np.dstack([*colour, np.full_like(picture, alpha)])


def palette(order: str) -> Image.Image:
    """The grey picture as index into a palette in natural or in shuffled order."""
    levels = np.arange(256, dtype=np.uint8)
    if order == "shuffled":
        levels = np.random.default_rng(1).permutation(levels)
    index = np.argsort(levels).astype(np.uint8)[grey()]
    image = Image.fromarray(index).convert("L")
    image.putpalette(np.repeat(levels, 3).tolist())
    assert image.mode == "P"
    return image


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp"])
def test_grey_and_equal_channels_agree(tmp_path: Path, suffix: str) -> None:
    expected = grey() / np.float32(255)
    lossless = {"lossless": True} if suffix == "webp" else {}
    paths = [save(tmp_path, f"rgb.{suffix}", np.dstack([grey()] * 3), **lossless)]
    if suffix != "webp":  # WebP has colour only
        paths.append(save(tmp_path, f"l.{suffix}", grey()))
    for path in paths:
        [frame] = read_file(path)
        np.testing.assert_array_equal(frame.pixels, expected)
        assert frame.pixels.dtype == np.float32
        assert (frame.bits, frame.flags) == (8, ())


def test_every_png_mode_shows_the_same_picture(tmp_path: Path) -> None:
    shuffled = tmp_path / "p.png"
    palette("shuffled").save(shuffled)
    clear = tmp_path / "p_clear.png"
    palette("shuffled").save(clear, transparency=bytes([255] * 256))
    key = tmp_path / "key.png"
    not_there = np.setdiff1d(np.arange(256), grey())[0]
    Image.fromarray(grey()).save(key, transparency=int(not_there))
    paths = [
        save(tmp_path, "l.png", grey()),
        save(tmp_path, "l16.png", grey().astype(np.uint16) * 257),
        save(tmp_path, "la.png", opaque(2)),
        save(tmp_path, "rgba.png", opaque(4)),
        shuffled,
        clear,
        key,
    ]
    frames = [frame for path in paths for frame in read_file(path)]
    for path, frame in zip(paths, frames, strict=True):
        np.testing.assert_array_equal(frame.pixels, frames[0].pixels, err_msg=path.name)
        assert frame.flags == (), path.name
    assert {pixel_digest(frame.stored) for frame in frames} == {pixel_digest(frames[0].stored)}
    assert [frame.bits for frame in frames] == [8, 16, 8, 8, 8, 8, 8]


def test_palette_index_is_never_taken_for_grey(tmp_path: Path) -> None:
    palette("shuffled").save(tmp_path / "p.png")
    index = np.asarray(Image.open(tmp_path / "p.png"))
    [frame] = read_file(tmp_path / "p.png")
    assert frame.mode == "P"
    assert np.abs(frame.pixels - index / 255).max() > 0.1


def test_colour_becomes_luma_and_is_flagged(tmp_path: Path) -> None:
    rgb = np.dstack([grey(seed=k) for k in range(3)])
    colours = np.random.default_rng(5).integers(0, 256, (256, 3))
    image = Image.fromarray(grey()).convert("L")
    image.putpalette(colours.ravel().tolist())
    image.save(tmp_path / "p.png")
    [plain] = read_file(save(tmp_path, "rgb.png", rgb))
    [table] = read_file(tmp_path / "p.png")
    assert plain.flags == table.flags == ("colour",)
    np.testing.assert_allclose(plain.pixels, rgb @ LUMA / 255, atol=1e-6)
    np.testing.assert_allclose(table.pixels, colours[grey()] @ LUMA / 255, atol=1e-6)
    # more than 8 bits of grey: nothing was rounded on the way
    assert np.abs(plain.pixels * 255 - np.rint(plain.pixels * 255)).max() > 0.3


@pytest.mark.parametrize("channels", [2, 4])
def test_transparency_is_composited_over_black(tmp_path: Path, channels: int) -> None:
    [frame] = read_file(save(tmp_path, "a.png", opaque(channels, alpha=51)))
    np.testing.assert_allclose(frame.pixels, grey() / 255 * 0.2, atol=1e-6)
    assert frame.flags == ("transparent",)


def test_a_transparent_level_is_black(tmp_path: Path) -> None:
    for name, levels in (("l.png", grey()), ("l16.png", grey().astype(np.uint16) * 257)):
        Image.fromarray(levels).save(tmp_path / name, transparency=int(levels[3, 3]))
        [frame] = read_file(tmp_path / name)
        assert frame.flags == ("transparent",)
        expected = np.where(levels == levels[3, 3], 0, grey()) / np.float32(255)
        np.testing.assert_array_equal(frame.pixels, expected)


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    bits = grey() > 128
    for name in ("1.png", "1.bmp", "1.tiff"):
        [frame] = read_file(save(tmp_path, name, bits))
        np.testing.assert_array_equal(frame.pixels, bits.astype(np.float32))
    assert read_file(tmp_path / "1.png")[0].bits == 1


def test_sixteen_bits_are_kept_and_twelve_are_asked_for(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    full = rng.integers(0, 65536, (8, 9), dtype=np.uint16)
    full[0, 0] = 65535
    for name in ("full.png", "full.tiff"):
        [frame] = read_file(save(tmp_path, name, full))
        np.testing.assert_array_equal(frame.pixels, full / np.float32(65535))
        assert frame.flags == ()
    [dark] = read_file(save(tmp_path, "dark.png", full >> 4))
    np.testing.assert_array_equal(dark.pixels, (full >> 4) / np.float32(65535))
    assert dark.flags == ("12 of 16 bits used?",)


def test_sixteen_bits_over_257_equal_eight_bits_to_one_level(tmp_path: Path) -> None:
    deep = np.random.default_rng(3).integers(0, 65536, (16, 16), dtype=np.uint16)
    eight = save(tmp_path, "8.png", np.rint(deep / 257).astype(np.uint8))
    sixteen = save(tmp_path, "16.png", deep)
    gap = read_file(eight)[0].pixels - read_file(sixteen)[0].pixels
    assert np.abs(gap).max() <= 1 / 255


def test_sixteen_bit_colour_png_says_what_is_lost(tmp_path: Path) -> None:
    # Pillow cannot write it, so the file is made by hand
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in np.full((4, 4, 3), 40000))
    body = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0))
    body += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    [frame] = read_file(tmp_path / "deep.png")
    assert frame.flags == ("16-bit colour cut to 8",)
    assert frame.pixels[0, 0] == pytest.approx(40000 / 65535, abs=1 / 255)


def test_jpeg_grey_colour_and_cmyk(tmp_path: Path) -> None:
    smooth = np.tile(np.linspace(0, 255, 64), (64, 1)).round().astype(np.uint8)
    [plain] = read_file(save(tmp_path, "l.jpg", smooth, quality=100))
    assert np.abs(plain.pixels - smooth / 255).max() < 0.02
    [equal] = read_file(save(tmp_path, "rgb.jpeg", np.dstack([smooth] * 3), quality=100))
    assert equal.flags == ()
    Image.fromarray(np.dstack([smooth] * 3)).convert("CMYK").save(tmp_path / "c.jpg", quality=100)
    [cmyk] = read_file(tmp_path / "c.jpg")
    assert "cmyk" in cmyk.flags
    assert np.abs(cmyk.pixels - smooth / 255).max() < 0.05


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.tiff", "lzw.tiff"])
def test_orientation_is_applied_as_pillow_applies_it(tmp_path: Path, tag: int, name: str) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = tag
    options = {"compression": "tiff_lzw"} if "lzw" in name else {}
    upright = Image.new("L", (20, 24))
    upright.putdata(grey().ravel().tolist())
    upright.save(tmp_path / "ref.png", exif=exif)
    upright.save(tmp_path / name, exif=exif, **options)
    with Image.open(tmp_path / "ref.png") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    [frame] = read_file(tmp_path / name)
    np.testing.assert_array_equal(frame.pixels, expected / np.float32(255))


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_every_frame_of_an_animation_is_an_image(tmp_path: Path, name: str) -> None:
    pictures = [np.dstack([grey(seed=k)] * 3) for k in range(3)]
    first, *others = map(Image.fromarray, pictures)
    first.save(tmp_path / name, save_all=True, append_images=others, lossless=True)
    frames = read_file(tmp_path / name)
    assert len(frames) == 3
    for frame, picture in zip(frames, pictures, strict=True):
        np.testing.assert_array_equal(frame.pixels, picture[..., 0] / np.float32(255))


class TestTiff:
    """Cases that only TIFF has."""

    def read(self, path: Path, values: np.ndarray[Any, Any], **options: Any) -> Any:
        tifffile.imwrite(path, values, **options)
        return read_file(path)

    def test_pages_and_stacks(self, tmp_path: Path) -> None:
        stack = np.stack([grey(seed=k) for k in range(5)])
        one_page = {"imagej": True}
        for options in ({}, {"photometric": "minisblack"}, one_page, {"compression": "zlib"}):
            frames = self.read(tmp_path / "s.tif", stack, **options)
            got = np.stack([frame.pixels for frame in frames])
            np.testing.assert_array_equal(got, stack / np.float32(255), err_msg=str(options))

    def test_stack_behind_one_page(self, tmp_path: Path) -> None:
        stack = np.stack([grey(seed=k) for k in range(5)])
        frames = self.read(tmp_path / "s.tif", stack, metadata={"axes": "ZYX"}, truncate=True)
        np.testing.assert_array_equal(np.stack([f.stored for f in frames]), stack)

    def test_white_is_zero_and_palette_and_planes(self, tmp_path: Path) -> None:
        [frame] = self.read(tmp_path / "w.tif", 255 - grey(), photometric="miniswhite")
        np.testing.assert_array_equal(frame.stored, grey())
        table = np.random.default_rng(0).permutation(256).astype(np.uint16)
        index = np.argsort(table).astype(np.uint8)[grey()]
        [frame] = self.read(
            tmp_path / "p.tif", index, photometric="palette", colormap=np.stack([table * 257] * 3)
        )
        np.testing.assert_array_equal(frame.stored, grey())
        planes = np.stack([grey()] * 3)
        [frame] = self.read(tmp_path / "s.tif", planes, photometric="rgb", planarconfig="separate")
        np.testing.assert_array_equal(frame.stored, grey())

    def test_sixteen_bit_colour_is_kept(self, tmp_path: Path) -> None:
        rgb = np.random.default_rng(4).integers(0, 65536, (6, 7, 3), dtype=np.uint16)
        [frame] = self.read(tmp_path / "c.tif", rgb, photometric="rgb")
        np.testing.assert_allclose(frame.pixels, rgb @ LUMA / 65535, atol=1e-6)
        assert (frame.bits, frame.flags) == (16, ("colour",))

    def test_lzw_needs_no_further_package(self, tmp_path: Path) -> None:
        for levels in (grey(), grey().astype(np.uint16) * 257):
            [frame] = read_file(save(tmp_path, "z.tif", levels, compression="tiff_lzw"))
            np.testing.assert_array_equal(frame.pixels, grey() / np.float32(255))

    def test_float_must_lie_in_0_to_1(self, tmp_path: Path) -> None:
        values = (grey() / 255).astype(np.float32)
        [frame] = self.read(tmp_path / "f.tif", values)
        np.testing.assert_array_equal(frame.pixels, values)
        with pytest.raises(Unreadable, match=r"float values from 0 to 255.*Rescale"):
            self.read(tmp_path / "f.tif", grey().astype(np.float32))
        with pytest.raises(Unreadable, match="not finite"):
            self.read(tmp_path / "f.tif", np.full((4, 4), np.nan, np.float32))

    def test_signed_levels_have_no_known_range(self, tmp_path: Path) -> None:
        with pytest.raises(Unreadable, match="int16 values"):
            self.read(tmp_path / "h.tif", grey().astype(np.int16) - 100)

    def test_a_truncated_file_is_not_filled_with_black(self, tmp_path: Path) -> None:
        for options in ({}, {"compression": "zlib"}, {"rowsperstrip": 4}):
            tifffile.imwrite(tmp_path / "t.tif", grey(64, 64), metadata=None, **options)
            whole = (tmp_path / "t.tif").read_bytes()
            (tmp_path / "t.tif").write_bytes(whole[:-100])
            with pytest.raises(Unreadable, match="truncated"):
                read_file(tmp_path / "t.tif")

    def test_a_strip_without_data_is_not_black(self, tmp_path: Path) -> None:
        path = tmp_path / "t.tif"
        tifffile.imwrite(path, grey(64, 64), metadata=None, rowsperstrip=16, compression="zlib")
        with tifffile.TiffFile(path, mode="r+b") as tif:
            for tag in (273, 279):  # offsets, byte counts
                values = tif.pages[0].tags[tag].value
                tif.pages[0].tags[tag].overwrite([*values[:-1], 0])
        with pytest.raises(Unreadable, match="missing"):
            read_file(path)


def test_every_format_has_a_summary_and_a_reader() -> None:
    for choice in READERS.values():
        assert choice.summary
        assert callable(choice.factory())
