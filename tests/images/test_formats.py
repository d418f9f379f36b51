"""Files by their content: DICOM in every dress, pairs, several pictures, arrays, odd TIFF."""

import io
import struct
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

import hostile
from vestige.images.flags import (
    COLOUR,
    FIRST_PICTURE,
    MINUS_ONE_TO_ONE,
    MOSAIC,
    NO_PHOTOMETRIC,
    NOT_SQUARE,
    ROUNDED,
    TRANSPARENT,
)
from vestige.images.frame import Unreadable
from vestige.images.listing import listed, peek_size
from vestige.images.readers import read_file
from vestige.images.reading import read_images
from vestige.images.unread import Ledger
from vestige.registry.entries import InputError

from .picture import dicom, grey, save

MR = {"Modality": "MR", "BitsStored": 12, "HighBit": 11}
LEVELS = np.random.default_rng(3).integers(0, 4096, (12, 10)).astype(np.uint16)
RGB = np.random.default_rng(4).integers(0, 256, (20, 24, 3)).astype(np.uint8)
LUMA = RGB @ (0.299, 0.587, 0.114) / 255


def only(path: Path) -> Any:
    [frame] = read_file(path)
    return frame


class TestDicom:
    """One file in several dresses."""

    @pytest.mark.parametrize("name", ["a.dcm", "IM0001", "a.png"])
    @pytest.mark.parametrize(
        "form", ["explicit", "implicit", "big endian", "no syntax", "tiff preamble"]
    )
    def test_dresses(self, tmp_path: Path, name: str, form: str) -> None:
        path = dicom(tmp_path / name, LEVELS, **MR)
        expected = only(path).pixels
        if form == "explicit":
            path.write_bytes(self.bare(path.read_bytes()))
        elif form == "implicit":
            dataset = dcmread(path)
            dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
            dataset.save_as(path, implicit_vr=True)
            path.write_bytes(self.bare(path.read_bytes()))
        elif form == "big endian":
            old, dataset = dcmread(path), Dataset()
            dataset.update(old)
            dataset.file_meta = old.file_meta
            dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
            dataset.PixelData = LEVELS.astype(">u2").tobytes()
            dataset.save_as(path, enforce_file_format=True)
            path.write_bytes(self.bare(path.read_bytes()))
        elif form == "no syntax":
            dataset = dcmread(path)
            del dataset.file_meta.TransferSyntaxUID
            dataset.save_as(path, implicit_vr=False, little_endian=True, enforce_file_format=False)
        else:
            path.write_bytes(b"II*\0\x08\0\0\0" + path.read_bytes()[8:])
        np.testing.assert_array_equal(only(path).pixels, expected)

    @staticmethod
    def bare(content: bytes) -> bytes:
        """Without preamble and meta group."""
        (size,) = struct.unpack_from("<I", content, 140)
        return content[144 + size :]

    @pytest.mark.parametrize(
        ("tags", "flags"),
        [
            ({"PixelSpacing": [0.5, 0.5]}, ()),
            ({"PixelSpacing": [0.5, 0.501]}, ()),
            ({"PixelSpacing": [0.5, 1]}, (NOT_SQUARE,)),
            ({"ImagerPixelSpacing": [0.2, 0.1]}, (NOT_SQUARE,)),
            ({"PixelAspectRatio": ["1", "2"]}, (NOT_SQUARE,)),
            ({"PixelSpacing": [0, 1]}, ()),
            ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}, (MOSAIC,)),
        ],
    )
    def test_an_odd_grid_is_flagged(self, tmp_path: Path, tags: Any, flags: Any) -> None:
        path = dicom(tmp_path / "a.dcm", LEVELS, **MR, **tags)
        assert only(path).flags == flags
        images = read_images(tmp_path, role="used", size=8)
        assert len(images.problems) == len(flags)

    def test_a_cut_file_is_called_truncated(self, tmp_path: Path) -> None:
        path = dicom(tmp_path / "a", LEVELS, **MR)
        path.write_bytes(b"II*\0\x08\0\0\0" + path.read_bytes()[8:-50])
        with pytest.raises(Unreadable, match="truncated"):
            read_file(path)


@pytest.mark.parametrize("suffix", ["pgm", "gif", "jp2", "bmp"])
@pytest.mark.parametrize("named", [True, False])
def test_formats_of_pillow(tmp_path: Path, suffix: str, named: bool) -> None:
    options = {"irreversible": False} if suffix == "jp2" else {}
    path = save(tmp_path, f"a.{suffix}", grey(), **options)
    if not named:
        path = path.rename(tmp_path / "a")
    np.testing.assert_array_equal(only(path).pixels, grey() / np.float32(255))
    assert peek_size([path]) == 24


