"""The folder that may be released: copies of the files of which every image may stay."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy.typing as npt

from vestige.images.frame import Unreadable
from vestige.images.imageset import ImageSet, Record, pixel_digest
from vestige.images.pairs import is_part_of_pair, voxel_files
from vestige.images.remote import is_address
from vestige.images.series import Series
from vestige.images.shards import Decoding
from vestige.registry.entries import InputError
from vestige.release.parts import can_be_parted, write_array, write_part
from vestige.types import Bools, Progress, quiet


def check_folder(folder: str | os.PathLike[str], generated: ImageSet) -> None:
    """Refuse a folder that cannot be filled, before hours of work.

    Raises
    ------
    InputError
        Without files (arrays, addresses), for a folder that holds something, or that lies in the
        generated folder or holds it, and for names that lead out of the folder.
    """
    target = Path(folder)
    if generated.arrays is not None or any(is_address(r.path) for r in generated.records):
        raise InputError("--copy-to copies files: give the generated images as a local folder.")
    refuse_full(target)
    if generated.root is not None:
        root, place = generated.root.resolve(), target.resolve()
        if place == root or root in place.parents or place in root.parents:
            raise InputError(
                f"{target} and the generated folder lie within one another: name another folder "
                "for --copy-to."
            )
    for record in generated.records:
        path = PurePosixPath(_file_id(record.id, record.path))
        if path.is_absolute() or ".." in path.parts:
            raise InputError(
                f"the generated image {record.id} lies outside the folder of the list: --copy-to "
                "needs names that stay within it."
            )


def copy_kept(
    generated: ImageSet,
    keep: Sequence[str],
    folder: str | os.PathLike[str],
    progress: Progress = quiet,
) -> tuple[int, tuple[str, ...]]:
    """Copy the files of which every image may stay; all or nothing.

    Each copy is read again and must show what was audited. Of a volume that is a DICOM series all
    files are copied. Arrays and slices of volumes of which a part may stay are written again
    without the rest (`vestige.release.parts`).

    Returns
    -------
    copied : int
        Files.
    left_out : names of other files that hold an image that must not stay beside one that may

    Raises
    ------
    InputError
        As `check_folder`; when a file has gone or changed, or the folder cannot be written.
    """
    check_folder(folder, generated)
    kept = set(keep)
    digests: dict[str, list[str]] = {}
    stays: dict[str, bool] = {}
    names: dict[str, str] = {}
    series: dict[str, dict[str, str]] = {}
    for record in generated.records:
        digests.setdefault(record.path, []).append(record.sha256)
        stays[record.path] = stays.get(record.path, True) and record.id in kept
        names[record.path] = _file_id(record.id, record.path)
        series[record.path] = _names_of_files(record, generated.root)
    partly: dict[str, list[int]] = {}
    for record in generated.records:
        if record.id in kept and not stays[record.path]:
            partly.setdefault(record.path, []).append(record.frame)
    target = Path(folder)
    chosen = [path for path, whole in stays.items() if whole]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".vestige-", dir=target.parent) as place:
            inner = Path(place) / "kept"
            inner.mkdir()
            for done, path in enumerate(chosen, 1):
                copies = [_copy(one, inner / name) for one, name in series[path].items()]
                copy = Series(tuple(map(str, copies))) if len(copies) > 1 else copies[0]
                _check_copy(copy, digests[path], names[path], generated)
                progress("copying", done, len(chosen))
            left_out = []
            for path, frames in partly.items():
                # with a layout of its own, the images may not lie along the first axis
                if generated.layout or not can_be_parted(path):
                    left_out.append(names[path])
                    continue
                original = Path(place) / "original"
                shutil.copyfile(path, original)
                _check_copy(original, digests[path], names[path], generated)
                (inner / names[path]).parent.mkdir(parents=True, exist_ok=True)
                if not write_part(original, frames, inner / names[path]):
                    left_out.append(names[path])
            if target.exists():
                target.rmdir()
            inner.rename(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}") from error
    return len(chosen) + len(partly) - len(left_out), tuple(sorted(left_out))


def write_kept(values: npt.NDArray[Any], kept: Bools, folder: str | os.PathLike[str]) -> int:
    """The same of an array that a program gave, as images.npy in its own type.

    Returns
    -------
    int
        Files.

    Raises
    ------
    InputError
        When the folder holds something or cannot be written.
    """
    target = Path(folder)
    refuse_full(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".vestige-", dir=target.parent) as place:
            inner = Path(place) / "kept"
            inner.mkdir()
            write_array(values[kept], inner / "images.npy")
            if target.exists():
                target.rmdir()
            inner.rename(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}") from error
    return 1


def refuse_full(target: Path) -> None:
    """Refuse a file, and a folder that holds something."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} is not an empty folder: name a new one for --copy-to.")


def _copy(path: str, copy: Path) -> Path:
    """Copy one file, with the file of its voxels where it has one."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, copy)
    for part in filter(is_part_of_pair, voxel_files(path)):
        shutil.copyfile(part, copy.with_name(os.path.basename(part)))
    return copy


def _check_copy(
    copy: Path | Series, digests: Sequence[str], name: str, generated: ImageSet
) -> None:
    how = Decoding(generated.window, layout=generated.layout, kind=generated.kind)
    try:
        found = [
            pixel_digest(frame.shown_as(generated.kind, generated.background))
            for frame in how.read(copy)
        ]
    except Unreadable:
        found = []
    if not set(digests) <= set(found):
        raise InputError(
            f"{name} has changed since it was audited: leave the folder alone and start again."
        )


def _names_of_files(record: Record, root: Path | None) -> dict[str, str]:
    """Path -> name in the folder, of the file of an image or of all files of a DICOM series.

    The files of a series lie as they do in the generated folder; of a list, in a folder that has
    the name of the series.
    """
    paths = (record.path, *record.further)
    if len(paths) == 1:
        return {record.path: _file_id(record.id, record.path)}
    if root is not None:
        return {path: os.path.relpath(path, root) for path in paths}
    common = os.path.commonpath([os.path.dirname(path) for path in paths])
    return {path: os.path.join(record.id, os.path.relpath(path, common)) for path in paths}


def _file_id(identifier: str, path: str) -> str:
    """The id of the file of an image: without "#k", where the file holds several."""
    base, mark, number = identifier.rpartition("#")
    of_this_file = base.rpartition("/")[2] == os.path.basename(path)
    return base if mark and number.isdigit() and of_this_file else identifier
