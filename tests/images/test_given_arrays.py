"""What a program holds is read by one rule, in whatever form it comes; wrong input is one line."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vestige.features.pixels import as_images
from vestige.images import given_arrays, read_images
from vestige.images.choosing import choose_kind
from vestige.images.flags import MINUS_ONE_TO_ONE
from vestige.images.given_arrays import Given, held
from vestige.images.imageset import ImageSet
from vestige.images.listing import listed, peek_size
from vestige.images.reading import Wanted
from vestige.registry.entries import InputError

RNG = np.random.default_rng(5)
GREY = RNG.integers(0, 256, (6, 12, 10), np.uint8)
COLOUR = RNG.integers(0, 256, (6, 12, 10, 3), np.uint8)


class Tensor:
    """Behaves as a torch tensor of another device does."""

    def __init__(self, values: np.ndarray, dtype: str = "torch.float32", fault: str = "") -> None:
        self.values, self.dtype, self.fault, self.device = values, dtype, fault, "cuda:7"
        self.here = False

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError("can't convert cuda:7 device type tensor to numpy")

    def detach(self) -> "Tensor":
        return self

    def cpu(self) -> "Tensor":
        if self.fault:
            raise RuntimeError(self.fault)
        self.here = True
        return self

    def float(self) -> "Tensor":
        self.dtype = "torch.float32"
        return self

    def numpy(self) -> np.ndarray:
        assert self.here and self.dtype != "torch.bfloat16"
        return self.values


class Pairs:
    """A data set as of torch: a length and places, each an image and a label."""

    def __init__(self, images: Any) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.images[index], 1


class Loader:
    """Gives batches, as torch's DataLoader does; `label` says what lies beside them."""

    def __init__(self, images: Any, label: Callable[[int], Any]) -> None:
        self.dataset, self.batch_size, self.label = images, 4, label

    def __iter__(self) -> Iterator[list[Any]]:
        for k in range(0, len(self.dataset), 4):
            batch = self.dataset[k : k + 4]
            yield [batch, self.label(len(batch))]


def read(source: Any, role: str = "used") -> ImageSet:
    """As an audit does: the kind, the size, the images."""
    given = listed(source)
    sources = {"generated": given, role: given}
    chosen = choose_kind(sources)
    size = peek_size([sources[role]], kind=chosen.kind)
    return read_images(sources[role], role=role, size=size, wanted=Wanted(kind=chosen.kind))


def first(images: np.ndarray) -> np.ndarray:
    return np.moveaxis(images, 3, 1)


FORMS: dict[str, Callable[[np.ndarray], Any]] = {
    "one channel": lambda x: x[..., None] if x.ndim == 3 else x,
    "channels first": lambda x: x[:, None] if x.ndim == 3 else first(x),
    "tensor": lambda x: Tensor(x[:, None] if x.ndim == 3 else first(x)),
    "sixteen bits": lambda x: x.astype(np.uint16) * 257,
    "list of arrays": list,
    "tuple of tensors": lambda x: tuple(Tensor(one) for one in (x if x.ndim == 3 else first(x))),
    "list of pictures": lambda x: [Image.fromarray(one) for one in x],
    "generator": lambda x: (one for one in x),
    "batches": lambda x: (x[k : k + 2, None] if x.ndim == 3 else x[k : k + 2] for k in (0, 2, 4)),
    "pairs": lambda x: list(zip(x, range(6), strict=True)),
    "data set": lambda x: Pairs([Image.fromarray(one) for one in x]),
    "rows of a table": lambda x: [{"image": Image.fromarray(one), "label": 3} for one in x],
    "loader": lambda x: Loader(x, np.ones),
    "loader of tensors": lambda x: Loader(x, lambda n: Tensor(np.ones((n, 10)))),
}


