"""Hostile, broken and mislabelled files: one row each, never a crash, never a guess."""

import io
import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from vestige.images.frame import MAX_PIXELS, NotAnImage, Unreadable
from vestige.images.readers import READERS, read_file
from vestige.images.reading import read_images, read_shard
from vestige.registry.entries import InputError

from .picture import dicom, grey, save


def _png_header_of(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + body


def _npy(values: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, values, **options)
    return out.getvalue()


def _npz(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def _npy_that_claims(shape: tuple[int, ...]) -> bytes:
    out = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, header)
    return out.getvalue() + bytes(100)


def _png(**options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(grey(64, 64)).save(out, "PNG", **options)
    return out.getvalue()


class Bomb:
    """Fails the test if anything unpickles it."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return pytest.fail, ("a pickle was loaded",)


FILES: dict[str, tuple[str, bytes, str]] = {
    "empty": ("a.png", b"", "empty"),
    "text named png": ("a.png", b"these are words\n" * 40, "no PNG file"),
    "text named dcm": ("a.dcm", b"these are words\n" * 40, "no DICOM file"),
    "text named nii": ("a.nii.gz", b"these are words\n" * 40, "no NIFTI file"),
    "text named tif": ("a.tif", b"these are words\n" * 40, "no TIFF file"),
    "text named npy": ("a.npy", b"these are words\n" * 40, "no NPY file"),
    "truncated png": ("a.png", _png()[:2000], "truncated|cannot be decoded"),
    "damaged png": ("a.png", _png()[:60] + b"XXXX" + _png()[64:], "."),
    "half a signature": ("a.png", b"\x89PNG", "no PNG file"),
    "bomb just above Pillow's limit": ("a.png", _png_header_of(10000, 10000), "bomb"),
    "bomb": ("a.png", _png_header_of(60000, 60000), "bomb|unfolds"),
    "float of another range": ("a.npy", _npy(np.full((9, 9), 255.0)), "float values from 255"),
    "negative float": ("a.npy", _npy(np.full((9, 9), -1e-3)), "float values from -0.001"),
    "nan": ("a.npy", _npy(np.full((9, 9), np.nan)), "not finite"),
    "infinity": ("a.npz", _npz(x=np.full((9, 9), np.inf)), "not finite"),
    "64-bit levels": ("a.npy", _npy(np.ones((9, 9), np.int64)), "int64 values"),
    "zero height": ("a.npy", _npy(np.ones((0, 9), np.uint8)), "no pixels"),
    "zero images": ("a.npy", _npy(np.ones((0, 9, 9), np.uint8)), "no pixels"),
    "one dimension": ("a.npy", _npy(np.ones(9, np.uint8)), "has shape"),
    "two channels": ("a.npy", _npy(np.ones((9, 40, 40, 2), np.uint8)), "n, h, w, channels"),
    "slices last": ("a.npy", _npy(np.ones((40, 40, 12), np.uint8)), "12 slices of 40 x 40"),
    "channels first": ("a.npy", _npy(np.stack([grey(40, 40)] * 3)), r"\[3, 1, h, w\]"),
    "volumes": ("a.npy", _npy(np.ones((2, 9, 40, 40), np.uint8)), "or volumes"),
    "pickle in npy": ("a.npy", _npy(np.array([Bomb()], object), allow_pickle=True), "pickled"),
    "pickle in npz": ("a.npz", _npz(x=np.array([[Bomb()]], object)), "pickled"),
    "a pickle": ("a.npy", pickle.dumps(Bomb()), "no NPY file"),
    "several arrays": ("a.npz", _npz(x=np.ones((9, 9)), y=np.ones(9)), "several arrays"),
    "no array": ("a.npz", _npz(), "no array|no NPZ"),
    "array of huge claim": ("a.npy", _npy_that_claims((2, 2**20, 2**20)), "unfolds"),
    "array shorter than its claim": ("a.npy", _npy_that_claims((200, 200)), "."),
}


@pytest.mark.filterwarnings("ignore")  # as a user runs it: Pillow's warning alone stops nothing
@pytest.mark.parametrize("case", FILES)
def test_a_bad_file_is_one_clear_error(tmp_path: Path, case: str) -> None:
    name, content, message = FILES[case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Unreadable, match=message) as caught:
        read_file(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_truncated_dicom_is_an_error(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", grey(40, 40))
    whole = path.read_bytes()
    for kept in (-100, -1590, 200, 140):
        path.write_bytes(whole[:kept])
        with pytest.raises(Unreadable):
            read_file(path)


def test_a_dicom_that_claims_too_much_is_an_error(tmp_path: Path) -> None:
    from pydicom import dcmread

    path = dicom(tmp_path / "a.dcm", grey(40, 40))
    dataset = dcmread(path)
    dataset.Rows = dataset.Columns = 60000
    dataset.save_as(path)
    with pytest.raises(Unreadable, match="unfolds"):
        read_file(path)


def test_a_dicom_without_pixels_is_no_image(tmp_path: Path) -> None:
    from pydicom import dcmread

    path = dicom(tmp_path / "a.dcm", grey(40, 40))
    dataset = dcmread(path)
    del dataset.PixelData, dataset.Rows
    dataset.save_as(path)
    with pytest.raises(NotAnImage, match="without pixels"):
        read_file(path)


def test_the_largest_volume_is_bounded() -> None:
    from vestige.images.frame import check_size

    check_size(2**12, 2**13, MAX_PIXELS // 2**25)
    with pytest.raises(Unreadable, match="unfolds"):
        check_size(2**10, 2**10, 257)


def test_a_wrong_suffix_of_a_good_file_does_not_matter(tmp_path: Path) -> None:
    expected = grey() / np.float32(255)
    for stored, named in (
        ("a.png", "b.dcm"),
        ("a.tif", "b.png"),
        ("a.png", "b.npz"),
        ("a.png", "b"),
    ):
        save(tmp_path, stored, grey()).rename(tmp_path / named)
        np.testing.assert_array_equal(read_file(tmp_path / named)[0].pixels, expected)
    (tmp_path / "b.npz").write_bytes(_npy(grey()))
    np.testing.assert_array_equal(read_file(tmp_path / "b.npz")[0].pixels, expected)


def test_arrays_in_files(tmp_path: Path) -> None:
    stack = np.stack([grey(seed=k) for k in range(3)])
    for content in (_npz(only=stack), _npz(images=stack, labels=np.ones((3, 1)))):
        (tmp_path / "a.npz").write_bytes(content)
        np.testing.assert_array_equal([f.stored for f in read_file(tmp_path / "a.npz")], stack)
    for values in (stack.astype(">u2") * 257, (stack / 255).astype(np.float32), stack / 255):
        (tmp_path / "a.npy").write_bytes(_npy(np.asfortranarray(values)))
        got = [frame.pixels for frame in read_file(tmp_path / "a.npy")]
        np.testing.assert_array_equal(got, stack / np.float32(255))


@pytest.mark.parametrize("start", [_png(), _npy(grey()), _npz(x=grey())], ids=["png", "npy", "npz"])
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_damage_anywhere_is_an_error_or_a_picture(
    tmp_path: Path, start: bytes, data: st.DataObject
) -> None:
    where = data.draw(st.integers(0, len(start) - 1))
    junk = data.draw(st.binary(min_size=1, max_size=8))
    path = tmp_path / data.draw(st.sampled_from(["a.png", "a.npy", "a.npz", "a.nii.gz", "a"]))
    path.write_bytes(start[:where] + junk + start[where + len(junk) :])
    try:
        for frame in read_file(path):
            assert frame.pixels.dtype == np.float32
            assert np.isfinite(frame.pixels).all()
            assert 0 <= frame.pixels.min() <= frame.pixels.max() <= 1
    except Unreadable:
        pass


def test_no_file_is_dropped(tmp_path: Path) -> None:
    for case, (name, content, _) in FILES.items():
        (tmp_path / f"{case} {name}").write_bytes(content)
    save(tmp_path, "good.png", grey())
    (tmp_path / "notes.xyz").write_text("words")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "README").write_text("words")
    (tmp_path / ".hidden").write_text("words")
    images = read_images(tmp_path, role="used", size=16)
    assert images.ids == ("good.png",)
    assert len(images.problems) == len(FILES) + 2
    assert images.files.ignored == (("document", 1), ("hidden", 1))
    rows = {problem.path: problem for problem in images.problems}
    assert rows["used/notes.xyz"].severity == "error"
    assert rows["used/notes.xyz"].what == "is not an image"
    assert rows["used/gone.png"].severity == "error"
    assert all(rows[f"used/{c} {n}"].severity == "error" for c, (n, _, _) in FILES.items())


def test_a_shard_of_bad_files_only_is_empty(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    shard = read_shard([("a.png", tmp_path / "a.png")], 16)
    assert shard.pixels.shape == (0, 16, 16)
    assert (shard.records, len(shard.problems)) == ((), 1)


def test_a_missing_package_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    path = dicom(tmp_path / "a.dcm", grey())
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(InputError, match=r"pip install 'vestige\[medical\]'"):
        read_shard([("a.dcm", path)], 16)
    assert READERS["dicom"].extra == "medical"
