"""Images that a program holds: arrays, tensors, pictures, and lists or streams of these."""

import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vestige.images.array_volumes import volume_layout_of
from vestige.images.arrays import MEMBER, Stack, from_archive
from vestige.images.cage import caged
from vestige.images.formats import HDF5_SUFFIXES
from vestige.images.frame import Unreadable
from vestige.images.hdf5 import read_dataset
from vestige.images.kinds import Kind
from vestige.images.layouts import layout_of, may_be_pictures
from vestige.registry.entries import InputError

MOST_BYTES = 4 * 2**30
"""Of a list or stream of images in memory; a larger set is read from files, which are not kept."""
MOST_IMAGES = 1_000_000
KEYS = ("image", "images", "pixel_values", "img")
"""Where the image lies in an element that is a dict; the first that is there."""
_NUMBERS = "bfui"
_TEXTS = "OUST"


class Picture(Protocol):
    """A Pillow image, or another thing that NumPy can read."""

    @property
    def __array_interface__(self) -> Any:
        """How NumPy reads it."""
        ...


class DataSet(Protocol):
    """A set of which each element is asked for by its number, as of torch."""

    def __len__(self) -> int:
        """Number of elements."""
        ...

    def __getitem__(self, index: int, /) -> Any:
        """An image, or an image and its label."""
        ...


