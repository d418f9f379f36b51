"""Folders and arrays read in colour: every coding of one picture, the choice, transparency."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from vestige.images.choosing import choose_kind
from vestige.images.flags import COLOUR, TRANSPARENT
from vestige.images.kinds import luma_of
from vestige.images.listing import listed
from vestige.images.preprocess import to_working
from vestige.images.reading import Wanted, read_images
from vestige.registry.entries import InputError

SIDE = 24
IN_COLOUR = Wanted(kind="colour")


def _picture(seed: int, side: int = SIDE) -> np.ndarray:
    """Smooth colours, uint8 [side, side, 3]."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC))


def _pngs(folder: Path, pictures: list[np.ndarray]) -> Path:
    folder.mkdir()
    for k, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{k:03d}.png")
    return folder


def _dicom(path: Path, picture: np.ndarray) -> None:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["a"])
    file = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = meta.MediaStorageSOPClassUID, generate_uid()
    file.Rows, file.Columns = picture.shape[:2]
    file.SamplesPerPixel, file.PhotometricInterpretation = 3, "RGB"
    file.PlanarConfiguration, file.PixelRepresentation = 0, 0
    file.BitsAllocated = file.BitsStored = 8
    file.HighBit, file.PixelData = 7, picture.tobytes()
    file.save_as(path)


CODINGS = {
    "a.png": lambda path, x: Image.fromarray(x).save(path),
    "a.bmp": lambda path, x: Image.fromarray(x).save(path),
    "a.ppm": lambda path, x: Image.fromarray(x).save(path),
    "a.webp": lambda path, x: Image.fromarray(x).save(path, lossless=True),
    "a.jp2": lambda path, x: Image.fromarray(x).save(path, irreversible=False),
    "a.tif": lambda path, x: tifffile.imwrite(path, x, photometric="rgb"),
    "planar.tif": lambda path, x: tifffile.imwrite(
        path, np.moveaxis(x, 2, 0), photometric="rgb", planarconfig="separate"
    ),
    "deep.tif": lambda path, x: tifffile.imwrite(path, x * np.uint16(257), photometric="rgb"),
    "a.npy": lambda path, x: np.save(path, x[None]),
    "float.npy": lambda path, x: np.save(path, (x / 255).astype(np.float32)[None]),
    "a.npz": lambda path, x: np.savez(path, images=x[None]),
    "a.dcm": _dicom,
}


@pytest.mark.parametrize("name", CODINGS)
def test_every_coding_of_one_colour_picture_gives_its_colours(tmp_path: Path, name: str) -> None:
    picture = _picture(0)
    CODINGS[name](tmp_path / name, picture)
    images = read_images(tmp_path / name, role="used", size=SIDE, wanted=IN_COLOUR)
    assert images.kind == "colour"
    np.testing.assert_allclose(images.pixels[0], picture / 255, atol=1e-6)
    np.testing.assert_allclose(images.original(0), picture / 255, atol=1e-6)
    [array] = read_images(picture[None], role="used", size=SIDE, wanted=IN_COLOUR).sha256
    assert images.sha256 == (array,)
    assert COLOUR not in images.flags[0]


def test_luma_of_colour_is_what_is_read_as_grey(tmp_path: Path) -> None:
    folder = _pngs(tmp_path / "used", [_picture(k) for k in range(3)])
    colour = read_images(folder, role="used", size=SIDE, wanted=IN_COLOUR)
    grey = read_images(folder, role="used", size=SIDE)
    np.testing.assert_allclose(luma_of(colour.pixels), grey.pixels, atol=1e-6)
    assert grey.flags[0] == (COLOUR,)
    assert colour.records[0].statistics == grey.records[0].statistics


