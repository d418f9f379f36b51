"""A file of several images without those that must stay behind: arrays and volumes."""

import gzip
import os
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.images.arrays import PREFERRED
from vestige.images.formats import format_of_content
from vestige.images.nifti import slices_of
from vestige.images.pairs import voxel_files


def can_be_parted(path: str | os.PathLike[str]) -> bool:
    """Whether some images of this file can be written without the others."""
    kind = format_of_content(path)
    return kind in ("npy", "npz") or (kind == "nifti" and not voxel_files(path))


def write_part(path: Path, kept: Sequence[int], target: Path) -> bool:
    """Write the kept images of a file to another one, their numbers and type unchanged.

    Of an archive, arrays with one entry for each image lose the same entries. Slices of a volume
    close up, so that their places in space hold no longer.

    Parameters
    ----------
    kept : numbers of images in the file, in their order

    Returns
    -------
    bool
        False where the way in which the images lie in the file does not allow this.
    """
    kind = format_of_content(path)
    if kind == "npy":
        values = np.load(path, allow_pickle=False)
        write_array(values[list(kept)], target)
        return True
    if kind == "npz":
        return _write_archive(path, kept, target)
    return kind == "nifti" and _write_volume(path, kept, target)


def write_array(values: npt.NDArray[Any], target: Path) -> None:
    """An NPY file of these values in their own type."""
    target.write_bytes(_as_npy(values))


def _write_archive(path: Path, kept: Sequence[int], target: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        try:
            held = {
                one.filename: np.lib.format.read_array(
                    BytesIO(archive.read(one)), allow_pickle=False
                )
                for one in archive.infolist()
                if one.filename.endswith(".npy")
            }
        except ValueError:  # objects, which are never unpickled
            return False
        chosen = next(iter(held)) if len(held) == 1 else f"{PREFERRED}.npy"
        count = len(held[chosen])
        with zipfile.ZipFile(target, "w") as copy:
            for one in archive.infolist():
                data, values = archive.read(one), held.get(one.filename)
                if values is not None and values.ndim and len(values) == count:
                    data = _as_npy(values[list(kept)])
                copy.writestr(one, data, one.compress_type)
    return True


def _as_npy(values: npt.NDArray[Any]) -> bytes:
    file = BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(values), allow_pickle=False)
    return file.getvalue()


def _write_volume(path: Path, kept: Sequence[int], target: Path) -> bool:
    data = path.read_bytes()
    packed = data.startswith(b"\x1f\x8b")
    data = gzip.decompress(data) if packed else data
    written = slices_of(data, kept)
    if written is None:
        return False
    target.write_bytes(gzip.compress(written, mtime=0) if packed else written)
    return True