@dataclass(frozen=True, eq=False)
class Given:
    """Images that a program holds.

    values : one array of all, or one array for each image where their sizes differ
    ids : of the images; () where they are numbered
    """

    values: Stack
    ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of the array, or of each image of a list, with the number of images first."""
        if isinstance(self.values, np.ndarray):
            return [self.values.shape]
        return [(1, *one.shape) for one in self.values]

    def count(self, layout: str = "") -> int:
        """Number of images, or of volumes where the shape is that of no pictures."""
        if not isinstance(self.values, np.ndarray):
            return len(self)
        try:
            return layout_of(self.values.shape, layout).n
        except Unreadable:
            return len(self)

    def pictures(self, layout: str = "", kind: Kind = "grey") -> Stack:
        """The images one after the other, [n, h, w] or [n, h, w, channels], volumes [n, d, h, w].

        Raises
        ------
        Unreadable
            For a shape without one reading.
        """
        if isinstance(self.values, np.ndarray):
            return _read_as(self.values, layout, kind)
        return tuple(_read_as(one[np.newaxis], layout, kind)[0] for one in self.values)

    def named(self, ids: Sequence[str]) -> "Given":
        """The same images under these ids."""
        return replace(self, ids=tuple(ids))


def _read_as(values: npt.NDArray[Any], layout: str, kind: Kind) -> npt.NDArray[Any]:
    if kind == "volume":
        return volume_layout_of(values.shape, layout).apply(values)
    return layout_of(values.shape, layout).apply(values, is_told=True)


def held(source: Any) -> Any:
    """The images of a source that a program holds, as `Given`; paths as they are, or as a list.

    A program holds arrays, tensors, Pillow images, and lists, generators, torch data sets and data
    loaders of these, alone or each with a label. "file.npz::name" is the array of that name. What
    can be iterated once is read here, up to `MOST_IMAGES` images and `MOST_BYTES`.

    Raises
    ------
    InputError
        For elements that hold no image or several, and for a set beyond these limits.
    """
    if isinstance(source, str | os.PathLike):
        array = named_array(source)
        return source if array is None else Given(array)
    if isinstance(source, bytes | Mapping):
        return source
    if _is_held(source):
        array = _picture(source)
        if array.dtype.kind not in _TEXTS:
            return Given(array)
        source = array.ravel().tolist()  # an array or a column of paths or of arrays
    elements = _elements(source)
    if elements is None:
        return source
    return _together(elements, _is_loader(source))


def _elements(source: Any) -> Iterable[Any] | None:
    """What can be iterated; a torch data set only has a length and places."""
    if isinstance(source, Iterable):
        return source
    if hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        return (source[k] for k in range(len(source)))
    return None


def _is_loader(source: Any) -> bool:
    """Whether the elements are batches, as of a torch DataLoader."""
    return hasattr(source, "dataset") and getattr(source, "batch_size", None) is not None


def _together(elements: Iterable[Any], is_loader: bool) -> Any:
    paths: list[Any] = []
    parts: list[npt.NDArray[Any]] = []
    size = 0
    for element in elements:
        if isinstance(element, str | os.PathLike):
            paths.append(element)
        else:
            for picture in _pictures(element, is_loader):
                parts.append(picture)
                size += picture.nbytes
        if len(paths) + len(parts) > MOST_IMAGES or size > MOST_BYTES:
            raise InputError(
                f"a list or stream of images holds more than {MOST_IMAGES:,} images or "
                f"{MOST_BYTES / 2**30:g} GiB: give a part of them, or save them as files"
            )
        if paths and parts:
            raise InputError("a list holds paths and pictures: give all in one way")
    return _stacked(parts) if parts else paths


def _stacked(parts: Sequence[npt.NDArray[Any]]) -> Given:
    """One array where all pictures are of one size and type."""
    kinds = sorted({part.dtype.name for part in parts})
    if len({part.dtype.kind == "f" for part in parts}) > 1:
        raise InputError(
            f"a list of pictures has {' and '.join(kinds)} values; give all in one type"
        )
    if len(kinds) > 1 or len({part.shape for part in parts}) > 1:
        return Given(tuple(parts))
    stack = np.stack(parts)
    return Given(stack[:, np.newaxis] if stack.ndim == 3 else stack)


def _pictures(element: Any, is_loader: bool) -> Iterator[npt.NDArray[Any]]:
    """The picture of one element, or those of a batch."""
    array = _picture(_image_of(element, is_loader))
    if array.dtype.kind not in _NUMBERS or array.ndim < 2 + is_loader:
        raise _no_image(element)
    if is_loader or _is_batch(array):
        yield from array
    else:
        yield array


def _is_batch(array: npt.NDArray[Any]) -> bool:
    """Whether an array is more than one picture or volume."""
    if array.ndim != 4:
        return array.ndim > 4
    try:
        return layout_of(array.shape).n > 0
    except Unreadable:
        return False


def _image_of(element: Any, is_loader: bool) -> Any:
    """The image of an element that may have a label beside it, or a name."""
    if isinstance(element, Mapping):
        found = next((element[key] for key in KEYS if key in element), None)
        if found is None or not _is_held(found):
            keys = ", ".join(str(key)[:20] for key in [*element][:5])
            raise InputError(
                f"an element of the images is a dict with the keys {keys or '(none)'}; name the "
                "image 'image', or give the images alone"
            )
        return found
    if not isinstance(element, list | tuple):
        return element
    if not element or not _is_held(element[0]):
        raise _no_image(element)
    first = np.ndim(_picture(element[0]))
    beside = [_picture(one) for one in element[1:] if _is_held(one)]
    if any(one.ndim >= max(2, first - 1) and may_be_pictures(one.shape) for one in beside):
        raise InputError(
            "an element of the images holds several of them (an image and its mask?): give the "
            "images alone"
        )
    return element[0]


def _no_image(element: Any) -> InputError:
    return InputError(
        f"images are given as a folder, a file, an address, a list of paths, or pictures in "
        f"memory; an element that is of the type {type(element).__name__} is none of them"
    )


def _is_held(source: Any) -> bool:
    return hasattr(source, "__array__") or hasattr(source, "__array_interface__")


def _picture(part: Any) -> npt.NDArray[Any]:
    """An array, a tensor or a Pillow image as an array.

    Raises
    ------
    InputError
        For what is not in memory that can be read, such as a tensor of a device that is missing.
    """
    if isinstance(part, np.ndarray):
        return part
    if hasattr(part, "detach") and hasattr(part, "cpu"):
        return _from_tensor(part)
    if not _is_held(part):
        raise _no_image(part)
    mode = getattr(part, "mode", None)
    if isinstance(mode, str):
        return _from_pillow(part, mode)
    try:
        return np.asarray(part)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"an object of the type {type(part).__name__} cannot be made an array: give the images "
            "as arrays of NumPy"
        ) from error


def _from_tensor(tensor: Any) -> npt.NDArray[Any]:
    """A torch tensor of any device, without gradients; bfloat16, which NumPy lacks, as float32."""
    try:
        here = tensor.detach().cpu()
        if str(here.dtype) == "torch.bfloat16":
            here = here.float()
        return np.asarray(here.numpy())
    except (RuntimeError, TypeError, AssertionError) as error:  # what torch raises
        raise InputError(
            f"a tensor on the device {getattr(tensor, 'device', 'of its own')} cannot be copied to "
            "memory: the device is missing, or the tensor has no numbers. Give it with "
            ".detach().cpu(), or as an array"
        ) from error


def _from_pillow(picture: Any, mode: str) -> npt.NDArray[Any]:
    """A Pillow image; palettes and other codings become colour, 32-bit greys 16-bit ones."""
    if mode == "I":
        levels = np.asarray(picture)
        if levels.min(initial=0) < 0 or levels.max(initial=0) > np.iinfo(np.uint16).max:
            raise InputError(
                "a picture of mode I has levels outside 0..65,535, whose range is not known; give "
                "uint16"
            )
        return levels.astype(np.uint16)
    try:
        picture.load()
    except OSError as error:
        raise InputError("a picture of Pillow is damaged: its file ends too early") from error
    if mode not in ("1", "L", "F", "I;16", "RGB", "RGBA"):
        clear = mode in ("LA", "PA", "La") or "transparency" in getattr(picture, "info", {})
        picture = picture.convert("RGBA" if clear else "RGB")
    return np.asarray(picture)


def named_array(source: str | os.PathLike[str]) -> npt.NDArray[Any] | None:
    """The array of "file.npz::name" or "file.h5::name"; None where a source is not written so.

    Raises
    ------
    InputError
        When the file has no such array, or one that holds no images.
    """
    path, sign, name = os.fspath(source).rpartition(MEMBER)
    suffix = os.path.splitext(path)[1].lower()
    if not sign or suffix not in (".npz", *HDF5_SUFFIXES):
        return None
    read: Any = from_archive if suffix == ".npz" else read_dataset
    try:
        values: npt.NDArray[Any] = caged(read, path, name)
        return values
    except FileNotFoundError as error:
        raise InputError(f"no such file: {path}") from error
    except (Unreadable, OSError, ValueError, zipfile.BadZipFile) as error:
        what = error if isinstance(error, Unreadable) else "is damaged, or no file of arrays"
        raise InputError(f"{path} {what}") from error