@pytest.mark.parametrize("side", [48, 33])
def test_each_channel_is_brought_to_the_working_size_alike(side: int) -> None:
    picture = _picture(1, side)[:, : side - 5]
    images = read_images(picture[None], role="used", size=16, wanted=IN_COLOUR)
    channels = [to_working(np.ascontiguousarray(picture[:, :, k]), 16) for k in range(3)]
    np.testing.assert_array_equal(images.pixels[0], np.stack(channels, axis=2))


def test_grey_files_among_colour_have_equal_channels(tmp_path: Path) -> None:
    folder = _pngs(tmp_path / "used", [_picture(0), _picture(1)[:, :, 0]])
    images = read_images(folder, role="used", size=SIDE, wanted=IN_COLOUR)
    grey = images.pixels[1]
    assert (grey == grey[:, :, :1]).all()
    np.testing.assert_array_equal(grey[:, :, 0], _picture(1)[:, :, 0] / np.float32(255))


def test_a_turned_photograph_keeps_its_colours(tmp_path: Path) -> None:
    picture = _picture(2)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture).save(tmp_path / "a.png", exif=exif.tobytes())
    images = read_images(tmp_path / "a.png", role="used", size=SIDE, wanted=IN_COLOUR)
    np.testing.assert_allclose(images.pixels[0], np.rot90(picture, -1) / 255, atol=1e-6)


def test_transparent_images_lie_on_the_background(tmp_path: Path) -> None:
    picture = _picture(3)
    alpha = np.linspace(0, 255, SIDE, dtype=np.uint8)[None].repeat(SIDE, axis=0)
    Image.fromarray(np.dstack([picture, alpha])).save(tmp_path / "a.png")
    wanted = replace(IN_COLOUR, background=(1.0, 0.5, 0.0))
    images = read_images(tmp_path / "a.png", role="used", size=SIDE, wanted=wanted)
    share = (alpha / 255)[:, :, None]
    expected = picture / 255 * share + np.array([1, 0.5, 0]) * (1 - share)
    np.testing.assert_allclose(images.pixels[0], expected, atol=1e-6)
    assert TRANSPARENT in images.flags[0]
    np.testing.assert_allclose(images.original(0), expected, atol=1e-6)
    assert any("background" in row.what or "edges" in row.what for row in images.problems)


def test_the_background_is_the_most_frequent_colour_at_the_edges_of_the_reals() -> None:
    framed = np.stack([_picture(k) for k in range(6)])
    framed[:, :3], framed[:, -3:], framed[:, :, :3], framed[:, :, -3:] = [[240, 10, 30]] * 4
    made = np.stack([_picture(k) for k in range(6, 12)])
    chosen = choose_kind({"generated": made, "used": framed})
    assert chosen.kind == "colour"
    np.testing.assert_allclose(chosen.background, np.array([240, 10, 30]) / 255, atol=1 / 60)


COLOUR_SET = np.stack([_picture(k) for k in range(8)])
GREY_SET = COLOUR_SET[:, :, :, 0]
TINTED_SET = np.clip(GREY_SET[..., None].astype(int) + [-1, 0, 1], 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("generated", "used", "unused", "kind"),
    [
        (COLOUR_SET, COLOUR_SET, COLOUR_SET, "colour"),
        (GREY_SET, GREY_SET, GREY_SET, "grey"),
        (TINTED_SET, TINTED_SET, TINTED_SET, "grey"),
        (COLOUR_SET, GREY_SET, GREY_SET, "grey"),
        (COLOUR_SET, COLOUR_SET, GREY_SET, "colour"),
        (GREY_SET, COLOUR_SET, GREY_SET, "grey"),
    ],
    ids=["colour", "grey", "tints of JPEG", "only generated", "used and generated", "only used"],
)
def test_colour_is_compared_where_both_sides_have_it(
    generated: np.ndarray, used: np.ndarray, unused: np.ndarray, kind: str
) -> None:
    chosen = choose_kind({"generated": generated, "used": used, "unused": unused})
    assert chosen.kind == kind
    coloured = [any(x is y for y in (COLOUR_SET,)) for x in (generated, used, unused)]
    assert bool(chosen.problems) == (0 < sum(coloured) < 3)


