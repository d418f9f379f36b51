"""Volumes of every format: the picture, the scale and the order of NIfTI, and nothing from afar."""

import gzip
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform

from vestige.images.flags import NO_ORIENTATION, NOT_SQUARE
from vestige.images.frame import Unreadable
from vestige.images.readers import peek_shape, read_file
from vestige.images.reading import read_images
from vestige.images.unread import Ledger
from vestige.release.folder import copy_kept

RNG = np.random.default_rng(0)
LEVELS = RNG.integers(0, 256, (7, 6, 5)).astype(np.uint8)
MR = RNG.integers(-100, 1500, (7, 6, 5)).astype(np.int16)
CT = np.where(RNG.random((12, 12, 8)) < 0.4, -1000, 30).astype(np.int16)
CT[0, 0, 0], CT[1, 1, 1] = -850, 900
LPS = np.diag([-1.0, -1, 1])
TYPES = {"uint8": ("uchar", "MET_UCHAR", 0), "int16": ("short", "MET_SHORT", 4)}


def nrrd(path: Path, values: Any, affine: Any, coding: str = "raw", voxels: str = "") -> None:
    vectors = " ".join("(" + ",".join(map(str, column)) + ")" for column in (LPS @ affine).T)
    lines = [
        "NRRD0005",
        "# made by hand",
        f"type: {TYPES[values.dtype.name][0]}",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, values.shape))}",
        f"space directions: {vectors}",
        "kinds: domain domain domain",
        "endian: little",
        f"encoding: {coding}",
        *([f"data file: {voxels}"] if voxels else []),
        "",
        "",
    ]
    data = values.tobytes(order="F")
    data = gzip.compress(data, mtime=0) if coding == "gzip" else data
    path.write_bytes("\n".join(lines).encode() + (b"" if voxels else data))
    if voxels and not (path.parent / voxels).exists():
        (path.parent / voxels).write_bytes(data)


def meta(path: Path, values: Any, affine: Any, packed: bool = False, voxels: str = "") -> None:
    steps = np.sqrt((affine**2).sum(axis=0))
    matrix = ((LPS @ affine) / steps).T
    lines = [
        "ObjectType = Image",
        "NDims = 3",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        f"CompressedData = {packed}",
        f"TransformMatrix = {' '.join(map(str, matrix.ravel()))}",
        f"ElementSpacing = {' '.join(map(str, steps))}",
        f"DimSize = {' '.join(map(str, values.shape))}",
        f"ElementType = {TYPES[values.dtype.name][1]}",
        f"ElementDataFile = {voxels or 'LOCAL'}",
        "",
    ]
    data = values.tobytes(order="F")
    data = zlib.compress(data) if packed else data
    path.write_bytes("\n".join(lines).encode() + (b"" if voxels else data))
    if voxels and not (path.parent / voxels).exists():
        (path.parent / voxels).write_bytes(data)


def mgh(path: Path, values: Any, affine: Any, is_oriented: bool = True) -> None:
    steps = np.sqrt((affine**2).sum(axis=0))
    head = struct.pack(">7i", 1, *values.shape, 1, TYPES[values.dtype.name][2], 0)
    head += struct.pack(">h3f", int(is_oriented), *steps)
    head += struct.pack(">9f", *(affine / steps).T.ravel()) + bytes(3 * 4)
    whole = head.ljust(284, b"\0") + values.astype(values.dtype.newbyteorder(">")).tobytes("F")
    path.write_bytes(gzip.compress(whole, mtime=0) if path.suffix == ".mgz" else whole)


WRITERS: dict[str, Callable[[Path, Any, Any], Any]] = {
    "a.nrrd": nrrd,
    "gzip.nrrd": lambda path, values, affine: nrrd(path, values, affine, "gzip"),
    "apart.nhdr": lambda path, values, affine: nrrd(path, values, affine, "raw", "apart.raw"),
    "packed.nhdr": lambda p, v, a: nrrd(p, v, a, "gzip", "packed.raw.gz"),
    "a.mha": meta,
    "packed.mha": lambda path, values, affine: meta(path, values, affine, True),
    "apart.mhd": lambda path, values, affine: meta(path, values, affine, False, "apart.raw"),
    "packed.mhd": lambda path, values, affine: meta(path, values, affine, True, "packed.zraw"),
    "a.mgh": mgh,
    "a.mgz": mgh,
}