def test_pgm_of_12_bits(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(b"P5\n10 12\n4095\n" + LEVELS.astype(">u2").tobytes())
    np.testing.assert_allclose(only(tmp_path / "a.pgm").pixels, LEVELS / 4095, atol=1e-4)


def test_a_pair_of_header_and_voxels_is_one_file(tmp_path: Path) -> None:
    volume = np.random.default_rng(0).integers(0, 256, (7, 6, 5)).astype(np.uint8)
    nib.save(nib.Nifti1Image(volume, np.eye(4)), tmp_path / "one.nii")
    expected = [frame.pixels for frame in read_file(tmp_path / "one.nii")]
    (tmp_path / "one.nii").unlink()
    nib.save(nib.Nifti1Pair(volume, np.eye(4)), tmp_path / "a.img")
    got = [frame.pixels for frame in read_file(tmp_path / "a.hdr")]
    np.testing.assert_array_equal(got, expected)
    images = read_images(tmp_path, role="used", size=8)
    assert (len(images), images.files) == (
        5,
        Ledger(1, ignored=(("part of another file", 1),)),
    )
    assert images.problems == ()
    (tmp_path / "a.img").unlink()
    with pytest.raises(Unreadable, match=r"a.img or a.img.gz is read, which is not beside it"):
        read_file(tmp_path / "a.hdr")


@pytest.mark.parametrize("lost", [False, True])
def test_the_first_of_several_pictures_of_a_jpeg(tmp_path: Path, lost: bool) -> None:
    big, small = Image.fromarray(grey(64, 64)), Image.fromarray(grey(16, 16, seed=1))
    big.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[small])
    content = (tmp_path / "a.jpg").read_bytes()
    if lost:
        (tmp_path / "a.jpg").write_bytes(content[: content.index(b"\xff\xd9") + 2])
    plain = io.BytesIO()
    big.save(plain, "JPEG")
    (tmp_path / "b.jpg").write_bytes(plain.getvalue())
    frame = only(tmp_path / "a.jpg")
    np.testing.assert_array_equal(frame.pixels, only(tmp_path / "b.jpg").pixels)
    assert frame.flags == (FIRST_PICTURE,)


class TestArrays:
    """Axes and ranges."""

    @pytest.mark.parametrize(
        ("shape", "count", "size"),
        [
            ((20, 24), 1, (20, 24)),
            ((20, 24, 1), 1, (20, 24)),
            ((1, 20, 24), 1, (20, 24)),
            ((5, 20, 24), 5, (20, 24)),
            ((5, 20, 24, 1), 5, (20, 24)),
            ((5, 1, 20, 24), 5, (20, 24)),
            ((3, 20, 24), 3, (20, 24)),
        ],
    )
    def test_grey(self, tmp_path: Path, shape: Any, count: int, size: Any) -> None:
        values = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        np.save(tmp_path / "a.npy", values)
        frames = read_file(tmp_path / "a.npy")
        got = np.stack([frame.stored for frame in frames])
        np.testing.assert_array_equal(got, values.reshape(count, *size))

    @pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32, np.float64])
    @pytest.mark.parametrize("form", ["h w c", "n h w c", "n c h w", "n h w alpha"])
    def test_colour(self, tmp_path: Path, kind: Any, form: str) -> None:
        full = {np.uint8: 255, np.uint16: 65535}.get(kind, 1)
        one = (RGB.astype(np.float64) / 255 * full).astype(kind)
        opaque = np.full((*one.shape[:2], 1), full, kind)
        values = {
            "h w c": one,
            "n h w c": one[None],
            "n c h w": np.moveaxis(one, 2, 0)[None],
            "n h w alpha": np.concatenate([one, opaque], axis=2)[None],
        }[form]
        np.save(tmp_path / "a.npy", values)
        frame = only(tmp_path / "a.npy")
        np.testing.assert_allclose(frame.pixels, LUMA, atol=1e-4)
        assert frame.flags == (COLOUR,)
        images = read_images(values, role="used", size=8)
        np.testing.assert_allclose(images.original(0), LUMA, atol=1e-4)

    def test_rounding_is_cut_off(self, tmp_path: Path) -> None:
        values = np.linspace(0, np.nextafter(np.float32(1), np.float32(2)), 64, dtype=np.float32)
        np.save(tmp_path / "a.npy", values.reshape(8, 8))
        frame = only(tmp_path / "a.npy")
        np.testing.assert_array_equal(frame.pixels.ravel(), np.minimum(values, 1))
        assert frame.flags == (ROUNDED,)

    def test_minus_one_to_one_is_one_rule_for_the_array(self, tmp_path: Path) -> None:
        values = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8)).astype(np.float32)
        values[0] = np.abs(values[0])  # alone, it would be taken for 0..1
        np.save(tmp_path / "a.npy", values)
        frames = read_file(tmp_path / "a.npy")
        np.testing.assert_allclose([f.pixels for f in frames], (values + 1) / 2, atol=1e-6)
        assert {frame.flags for frame in frames} == {(MINUS_ONE_TO_ONE,)}
        images = read_images(values, role="used", size=8)
        np.testing.assert_allclose(images.original(0), (values[0] + 1) / 2, atol=1e-6)

    def test_an_array_of_an_archive_is_named(self, tmp_path: Path) -> None:
        images = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 3)).astype(np.uint8)
        labels = np.zeros((6, 1))
        np.savez(
            tmp_path / "m.npz", train_images=images, train_labels=labels, val_images=images[:2]
        )
        with pytest.raises(Unreadable, match=r"m\.npz::train_images"):
            read_file(tmp_path / "m.npz")
        got = read_images(f"{tmp_path}/m.npz::val_images", role="used", size=8)
        np.testing.assert_array_equal(got.pixels, read_images(images[:2], role="x", size=8).pixels)
        with pytest.raises(InputError, match=r"holds no array 'test'; it holds train_images"):
            listed(f"{tmp_path}/m.npz::test")
        with pytest.raises(InputError, match="no such file"):
            listed(f"{tmp_path}/n.npz::test")

    def test_lists_of_pillow_images(self) -> None:
        pictures = [Image.fromarray(grey(seed=k)) for k in range(4)]
        got = read_images(pictures, role="used", size=8)  # type: ignore[arg-type]
        stack = np.stack([grey(seed=k) for k in range(4)])
        np.testing.assert_array_equal(got.pixels, read_images(stack, role="x", size=8).pixels)
        ragged = read_images([*pictures, Image.fromarray(grey(9, 9))], role="used", size=8)
        np.testing.assert_array_equal(ragged.pixels[:4], got.pixels)
        alone = read_images(grey(9, 9)[None], role="used", size=8)
        np.testing.assert_array_equal(ragged.pixels[4:], alone.pixels)