def test_grey_generated_images_beside_colour_reals_are_refused_with_the_remedy() -> None:
    sources = {"generated": GREY_SET, "used": COLOUR_SET, "unused": COLOUR_SET}
    with pytest.raises(InputError, match="colour=grey"):
        choose_kind(sources)
    assert choose_kind(sources, "grey").kind == "grey"
    chosen = choose_kind(sources, "rgb")
    assert chosen.kind == "colour"
    assert [row.path for row in chosen.problems] == ["generated"]
    assert "are grey, real ones are in colour" in chosen.problems[0].what
    assert choose_kind({**sources, "generated": COLOUR_SET}, "rgb").problems == ()


def test_generated_files_that_cannot_be_read_are_not_called_grey(tmp_path: Path) -> None:
    np.save(tmp_path / "two.npy", np.zeros((8, 32, 32, 2), np.uint8))
    sources = {"generated": listed(tmp_path / "two.npy"), "used": COLOUR_SET}
    assert choose_kind(sources).kind == "grey"
    with pytest.raises(InputError, match="two.npy has shape|no readable image"):
        read_images(tmp_path / "two.npy", role="generated", size=16)


def test_a_set_of_mixed_channels_is_told(tmp_path: Path) -> None:
    mixed = _pngs(tmp_path / "used", [*COLOUR_SET[:6], *GREY_SET[6:]])
    chosen = choose_kind({"generated": COLOUR_SET, "used": listed(mixed)})
    assert [(row.path, row.what[:6]) for row in chosen.problems] == [("used", "6 of 8")]


def test_files_that_cannot_be_read_do_not_decide(tmp_path: Path) -> None:
    folder = _pngs(tmp_path / "used", list(COLOUR_SET))
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    assert choose_kind({"generated": COLOUR_SET, "used": listed(folder)}).kind == "colour"


@pytest.mark.parametrize("engine", ["cache", "again"])
def test_the_cache_keeps_colour_apart_from_grey(tmp_path: Path, engine: str) -> None:
    folder, cache = _pngs(tmp_path / "used", list(COLOUR_SET)), tmp_path / "cache"
    cache.mkdir(mode=0o700)
    first = [read_images(folder, role="used", size=16, cache=cache, wanted=IN_COLOUR)]
    if engine == "again":
        read_images(folder, role="used", size=16, cache=cache)
        first.append(read_images(folder, role="used", size=16, cache=cache, wanted=IN_COLOUR))
    plain = read_images(folder, role="used", size=16, wanted=IN_COLOUR)
    for images in first:
        np.testing.assert_array_equal(images.pixels, plain.pixels)
        assert images.records == plain.records


def test_jpeg_is_read_in_colour_as_pillow_shows_it(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.fromarray(_picture(5)).save(out, "JPEG", quality=80)
    (tmp_path / "a.jpg").write_bytes(out.getvalue())
    images = read_images(tmp_path / "a.jpg", role="used", size=SIDE, wanted=IN_COLOUR)
    shown = np.asarray(Image.open(io.BytesIO(out.getvalue())))
    np.testing.assert_allclose(images.pixels[0], shown / 255, atol=1e-6)


def test_colour_beside_grey_fails_the_check_of_preparation() -> None:
    import vestige

    rng = np.random.default_rng(6)
    colour = np.stack([_picture(100 + k, 32) for k in range(80)])
    noisy = np.clip(colour + rng.normal(0, 8, colour.shape), 0, 255).astype(np.uint8)
    grey = np.repeat(noisy[20:50, :, :, 1:2], 3, axis=3)
    result = vestige.audit(
        noisy[50:], noisy[:20], grey, detectors=["nearest_distance"], checks=False
    )
    assert result.manifest.kind == "colour"
    failed = {check.name for check in result.checks if check.state == "failed"}
    assert "preparation" in failed
    assert result.decision.state == "undecided"