def stored(ras: Any, codes: str) -> tuple[Any, Any]:
    """A canonical volume with axes in the order of `codes`, and its affine [3, 3]."""
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    return nib.orientations.apply_orientation(ras, turn), inv_ornt_aff(turn, ras.shape)[:3, :3]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR", "SAL"])
def test_slices_and_scale_are_those_of_nifti(tmp_path: Path, name: str, codes: str) -> None:
    for ras in (LEVELS, MR, CT):
        values, affine = stored(ras, codes)
        whole = np.eye(4)
        whole[:3, :3] = affine
        nib.save(nib.Nifti1Image(values, whole), tmp_path / "same.nii")
        expected = read_file(tmp_path / "same.nii")
        for old in tmp_path.glob("*raw*"):
            old.unlink()
        WRITERS[name](tmp_path / name, values, affine)
        got = read_file(tmp_path / name)
        assert peek_shape(tmp_path / name) == got[0].stored.shape
        assert [frame.flags for frame in got] == [frame.flags for frame in expected]
        for frame, other in zip(got, expected, strict=True):
            np.testing.assert_array_equal(frame.pixels, other.pixels)


@pytest.mark.parametrize("name", WRITERS)
def test_label_maps_are_not_judged_in_any_format(tmp_path: Path, name: str) -> None:
    labels = RNG.integers(0, 4, (16, 16, 4)).astype(np.uint8)
    WRITERS[name](tmp_path / name, labels, np.eye(3))
    nib.save(nib.Nifti1Image(LEVELS, np.eye(4)), tmp_path / "good.nii")
    images = read_images(tmp_path, role="used", size=8)
    assert len(images) == 5
    assert dict(images.files.ignored)["not judged"] == 1
    assert any("label map" in problem.what for problem in images.problems)


def test_a_segmentation_says_so_in_its_header(tmp_path: Path) -> None:
    nrrd(tmp_path / "a.nrrd", LEVELS, np.eye(3))
    content = (tmp_path / "a.nrrd").read_bytes()
    begun = content.replace(b"# made by hand", b"Segment0_Name:=liver")
    (tmp_path / "a.nrrd").write_bytes(begun)
    assert {frame.flags for frame in read_file(tmp_path / "a.nrrd")} == {("segmentation",)}


@pytest.mark.parametrize("name", ["apart.nhdr", "packed.nhdr", "apart.mhd", "packed.mhd"])
def test_a_header_and_its_voxels_are_one_file(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    WRITERS[name](folder / name, LEVELS, np.eye(3))
    plain = read_images(folder, role="used", size=8)
    assert (len(plain), plain.files) == (5, Ledger(1, ignored=(("part of another file", 1),)))
    assert plain.problems == ()
    for _ in range(2):
        kept = read_images(folder, role="used", size=8, cache=tmp_path / "cache")
        np.testing.assert_array_equal(kept.pixels, plain.pixels)
        assert kept.records == plain.records
    # other voxels, the same header
    for old in folder.glob("*raw*"):
        old.unlink()
    WRITERS[name](folder / name, LEVELS[::-1].copy(), np.eye(3))
    kept = read_images(folder, role="used", size=8, cache=tmp_path / "cache")
    assert kept.sha256 == read_images(folder, role="used", size=8).sha256 != plain.sha256


@pytest.mark.parametrize("writer", [nrrd, meta])
@pytest.mark.parametrize("other", ["b.raw", "../a.raw", "/etc/hostname", "sub/a.raw", "a.raw.txt"])
def test_a_header_names_no_other_file(tmp_path: Path, writer: Any, other: str) -> None:
    path = tmp_path / ("a.nhdr" if writer is nrrd else "a.mhd")
    option = {"coding": "raw"} if writer is nrrd else {"packed": False}
    writer(path, LEVELS, np.eye(3), **option, voxels="a.raw")
    path.write_bytes(path.read_bytes().replace(b"a.raw", other.encode()))
    (tmp_path / "b.raw").write_bytes(LEVELS.tobytes())
    with pytest.raises(Unreadable, match=r"only a\.raw"):
        read_file(path)


def test_voxels_are_no_link_and_nothing_follows_them(tmp_path: Path) -> None:
    meta(tmp_path / "a.mhd", LEVELS, np.eye(3), voxels="a.raw")
    (tmp_path / "a.raw").write_bytes(LEVELS.tobytes(order="F") + b"a picture")
    with pytest.raises(Unreadable, match="more voxels"):
        read_file(tmp_path / "a.mhd")
    (tmp_path / "elsewhere").write_bytes(LEVELS.tobytes(order="F"))
    (tmp_path / "a.raw").unlink()
    os.symlink(tmp_path / "elsewhere", tmp_path / "a.raw")
    with pytest.raises(Unreadable, match="a link or no file"):
        read_file(tmp_path / "a.mhd")
    images = tmp_path / "images"
    images.mkdir()
    for name in ("a.mhd", "a.raw"):  # both are links, as in some archives
        os.symlink(tmp_path / ("elsewhere" if name == "a.raw" else name), images / name)
    assert len(read_file(images / "a.mhd")) == 5


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("a.nrrd", b"sizes: 7 6 5", b"sizes: 9000 9000 9000", "unfolds"),
        ("a.nrrd", b"dimension: 3", b"dimension: 2", "2 to 4 sides"),
        ("a.nrrd", b"encoding: raw", b"encoding: hex", "save it raw or gzip"),
        ("a.nrrd", b"kinds: domain", b"kinds: RGB-color", "one grey channel"),
        ("a.nrrd", b"type: uchar", b"type: block", "save as 8 or 16 bit"),
        ("a.nrrd", b"# made by hand", b"byte skip: -1", "skips lines or bytes"),
        ("a.mha", b"DimSize = 7 6 5", b"DimSize = 9000 9000 9000", "unfolds"),
        ("a.mha", b"DimSize = 7 6 5", b"DimSize = 7 6 x", "words where numbers belong"),
        ("a.mha", b"DimSize = 7 6 5", b"DimSize = 7 6 6", "truncated: 210 of 252"),
        ("a.mha", b"BinaryData = True", b"ElementNumberOfChannels = 3", "one grey channel"),
        ("a.mha", b"BinaryData = True", b"HeaderSize = -1", "HeaderSize"),
        ("a.mha", b"BinaryData = True", b"ElementToIntensityFunctionSlope = 2", "scale"),
        ("packed.mha", b"DimSize = 7 6 5", b"DimSize = 7 6 6", "truncated: 210 of 252"),
        ("a.mha", b"TransformMatrix = ", b"TransformMatrix = nan ", None),
    ],
)
def test_a_header_that_is_wrong_is_one_line(
    tmp_path: Path, name: str, old: bytes, new: bytes, told: str | None
) -> None:
    WRITERS[name](tmp_path / name, LEVELS, np.eye(3))
    content = (tmp_path / name).read_bytes()
    assert old in content
    (tmp_path / name).write_bytes(content.replace(old, new))
    if told is None:
        assert len(read_file(tmp_path / name)) == 5
        return
    with pytest.raises(Unreadable, match=told):
        read_file(tmp_path / name)