@pytest.mark.parametrize("images", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_pixels_and_digests(form: str, images: np.ndarray) -> None:
    plain, found = read(images), read(FORMS[form](images))
    np.testing.assert_array_equal(found.pixels, plain.pixels)
    assert found.sha256 == plain.sha256
    assert found.ids == ("000000", "000001", "000002", "000003", "000004", "000005")
    np.testing.assert_array_equal(found.original(3), plain.original(3))
    np.testing.assert_array_equal(as_images(FORMS[form](images)), as_images(images))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_read_by_one_range_for_the_whole_role(dtype: Any) -> None:
    """No image of the list spans -1..1 by itself."""
    unit = np.linspace(0, 1, 6 * 64, dtype=np.float64).reshape(6, 8, 8)
    plain = read(unit.astype(dtype))
    for mapped in ((2 * unit - 1).astype(dtype), [*(2 * unit - 1).astype(dtype)]):
        found = read(mapped)
        np.testing.assert_allclose(found.pixels, plain.pixels, atol=1e-3)
        assert all(MINUS_ONE_TO_ONE in flags for flags in found.flags)
        assert [p.path for p in found.problems] == ["used/000000"]
        assert "-1" in found.problems[0].what
    levels = (2 * unit - 1).astype(np.float32)
    np.testing.assert_array_equal(as_images(levels), levels)  # a detector is given several arrays


def test_bfloat16_comes_as_float() -> None:
    found = held(Tensor(np.zeros((2, 8, 8), np.float32), "torch.bfloat16"))
    assert found.values.dtype == np.float32


def ragged(colour: bool) -> list[np.ndarray]:
    sides = [(40, 40), (32, 48), (40, 40), (20, 32)]
    return [RNG.integers(0, 256, (*s, 3) if colour else s, np.uint8) for s in sides]


@pytest.mark.parametrize("colour", [False, True])
def test_pictures_of_several_sizes_are_read_as_files_are(tmp_path: Path, colour: bool) -> None:
    pictures = ragged(colour)
    for k, one in enumerate(pictures):
        Image.fromarray(one).save(tmp_path / f"{k}.png")
    found, files = read(pictures), read(tmp_path)
    np.testing.assert_array_equal(found.pixels, files.pixels)
    assert found.sha256 == files.sha256
    assert [r.statistics for r in found.records] == [r.statistics for r in files.records]
    np.testing.assert_array_equal(found.original(1), files.original(1))
    subset = found.subset([1, 3])
    np.testing.assert_array_equal(subset.original(1), files.original(3))


def test_pictures_of_several_sizes_and_types_of_floats_have_one_range() -> None:
    dark, light = np.full((9, 9), -1, np.float32), np.full((8, 10), 0.5, np.float16)
    found = read([dark, light, light])
    np.testing.assert_allclose(found.pixels[:, 4, 4], [0, 0.75, 0.75], rtol=1e-3)
    assert found.bits == (32, 16, 16)


def test_volumes_come_as_lists_too() -> None:
    volumes = RNG.integers(0, 256, (3, 8, 9, 10), np.uint8)
    plain, found = read(volumes), read([*volumes])
    assert found.kind == "volume"
    np.testing.assert_array_equal(found.pixels, plain.pixels)
    uneven = read([volumes[0], volumes[1][:, :, :8]])
    assert uneven.sha256[0] == plain.sha256[0] != uneven.sha256[1]
    assert uneven.kind == "volume" and len(uneven) == 2
    np.testing.assert_array_equal(as_images(list(volumes)), plain.pixels)


def test_pictures_of_pillow_keep_their_levels(tmp_path: Path) -> None:
    deep = RNG.integers(0, 65536, (3, 9, 9), np.uint16)
    wide = [Image.fromarray(one.astype(np.int32)) for one in deep]
    assert {one.mode for one in wide} == {"I"}
    assert read(wide).sha256 == read(deep).sha256
    clear = Image.fromarray(np.dstack([COLOUR[0], np.full((12, 10), 128, np.uint8)]))
    clear.save(tmp_path / "a.png")
    assert read([clear]).sha256 == read(tmp_path).sha256


def test_paths_come_in_any_iterable(tmp_path: Path) -> None:
    for k, one in enumerate(GREY):
        Image.fromarray(one).save(tmp_path / f"{k}.png")
    paths = sorted(tmp_path.iterdir())
    plain = read_images(paths, role="used", size=8)
    for form in (iter(paths), np.array(list(map(str, paths))), np.array(paths, object)):
        assert read_images(form, role="used", size=8).ids == plain.ids
    np.testing.assert_array_equal(as_images(iter(paths)), as_images(paths))


class Broken(Pairs):
    """Of which one element is no image."""

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return ("a label" if index == 2 else self.images[index]), 1


FLOATS = GREY / np.float32(255)
NAN = FLOATS.copy()
NAN[2, 3, 4] = np.nan
WRONG: dict[str, tuple[Any, str]] = {
    "a missing device": (
        Tensor(GREY, fault="No CUDA GPUs are available"),
        "a tensor on the device cuda:7 cannot be copied to memory",
    ),
    "one tensor of a missing device": ([Tensor(GREY[0], fault="none")], "cuda:7 cannot be copied"),
    "NaN": (NAN, "the array of (generated|used) images has values that are not finite"),
    "NaN in a list": ([*NAN], "values that are not finite"),
    "0..255 as floats": (255 * FLOATS, "from 0 to 255, whose range is not known. Rescale"),
    "0..255 as floats in a list": ([*(255 * FLOATS)], "from 0 to 255, whose range is not known"),
    "wide integers": (GREY.astype(np.int64), "int64 values, whose range is not known"),
    "floats beside integers": (
        [GREY[0], FLOATS[1]],
        "a list of pictures has float32 and uint8 values; give all in one type",
    ),
    "doubtful channels": (
        np.zeros((5, 3, 3, 9), np.uint8),
        r"shape \(5, 3, 3, 9\): images .*layout=n,h,w,c or n,c,h,w or n,d,h,w",
    ),
    "volumes of two channels": (
        np.zeros((5, 2, 9, 9, 9), np.uint8),
        r"has shape \(5, 2, 9, 9, 9\).* volumes as \[n, d, h, w\], \[n, 1, d, h, w\]",
    ),
    "two channels": (np.zeros((5, 9, 9, 2), np.uint8), r"has shape \(5, 9, 9, 2\)"),
    "ragged channels": (
        [np.zeros((9, 9, 3), np.uint8), np.zeros((9, 8, 2), np.uint8)],
        r"has shape \(1, 9, 8, 2\)",
    ),
    "nothing": ([], "an empty list of images"),
    "an empty array": (np.zeros((0, 9, 9), np.uint8), r"images has no pixels \(0 x 9 x 9\)"),
    "an empty generator": ((one for one in ()), "an empty list of images"),
    "words": (["a.png", GREY[0]], "a list holds paths and pictures: give all in one way"),
    "an image and its mask": (
        [(GREY[0], GREY[1])],
        r"holds several of them \(an image and its mask\?\): give the images alone",
    ),
    "a dict without an image": ([{"x": GREY[0]}], "a dict with the keys x; name the image 'image'"),
    "an odd element": (Broken(GREY), "an element that is of the type tuple is none of them"),
    "no image at all": ([None], "an element that is of the type NoneType is none of them"),
    "numbers": ([1, 2], "an element that is of the type int is none of them"),
    "lists of numbers": ([[[1, 2], [3, 4]]], "of the type list is none of them"),
    "an object": (object(), "images are given as a folder"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_input_is_refused_in_one_line(what: str) -> None:
    source, said = WRONG[what]
    with pytest.raises(InputError, match=said) as error:
        read(source)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("what", ["NaN", "0..255 as floats", "a missing device", "two channels"])
def test_a_detector_by_itself_refuses_them_too(what: str) -> None:
    with pytest.raises(InputError, match=r"."):
        as_images(WRONG[what][0])


def test_an_endless_stream_ends_at_the_stated_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def forever() -> Iterator[np.ndarray]:
        while True:
            yield GREY[0]

    monkeypatch.setattr(given_arrays, "MOST_IMAGES", 20)
    with pytest.raises(InputError, match="more than 20 images or 4 GiB: give a part of them"):
        held(forever())
    monkeypatch.setattr(given_arrays, "MOST_BYTES", 1000)
    with pytest.raises(InputError, match=re.escape("give a part of them")):
        held([*np.zeros((12, 10, 10), np.uint8)])
    assert len(held([*np.zeros((10, 10, 10), np.uint8)])) == 10


def test_one_channel_against_three_is_told() -> None:
    sources = {"generated": listed(COLOUR), "used": listed(GREY)}
    assert choose_kind(sources).kind == "grey"
    assert [p.what for p in choose_kind(sources).problems] == [
        "generated hold colour images, used grey ones"
    ]
    with pytest.raises(InputError, match="generated images are grey and the real ones are in col"):
        choose_kind({"generated": listed(GREY), "used": listed(COLOUR)})


def test_real_tensors_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch", reason="needs vestige[deep]")
    unit = torch.linspace(0, 1, 4 * 3 * 64).reshape(4, 3, 8, 8)
    plain = read(unit.numpy())
    grad = (2 * unit - 1).requires_grad_()
    data = torch.utils.data.TensorDataset(unit, torch.arange(4))
    forms = [unit, unit.double(), grad, [*unit], data, torch.utils.data.DataLoader(data, 3)]
    for form in forms:
        np.testing.assert_allclose(read(form).pixels, plain.pixels, atol=1e-6)
    for short in (unit.half(), unit.bfloat16()):
        np.testing.assert_allclose(read(short).pixels, plain.pixels, atol=4e-3)
    with pytest.raises(InputError, match="a tensor on the device meta cannot be copied"):
        read(torch.empty(2, 8, 8, device="meta"))


def test_ids_are_of_the_number_of_images() -> None:
    given = Given(GREY).named([f"p{k}" for k in range(6)])
    assert read_images(given, role="used", size=8).ids == ("p0", "p1", "p2", "p3", "p4", "p5")
    with pytest.raises(InputError, match="2 ids were given for 6 used images; give one for each"):
        read_images(Given(GREY, ("a", "b")), role="used", size=8)
