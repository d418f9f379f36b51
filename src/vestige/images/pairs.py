"""Headers whose voxels lie in a file of their own: only in one of the same name, beside them."""

import os
from pathlib import Path

from vestige.files.regular import regular_descriptor
from vestige.images.frame import Unreadable

_VOXELS = {
    ".hdr": (".img", ".img.gz"),
    ".mhd": (".raw", ".zraw"),
    ".nhdr": (".raw", ".raw.gz"),
}
"""Suffix of a header -> suffixes that its voxels may have."""
_MAGIC = (b"ni1\0", b"ni2\0")
_HEADER_BYTES = 2**16


def voxel_files(header: str | os.PathLike[str]) -> list[str]:
    """Files beside a header in which its voxels may lie; none for a file that is no header."""
    name = os.fspath(header)
    stem, suffix = os.path.splitext(name.removesuffix(".gz"))
    names = (stem + other for other in _VOXELS.get(suffix.lower(), ()))
    return [other for other in names if os.path.isfile(other)]


def open_voxels(header: str | os.PathLike[str], name: str = "") -> int:
    """A descriptor of the file with the voxels of a header.

    Parameters
    ----------
    name : as the header states it; "" where the format fixes it

    Raises
    ------
    Unreadable
        For any other name than that of the header, another folder, or a link that leads away.
    """
    beside = voxel_files(header)
    plain = name.removeprefix("./")
    if plain:
        beside = [path for path in beside if os.path.basename(path) == plain]
    if not beside:
        stem, suffix = os.path.splitext(os.path.basename(os.fspath(header).removesuffix(".gz")))
        allowed = " or ".join(stem + other for other in _VOXELS.get(suffix.lower(), ()))
        if not allowed:
            raise Unreadable("has its voxels in another file; save both as one file")
        raise Unreadable(
            f"has its voxels in a file of its own: only {allowed} is read, which is not beside it "
            "or is not the one that is named; keep both together, under one name"
        )
    try:
        # where both are links, as in some archives of data, they lead to one place
        return regular_descriptor(beside[0], link=os.path.islink(header))
    except OSError as error:
        raise Unreadable(
            f"has its voxels in {os.path.basename(beside[0])}, which is a link or no file; put "
            "the file itself there"
        ) from error


def is_part_of_pair(path: str | os.PathLike[str]) -> bool:
    """Whether a file holds the voxels of a header that lies beside it and says so."""
    name = os.fspath(path)
    for header, suffixes in _VOXELS.items():
        for suffix in suffixes:
            if name.lower().endswith(suffix):
                beside = Path(name[: -len(suffix)] + header)
                if beside.is_file() and _names(beside, os.path.basename(name)):
                    return True
    return False


def _names(header: Path, name: str) -> bool:
    with header.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    if header.suffix.lower() == ".hdr":
        return start[344:348] in _MAGIC or start[4:8] in _MAGIC
    return os.fsencode(name) in start
