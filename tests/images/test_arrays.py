"""Arrays whose axes are told, and datasets of HDF5: the right pictures, or one line."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hostile
from vestige.images.flags import COLOUR
from vestige.images.frame import Unreadable
from vestige.images.given_arrays import Given
from vestige.images.layouts import layout_of, parse_layout
from vestige.images.listing import listed, peek_size
from vestige.images.readers import peek_shape, read_file
from vestige.images.reading import Wanted, read_images
from vestige.registry.entries import InputError

from .picture import grey, save

h5py = pytest.importorskip("h5py", reason="needs vestige[medical]")
STACK = np.stack([grey(40, 32, seed) for seed in range(6)])
COLOURS = np.stack([STACK] * 3, axis=-1)
COLOURS[..., 1] //= 2

LAYOUTS: dict[str, tuple[str, Any, Any]] = {
    "slices last": ("h,w,n", np.moveaxis(STACK, 0, -1), STACK),
    "slices first": ("n,h,w", STACK.transpose(1, 2, 0), STACK.transpose(1, 2, 0)),
    "depth": ("d,h,w", STACK, STACK),
    "volumes": ("n,d,h,w", np.stack([STACK, STACK[::-1]]), np.concatenate([STACK, STACK[::-1]])),
    "volumes of slices last": (
        "nhwd",
        np.stack([np.moveaxis(STACK, 0, -1)] * 2),
        np.concatenate([STACK] * 2),
    ),
    "turned": ("w, h", STACK[0].T, STACK[0].T[None]),  # a single picture needs no telling
    "colours first": ("c,h,w", np.moveaxis(COLOURS[0], -1, 0), COLOURS[:1]),
    "three images": ("n,h,w", np.stack([grey(40, 40)] * 3), np.stack([grey(40, 40)] * 3)),
    "colour volumes": ("n,d,h,w,c", COLOURS.reshape(2, 3, 40, 32, 3), COLOURS),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_the_layout_decides(tmp_path: Path, case: str) -> None:
    text, array, expected = LAYOUTS[case]
    layout = parse_layout(text)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", x=array)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = array
    np.save(tmp_path / "same.npy", expected[..., None] if expected.ndim == 3 else expected)
    pictures = [frame.pixels for frame in read_file(tmp_path / "same.npy")]
    for name in ("a.npy", "a.npz", "a.h5"):
        frames = read_file(tmp_path / name, None, layout)
        np.testing.assert_array_equal([frame.pixels for frame in frames], pictures)
        assert peek_shape(tmp_path / name, layout) == frames[0].stored.shape
    own = read_images(array, role="used", size=16, wanted=Wanted(layout=text))
    file = read_images(tmp_path / "a.npy", role="used", size=16, wanted=Wanted(layout=text))
    np.testing.assert_array_equal(own.pixels, file.pixels)
    np.testing.assert_array_equal(file.original(len(file) - 1), pictures[-1])
    for _ in range(2):
        kept = read_images(
            tmp_path / "a.npy",
            role="used",
            size=16,
            cache=tmp_path / "cache",
            wanted=Wanted(layout=text),
        )
        np.testing.assert_array_equal(kept.pixels, file.pixels)


@pytest.mark.parametrize(
    ("shape", "readings"),
    [
        ((64, 64, 20), ("n,h,w", "h,w,n")),
        ((40, 40, 12), ("n,h,w", "h,w,n")),
        ((2, 9, 40, 40), ("n,d,h,w", "[n, h, w, channels]")),
    ],
)
def test_what_has_several_readings_lists_them(shape: tuple[int, ...], readings: Any) -> None:
    with pytest.raises(Unreadable) as caught:
        layout_of(shape)
    assert all(reading in str(caught.value) for reading in ("--layout", *readings))
    assert len(str(caught.value)) <= 200  # longer ones are cut


@pytest.mark.parametrize("text", ["n,h", "x,h,w", "h,h,w", "n;h;w", "hwnn", "hw" * 50])
def test_a_layout_that_cannot_be_is_an_error(text: str) -> None:
    with pytest.raises(InputError, match="name each axis"):
        parse_layout(text)


def test_an_array_with_other_axes_than_told_is_a_row(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", STACK)
    save(tmp_path, "b.png", grey())
    images = read_images(tmp_path, role="used", size=16, wanted=Wanted(layout="n,d,h,w"))
    (row,) = images.problems
    assert "names 4 axes" in row.what and row.severity == "error"
    with pytest.raises(Unreadable, match="6 colours"):
        read_file(tmp_path / "a.npy", None, "chw")


def test_a_named_array_waits_for_its_layout(tmp_path: Path) -> None:
    volume = np.moveaxis(STACK, 0, -1)
    np.savez(tmp_path / "a.npz", train=volume, val=volume)
    source = f"{tmp_path / 'a.npz'}::train"
    with pytest.raises(InputError, match="layout="):
        read_images(source, role="used", size=16)
    images = read_images(source, role="used", size=16, wanted=Wanted(layout="h,w,n"))
    assert len(images) == 6
    assert peek_size([listed(source)], layout="hwn") == 40


# --- HDF5
def h5(path: Path, **datasets: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name.replace("__", "/")] = values
    return path


def test_the_one_dataset_that_looks_like_images_is_read(tmp_path: Path) -> None:
    path = h5(tmp_path / "a.h5", scans__t1=STACK, labels=np.arange(6), about="words", n=3)
    np.testing.assert_array_equal([f.stored for f in read_file(path)], STACK)
    path = h5(tmp_path / "colour.h5", x=COLOURS)
    assert {frame.flags for frame in read_file(path)} == {(COLOUR,)}
    path.rename(tmp_path / "nameless")
    assert len(read_file(tmp_path / "nameless")) == 6
    for options in ({"compression": "gzip"}, {"compression": "lzf", "shuffle": True}):
        with h5py.File(tmp_path / "b.h5", "w") as file:
            file.create_dataset("x", data=STACK, chunks=(2, 16, 32), fletcher32=True, **options)
        np.testing.assert_array_equal([f.stored for f in read_file(tmp_path / "b.h5")], STACK)


def test_a_dataset_is_named(tmp_path: Path) -> None:
    path = h5(tmp_path / "a.h5", scans__t1=STACK, scans__t2=STACK[::-1], labels=np.arange(6))
    with pytest.raises(Unreadable, match=re.escape("scans/t1, scans/t2). Give one")):
        read_file(path)
    named = listed(f"{path}::scans/t2")
    assert isinstance(named, Given)
    np.testing.assert_array_equal(named.values, STACK[::-1])
    images = read_images(f"{path}::scans/t2", role="used", size=16)
    assert len(images) == 6
    with pytest.raises(InputError, match="holds no dataset 'x'; it holds labels, scans/t1"):
        listed(f"{path}::x")
    with pytest.raises(InputError, match="no such file"):
        listed(f"{tmp_path / 'none.h5'}::x")
    (tmp_path / "words.h5").write_bytes(b"words")
    with pytest.raises(InputError, match="is HDF5 whose structure or data are damaged"):
        listed(f"{tmp_path / 'words.h5'}::x")


def external_link(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = h5py.ExternalLink("secret.h5", "/x")


def external_storage(path: Path) -> None:
    with h5py.File(path, "w") as file:
        where = [(str(path.parent / "secret.bin"), 0, STACK.nbytes)]
        file.create_dataset("x", STACK.shape, STACK.dtype, external=where)


def virtual(path: Path) -> None:
    layout = h5py.VirtualLayout(STACK.shape, STACK.dtype)
    layout[:] = h5py.VirtualSource(str(path.parent / "secret.h5"), "x", STACK.shape)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("x", layout)


@pytest.mark.parametrize("make", [external_link, external_storage, virtual])
def test_a_file_names_no_other_file(tmp_path: Path, make: Any) -> None:
    h5(tmp_path / "secret.h5", x=STACK)
    (tmp_path / "secret.bin").write_bytes(STACK.tobytes())
    make(tmp_path / "a.h5")
    with pytest.raises(Unreadable, match=r"in another file"):
        read_file(tmp_path / "a.h5")
    with pytest.raises(InputError, match=r"in another file"):
        listed(f"{tmp_path / 'a.h5'}::x")


def test_bombs_and_odd_datasets_are_one_line(tmp_path: Path) -> None:
    cases = {
        "possible decompression bomb": h5(tmp_path / "a.h5"),
        "larger than all data": h5(tmp_path / "b.h5"),
        "unfolds": h5(tmp_path / "c.h5"),
        "no dataset that looks like images": h5(tmp_path / "d.h5", weights=np.ones(9)),
        "no plain numbers": h5(tmp_path / "e.h5"),
        "int32 values": h5(tmp_path / "f.h5", x=STACK.astype(np.int32)),
        "complex64 values": h5(tmp_path / "g.h5", x=STACK.astype(np.complex64)),
    }
    with h5py.File(cases["possible decompression bomb"], "w") as file:
        data = file.create_dataset("x", (40, 32), "u1", chunks=(40, 32), compression="gzip")
        data.id.write_direct_chunk((0, 0), hostile.zeros_deflated(2**30, "zlib"))
    with h5py.File(cases["larger than all data"], "w") as file:
        file.create_dataset("x", (40, 32), "u1", chunks=(2**14, 2**13), maxshape=(None, None))
    with h5py.File(cases["unfolds"], "w") as file:
        file.create_dataset("x", (2**20, 2**20), "u1", chunks=(64, 64))
    with h5py.File(cases["no plain numbers"], "w") as file:
        kind = h5py.vlen_dtype(np.uint8)  # packed pictures
        file.create_dataset("x", (2,), kind)
    for told, path in cases.items():
        with pytest.raises(Unreadable, match=told):
            read_file(path)


def test_a_filter_that_would_be_loaded_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk((40, 32))
        creation.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (0,))
        space = h5py.h5s.create_simple((40, 32))
        h5py.h5d.create(file.id, b"x", h5py.h5t.STD_U8LE, space, creation)
    with pytest.raises(Unreadable, match="packed by a filter that is not read"):
        read_file(tmp_path / "a.h5")


def test_a_set_that_hides_pictures_in_a_second_dataset_is_left_aside(tmp_path: Path) -> None:
    for k in range(3):
        save(tmp_path, f"{k}.png", grey(seed=k))
    h5(tmp_path / "a.h5", x=STACK, y=STACK)
    ledger = read_images(tmp_path, role="generated", size=16).files
    assert (ledger.unread, ledger.left_aside) == (1, 1)
