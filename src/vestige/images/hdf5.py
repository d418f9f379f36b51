"""HDF5 through h5py: one dataset of images, [n, h, w] and the like as in NPY.

Only what lies in the file itself is read: a link or a dataset that names another file, and a filter
that would be loaded as a plug-in, are refused before anything is unpacked.
"""

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.images.arrays import MEMBER, split
from vestige.images.frame import MAX_PIXELS, Frame, Unreadable, Window, from_any
from vestige.images.layouts import layout_of, may_be_pictures
from vestige.images.packed import check_unfolds, is_harmless
from vestige.registry.entries import InputError

_DEFLATE = 1
_FILTERS = {_DEFLATE: "deflate", 2: "shuffle", 3: "fletcher32", 4: "szip", 32000: "lzf"}
_LARGEST_CHUNK = 64 * 2**20
_NUMBERS, _WORDS = "biufc", "SU"
_NAMED = 6
"""Names that a message lists at most."""


def read_hdf5(
    path: str | os.PathLike[str], window: Window | None = None, layout: str = ""
) -> list[Frame]:
    """Every image of the one dataset of a file that looks like images."""
    del window
    values = hdf5_values(path, lambda shape: layout_of(shape, layout))
    return split(layout_of(values.shape, layout).apply(values), "HDF5")


def hdf5_values(
    path: str | os.PathLike[str], accept: Callable[[tuple[int, ...]], object]
) -> npt.NDArray[Any]:
    """The one dataset of a file that looks like images, once `accept` has not refused its shape."""
    with _opened(path) as file:
        dataset = _only_pictures(file, os.path.basename(os.fspath(path)))
        accept(dataset.shape)
        return _values(dataset)


def read_dataset(path: str | os.PathLike[str], name: str) -> npt.NDArray[Any]:
    """The dataset of a name such as "scans/t1".

    Raises
    ------
    Unreadable
        Where there is none of that name, or one that holds no numbers.
    """
    with _opened(path) as file:
        found = dict(_datasets(file))
        wanted = name.strip("/")
        if wanted not in found:
            raise Unreadable(f"holds no dataset {name!r}; it holds {_listed(list(found))}")
        if found[wanted].dtype.kind not in _NUMBERS:
            raise Unreadable(f"has no numbers in its dataset {wanted!r}")
        return _values(found[wanted])


def hdf5_shape(path: str | os.PathLike[str], layout: str = "") -> tuple[int, int]:
    """Height and width from the header of the one dataset that looks like images."""
    with _opened(path) as file:
        reading = layout_of(_only_pictures(file, "").shape, layout)
    return reading.height, reading.width


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    try:
        import h5py
    except ImportError as error:
        raise InputError(
            f"{os.fspath(path)} is HDF5, which needs h5py: pip install 'vestige[medical]'"
        ) from error
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except (Unreadable, InputError, FileNotFoundError):
        raise
    except Exception as error:  # h5py has many, and their words name its functions
        raise Unreadable("is HDF5 whose structure or data are damaged") from error


def _datasets(file: Any) -> Iterator[tuple[str, Any]]:
    """All datasets by name, group by group; each group is entered once."""
    import h5py

    waiting, entered = [("", file["/"])], set()
    while waiting:
        prefix, group = waiting.pop(0)
        place = h5py.h5o.get_info(group.id).addr
        if place in entered:
            continue
        entered.add(place)
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise Unreadable("links to data in another file; copy them into this one")
            if not isinstance(link, h5py.HardLink):
                continue  # another name for what is met here anyhow
            item = group[name]
            if isinstance(item, h5py.Group):
                waiting.append((f"{prefix}{name}/", item))
            elif isinstance(item, h5py.Dataset):
                yield prefix + name, item


def _only_pictures(file: Any, name: str) -> Any:
    """The one dataset that looks like images; none may be left that may hold pictures, too."""
    found = {
        key: one
        for key, one in _datasets(file)
        if (one.dtype.kind in _NUMBERS and may_be_pictures(one.shape or ()))
        or not (one.dtype.kind in _NUMBERS + _WORDS or _is_text(one))
    }
    if not found:
        raise Unreadable("holds no dataset that looks like images")
    if len(found) > 1:
        raise Unreadable(
            f"holds several datasets that may be images ({_listed(list(found))}). Give one of them "
            f"as the images: {name}{MEMBER}{next(iter(found))}"
        )
    key, dataset = next(iter(found.items()))
    if dataset.dtype.kind not in _NUMBERS:
        raise Unreadable(f"holds no plain numbers in its dataset {key!r}; save [n, h, w]")
    return dataset


def _is_text(dataset: Any) -> bool:
    import h5py

    return h5py.check_string_dtype(dataset.dtype) is not None


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (", ".join(names[:_NAMED]) or "none") + more


def _values(dataset: Any) -> npt.NDArray[Any]:
    """The numbers of a dataset, once they are known to lie here and to fit."""
    creation, shape, dtype = dataset.id.get_create_plist(), dataset.shape, dataset.dtype
    if dataset.is_virtual or creation.get_external_count():
        raise Unreadable("has a dataset whose numbers lie in another file; copy them into this one")
    if shape is None or math.prod(shape) > MAX_PIXELS:
        raise Unreadable(
            f"unfolds to an array of {shape}, more than {MAX_PIXELS} numbers; split it"
        )
    from_any(np.empty((0, 0), dtype), "")  # refuses what has no range, before it is read
    filters = [creation.get_filter(k)[0] for k in range(creation.get_nfilters())]
    unknown = [code for code in filters if code not in _FILTERS]
    if unknown or filters.count(_DEFLATE) > 1:
        raise Unreadable("is packed by a filter that is not read; save it with gzip, or unpacked")
    if dataset.chunks is not None:
        _check_chunks(dataset, math.prod(dataset.chunks) * dtype.itemsize, _DEFLATE in filters)
    values: npt.NDArray[Any] = dataset[()]
    return values


def _check_chunks(dataset: Any, size: int, is_deflated: bool) -> None:
    """Refuse chunks that are larger than the data, or unfold to more than they should."""
    if size > max(_LARGEST_CHUNK, 2 * dataset.nbytes):
        raise Unreadable("is a possible decompression bomb: one chunk is larger than all data")
    for k in range(dataset.id.get_num_chunks() if is_deflated else 0):
        chunk = dataset.id.get_chunk_info(k)
        if not is_harmless(chunk.size, "deflate", size):
            check_unfolds(dataset.id.read_direct_chunk(chunk.chunk_offset)[1], "deflate", size)