class TestTiff:
    """Tags that are missing, odd or easy to overlook."""

    def plain(self, path: Path, *without: int) -> Path:
        entries = [
            *((256, 3, 24), (257, 3, 20), (258, 3, 8), (259, 3, 1), (262, 3, 1)),
            *((273, 4, 0), (277, 3, 1), (279, 4, 480)),
        ]
        entries = [entry for entry in entries if entry[0] not in without]
        start = 8 + 2 + 12 * len(entries) + 4
        body = struct.pack("<H", len(entries))
        for tag, kind, value in entries:
            body += struct.pack("<HHII", tag, kind, 1, start if tag == 273 else value)
        path.write_bytes(b"II*\0\x08\0\0\0" + body + bytes(4) + grey(20, 24).tobytes())
        return path

    @pytest.mark.parametrize(("tag", "flags"), [(259, ()), (262, (NO_PHOTOMETRIC,)), (277, ())])
    def test_missing_tags(self, tmp_path: Path, tag: int, flags: tuple[str, ...]) -> None:
        frame = only(self.plain(tmp_path / "a.tif", tag))
        np.testing.assert_array_equal(frame.pixels, grey(20, 24) / np.float32(255))
        assert frame.flags == flags

    @pytest.mark.parametrize("kind", ["associated", "unassociated"])
    def test_alpha_is_applied_once(self, tmp_path: Path, kind: str) -> None:
        alpha = np.full((20, 24, 1), 128, np.uint8)
        colours = RGB if kind == "unassociated" else RGB // 2
        tifffile.imwrite(
            tmp_path / "a.tif",
            np.concatenate([colours, alpha], axis=2),
            photometric="rgb",
            extrasamples=["assocalpha" if kind == "associated" else "unassalpha"],
        )
        frame = only(tmp_path / "a.tif")
        np.testing.assert_allclose(frame.pixels, LUMA / 2, atol=0.005)
        assert set(frame.flags) == {COLOUR, TRANSPARENT}

    def test_12_packed_bits(self, tmp_path: Path) -> None:
        low, high = LEVELS.ravel()[::2].astype(int), LEVELS.ravel()[1::2].astype(int)
        packed = np.stack([low >> 4, (low & 15) << 4 | high >> 8, high & 255], axis=1)
        entries = [
            *((256, 3, 10), (257, 3, 12), (258, 3, 12), (259, 3, 1), (262, 3, 1)),
            *((273, 4, 110), (277, 3, 1), (279, 4, 180)),
        ]
        body = struct.pack("<H", len(entries))
        body += b"".join(struct.pack("<HHII", tag, kind, 1, v) for tag, kind, v in entries)
        content = b"II*\0\x08\0\0\0" + body + bytes(4)
        assert len(content) == 110
        (tmp_path / "a.tif").write_bytes(content + packed.astype(np.uint8).tobytes())
        frame = only(tmp_path / "a.tif")
        np.testing.assert_allclose(frame.pixels, LEVELS / 4095, atol=1e-6)
        assert (frame.bits, frame.flags) == (12, ())

    def test_a_palette_of_8_bit_entries(self, tmp_path: Path) -> None:
        colours = np.random.default_rng(5).integers(0, 256, (3, 256)).astype(np.uint16)
        tifffile.imwrite(tmp_path / "a.tif", grey(), photometric="palette", colormap=colours)
        luma = (0.299, 0.587, 0.114) @ (colours / 255)
        np.testing.assert_allclose(only(tmp_path / "a.tif").pixels, luma[grey()], atol=1e-6)

    def test_signed_levels_are_refused(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", grey().astype(np.int8))
        with pytest.raises(Unreadable, match="int8 values, whose range is not known"):
            read_file(tmp_path / "a.tif")


def test_a_palette_in_segments(tmp_path: Path) -> None:
    # 0, then a line to 25500, then a list; the first two come again
    path = tmp_path / "a.dcm"
    path.write_bytes(
        hostile.dicom_of_segments((0, 1, 0), (1, 100, 25500), (0, 2, 7, 9), (2, 2, 0, 0))
    )
    table = [0, *range(255, 25501, 255), 7, 9, 0, *range(255, 25501, 255)]
    expected = np.array(table)[np.minimum(hostile.picture(8, 8), len(table) - 1)] / 65535
    np.testing.assert_allclose(only(path).pixels, expected, atol=0.001)


@pytest.mark.parametrize(("bits", "dtype"), [(4, np.uint8), (12, np.uint16), (16, np.uint16)])
def test_jpeg_2000_of_any_bits_is_white_at_its_highest_level(
    tmp_path: Path, bits: int, dtype: type
) -> None:
    openjpeg = pytest.importorskip("openjpeg.utils")
    levels = np.random.default_rng(0).integers(0, 2**bits, (40, 32)).astype(dtype)
    levels[0, 0], levels[-1, -1] = 0, 2**bits - 1
    stream = openjpeg.encode_array(levels, bits_stored=bits, photometric_interpretation=2)
    (tmp_path / "a.j2k").write_bytes(stream)
    [frame] = read_file(tmp_path / "a.j2k")
    np.testing.assert_allclose(frame.pixels, levels / (2**bits - 1), atol=1e-6)
    assert (frame.bits, frame.flags) == (bits, ())


def test_numbers_of_the_decoder_are_not_taken_for_bits(tmp_path: Path) -> None:
    levels = np.stack([grey(), grey(seed=1), grey(seed=2)], axis=-1)
    path = save(tmp_path, "a.jp2", levels, irreversible=False)
    with open(path, "ab") as file:  # Pillow keeps the length of the file beside the format
        file.write(bytes(16000 - path.stat().st_size))
    assert read_file(path)[0].flags == (COLOUR,)


def test_jpeg_2000_with_alpha_of_few_bits_is_refused(tmp_path: Path) -> None:
    openjpeg = pytest.importorskip("openjpeg.utils")
    levels = np.full((40, 32, 4), 15, np.uint8)  # opaque, which Pillow gives as 240 of 255
    levels[::2, :, :3] = 3
    stream = openjpeg.encode_array(levels, bits_stored=4, photometric_interpretation=0)
    (tmp_path / "a.j2k").write_bytes(stream)
    with pytest.raises(Unreadable, match="colour or alpha of 4 bits"):
        read_file(tmp_path / "a.j2k")


def test_jpeg_2000_colours_of_more_than_8_bits_are_refused(tmp_path: Path) -> None:
    openjpeg = pytest.importorskip("openjpeg.utils")
    levels = np.full((40, 32, 3), 1023, np.uint16)  # white, which Pillow gives as black
    levels[::2] = 500
    stream = openjpeg.encode_array(levels, bits_stored=10, photometric_interpretation=1)
    (tmp_path / "a.j2k").write_bytes(stream)
    with pytest.raises(Unreadable, match="colour or alpha of 10 bits.*; save with 8 bits"):
        read_file(tmp_path / "a.j2k")