def test_axes_that_are_no_space(tmp_path: Path) -> None:
    series = np.stack([LEVELS, LEVELS[::-1]])  # the first axis is that of time
    nrrd(tmp_path / "a.nrrd", LEVELS, np.eye(3))
    head = (tmp_path / "a.nrrd").read_bytes().split(b"\n\n")[0]
    head = head.replace(b"dimension: 3", b"dimension: 4").replace(b"sizes: ", b"sizes: 2 ")
    head = head.replace(b"directions: ", b"directions: none ")
    for kind, ok in ((b"list", True), (b"RGB-color", False), (b"vector", False)):
        own = head.replace(b"kinds: ", b"kinds: " + kind + b" ") + b"\n\n"
        (tmp_path / "b.nrrd").write_bytes(own + series.tobytes(order="F"))
        if not ok:
            with pytest.raises(Unreadable, match="save one grey channel"):
                read_file(tmp_path / "b.nrrd")
            continue
        got = read_file(tmp_path / "b.nrrd")
        nib.save(nib.Nifti1Image(np.moveaxis(series, 0, 3), np.eye(4)), tmp_path / "b.nii")
        for frame, other in zip(got, read_file(tmp_path / "b.nii"), strict=True):
            np.testing.assert_array_equal(frame.pixels, other.pixels)


def test_without_orientation_rows_and_columns_are_as_stored(tmp_path: Path) -> None:
    for name, write in (("a.nrrd", nrrd), ("a.mha", meta)):
        write(tmp_path / name, LEVELS, np.eye(3))
        lines = (tmp_path / name).read_bytes()
        for field in (b"space directions", b"TransformMatrix"):
            lines = lines.replace(field, b"nothing")
        (tmp_path / name).write_bytes(lines)
        first = read_file(tmp_path / name)[0]
        assert first.flags == (NO_ORIENTATION,)
        np.testing.assert_array_equal(first.pixels, LEVELS[:, :, 0].T / np.float32(255))
    mgh(tmp_path / "a.mgh", LEVELS, np.eye(3), is_oriented=False)
    assert read_file(tmp_path / "a.mgh")[0].flags == (NO_ORIENTATION,)
    assert read_file(tmp_path / "a.mgh")[0].stored.shape == (5, 7)  # coronal slices are stored


def test_pixels_that_are_not_square_are_flagged(tmp_path: Path) -> None:
    for name in ("a.nrrd", "a.mha", "a.mgh"):
        WRITERS[name](tmp_path / name, LEVELS, np.diag([1.0, 2, 5]))
        assert read_file(tmp_path / name)[0].flags == (NOT_SQUARE,)


def test_a_header_that_is_kept_takes_its_voxels_along(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    meta(folder / "a.mhd", LEVELS, np.eye(3), voxels="a.raw")
    meta(folder / "b.mhd", LEVELS[::-1].copy(), np.eye(3), voxels="b.raw")
    images = read_images(folder, role="generated", size=8)
    kept = [name for name in images.ids if name.startswith("a.mhd")]
    assert copy_kept(images, kept, tmp_path / "kept")[0] == 1
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["a.mhd", "a.raw"]
    assert len(read_file(tmp_path / "kept" / "a.mhd")) == 5
